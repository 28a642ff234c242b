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
}
