/** GET /docs: the OpenAPI document as a page without a script, in the order of the routes. */
import { html, raw } from "hono/html";
import type { Document, Operation } from "../openapi.ts";
import { bodyOf, schemaId, type Html, notation, prose } from "./schema.ts";

/** A route of the document. */
interface Entry {
  readonly method: string;
  readonly path: string;
  readonly operation: Operation;
}

/** The whole page. `style` is put in as it is, without white space around it: its hash is in the policy. */
export function pageOf(document: Document, style: string): Html {
  const { info, components } = document;
  const entries = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): Entry => ({
      method: method.toUpperCase(),
      path,
      operation,
    })),
  );
  const groups = new Map<string, Entry[]>();
  for (const entry of entries) {
    const group = /^\/v1\/(\w+)/.exec(entry.path)?.[1] ?? "server";
    groups.set(group, [...(groups.get(group) ?? []), entry]);
  }
  const schemas = Object.entries(components.schemas);
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${info.title} API ${info.version}</title>
        <link rel="icon" href="data:," />
        ${raw(`<style>${style}</style>`)}
      </head>
      <body>
        <a class="skip" href="#main">Skip to the routes</a>
        <header>
          <h1>${info.title} API <small>${info.version}</small></h1>
          <p>${info.description} For programs: <a href="openapi.json">openapi.json</a>.</p>
        </header>
        <nav aria-label="Routes">
          <ul>
            ${[...groups].map(
              ([group, ours]) => html`<li>
                <a href="#${sectionId(group)}">${group}</a>
                <ul>
                  ${ours.map(
                    ({ method, path, operation }) =>
                      html`<li>
                        <a href="#${operation.operationId}" class="${method.toLowerCase()}"
                          ><b>${method}</b> ${path}</a
                        >
                      </li>`,
                  )}
                </ul>
              </li>`,
            )}
            <li><a href="#${sectionId("schemas")}">schemas</a></li>
          </ul>
        </nav>
        <main id="main">
          <p>
            In the examples <code>$URL</code> is where this server is, and <code>$TOKEN</code> one of its
            tokens. Every error is a <a href="#${schemaId("Problem")}">Problem</a>, with a
            <code>code</code> to branch on.
          </p>
          ${[...groups].map(
            ([group, ours]) =>
              html`<section aria-labelledby="${sectionId(group)}">
                <h2 id="${sectionId(group)}">${group}</h2>
                ${ours.map(routeOf)}
              </section>`,
          )}
          <section aria-labelledby="${sectionId("schemas")}">
            <h2 id="${sectionId("schemas")}">schemas</h2>
            ${schemas.map(
              ([name, schema]) =>
                html`<h3 id="${schemaId(name)}">${name}</h3>
                  <pre>${notation(schema)}</pre>`,
            )}
          </section>
        </main>
      </body>
    </html> `;
}

/** An operation may have the same name as its section. */
const sectionId = (name: string): string => `section-${name}`;

function routeOf(entry: Entry): Html {
  const { method, path, operation } = entry;
  const { operationId, summary, description, parameters = [], responses } = operation;
  const body = bodyOf(operation);
  return html`<article aria-labelledby="${operationId}">
    <h3 id="${operationId}" class="${method.toLowerCase()}"><b>${method}</b> ${path}</h3>
    <p>${prose(summary)} ${prose(description ?? "Open.")}</p>
    ${
      parameters.length > 0 &&
      html`<h4>Parameters</h4>
        <dl>
          ${parameters.map(
            (one) => html`<dt>
                <code>${one.name}</code> <small>${one.in}${one.required === true && ", required"}</small>
              </dt>
              <dd>
                ${one.description !== undefined && html`${prose(one.description)} `}<code
                  >${notation(one.schema)}</code
                >
              </dd>`,
          )}
        </dl>`
    }
    ${
      body !== undefined &&
      html`<h4>Body</h4>
        <pre>${notation(body)}</pre>`
    }
    <h4>Answers</h4>
    <dl class="answers">
      ${Object.entries(responses).map(
        ([status, { description: text, content = {} }]) =>
          html`<dt>${status}</dt>
            <dd>${status === "200" ? contentOf(content) : prose(text)}</dd>`,
      )}
    </dl>
    <h4>Example</h4>
    <pre><code>${examplesOf(entry).join("\n")}</code></pre>
  </article>`;
}

function contentOf(content: Operation["responses"][string]["content"] = {}): Html {
  return html`${Object.entries(content).map(
    ([type, { schema }]) =>
      html`<p>
        <code>${type}</code>${
          schema.type === "string"
            ? schema.description !== undefined && html`: ${prose(schema.description)}`
            : html` <code>${notation(schema)}</code>`
        }
      </p>`,
  )}`;
}

/** For a shell. A route that needs no token gets none. */
function examplesOf({ method, path, operation }: Entry): string[] {
  const body = bodyOf(operation);
  const types = Object.keys(operation.responses["200"]?.content ?? {});
  const isClosed = operation.security?.every((one) => Object.keys(one).length > 0) === true;
  const words = [
    ...(isClosed ? ['-H "authorization: Bearer $TOKEN"'] : []),
    ...(method === "POST" && body !== undefined ? [`--json '${JSON.stringify(exampleOf(body))}'`] : []),
    `"$URL${path.replaceAll(/\{\w+\}/g, "alice")}"`,
  ].join(" ");
  return [
    `curl ${words}`,
    ...(types.includes("text/event-stream") ? [`curl -N -H "accept: text/event-stream" ${words}`] : []),
  ];
}

/** What stands in the example of a body, by the name of the member; "…" for any other. */
const EXAMPLES: Readonly<Record<string, string>> = { ids: "alice", namespace: "/chat", room: "news" };

function exampleOf(schema: ReturnType<typeof bodyOf>, name = ""): unknown {
  if (schema?.type === "array") return [exampleOf(schema.items, name)];
  if (schema?.properties === undefined) return EXAMPLES[name] ?? "…";
  return Object.fromEntries(
    Object.entries(schema.properties).map(([key, one]) => [key, exampleOf(one, key)]),
  );
}
