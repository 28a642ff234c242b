/** Goal: a webhook is refused when it is constructed if it could not work, or could reach what it must not; nothing secret is shown. */
import { describe, expect, it } from "vitest";
import { PresenceError } from "../../../src/core/errors.ts";
import { type NamedWebhookOptions, resolveWebhookOptions } from "../../../src/webhooks/options.ts";

const secret = `whsec_${Buffer.alloc(32, 5).toString("base64")}`;
const GOOD: NamedWebhookOptions = {
  name: "crm",
  url: "https://hooks.example/in?key=a-key-in-the-url",
  secrets: [secret],
  logger: false,
};
const resolve = (options: object) => resolveWebhookOptions({ ...GOOD, ...options });

function refusal(options: object): string {
  try {
    resolve(options);
  } catch (error) {
    expect(error).toBeInstanceOf(PresenceError);
    return (error as Error).message;
  }
  return "";
}

it("the least that is given has the documented defaults", () => {
  expect(resolveWebhookOptions(GOOD)).toMatchObject({
    batch: 1,
    timeout: 20_000,
    userAgent: expect.stringMatching(/^Rollcall\/\d/),
    subscriber: {
      name: "crm",
      prefix: "presence",
      batch: 1,
      from: "now",
      retries: [
        5_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000, 50_400_000, 72_000_000, 86_400_000,
      ],
    },
  });
});

describe("a URL may be", () => {
  it.each([
    ["https://hooks.example", []],
    ["https://hooks.example:8443/a/b?c=d", []],
    ["https://93.184.215.14/", []],
    ["https://[2606:4700::1111]/", []],
    ["http://localhost:3000/", ["localhost"]],
    ["http://LOCALHOST.:3000/", ["localhost"]],
    ["http://127.0.0.1:3000/", ["127.0.0.0/8"]],
    ["http://2130706433/", ["127.0.0.1"]],
    ["http://[::1]:3000/", ["::1"]],
    ["https://hooks.internal/", ["hooks.internal"]],
    ["https://10.1.2.3/", ["10.0.0.0/8"]],
  ])("%s, with %j allowed", (url, allow) => {
    expect(refusal({ url, allow })).toBe("");
  });
});

describe("a URL cannot be", () => {
  it.each([
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://017700000001/",
    "https://0177.0.0.1/",
    "https://127.0.0.1./",
    "https://0/",
    "https://0.0.0.0/",
    "https://10.0.0.1/",
    "https://192.168.1.1/",
    "https://172.16.0.1/",
    "https://100.64.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://0xa9fea9fe/",
    "https://2852039166/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[0:0:0:0:0:ffff:7f00:1]/",
    "https://[::ffff:a9fe:a9fe]/",
    "https://[fe80::1]/",
    "https://[fd00:ec2::254]/",
    "https://[64:ff9b::10.0.0.1]/",
    "https://localhost/",
    "https://LOCALHOST/",
    "https://localhost./",
    "https://a.localhost/",
    "https://redis/",
    "https://metadata.google.internal/",
    "https://①②⑦.0.0.1/",
    "https://ｌｏｃａｌｈｏｓｔ/",
    "https://[fe80::1%25eth0]/",
    "https://[fe80::1%eth0]/",
    "https://256.0.0.1/",
    "https://",
    "hooks.example",
    "",
    "//hooks.example",
    "http://hooks.example/",
    "ftp://hooks.example/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "data:,x",
    "unix:/tmp/x",
    "https://user@hooks.example/",
    "https://user:pass@hooks.example/",
    "https://:pass@hooks.example/",
    "https://hooks.example@127.0.0.1/",
  ])("%s", (url) => {
    expect(refusal({ url })).toMatch(/\burl\b/);
  });

  it("http to a name that only its network is allowed for, nor too long", () => {
    expect(refusal({ url: "http://hooks.example/", allow: ["10.0.0.0/8"] })).toMatch(/must be https/);
    expect(refusal({ url: `https://hooks.example/${"a".repeat(2_048)}` })).toMatch(/2048/);
    expect(refusal({ url: 7 })).toMatch(/url must be/);
  });

  it("shown, since it may contain a secret", () => {
    for (const url of [
      "http://hooks.example/?key=a-key-in-the-url",
      "https://10.0.0.1/a-key-in-the-url",
      "a-key-in-the-url",
    ])
      expect(refusal({ url })).not.toContain("a-key-in-the-url");
  });
});

describe("refused by name is", () => {
  it.each([
    [{ secret: [secret] }, /unknown option secret of a webhook: did you mean secrets\?/],
    [{ secrets: [] }, /secrets must be/],
    [{ types: [] }, /types must be/],
    [{ types: ["user.onlin"] }, /types\[0\] must be/],
    [{ batch: 0 }, /batch must be/],
    [{ batch: 101 }, /batch must be/],
    [{ timeout: 99 }, /timeout must be/],
    [{ timeout: 60_001 }, /timeout must be/],
    [{ filter: { types: ["online"] } }, /unknown option filter\.types/],
    [{ filter: { causes: ["x"] } }, /filter\.causes\[0\]/],
    [{ allow: ["*"] }, /allow\[0\]/],
    [{ userAgent: "a\r\nb: c" }, /userAgent must be/],
    [{ userAgent: "" }, /userAgent must be/],
    [{ userAgent: "a".repeat(257) }, /userAgent must be/],
    [{ retries: [-1] }, /retries\[0\]/],
    [{ name: "a b" }, /name must be/],
  ])("%j", (options, message) => {
    expect(refusal(options)).toMatch(message);
  });
});

it("types and filter both have to match; a gap always goes out, since a subscriber delivers it unasked", () => {
  const change = { id: "0.1-0.0", type: "offline", user: "a", cause: "reap", at: new Date() } as const;
  const wants = (options: object) => resolve(options).subscriber.filter(change);
  expect(wants({})).toBe(true);
  expect(wants({ types: ["user.offline"] })).toBe(true);
  expect(wants({ types: ["user.online"] })).toBe(false);
  expect(wants({ types: ["presence.gap"] })).toBe(false);
  expect(wants({ types: ["user.offline"], filter: { causes: ["leave"] } })).toBe(false);
  expect(wants({ filter: { causes: ["reap"], users: ["a"] } })).toBe(true);
  expect(wants({ types: ["user.online"], filter: () => true })).toBe(false);
  expect(wants({ filter: () => true })).toBe(true);
  expect(wants({ filter: () => false })).toBe(false);
});
