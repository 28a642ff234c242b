/** Mutants of signed records. */
import { type Mutant, mutant } from "./mutant.ts";

const MAC = "test/unit/lua/mac.test.ts";
const MODEL = "test/model/model.test.ts";
const KEYS = "test/unit/recorder/keys.test.ts";
const FORGED = "test/hostile/forged.test.ts";

const lua = (part: string) => `src/lua/project/${part}.lua`;

export const MAC_MUTANTS: readonly Mutant[] = [
  mutant(
    "mac-forged-is-folded-quick",
    "INV-1",
    [MAC, MODEL, FORGED],
    [lua("quick"), "      if not ends then why = 'mac' break end\n", "      ends = ends or #f\n"],
  ),
  mutant(
    "mac-forged-is-folded",
    "INV-1",
    [MAC, MODEL, FORGED],
    [lua("parse"), "  if proven and not proven(fields) then return nil, 'mac' end\n", ""],
  ),
  mutant(
    "mac-says-nothing-of-the-log",
    "INV-1",
    [MAC, MODEL],
    [lua("mac"), "local text, mac = n .. '\\n' .. RECORDS .. '\\n'", "local text, mac = n .. '\\n'"],
    ["src/core/mac.ts", "`${fields.length}\\n${recordsKey}\\n${", "`${fields.length}\\n${"],
  ),
  mutant(
    "mac-says-nothing-of-how-many",
    "INV-1",
    [MAC, MODEL],
    [lua("mac"), "local text, mac = n .. '\\n' .. RECORDS", "local text, mac = RECORDS"],
    ["src/core/mac.ts", "`${fields.length}\\n${recordsKey}", "`${recordsKey}"],
  ),
  mutant(
    "mac-unsigned-is-always-accepted",
    "INV-1",
    [MAC, MODEL, FORGED],
    [lua("mac"), "return accepts_unsigned and #fields or nil end", "return #fields end"],
  ),
  mutant(
    "mac-only-the-first-key-is-tried",
    "INV-3",
    [MAC, MODEL],
    [lua("mac"), "for k = 11, #ARGV, 2 do", "for k = 11, 11, 2 do"],
  ),
  mutant(
    "mac-no-bound-of-what-is-hashed",
    "INV-7",
    [MAC],
    [lua("mac"), "    if #text > SIGNED_BYTES_MAX then return nil end\n", ""],
  ),
  mutant(
    "mac-other-keys-are-not-refused",
    "INV-1",
    [MAC],
    [
      lua("open"),
      "if t[1] and not (is_accepted(ours, theirs) and is_accepted(theirs, ours)) then",
      "if false then",
    ],
  ),
  mutant(
    "mac-keys-are-compared-one-way",
    "INV-3",
    [MAC],
    [lua("open"), "(is_accepted(ours, theirs) and is_accepted(theirs, ours))", "is_accepted(theirs, ours)"],
  ),
  mutant(
    "mac-other-keys-are-overlooked-by-the-quick-path",
    "INV-1",
    [MAC],
    [lua("head"), "elseif (t[20] or '') ~= (ARGV[10] or '') then why = 'keys'\n", ""],
  ),
  mutant(
    "mac-a-recorder-does-not-compare-keys",
    "INV-3",
    [KEYS],
    ["src/redis/shards.ts", '  if (mac !== undefined) checkAgreement(mac, theirs ?? "");\n', ""],
  ),
  mutant(
    "mac-a-recorder-that-does-not-project-does-not-compare-keys-later",
    "INV-3",
    [KEYS],
    [
      "src/recorder/sender.ts",
      "    if (!isAccepted(this.#keys.mac, mac)) throw recordKeysMismatch(this.#keys.mac, mac);\n",
      "",
    ],
  ),
  mutant(
    "mac-evict-is-not-signed",
    "INV-3",
    [MAC],
    ["src/projector/evict.ts", '"*", ...signed] as const', '"*", ...record] as const'],
  ),
];
