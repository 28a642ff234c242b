/** The flags that several commands share. */
import type { Flag } from "./command.ts";

const REDIS: Flag = {
  name: "redis",
  kind: "text",
  value: "url",
  doc: "redis:// or rediss:// URL, by default Upstash's variables. A password is safer in the variable",
  env: "REDIS_URL",
};
const URL_FLAG: Flag = {
  name: "url",
  kind: "text",
  value: "url",
  doc: "read over the HTTP API at this URL instead",
  env: "ROLLCALL_URL",
};
const TOKEN: Flag = {
  name: "token",
  kind: "text",
  value: "token",
  doc: "token of the HTTP API. Safer in the variable: other users of the machine see command lines",
  env: "ROLLCALL_TOKEN",
};
export const PREFIX: Flag = {
  name: "prefix",
  kind: "text",
  value: "prefix",
  doc: "as on your servers (presence)",
  env: "ROLLCALL_PREFIX",
};
export const SHARDS: Flag = {
  name: "shards",
  kind: "whole",
  value: "n",
  least: 1,
  most: 1024,
  doc: "as on your servers (1)",
  env: "ROLLCALL_SHARDS",
};

const TIMEOUT_MOST = 86_400_000;
function timeout(fallback: number, doc: string): Flag {
  return {
    name: "timeout",
    kind: "whole",
    value: "ms",
    least: 1,
    most: TIMEOUT_MOST,
    fallback,
    doc,
    env: "ROLLCALL_TIMEOUT",
  };
}

export const JSON_FLAG: Flag = {
  name: "json",
  kind: "switch",
  doc: "print JSON; a list is one object per line",
  env: "ROLLCALL_JSON",
};
export const YES: Flag = {
  name: "yes",
  kind: "switch",
  doc: "do not ask; required without a terminal",
  env: "ROLLCALL_YES",
};

/** Of what only reads. */
export const READING: readonly Flag[] = [
  REDIS,
  URL_FLAG,
  TOKEN,
  PREFIX,
  SHARDS,
  timeout(10_000, "longest time for one answer"),
  JSON_FLAG,
];

/** Of what writes, or needs commands that no reader has. */
export function writing(most: number): readonly Flag[] {
  return [REDIS, PREFIX, SHARDS, timeout(most, "longest time for the whole command"), JSON_FLAG];
}

/** The same for what runs until it is stopped. */
export const RUNNING: readonly Flag[] = [REDIS, PREFIX, SHARDS];

export const WHERE: readonly Flag[] = [
  {
    name: "namespace",
    kind: "text",
    value: "name",
    doc: "only in this namespace",
    env: "ROLLCALL_NAMESPACE",
  },
  { name: "room", kind: "text", value: "name", doc: "only in this room", env: "ROLLCALL_ROOM" },
  {
    name: "scope",
    kind: "text",
    value: "scope",
    doc: "both in one: /chat is a namespace, /chat,news is a room in it",
    env: "ROLLCALL_SCOPE",
  },
];

export const FROM: Flag = {
  name: "from",
  kind: "time",
  value: "time",
  doc: "start: 2026-03-01T14:03:00Z, ms since 1970, or how long ago, such as 15m, 2h, 7d",
  env: "ROLLCALL_FROM",
};
export const TO: Flag = {
  name: "to",
  kind: "time",
  value: "time",
  doc: "end, written the same way (now)",
  env: "ROLLCALL_TO",
};

export const SHELLS = ["bash", "zsh", "fish"] as const;
