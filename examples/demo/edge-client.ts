/** A client of the edge API over HTTP. */
import { DemoError } from "./errors.ts";

const REQUEST_TIMEOUT_MS = 5_000;
const PAGE = 1000;

export interface EdgeCounts {
  readonly users: number;
  readonly sockets: number;
  readonly connections: number;
  readonly asOf: { readonly now: string };
}

export interface EdgeProcess {
  readonly id: string;
  readonly state: string;
  readonly sockets: number;
}

/** Every method rejects with DemoError when there is no successful answer in time. */
export interface EdgeClient {
  /** GET /v1/counts, which is open. */
  counts(): Promise<EdgeCounts>;
  /** GET /v1/users, page by page. */
  users(): Promise<Set<string>>;
  /** GET /v1/processes. */
  processes(): Promise<readonly EdgeProcess[]>;
}

export function edgeClient(url: string, token: string): EdgeClient {
  async function get(path: string, headers: Record<string, string> = {}): Promise<unknown> {
    const route = path.split("?", 1)[0]!;
    let response: Response;
    let body: string;
    try {
      response = await fetch(url + path, { headers, signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) });
      body = await response.text();
    } catch (cause) {
      throw new DemoError(`GET ${route} failed: ${cause instanceof Error ? cause.message : String(cause)}`, {
        cause,
      });
    }
    if (response.ok) return JSON.parse(body) as unknown;
    const isProblem = response.headers.get("content-type") === "application/problem+json";
    const detail = isProblem ? `: ${(JSON.parse(body) as { detail: string }).detail}` : "";
    throw new DemoError(`GET ${route} answered ${response.status}${detail}`);
  }

  const bearer = { authorization: `Bearer ${token}` };
  return {
    counts: async () => (await get("/v1/counts")) as EdgeCounts,
    async users() {
      const found = new Set<string>();
      let next: string | null = null;
      do {
        const query: string = next === null ? "" : `&cursor=${encodeURIComponent(next)}`;
        const page = (await get(`/v1/users?limit=${PAGE}${query}`, bearer)) as {
          readonly users: readonly { readonly id: string }[];
          readonly next: string | null;
        };
        for (const { id } of page.users) found.add(id);
        next = page.next;
      } while (next !== null);
      return found;
    },
    processes: async () =>
      ((await get("/v1/processes", bearer)) as { processes: readonly EdgeProcess[] }).processes,
  };
}
