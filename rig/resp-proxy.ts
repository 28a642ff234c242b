/**
 * A proxy in front of a real Redis that answers some commands itself, for servers that cannot be had here: one that lacks
 * commands and calls itself by an older version, as Redis 6.0 does.
 */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

export interface OlderRedis extends AsyncDisposable {
  readonly url: string;
}

/** The length of the first command in `data` and its name, in upper case; undefined: it is not complete yet. */
function firstCommand(data: Buffer): { name: string; length: number } | undefined {
  const lineEnd = (from: number) => data.indexOf("\r\n", from, "latin1");
  let at = lineEnd(0);
  if (at < 0) return undefined;
  const count = Number(data.toString("latin1", 1, at));
  let name = "";
  at += 2;
  for (let i = 0; i < count; i++) {
    const end = lineEnd(at);
    if (end < 0) return undefined;
    const size = Number(data.toString("latin1", at + 1, end));
    if (data.length < end + 2 + size + 2) return undefined;
    if (i === 0) name = data.toString("latin1", end + 2, end + 2 + size).toUpperCase();
    at = end + 2 + size + 2;
  }
  return { name, length: at };
}

/** `lacks`: names in upper case. A client that sends one gets what Redis 6.0 says. The version is replaced in replies. */
export async function startOlderRedis(
  target: { readonly port: number },
  { lacks, version }: { readonly lacks: readonly string[]; readonly version: string },
): Promise<OlderRedis> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(target.port, "127.0.0.1");
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    let pending = Buffer.alloc(0);
    client.on("data", (data: Buffer) => {
      pending = Buffer.concat([pending, data]);
      for (let command = firstCommand(pending); command !== undefined; command = firstCommand(pending)) {
        // A command that Redis does not know either keeps the replies in order.
        if (lacks.includes(command.name)) upstream.write("*1\r\n$4\r\nLACK\r\n");
        else upstream.write(pending.subarray(0, command.length));
        pending = pending.subarray(command.length);
      }
    });
    upstream.on("data", (data: Buffer) => {
      const same = (all: string, found: string) => found.padEnd(all.length, "x");
      const text = data.toString("latin1");
      // In INFO the length of the reply must stay the same.
      client.write(
        Buffer.from(
          text.replace(/redis_version:[^\r]*/, (all) =>
            same(all, `redis_version:${version}`).slice(0, all.length),
          ),
          "latin1",
        ),
      );
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
