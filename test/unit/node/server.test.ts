/**
 * Goal: serve() refuses options that it does not know or cannot use, before it opens a port.
 * Method: an app of one answer, and the options as JavaScript would pass them.
 */
import { expect, it } from "vitest";
import { serve, type ServeOptions } from "../../../src/node/server.ts";

const app = { fetch: () => new Response("here") };
const { signal } = new AbortController();

it.each<[options: object, message: string]>([
  [{ port: 0, signal, hosts: "::" }, "unknown option hosts of serve(): did you mean host?"],
  [{ port: "3000", signal }, "port must be a whole number from 0 to 65535, got 3000"],
  [{ port: 0 }, "signal must be an AbortSignal"],
  [{ port: 0, signal: true }, "signal must be an AbortSignal, got true"],
  [{ port: 0, signal, onListen: 1 }, "onListen must be a function, got number"],
])("serve refuses %o", async (options, message) => {
  const refused = serve(app, options as ServeOptions);
  await expect(refused).rejects.toMatchObject({ code: "OPTIONS_INVALID" });
  await expect(refused).rejects.toThrow(message);
});

it("serves until the signal fires", async () => {
  const leaving = new AbortController();
  const { promise, resolve } = Promise.withResolvers<string>();
  const serving = serve(app, { port: 0, signal: leaving.signal, onListen: resolve });
  expect(await (await fetch(await promise)).text()).toBe("here");
  leaving.abort();
  await serving;
});
