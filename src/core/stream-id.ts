const STREAM_ID = /^\d{1,15}-\d{1,20}$/;

/** Whether `text` is a stream entry id: `<ms>-<seq>`. */
export function isStreamId(text: string): boolean {
  return STREAM_ID.test(text);
}

/** Whether the stream id `a` (`<ms>-<seq>`) comes before `b`. */
export function isBefore(a: string, b: string): boolean {
  const [aMs = "0", aSeq = "0"] = a.split("-");
  const [bMs = "0", bSeq = "0"] = b.split("-");
  return aMs === bMs ? BigInt(aSeq) < BigInt(bSeq) : Number(aMs) < Number(bMs);
}

/** Before the first entry of any stream. */
export const STREAM_START = "0-0";
