/**
 * Follows the changes of the whole, and keeps who is online: src/follow/views.ts for the one view that the stream `changes` has.
 */
import type { Change } from "../core/change.ts";
import { PresenceError } from "../core/errors.ts";
import { shardOf } from "../core/shard.ts";
import { WHOLE } from "../core/view.ts";
import type { Gap } from "./followed.ts";
import { OF_THE_WHOLE } from "./sources.ts";
import { followViews, type ViewsOptions } from "./views.ts";

export type { Gap, GapReason } from "./followed.ts";

/** Who is online, from memory: what this process has emitted to its listeners. */
export interface Mirror {
  /** Resolves when it is complete. Rejects with LIMIT_EXCEEDED when more than `mirrorMax` users are online. */
  readonly ready: Promise<void>;
  /** Whether the user is online; false before `ready`. Throws LIMIT_EXCEEDED once the mirror is dropped, CLOSED after close(). */
  has(user: string): boolean;
  /** How many users are online. Throws like has(). */
  readonly size: number;
}

/** `max`: most users the mirror holds. */
export interface FollowOptions extends Omit<ViewsOptions, "source" | "full" | "beside"> {
  /** Neither may throw. */
  readonly onChange: (change: Change) => void;
  readonly onGap: (gap: Gap) => void;
}

export interface Following {
  /** Resolves when every change from then on will be emitted. */
  readonly ready: Promise<void>;
  readonly mirror: Mirror;
  /** Ends it and closes its connections. Idempotent; nothing is emitted after the call. */
  close(): Promise<void>;
}

export function follow(options: FollowOptions): Following {
  const { shards, max, onChange } = options;
  const complete = Promise.withResolvers<void>();
  // Only a caller that uses the mirror has to handle the rejection.
  complete.promise.catch(() => {});
  const full = () =>
    new PresenceError(
      "LIMIT_EXCEEDED",
      `more than ${max} users are online: raise \`mirrorMax\`, or ask Redis with isOnline() and counts()`,
    );
  const closed = () => new PresenceError("CLOSED", "this presence has been closed");
  let isClosed = false;

  const views = followViews({
    ...options,
    source: OF_THE_WHOLE,
    full: `more than ${max} users are online: without a mirror, lost changes are only reported as a gap`,
  });
  const whole = views.add(WHOLE, {
    onChange,
    onGap(gap) {
      if (gap.reason === "full") complete.reject(full());
      options.onGap(gap);
    },
  });
  void whole.started.promise.then(() => {
    if (!isClosed) complete.resolve();
  });

  function check(): void {
    if (whole.dropped) throw full();
    if (isClosed) throw closed();
  }

  return {
    ready: views.ready,
    mirror: {
      ready: complete.promise,
      has(user) {
        check();
        return whole.parts[shardOf(user, shards)]!.state.has(user);
      },
      get size() {
        check();
        return whole.parts.reduce((sum, { state }) => sum + state.size, 0);
      },
    },
    async close() {
      isClosed = true;
      await views.close();
      complete.reject(closed());
    },
  };
}
