import { type ErrorDetails, orInternal, PresenceError } from "../core/errors.ts";
import { recordKeysMismatch } from "../core/mac.ts";
import { ReplyError } from "./port.ts";

const THE_USER = "the Redis user of this connection";
/** What an error says that means: not this server, or not now. Whoever gets it connects anew. */
const ELSEWHERE_MEANS: Readonly<Record<string, string>> = {
  READONLY: "it is a replica, perhaps since a failover; Rollcall connects anew to find the primary",
  LOADING: "it is loading its data",
  MASTERDOWN: "it is a replica that has lost its primary",
  CLUSTERDOWN: "slots of the Cluster have no master",
  UNBLOCKED: "it has just become a replica",
  TRYAGAIN: "slots of the Cluster are being moved",
  MOVED: "slots of the Cluster have been moved to a node that cannot be reached",
  ASK: "slots of the Cluster are being moved",
};
/** What an error says that means: this server, but not now. Somebody has to do something about it. */
const REFUSED_MEANS: Readonly<Record<string, string>> = {
  OOM: "its memory is full, so it takes no records: raise maxmemory, or free some",
  EXECABORT: "it discarded a transaction, as it does when its memory is full",
  MISCONF: "it cannot save to its disk, so it takes no records: look at its log and its disk",
  NOREPLICAS: "too few replicas are connected, so it takes no records: see min-replicas-to-write",
  BUSY: "a script has held it up for a long time: see SCRIPT KILL and its log",
  NOAUTH: "it requires a password: put it into the URL, redis://user:password@host",
  WRONGPASS: "the user name or password is wrong",
};
const REFUSED = new RegExp(`(?:^|-|ReplyError: )(${Object.keys(REFUSED_MEANS).join("|")}) `);
/** At the beginning; inside of a script Redis 6.2 puts a dash before it; ioredis quotes the last one of too many. */
const ELSEWHERE = new RegExp(`(?:^|-|ReplyError: |Last error: )(${Object.keys(ELSEWHERE_MEANS).join("|")}) `);

/** Whether an error, or its cause, says that another server is responsible, so that connecting anew helps. */
export function isElsewhere(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return ELSEWHERE.test(error.message) || isElsewhere(error.cause);
}

/**
 * Whether a transaction was discarded before it ran. A Redis that is full (`maxmemory`, noeviction) queues nothing, not even
 * reads, and still answers them one by one.
 */
export function isDiscarded(error: unknown): boolean {
  if (!(error instanceof Error) || /NOPERM/.test(saidIn(error))) return false;
  return /EXECABORT|^OOM /.test(error.message) || isDiscarded(error.cause);
}

/** The server's text; of a transaction that failed, also what its commands were answered. */
function saidIn(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { previousErrors = [] } = error as { previousErrors?: readonly Error[] };
  return [error, ...previousErrors].map(({ message }) => message).join("; ");
}

/**
 * The PresenceError for an error of a Redis client. Its message is written here: clients put whole commands, and so user
 * ids, into theirs.
 */
export function redisError(error: unknown): PresenceError {
  if (error instanceof PresenceError) return error;
  const text = saidIn(error);
  const shards = /PRESENCE_SHARDS ([^,]*, not \d+)/.exec(text);
  if (shards !== null) {
    return new PresenceError(
      "SHARDS_MISMATCH",
      `${shards[1]}: use the same \`shards\` everywhere, or another \`prefix\``,
      {
        cause: error,
      },
    );
  }
  const keys = /PRESENCE_MAC \[([^\]]*)\], not \[([^\]]*)\]/.exec(text);
  if (keys !== null) return recordKeysMismatch(keys[2]!, keys[1]!, error);
  const permission =
    /PRESENCE_PERMISSION ([A-Z]+)/.exec(text) ??
    /(?:NOPERM|ACL failure)[^;]*'([^']+)' command/.exec(text) ??
    // Redis 7.0 does not name the command.
    /executing the script can't run (this command)/.exec(text);
  if (permission !== null) {
    return new PresenceError(
      "PERMISSION",
      `${THE_USER} may not run ${permission[1]!.toUpperCase()}: allow it (\`npx rollcall acl\` prints what each role needs)`,
      { cause: error },
    );
  }
  if (/NOPERM.*\bkeys?\b|can't access at least one of the keys/.test(text)) {
    return new PresenceError(
      "PERMISSION",
      `${THE_USER} may not use the keys of this prefix: allow them (\`npx rollcall acl\` prints what each role needs)`,
      { cause: error },
    );
  }
  if (/PRESENCE_READ/.test(text) || /xreadgroup.*(?:script|not allowed|cancelled)/i.test(text)) {
    return new PresenceError(
      "READ_REFUSED",
      'this Redis does not let scripts call XREADGROUP: set `read` to "range" or "auto"',
      { cause: error },
    );
  }
  const version = /PRESENCE_VERSION (\d+), not (\d+)/.exec(text);
  if (version !== null) {
    return new PresenceError(
      "VERSION_MISMATCH",
      `this prefix was written by protocol ${version[1]}, and this package speaks protocol ${version[2]}: update rollcall, or use another \`prefix\``,
      { cause: error },
    );
  }
  const type = /PRESENCE_TYPE (.+?): holds a/.exec(text);
  if (type !== null) {
    return new PresenceError(
      "REDIS_TYPE",
      `${type[1]} holds a value that Rollcall did not write: rename or delete it`,
      {
        cause: error,
      },
    );
  }
  if (/WRONGTYPE/.test(text)) {
    return new PresenceError("REDIS_TYPE", "one of Rollcall's keys holds another type: rename or delete it", {
      cause: error,
    });
  }
  if (/exhausted the last possible ID/.test(text)) {
    return unavailable(
      "LAST_ID",
      "Redis answered that no id is left in its log, because somebody appended the last one there is: run a projector, which makes the log anew",
      error,
    );
  }
  const elsewhere = ELSEWHERE.exec(text)?.[1];
  if (elsewhere !== undefined) return answered(elsewhere, ELSEWHERE_MEANS[elsewhere]!, error);
  const refused = REFUSED.exec(text)?.[1];
  if (refused !== undefined) return answered(refused, REFUSED_MEANS[refused]!, error);
  if (error instanceof ReplyError || /^[A-Z]{3,} /.test(text))
    return answered(/^-?([A-Z]{2,20})(?= )/.exec(text)?.[1] ?? "ERR", "see `cause`", error);
  if (/timed? ?out|ETIMEDOUT/i.test(text))
    return unavailable(
      "ETIMEDOUT",
      "Redis did not answer in time: check that it is not stuck, and firewalls",
      error,
    );
  if (
    /connection (?:is )?clos|socket closed|writeable|max retries|disconnected|startup nodes|master node|ECONNRESET|EPIPE/i.test(
      text,
    )
  )
    return unavailable(
      "LOST",
      "Redis closed the connection: Rollcall connects anew; if that does not help, look whether it runs",
      error,
    );
  return unavailable(undefined, "Redis did not answer; see `cause`", error);
}

function answered(reason: string, means: string, cause: unknown): PresenceError {
  return unavailable(reason, `Redis answered ${reason}: ${means}`, cause);
}

function unavailable(reason: string | undefined, message: string, cause: unknown): PresenceError {
  return new PresenceError("REDIS_UNAVAILABLE", message, { cause, details: { reason } });
}

/** Who a connection logs in as, and where it leads. */
export interface Whereabouts {
  readonly user?: string;
  readonly place?: ErrorDetails;
}

/**
 * The error of what was sent on a connection, with what its reader needs: the Redis user where it is about what that user may do, and
 * where this Redis is. Anything but a PresenceError is a bug, and becomes INTERNAL.
 */
export function explained(error: unknown, { user, place }: Whereabouts): PresenceError {
  const failure = withUser(orInternal(error), user);
  const { code, message, cause, details } = failure;
  const isPlaced = details.address !== undefined || place?.address === undefined;
  if (isPlaced || (code !== "REDIS_UNAVAILABLE" && code !== "PERMISSION")) return failure;
  const said = message.replace(/^Redis (?=answered|did not|closed)/, () => `Redis at ${place.address} `);
  return new PresenceError(code, said, { cause, details: { ...place, reason: details.reason } });
}

/** The same failure with the name of the Redis user in its message, where it is about what that user may do. */
function withUser(failure: PresenceError, user: string | undefined): PresenceError {
  if (failure.code !== "PERMISSION" || user === undefined) return failure;
  const message = failure.message.replace(THE_USER, () => `the Redis user ${JSON.stringify(user)}`);
  return new PresenceError("PERMISSION", message, { cause: failure.cause, details: failure.details });
}

/**
 * What a Redis client's own call returns, or the PresenceError for what it threw. Nothing but that call belongs in here: an
 * error thrown by our own code is a bug, which orInternal() reports as INTERNAL.
 */
export async function answerOf<T>(send: () => Promise<T>): Promise<T> {
  try {
    return await send();
  } catch (error) {
    throw redisError(error);
  }
}

/** Whether an error says that the server does not know the script. */
export function isNoScript(error: unknown): boolean {
  return error instanceof Error && /NOSCRIPT/.test(error.message);
}
