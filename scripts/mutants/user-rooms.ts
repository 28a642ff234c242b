/** Breaks of the rooms of users, and of the decision which socket stays. */
import { type Mutant, mutantsOf } from "./mutant.ts";

const ROOMS = "test/unit/recorder/sockets/user-rooms.test.ts";
const ONLY_ONE = "test/unit/core/only-one.test.ts";
const USER_SOCKETS = "test/unit/presence/user-sockets.test.ts";
const LAPSED = "test/unit/reader/lapsed.test.ts";

const socketsMutant = mutantsOf("recorder/sockets");
const coreMutant = mutantsOf("core");

export const USER_ROOM_MUTANTS: readonly Mutant[] = [
  socketsMutant(
    "user-sockets-anybody-may-join-a-users-room",
    "INV-3",
    ROOMS,
    "user-rooms.ts",
    "if (room !== this.#rooms.get(socket)) quiet(adapter.del",
    "if (room === undefined) quiet(adapter.del",
  ),
  socketsMutant(
    "user-sockets-a-restored-room-is-kept",
    "INV-3",
    ROOMS,
    "user-rooms.ts",
    "room !== own && this.isUserRoom(room)",
    "room !== own && own !== undefined && this.isUserRoom(room) && false",
  ),
  socketsMutant(
    "user-sockets-who-leaves-all-rooms-stays-out",
    "INV-3",
    ROOMS,
    "user-rooms.ts",
    "if (room === this.#rooms.get(socket)) this.#doubt(socket);",
    "",
  ),
  coreMutant(
    "user-sockets-in-one-record-all-are-equal",
    "INV-3",
    ONLY_ONE,
    "only-one.ts",
    "const older = [...entries].map((one) => one.socket);",
    "const older: Socket[] = [];",
  ),
  coreMutant(
    "user-sockets-ids-are-compared-as-text",
    "INV-3",
    ONLY_ONE,
    "only-one.ts",
    "isBefore(a.record, b.record)",
    "a.record < b.record",
  ),
  coreMutant(
    "user-sockets-what-was-heard-too-early-is-forgotten",
    "INV-3",
    ONLY_ONE,
    "only-one.ts",
    "if (heard !== undefined && isOlder({ record, n: entry.n }, heard)) ended.push(entry.socket);\n      else if",
    "if",
  ),
  socketsMutant(
    "user-sockets-a-replaced-socket-takes-its-connection-along",
    "INV-3",
    USER_SOCKETS,
    "replacing.ts",
    "socket.disconnect(isAlone(socket));",
    "socket.disconnect(true);",
  ),
  mutantsOf("reader")(
    "user-sockets-a-lapsed-process-is-named",
    "INV-15",
    LAPSED,
    "users.ts",
    "const found = sockets.get(slotIn(member));",
    "const found = sockets.get(slotIn(member)) ?? 1;",
  ),
];
