/** Breaks of `rollcall doctor`, which looks and does not touch. */
import { type Mutant, mutant } from "./mutant.ts";

const SCENARIO = "test/scenario/doctor.test.ts";

export const DOCTOR_MUTANTS: readonly Mutant[] = [
  mutant("doctor-writes", "INV-8", [SCENARIO], [
    "src/doctor/gather/shard.ts",
    '["ZCOUNT", keys.ended, "-inf", "+inf"],',
    '["ZREMRANGEBYSCORE", keys.processes, "-inf", "+inf"],',
  ]),
  mutant("doctor-script-writes", "INV-8", [SCENARIO], [
    "src/doctor/gather/access.ts",
    "local said = {}",
    "local said = {} redis.call('DEL', '{rejected}:rejected')",
  ]),
]; // prettier-ignore
