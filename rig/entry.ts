/** The names and values of an entry of the log, in the order given: lists become JSON, numbers text. For records written down by hand. */
export function entryOf(record: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(record).flatMap(([name, value]) => [
    name,
    typeof value === "string" ? value : JSON.stringify(value),
  ]);
}
