/** The vectors of fold.json about scopes. */
import { first, type Fields, record, setAside, type Story, vector } from "./story.ts";

const ANN = { connect: ["ann"], sockets: 1 };
const TRACKS = ["/", "/,*"];

/** Ann on `p` and in `scope`, with a grace of 5 s and a long lease. */
const present = (s: Story, scope = "*/,news", grace = 5_000) =>
  s
    .log(first("p", { ttl: 100_000, grace, tracks: TRACKS, ...ANN, join: [[scope, "ann"]], memberships: 1 }))
    .call();

const two = (rest: Parameters<typeof record>[2]) => record("p", 2, { ttl: 100_000, ...rest });

export function scopeVectors(): void {
  moving();
  graces();
  ending();
  fencing();
  names();
  asides();
}

// prettier-ignore
function moving(): void {
  vector("scopes: join, a namespace and a room in it", (s) =>
    s.log(first("p", { tracks: TRACKS, ...ANN, join: [["/", "ann"], ["*/,news", "ann"]], memberships: 2 })).call());
  vector("scopes: a join after the connect, and a part", (s) =>
    s.log(first("p", { ...ANN, memberships: 0 })).call().log(record("p", 2, { sockets: 1, join: [["*/,news", "ann"]], memberships: 1 })).call()
      .log(record("p", 3, { sockets: 1, part: [["/,news", "ann"]], memberships: 0 })).call());
  vector("scopes: drop, part and shut without grace have the causes of disconnect, leave and close", (s) =>
    s.log(first("p", { connect: ["ann", "ben", "cat"], sockets: 3, join: [["*/", "ann", "ben", "cat"]], memberships: 3 })).call()
      .log(record("p", 2, { disconnect: ["ann"], leave: ["ben"], close: ["cat"], sockets: 0, drop: [["/", "ann"]], part: [["/", "ben"]], shut: [["/", "cat"]], memberships: 0 })).call());
  vector("scopes: anonymous sockets count as sockets, make no transition and have no grace", (s) =>
    s.log(first("p", { grace: 5_000, connect: ["ann"], anonymous: 2, sockets: 3, join: [["*/", "ann", "", ""], ["*/,b", ""]], memberships: 4 })).call()
      .log(record("p", 2, { anonymous: 0, sockets: 1, drop: [["/", "", ""], ["/,b", ""]], memberships: 1 })).call());
  vector("scopes: a user twice in a room is two sockets, told once", (s) =>
    s.log(first("p", { connect: ["ann", "ann"], sockets: 2, join: [["*/,news", "ann", "ann"]], memberships: 2 })).call()
      .log(record("p", 2, { sockets: 2, part: [["/,news", "ann"]], memberships: 1 })).call()
      .log(record("p", 3, { sockets: 2, part: [["/,news", "ann"]], memberships: 0 })).call());
  vector("scopes: a scope twice in a list", (s) =>
    s.log(first("p", { connect: ["ann", "ben"], sockets: 2, join: [["/,news", "ann"], ["*/,news", "ben", "ann"]], memberships: 3 })).call());
  vector("scopes: two tabs in two rooms", (s) =>
    s.log(first("p", { connect: ["ann", "ann"], sockets: 2, join: [["*/,a", "ann"], ["*/,b", "ann"]], memberships: 2 })).call()
      .log(record("p", 2, { leave: ["ann"], sockets: 1, part: [["/,a", "ann"]], memberships: 1 })).call());
  vector("scopes: a user on two processes", (s) =>
    s.log(first("p", { ...ANN, join: [["*/,news", "ann"]], memberships: 1 })).log(first("q", { connect: ["ann", "ann"], sockets: 2, join: [["*/,news", "ann", "ann"]], memberships: 2 })).call()
      .log(record("p", 2, { leave: ["ann"], sockets: 0, part: [["/,news", "ann"]], memberships: 0 })).call()
      .log(record("q", 2, { leave: ["ann", "ann"], sockets: 0, part: [["/,news", "ann", "ann"]], memberships: 0 })).call());
  vector("scopes: in and out in one record, and in one call", (s) =>
    s.log(first("p", { ...ANN, join: [["*/,a", "ann"], ["*/,b", "ann"]], part: [["/,a", "ann"]], memberships: 1 }))
      .log(record("p", 2, { sockets: 1, part: [["/,b", "ann"]], memberships: 0 })).call());
  vector("scopes: a scope that nobody asked about is not told", (s) =>
    s.log(first("p", { ...ANN, join: [["/,a", "ann"], ["*/,b", "ann"]], memberships: 2 })).call()
      .log(record("p", 2, { sockets: 1, part: [["/,a", "ann"], ["/,b", "ann"]], memberships: 0 })).call());
  vector("scopes: one process asks, and those of another are told too", (s) =>
    s.log(first("p", { ...ANN, join: [["/,a", "ann"]], memberships: 1 })).call()
      .log(first("q", { connect: ["ben"], sockets: 1, join: [["*/,a", "ben"]], memberships: 1 })).call()
      .log(record("p", 2, { sockets: 1, part: [["/,a", "ann"]], memberships: 0 })).call());
  vector("scopes: told no longer once nobody is there", (s) =>
    s.log(first("p", { ...ANN, join: [["*/,a", "ann"]], memberships: 1 })).call()
      .log(record("p", 2, { sockets: 1, part: [["/,a", "ann"]], memberships: 0 })).call()
      .log(record("p", 3, { sockets: 1, join: [["/,a", "ann"]], memberships: 1 })).call());
  vector("scopes: an asterisk means something in join only", (s) =>
    s.log(first("p", { connect: ["ann", "ben"], sockets: 2, join: [["/,a", "ann", "ben"]], memberships: 2 })).call()
      .log(record("p", 2, { sockets: 2, part: [["*/,a", "ann"]], memberships: 1 })).call());
  vector("scopes: empty lists", (s) => s.log(first("p", { ...ANN, join: [], drop: [], part: [], shut: [], memberships: 0 })).call());
  vector("scopes: tracks of two that register in one call", (s) =>
    s.log(first("p", { tracks: TRACKS, sockets: 0, memberships: 0 })).log(first("q", { sockets: 0 })).call());
  vector("scopes: tracks of one that was fenced, and then of another", (s) =>
    s.log(first("p", { tracks: TRACKS, sockets: 1, memberships: 0 })).call().log(first("q", { sockets: 0 })).call());
  vector("scopes: tracks is that of the process that registered last", (s) =>
    s.log(first("p", { tracks: ["/", "*/,news"], sockets: 0, memberships: 0 })).call().log(record("p", 2, { tracks: ["?"], sockets: 0, memberships: 0 })).call()
      .log(first("q", { tracks: TRACKS, sockets: 0, memberships: 0 })).call().log(first("r", { sockets: 0 })).call());
}

// prettier-ignore
function graces(): void {
  const dropped = (s: Story) => present(s).log(two({ disconnect: ["ann"], sockets: 0, drop: [["/,news", "ann"]], memberships: 0 })).call();
  vector("scopes: a dropped transport begins a grace in the scope, which ends", (s) => dropped(s).wait(4_999).call().wait(1).call());
  vector("scopes: back in time", (s) =>
    dropped(s).wait(3_000).log(record("p", 3, { ttl: 100_000, ...ANN, join: [["*/,news", "ann"]], memberships: 1 })).call().wait(5_000).call());
  vector("scopes: back, but not in the room, which ends by itself", (s) =>
    dropped(s).wait(3_000).log(record("p", 3, { ttl: 100_000, ...ANN, memberships: 0 })).call().wait(2_000).call());
  vector("scopes: back in the room on another process", (s) =>
    dropped(s).log(first("q", { ...ANN, join: [["*/,news", "ann"]], memberships: 1 })).call());
  vector("scopes: a goodbye while lingering", (s) =>
    dropped(s).wait(1_000).log(record("p", 3, { ttl: 100_000, connect: ["ann"], leave: ["ann"], sockets: 0, memberships: 0 })).call());
  vector("scopes: a goodbye of the whole with a drop of the scope: it does not linger", (s) =>
    present(s).log(two({ leave: ["ann"], sockets: 0, drop: [["/,news", "ann"]], memberships: 0 })).call());
  vector("scopes: a goodbye ends lingering in several scopes, told and not, of other processes too", (s) =>
    present(s).log(first("q", { ttl: 100_000, grace: 60_000, ...ANN, join: [["*/,b", "ann"], ["/,c", "ann"], ["*/,d", "ann"]], memberships: 3 })).call()
      .log(record("q", 2, { ttl: 100_000, disconnect: ["ann"], sockets: 0, drop: [["/,b", "ann"], ["/,c", "ann"]], part: [["/,d", "ann"]], memberships: 0 })).call()
      .log(two({ leave: ["ann"], sockets: 0, part: [["/,news", "ann"]], memberships: 0 })).call());
  vector("scopes: still in the whole by another tab, the grace in the room ends alone", (s) =>
    s.log(first("p", { ttl: 100_000, grace: 5_000, connect: ["ann", "ann"], sockets: 2, join: [["*/,news", "ann"]], memberships: 1 })).call()
      .log(two({ disconnect: ["ann"], sockets: 1, drop: [["/,news", "ann"]], memberships: 0 })).call().wait(5_000).call());
  vector("scopes: the grace of the whole ends first, and ends the longer one in a scope", (s) =>
    s.log(first("p", { ttl: 100_000, grace: 2_000, ...ANN, memberships: 0 })).log(first("q", { ttl: 100_000, grace: 9_000, ...ANN, join: [["*/,a", "ann"]], memberships: 1 })).call()
      .log(record("q", 2, { ttl: 100_000, disconnect: ["ann"], sockets: 0, drop: [["/,a", "ann"]], memberships: 0 })).call()
      .wait(1_000).log(two({ disconnect: ["ann"], sockets: 0, memberships: 0 })).call().wait(2_000).call());
  vector("scopes: a part leaves at once, whatever the grace", (s) =>
    present(s).log(two({ sockets: 1, part: [["/,news", "ann"]], memberships: 0 })).call());
  vector("scopes: the last of two memberships decides", (s) =>
    s.log(first("p", { ttl: 100_000, grace: 5_000, connect: ["ann", "ann"], sockets: 2, join: [["*/,a", "ann", "ann"]], memberships: 2 })).call()
      .log(two({ sockets: 2, drop: [["/,a", "ann"]], part: [["/,a", "ann"]], memberships: 0 })).call());
  vector("scopes: shut keeps users for the grace", (s) =>
    present(s).log(two({ close: ["ann"], sockets: 0, shut: [["/,news", "ann"]], memberships: 0, bye: "" })).call().wait(5_000).call());
  vector("scopes: reap 0 holds graces in scopes too", (s) => dropped(s).wait(6_000).call({ reap: false }).call());
  vector("scopes: the clock goes back: graces in scopes come down to the longest", (s) =>
    dropped(s).wait(-60_000).call().wait(5_000).call());
}

// prettier-ignore
function ending(): void {
  const open = { connect: ["ann", "ben"], anonymous: 1, sockets: 3, join: [["*/", "ann", "ben", ""], ["/,a", "ann"]], memberships: 4 };
  vector("scopes: bye after close and shut of everything", (s) =>
    s.log(first("p", open)).call()
      .log(record("p", 2, { close: ["ann", "ben"], anonymous: 0, sockets: 0, shut: [["/", "ann", "ben", ""], ["/,a", "ann"]], memberships: 0, bye: "" })).call());
  vector("scopes: bye with memberships still there", (s) =>
    s.log(first("p", open)).call().log(record("p", 2, { sockets: 3, memberships: 4, bye: "" })).call());
  vector("scopes: bye with memberships still there and a grace", (s) =>
    s.log(first("p", { grace: 5_000, ...open })).call().log(record("p", 2, { sockets: 3, memberships: 4, bye: "" })).call().wait(5_000).call());
  vector("scopes: bye with memberships of anonymous sockets only", (s) =>
    s.log(first("p", { grace: 5_000, anonymous: 2, sockets: 2, join: [["*/,a", "", ""]], memberships: 2 })).call()
      .log(record("p", 2, { anonymous: 0, sockets: 0, memberships: 2, bye: "" })).call());
  vector("scopes: a lease that ran out: no grace, told as reap", (s) =>
    s.log(first("p", { grace: 9_000, ...open })).log(first("q", { ttl: 60_000, ...ANN, join: [["*/", "ann"]], memberships: 1 })).call().wait(10_000).call());
  vector("scopes: who lingers when its process is reaped goes with the user", (s) =>
    s.log(first("p", { grace: 60_000, connect: ["ann", "ann"], sockets: 2, join: [["*/,a", "ann"]], memberships: 1 })).call()
      .log(record("p", 2, { disconnect: ["ann"], sockets: 1, drop: [["/,a", "ann"]], memberships: 0 })).call().wait(10_000).call());
  vector("scopes: replaced, nobody flickers", (s) =>
    s.log(first("p1", { connect: ["ann", "ben"], sockets: 2, join: [["*/,a", "ann", "ben"]], memberships: 2 })).call()
      .log(first("p2", { connect: ["ann", "ben"], sockets: 2, join: [["*/,a", "ann", "ben"]], memberships: 2, replaces: ["p1"] })).call());
  vector("scopes: replaced, and what is no longer there gets the grace of its process", (s) =>
    s.log(first("p1", { grace: 4_000, connect: ["ann", "ben"], sockets: 2, join: [["*/,a", "ann", "ben"]], memberships: 2 })).call()
      .log(first("p2", { grace: 4_000, connect: ["ann", "ben"], sockets: 2, join: [["*/,a", "ann"]], memberships: 1, replaces: ["p1"] })).call().wait(4_000).call());
  vector("scopes: a record about members of a process that ended in the same call", (s) =>
    s.log(first("p", { connect: ["ann", "ben"], sockets: 2, join: [["*/,a", "ann", "ben"]], memberships: 2 })).log(first("q", { connect: ["cat"], sockets: 1, memberships: 0 })).call()
      .log(record("p", 2, { sockets: 2, memberships: 2, bye: "" })).log(record("q", 2, { connect: ["ann"], sockets: 2, join: [["*/,a", "ann"]], memberships: 1 }))
      .log(record("q", 3, { leave: ["ann"], sockets: 1, part: [["/,a", "ann"]], memberships: 0 })).call());
  vector("scopes: who said goodbye elsewhere does not linger where its process ended", (s) =>
    s.log(first("p", { grace: 5_000, ...ANN, join: [["*/,a", "ann"]], memberships: 1 })).log(first("q", { ...ANN, memberships: 0 })).call()
      .log(record("p", 2, { sockets: 1, memberships: 1, bye: "" })).log(record("q", 2, { leave: ["ann"], sockets: 0, memberships: 0 })).call());
}

// prettier-ignore
function fencing(): void {
  const onEnded = (s: Story) =>
    s.log(first("p", { grace: 5_000, ...ANN, join: [["*/,a", "ann"]], memberships: 1 })).log(first("q", { sockets: 0, memberships: 0 })).call()
      .log(record("p", 2, { sockets: 1, memberships: 1, bye: "" }));
  vector("scopes: a wrong memberships fences, and nothing of the record is applied", (s) =>
    present(s).log(two({ connect: ["ben"], sockets: 2, join: [["*/,b", "ben"]], part: [["/,news", "ann"]], memberships: 2 })).call());
  vector("scopes: a membership that is not there fences, and nothing of the record is applied", (s) =>
    present(s).log(two({ connect: ["ben"], sockets: 2, join: [["*/,b", "ben"]], drop: [["/,news", "ann"]], part: [["/,b", "ann"]], memberships: 1 })).call());
  vector("scopes: a membership of another process fences", (s) =>
    present(s).log(first("q", { ...ANN, memberships: 0 })).call().log(record("q", 2, { sockets: 1, part: [["/,news", "ann"]], memberships: 0 })).call());
  vector("scopes: who lingers has no membership to give", (s) =>
    present(s).log(two({ disconnect: ["ann"], sockets: 0, drop: [["/,news", "ann"]], memberships: 0 })).call()
      .log(record("p", 3, { sockets: 0, part: [["/,news", "ann"]], memberships: 0 })).call());
  vector("scopes: what is wrong in the whole is found first", (s) =>
    present(s).log(two({ sockets: 2, part: [["/,b", "ann"]], memberships: 1 })).call());
  vector("scopes: a record that fences in the whole leaves members of an ended process to the pass", (s) =>
    onEnded(s).log(record("q", 2, { connect: ["ann"], sockets: 2, join: [["*/,a", "ann"]], memberships: 1 })).call({ budget: 6 }).call());
  vector("scopes: one that fences in scopes takes them off", (s) =>
    onEnded(s).log(record("q", 2, { connect: ["ann"], sockets: 1, join: [["*/,a", "ann"]], memberships: 2 })).call({ budget: 6 }).call());
  vector("scopes: memberships without a list", (s) =>
    present(s).log(two({ sockets: 1, memberships: 1 })).call().log(record("p", 3, { ttl: 100_000, sockets: 1, memberships: 2 })).call());
  vector("scopes: fenced, registered afresh, the earlier one replaced", (s) =>
    present(s).log(two({ sockets: 1, memberships: 2 })).call()
      .log(first("p2", { grace: 5_000, ...ANN, join: [["*/,news", "ann"]], memberships: 1, replaces: ["p"] })).call());
}

// prettier-ignore
function names(): void {
  const rooms = ["/,a,b", "/,", "/", "/a,b/c", "/a/b,c", "/,a#b", "/,a b", "/,a\u0000b", "/,😀", "/é,日本語", "/,__proto__", "/__proto__,constructor", "/,*", "/,\\", '/,"', "/,a\nb"];
  vector("scopes: names of any characters", (s) =>
    s.log(first("p", { ...ANN, join: rooms.map((room) => [`*${room}`, "ann"]), memberships: rooms.length })).call()
      .log(record("p", 2, { sockets: 1, part: rooms.slice(4).map((room) => [room, "ann"]), memberships: 4 })).call());
  const users = ["é", "日本語", "😀", "__proto__", "constructor", "5:ann", "ann/", "ann/,a", "0", "3*2,7", "a\nb"];
  vector("scopes: users of any characters, who linger", (s) =>
    s.log(first("p", { ttl: 100_000, grace: 5_000, connect: users, sockets: users.length, join: [["*/,a", ...users], ["/,b", ...users]], memberships: 2 * users.length })).call()
      .log(two({ disconnect: users, sockets: 0, drop: [["/,a", ...users], ["/,b", ...users]], memberships: 0 })).call()
      .wait(1_000).log(record("p", 3, { ttl: 100_000, connect: ["ann", "ann/"], leave: ["ann", "ann/"], sockets: 0, memberships: 0 })).call().wait(4_000).call());
  vector("scopes: JSON with escapes names the same scope", (s) =>
    s.log(first("p", { ...ANN, join: '[["*\\/,\\u00e9\\ud83d\\ude00","ann"]]', memberships: 1 })).call()
      .log(record("p", 2, { sockets: 1, part: [["/,é😀", "ann"]], memberships: 0 })).call());
  vector("scopes: the longest, 512 bytes", (s) =>
    s.log(first("p", { ...ANN, join: [[`*/,${"x".repeat(510)}`, "ann"], [`/,${"é".repeat(255)}`, "ann"]], memberships: 2 })).call());
}

// prettier-ignore
function asides(): void {
  const good = { sockets: 1, memberships: 0 };
  const joined = (join: string | readonly unknown[], rest: object = {}): Fields => record("p", 2, { sockets: 1, join, memberships: 1, ...rest });
  setAside("scopes: a list of more than 32,768 bytes", joined([["/", ...Array.from({ length: 300 }, () => "x".repeat(120))]]));
  setAside("scopes: no JSON list", ...['{"/":["a"]}', '[["/","a"]', "", "a", '"/"', ' [["/","a"]]', '[["/","\\ud800"]]', '[["/\\udc00","a"]]', "null"].map((join) => joined(join)));
  setAside("scopes: something that is no list", ...[["/"], [{}], [null], [1], [[]], [["/"]], [["/", "a"], "/"], [{ "/": "a" }]].map((join) => joined(join)));
  setAside("scopes: something that is no text", ...[[[1, "a"]], [[null, "a"]], [["/", 1]], [["/", "a", null]], [["/", ["a"]]], [[["/"], "a"]]].map((join) => joined(join)));
  setAside("scopes: no scope", ...["", "*", "a", "**/", " /", "*a", `/${"x".repeat(512)}`, `*/${"é".repeat(256)}`].map((scope) => joined([[scope, "a"]])));
  setAside("scopes: an id of 257 bytes", joined([["/", "x".repeat(257)]]), joined([["/", "a", "é".repeat(129)]]));
  setAside("scopes: each of the other lists", ...["drop", "part", "shut"].map((name) => record("p", 2, { sockets: 1, [name]: "{}", memberships: 0 })));
  setAside("scopes: 1,001 operations, of which a scope is two", joined([["/", ...Array.from({ length: 999 }, () => "a")]]),
    record("p", 2, { connect: Array.from({ length: 997 }, () => "a"), sockets: 998, join: [["/", "a"]], part: [["/", "a"]], memberships: 0 }),
    joined(Array.from({ length: 334 }, (_, i) => [`/${i}`, "a"])));
  setAside("scopes: a list without memberships", record("p", 2, { sockets: 1, join: [["/", "a"]] }), record("p", 2, { sockets: 1, part: [] }));
  setAside("scopes: memberships", ...["-1", "1.5", "1e3", "", "1000000000"].map((memberships) => record("p", 2, { sockets: 1, memberships })));
  setAside("scopes: a name out of its place", record("p", 2, { join: [["/", "a"]], ...good }), record("p", 2, { sockets: 1, part: [], drop: [], memberships: 0 }), record("p", 2, { ...good, connections: 1 }),
    record("q", 1, { connect: [], tracks: ["/"], sockets: 0 }), record("q", 1, { tracks: ["/"], grace: 1, sockets: 0 }));
  setAside("tracks", ...["{}", "", '["\\ud800"]', [1], [["/"]], ["/", ""], ["x".repeat(514)], [`*${"é".repeat(257)}`]].map((tracks) => record("q", 1, { tracks, sockets: 0 })));
  vector("scopes: 1,000 operations", (s) =>
    s.log(first("p", { ...ANN, join: [["/", ...Array.from({ length: 997 }, () => "ann")]], memberships: 997 })).call());
}
