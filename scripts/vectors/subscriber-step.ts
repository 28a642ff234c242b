/** The form of subscriber.json, which model/vectors/README.md describes. */
import type * as model from "../../model/subscriber.ts";

/** The name of the subscriber in all stories. */
export const NAME = "billing";

export type Lost = "subscriber" | "known" | "inbox" | "dead";

/** The shard around the subscriber, whole. */
export interface Around {
  readonly changes: readonly { readonly id: string; readonly fields: readonly string[] }[];
  readonly users: readonly string[];
  readonly ttl?: number;
  readonly cut?: string;
  readonly subscribers?: number;
}

/** What a call is made with, by name. */
export interface With {
  readonly caller?: string;
  readonly token?: number;
  readonly turn?: number;
  readonly count?: number;
  readonly from?: model.Taking["from"];
  readonly keep?: number;
  readonly seen?: number;
  readonly source?: model.Step["source"];
  readonly entry?: string;
  readonly place?: number;
  readonly handled?: number;
  readonly letters?: readonly string[];
  readonly wait?: number;
  readonly error?: string;
  readonly reason?: string;
  readonly letter?: string;
  readonly online?: readonly string[];
  readonly offline?: readonly string[];
}

export type CallName =
  | "take"
  | "note"
  | "renew"
  | "fail"
  | "bury"
  | "page"
  | "leave"
  | "disable"
  | "enable"
  | "retry"
  | "drop"
  | "amend"
  | "remove";

export interface SubscriberStep {
  readonly lose?: readonly Lost[];
  readonly restore?: number;
  readonly shard?: Around;
  readonly now: number;
  readonly of?: "scopes";
  readonly call: CallName;
  readonly with: With;
  readonly arguments: readonly string[];
  readonly reply: Readonly<Record<string, unknown>>;
  readonly after: model.PlainSubscriber;
}

export interface SubscriberVector {
  readonly name: string;
  readonly steps: readonly SubscriberStep[];
}
