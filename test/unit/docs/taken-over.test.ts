/**
 * Goal: docs/options.md says of each option of a Redis client whether it is taken over, and why.
 * Method: the tables in the code are compared with those in the page, row by row.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { CLUSTER_OPTIONS, REDIS_OPTIONS } from "../../../src/redis/settings.ts";
import { UPSTASH_OPTIONS } from "../../../src/redis/upstash-settings.ts";

const lines = readFileSync(join(import.meta.dirname, "../../../docs/options.md"), "utf8").split("\n");
const WORDS: Readonly<Record<string, string>> = {
  taken: "taken over",
  fixed: "Rollcall's own",
  refused: "required",
};

type Rules = Readonly<Record<string, { readonly is: string; readonly why: string }>>;

it.each<[string, Rules]>([
  ["Redis", REDIS_OPTIONS],
  ["Cluster", CLUSTER_OPTIONS],
  ["Upstash", UPSTASH_OPTIONS],
])("%s: every option is in a row with its reason", (_, rules) => {
  const wrong = Object.entries(rules).filter(([name, { is, why }]) => {
    const rows = lines.filter((line) => line.startsWith("|") && line.split("|")[1]!.includes(`\`${name}\``));
    return !rows.some((row) => row.includes(WORDS[is]!) && row.replace(/ +/g, " ").includes(why));
  });
  expect(wrong.map(([name]) => name)).toEqual([]);
});
