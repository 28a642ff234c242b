/** Breaks of what a recorder says of rooms. */
import { type Mutant, mutantsOf } from "./mutant.ts";

const ROOMS = "test/unit/recorder/sockets/rooms.test.ts";
const NAMES = "test/unit/recorder/sockets/names.test.ts";
const PATTERNS = "test/unit/core/scope-patterns.test.ts";

const mutant = mutantsOf("recorder");
const core = mutantsOf("core");

export const ROOM_MUTANTS: readonly Mutant[] = [
  mutant(
    "a-socket-is-in-its-own-room",
    "INV-3",
    ROOMS,
    "sockets/scopes.ts",
    "      if (room === id) continue;\n",
    "",
  ),
  mutant(
    "one-and-its-text-are-two-rooms",
    "INV-3",
    NAMES,
    "sockets/scopes.ts",
    "    if (name !== room && rooms.has(name)) return undefined;\n",
    "    if (name !== room) return undefined;\n",
  ),
  mutant(
    "a-function-is-asked-at-each-look",
    "INV-9",
    NAMES,
    "sockets/scopes.ts",
    "if (room.length <= SCOPE_BYTES_MAX && this.#keeps()) rooms.set(room, known);",
    "if (room.length < 0) rooms.set(room, known);",
  ),
  mutant(
    "rooms-are-compared-by-number",
    "INV-3",
    ROOMS,
    "sockets/scopes.ts",
    "return isOther || found !== told.size;",
    "return isOther && found !== told.size;",
  ),
  mutant(
    "an-id-is-one-socket",
    "INV-3",
    ROOMS,
    "sockets/adapters.ts",
    "known === undefined ? socket : [known, socket].flat()",
    "socket",
  ),
  mutant(
    "only-the-adapter-of-the-namespace-is-heard",
    "INV-3",
    ROOMS,
    "sockets/adapters.ts",
    "  return adapter ?? socket.nsp.adapter;",
    "  return adapter === undefined ? socket : socket.nsp.adapter;",
  ),
  mutant(
    "listeners-of-an-adapter-are-not-put-back",
    "INV-3",
    ROOMS,
    "socket-io.ts",
    "    adapters?.review();\n",
    "",
  ),
  mutant(
    "rooms-stay-with-the-former-user",
    "INV-3",
    ROOMS,
    "sockets/tracked.ts",
    "        this.#memberships?.clear(socket, counted, departure);\n",
    "",
  ),
  mutant(
    "a-drop-is-a-goodbye-in-rooms",
    "INV-3",
    ROOMS,
    "sockets/memberships.ts",
    "for (const scope of told) this.#own.part(scope, user, departure);",
    'for (const scope of told) this.#own.part(scope, user, "leave");',
  ),
  mutant(
    "what-has-gone-takes-room",
    "INV-9",
    NAMES,
    "sockets/memberships.ts",
    "    this.#size -= told.size;\n",
    "",
  ),
  core(
    "tracks-promise-changes-of-other-rooms",
    "INV-3",
    PATTERNS,
    "scope-patterns.ts",
    "if (textA !== undefined) return matchesPattern(b, textA) ? a : null;",
    "if (textA !== undefined) return a;",
  ),
];
