/** Vectors of fold.json in which the callers keep a history. */
import { HOUR_MS, MINUTE_MS } from "../../src/core/limits.ts";
import { first, record, vector } from "./story.ts";

const history = { history: true } as const;
/** From the beginning of a story, 22:13:20, to the next minute, ms. */
const REST_MS = 40_000;

export function historyVectors(): void {
  vector("history: a minute with its last, least and most", (s) =>
    s.log(first("p", { ttl: HOUR_MS, connect: ["ann", "ben"], sockets: 2 })).call(history)
      .log(record("p", 2, { ttl: HOUR_MS, leave: ["ann"], sockets: 1 })).call(history)
      .wait(REST_MS).log(record("p", 3, { ttl: HOUR_MS, disconnect: ["ben"], connect: ["cat"], sockets: 1 })).call(history)
      .wait(MINUTE_MS).log(record("p", 4, { ttl: HOUR_MS, sockets: 1 })).call(history),
  ); // prettier-ignore
  vector("history: quiet minutes", (s) =>
    s
      .log(first("p", { ttl: HOUR_MS, connect: ["ann"], sockets: 1 }))
      .call(history)
      .wait(5 * MINUTE_MS)
      .call(history),
  );
  vector("history: minutes in which a lease was over and nobody called are a gap", (s) =>
    s.log(first("p", { ttl: 2 * MINUTE_MS, connect: ["ann"], sockets: 1 })).call(history)
      .wait(10 * MINUTE_MS).call(history).wait(MINUTE_MS).call(history),
  ); // prettier-ignore
  vector("history: a record that waited makes a gap", (s) =>
    s.log(first("p", { ttl: HOUR_MS, connect: ["ann"], sockets: 1 })).call(history).wait(2 * MINUTE_MS)
      .log(record("p", 2, { ttl: HOUR_MS, connect: ["ben"], sockets: 2 })).wait(3 * MINUTE_MS).call(history),
  ); // prettier-ignore
  vector("history: the clock goes back, and the minute goes on", (s) =>
    s.log(first("p", { ttl: HOUR_MS, connect: ["ann"], sockets: 1 })).call(history).wait(REST_MS)
      .log(record("p", 2, { ttl: HOUR_MS, connect: ["ben"], sockets: 2 })).call(history).wait(-20_000)
      .log(record("p", 3, { ttl: HOUR_MS, leave: ["ben"], sockets: 1 })).call(history).wait(90_000).call(history),
  ); // prettier-ignore
  vector("history: hours, and midnight with somebody who is there and goes", (s) =>
    s.log(first("p", { ttl: HOUR_MS, connect: ["ann", "ben"], sockets: 2 })).call(history)
      .wait(50 * MINUTE_MS).log(record("p", 2, { ttl: HOUR_MS, leave: ["ann"], sockets: 1 })).call(history)
      .wait(50 * MINUTE_MS).log(record("p", 3, { ttl: HOUR_MS, sockets: 1 })).call(history)
      .wait(10 * MINUTE_MS).log(record("p", 4, { ttl: HOUR_MS, leave: ["ben"], connect: ["cat"], sockets: 1 })).call(history)
      .wait(50 * MINUTE_MS).call(history),
  ); // prettier-ignore
  vector("history: changes of each cause", (s) =>
    s.log(first("p", { grace: 1_000, connect: ["ann", "ben", "cat"], sockets: 3 })).log(first("q", { connect: ["dan", "eve", "fay"], sockets: 3 })).call(history)
      .log(record("p", 2, { disconnect: ["ann"], leave: ["ben"], sockets: 1 })).log(record("q", 2, { disconnect: ["dan"], close: ["eve"], sockets: 1 })).call(history)
      .wait(1_000).call(history).log(record("r", 1, { replaces: ["q"], sockets: 0 })).call(history).wait(60_000).call(history),
  ); // prettier-ignore
  const inScopes = { history: { scopes: ["/chat", "/chat,näws", "/nobody"] } };
  const tracks = ["/chat", "/chat,näws"];
  vector("history: of scopes, minute by minute, quiet ones too", (s) =>
    s.log(first("p", { ttl: HOUR_MS, tracks, connect: ["ann", "ben"], sockets: 2, join: [["/chat", "ann", "ben"], ["/chat,näws", "ben"]], memberships: 3 })).call(inScopes)
      .log(record("p", 2, { ttl: HOUR_MS, connect: ["ben"], sockets: 3, join: [["/chat,näws", "ben"]], memberships: 4 })).call(inScopes)
      .log(record("p", 3, { ttl: HOUR_MS, sockets: 3, part: [["/chat", "ann"]], memberships: 3 })).call(inScopes)
      .wait(REST_MS).log(record("p", 4, { ttl: HOUR_MS, sockets: 3, memberships: 3 })).call(inScopes)
      .wait(5 * MINUTE_MS).log(record("p", 5, { ttl: HOUR_MS, sockets: 3, join: [["/chat", "ann"]], memberships: 4 })).call(inScopes),
  ); // prettier-ignore
  vector("history: of scopes, hours and a day, and a lease that nobody ended in time", (s) =>
    s.log(first("p", { ttl: HOUR_MS, tracks, connect: ["ann"], sockets: 1, join: [["/chat", "ann"]], memberships: 1 })).call(inScopes)
      .wait(50 * MINUTE_MS).log(record("p", 2, { ttl: HOUR_MS, sockets: 1, part: [["/chat", "ann"]], memberships: 0 })).call(inScopes)
      .wait(50 * MINUTE_MS).log(record("p", 3, { ttl: HOUR_MS, sockets: 1, join: [["/chat", "ann"]], memberships: 1 })).call(inScopes)
      .wait(30 * MINUTE_MS).log(record("p", 4, { ttl: MINUTE_MS, sockets: 1, memberships: 1 })).call(inScopes)
      .wait(90 * MINUTE_MS).call(inScopes).wait(MINUTE_MS).call(inScopes),
  ); // prettier-ignore
  vector("history: of scopes, while the clock goes back", (s) =>
    s.log(first("p", { ttl: HOUR_MS, tracks, connect: ["ann"], sockets: 1, join: [["/chat", "ann"]], memberships: 1 })).call(inScopes).wait(REST_MS)
      .log(record("p", 2, { ttl: HOUR_MS, connect: ["ben"], sockets: 2, join: [["/chat", "ben"]], memberships: 2 })).call(inScopes).wait(-20_000)
      .log(record("p", 3, { ttl: HOUR_MS, leave: ["ben"], sockets: 1, part: [["/chat", "ben"]], memberships: 1 })).call(inScopes).wait(90_000).call(inScopes),
  ); // prettier-ignore
}
