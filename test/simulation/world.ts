/**
 * Virtual time: a queue of events in order of their time, and of their creation within one moment. Nothing
 * waits; the clock jumps from one event to the next. An event may ask the real Redis something and is awaited, so no
 * two parts of a history ever run at once, and the order of everything follows from the seed.
 */
interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void | Promise<void>;
}

const TRACE_KEPT = 40;

export class World {
  /** ms since the history began. No process can see it change but forwards. */
  now = 0;
  /** How many events have run. */
  events = 0;
  readonly #heap: Event[] = [];
  #made = 0;
  #stirred = false;
  #failure: { readonly error: unknown } | undefined;
  readonly #trace: string[] = [];

  after(ms: number, run: () => void | Promise<void>): void {
    this.#push({ at: this.now + Math.max(0, Math.ceil(ms)), order: this.#made++, run });
  }

  /** Runs every event up to `end`. Rejects with what an event or a process threw. */
  async runUntil(end: number): Promise<void> {
    for (let next = this.#heap[0]; next !== undefined && next.at <= end; next = this.#heap[0]) {
      this.#pop();
      this.now = next.at;
      this.events++;
      this.#stirred = false;
      await next.run();
      // Code that waited for this event continues in microtasks, which are all done in the next turn of the loop.
      if (this.#stirred) {
        await new Promise((resolve) => {
          setImmediate(resolve);
        });
      }
      if (this.#failure !== undefined) throw this.#failure.error;
    }
    this.now = end;
  }

  /** A process was handed something, so this event may have more to it than its own code. */
  stir(): void {
    this.#stirred = true;
  }

  /** Ends the history: for errors that nothing awaits. */
  fail(error: unknown): void {
    this.#failure ??= { error };
  }

  note(text: string): void {
    this.#trace.push(`${String(this.now).padStart(7)} ${text}`);
    if (this.#trace.length > TRACE_KEPT) this.#trace.shift();
  }

  get trace(): readonly string[] {
    return this.#trace;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let i = heap.push(event) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!before(event, heap[parent]!)) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
  }
}

function before(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
