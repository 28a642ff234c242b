import type { Logger } from "../core/options.ts";

/** Where lines go without a `logger`: the text alone, which says everything. */
export const CONSOLE: Logger = {
  // oxlint-disable-next-line no-console
  info: (message) => console.info(`[rollcall] ${message}`),
  // oxlint-disable-next-line no-console
  warn: (message) => console.warn(`[rollcall] ${message}`),
  // oxlint-disable-next-line no-console
  error: (message) => console.error(`[rollcall] ${message}`),
};
