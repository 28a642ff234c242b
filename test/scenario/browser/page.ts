/**
 * What the pages of browser.test.ts run, bundled for a browser: an application that shows counts and who is present. The test
 * calls these functions and looks at what they have gathered.
 */
import { createClient, ProblemError } from "../../../src/client.ts";

/** An event of an EventSource; its own `open` and `error` have the state the source is in afterwards. */
export interface Seen {
  readonly event: string;
  readonly id: string;
  readonly data: unknown;
}

export interface Refused {
  readonly status: number;
  readonly code: string;
}

/** What following has brought. */
export interface Following {
  /** `+alice`, `-alice`: each change as it came. */
  readonly changes: string[];
  /** Who is present: a snapshot and the changes after it, and another snapshot after a gap. */
  present: string[];
  gaps: number;
  /** `redis`, `fresh`, `connection`, `fresh` …: what was told of its age. */
  readonly ages: string[];
  refused: Refused | undefined;
}

export interface Page {
  /** The events of /v1/counts. */
  readonly counts: (api: string) => Seen[];
  /** Takes a snapshot and follows. */
  readonly follow: (api: string, token: string) => Promise<Following>;
  readonly refusal: (api: string, token: string) => Promise<Refused>;
}

declare global {
  interface Window {
    readonly page: Page;
    seen: Seen[];
    following: Following;
  }
}

function counts(api: string): Seen[] {
  const seen: Seen[] = [];
  const source = new EventSource(`${api}/v1/counts`);
  for (const event of ["open", "error"])
    source.addEventListener(event, () => seen.push({ event, id: "", data: source.readyState }));
  for (const event of ["counts", "stale", "fresh"])
    source.addEventListener(event, ({ data, lastEventId }: MessageEvent<string>) =>
      seen.push({ event, id: lastEventId, data: JSON.parse(data) }),
    );
  return seen;
}

async function follow(api: string, token: string): Promise<Following> {
  const client = createClient(api, { token });
  const present = new Set<string>();
  const following: Following = { changes: [], present: [], gaps: 0, ages: [], refused: undefined };
  const snapshot = async () => {
    const page = await client.page({ limit: 1_000 });
    present.clear();
    for (const { id } of page.users) present.add(id);
    following.present = [...present].sort();
    return page.asOf.cursor;
  };
  const run = async (after: string) => {
    for await (const { changes, gap, stale } of client.follow({ after })) {
      const age = stale?.cause ?? "fresh";
      if (age !== (following.ages.at(-1) ?? "fresh")) following.ages.push(age);
      if (gap) {
        following.gaps++;
        return run(await snapshot());
      }
      for (const { user, type } of changes) {
        following.changes.push(`${type === "online" ? "+" : "-"}${user}`);
        if (type === "online") present.add(user);
        else present.delete(user);
      }
      following.present = [...present].sort();
    }
  };
  run(await snapshot()).catch((error: unknown) => (following.refused = refusedBy(error)));
  return following;
}

async function refusal(api: string, token: string): Promise<Refused> {
  return createClient(api, { token }).page().then(() => ({ status: 200, code: "" }), refusedBy); // prettier-ignore
}

function refusedBy(error: unknown): Refused {
  if (error instanceof ProblemError) return { status: error.status, code: error.code };
  return { status: 0, code: String(error) };
}

Object.assign(window, { page: { counts, follow, refusal } satisfies Page });
