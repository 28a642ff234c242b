/** The demo cannot go on. The message says what to do, or ends with what the failed part had to say. */
export class DemoError extends Error {
  override readonly name = "DemoError";
}
