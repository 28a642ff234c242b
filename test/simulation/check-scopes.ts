/** The same in every scope: INV-1, INV-2, INV-4 and INV-16, after every call of the projector. Pure. */
import { checkScopeKeys, type ScopesRead, transitionsOf } from "../../rig/scopes.ts";
import { slotsOf } from "../../rig/slots.ts";
import { hold, Violation } from "./faults.ts";
import type { State } from "./inspect.ts";
import type { Oracle } from "./oracle.ts";

export function checkScopesOf(state: State, oracle: Oracle): void {
  // What is left of scopes after a rebuild goes some a call; nobody is counted meanwhile.
  if (state.clearing)
    return takeScopes({ ...state, scopes: { ...state.scopes, hashes: {}, told: [] } }, oracle);
  const { scopes, processes, users } = state;
  const slots = new Set([...state.leases.keys()].map((id) => String(processes.get(id)!.slot)));
  asViolation(() => checkScopeKeys(scopes, new Set(users.keys()), slots));
  checkMemberships(state, oracle);
  checkMoves(scopes, oracle);
  takeScopes(state, oracle);
}

/** What the next call begins with. */
export function takeScopes({ scopes, movedId }: State, oracle: Oracle): void {
  oracle.inScopes = membersOf(scopes);
  oracle.toldScopes = new Set(scopes.told);
  oracle.movedId = movedId;
}

function membersOf({ hashes }: ScopesRead): Map<string, ReadonlySet<string>> {
  return new Map(
    Object.entries(hashes).map(([scope, texts]) => [
      scope,
      new Set(Object.keys(texts).filter((user) => user !== "")),
    ]),
  );
}

function asViolation(check: () => void): void {
  try {
    check();
  } catch (error) {
    const { message } = error as Error;
    const [, invariant = "INV-1", text = message] = /^(INV-\d+): (.*)$/s.exec(message) ?? [];
    throw new Violation(invariant, text);
  }
}

/** Each membership counts once, and who is in a scope by a process that has not ended is in `users`. */
function checkMemberships({ scopes, processes, users }: State, oracle: Oracle): void {
  const bySlot = new Map<number, string[]>();
  const living = new Set<number>();
  for (const { slot, state } of processes.values()) if (state !== "ended") living.add(slot);
  for (const [scope, texts] of Object.entries(scopes.hashes)) {
    for (const [user, text] of Object.entries(texts)) {
      const slots = slotsOf(text);
      for (const [slot, n] of slots) {
        const all = bySlot.get(slot) ?? [];
        bySlot.set(slot, all);
        all.push(`${scope} ${user} ${n}`);
      }
      if (user !== "" && !users.has(user) && [...slots.keys()].some((slot) => living.has(slot)))
        throw new Violation("INV-16", `${user} is in ${scope} and not in users`);
    }
  }
  for (const [id, { slot, state }] of processes) {
    if (state === "ended") continue;
    const wanted = [...oracle.processes.get(id)!.members].flatMap(([scope, own]) =>
      [...own].map(([user, n]) => `${scope} ${user} ${n}`),
    );
    hold("INV-2", `who is in scopes by ${id}`, (bySlot.get(slot) ?? []).sort(), wanted.sort());
  }
}

/**
 * The changes of a scope lead from who was there to who is there, if it was told before the call or is after it. A scope that
 * everybody left within the call may have been told in between: then too, or there are none.
 */
function checkMoves(scopes: ScopesRead, oracle: Oracle): void {
  const before = new Map([...oracle.inScopes].map(([scope, users]) => [scope, new Set(users)]));
  const moved = new Set<string>();
  for (const one of transitionsOf(scopes.moves)) {
    if (one === "rebuilt") {
      before.clear();
      continue;
    }
    const { scope, user, cause } = one;
    const users = before.get(scope) ?? new Set<string>();
    before.set(scope, users);
    moved.add(scope);
    if (user === "" || users.has(user) === (cause === "connect"))
      throw new Violation("INV-4", `${user} went by ${cause} in ${scope} and was so before`);
    if (cause === "connect") users.add(user);
    else users.delete(user);
  }
  const after = membersOf(scopes);
  for (const scope of new Set([...oracle.toldScopes, ...scopes.told, ...moved]))
    hold(
      "INV-4",
      `who is in ${scope} by its changes`,
      [...(before.get(scope) ?? [])].sort(),
      [...(after.get(scope) ?? [])].sort(),
    );
}
