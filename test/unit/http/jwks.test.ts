/**
 * Goal: tokens of public keys are accepted by the algorithm of the key alone; a key set is fetched seldom, in bounds, and its last good
 * version survives an outage.
 * Method: keys made here, and a real HTTP server that says what a test tells it to.
 */
import { createHmac, createSign, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { resolveBrowserTokens } from "../../../src/http/browser-options.ts";
import { RemoteKeys } from "../../../src/http/jwks.ts";
import { Verifier } from "../../../src/http/verify.ts";
import { claimsOf, part } from "./browsers.ts";

const BASE = { issuer: "https://app.example", audience: "presence" };
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
const ed = generateKeyPairSync("ed25519");
const jwk = (key: KeyObject, kid: string) => ({ ...key.export({ format: "jwk" }), kid });
const KEYS = [jwk(rsa.publicKey, "rsa"), jwk(ec.publicKey, "ec"), jwk(ed.publicKey, "ed")];
const CLAIMS = claimsOf({ actions: ["users"], users: "*" });

function made(header: object, signature: (text: string) => Buffer): string {
  const text = `${part({ typ: "at+jwt", ...header })}.${part(CLAIMS)}`;
  return `${text}.${signature(text).toString("base64url")}`;
}
const byRsa = (text: string) => createSign("sha256").update(text).sign(rsa.privateKey);
const byEc = (text: string) =>
  sign("sha256", Buffer.from(text), { key: ec.privateKey, dsaEncoding: "ieee-p1363" });
const byEd = (text: string) => sign(null, Buffer.from(text), ed.privateKey);

it.each([
  ["RS256", "rsa", byRsa],
  ["ES256", "ec", byEc],
  ["EdDSA", "ed", byEd],
])("accepts %s with its key, and no other algorithm with it", async (alg, kid, by) => {
  const verifier = new Verifier(resolveBrowserTokens({ ...BASE, jwks: KEYS }));
  expect(await verifier.verdict(made({ alg, kid }, by))).toMatchObject({ is: "good" });
  for (const other of KEYS.map((key) => key.kid).filter((one) => one !== kid))
    expect(await verifier.verdict(made({ alg, kid: other }, by))).toEqual({
      is: "invalid",
      reason: "header",
    });
  expect(await verifier.verdict(made({ alg }, by))).toEqual({ is: "invalid", reason: "key" });
  expect(await verifier.verdict(made({ alg: "none", kid }, () => Buffer.from("x")))).toMatchObject({
    reason: "header",
  });
});

it("a token signed with the public key as if it were a secret is refused", async () => {
  const verifier = new Verifier(resolveBrowserTokens({ ...BASE, jwks: KEYS }));
  for (const secret of [
    rsa.publicKey.export({ type: "spki", format: "pem" }),
    JSON.stringify(KEYS[0]),
    KEYS[0]!.n!,
  ]) {
    const token = made({ alg: "HS256", kid: "rsa" }, (text) =>
      createHmac("sha256", secret).update(text).digest(),
    );
    expect(await verifier.verdict(token)).toEqual({ is: "invalid", reason: "header" });
  }
});

it.each<[string, object]>([
  ["a private key", jwk(ec.privateKey, "x")],
  ["a secret", { kty: "oct", k: "c2VjcmV0", kid: "x" }],
  ["a key without a kid", ec.publicKey.export({ format: "jwk" })],
  ["a key for encryption", { ...KEYS[0], use: "enc" }],
  ["a key of 1,024 bits", jwk(generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey, "x")],
  ["a key for another algorithm", { ...KEYS[0], alg: "RS512" }],
])("%s is refused as an option", (_, key) => {
  expect(() => resolveBrowserTokens({ ...BASE, jwks: [key] })).toThrow(/browserTokens.jwks\[0\]/);
});

it.each(["http://keys.example/jwks", "ftp://keys.example", "https://user:pass@keys.example", "keys"])(
  "%s is refused as a URL",
  (jwks) => {
    expect(() => resolveBrowserTokens({ ...BASE, jwks })).toThrow(/browserTokens.jwks must/);
  },
);

async function keyServer() {
  const state = { answer: JSON.stringify({ keys: [...KEYS, { kty: "oct", k: "x", kid: "oct" }, null] }), status: 200, asked: 0 }; // prettier-ignore
  const server = createServer((_, response) => {
    state.asked++;
    response
      .writeHead(state.status, state.status === 302 ? { location: "/elsewhere" } : {})
      .end(state.answer);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  let now = 0;
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
  const keys = new RemoteKeys(url, { now: () => now });
  return { state, keys, later: (ms: number) => void (now += ms) };
}

it("a key set is fetched once, and again for an unknown kid at most every 10 s", async () => {
  const { state, keys, later } = await keyServer();
  for (const kid of ["rsa", "ec", "ed"]) expect(await keys.find(kid)).toMatchObject({ kid });
  expect(await keys.find("oct")).toBe("unknown");
  for (const kid of ["../../etc/passwd", "__proto__", "' OR 1=1", "new"])
    expect(await keys.find(kid)).toBe("unknown");
  expect(state.asked).toBe(1);
  later(10_000);
  state.answer = JSON.stringify({ keys: [{ ...KEYS[0], kid: "new" }] });
  expect(await keys.find("new")).toMatchObject({ kid: "new" });
  expect(await keys.find("rsa")).toBe("unknown");
  expect(state.asked).toBe(2);
});

it.each<[string, Partial<{ status: number; answer: string }>]>([
  ["an error", { status: 500 }],
  ["a redirect", { status: 302 }],
  ["no JSON", { answer: "<html>" }],
  ["no keys", { answer: "{}" }],
  ["too much", { answer: JSON.stringify({ keys: KEYS, x: "x".repeat(300_000) }) }],
])("the last good ones stay when the server answers with %s", async (_, wrong) => {
  const { state, keys, later } = await keyServer();
  await keys.find("rsa");
  Object.assign(state, wrong);
  later(700_000);
  expect(await keys.find("rsa")).toMatchObject({ kid: "rsa" });
  expect(state.asked).toBe(2);
  later(1);
  await keys.find("rsa");
  expect(state.asked).toBe(2);
});

it("without any key, tokens are neither good nor invalid", async () => {
  const { state, keys } = await keyServer();
  state.status = 503;
  expect(await keys.find("rsa")).toBe("unavailable");
});
