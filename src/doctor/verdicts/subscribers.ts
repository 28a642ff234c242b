/** Durable subscribers. What disabled one is in its own words, which may name users, so it is not printed. */
import { keysOf, subscriberKeysOf } from "../../core/keys.ts";
import type { SubscriberStatus } from "../../reader/answers/subscribers.ts";
import type { Facts } from "../facts.ts";
import { counted, critical, lasting, ok, unknown, type Verdict, warning } from "../verdict.ts";

const BEHIND_MS = 60_000;

export function subscriberVerdicts({ subscribers, asked }: Facts): Verdict[] {
  if (!("known" in subscribers)) return [unknown("subscribers", subscribers.unknown)];
  const verdicts = subscribers.known.flatMap((one) => [...statusVerdicts(one), ...deadVerdicts(one, asked)]);
  if (verdicts.length > 0) return verdicts;
  const n = subscribers.known.length;
  return [ok("subscribers", n === 0 ? "none" : `${n} served, nothing given up`)];
}

function statusVerdicts({ name, disabled, stale, attempt, behind, comparing }: SubscriberStatus): Verdict[] {
  const who = JSON.stringify(name);
  const waiting = behind > 0 ? `the oldest change has waited for ${lasting(behind)}` : "no change waits yet";
  const say = (make: typeof critical, found: string, remedy: string) => [make("subscribers", found, remedy)];
  if (disabled !== null) return say(critical, `${who} is disabled, so nothing is delivered; ${waiting}`, "fix its handler or receiver, then call enable() of the subscriber");
  if (stale) return say(critical, `nobody serves ${who}; ${waiting}`, "start a process with this subscriber, or call its remove() if you no longer need it");
  if (attempt > 0) return say(warning, `${who} fails: attempt ${attempt}; ${waiting}`, "look for DELIVERY_FAILED in the log of the process that serves it");
  // One that compares goes through all users first.
  if (behind > BEHIND_MS && !comparing) return say(warning, `${who} is slow: ${waiting}`, "make its handler faster, or handle several changes per call (batch)");
  return [];
} // prettier-ignore

function deadVerdicts({ name, deadLetters }: SubscriberStatus, { prefix }: Facts["asked"]): Verdict[] {
  if (deadLetters === 0) return [];
  const { dead } = subscriberKeysOf(keysOf(prefix, 0, 1), name);
  return [
    warning(
      "subscribers",
      `${JSON.stringify(name)} gave up ${counted(deadLetters, "delivery", "deliveries")}`,
      `look at deadLetters.list(), then retry(id) or drop(id); they are in ${dead}`,
    ),
  ];
}
