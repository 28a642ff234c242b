/**
 * Goal: a schema and the interface whose JSON it describes cannot drift apart; and the reader does not need the schemas.
 * Method: schemas that each differ from an interface in one point, which the compiler must refuse (`npm run check:types` fails if
 * an expected error is missing); a bundle of the reader, searched for what it loads.
 */
import { build } from "esbuild";
import * as v from "valibot";
import { expect, expectTypeOf, it } from "vitest";
import { count, schemaOf, time } from "../../../src/reader/answers/schema.ts";
import type { Json } from "../../../src/reader/types.ts";

interface Seen {
  readonly id: string;
  readonly at: Date | null;
  readonly state: "live" | "ended";
  readonly parts: readonly { readonly n: number }[];
  readonly note?: string | undefined;
}

const fields = {
  id: v.string(),
  at: v.nullable(time),
  state: v.picklist(["live", "ended"]),
  parts: v.array(v.strictObject({ n: count })),
  note: v.optional(v.string()),
};
const { note, id, ...rest } = fields;

it("a schema equal to the interface's JSON compiles, and is returned unchanged", () => {
  const schema = v.strictObject(fields);
  expect(schemaOf<Seen>()(schema)).toBe(schema);
  expectTypeOf<v.InferOutput<typeof schema>["at"]>().toEqualTypeOf<Json<Seen>["at"]>();
});

it("a schema that differs in one point does not compile", () => {
  const tie = schemaOf<Seen>();
  const refused = [
    // @ts-expect-error A key is missing.
    tie(v.strictObject({ ...rest, note })),
    // @ts-expect-error An optional key is missing.
    tie(v.strictObject({ ...rest, id })),
    // @ts-expect-error A key too many.
    tie(v.strictObject({ ...fields, more: v.string() })),
    // @ts-expect-error An optional key too many.
    tie(v.strictObject({ ...fields, more: v.optional(v.string()) })),
    // @ts-expect-error Another type.
    tie(v.strictObject({ ...fields, id: v.number() })),
    // @ts-expect-error JSON has no dates.
    tie(v.strictObject({ ...fields, at: v.nullable(v.date()) })),
    // @ts-expect-error The interface allows null.
    tie(v.strictObject({ ...fields, at: time })),
    // @ts-expect-error The interface does not allow null.
    tie(v.strictObject({ ...fields, id: v.nullable(v.string()) })),
    // @ts-expect-error A state is missing.
    tie(v.strictObject({ ...fields, state: v.picklist(["live"]) })),
    // @ts-expect-error A state too many.
    tie(v.strictObject({ ...fields, state: v.picklist(["live", "ended", "fenced"]) })),
    // @ts-expect-error Any text is more than the states.
    tie(v.strictObject({ ...fields, state: v.string() })),
    // @ts-expect-error Deep inside a list.
    tie(v.strictObject({ ...fields, parts: v.array(v.strictObject({ n: v.string() })) })),
    // @ts-expect-error Always there, which the interface does not promise.
    tie(v.strictObject({ ...fields, note: v.string() })),
  ];
  expect(refused).toHaveLength(13);
});

it("Json turns dates into text and keeps optional fields", () => {
  expectTypeOf<Json<Seen>>().toEqualTypeOf<{
    readonly id: string;
    readonly at: string | null;
    readonly state: "live" | "ended";
    readonly parts: readonly { readonly n: number }[];
    readonly note?: string | undefined;
  }>();
  const seen: Seen = { id: "a", at: new Date(0), state: "live", parts: [{ n: 1 }] };
  expect(v.safeParse(v.strictObject(fields), JSON.parse(JSON.stringify(seen))).success).toBe(true);
});

it("the reader loads no schema", async () => {
  const { metafile } = await build({
    entryPoints: ["src/reader/reader.ts"],
    bundle: true,
    write: false,
    metafile: true,
    platform: "neutral",
  });
  const loaded = Object.keys(metafile.inputs);
  expect(loaded).toContain("src/reader/pages.ts");
  expect(loaded.filter((file) => /valibot|reader\/answers/.test(file))).toEqual([]);
});
