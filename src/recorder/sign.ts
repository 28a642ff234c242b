/** Signs the records of a recorder: docs/protocol.md, "Signed records". */
import { createHmac } from "node:crypto";
import { textToSign } from "../core/mac.ts";

/** The fields with their `mac`. `signing`: the derived key of the prefix. */
export function signed(fields: readonly string[], recordsKey: string, signing: string): string[] {
  const mac = createHmac("sha1", signing).update(textToSign(recordsKey, fields)).digest("hex");
  return [...fields, "mac", mac];
}
