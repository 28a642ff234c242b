/** A minimal Redis client (RESP2), so that `npx rollcall conformance` installs nothing else. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";

export type Reply = string | number | null | Reply[] | RespError;

/** An error reply. */
export class RespError extends Error {}

interface Waiting {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
}

export class RespClient {
  readonly #socket: Socket;
  readonly #waiting: Waiting[] = [];
  #came = Buffer.alloc(0);

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (data) => this.#read(data));
    socket.on("error", () => {});
    socket.on("close", () => {
      for (const waiting of this.#waiting.splice(0)) waiting.reject(new Error("Redis closed the connection"));
    });
  }

  /** Rejects when the connection fails, or the password is wrong. */
  static async open(url: string): Promise<RespClient> {
    const { hostname, port, username, password, pathname, protocol } = new URL(url);
    if (protocol !== "redis:")
      throw new Error(`${protocol}// is not supported here: give a redis:// address`);
    const socket = connect(Number(port || 6379), hostname);
    await once(socket, "connect");
    const client = new RespClient(socket);
    const secret = decodeURIComponent(password);
    if (secret !== "") await client.call("AUTH", decodeURIComponent(username) || "default", secret);
    if (pathname.length > 1) await client.call("SELECT", pathname.slice(1));
    return client;
  }

  /** Rejects with RespError for an error reply. */
  async call(...command: readonly string[]): Promise<Reply> {
    const reply = await this.#send(command);
    if (reply instanceof RespError) throw reply;
    return reply;
  }

  /** All in one round trip, as one transaction; rejects with the first error reply. */
  async transaction(commands: readonly (readonly string[])[]): Promise<Reply[]> {
    const sent = [["MULTI"], ...commands, ["EXEC"]].map((command) => this.#send(command));
    const replies = (await Promise.all(sent)).at(-1)!;
    if (replies instanceof RespError) throw replies;
    const list = replies as Reply[];
    for (const reply of list) if (reply instanceof RespError) throw reply;
    return list;
  }

  close(): void {
    this.#socket.destroy();
  }

  #send(command: readonly string[]): Promise<Reply> {
    if (this.#socket.destroyed) return Promise.reject(new Error("Redis closed the connection"));
    const parts = command.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`);
    this.#socket.write(`*${command.length}\r\n${parts.join("")}`);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  #read(data: Buffer): void {
    this.#came = Buffer.concat([this.#came, data]);
    let at = 0;
    for (;;) {
      const read = parse(this.#came, at);
      if (read === undefined) break;
      at = read.end;
      this.#waiting.shift()?.resolve(read.reply);
    }
    this.#came = this.#came.subarray(at);
  }
}

/** One reply; undefined: it is not complete yet. */
function parse(bytes: Buffer, at: number): { reply: Reply; end: number } | undefined {
  const line = bytes.indexOf("\r\n", at);
  if (line < 0) return undefined;
  const text = bytes.toString("utf8", at + 1, line);
  let end = line + 2;
  switch (String.fromCharCode(bytes[at]!)) {
    case "+":
      return { reply: text, end };
    case "-":
      return { reply: new RespError(text), end };
    case ":":
      return { reply: Number(text), end };
    case "$": {
      const length = Number(text);
      if (length < 0) return { reply: null, end };
      if (bytes.length < end + length + 2) return undefined;
      return { reply: bytes.toString("utf8", end, end + length), end: end + length + 2 };
    }
    default: {
      if (Number(text) < 0) return { reply: null, end };
      const list: Reply[] = [];
      for (let left = Number(text); left > 0; left--) {
        const read = parse(bytes, end);
        if (read === undefined) return undefined;
        list.push(read.reply);
        end = read.end;
      }
      return { reply: list, end };
    }
  }
}
