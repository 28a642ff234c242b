/** An event stream as items, until it ends. */
import { createParser } from "eventsource-parser";

/** One event, or an id or retry time alone; a comment is an item without anything. */
export interface Item {
  readonly event?: string | undefined;
  readonly data?: string | undefined;
  readonly id?: string | undefined;
  readonly retry?: number | undefined;
}

/** Characters of one event: far more than the API sends. */
const BUFFER_MAX = 16 * 1024 * 1024;

/**
 * The items of a response with a body. Fails with TimeoutError when no event, id, comment or retry time has arrived for
 * `silence` ms: bytes alone are no sign of life. Ends when the signal fires.
 */
export async function* itemsOf(
  response: Response,
  silence: number,
  signal: AbortSignal,
): AsyncGenerator<Item, void> {
  const reader = response.body!.getReader();
  const decoder = new TextDecoder();
  let items: Item[] = [];
  let isSilent = false;
  const giveUp = () => {
    isSilent = true;
    stop();
  };
  const stop = () => void reader.cancel().catch(() => {});
  let timer = setTimeout(giveUp, silence);
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(giveUp, silence);
  };
  const add = (item: Item) => {
    alive();
    items.push(item);
  };
  const parser = createParser({
    maxBufferSize: BUFFER_MAX,
    onEvent: ({ event, data, id }) => add({ event, data, id }),
    onId: (id) => add({ id }),
    onRetry: (retry) => add({ retry }),
    onComment: () => add({}),
  });
  signal.addEventListener("abort", stop);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (isSilent) throw new DOMException(`the stream sent nothing for ${silence} ms`, "TimeoutError");
      if (done || signal.aborted) return;
      parser.feed(decoder.decode(value, { stream: true }));
      const found = items;
      items = [];
      // An event's id is reported on its own first; the cursor moves with the event.
      for (const [i, item] of found.entries()) {
        const next = found[i + 1];
        const isOfNext = item.event === undefined && item.id !== undefined && next?.id === item.id;
        if (!isOfNext) yield item;
      }
    }
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
    await reader.cancel().catch(() => {});
  }
}
