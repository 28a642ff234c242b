/** A Redis for this machine could not be found, started or reached. The message says what to do about it. */
export class LocalRedisError extends Error {
  override readonly name = "LocalRedisError";
}
