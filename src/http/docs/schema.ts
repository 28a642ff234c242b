/** A JSON Schema as people read it: `{ users: integer ≥ 0, asOf: AsOf }`, a member a line. Only what the document here uses. */
// Not `html`: the formatter would change the white space, which counts in here.
import { html as text } from "hono/html";
import type { Operation, Schema } from "../openapi.ts";

export type Html = ReturnType<typeof text>;

/** The schema of the JSON that a route takes. */
export function bodyOf({ requestBody }: Operation): Schema | undefined {
  return requestBody?.content["application/json"]?.schema;
}

/** The id of a schema in the page. */
export function schemaId(schema: string): string {
  return `schema-${schema}`;
}

/** Text with `code` in it. */
export function prose(said: string): Html {
  return text`${said.split("`").map((part, i) => (i % 2 === 1 ? text`<code>${part}</code>` : part))}`;
}

/** References are links. */
export function notation(schema: Schema, indent = ""): Html {
  const { $ref, anyOf, enum: values, type, properties, items, maxItems } = schema;
  if ($ref !== undefined) {
    const name = $ref.slice($ref.lastIndexOf("/") + 1);
    return text`<a href="#${schemaId(name)}">${name}</a>`;
  }
  if ("const" in schema) return text`${JSON.stringify(schema.const)}`;
  if (anyOf !== undefined)
    return text`${anyOf.map((one, i) => text`${i > 0 && " | "}${notation(one, indent)}`)}`;
  if (values !== undefined) return text`${values.map((value) => JSON.stringify(value)).join(" | ")}`;
  if (items !== undefined)
    return text`[${notation(items, indent)}]${maxItems !== undefined && ` at most ${maxItems.toLocaleString("en")}`}`;
  if (properties !== undefined) return membersOf(schema, properties, indent);
  const { format, pattern, minimum } = schema;
  return text`${format ?? type ?? "anything"}${minimum !== undefined && ` ≥ ${minimum}`}${pattern !== undefined && ` /${pattern}/`}`;
}

function membersOf(
  { required = [] }: Schema,
  properties: NonNullable<Schema["properties"]>,
  indent: string,
): Html {
  const inner = `${indent}  `;
  const members = Object.entries(properties).map(([name, one]) => {
    const about = one.description === undefined ? "" : text` <i>${prose(one.description)}</i>`;
    return text`${inner}<b>${name}</b>${!required.includes(name) && "?"}: ${notation(one, inner)}${about}\n`;
  });
  return text`{\n${members}${indent}}`;
}
