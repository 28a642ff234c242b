import { NETWORK_FAULTS } from "./faults/network.ts";
import { PROCESS_FAULTS } from "./faults/processes.ts";
import { STORE_FAULTS } from "./faults/store.ts";
import type { Fault } from "./scene.ts";

export const FAULTS: readonly Fault[] = [...PROCESS_FAULTS, ...STORE_FAULTS, ...NETWORK_FAULTS];

/** Throws TypeError for a name that no fault has. */
export function faultNamed(name: string): Fault {
  const fault = FAULTS.find((one) => one.name === name);
  if (fault === undefined)
    throw new TypeError(
      `no fault is called ${JSON.stringify(name)}: ${FAULTS.map((one) => one.name).join(", ")}`,
    );
  return fault;
}
