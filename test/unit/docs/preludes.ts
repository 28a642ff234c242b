/**
 * What a block of the documentation may take for granted, by name. A prelude is real code, so that a block with one can
 * be run as well. `before` is on one line when it is compiled, so that an error names the line of the page.
 */
import { join } from "node:path";
import { ROOT } from "./markdown.ts";

/** Where the names of the package lead: to the sources, whatever has been built. */
export const DOORS: Readonly<Record<string, string>> = {
  rollcall: "src/index.ts",
  "rollcall/client": "src/client.ts",
  "rollcall/react": "src/react.ts",
  "rollcall/http": "src/http.ts",
  "rollcall/edge": "src/edge.ts",
  "rollcall/otel": "src/otel.ts",
  "rollcall/prometheus": "src/prometheus.ts",
  "@rollcall/local-redis": "packages/local-redis/src/index.ts",
  "@rollcall/upstash-bridge": "packages/upstash-bridge/src/index.ts",
};

export const doorFile = (name: string): string => join(ROOT, DOORS[name]!);

export interface Prelude {
  readonly before: readonly string[];
  /** For a block that is run: closes what `before` opened. */
  readonly after?: readonly string[];
}

/** The token that the blocks of the client send. */
export const DOCUMENTED_TOKEN = "a-token-for-the-documentation";

const io = [`import { Server } from "socket.io";`, `const io = new Server();`];
const presence = [
  ...io,
  `import { createPresence } from "rollcall";`,
  `const presence = createPresence(io, { redis: "redis://localhost:6379", user: () => null });`,
  `await presence.ready;`,
];
const reader = [
  `import { createReader } from "rollcall";`,
  `const reader = createReader({ redis: "redis://localhost:6379" });`,
];
const client = [
  `import { createClient } from "rollcall/client";`,
  `const rollcall = createClient("http://localhost:8080", { token: "${DOCUMENTED_TOKEN}" });`,
];

export const PRELUDES: Readonly<Record<string, Prelude>> = {
  /** A Socket.IO server that listens nowhere, so that there is nothing to close, and createPresence. */
  io: { before: [...io, `import { createPresence } from "rollcall";`] },
  /** The same and what createPresence returned, registered. */
  presence: { before: presence, after: [`await presence.close();`] },
  /** The same with namespaces, a room with changes, and user rooms. */
  counting: {
    before: [
      ...io,
      `import { createPresence } from "rollcall";`,
      `const presence = createPresence(io, { redis: "redis://localhost:6379", user: () => null, namespaces: ["/", "/chat"], rooms: ["news"], changes: ["news"], userRooms: true });`,
      `await presence.ready;`,
    ],
    after: [`await presence.close();`],
  },
  reader: { before: reader, after: [`reader.close();`] },
  client: { before: client },
  /** What a handler checks about what a page sends. */
  watching: {
    before: [
      `const WATCHED_MAX = 100;`,
      `const isId = (id: unknown): id is string => typeof id === "string" && id.length > 0 && id.length <= 64;`,
    ],
  },
  /** A function of the application's that knows its sessions. */
  sessions: {
    before: [
      `async function userOfSession(token: unknown): Promise<string | null> { return typeof token === "string" ? token : null; }`,
    ],
  },
};
