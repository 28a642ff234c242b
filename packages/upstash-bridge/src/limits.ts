/** Bounds of a request, and Upstash's words for them. */

/** Upstash's default limit for a request, bytes. */
export const BODY_BYTES_MAX = 10 * 1024 * 1024;
/** Commands of a pipeline or transaction. Each costs some kilobytes of memory while it waits. */
export const COMMANDS_MAX = 20_000;

/** `actual`: as far as it is known. */
export function sizeExceeded(limit: number, actual?: number): string {
  const size = actual === undefined ? "" : `, Actual: ${actual} bytes`;
  return `ERR max request size exceeded. Limit: ${limit} bytes${size}. See https://upstash.com/docs/redis/troubleshooting/max_request_size_exceeded for details`;
}
