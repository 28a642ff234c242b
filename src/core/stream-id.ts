const STREAM_ID = /^\d{1,15}-\d{1,20}$/;

/** Whether `text` is a stream entry id: `<ms>-<seq>`. */
export function isStreamId(text: string): boolean {
  return STREAM_ID.test(text);
}

/** Whether the stream id `a` (`<ms>-<seq>`) comes before `b`. */
export function isBefore(a: string, b: string): boolean {
  if (a === b) return false;
  const [ms, other] = [msOf(a), msOf(b)];
  return ms === other ? seqOf(a) < seqOf(b) : ms < other;
}

/** The time of a stream id, ms. */
export function msOf(id: string): number {
  const at = id.indexOf("-");
  return Number(at < 0 ? id : id.slice(0, at));
}

/** Up to 20 digits, which a number does not hold. */
function seqOf(id: string): bigint {
  const at = id.indexOf("-");
  return at < 0 ? 0n : BigInt(id.slice(at + 1));
}

/** Before the first entry of any stream. */
export const STREAM_START = "0-0";
