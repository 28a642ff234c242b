/** recorder.json: what sockets do and what Redis says, in; the records, out. From the journal and the look at a registration. */
import { Journal } from "../../src/core/journal.ts";
import { type About, encodeRecord } from "../../src/core/record.ts";
import { type Appended, Watch } from "../../src/recorder/registration.ts";

/** An id: appended with it. `lost`: nobody knows whether it was appended. `refused`: an error reply. */
type Fate = string;

export type Step =
  | { readonly connect: string | null; readonly times?: number }
  | { readonly disconnect: string | null; readonly how: "disconnect" | "leave"; readonly times?: number }
  /** A socket of this user comes into a scope, or goes; `null` is anonymous. */
  | { readonly join: string; readonly user: string | null; readonly times?: number }
  | { readonly part: string; readonly user: string | null; readonly how: "disconnect" | "leave"; readonly times?: number }
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
    if ("join" in step) {
      for (let i = 0; i < (step.times ?? 1); i++) journal.join(step.join, step.user ?? "");
      return step;
    }
    if ("part" in step) {
      for (let i = 0; i < (step.times ?? 1); i++) journal.part(step.part, step.user ?? "", step.how);
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
const join = (scope: string, ...users: (string | null)[]): Step[] =>
  users.map((user) => ({ join: scope, user }));
const part = (scope: string, how: "disconnect" | "leave", ...users: (string | null)[]): Step[] =>
  users.map((user) => ({ part: scope, user, how }));
let ids = 0;
const send = (fate: Fate = `1700000000000-${++ids}`, more = {}): Step => ({ send: more, fate });
const live = (seq: number) => `live ${seq} 0 0 0 1 0`;

function vector(
  name: string,
  own: number | { grace: number; tracks: readonly string[] },
  ...steps: (Step | Step[])[]
): RecorderVector {
  const about = {
    host: "web-1",
    pid: 42,
    version: "1.0.0",
    ...(typeof own === "number" ? { grace: own } : own),
  };
  const vector = { name, process: "web-1.1", ttl: 10_000, about, steps: steps.flat() };
  return { ...vector, steps: play(vector) };
}

/** So many users, one socket each. */
const fill = (name: string, users: number, how?: "leave"): Step[] =>
  Array.from({ length: users }, (_, i) =>
    how === undefined ? { connect: `${name}${i}` } : { disconnect: `${name}${i}`, how },
  );

export function recorderVectors(): RecorderVector[] {
  ids = 0;
  const [G, N] = [5_000, 0];
  const S = { grace: G, tracks: ["/chat", "/chat,*", "*/chat,news"] };
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
    vector("scopes: tracked, and nobody is in one", S, connect("ann"), send(), send()),
    vector("scopes: memberships come with their sockets, those of a scope together", S, connect("ann", "ben", null), join("/chat", "ann", "ben"), join("/chat,games", "ann"), join("/chat", null, "ann"), join("*/chat,news", "ben"), send(), send()),
    vector("scopes: what cancels out is not said where a membership is left", S, connect("ann"), join("/chat", "ann"), send(), join("/chat", "ann"), part("/chat", "leave", "ann"), part("/chat", "disconnect", "ann"), join("/chat", "ann"), send()),
    vector("scopes: came and went in one batch: both lists", S, connect("ann", "ben"), send(), join("/chat,x", "ann", "ben"), part("/chat,x", "leave", "ann"), part("/chat,x", "disconnect", "ben"), send()),
    vector("scopes: an anonymous socket that came and went is not said", S, connect(null), send(), join("/chat,x", null), part("/chat,x", "leave", null), send()),
    vector("scopes: all departures of a user from a scope are of the kind of the last one", S, connect("ann", "ann"), join("/chat", "ann", "ann"), join("/chat,x", "ann", "ann"), send(), part("/chat", "disconnect", "ann"), part("/chat", "leave", "ann"), part("/chat,x", "leave", "ann"), part("/chat,x", "disconnect", "ann"), send()),
    vector("scopes: a dropped transport takes its memberships along", S, connect("ann"), join("/chat", "ann"), join("*/chat,news", "ann"), send(), part("/chat", "disconnect", "ann"), part("*/chat,news", "disconnect", "ann"), drop("ann"), send()),
    vector("scopes: rooms that JSON escapes, with commas, and the one without a name", S, connect("ann"), join('/chat,a"b\\c\nd', "ann"), join("/chat,a,b", "ann"), join("/chat,", "ann"), join("/chat,😀", "ann"), join("/chat,__proto__", "ann"), send()),
    vector("scopes: over several records users come first and go last", S, ...fill("u", 600), { join: "/chat", user: "u0", times: 600 }, send(), send(), ...fill("u", 600, "leave"), { part: "/chat", user: "u0", how: "leave", times: 600 }, send(), send(), send()),
    vector("scopes: anonymous sockets go after their memberships", S, { connect: null, times: 1_500 }, { join: "/chat", user: null, times: 1_500 }, send(), send(), { part: "/chat", user: null, how: "disconnect", times: 1_500 }, { disconnect: null, how: "disconnect", times: 1_500 }, send(), send()),
    vector("scopes: naming one takes two operations more", S, connect(null), Array.from({ length: 334 }, (_, i): Step => ({ join: `/chat,${i}`, user: null })), send(), send()),
    vector("scopes: registers again, memberships after sockets", S, connect("ann", "ben", null), join("/chat", "ann", "ben", null), send("1700000000002-1"), part("/chat", "leave", "ben"), join("/chat,x", "ben"), part("/chat,x", "leave", "ben"), { look: { folded: "1700000000002-1", state: "fenced 1 3 1 0 1 5000" }, fresh: "web-1.2" }, send("1700000000004-1")),
    vector("scopes: bye states memberships before sockets", S, connect("ann", "ben", null), join("/chat", "ann", "ben", null), join("*/chat,news", "ann"), send(), send("1700000000005-1", { bye: true })),
    vector("scopes: bye over two records", S, { connect: "ann", times: 800 }, { join: "/chat", user: "ann", times: 800 }, send("1700000000002-1"), send("1700000000002-2"), send("1700000000005-1", { bye: true }), send("1700000000005-2", { bye: true })),
  ]; // prettier-ignore
}
