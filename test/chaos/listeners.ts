/**
 * What the listeners of each node were told, added up: it has to come to who is present (INV-13). A node tells no change of
 * those who were there before it listened, so of them only the size of its mirror says anything.
 */
import type { Told } from "./history.ts";

interface Sum {
  /** User → whether the last thing told was online. */
  readonly told: Map<string, boolean>;
  /** Users online by its mirror; undefined: it is not complete yet. */
  size: number | undefined;
}

export class Listeners {
  readonly #sums = new Map<string, Sum>();

  /** Another process under this name: it has been told nothing. */
  started(node: string): void {
    this.#sums.set(node, { told: new Map(), size: undefined });
  }

  /** Returns what is wrong with the change, if anything: those of a user alternate. */
  hear(node: string, { user, type, cause, id }: Told): string | undefined {
    const { told } = this.#sums.get(node)!;
    const online = type === "online";
    const again = told.get(user) === online;
    told.set(user, online);
    return again ? `${node} told its listeners twice that ${user} is ${type} (${cause}, ${id})` : undefined;
  }

  size(node: string, size: number): void {
    this.#sums.get(node)!.size = size;
  }

  /** In what these nodes' listeners, or their mirrors, differ from who is present; null: in nothing. */
  difference(nodes: readonly string[], present: ReadonlySet<string>): string | null {
    const untrue = this.untrue(nodes, present);
    if (untrue !== null) return untrue;
    for (const node of nodes) {
      const { size } = this.#sums.get(node)!;
      if (size === undefined) return `the mirror of ${node} is not complete`;
      if (size !== present.size)
        return `the mirror of ${node} has ${size} users, ${present.size} are present`;
    }
    return null;
  }

  /** The same of the listeners alone. */
  untrue(nodes: readonly string[], present: ReadonlySet<string>): string | null {
    for (const node of nodes) {
      const { told } = this.#sums.get(node)!;
      const wrong = [...told].filter(([user, online]) => online !== present.has(user));
      if (wrong.length > 0)
        return `the listeners of ${node} were told: ${wrong
          .map(([user, online]) => `${user} ${online ? "online" : "offline"}`)
          .slice(0, 5)
          .join(", ")}`;
    }
    return null;
  }
}
