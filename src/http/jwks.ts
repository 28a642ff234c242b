/**
 * A key set by its URL: fetched when it is needed, kept, and fetched again after a while or when a token names a key it does not have. The
 * last good one is used as long as no fetch succeeds.
 *
 * No request waits for another's fetch, since in a Worker a request can end together with its client: the first one fetches, others use
 * what there is, or are told to come again.
 */
import { JWKS_AGAIN_MS, JWKS_BYTES_MAX, JWKS_FETCH_MS, JWKS_FIRST_MAX, JWKS_FRESH_MS, JWKS_KEYS_MAX } from "../core/limits.ts"; // prettier-ignore
import { type PublicKey, publicKeyOf } from "./public-key.ts";

/** "unknown": no such key; "unavailable": that is not known now. */
export type Found = PublicKey | "unknown" | "unavailable";

/** Where keys come from. */
export interface Keys {
  readonly find: (kid: string) => Promise<Found>;
}

/** Keys that do not change. */
export function fixedKeys(keys: readonly PublicKey[]): Keys {
  const byKid = new Map(keys.map((key) => [key.kid, key]));
  return { find: (kid) => Promise.resolve(byKid.get(kid) ?? "unknown") };
}

export interface RemoteParts {
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
  /** ms. */
  readonly now?: () => number;
}

/** The keys at a URL. find() never rejects. */
export class RemoteKeys implements Keys {
  readonly #url: string;
  readonly #fetch: NonNullable<RemoteParts["fetch"]>;
  readonly #now: () => number;
  #keys: ReadonlyMap<string, PublicKey> | undefined;
  #goodAt = -Infinity;
  #triedAt = -Infinity;
  /** Fetches under way; since when, because one whose request ended never settles. */
  readonly #fetches = new Map<object, number>();

  constructor(url: string, { fetch: own, now = () => performance.now() }: RemoteParts = {}) {
    this.#url = url;
    this.#fetch = own ?? ((address, init) => fetch(address, init));
    this.#now = now;
  }

  async find(kid: string): Promise<Found> {
    const now = this.#now();
    for (const [one, since] of this.#fetches) if (now - since > 2 * JWKS_FETCH_MS) this.#fetches.delete(one);
    const known = this.#keys?.get(kid);
    const isDue = now - this.#triedAt >= JWKS_AGAIN_MS;
    if (known !== undefined) {
      if (isDue && now - this.#goodAt >= JWKS_FRESH_MS && this.#fetches.size === 0) await this.#refresh();
      return this.#keys?.get(kid) ?? "unknown";
    }
    const mayFetch = this.#fetches.size === 0 ? isDue : this.#keys === undefined && this.#fetches.size < JWKS_FIRST_MAX; // prettier-ignore
    if (mayFetch) await this.#refresh();
    const found = this.#keys?.get(kid);
    if (found !== undefined) return found;
    // A key set that is being read may have it.
    return this.#keys === undefined || this.#fetches.size > 0 ? "unavailable" : "unknown";
  }

  async #refresh(): Promise<void> {
    const me = {};
    this.#triedAt = this.#now();
    this.#fetches.set(me, this.#triedAt);
    try {
      const keys = await this.#read();
      if (keys.size === 0) return;
      this.#keys = keys;
      this.#goodAt = this.#now();
    } catch {
      // The last good ones stay. Without any, the answer says that they are unavailable.
    } finally {
      this.#fetches.delete(me);
    }
  }

  async #read(): Promise<ReadonlyMap<string, PublicKey>> {
    const response = await this.#fetch(this.#url, {
      headers: { accept: "application/json" },
      // A redirect could lead to http.
      redirect: "manual",
      signal: AbortSignal.timeout(JWKS_FETCH_MS),
    });
    const text = await textOf(response);
    if (response.status !== 200) throw new Error("no key set");
    const { keys } = JSON.parse(text) as { readonly keys?: unknown };
    const list: unknown[] = Array.isArray(keys) ? keys.slice(0, JWKS_KEYS_MAX) : [];
    // Key sets have keys for other purposes too.
    const made = list.map(publicKeyOf).filter((key) => typeof key !== "string");
    return new Map(made.map((key) => [key.kid, key]));
  }
}

/** Rejects for a body that is too long. */
async function textOf(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  try {
    for (;;) {
      const next = await reader?.read();
      if (next === undefined || next.done) return text + decoder.decode();
      bytes += next.value.length;
      if (bytes > JWKS_BYTES_MAX) throw new Error("the key set is too long");
      text += decoder.decode(next.value, { stream: true });
    }
  } finally {
    await reader?.cancel().catch(() => {});
  }
}
