/** Breaks of webhooks: where a request may go, who can verify it, and what its answer means (INV-8, INV-14). */
import type { Mutant } from "./mutant.ts";

const ADDRESS = "test/unit/core/webhook-address.test.ts";
const PURE = "test/unit/core/webhook.test.ts";
const OPTIONS = "test/unit/webhooks/options.test.ts";
const SEND = "test/unit/webhooks/node-send.test.ts";
const HOOK = "test/unit/webhooks/webhook.test.ts";
const MINUTE = "test/unit/edge/minute.test.ts";

function hook(
  name: string,
  breaks: Mutant["breaks"],
  test: string,
  file: string,
  find: string,
  replace: string,
): Mutant {
  return { name: `webhook-${name}`, breaks, tests: [test], edits: [{ file: `src/${file}`, find, replace }] };
}

export const WEBHOOK_MUTANTS: readonly Mutant[] = [
  hook(
    "shared-addresses-are-public",
    "INV-8",
    ADDRESS,
    "core/webhook-address.ts",
    '  "100.64.0.0/10",\n',
    "",
  ),
  hook("bits-are-bytes", "INV-8", ADDRESS, "core/webhook-address.ts", "i * 8 < bits", "i * 8 + 7 < bits"),
  hook(
    "nat64-is-public",
    "INV-8",
    ADDRESS,
    "core/webhook-address.ts",
    "return isPublic(address.slice(12));",
    "return true;",
  ),
  hook(
    "an-allowed-name-allows-all-below-it",
    "INV-8",
    ADDRESS,
    "core/webhook-address.ts",
    "if (allowed.hosts.has(host)) return true;",
    "if ([...allowed.hosts].some((one) => host.endsWith(one))) return true;",
  ),
  hook(
    "http-everywhere",
    "INV-8",
    OPTIONS,
    "webhooks/options.ts",
    '"http:" && !isNamed',
    '"ftp:" && !isNamed',
  ),
  hook(
    "a-password-in-the-url",
    "INV-8",
    OPTIONS,
    "webhooks/options.ts",
    'url.username !== "" || url.password !== ""',
    'url.username !== ""',
  ),
  hook(
    "one-public-address-is-enough",
    "INV-8",
    SEND,
    "webhooks/node-send.ts",
    "!addresses.every((",
    "!addresses.some((",
  ),
  hook(
    "resolved-twice",
    "INV-8",
    SEND,
    "webhooks/node-send.ts",
    "if (all === true) callback(null, [...addresses]);",
    "if (all === true) void resolve(host).then((again) => callback(null, [...again]));",
  ),
  hook(
    "tls-as-the-environment-says",
    "INV-8",
    SEND,
    "webhooks/node-send.ts",
    "rejectUnauthorized: true,",
    'rejectUnauthorized: process.env["NODE_TLS_REJECT_UNAUTHORIZED"] !== "0",',
  ),
  hook("3xx-is-success", "INV-14", PURE, "core/webhook.ts", "status <= 299", "status <= 399"),
  hook(
    "a-grown-batch-has-its-old-id",
    "INV-14",
    PURE,
    "core/webhook.ts",
    "return `${id}_${count}`;",
    "return count > 0 ? id : id;",
  ),
  hook(
    "a-day-is-not-the-most",
    "INV-14",
    PURE,
    "core/webhook.ts",
    "Math.min(Math.max(ms, 0), RETRY_MS_MAX)",
    "Math.max(ms, 0)",
  ),
  hook("410-is-repeated", "INV-14", HOOK, "webhooks/handler.ts", "{ disable: true }", "{ disable: false }"),
  hook(
    "close-cuts-what-is-under-way",
    "INV-14",
    HOOK,
    "webhooks/handler.ts",
    "processRuntime.after(CLOSE_MS, abort)",
    "processRuntime.after(0, abort)",
  ),
  hook(
    "the-url-is-in-the-error",
    "INV-8",
    HOOK,
    "webhooks/handler.ts",
    "`answered with status ${status}`",
    "`${url.href} answered with status ${status}`",
  ),
  hook(
    "a-delivery-uses-up-the-minute",
    "INV-5",
    MINUTE,
    "edge/minute.ts",
    "left - kept(later, later);",
    "left - kept(0, 0);",
  ),
];
