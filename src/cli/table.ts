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
  doc: "how often it asks",
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
  doc: "it is a Redis Cluster, and the URL that of one of its nodes",
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
      { name: "watch", kind: "switch", doc: "again and again, until Ctrl-C", env: "ROLLCALL_WATCH" },
      INTERVAL,
      ...READING,
    ],
    examples: [
      { line: "rollcall status", what: "once" },
      { line: "rollcall status --watch --json", what: "a line of JSON a second" },
    ],
    codes: "1, the numbers are stale: nothing projects",
    load: () => import("./status.ts"),
  },
  {
    name: "users",
    summary: "who is online, or was at some time",
    about:
      "Prints one user a line: sockets, id. Reads page by page, so a million users need no memory. Of the past only ids are known.",
    positionals: [],
    flags: [
      LIMIT("most users (all)"),
      {
        name: "at",
        kind: "time",
        value: "time",
        doc: "who was online then: a time as of --from in `rollcall changes --help`",
        env: "ROLLCALL_AT",
      },
      ...WHERE,
      ...READING,
    ],
    examples: [
      { line: "rollcall users --room news", what: "who is in a room of the main namespace" },
      { line: "rollcall users --at 2h --json", what: "who was online two hours ago" },
    ],
    codes: "1, changes since --at are no longer kept, so nobody knows",
    load: () => import("./users.ts"),
  },
  {
    name: "user",
    summary: "where a user is, and when the user was there",
    about: "With --from or --to it also lists the user's sessions of that time.",
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
      LIMIT("most of them (all)"),
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
    summary: "who came and went, as it happens or of some time",
    about:
      "Of the last 15 minutes, if nothing else is said; with --follow from now on. At its end it prints to stderr where to continue.",
    positionals: [],
    flags: [
      { name: "follow", kind: "switch", doc: "go on until Ctrl-C", env: "ROLLCALL_FOLLOW" },
      INTERVAL,
      FROM,
      TO,
      {
        name: "after",
        kind: "text",
        value: "cursor",
        doc: "from where an earlier answer ended",
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
      "Needs the option `history` of your servers. Each line: start, users, sockets (last, least, most), distinct users.",
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
    summary: "durable subscribers and webhooks, and what they gave up",
    about: "Without a name it lists them; with a name it lists the dead letters of that one, oldest first.",
    positionals: [{ name: "name", doc: "of a subscriber", optional: true }],
    flags: [
      {
        name: "retry",
        kind: "text",
        value: "id",
        doc: "have a dead letter delivered again, or all; may be repeated",
        env: null,
        many: true,
      },
      {
        name: "drop",
        kind: "text",
        value: "id",
        doc: "remove a dead letter for good, or all; may be repeated. Asks first",
        env: null,
        many: true,
      },
      LIMIT("most dead letters (all)"),
      YES,
      ...READING,
    ],
    examples: [
      { line: "rollcall webhooks crm", what: "its dead letters" },
      { line: "rollcall webhooks crm --retry all", what: "all of them again, once the receiver works" },
    ],
    codes: "1, there is no such subscriber, or a dead letter is not there any more",
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
    codes: "1, something differs and was not corrected, or not all could be compared",
    load: () => import("./verify.ts"),
  },
  {
    name: "doctor",
    summary: "what is wrong with a Redis and the presence in it, and what to do",
    about:
      "It only reads. One verdict a line, the worst first, and a remedy below it. docs/operations.md has the list of what it checks.",
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
    codes: "1, there is something to do; 3, Redis was not reached",
    load: () => import("./doctor.ts"),
  },
  {
    name: "check",
    summary: "a plugin for Nagios and Icinga",
    about: "One line with figures, and their exit codes. It needs what the Redis user `reader` may do.",
    positionals: [],
    flags: [
      bound("warning-lag", "ms", 86_400_000, 5_000, "work has waited for a projector for longer"),
      bound("critical-lag", "ms", 86_400_000, 60_000, "the same, and it is critical"),
      bound("min-processes", "n", 1_000_000, 1, "fewer live servers are critical"),
      bound(
        "max-rejected",
        "n",
        Number.MAX_SAFE_INTEGER,
        undefined,
        "more rejected records, of all time, are a warning",
      ),
      CLUSTER,
      ...writing(5_000).filter(({ name }) => name !== "json"),
    ],
    examples: [
      { line: "rollcall check --min-processes 3", what: "three servers are expected" },
      { line: "rollcall check --warning-lag 1000 --critical-lag 5000", what: "stricter" },
    ],
    codes:
      "0, OK; 1, WARNING; 2, CRITICAL, also when Redis is not reached; 3, UNKNOWN, also when the command line is wrong",
    fails: (why) => ({ line: `ROLLCALL UNKNOWN - ${why}; rollcall check --help`, exit: 3 }),
    load: () => import("./check.ts"),
  },
  {
    name: "token",
    summary: "makes and explains tokens for browsers",
    about:
      "Without a token it signs one with ROLLCALL_BROWSER_SECRETS and prints it; with a token it says what it grants, whether the API takes it, and why not. `-` reads it from stdin, where nobody sees it. docs/http.md describes the tokens.",
    positionals: [{ name: "token", doc: "to be explained", optional: true }],
    flags: [
      {
        name: "subject",
        kind: "text",
        value: "id",
        doc: "whose token it is: the id of a user",
        env: "ROLLCALL_TOKEN_SUBJECT",
      },
      {
        name: "action",
        kind: "text",
        value: "action",
        choices: GRANT_ACTIONS,
        many: true,
        doc: `what may be asked; may be repeated: ${GRANT_ACTIONS.join(", ")}`,
        env: "ROLLCALL_TOKEN_ACTIONS",
      },
      {
        name: "user",
        kind: "text",
        value: "id",
        many: true,
        doc: "whose presence may be seen; may be repeated; * is everybody's (nobody's)",
        env: "ROLLCALL_TOKEN_USERS",
      },
      {
        name: "scope",
        kind: "text",
        value: "pattern",
        many: true,
        doc: "where, such as /chat,*; may be repeated (the whole only)",
        env: "ROLLCALL_TOKEN_SCOPES",
      },
      {
        name: "expires",
        kind: "whole",
        value: "ms",
        least: BROWSER_AGE_MS_MIN,
        most: BROWSER_AGE_MS_MAX,
        fallback: BROWSER_EXPIRES_MS,
        doc: "for how long it is good",
        env: "ROLLCALL_TOKEN_EXPIRES",
      },
      JSON_FLAG,
    ],
    examples: [
      { line: "rollcall token --subject ann --action lookup --action changes --user bob", what: "signs one" },
      { line: "rollcall token - < token.txt", what: "says what it grants, and until when" },
    ],
    codes: "1, the API would refuse the token",
    load: () => import("./token.ts"),
  },
  {
    name: "evict",
    summary: "ends a server's registration by hand",
    about:
      "Its users get its grace and then go. A server that is really there registers again by itself. Set ROLLCALL_RECORD_KEYS where records are signed.",
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
    about: "docs/privacy.md says what it cannot reach.",
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
    summary: "the HTTP API on this machine",
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
    summary: "a projector as a process of its own",
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
    summary: "one bounded pass of a projector, for cron",
    about:
      "Set ROLLCALL_KEEP_CHANGES, ROLLCALL_HISTORY and ROLLCALL_RECORD_KEYS as in your servers: the strictest `keep` decides.",
    positionals: [],
    flags: [
      {
        name: "requests",
        kind: "whole",
        value: "n",
        least: 1,
        most: 1_000_000,
        fallback: 1_000,
        doc: "most requests to Redis",
        env: "SWEEP_REQUESTS",
      },
      ...writing(30_000),
    ],
    examples: [
      { line: "rollcall sweep", what: "until nothing is left, for 30 s at most" },
      { line: "rollcall sweep --timeout 5000 --json", what: "with a summary as JSON" },
    ],
    codes: "1, work is left: run it again",
    load: () => import("./sweep.ts"),
  },
  {
    name: "dev",
    summary: "all that an application needs on a laptop",
    about:
      "Starts a Redis (or uses REDIS_URL), the bridge that speaks Upstash's protocol, the HTTP API as it runs at the edge, and a projector. Prints what to put into the environment to stdout, as KEY=value, and runs until Ctrl-C. Needs @rollcall/local-redis, if there is no REDIS_URL, and @rollcall/upstash-bridge.",
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
    summary: "a cluster with real clients, and a server that is killed",
    about:
      "Of a checkout of the repository only; what follows goes to the demo. The installed package does not contain it: it starts Socket.IO servers, some hundred clients and workerd, which are development dependencies.",
    positionals: [{ name: "args", doc: "of the demo, after --", optional: true, many: true }],
    flags: [],
    examples: [
      { line: "rollcall demo", what: "until Ctrl-C" },
      { line: "rollcall demo -- --once", what: "checks every stage and ends" },
    ],
    codes: "1, this is no checkout",
    load: () => import("./demo.ts"),
  },
  {
    name: "bench",
    summary: "measures your Redis: round trip, append and fold",
    about:
      "Works under a prefix of its own, which it removes at the end. Needs the rights of a worker and a recorder on every key, UNLINK and PING.",
    positionals: [],
    flags: [
      {
        name: "operations",
        kind: "whole",
        value: "n",
        least: 100,
        most: 1_000_000,
        fallback: 5_000,
        doc: "sockets that come and go",
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
    summary: "the Redis users that each role needs",
    about: `Prints a command for redis-cli that makes a Redis user with what a role needs and nothing else. Put a password in place of a-password. Needs no Redis.\n\nRoles:\n${ROLES.map((role) => `  ${role.padEnd(18)} ${whoIs(role)}`).join("\n")}`,
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
        doc: "the oldest server it is for (7.2, and Valkey)",
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
        doc: "the client selects a database other than 0",
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
      "Starts the command, drives it with JSON lines over standard input and output, and checks what the projector makes of its records. docs/conformance.md has the lines. Needs a Redis: --redis, or redis-server on PATH.",
    positionals: [{ name: "command", doc: "of the recorder, after --", optional: true, many: true }],
    flags: [
      {
        name: "ttl",
        kind: "whole",
        value: "ms",
        // A heartbeat is a third of it, and below this a busy machine misses some.
        least: 500,
        most: 60_000,
        fallback: 2_000,
        doc: "the lease the recorder is given; a slow machine needs more",
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
        doc: "give the recorder a key, and accept only records that it has signed",
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
    summary: "completion for a shell",
    positionals: [{ name: "shell", doc: `one of ${SHELLS.join(", ")}`, choices: SHELLS }],
    flags: [],
    examples: [
      { line: "source <(rollcall completion bash)", what: "in this shell" },
      { line: "rollcall completion fish > ~/.config/fish/completions/rollcall.fish", what: "for good" },
    ],
    load: () => import("./completion.ts"),
  },
];
