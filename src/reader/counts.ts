/** How many users, sockets and connections there are. */
import type { Counts } from "./answers/counts.ts";
import type { ShardAsOf } from "./as-of.ts";
import type { ReaderContext } from "./context.ts";
import type { Reader } from "./types.ts";

/** Three commands per shard, whatever the number of users. */
export function countsOver(context: ReaderContext): Pick<Reader, "counts"> {
  return {
    async counts() {
      const answers = await context.askAll(() => []);
      return countsOf(
        context,
        answers.map(({ asOf }) => asOf),
      );
    },
  };
}

/** The counts read together with the age of each shard. */
export function countsOf({ combine }: ReaderContext, parts: readonly ShardAsOf[]): Counts {
  const sum = (pick: (part: ShardAsOf) => number) => parts.reduce((total, part) => total + pick(part), 0);
  return {
    users: sum((part) => part.users),
    sockets: sum((part) => part.sockets),
    connections: sum((part) => part.connections),
    asOf: combine(parts),
  };
}
