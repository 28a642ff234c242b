/** The ids Redis gives the entries of one stream: the clock's ms, unless the last id is ahead of it. They never go back. */
export class StreamIds {
  #ms = 0;
  #seq = 0;

  next(clock: number): string {
    if (clock > this.#ms) {
      this.#ms = clock;
      this.#seq = 0;
    } else this.#seq++;
    return `${this.#ms}-${this.#seq}`;
  }

  clone(): StreamIds {
    const copy = new StreamIds();
    copy.#ms = this.#ms;
    copy.#seq = this.#seq;
    return copy;
  }
}
