/** `counts()` of a scope, `scopes()`, `countsIn()`, and what GET /v1/scopes and POST /v1/counts/lookup answer. */
import * as v from "valibot";
import { type AsOf, asOfSchema } from "./as-of.ts";
import { count, schemaOf } from "./schema.ts";

/** The counts of a namespace or a room, over all processes and shards. */
export interface ScopeCounts {
  /** Users in it, including those in grace. */
  readonly users: number;
  /** Sockets in it, including anonymous ones. */
  readonly sockets: number;
  readonly asOf: AsOf;
}

/** A namespace or a room, and how large it is. */
export interface ScopeSize {
  readonly namespace: string;
  /** Null: the namespace itself. */
  readonly room: string | null;
  readonly users: number;
  readonly sockets: number;
}

/** Some of the scopes in which somebody is. */
export interface ScopesPage {
  /** Largest first, by users, then by sockets. */
  readonly scopes: readonly ScopeSize[];
  /** The cursor of the next page; null after the last. */
  readonly next: string | null;
  readonly asOf: AsOf;
}

/** A namespace or a room that was asked for. */
export interface CountsOfScope {
  readonly namespace: string;
  /** Null: the namespace itself. */
  readonly room: string | null;
  /** Whether it is counted; null: nobody is there, and nobody can say. */
  readonly tracked: boolean | null;
  /** Null where it is not counted, or nobody can say. */
  readonly users: number | null;
  readonly sockets: number | null;
}

/** The counts of several scopes, in the order asked for. */
export interface CountsInAnswer {
  readonly scopes: readonly CountsOfScope[];
  readonly asOf: AsOf;
}

const room = v.pipe(v.nullable(v.string()), v.description("Null: the namespace itself."));

/** JSON of ScopeCounts. */
export const scopeCountsSchema = schemaOf<ScopeCounts>()(
  v.strictObject({ users: count, sockets: count, asOf: asOfSchema }),
);

const scopeSizeSchema = schemaOf<ScopeSize>()(
  v.strictObject({ namespace: v.string(), room, users: count, sockets: count }),
);

/** JSON of ScopesPage. */
export const scopesPageSchema = schemaOf<ScopesPage>()(
  v.strictObject({
    scopes: v.array(scopeSizeSchema),
    next: v.pipe(v.nullable(v.string()), v.description("The cursor of the next page; null after the last.")),
    asOf: asOfSchema,
  }),
);

const countsOfScopeSchema = schemaOf<CountsOfScope>()(
  v.strictObject({
    namespace: v.string(),
    room,
    tracked: v.pipe(v.nullable(v.boolean()), v.description("Null: nobody is there, and nobody can say.")),
    users: v.nullable(count),
    sockets: v.nullable(count),
  }),
);

/** JSON of CountsInAnswer. */
export const countsInAnswerSchema = schemaOf<CountsInAnswer>()(
  v.strictObject({ scopes: v.array(countsOfScopeSchema), asOf: asOfSchema }),
);
