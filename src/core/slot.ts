/** The slots of a Redis Cluster: which one a tag is in, and tags for slots that are wanted. */
import { eachUtf8Byte } from "./utf8.ts";

/** How many slots a Redis Cluster has. */
export const SLOTS = 16_384;

/** CRC16-XMODEM of each byte. */
const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021;
  return crc & 0xffff;
});

/** CRC16-XMODEM of the UTF-8 bytes of `text`, going on from `crc`. */
function crc16(text: string, crc = 0): number {
  eachUtf8Byte(text, (byte) => {
    crc = step(crc, byte);
  });
  return crc;
}

function step(crc: number, byte: number): number {
  return ((crc << 8) & 0xffff) ^ TABLE[(crc >> 8) ^ byte]!;
}

/** The slot of a key whose hash tag (what is between its braces) this is. */
export function slotOf(tag: string): number {
  return crc16(tag) % SLOTS;
}

/** Which of `count` equal stretches of the slots a slot is in. */
function stretchOf(slot: number, count: number): number {
  return Math.floor((slot * count) / SLOTS);
}

/**
 * One tag a shard, without braces: the first is the prefix, whatever the number of shards, and the others are so chosen that each
 * of `shards` equal stretches of the slots has one tag. docs/protocol.md, "Keys", is the specification; it never changes.
 */
export function shardTags(prefix: string, shards: number): string[] {
  const first = stretchOf(slotOf(prefix), shards);
  return Array.from({ length: shards }, (_, shard) => {
    if (shard === 0) return prefix;
    const wanted = (first + shard) % shards;
    const tag = `${prefix}:${shard}.`;
    const crc = crc16(tag);
    // The numbers of six digits below 300,000 reach every slot from any start (test/unit/core/slot.test.ts), so one is found.
    for (let k = 0; ; k++) if (stretchOf(withNumber(crc, k) % SLOTS, shards) === wanted) return `${tag}${k}`;
  });
}

/** crc16(String(number), crc), without making text of each number tried. */
export function withNumber(crc: number, number: number): number {
  const before = number < 10 ? crc : withNumber(crc, Math.floor(number / 10));
  return step(before, 48 + (number % 10));
}
