/** Goal: what is sent verifies with the specification's own package, with each of the secrets, and with no other. */
import { randomBytes } from "node:crypto";
import { Webhook } from "standardwebhooks";
import { describe, expect, it } from "vitest";
import { checkSecrets } from "../../../src/core/webhook.ts";
import { signerOf } from "../../../src/webhooks/sign.ts";

const secretOf = (bytes: number) => `whsec_${randomBytes(bytes).toString("base64")}`;
const headersOf = (id: string, seconds: number, signature: string) => ({
  "webhook-id": id,
  "webhook-timestamp": String(seconds),
  "webhook-signature": signature,
});
const seconds = Math.floor(Date.now() / 1_000);
const body = JSON.stringify({ type: "user.online", data: { user: "Zoë \u{1f30d} \u0000" } });

it("the example of the specification has its signature", async () => {
  const signature = await signerOf(checkSecrets(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])).sign(
    "msg_p5jXN8AQM9LWM0D4loKWxJek",
    1_614_265_330,
    '{"test": 2432232314}',
  );
  expect(signature).toBe("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
});

describe.each([24, 32, 64])("a secret of %i bytes", (bytes) => {
  it("signs what `standardwebhooks` verifies, and what it computes itself", async () => {
    const secret = secretOf(bytes);
    const signature = await signerOf(checkSecrets([secret])).sign("0_1-0_0", seconds, body);
    const webhook = new Webhook(secret);
    expect(webhook.verify(body, headersOf("0_1-0_0", seconds, signature))).toEqual(JSON.parse(body));
    expect(signature).toBe(webhook.sign("0_1-0_0", new Date(seconds * 1_000), body));
  });
});

it("with several secrets each verifies; no other does, nor another id, time or body", async () => {
  const secrets = [secretOf(32), secretOf(24), secretOf(64)];
  const signature = await signerOf(checkSecrets(secrets)).sign("a_1", seconds, body);
  expect(signature.split(" ")).toHaveLength(3);
  for (const secret of secrets)
    expect(() => new Webhook(secret).verify(body, headersOf("a_1", seconds, signature))).not.toThrow();
  expect(() => new Webhook(secretOf(32)).verify(body, headersOf("a_1", seconds, signature))).toThrow(
    "No matching signature",
  );
  const webhook = new Webhook(secrets[0]!);
  expect(() => webhook.verify(body, headersOf("a_2", seconds, signature))).toThrow("No matching signature");
  expect(() => webhook.verify(body, headersOf("a_1", seconds + 1, signature))).toThrow(
    "No matching signature",
  );
  expect(() => webhook.verify(`${body} `, headersOf("a_1", seconds, signature))).toThrow(
    "No matching signature",
  );
});
