/** Breaks of what is kept of sockets by id. */
import { type Mutant, mutant } from "./mutant.ts";

const LUA = "test/unit/lua/sockets.test.ts";
const READER = "test/unit/reader/sockets.test.ts";

export const SOCKET_ID_MUTANTS: readonly Mutant[] = [
  mutant(
    "a-wrong-number-of-ids-is-believed",
    "INV-1",
    [LUA],
    ["src/lua/project/sockets.lua", "if size ~= declared then return nil, size end", ""],
  ),
  mutant(
    "the-quick-path-forgets-ids",
    "INV-12",
    [LUA],
    ["src/lua/project/quick.lua", "  if socket_ids then socket_ids.write() end\n", ""],
  ),
  mutant(
    "ids-outlive-their-process",
    "INV-1",
    [LUA],
    [
      "src/lua/project/states.lua",
      ".. 'scopes:' .. p.slot, sub(RECORDS, 1, -8) .. 'sockets:' .. p.slot) end\n",
      ".. 'scopes:' .. p.slot) end\n",
    ],
    [
      "src/lua/project/reap.lua",
      "tag .. 'scopes:' .. slot, tag .. 'sockets:' .. slot)",
      "tag .. 'scopes:' .. slot)",
    ],
  ),
  mutant(
    "sockets-of-an-expired-lease-are-listed",
    "INV-15",
    [READER],
    [
      "src/reader/context.ts",
      ".filter(({ slots }) => slots !== null && slots.length > 0)",
      ".filter(() => true)",
    ],
  ),
  mutant(
    "an-id-goes-with-the-first-of-its-sockets",
    "INV-3",
    [READER],
    [
      "src/recorder/sockets/ids.ts",
      "    if (next !== undefined) this.#counts.opened(id, next.user, next.scopes);\n",
      "    if (next !== undefined) this.#counts.gone(id, next.user);\n",
    ],
  ),
];
