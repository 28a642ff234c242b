/** Whether a request is a webhook of ours: docs/webhooks.md, "Verify a signature". */
import { createHmac, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";

export function isSigned(secret: string, headers: IncomingHttpHeaders, body: string): boolean {
  const [id, time, signatures] = ["id", "timestamp", "signature"].map((name) =>
    String(headers[`webhook-${name}`]),
  );
  const key = Buffer.from(secret.slice("whsec_".length), "base64");
  const due = Buffer.from(`v1,${createHmac("sha256", key).update(`${id}.${time}.${body}`).digest("base64")}`);
  const found = signatures!.split(" ").map((one) => Buffer.from(one));
  const isRecent = Math.abs(Date.now() / 1_000 - Number(time)) < 300;
  return isRecent && found.some((one) => one.length === due.length && timingSafeEqual(one, due));
}
