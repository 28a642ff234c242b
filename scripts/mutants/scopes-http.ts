/** Breaks of what the API answers about namespaces and rooms: INV-8 (access), INV-9 (bounds), INV-11 (cursors). */
import { type Mutant, mutantsOf } from "./mutant.ts";

const SCOPES = "test/unit/http/scopes.test.ts";
const EVENTS = "test/unit/http/scope-events.test.ts";

const core = mutantsOf("core");
const http = mutantsOf("http");

export const SCOPES_HTTP_MUTANTS: readonly Mutant[] = [
  core(
    "scopes-cursors-without-a-mark",
    "INV-11",
    SCOPES,
    "cursor.ts",
    'return scope === undefined ? "" :',
    'return scope !== null ? "" :',
  ),
  http(
    "scopes-share-an-answer",
    "INV-11",
    SCOPES,
    "coalesced-reader.ts",
    'return this.#told(["counts", where],',
    'return this.#told(["counts"],',
  ),
  http(
    "scopes-push-out-the-whole",
    "INV-9",
    SCOPES,
    "coalesced-reader.ts",
    "const coalescer = isOfScopes ? this.#scoped : this.#coalescer;",
    "const coalescer = isOfScopes ? this.#coalescer : this.#coalescer;",
  ),
  http(
    "scopes-feeds-are-kept-for-ever",
    "INV-9",
    EVENTS,
    "feeds.ts",
    "if (idle.length - i > FEEDS_POLLED_MAX || usedAt < before)",
    "if (usedAt < before)",
  ),
  http(
    "scopes-feeds-read-what-another-read",
    "INV-11",
    SCOPES,
    "feed.ts",
    'const question: Question = ["feed", this.#parts.n, end];',
    'const question: Question = ["feed", 0, end];',
  ),
  http("scopes-names-are-open", "INV-8", SCOPES, "routes/scopes.ts", 'scope: "users",', "scope: undefined,"),
  http(
    "scopes-counts-are-open",
    "INV-8",
    SCOPES,
    "routes/counts.ts",
    "if (where !== undefined && scopeNamed !== undefined) tokens.demand(c, scopeNamed);",
    "",
  ),
];
