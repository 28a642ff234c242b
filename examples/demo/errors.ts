/** The demo cannot continue. The message says what to do, or ends with the output of the part that failed. */
export class DemoError extends Error {
  override readonly name = "DemoError";
}
