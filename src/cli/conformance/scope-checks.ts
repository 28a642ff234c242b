/** The checks of scopes, for a recorder that says it tracks them. */
import type { Check } from "./checks.ts";
import { claim, GATHER_MS, liveProcess, LONG_GRACE_MS, registered, told, unblemished } from "./claims.ts";
import type { Trial } from "./trial.ts";

const scopes = true;

/** Names that an encoder may get wrong. */
const NASTY = [
  "/", "/,", "/,news", "/,a,b", "/,,", "/chat", "/chat,news", "/chat/7", '/,quote"', "/,back\\slash", "/,new\nline", "/,nul\u0000", "/,*", "/,日本語",
  "/,😀", "/,\u2028", "/,{tag}", "/,__proto__", "/__proto__", `/,${"x".repeat(510)}`, `/,${"é".repeat(255)}`, `/,${"\u0001".repeat(510)}`,
]; // prettier-ignore

/** Everything so far is in the log and in Redis. */
async function settled(trial: Trial): Promise<void> {
  await trial.sync();
  await trial.exact();
}

/** A socket of this user, in these scopes. */
function enter(trial: Trial, user: string | null, ...names: string[]): number {
  const socket = trial.connect(user);
  for (const name of names) trial.join(socket, name);
  return socket;
}

/** Two tabs of ann, ben and two anonymous sockets in two rooms and a namespace. */
function crowd(trial: Trial) {
  const ann = enter(trial, "ann", "/", "/,news");
  const tab = enter(trial, "ann", "/", "/,news", "/,games");
  const ben = enter(trial, "ben", "/", "/,games");
  const guest = enter(trial, null, "/", "/,news");
  enter(trial, null, "/");
  return { ann, tab, ben, guest };
}

export const SCOPE_CHECKS: readonly Check[] = [
  {
    name: "scopes: counts are exact",
    scopes,
    async run(trial) {
      const { ann, tab, ben, guest } = crowd(trial);
      await settled(trial);
      trial.part(ann, "/,news");
      trial.part(tab, "/,games");
      trial.part(guest, "/,news");
      trial.join(ben, "/,news");
      await settled(trial);
      trial.disconnect(tab);
      trial.disconnect(guest);
      trial.disconnect(ben, "leave");
      await settled(trial);
      await unblemished(trial);
    },
  },
  {
    name: "scopes: names with escapes and of other scripts",
    scopes,
    async run(trial) {
      const sockets = NASTY.map((name) => enter(trial, "ann", name));
      const all = enter(trial, "ben", ...NASTY);
      await settled(trial);
      for (const socket of sockets.slice(0, 10)) trial.disconnect(socket);
      for (const name of NASTY.slice(5)) trial.part(all, name);
      await settled(trial);
      await unblemished(trial);
    },
  },
  {
    name: "scopes: memberships in the right one of three shards",
    scopes,
    shards: 3,
    async run(trial) {
      const sockets = Array.from({ length: 60 }, (_, i) => enter(trial, `user-${i}`, "/", `/,room-${i % 7}`));
      for (let i = 0; i < 5; i++) sockets.push(enter(trial, null, "/", `/,room-${i}`));
      await settled(trial);
      for (const socket of sockets.slice(0, 40)) trial.disconnect(socket, "leave");
      trial.disconnect(sockets.at(-1)!);
      await settled(trial);
      await unblemished(trial);
    },
  },
  {
    name: "scopes: 2,500 joins at once",
    scopes,
    async run(trial) {
      // While a record is held, more gathers than fits into one, by operations, by scopes and by bytes.
      trial.proxy.hold();
      trial.connect("holder");
      await trial.proxy.held;
      const sockets = Array.from({ length: 1_000 }, (_, i) =>
        enter(trial, `user-${i}`, "/,all", `/,room-${i % 300}`),
      );
      const long = trial.connect("long");
      for (let i = 0; i < 200; i++) trial.join(long, `/,${"long".repeat(60)}${i}`);
      // Came and went within one batch.
      for (let i = 0; i < 300; i++) trial.disconnect(enter(trial, `gone-${i}`, "/,gone"));
      await new Promise((resolve) => setTimeout(resolve, GATHER_MS));
      trial.proxy.release();
      await settled(trial);
      for (const socket of sockets) trial.part(socket, "/,all");
      await settled(trial);
      await unblemished(trial);
    },
  },
  {
    name: "scopes: a dropped transport begins a grace, and a goodbye does not",
    scopes,
    grace: LONG_GRACE_MS,
    async run(trial) {
      const { ann, tab, ben, guest } = crowd(trial);
      const cat = enter(trial, "cat", "/,news");
      await settled(trial);
      // Nobody lingers in a room who has another socket there, who leaves the room, or who is anonymous.
      trial.disconnect(ann);
      trial.part(ben, "/,games");
      trial.disconnect(guest);
      trial.disconnect(cat);
      await settled(trial);
      // ben lingers in the whole and in the namespace; cat is back, but not in the room.
      trial.disconnect(ben);
      trial.connect("cat");
      await settled(trial);
      // Who leaves the whole lingers nowhere.
      const dan = enter(trial, "dan", "/,news");
      const other = trial.connect("dan");
      trial.disconnect(dan);
      trial.disconnect(tab);
      await settled(trial);
      trial.disconnect(other, "leave");
      enter(trial, "ann", "/,news");
      await settled(trial);
      await told(trial, "dan leave");
      await unblemished(trial);
    },
  },
  {
    name: "scopes: replies, requests and connections that are lost",
    scopes,
    async run(trial) {
      crowd(trial);
      await settled(trial);
      for (let round = 0; round < 6; round++) {
        const before = trial.proxy.lost;
        const isAppended = round % 2 === 0;
        if (isAppended) trial.proxy.losesReplies = true;
        else trial.proxy.hold();
        const socket = enter(trial, `lost-${round}`, "/", "/,news");
        enter(trial, "ann", "/,news");
        if (isAppended) await trial.until(() => (trial.proxy.lost > before ? undefined : "nothing was sent"));
        else await trial.proxy.held;
        trial.part(socket, "/,news");
        trial.disconnect(enter(trial, null, "/,news"));
        trial.proxy.cut();
        trial.proxy.losesReplies = false;
        trial.proxy.release();
        await settled(trial);
      }
      await unblemished(trial);
    },
  },
  {
    name: "scopes: memberships go with the lease",
    scopes,
    async run(trial) {
      crowd(trial);
      await settled(trial);
      trial.kill();
      await trial.exact();
      claim((await trial.cluster.see()).reaped === 1, "it was not reaped");
    },
  },
  {
    name: "scopes: everything in Redis is gone",
    scopes,
    async run(trial) {
      const { ann } = crowd(trial);
      await settled(trial);
      const before = await liveProcess(trial);
      await trial.cluster.empty();
      trial.disconnect(ann);
      await registered(trial, before);
      await trial.exact();
      claim((await trial.cluster.see()).rejected === 0, "entries were set aside");
    },
  },
  {
    name: "scopes: fenced by hand",
    scopes,
    async run(trial) {
      const { ann, ben } = crowd(trial);
      for (let i = 0; i < 600; i++) enter(trial, `user-${i}`, "/,all");
      await settled(trial);
      const before = await liveProcess(trial);
      const ttl = String(trial.ttl);
      await trial.cluster.append(0, "process", before, "seq", "900000", "ttl", ttl, "sockets", "0");
      trial.part(ann, "/,news");
      await registered(trial, before);
      await trial.exact();
      trial.disconnect(ben, "leave");
      await settled(trial);
      await told(trial, "ben leave");
    },
  },
  {
    name: "scopes: closing with 600 sockets keeps users for their grace",
    scopes,
    grace: LONG_GRACE_MS,
    async run(trial) {
      crowd(trial);
      for (let i = 0; i < 600; i++)
        enter(trial, i % 10 === 0 ? null : `user-${i}`, "/,all", `/,room-${i % 50}`);
      await settled(trial);
      const id = await liveProcess(trial);
      await trial.close();
      await trial.exact();
      claim((await trial.cluster.processes("ended")).includes(id), "the last record has no `bye`");
      // The projector takes out what is left, so Redis looks the same in the end.
      const left = trial.proxy.lastWords("memberships");
      claim(
        left === "0",
        `the record with \`bye\` says ${left} memberships, not 0: list all in \`shut\` before`,
      );
      await told(trial);
      await unblemished(trial);
    },
  },
];
