/**
 * Random numbers for one history: sfc32, seeded with text. Every part of a history forks its own generator by name, so removing
 * one fault, as the shrinker does, does not change the numbers of the others.
 */
export class Random {
  readonly #seed: string;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: string) {
    this.#seed = seed;
    this.#a = hash(seed, 0x9e37_79b9);
    this.#b = hash(seed, 0x243f_6a88);
    this.#c = hash(seed, 0xb7e1_5162);
    // The first numbers of similar seeds are similar; a dozen rounds separate them.
    for (let i = 0; i < 12; i++) this.next();
  }

  fork(name: string): Random {
    return new Random(`${this.#seed}/${name}`);
  }

  /** At least 0, less than 1. */
  next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  }

  /** A whole number from `least` to `most`, both included. */
  int(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(list: readonly T[]): T {
    return at(list, this.next());
  }
}

/** The item at a position given as a fraction. */
export function at<T>(list: readonly T[], fraction: number): T {
  return list[Math.floor(fraction * list.length)]!;
}

/** FNV-1a over the text, starting from `start`, with a final round of mixing. */
function hash(text: string, start: number): number {
  let sum = start;
  for (let i = 0; i < text.length; i++) sum = Math.imul(sum ^ text.charCodeAt(i), 0x0100_0193);
  sum = Math.imul(sum ^ (sum >>> 16), 0x85eb_ca6b);
  return sum ^ (sum >>> 13);
}
