/** fold.json: logs and times in; the reply, what is told and the whole projection out. From the reference model. */
import { derivedKey, macOf } from "../../model/mac.ts";
import { keysOf } from "../../src/core/keys.ts";
import { historyVectors } from "./history.ts";
import { scopeVectors } from "./scopes.ts";
import {
  collect,
  type Fields,
  fields,
  first,
  type FoldVector,
  PREFIX,
  record,
  RECORDS,
  setAside,
  type Story,
  vector,
} from "./story.ts";

export type { FoldVector } from "./story.ts";

export function foldVectors(): FoldVector[] {
  return collect(() => {
    operations();
    registering();
    leases();
    graces();
    ending();
    calls();
    asides();
    signatures();
    scopeVectors();
    historyVectors();
  });
}

function operations(): void {
  vector("connect: a user comes online", (s) =>
    s.log(first("p", { connect: ["ann", "ben"], sockets: 2 })).call(),
  );
  vector("connect: a user twice in a list is two sockets, told once", (s) =>
    s.log(first("p", { connect: ["ann", "ann"], sockets: 2 })).call(),
  );
  vector("disconnect: a dropped transport without grace", (s) =>
    s.log(first("p", { connect: ["ann"], sockets: 1 })).call().log(record("p", 2, { disconnect: ["ann"], sockets: 0 })).call(),
  ); // prettier-ignore
  vector("leave: a goodbye", (s) =>
    s.log(first("p", { connect: ["ann"], sockets: 1 })).call().log(record("p", 2, { leave: ["ann"], sockets: 0 })).call(),
  ); // prettier-ignore
  vector("close: the socket of a server that closes, told as bye", (s) =>
    s.log(first("p", { connect: ["ann"], sockets: 1 })).call().log(record("p", 2, { close: ["ann"], sockets: 0 })).call(),
  ); // prettier-ignore
  vector("one of two sockets goes: nothing is told", (s) =>
    s.log(first("p", { connect: ["ann", "ann"], sockets: 2 })).call().log(record("p", 2, { leave: ["ann"], sockets: 1 })).call(),
  ); // prettier-ignore
  vector("two slots: a user on two processes", (s) =>
    s.log(first("p", { connect: ["ann"], sockets: 1 })).log(first("q", { connect: ["ann", "ann"], sockets: 2 })).call(),
  ); // prettier-ignore
  vector("two slots: one process goes, the user stays", (s) =>
    s.log(first("p", { connect: ["ann"], sockets: 1 })).log(first("q", { connect: ["ann"], sockets: 1 })).call()
      .log(record("p", 2, { leave: ["ann"], sockets: 0 })).call().log(record("q", 2, { leave: ["ann"], sockets: 0 })).call(),
  ); // prettier-ignore
  vector("all four lists in one record, in their order", (s) =>
    s.log(first("p", { grace: 5_000, connect: ["ben", "cat", "dan"], sockets: 3 })).call()
      .log(record("p", 2, { connect: ["ann"], disconnect: ["ben"], leave: ["cat"], close: ["dan"], sockets: 1 })).call(),
  ); // prettier-ignore
  vector("connect and leave of a user in one record: nothing is told", (s) =>
    s.log(first("p", { connect: ["ann"], leave: ["ann"], sockets: 0 })).call(),
  );
  vector("an empty list", (s) => s.log(first("p", { connect: [], sockets: 0 })).call());
  vector("transitions that cancel each other in one call are not told", (s) =>
    s.log(first("p", { connect: ["ann"], sockets: 1 })).log(record("p", 2, { leave: ["ann"], sockets: 0 })).call(),
  ); // prettier-ignore
  vector("the same in two calls is told", (s) =>
    s.log(first("p", { connect: ["ann"], sockets: 1 })).call().log(record("p", 2, { leave: ["ann"], sockets: 0 })).call(),
  ); // prettier-ignore
  vector("anonymous sockets: absolute, in the check digit, in no list", (s) =>
    s.log(first("p", { connect: ["ann"], anonymous: 3, sockets: 4 })).call()
      .log(record("p", 2, { sockets: 4 })).call().log(record("p", 3, { anonymous: 1, sockets: 2 })).call(),
  ); // prettier-ignore
  vector("connections: absolute, the sum over the processes", (s) =>
    s.log(first("p", { sockets: 0, connections: 7 })).log(first("q", { sockets: 0, connections: 5 })).call()
      .log(record("p", 2, { sockets: 0, connections: 6 })).log(record("q", 2, { sockets: 0 })).call(),
  ); // prettier-ignore
  const nasty = [
    "é",
    "日本語",
    "😀",
    "__proto__",
    "constructor",
    "1e5",
    "0",
    'a"b',
    "a\\b",
    "a\nb",
    "\u2028",
    " ",
    "3*2,7",
    "[]",
    "null",
  ];
  vector("ids of any characters", (s) =>
    s.log(first("é-日本-😀", { connect: nasty, sockets: nasty.length })).call()
      .log(record("é-日本-😀", 2, { leave: nasty.slice(3), sockets: 3 })).call(),
  ); // prettier-ignore
  vector("JSON with escapes names the same user", (s) =>
    s.log(first("p", { connect: '["\\u00e9","\\ud83d\\ude00","\\/a"]', sockets: 3 })).call()
      .log(record("p", 2, { leave: ["é", "😀", "/a"], sockets: 0 })).call(),
  ); // prettier-ignore
  vector("white space in a list", (s) =>
    s.log(first("p", { connect: '[ "ann" ,\n"ben" ]', sockets: 2 })).call(),
  );
  vector("the longest id, 256 bytes", (s) =>
    s.log(first("p", { connect: ["x".repeat(256), "é".repeat(128)], sockets: 2 })).call(),
  );
}

function registering(): void {
  vector("what a first record says of its process", (s) =>
    s.log(record("p", 1, { hello: "web-1", pid: 42, version: "1.2.3", protocol: 2, grace: 3_000, sockets: 0 })).call(),
  ); // prettier-ignore
  vector("a first record without what may be absent", (s) => s.log(record("p", 1, { sockets: 0 })).call());
  vector("a duplicate is skipped and renews the lease", (s) =>
    s.log(first("p", { connect: ["ann"], sockets: 1 })).call().wait(2_000).log(first("p", { connect: ["ann"], sockets: 1 })).call(),
  ); // prettier-ignore
  vector("a duplicate in the same call", (s) =>
    s.log(first("p", { connect: ["ann"], sockets: 1 })).log(record("p", 2, { connect: ["ben"], sockets: 2 }))
      .log(record("p", 2, { connect: ["ben"], sockets: 2 })).log(record("p", 3, { leave: ["ann"], sockets: 1 })).call(),
  ); // prettier-ignore
  vector("a gap fences", (s) =>
    s.log(first("p", { connect: ["ann"], sockets: 1 })).log(record("p", 3, { connect: ["ben"], sockets: 2 })).call(),
  ); // prettier-ignore
  vector("a check digit that differs fences, and nothing of the record is applied", (s) =>
    s.log(first("p", { connect: ["ann"], sockets: 1 })).log(record("p", 2, { connect: ["ben"], leave: ["ann"], sockets: 2 })).call(),
  ); // prettier-ignore
  vector("a departure of nobody fences", (s) =>
    s.log(first("p", { connect: ["ann"], sockets: 1 })).log(record("p", 2, { leave: ["ben"], connect: ["cat"], sockets: 1 })).call()
      .log(record("p", 2, { connect: ["cat"], leave: ["ben"], sockets: 1 })).call(),
  ); // prettier-ignore
  vector("a departure of a user of another process fences", (s) =>
    s.log(first("p", { connect: ["ann"], sockets: 1 })).log(first("q", { connect: ["ben"], sockets: 1 })).call()
      .log(record("p", 2, { leave: ["ben"], sockets: 0 })).call(),
  ); // prettier-ignore
  vector("a first record can fence too", (s) => s.log(first("p", { connect: ["ann"], sockets: 2 })).call());
  vector("records of a fenced process change nothing", (s) =>
    s.log(first("p", { connect: ["ann"], sockets: 1 })).log(record("p", 3, { sockets: 1 })).call()
      .wait(1_000).log(record("p", 4, { connect: ["ben"], sockets: 2 })).log(record("p", 2, { sockets: 1 })).call(),
  ); // prettier-ignore
  vector("a fenced process says bye", (s) =>
    s.log(first("p", { connect: ["ann"], sockets: 1 })).log(record("p", 3, { sockets: 1 })).call()
      .log(record("p", 4, { sockets: 1, bye: "" })).call(),
  ); // prettier-ignore
  vector("unknown with seq above 1: skipped, leaves nothing", (s) =>
    s.log(record("p", 2, { connect: ["ann"], sockets: 1 })).call().log(first("p", { connect: ["ann"], sockets: 1 })).call(),
  ); // prettier-ignore
  vector("replaces: the new one has the users, nobody flickers", (s) =>
    s.log(first("p1", { connect: ["ann", "ben"], sockets: 2 })).call()
      .log(first("p2", { connect: ["ann", "cat"], sockets: 2, replaces: ["p1"] })).call(),
  ); // prettier-ignore
  vector("replaces: what is no longer open gets the grace of its process", (s) =>
    s.log(first("p1", { grace: 4_000, connect: ["ann", "ben"], sockets: 2 })).call()
      .log(first("p2", { grace: 4_000, connect: ["ann"], sockets: 1, replaces: ["p1"] })).call().wait(4_000).call(),
  ); // prettier-ignore
  vector("replaces: in the last of several records of a registration", (s) =>
    s.log(first("p1", { connect: ["ann", "ben"], sockets: 2 })).call().log(first("p2", { connect: ["ann"], sockets: 1 })).call()
      .log(record("p2", 2, { connect: ["ben"], sockets: 2, replaces: ["p1"] })).call(),
  ); // prettier-ignore
  vector("replaces: an unknown process can no longer register", (s) =>
    s.log(first("p2", { connect: ["ann"], sockets: 1, replaces: ["p1"] })).call().log(first("p1", { connect: ["ben"], sockets: 1 })).call(),
  ); // prettier-ignore
  vector("replaces: one that ended, and itself", (s) =>
    s.log(first("p1", { sockets: 0, bye: "" })).call().log(first("p2", { sockets: 0, replaces: ["p1", "p2"] })).call(),
  ); // prettier-ignore
  vector("replaces: 16 of them", (s) =>
    s.log(first("p", { sockets: 0, replaces: Array.from({ length: 16 }, (_, i) => `old-${i}`) })).call(),
  ); // prettier-ignore
  vector("replaces in a record that fences replaces nobody", (s) =>
    s.log(first("p1", { connect: ["ann"], sockets: 1 })).log(first("p2", { connect: ["ann"], sockets: 9, replaces: ["p1"] })).call(),
  ); // prettier-ignore
  vector("fields of later versions are skipped", (s) =>
    s.log(first("p", { connect: ["ann"], later: '{"/,news":["ann"]}', sockets: 1, further: 1, data: "{}", mac: "x" })).call(),
  ); // prettier-ignore
}

function leases(): void {
  const one = (s: Story) => s.log(first("p", { connect: ["ann"], sockets: 1 })).call();
  vector("a heartbeat renews the lease", (s) =>
    one(s)
      .wait(4_000)
      .log(record("p", 2, { sockets: 1 }))
      .call(),
  );
  vector("a heartbeat with a shorter ttl does not shorten it", (s) =>
    one(s)
      .wait(1_000)
      .log(record("p", 2, { ttl: 500, sockets: 1 }))
      .call(),
  );
  vector("a lease that ran out: no grace, told as reap", (s) =>
    s.log(first("p", { grace: 9_000, connect: ["ann", "ben"], sockets: 2 })).call().wait(9_999).call().wait(1).call(),
  ); // prettier-ignore
  vector("reap 0 holds it", (s) => one(s).wait(20_000).call({ reap: false }).call());
  vector("a heartbeat that is still in the log keeps the process", (s) => {
    one(s)
      .wait(9_000)
      .log(record("p", 2, { sockets: 1 }))
      .wait(2_000)
      .call();
  });
  vector("the time of a record is that of its id", (s) => {
    s.log(first("p", { connect: ["ann"], sockets: 1 }))
      .wait(6_000)
      .call()
      .wait(4_000)
      .call();
  });
  vector("an id ahead of the clock counts as now", (s) =>
    s.log(first("p", { connect: ["ann"], sockets: 1 }), 30_000).call(),
  );
  vector("several processes run out at once", (s) =>
    s.log(first("p", { connect: ["ann", "ben"], sockets: 2 })).log(first("q", { connect: ["ben", "cat"], sockets: 2 }))
      .log(first("r", { ttl: 60_000, connect: ["cat", "dan"], sockets: 2 })).log(first("idle", { sockets: 0, connections: 3 }))
      .call().wait(10_000).call(),
  ); // prettier-ignore
  vector("a fenced process lives three ttl, and no record renews them", (s) =>
    s.log(first("p", { connect: ["ann"], sockets: 1 })).call().wait(1_000).log(record("p", 3, { sockets: 1 })).call()
      .wait(20_000).log(record("p", 4, { sockets: 1 })).call().wait(9_999).call().wait(1).call(),
  ); // prettier-ignore
  vector("records of an ended process are skipped", (s) =>
    one(s).wait(10_000).call().log(record("p", 2, { connect: ["ben"], sockets: 2 })).log(first("p", { sockets: 0 })).call(),
  ); // prettier-ignore
  vector("an ended process is forgotten after an hour", (s) =>
    one(s).wait(10_000).call().wait(3_600_000).call(),
  );
  vector("the clock goes back: leases go back with it", (s) =>
    one(s).wait(-60_000).call().wait(10_000).call(),
  );
  vector("the clock goes back: graces come down to the longest", (s) =>
    s.log(first("p", { ttl: 100_000, grace: 5_000, connect: ["ann"], sockets: 1 })).log(record("p", 2, { ttl: 100_000, disconnect: ["ann"], sockets: 0 })).call()
      .wait(-60_000).call().wait(5_000).call(),
  ); // prettier-ignore
}

function graces(): void {
  const begin = (s: Story) =>
    s.log(first("p", { ttl: 100_000, grace: 5_000, connect: ["ann"], sockets: 1 })).call();
  vector("a dropped transport begins a grace, which ends", (s) =>
    begin(s)
      .log(record("p", 2, { disconnect: ["ann"], sockets: 0 }))
      .call()
      .wait(4_999)
      .call()
      .wait(1)
      .call(),
  );
  vector("who comes back in time was never away", (s) =>
    begin(s).log(record("p", 2, { disconnect: ["ann"], sockets: 0 })).call().wait(3_000)
      .log(record("p", 3, { connect: ["ann"], sockets: 1 })).call().wait(10_000).call(),
  ); // prettier-ignore
  vector("back on another process", (s) =>
    begin(s).log(record("p", 2, { disconnect: ["ann"], sockets: 0 })).call().log(first("q", { connect: ["ann"], sockets: 1 })).call(),
  ); // prettier-ignore
  vector("a goodbye is at once", (s) =>
    begin(s)
      .log(record("p", 2, { leave: ["ann"], sockets: 0 }))
      .call(),
  );
  vector("a goodbye in grace: connect and leave in one record", (s) =>
    begin(s).log(record("p", 2, { disconnect: ["ann"], sockets: 0 })).call().wait(1_000)
      .log(record("p", 3, { connect: ["ann"], leave: ["ann"], sockets: 0 })).call(),
  ); // prettier-ignore
  vector("a drop in grace: connect and disconnect in one record begin it anew", (s) =>
    begin(s).log(record("p", 2, { disconnect: ["ann"], sockets: 0 })).call().wait(1_000)
      .log(record("p", 3, { connect: ["ann"], disconnect: ["ann"], sockets: 0 })).call(),
  ); // prettier-ignore
  vector("connect and drop in one record of somebody who was absent", (s) =>
    s.log(first("p", { grace: 5_000, connect: ["ann"], disconnect: ["ann"], sockets: 0 })).call(),
  );
  vector("connect and drop in one call, two records", (s) =>
    s.log(first("p", { grace: 5_000, connect: ["ann"], sockets: 1 })).log(record("p", 2, { disconnect: ["ann"], sockets: 0 })).call(),
  ); // prettier-ignore
  vector("drop and back in one call", (s) =>
    begin(s).log(record("p", 2, { disconnect: ["ann"], sockets: 0 })).log(record("p", 3, { connect: ["ann"], sockets: 1 })).call(),
  ); // prettier-ignore
  vector("the last operation decides: disconnect of two, then leave", (s) =>
    s.log(first("p", { grace: 5_000, connect: ["ann", "ann"], sockets: 2 })).call()
      .log(record("p", 2, { disconnect: ["ann"], leave: ["ann"], sockets: 0 })).call(),
  ); // prettier-ignore
  vector("close keeps users for the grace", (s) =>
    begin(s)
      .log(record("p", 2, { close: ["ann"], sockets: 0, bye: "" }))
      .call(),
  );
  vector("one drops, the other process is still there: no grace", (s) =>
    begin(s).log(first("q", { connect: ["ann"], sockets: 1 })).log(record("p", 2, { disconnect: ["ann"], sockets: 0 })).call(),
  ); // prettier-ignore
  vector("reap 0 holds graces too", (s) =>
    begin(s).log(record("p", 2, { disconnect: ["ann"], sockets: 0 })).call().wait(6_000).call({ reap: false }).call(),
  ); // prettier-ignore
}

function ending(): void {
  vector("bye after close of every socket: nothing to give back", (s) =>
    s.log(first("p", { connect: ["ann", "ben"], anonymous: 1, sockets: 3 })).call()
      .log(record("p", 2, { close: ["ann", "ben"], anonymous: 0, sockets: 0, bye: "" })).call(),
  ); // prettier-ignore
  vector("close over two records, bye in the last", (s) =>
    s.log(first("p", { connect: ["ann", "ben"], sockets: 2 })).call().log(record("p", 2, { close: ["ann"], sockets: 1 })).call()
      .log(record("p", 3, { close: ["ben"], sockets: 0, bye: "deploy" })).call(),
  ); // prettier-ignore
  vector("bye with sockets still open: the reaper gives them back", (s) =>
    s.log(first("p", { connect: ["ann", "ben"], sockets: 2 })).call().log(record("p", 2, { sockets: 2, bye: "" })).call(),
  ); // prettier-ignore
  vector("bye with sockets still open and a grace", (s) =>
    s.log(first("p", { grace: 5_000, connect: ["ann"], sockets: 1 })).call().log(record("p", 2, { sockets: 1, bye: "" })).call()
      .wait(5_000).call(),
  ); // prettier-ignore
  vector("bye with sockets still open, and a record of another process in the same call", (s) =>
    s.log(first("p", { grace: 5_000, connect: ["ann", "ben"], sockets: 2 })).log(first("q", { connect: ["cat"], sockets: 1 })).call()
      .log(record("p", 2, { sockets: 2, bye: "" })).log(record("q", 2, { connect: ["ann"], sockets: 2 })).log(record("q", 3, { leave: ["ann"], sockets: 1 })).call(),
  ); // prettier-ignore
  vector("the same, in calls of their own", (s) =>
    s.log(first("p", { grace: 5_000, connect: ["ann", "ben"], sockets: 2 })).log(first("q", { connect: ["cat"], sockets: 1 })).call()
      .log(record("p", 2, { sockets: 2, bye: "" })).call().log(record("q", 2, { connect: ["ann"], sockets: 2 })).call()
      .log(record("q", 3, { leave: ["ann"], sockets: 1 })).call(),
  ); // prettier-ignore
  vector("bye in a first record", (s) =>
    s.log(first("p", { connect: ["ann"], close: ["ann"], sockets: 0, bye: "" })).call(),
  );
  vector("bye in a record that does not add up ends the process all the same", (s) =>
    s.log(first("p", { connect: ["ann"], sockets: 1 })).call().log(record("p", 2, { sockets: 5, bye: "" })).call(),
  ); // prettier-ignore
  vector("bye twice", (s) =>
    s.log(first("p", { sockets: 0 })).log(record("p", 2, { sockets: 0, bye: "" })).log(record("p", 2, { sockets: 0, bye: "" })).call(),
  ); // prettier-ignore
}

function calls(): void {
  vector("an empty log", (s) => s.call());
  vector("a small budget folds a part, and says more", (s) => {
    for (let i = 1; i <= 6; i++)
      s.log(record("p", i, { connect: Array.from({ length: 40 }, (_, n) => `u${i}-${n}`), sockets: 40 * i }));
    s.call({ budget: 100 }).call({ budget: 100 }).call({ budget: 100 }).call({ budget: 100 });
  });
  vector("as long as the log is not drained, nobody is reaped", (s) => {
    s.log(first("q", { connect: ["old"], sockets: 1 }))
      .call()
      .wait(10_000);
    for (let i = 1; i <= 4; i++)
      s.log(record("p", i, { connect: Array.from({ length: 60 }, (_, n) => `u${i}-${n}`), sockets: 60 * i }));
    s.call({ budget: 100 }).call({ budget: 100 }).call({ budget: 100 }).call().call();
  });
  vector("users in grace when their process is reaped keep their grace", (s) =>
    s.log(first("p", { grace: 60_000, connect: ["ann", "ben"], sockets: 2 })).log(record("p", 2, { disconnect: ["ann"], sockets: 1 })).call()
      .wait(10_000).call().wait(50_000).call(),
  ); // prettier-ignore
  vector("due is the earliest lease or grace", (s) =>
    s.log(first("p", { grace: 2_000, connect: ["ann"], sockets: 1 })).call().log(record("p", 2, { disconnect: ["ann"], sockets: 0 })).call(),
  ); // prettier-ignore
}

// prettier-ignore
function asides(): void {
  const good = { sockets: 1 };
  setAside("it does not start with process, seq, ttl", ["hello", "world"], fields(["seq", 1], ["process", "p"], ["ttl", 1], ["sockets", 0]));
  setAside("33 names", record("p", 2, { ...Object.fromEntries(Array.from({ length: 29 }, (_, i) => [`later${i}`, ""])), ...good }));
  setAside("an id of a process that is empty, or of 257 bytes", record("", 1, good), record("x".repeat(257), 1, good));
  setAside("seq", ...["0", "01", "-1", "1.5", "1e3", "", "1000000000000001"].map((seq) => fields(["process", "p"], ["seq", seq], ["ttl", 1], ["sockets", 1])));
  setAside("ttl", ...[0, 3_600_001, "x", ""].map((ttl) => record("p", 2, { ttl, ...good })));
  setAside("a name out of its place", record("p", 2, { sockets: 1, connect: ["x"] }), fields(["process", "p"], ["seq", 2], ["ttl", 1], ["sockets", 1], ["sockets", 1]));
  setAside("a list of more than 32,768 bytes", record("p", 2, { connect: `["${"x".repeat(32_765)}"]`, ...good }));
  setAside("no JSON list", ...['{"1":"a"}', '["a"', "", "a", '"a"', ' ["a"]', '["\\ud800"]', "null"].map((connect) => record("p", 2, { connect, ...good })));
  setAside("something in a list that is no text", ...["[1]", "[null]", '[["a"]]', '["a",true]'].map((leave) => record("p", 2, { leave, ...good })));
  setAside("an empty id in a list", record("p", 2, { connect: ["a", ""], ...good }));
  setAside("an id of 257 bytes in a list", record("p", 2, { connect: ["x".repeat(257)], ...good }), record("p", 2, { connect: ["é".repeat(129)], ...good }));
  setAside("1,001 operations", record("p", 2, { connect: Array.from({ length: 600 }, () => "a"), leave: Array.from({ length: 401 }, () => "a"), sockets: 200 }));
  setAside("counts", ...["-1", "1.5", "1e3", "", "1000000000"].map((sockets) => record("p", 2, { sockets })), record("p", 2, { anonymous: "x", ...good }), record("p", 2, { ...good, connections: "-1" }));
  setAside("a grace above an hour", record("q", 1, { grace: 3_600_001, ...good }));
  setAside("protocol 3", record("q", 1, { protocol: 3, sockets: 0 }));
  setAside("17 in replaces", record("p", 2, { ...good, replaces: Array.from({ length: 17 }, (_, i) => `p${i}`) }));
  setAside("257 bytes of hello", record("q", 1, { hello: "x".repeat(257), sockets: 0 }));
  setAside("257 bytes of a name", record("p", 2, { ...good, ["n".repeat(257)]: "" }));
  setAside("no sockets", record("p", 2, { connect: ["x"] }));
}

function signatures(): void {
  const [key, next] = ["first key: ".padEnd(32, "x"), "next key: ".padEnd(40, "y")] as const;
  const signed = (entry: Fields, by = key, log = RECORDS, prefix = PREFIX) => [
    ...entry,
    "mac",
    macOf(entry, log, derivedKey(by, prefix)),
  ];
  const two = record("p", 2, { connect: ["ben"], sockets: 2 });
  const three = record("p", 3, { connect: ["cat"], sockets: 3 });
  const begin = (s: Story, recordKeys: readonly string[]) =>
    s.log(signed(first("p", { connect: ["ann"], sockets: 1 }))).call({ recordKeys });
  vector("signed: with the key", (s) =>
    begin(s, [key])
      .log(signed(two))
      .call({ recordKeys: [key] }),
  );
  vector("signed: ids and names that are not ASCII", (s) =>
    begin(s, [key])
      .log(signed(record("p", 2, { connect: ["é", "日本語", "😀"], sockets: 4, später: "ü" })))
      .call({ recordKeys: [key] }),
  );
  vector("signed: either of two keys", (s) =>
    begin(s, [next, key])
      .log(signed(two, next))
      .log(signed(three))
      .call({ recordKeys: [next, key] }),
  );
  vector("signed: no mac, where that is accepted", (s) =>
    begin(s, [key, "unsigned"])
      .log(two)
      .log([...three, "mac", "0".repeat(40)])
      .call({ recordKeys: [key, "unsigned"] }),
  );
  vector("not signed: a mac is skipped without keys", (s) =>
    begin(s, [key, "unsigned"]).log(signed(two, next)).call(),
  );
  const wrong: [string, Fields][] = [
    ["no mac", two],
    ["an empty mac", [...two, "mac", ""]],
    ["another key", signed(two, next)],
    ["the key of another prefix", signed(two, key, RECORDS, "elsewhere")],
    ["the log of another shard", signed(two, key, keysOf(PREFIX, 1, 2).records)],
    ["the mac of another record", [...two, ...signed(three).slice(-2)]],
    [
      "capital letters",
      signed(two).map((value, i, { length }) => (i === length - 1 ? value.toUpperCase() : value)),
    ],
    ["a name after it", [...signed(two), "later", "x"]],
    ["a goodbye in the name of a process", record("p", 2, { sockets: 1, bye: "" })],
    ["a process that replaces another", record("q", 1, { sockets: 0, replaces: ["p"] })],
    ["a heartbeat in the name of a process", record("p", 1, { ttl: 3_600_000, sockets: 1 })],
    [
      "more than 200,000 bytes",
      signed(
        record("p", 2, {
          sockets: 1,
          ...Object.fromEntries(Array.from({ length: 7 }, (_, i) => [`later${i}`, "x".repeat(30_000)])),
        }),
      ),
    ],
  ];
  for (const [name, entry] of wrong)
    vector(`set aside: mac: ${name}`, (s) =>
      begin(s, [key])
        .log(entry)
        .log(signed(two))
        .call({ recordKeys: [key] }),
    );
}
