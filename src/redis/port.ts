/**
 * What we use of a Redis client, and nothing more. Three ports, so that a type says who may write:
 * a reader is given a ReadPort, which has no way to send a write (INV-8); a projector gets a WritePort, and a recorder one
 * that also sends several commands in one round trip.
 *
 * Every implementation must
 * - send a list of commands in one round trip, and return as many replies in the same order;
 * - return replies in the shape of RESP2, whatever the connection speaks: maps as flat lists, scores as strings;
 * - return an error of one command as a value (ReplyError) where it returns a list, and reject where it returns one;
 * - reject with PresenceError REDIS_UNAVAILABLE when it got no reply.
 */
export type Reply = string | number | null | readonly Reply[];

/** An error reply of the server to one command. `message` is the server's own text. */
export class ReplyError extends Error {
  override readonly name = "ReplyError";
}

/**
 * The read commands the reader needs: the whole list, so it is also the list of what a read-only token must allow.
 * All are in Redis's category @read; TIME is not, so what time it is in Redis is read from the key `clock`.
 */
export type ReadCommand =
  | readonly ["GET" | "PTTL", key: string]
  | readonly ["HMGET", key: string, ...fields: string[]]
  | readonly ["HSCAN", key: string, cursor: string, "COUNT", count: string]
  | readonly ["ZMSCORE", key: string, ...members: string[]]
  | readonly ["ZCOUNT", key: string, min: string, max: string]
  | readonly [
      "ZRANGE",
      key: string,
      min: string,
      max: string,
      "BYSCORE",
      "LIMIT",
      offset: string,
      count: string,
      "WITHSCORES",
    ]
  | readonly ["XLEN", key: string]
  | readonly ["XREVRANGE", key: string, end: string, start: string, "COUNT", count: string]
  | readonly ["XRANGE", key: string, start: string, end: string, "COUNT", count: string];

export interface ReadPort {
  /** Runs the commands as one transaction: the replies are of one moment. All keys are of one shard. */
  read(commands: readonly ReadCommand[]): Promise<(Reply | ReplyError)[]>;
}

export type Command = readonly [name: string, ...args: string[]];

/** A call of a script that the server knows. */
export type ScriptCall = readonly ["EVALSHA", sha1: string, keyCount: string, ...keysAndArgs: string[]];

export interface WritePort {
  /** One command. */
  call(command: Command): Promise<Reply>;
  /** Calls of scripts, and reads, in one round trip, in order, not as a transaction. All keys are of one shard. */
  pipeline(commands: readonly (ScriptCall | ReadCommand)[]): Promise<(Reply | ReplyError)[]>;
}

export interface PipelinePort extends WritePort {
  /** Any commands. */
  pipeline(commands: readonly Command[]): Promise<(Reply | ReplyError)[]>;
}
