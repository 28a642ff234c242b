/**
 * The commands. Help, completion, docs/cli.md and the variables are made from this table, and nothing but the table is loaded before it is
 * known which command runs.
 */
import { ACL_VERSIONS, ROLES, whoIs } from "../core/access.ts";
import { GRANT_ACTIONS } from "../core/grant.ts";
import {
  BROWSER_AGE_MS_MAX,
  BROWSER_AGE_MS_MIN,
  BROWSER_EXPIRES_MS,
  STALE_AFTER_MS,
  STALE_AFTER_MS_MAX,
} from "../core/limits.ts";
import type { Entry, Flag } from "./command.ts";
import {
  FROM,
  JSON_FLAG,
  PREFIX,
  READING,
  RUNNING,
  SHARDS,
  SHELLS,
  TO,
  WHERE,
  writing,
  YES,
} from "./flags.ts";

const LIMIT = (doc: string): Flag => ({
  name: "limit",
  kind: "whole",
  value: "n",
  least: 1,
  most: 1_000_000_000,
  doc,
  env: "ROLLCALL_LIMIT",
});
const INTERVAL: Flag = {
  name: "interval",
  kind: "whole",
  value: "ms",
  least: 100,
  most: 3_600_000,
  fallback: 1_000,
  doc: "time between two reads",
  env: "ROLLCALL_INTERVAL",
};
const port = (env: string, fallback: number | undefined, doc: string): Flag => ({
  name: "port",
  kind: "whole",
  value: "port",
  least: 0,
  most: 65_535,
  ...(fallback !== undefined && { fallback }),
  doc,
  env,
});
const bound = (
  name: string,
  value: string,
  most: number,
  fallback: number | undefined,
  doc: string,
): Flag => ({
  name,
  kind: "whole",
  value,
  least: 0,
  most,
  ...(fallback !== undefined && { fallback }),
  doc,
  env: `ROLLCALL_CHECK_${name.toUpperCase().replaceAll("-", "_")}`,
});
const CLUSTER: Flag = {
  name: "cluster",
  kind: "switch",
  doc: "the Redis is a Cluster; the URL is that of any node",
  env: "ROLLCALL_CLUSTER",
};
const HOST: Flag = {
  name: "host",
  kind: "text",
  value: "address",
  doc: "the address it listens on (127.0.0.1); 0.0.0.0 in a container",
  env: "HOST",
};

export const TABLE: readonly Entry[] = [
  {
    name: "status",
    summary: "how many are online, the servers, the lag, the subscribers",
    positionals: [],
    flags: [
      { name: "watch", kind: "switch", doc: "repeat until Ctrl-C", env: "ROLLCALL_WATCH" },
      INTERVAL,
      ...READING,
    ],
    examples: [
      { line: "rollcall status", what: "once" },
      { line: "rollcall status --watch --json", what: "one line of JSON per second" },
    ],
    codes: "1, the numbers are stale: no projector runs",
    load: () => import("./status.ts"),
  },
  {
    name: "users",
    summary: "who is online, or was at a given time",
    about:
      "Prints one user per line: sockets, id. Reads page by page, so a million users need little memory. For the past only ids are known.",
    positionals: [],
    flags: [
      LIMIT("print at most this many (all)"),
      {
        name: "at",
        kind: "time",
        value: "time",
        doc: "who was online at this time, written as for --from of `rollcall changes`",
        env: "ROLLCALL_AT",
      },
      ...WHERE,
      ...READING,
    ],
    examples: [
      { line: "rollcall users --room news", what: "who is in a room of the main namespace" },
      { line: "rollcall users --at 2h --json", what: "who was online two hours ago" },
    ],
    codes: "1, the changes since --at are no longer kept, so there is no answer",
    load: () => import("./users.ts"),
  },
  {
    name: "user",
    summary: "which servers a user is on, and past sessions",
    about: "With --from or --to it also lists the user's sessions in that period.",
    positionals: [{ name: "id", doc: "the user's id" }],
    flags: [FROM, TO, ...READING],
    examples: [
      { line: "rollcall user alice", what: "on which servers" },
      { line: "rollcall user alice --from 7d", what: "and the sessions of a week" },
    ],
    codes: "1, the user is offline",
    load: () => import("./user.ts"),
  },
  {
    name: "scopes",
    summary: "namespaces and rooms, largest first",
    positionals: [],
    flags: [
      {
        name: "namespace",
        kind: "text",
        value: "name",
        doc: "only this namespace and its rooms",
        env: "ROLLCALL_NAMESPACE",
      },
      {
        name: "starts",
        kind: "text",
        value: "text",
        doc: "only rooms whose name begins with this",
        env: "ROLLCALL_STARTS",
      },
      LIMIT("print at most this many (all)"),
      ...READING,
    ],
    examples: [
      { line: "rollcall scopes --limit 10", what: "the ten largest" },
      { line: "rollcall scopes --namespace /chat --starts team-", what: "some rooms of a namespace" },
    ],
    load: () => import("./scopes.ts"),
  },
  {
    name: "changes",
    summary: "who came and went, live or in a period",
    about:
      "Prints the last 15 minutes by default; with --follow, what happens from now on. At the end it prints the cursor to continue from, to stderr.",
    positionals: [],
    flags: [
      { name: "follow", kind: "switch", doc: "keep printing until Ctrl-C", env: "ROLLCALL_FOLLOW" },
      INTERVAL,
      FROM,
      TO,
      {
        name: "after",
        kind: "text",
        value: "cursor",
        doc: "continue from this cursor of an earlier run",
        env: "ROLLCALL_AFTER",
      },
      ...WHERE,
      ...READING,
    ],
    examples: [
      { line: "rollcall changes --follow --json", what: "as NDJSON, for another program" },
      {
        line: "rollcall changes --from 2026-03-01T14:00:00Z --to 2026-03-01T14:05:00Z",
        what: "five minutes",
      },
    ],
    codes: "1, some of the changes are no longer kept",
    load: () => import("./changes.ts"),
  },
  {
    name: "history",
    summary: "numbers over time",
    about:
      "Needs the option `history` on your servers. Each line: start, users, sockets (last, least, most), distinct users.",
    positionals: [],
    flags: [
      FROM,
      TO,
      {
        name: "step",
        kind: "text",
        value: "step",
        fallback: "minute",
        doc: "minute, hour, day, or a multiple such as 5m, 6h, 7d",
        env: "ROLLCALL_STEP",
      },
      ...WHERE,
      ...READING,
    ],
    examples: [
      { line: "rollcall history --from 1d --step hour", what: "a day, hour by hour" },
      { line: "rollcall history --from 30d --step day --json", what: "a month" },
    ],
    load: () => import("./history.ts"),
  },
  {
    name: "webhooks",
    summary: "durable subscribers and webhooks, and their dead letters",
    about: "Without a name it lists all of them; with a name it lists that one's dead letters, oldest first.",
    positionals: [{ name: "name", doc: "of a subscriber", optional: true }],
    flags: [
      {
        name: "retry",
        kind: "text",
        value: "id",
        doc: "deliver a dead letter again; may be repeated",
        env: null,
        many: true,
      },
      {
        name: "drop",
        kind: "text",
        value: "id",
        doc: "delete a dead letter; may be repeated. Asks first",
        env: null,
        many: true,
      },
      LIMIT("print at most this many dead letters (all)"),
      YES,
      ...READING,
    ],
    examples: [
      { line: "rollcall webhooks crm", what: "its dead letters" },
      { line: "rollcall webhooks crm --retry 0.1767225600000-0", what: "one of them again" },
    ],
    codes: "1, a dead letter no longer exists",
    load: () => import("./webhooks.ts"),
  },
  {
    name: "verify",
    summary: "audits what Redis holds, and corrects it",
    positionals: [],
    flags: [
      { name: "repair", kind: "switch", doc: "correct what differs. Asks first", env: null },
      YES,
      ...writing(3_600_000),
    ],
    examples: [
      { line: "rollcall verify", what: "only looks" },
      { line: "rollcall verify --repair --yes", what: "corrects without asking" },
    ],
    codes: "1, something differs and was not corrected, or not everything could be compared",
    load: () => import("./verify.ts"),
  },
  {
    name: "doctor",
    summary: "finds what is wrong with a Redis and the presence in it, and how to fix it",
    about:
      "It only reads. One verdict per line, worst first, with its remedy below. docs/operations.md lists the checks.",
    positionals: [],
    flags: [
      {
        name: "role",
        kind: "text",
        value: "role",
        choices: ROLES,
        doc: "what the Redis user is for (projecting-server); roles as in `rollcall acl --help`",
        env: "ROLLCALL_DOCTOR_ROLE",
      },
      {
        name: "stale-after",
        kind: "whole",
        value: "ms",
        least: 0,
        most: STALE_AFTER_MS_MAX,
        fallback: STALE_AFTER_MS,
        doc: "how long work may wait for a projector",
        env: "ROLLCALL_STALE_AFTER",
      },
      CLUSTER,
      ...writing(5_000),
    ],
    examples: [
      { line: "rollcall doctor --redis redis://127.0.0.1:6379", what: "with the rights of a server" },
      { line: "rollcall doctor --role reader --json", what: "for the user of the edge" },
    ],
    codes: "1, there is something to fix; 3, Redis could not be reached",
    load: () => import("./doctor.ts"),
  },
  {
    name: "check",
    summary: "a plugin for Nagios and Icinga",
    about:
      "Prints one line with figures, and exits as plugins do. The rights of the Redis user `reader` are enough.",
    positionals: [],
    flags: [
      bound(
        "warning-lag",
        "ms",
        86_400_000,
        5_000,
        "warn if work has waited longer than this for a projector",
      ),
      bound("critical-lag", "ms", 86_400_000, 60_000, "critical if work has waited longer than this"),
      bound("min-processes", "n", 1_000_000, 1, "critical if fewer servers are live"),
      bound(
        "max-rejected",
        "n",
        Number.MAX_SAFE_INTEGER,
        undefined,
        "warn if more records than this were ever rejected",
      ),
      CLUSTER,
      ...writing(5_000).filter(({ name }) => name !== "json"),
    ],
    examples: [
      { line: "rollcall check --min-processes 3", what: "three servers are expected" },
      { line: "rollcall check --warning-lag 1000 --critical-lag 5000", what: "stricter" },
    ],
    codes:
      "0, OK; 1, WARNING; 2, CRITICAL, also if Redis cannot be reached; 3, UNKNOWN, also if the command line is wrong",
    fails: (why) => ({ line: `ROLLCALL UNKNOWN - ${why}; rollcall check --help`, exit: 3 }),
    load: () => import("./check.ts"),
  },
  {
    name: "token",
    summary: "makes or explains a browser token",
    about:
      "Without a token it signs one with ROLLCALL_BROWSER_SECRETS and prints it. With a token it prints what it grants, and whether the API accepts it or why not. `-` reads the token from stdin, where other users of the machine cannot see it. docs/http.md describes the tokens.",
    positionals: [{ name: "token", doc: "the token to explain", optional: true }],
    flags: [
      {
        name: "subject",
        kind: "text",
        value: "id",
        doc: "the user who will hold it",
        env: "ROLLCALL_TOKEN_SUBJECT",
      },
      {
        name: "action",
        kind: "text",
        value: "action",
        choices: GRANT_ACTIONS,
        many: true,
        doc: `what it allows; may be repeated: ${GRANT_ACTIONS.join(", ")}`,
        env: "ROLLCALL_TOKEN_ACTIONS",
      },
      {
        name: "user",
        kind: "text",
        value: "id",
        many: true,
        doc: "whose presence it shows; may be repeated; * for everybody (nobody)",
        env: "ROLLCALL_TOKEN_USERS",
      },
      {
        name: "scope",
        kind: "text",
        value: "pattern",
        many: true,
        doc: "a namespace or room, such as /chat,*; may be repeated (the whole only)",
        env: "ROLLCALL_TOKEN_SCOPES",
      },
      {
        name: "expires",
        kind: "whole",
        value: "ms",
        least: BROWSER_AGE_MS_MIN,
        most: BROWSER_AGE_MS_MAX,
        fallback: BROWSER_EXPIRES_MS,
        doc: "how long it is valid",
        env: "ROLLCALL_TOKEN_EXPIRES",
      },
      JSON_FLAG,
    ],
    examples: [
      { line: "rollcall token --subject ann --action lookup --action changes --user bob", what: "signs one" },
      { line: "rollcall token - < token.txt", what: "prints what it grants, and until when" },
    ],
    codes: "1, the API would refuse the token",
    load: () => import("./token.ts"),
  },
  {
    name: "evict",
    summary: "ends a process by hand",
    about:
      "Its users go offline after its grace. A server that is still running registers again by itself. Set ROLLCALL_RECORD_KEYS if records are signed.",
    positionals: [{ name: "process", doc: "its id, as `rollcall status` prints it" }],
    flags: [YES, ...writing(60_000)],
    examples: [
      { line: "rollcall evict web-1.7f3a9c04b2d1", what: "asks first" },
      { line: "rollcall evict web-1.7f3a9c04b2d1 --yes", what: "in a script" },
    ],
    codes: "1, there was no such process",
    load: () => import("./evict.ts"),
  },
  {
    name: "forget",
    summary: "removes what is kept about a user who is offline",
    about: "docs/privacy.md lists what it cannot reach.",
    positionals: [{ name: "user", doc: "the user's id" }],
    flags: [YES, ...writing(600_000)],
    examples: [
      { line: "rollcall forget alice", what: "asks first" },
      { line: "rollcall forget alice --yes --json", what: "in a script" },
    ],
    codes: "1, the user is online: disconnect their sockets first",
    load: () => import("./forget.ts"),
  },
  {
    name: "serve",
    summary: "runs the HTTP API",
    about:
      "Reads REDIS_URL or Upstash's variables, and the variables of docs/options.md: ROLLCALL_TOKENS, ROLLCALL_ORIGINS and so on. Ends on SIGTERM or SIGINT, after ROLLCALL_DRAIN.",
    positionals: [],
    flags: [port("PORT", undefined, "0 picks a free one (3000)"), HOST, ...RUNNING],
    examples: [
      { line: "rollcall serve --port 3000", what: "on this machine only" },
      { line: "rollcall serve --host 0.0.0.0 --shards 4", what: "in a container" },
    ],
    load: () => import("./serve.ts"),
  },
  {
    name: "project",
    summary: "runs a projector",
    about:
      "Reads REDIS_URL and the variables of docs/options.md: ROLLCALL_KEEP_CHANGES, ROLLCALL_HEALTH_PORT, ROLLCALL_WEBHOOK_URL and so on. Any number may run at once.",
    positionals: [],
    flags: RUNNING,
    examples: [
      { line: "rollcall project", what: "until SIGTERM or SIGINT" },
      { line: "rollcall project --prefix chat --shards 4", what: "another prefix" },
    ],
    load: () => import("./project.ts"),
  },
  {
    name: "sweep",
    summary: "runs a projector once, within a budget, for cron",
    about:
      "Set ROLLCALL_KEEP_CHANGES, ROLLCALL_HISTORY and ROLLCALL_RECORD_KEYS as on your servers: the strictest `keep` applies.",
    positionals: [],
    flags: [
      {
        name: "requests",
        kind: "whole",
        value: "n",
        least: 1,
        most: 1_000_000,
        fallback: 1_000,
        doc: "make at most this many requests to Redis",
        env: "SWEEP_REQUESTS",
      },
      ...writing(30_000),
    ],
    examples: [
      { line: "rollcall sweep", what: "until nothing is left, at most 30 s" },
      { line: "rollcall sweep --timeout 5000 --json", what: "with a summary as JSON" },
    ],
    codes: "1, work is left: run it again",
    load: () => import("./sweep.ts"),
  },
  {
    name: "dev",
    summary: "starts everything an application needs on a laptop",
    about:
      "Starts a Redis (or uses REDIS_URL), the bridge that speaks Upstash's protocol, the HTTP API as it runs at the edge, and a projector. Prints the variables for your application to stdout, as KEY=value, and runs until Ctrl-C. Needs @rollcall/upstash-bridge, and without REDIS_URL also @rollcall/local-redis.",
    positionals: [],
    flags: [
      port("ROLLCALL_DEV_PORT", 0, "of the API; 0 picks a free one"),
      {
        name: "bridge-port",
        kind: "whole",
        value: "port",
        least: 0,
        most: 65_535,
        fallback: 0,
        doc: "of the bridge",
        env: "ROLLCALL_DEV_BRIDGE_PORT",
      },
      ...RUNNING,
    ],
    examples: [
      { line: "rollcall dev > .env", what: "for `node --env-file=.env server.js`" },
      { line: "rollcall dev --redis redis://127.0.0.1:6379 --port 3001", what: "with your own Redis" },
    ],
    load: () => import("./dev.ts"),
  },
  {
    name: "demo",
    summary: "starts a cluster with real clients and kills a server",
    about:
      "Works in a checkout of the repository only: it starts Socket.IO servers, some two hundred clients and workerd, which are development dependencies. Arguments after -- go to the demo.",
    positionals: [{ name: "args", doc: "for the demo, after --", optional: true, many: true }],
    flags: [],
    examples: [
      { line: "rollcall demo", what: "until Ctrl-C" },
      { line: "rollcall demo -- --once", what: "checks every stage and ends" },
    ],
    codes: "1, this is not a checkout",
    load: () => import("./demo.ts"),
  },
  {
    name: "bench",
    summary: "measures your Redis: round trip, append and fold",
    about:
      "Uses a prefix of its own and deletes its keys at the end. Needs the rights of a worker and a recorder on every key, and UNLINK and PING.",
    positionals: [],
    flags: [
      {
        name: "operations",
        kind: "whole",
        value: "n",
        least: 100,
        most: 1_000_000,
        fallback: 5_000,
        doc: "sockets that connect and disconnect",
        env: "ROLLCALL_OPERATIONS",
      },
      ...writing(120_000).filter(({ name }) => name !== "prefix" && name !== "shards"),
    ],
    examples: [
      { line: "rollcall bench", what: "takes a few seconds" },
      { line: "rollcall bench --operations 50000 --json", what: "for a chart" },
    ],
    load: () => import("./bench.ts"),
  },
  {
    name: "acl",
    summary: "prints the Redis user that each role needs",
    about: `Prints redis-cli commands that create a Redis user for each role, with the rights it needs and no others. Replace a-password. Needs no Redis.\n\nRoles:\n${ROLES.map((role) => `  ${role.padEnd(18)} ${whoIs(role)}`).join("\n")}`,
    positionals: [],
    flags: [
      {
        name: "role",
        kind: "text",
        value: "role",
        choices: ROLES,
        many: true,
        doc: "only this role; may be repeated (all)",
        env: "ROLLCALL_ACL_ROLE",
      },
      PREFIX,
      SHARDS,
      {
        name: "redis",
        kind: "text",
        value: "version",
        choices: ACL_VERSIONS,
        doc: "the oldest Redis you run (7.2, and Valkey)",
        env: "ROLLCALL_ACL_REDIS",
      },
      {
        name: "cluster",
        kind: "switch",
        doc: "for a Redis Cluster: run it on each node",
        env: "ROLLCALL_ACL_CLUSTER",
      },
      {
        name: "select",
        kind: "switch",
        doc: "your client selects a database other than 0",
        env: "ROLLCALL_ACL_SELECT",
      },
      JSON_FLAG,
    ],
    examples: [
      { line: "rollcall acl --role reader --redis 7.0", what: "one user" },
      { line: "rollcall acl --prefix chat --shards 4", what: "all roles" },
    ],
    load: () => import("./acl.ts"),
  },
  {
    name: "conformance",
    summary: "checks a recorder written in any language",
    about:
      "Starts your command, drives it with JSON lines over stdin and stdout, and checks what the projector makes of its records. docs/conformance.md describes the lines. Needs a Redis: --redis, or redis-server on the PATH.",
    positionals: [{ name: "command", doc: "starts your recorder, after --", optional: true, many: true }],
    flags: [
      {
        name: "ttl",
        kind: "whole",
        value: "ms",
        // A heartbeat is a third of it, and below this a busy machine misses some.
        least: 500,
        most: 60_000,
        fallback: 2_000,
        doc: "the recorder's lease; a slow machine needs more",
        env: "ROLLCALL_CONFORMANCE_TTL",
      },
      {
        name: "only",
        kind: "text",
        value: "text",
        doc: "only the checks whose names contain the text; may be repeated",
        env: "ROLLCALL_CONFORMANCE_ONLY",
        many: true,
      },
      {
        name: "at-once",
        kind: "whole",
        value: "n",
        least: 1,
        most: 32,
        fallback: 4,
        doc: "how many checks run at the same time",
        env: "ROLLCALL_CONFORMANCE_AT_ONCE",
      },
      {
        name: "signed",
        kind: "switch",
        doc: "give the recorder a key, and accept signed records only",
        env: "ROLLCALL_CONFORMANCE_SIGNED",
      },
      {
        name: "list",
        kind: "switch",
        doc: "print the names of the checks",
        env: "ROLLCALL_CONFORMANCE_LIST",
      },
      JSON_FLAG,
      ...RUNNING.filter(({ name }) => name === "redis"),
    ],
    examples: [
      { line: "rollcall conformance -- python3 recorder.py", what: "all checks" },
      {
        line: "rollcall conformance --only grace --ttl 4000 -- ./recorder",
        what: "some, with a longer lease",
      },
    ],
    codes: "1, a check failed; 2, the command line is wrong, or there is no Redis",
    load: () => import("./conformance.ts"),
  },
  {
    name: "completion",
    summary: "prints a completion script for a shell",
    positionals: [{ name: "shell", doc: `one of ${SHELLS.join(", ")}`, choices: SHELLS }],
    flags: [],
    examples: [
      { line: "source <(rollcall completion bash)", what: "in this shell" },
      { line: "rollcall completion fish > ~/.config/fish/completions/rollcall.fish", what: "for good" },
    ],
    load: () => import("./completion.ts"),
  },
];
