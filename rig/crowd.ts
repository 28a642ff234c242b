/** Servers with presence and the clients on them, which know the truth: who is connected. */
import type { Socket as ClientSocket } from "socket.io-client";
import { connect, startNode, type TestNode } from "./node.ts";
import { untilEqual } from "./until.ts";
import type { PresenceOptions } from "../src/presence/presence.ts";

export const names = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => `u${from + i}`);

/** Who is online by what a server was told. */
function heardBy(node: TestNode): string[] {
  const online = new Set<string>();
  for (const line of node.heard) {
    const user = line.slice(1).split(" ")[0]!;
    if (line.startsWith("+")) online.add(user);
    else online.delete(user);
  }
  return [...online].sort();
}

export class Crowd implements AsyncDisposable {
  readonly nodes: TestNode[] = [];
  readonly clients = new Map<string, ClientSocket>();

  async start(options: Partial<PresenceOptions> & { redis: PresenceOptions["redis"] }): Promise<TestNode> {
    const node = await startNode(options);
    this.nodes.push(node);
    return node;
  }

  /** Each connects one client, to the servers in turn. */
  async come(users: readonly string[]): Promise<void> {
    for (const [i, user] of users.entries())
      this.clients.set(user, await connect(this.nodes[i % this.nodes.length]!.url, user));
  }

  go(users: readonly string[]): void {
    for (const user of users) {
      this.clients.get(user)!.disconnect();
      this.clients.delete(user);
    }
  }

  get present(): string[] {
    return [...this.clients.keys()].sort();
  }

  /** What each server answers, and all it was told, is what the clients say. A question may fail meanwhile. */
  async agrees(): Promise<void> {
    const { present } = this;
    for (const node of this.nodes) {
      await untilEqual(async () => {
        const counts = await node.presence.counts().catch(() => null);
        const list = await node.presence.usersList().catch(() => null);
        const listed = list?.users.map(({ id }) => id).toSorted();
        return { sockets: counts?.sockets, users: counts?.users, listed, heard: heardBy(node) };
      }, { sockets: present.length, users: present.length, listed: present, heard: present }); // prettier-ignore
    }
  }

  /** Throws if one of these was ever told offline, by any server. */
  stayed(users: readonly string[]): void {
    const gone = this.nodes.flatMap((node) => node.heard.filter((line) => line.startsWith("-")));
    const wrong = gone.filter((line) => users.includes(line.slice(1).split(" ")[0]!));
    if (wrong.length > 0) throw new Error(`told offline though they stayed: ${wrong.join(", ")}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.clients.values()) client.disconnect();
    await Promise.all(this.nodes.map((node) => node.close()));
  }
}
