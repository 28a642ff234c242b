/** The scopes of one trial: who should be in them, and what Redis has (docs/protocol.md, "Scopes"). */
import { SCOPE_UNIT } from "../../core/limits.ts";

/** Of one shard or of all: scope → user → sockets in it; 0: in grace; the user `""`: anonymous ones. */
export type Members = Map<string, Map<string, number>>;

/** The scopes that a recorder is asked to track: all. */
export const TRACKS = ["/*"] as const;

/** In `:scopes` of the shards, added up. */
export interface Numbers {
  readonly users: number;
  readonly sockets: number;
}

export interface ScopesSeen {
  readonly members: Members;
  readonly numbers: ReadonlyMap<string, Numbers>;
}

/** The score of a scope in `:scopes`. */
export function numbersOf(score: number): Numbers {
  return { users: Math.floor(score / SCOPE_UNIT), sockets: score % SCOPE_UNIT };
}

export class OpenScopes {
  /** Socket → its scopes. */
  readonly #of = new Map<number, Set<string>>();
  /** Scope → users in grace there. */
  readonly #inGrace = new Map<string, Set<string>>();
  /** Open sockets and their users: the trial's. */
  readonly #users: ReadonlyMap<number, string | null>;
  readonly #hasGrace: boolean;

  constructor(users: ReadonlyMap<number, string | null>, hasGrace: boolean) {
    this.#users = users;
    this.#hasGrace = hasGrace;
  }

  join(socket: number, scope: string): void {
    const scopes = this.#of.get(socket);
    if (scopes === undefined) this.#of.set(socket, new Set([scope]));
    else scopes.add(scope);
    this.#inGrace.get(scope)?.delete(this.#userOf(socket));
  }

  part(socket: number, scope: string): void {
    this.#of.get(socket)!.delete(scope);
  }

  /** Call it while the socket is still among the open ones. */
  disconnect(socket: number, isDrop: boolean): void {
    const scopes = this.#of.get(socket) ?? [];
    const user = this.#userOf(socket);
    this.#of.delete(socket);
    for (const scope of scopes) {
      const stays = [...this.#of].some(([other, its]) => its.has(scope) && this.#userOf(other) === user);
      if (user === "" || stays || !isDrop || !this.#hasGrace) continue;
      const lingering = this.#inGrace.get(scope);
      if (lingering === undefined) this.#inGrace.set(scope, new Set([user]));
      else lingering.add(user);
    }
  }

  /** The user is in the whole no longer: nobody lingers in a scope who is not. */
  left(user: string): void {
    for (const lingering of this.#inGrace.values()) lingering.delete(user);
  }

  #userOf(socket: number): string {
    return this.#users.get(socket) ?? "";
  }

  get #members(): Members {
    const members: Members = new Map();
    const add = (scope: string, user: string, sockets: number) => {
      const own = members.get(scope) ?? new Map<string, number>();
      members.set(scope, own.set(user, (own.get(user) ?? 0) + sockets));
    };
    for (const [scope, users] of this.#inGrace) for (const user of users) add(scope, user, 0);
    for (const [socket, scopes] of this.#of) for (const scope of scopes) add(scope, this.#userOf(socket), 1);
    return members;
  }

  /** What Redis has wrong, one text each; empty: nothing. */
  differences({ members, numbers }: ScopesSeen): string[] {
    const expected = this.#members;
    const wrong: string[] = [];
    for (const scope of new Set([...expected.keys(), ...members.keys(), ...numbers.keys()])) {
      const [should, has] = [expected.get(scope), members.get(scope)];
      const name = JSON.stringify(scope);
      for (const user of new Set([...(should?.keys() ?? []), ...(has?.keys() ?? [])])) {
        const [of, is] = [should?.get(user), has?.get(user)];
        if (of === is) continue;
        const who = user === "" ? "anonymous" : JSON.stringify(user);
        wrong.push(`in ${name} ${who} is ${told(is)}, not ${told(of)}`);
      }
      const sockets = [...(should?.values() ?? [])].reduce((sum, n) => sum + n, 0);
      const users = [...(should?.keys() ?? [])].filter((user) => user !== "").length;
      const counted = numbers.get(scope) ?? { users: 0, sockets: 0 };
      if (counted.users !== users || counted.sockets !== sockets)
        wrong.push(
          `${name} has ${counted.users} users and ${counted.sockets} sockets, not ${users} and ${sockets}`,
        );
    }
    return wrong;
  }
}

function told(sockets: number | undefined): string {
  if (sockets === undefined) return "absent";
  return sockets === 0 ? "in grace" : String(sockets);
}
