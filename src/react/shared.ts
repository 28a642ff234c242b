/** One live state for all components that ask a client the same: opened with the first, closed a moment after the last. */
import type { Client } from "../client/client.ts";
import type { Live } from "../client/store.ts";

/** How long a state outlives its last component, ms: one that is mounted again, as StrictMode does, finds it open. */
const LINGER_MS = 1_000;

interface Entry {
  readonly live: Live<{ readonly status: string }>;
  components: number;
  timer: ReturnType<typeof setTimeout> | undefined;
}

/** Client → question → what is open. */
const opened = new WeakMap<Client, Map<string, Entry>>();

/** What useSyncExternalStore takes. */
export interface Source<State> {
  readonly subscribe: (listener: () => void) => () => void;
  readonly getSnapshot: () => State;
}

/** Nothing is opened before subscribe(): rendering alone, also on a server, asks nothing. */
export function sharedSource<State extends { readonly status: string }>(
  client: Client,
  question: string,
  initial: State,
  open: () => Live<State>,
): Source<State> {
  return {
    getSnapshot: () => (opened.get(client)?.get(question)?.live.getState() as State | undefined) ?? initial,
    subscribe(listener) {
      const entry = enter(client, question, open);
      const unsubscribe = entry.live.subscribe(listener);
      return () => {
        unsubscribe();
        entry.components--;
        if (entry.components === 0) entry.timer = setTimeout(() => leave(client, question, entry), LINGER_MS);
      };
    },
  };
}

function enter(client: Client, question: string, open: () => Entry["live"]): Entry {
  const questions = opened.get(client) ?? new Map<string, Entry>();
  opened.set(client, questions);
  let entry = questions.get(question);
  // One that failed for good is tried again for a component that comes later, perhaps after a sign-in.
  if (entry?.components === 0 && entry.live.getState().status === "closed") {
    clearTimeout(entry.timer);
    entry = undefined;
  }
  entry ??= { live: open(), components: 0, timer: undefined };
  questions.set(question, entry);
  clearTimeout(entry.timer);
  entry.components++;
  return entry;
}

function leave(client: Client, question: string, entry: Entry): void {
  entry.live.close();
  const questions = opened.get(client);
  if (questions?.get(question) === entry) questions.delete(question);
}
