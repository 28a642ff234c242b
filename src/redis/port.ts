/**
 * What Rollcall uses of a Redis client, and nothing more. There are three ports, so that types say who may write: a reader
 * gets a ReadPort, which cannot send a write (INV-8), a projector gets a WritePort, and a recorder gets a PipelinePort, which
 * sends several commands of any kind in one round trip.
 *
 * Every implementation must
 * - send a list of commands in one round trip, and return as many replies in the same order;
 * - return replies in the shape of RESP2, whatever protocol the connection uses: maps as flat lists, scores as strings;
 * - return an error of one command as a value (ReplyError) in a list, and reject with it when there is one command only;
 * - reject with PresenceError REDIS_UNAVAILABLE when it gets no reply.
 */
export type Reply = string | number | null | readonly Reply[];

/** The server's error reply to one command. `message` is the server's text. */
export class ReplyError extends Error {
  override readonly name = "ReplyError";
}

/**
 * Every command the reader sends, and so what a read-only token must allow. All are in Redis's category @read. TIME is not,
 * so a reader reads Redis's time from the key `clock`.
 */
export type ReadCommand =
  | readonly ["GET" | "PTTL", key: string]
  | readonly ["HMGET", key: string, ...fields: string[]]
  | readonly ["HSCAN", key: string, cursor: string, "COUNT", count: string]
  | readonly ["SMISMEMBER", key: string, ...members: string[]]
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
  | readonly [
      "ZRANGE",
      key: string,
      max: string,
      min: string,
      "BYSCORE",
      "REV",
      "LIMIT",
      offset: string,
      count: string,
      "WITHSCORES",
    ]
  | readonly ["ZRANGE", key: string, first: string, last: string, "WITHSCORES"]
  | readonly ["PFCOUNT", ...keys: string[]]
  | readonly ["XLEN", key: string]
  | readonly ["XREVRANGE", key: string, end: string, start: string, "COUNT", count: string]
  | readonly ["XRANGE", key: string, start: string, end: string, "COUNT", count: string];

export interface ReadPort {
  /** Runs the commands as one transaction, so the replies are consistent. All keys belong to one shard. */
  read(commands: readonly ReadCommand[]): Promise<(Reply | ReplyError)[]>;
}

export type Command = readonly [name: string, ...args: string[]];

/** A call of a script by its hash. */
export type ScriptCall = readonly ["EVALSHA", sha1: string, keyCount: string, ...keysAndArgs: string[]];

export interface WritePort {
  /** One command. */
  call(command: Command): Promise<Reply>;
  /** Script calls and reads in one round trip, in order, not as a transaction. All keys belong to one shard. */
  pipeline(commands: readonly (ScriptCall | ReadCommand)[]): Promise<(Reply | ReplyError)[]>;
}

export interface PipelinePort extends WritePort {
  /** Commands of any kind. */
  pipeline(commands: readonly Command[]): Promise<(Reply | ReplyError)[]>;
}
