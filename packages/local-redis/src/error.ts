/** No Redis could be found, started or reached. The message says what to do. */
export class LocalRedisError extends Error {
  override readonly name = "LocalRedisError";
}
