/** Breaks of browser tokens: what they grant, and what their holders learn of others. */
import type { Mutant } from "./mutant.ts";

const TOKENS = "test/unit/http/browser-tokens.test.ts";
const ROUTES = "test/unit/http/browser-routes.test.ts";
const STREAMS = "test/unit/http/browser-streams.test.ts";

function mutant(name: string, test: string, file: string, find: string, replace: string): Mutant {
  return {
    name: `browser-${name}`,
    breaks: "INV-8",
    tests: [test],
    edits: [{ file: `src/http/${file}`, find, replace }],
  };
}

export const BROWSER_TOKENS_MUTANTS: readonly Mutant[] = [
  mutant("exp-is-not-checked", TOKENS, "verify.ts", "if (exp + leeway <= now)", "if (exp + leeway < 0)"),
  mutant("aud-is-not-checked", TOKENS, "verify.ts", "if (aud !== audience && ", "if (aud === undefined && "),
  mutant("age-is-not-bounded", TOKENS, "verify.ts", "> maxAge", "> 100 * maxAge"),
  mutant("action-is-not-checked", TOKENS, "holder.ts", "if (grant.actions.has(action)) return;", "if (grant.actions.size >= 0) return;"),
  mutant("changes-of-all-users", TOKENS, "own.ts", "if (users.has(change.user)) mine.push(change);", "mine.push(change);"),
  mutant("stream-of-all-users", STREAMS, "own-events.ts", "const mine = group.changes(batch);", "const mine = batch.changes;"),
  mutant("lookup-of-all-users", TOKENS, "routes/lookup.ts", "if (holder !== undefined) demandUsers(holder, ids);", ""),
  mutant("cursors-are-not-sealed", TOKENS, "own.ts", "return this.#seal.seal(cursor, kindOf(where), holder.subject);", "return Promise.resolve(cursor);"),
  mutant("cursors-are-not-bound", TOKENS, "seal.ts", "JSON.stringify([kind, subject])", "JSON.stringify([kind])"),
  mutant("cursors-have-their-length", STREAMS, "seal.ts", "cursor.padEnd(Math.max(this.#size, blocks(cursor.length)), \" \")", "cursor.padEnd(cursor.length + Math.floor(Math.random() * 9), \" \")"),
  mutant("more-tells-of-others", TOKENS, "own.ts", "reads < OWN_READS_MAX &&", "reads < 1 &&"),
  mutant("reads-are-free", "test/unit/http/browser-budget.test.ts", "own.ts", "return this.#take(subject);", "return this.#take !== undefined;"),
  mutant("since-tells-of-others", TOKENS, "own.ts", "Math.ceil(Date.parse(value[\"since\"] as string) / SINCE_MS) * SINCE_MS", "Date.parse(value[\"since\"] as string)"),
  mutant("exact-tells-of-others", TOKENS, "own.ts", 'value["exact"] === true && since <= from', 'value["exact"] === true'),
  mutant("route-without-action-is-open", ROUTES, "route.ts", "if (holder !== undefined) demandAction(holder, action);", "if (holder !== undefined && action !== undefined) demandAction(holder, action);"),
  mutant("lag-tells-of-others", TOKENS, "own.ts", 'record: "",', "record: asOf.record,"),
  mutant("position-only-if-it-moved", STREAMS, "own-events.ts", "yield frame({ id: await sealed(next) });", "yield frame(hasBegun ? {} : { id: await sealed(next) });"),
  mutant("stream-outlives-its-token", STREAMS, "streams.ts", "Math.max(0, holder.endsAt - Date.now())", "60_000"),
  mutant("cookie-of-any-page", TOKENS, "cookie.ts", "|| !isOurPage(c, origins)", ""),
  mutant("the-whole-with-any-pattern", TOKENS, "../core/grant.ts", "scope === undefined ? isWhole", "scope === undefined ? true"),
]; // prettier-ignore
