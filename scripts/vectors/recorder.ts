/** recorder.json: what sockets do and what Redis says, in; the records, out. From the journal and the look at a registration. */
import { Journal } from "../../src/core/journal.ts";
import { type About, encodeRecord } from "../../src/core/record.ts";
import { type Appended, Watch } from "../../src/recorder/registration.ts";

/** An id: appended with it. `lost`: nobody knows whether it was appended. `refused`: an error reply. */
type Fate = string;

export type Step =
  | { readonly connect: string | null; readonly times?: number }
  | { readonly disconnect: string | null; readonly how: "disconnect" | "leave"; readonly times?: number }
  /** Time for a record: the one in flight again, or the next. */
  | { readonly send: { readonly connections?: number; readonly bye?: boolean }; readonly fate: Fate; readonly record?: readonly string[] }
  /** What a look finds; `fresh` is the id of the next registration, should it take one. */
  | { readonly look: { readonly folded: string | null; readonly state: string | null }; readonly fresh?: string; readonly finds?: string }; // prettier-ignore

export interface RecorderVector {
  readonly name: string;
  readonly process: string;
  readonly ttl: number;
  readonly about: About;
  readonly steps: readonly Step[];
}

/** Plays the steps; returns them with what came of each: `record` of a send, `finds` of a look. */
export function play({ process, ttl, about, steps }: RecorderVector): Step[] {
  const journal = new Journal(process, { ttl, about });
  const watch = new Watch();
  let inFlight: { process: string; seq: number; fields: string[] } | undefined;
  let last: Appended | undefined;
  return steps.map((step): Step => {
    if ("connect" in step) {
      for (let i = 0; i < (step.times ?? 1); i++) journal.connect(step.connect ?? "");
      return step;
    }
    if ("disconnect" in step) {
      for (let i = 0; i < (step.times ?? 1); i++) journal.disconnect(step.disconnect ?? "", step.how);
      return step;
    }
    if ("send" in step) {
      if (inFlight === undefined) {
        const record = journal.take(step.send);
        inFlight = { process: record.process, seq: record.seq, fields: encodeRecord(record) };
      }
      const { fields, ...sent } = inFlight;
      if (step.fate !== "lost" && step.fate !== "refused") {
        last = { ...sent, id: step.fate };
        inFlight = undefined;
      }
      return { ...step, record: fields };
    }
    const { folded, state } = step.look;
    const { registration } = watch.see([[folded, "1"], [state]], last!);
    if (registration.is === "over") journal.restate(step.fresh!);
    if (registration.is === "believed") journal.confirm(registration.seq);
    return { ...step, finds: registration.is };
  });
}

const connect = (...users: (string | null)[]): Step[] => users.map((user) => ({ connect: user }));
const drop = (...users: (string | null)[]): Step[] =>
  users.map((user) => ({ disconnect: user, how: "disconnect" }));
const leave = (...users: (string | null)[]): Step[] =>
  users.map((user) => ({ disconnect: user, how: "leave" }));
let ids = 0;
const send = (fate: Fate = `1700000000000-${++ids}`, more = {}): Step => ({ send: more, fate });
const live = (seq: number) => `live ${seq} 0 0 0 1 0`;

function vector(name: string, grace: number, ...steps: (Step | Step[])[]): RecorderVector {
  const about = { host: "web-1", pid: 42, version: "1.0.0", grace };
  const vector = { name, process: "web-1.1", ttl: 10_000, about, steps: steps.flat() };
  return { ...vector, steps: play(vector) };
}

export function recorderVectors(): RecorderVector[] {
  ids = 0;
  const [G, N] = [5_000, 0];
  return [
    vector("a first record without a socket", N, send()),
    vector("a first record with grace and sockets", G, connect("ann", "ben", "ann", null), send()),
    vector("a heartbeat", N, connect("ann"), send(), send(), send()),
    vector("what cancels out is not said of a user who has a socket", N, connect("ann"), send(), connect("ann"), leave("ann"), drop("ann"), connect("ann"), send()),
    vector("a user with a socket left is not named in both lists", G, connect("ann"), send(), connect("ann"), leave("ann"), send()),
    vector("came and left in one batch: both lists", N, connect("ann"), leave("ann"), send()),
    vector("came and dropped in one batch, with grace: both lists", G, connect("ann"), drop("ann"), send()),
    vector("came and dropped in one batch, without grace: both lists", N, connect("ann"), drop("ann"), send()),
    vector("left and came back in one batch", G, connect("ann"), send(), leave("ann"), connect("ann"), send()),
    vector("all departures are of the kind of the last one", G, connect("ann", "ann", "ann"), send(), drop("ann"), leave("ann"), drop("ann"), send()),
    vector("the last one was a goodbye", G, connect("ann", "ann"), send(), drop("ann"), leave("ann"), send()),
    vector("anonymous sockets only when their number has changed", N, connect(null, null), send(), send(), drop(null), send(), connect(null), drop(null), send()),
    vector("connections only when their number has changed", N, send("1700000000001-1", { connections: 3 }), send("1700000000001-2", { connections: 3 }), send("1700000000001-3", { connections: 4 })),
    vector("a lost reply: the same record again, then what came meanwhile", N, connect("ann"), send("lost"), connect("ben"), drop("ann"), send("lost"), send(), send()),
    vector("an error reply: not appended, the same record again", N, connect("ann"), send("refused"), connect("ben"), send(), send()),
    vector("a goodbye while the record of the connect is in flight", G, connect("ann"), send("lost"), leave("ann"), send(), send()),
    vector("ids that JSON escapes, and others that it does not", N, connect('a"b', "a\\b", "a\nb", "é", "😀", "\u2028", "__proto__"), send()),
    vector("1,500 sockets of one user are two records", N, { connect: "ann", times: 1_500 }, send(), send(), send()),
    vector("a look before anything is folded", N, connect("ann"), send("1700000000002-1"), { look: { folded: null, state: null }, fresh: "x" }, send()),
    vector("a look that finds all well", N, connect("ann"), send("1700000000002-1"), { look: { folded: "1700000000002-1", state: live(1) }, fresh: "x" }, send()),
    vector("a look before its last record is folded", N, send("1700000000002-1"), { look: { folded: "1700000000002-1", state: live(1) }, fresh: "x" }, send("1700000000003-1"), { look: { folded: "1700000000002-9", state: live(1) }, fresh: "x" }, send()),
    vector("fenced: registers again", N, connect("ann", "ben"), send("1700000000002-1"), drop("ben"), { look: { folded: "1700000000002-1", state: "fenced 1 2 0 0 1 0" }, fresh: "web-1.2" }, send("1700000000004-1"), send("1700000000004-2")),
    vector("ended: registers again", N, connect("ann"), send("1700000000002-1"), { look: { folded: "1700000000002-1", state: "ended 1 0 0 0 1 0 reap 1700000010000" }, fresh: "web-1.2" }, send("1700000000004-1")),
    vector("lost: the log is folded beyond its record, and it is not known", N, connect("ann"), send("1700000000002-1"), { look: { folded: "1700000000002-5", state: null }, fresh: "web-1.2" }, send("1700000000004-1")),
    vector("lost: known, but not up to its record", N, connect("ann"), send("1700000000002-1"), connect("ben"), send("1700000000002-3"), { look: { folded: "1700000000002-3", state: live(1) }, fresh: "web-1.2" }, send("1700000000004-1")),
    vector("who came and went before it registers again is named in both lists", N, connect("ann"), send("1700000000002-1"), connect("ben"), leave("ben", "ann"), { look: { folded: "1700000000002-1", state: "fenced 1 1 0 0 1 0" }, fresh: "web-1.2" }, send("1700000000004-1")),
    vector("registers again over several records: replaces in the last", N, { connect: "ann", times: 1_500 }, connect("ben"), send("1700000000002-1"), send("1700000000002-2"), { look: { folded: "1700000000002-2", state: "fenced 2 0 0 0 1 0" }, fresh: "web-1.2" }, send("1700000000003-1"), send("1700000000003-2"), send("1700000000003-3")),
    vector("fenced twice before it is believed: both are replaced", N, connect("ann"), send("1700000000002-1"), { look: { folded: "1700000000002-1", state: "fenced 1 1 0 0 1 0" }, fresh: "web-1.2" }, send("1700000000003-1"), { look: { folded: "1700000000003-1", state: "fenced 1 1 0 0 2 0" }, fresh: "web-1.3" }, send("1700000000004-1")),
    vector("believed in between: only the later one is replaced", N, connect("ann"), send("1700000000002-1"), { look: { folded: "1700000000002-1", state: "fenced 1 1 0 0 1 0" }, fresh: "web-1.2" }, send("1700000000003-1"), { look: { folded: "1700000000003-1", state: live(1) }, fresh: "x" }, { look: { folded: "1700000000003-1", state: "fenced 1 1 0 0 2 0" }, fresh: "web-1.3" }, send("1700000000004-1")),
    vector("bye states what is open", G, connect("ann", "ben", "ben", null), send(), send("1700000000005-1", { bye: true })),
    vector("bye with something that no record holds yet", G, connect("ann"), send(), connect("ben"), leave("ann"), send("1700000000005-1", { bye: true })),
    vector("bye over two records", N, { connect: "ann", times: 800 }, { connect: "ben", times: 700 }, send("1700000000002-1"), send("1700000000002-2"), send("1700000000005-1", { bye: true }), send("1700000000005-2", { bye: true })),
    vector("bye without a socket", N, send(), send("1700000000005-1", { bye: true })),
  ]; // prettier-ignore
}
