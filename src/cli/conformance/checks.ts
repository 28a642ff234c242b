/** The checks, in the order in which the author of a recorder gets them to pass. docs/conformance.md lists them. */
import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import {
  GATHER_MS,
  LONG_GRACE_MS,
  canStop,
  claim,
  liveProcess,
  registered,
  told,
  unblemished,
} from "./claims.ts";
import { Skip } from "./run.ts";
import { SCOPE_CHECKS } from "./scope-checks.ts";
import type { Trial } from "./trial.ts";

export interface Check {
  readonly name: string;
  readonly shards?: number;
  /** ms. */
  readonly grace?: number;
  /** Does the kit call the projector? Yes, unless false. */
  readonly projecting?: boolean;
  /** With how many shards the prefix was opened before the recorder starts: if not with its number, it has to report an error. */
  readonly opened?: number;
  /** Is it about scopes? Then it is skipped unless the recorder says that it tracks them. */
  readonly scopes?: boolean;
  run(trial: Trial): Promise<void>;
}

/** Ids that an encoder, a map or a shell may get wrong. */
const NASTY = [
  'quote"', "back\\slash", "new\nline", "tab\t", "nul\u0000", "bell\u0007", "del\u007f", "/slash", "<b>&amp;</b>",
  "é", "e\u0301", "日本語", "😀", "👩‍👩‍👧", "\u2028", "\u2029", "\ufeffbom", " space ", " ", "0", "1e5", "-1", "null", "true", "[]", "{}", "[1]",
  "__proto__", "constructor", "toString", "a:b", "{tag}", "*", "3*2,7", "%s%d", "$1", "x".repeat(256), "é".repeat(128), "😀".repeat(64), "\"".repeat(256), "\u0001".repeat(256),
]; // prettier-ignore

export const CHECKS: readonly Check[] = [
  {
    name: "the first record registers the process",
    grace: 1_500,
    async run(trial) {
      const id = await liveProcess(trial);
      const { protocol, ttl, grace } = await trial.cluster.about(id);
      claim(protocol === "2", `its first record says protocol ${protocol}, not 2`);
      claim(ttl === String(trial.ttl), `its ttl is ${ttl}, not ${trial.ttl} as given`);
      claim(grace === "1500", `its grace is ${grace}, not 1500 as given`);
      claim(id.length >= 8, `the id ${JSON.stringify(id)} has less than 48 random bits`);
      await unblemished(trial);
    },
  },
  {
    name: "counts are exact",
    async run(trial) {
      const [ann, , ben, , cat] = ["ann", "ann", "ben", null, "cat", null].map((user) => trial.connect(user));
      await trial.sync();
      await trial.exact();
      trial.disconnect(ann!);
      trial.disconnect(ben!);
      trial.disconnect(cat!, "leave");
      await trial.sync();
      await trial.exact();
      await told(trial, "ben disconnect", "cat leave");
      await unblemished(trial);
    },
  },
  {
    name: "ids with escapes and of other scripts",
    async run(trial) {
      const sockets = NASTY.map((user) => trial.connect(user));
      await trial.sync();
      await trial.exact();
      for (const socket of sockets.slice(0, 20)) trial.disconnect(socket, "leave");
      await trial.sync();
      await trial.exact();
      await unblemished(trial);
    },
  },
  {
    name: "every user in the right one of three shards",
    shards: 3,
    async run(trial) {
      const sockets = [...NASTY, ...Array.from({ length: 60 }, (_, i) => `user-${i}`), null, null].map(
        (user) => trial.connect(user),
      );
      await trial.sync();
      await trial.exact();
      for (const socket of sockets.slice(0, 80)) trial.disconnect(socket);
      await trial.sync();
      await trial.exact();
      await unblemished(trial);
    },
  },
  {
    name: "an idle process keeps its lease",
    async run(trial) {
      trial.connect("ann");
      await trial.sync();
      await trial.exact();
      const id = await liveProcess(trial);
      await delay(2.5 * trial.ttl);
      claim((await liveProcess(trial)) === id, "it was reaped although nothing was wrong");
      await trial.exact();
      await told(trial);
      await unblemished(trial);
    },
  },
  {
    name: "2,500 connects at once",
    async run(trial) {
      // While a record is held, more operations gather than fit into one.
      trial.proxy.hold();
      trial.connect("holder");
      await trial.proxy.held;
      for (let i = 0; i < 2_500; i++) trial.connect(`u${i % 2_400}`);
      for (let i = 0; i < 200; i++) trial.connect(`${"long".repeat(60)}${i}`);
      await delay(GATHER_MS);
      trial.proxy.release();
      await trial.sync();
      await trial.exact();
      await unblemished(trial);
    },
  },
  {
    name: "a dropped transport begins a grace, and a goodbye does not",
    grace: LONG_GRACE_MS,
    async run(trial) {
      const [ann, ben] = [trial.connect("ann"), trial.connect("ben")];
      await trial.sync();
      trial.disconnect(ann);
      trial.disconnect(ben, "leave");
      await trial.sync();
      await trial.exact();
      trial.connect("ann");
      await trial.sync();
      await trial.exact();
      await told(trial, "ben leave");
      await unblemished(trial);
    },
  },
  {
    name: "a goodbye in one batch with the connect ends a grace",
    grace: LONG_GRACE_MS,
    async run(trial) {
      for (const user of ["ann", "ben"]) trial.disconnect(trial.connect(user));
      await trial.sync();
      await trial.exact();
      // Operations given while a record is held cannot be sent before it: they are one batch.
      trial.proxy.hold();
      trial.connect("holder");
      await trial.proxy.held;
      trial.disconnect(trial.connect("ann"), "leave");
      trial.disconnect(trial.connect("ben"), "disconnect");
      trial.disconnect(trial.connect("cat"), "disconnect");
      trial.disconnect(trial.connect("dan"), "leave");
      trial.proxy.release();
      await trial.sync();
      await trial.exact();
      await told(trial, "ann leave", "dan leave");
      await unblemished(trial);
    },
  },
  {
    name: "a drop in one batch with the connect ends a grace begun elsewhere",
    async run(trial) {
      const other = ["process", `elsewhere.${randomBytes(6).toString("hex")}`];
      const ttl = ["ttl", String(LONG_GRACE_MS)];
      const about = ["protocol", "2", "grace", String(LONG_GRACE_MS)];
      await trial.cluster.append(
        0,
        ...other,
        "seq",
        "1",
        ...ttl,
        ...about,
        "connect",
        '["ann"]',
        "sockets",
        "1",
      );
      await trial.cluster.append(0, ...other, "seq", "2", ...ttl, "disconnect", '["ann"]', "sockets", "0");
      await trial.until(({ users }) => (users["ann"] === 0 ? undefined : "the grace did not begin"));
      trial.proxy.hold();
      trial.connect("holder");
      await trial.proxy.held;
      trial.disconnect(trial.connect("ann"), "disconnect");
      trial.proxy.release();
      await trial.sync();
      await trial.exact();
      await told(trial, "ann disconnect");
      await unblemished(trial);
    },
  },
  {
    name: "a prefix with another number of shards is not written to",
    shards: 3,
    opened: 2,
    projecting: false,
    async run(trial) {
      for (let i = 0; i < 20; i++) trial.connect(`user-${i}`);
      await trial.recorder.hear('{"error":"…"}', ({ error }) => error !== undefined, trial.patience);
      // Every shard had the time to begin.
      await delay(GATHER_MS);
      claim((await trial.cluster.appended()) === 0, "it appended records all the same");
    },
  },
  {
    name: "replies and requests that are lost",
    async run(trial) {
      for (const user of ["ann", "ben", "cat"]) trial.connect(user);
      await trial.sync();
      for (let round = 0; round < 6; round++) {
        const before = trial.proxy.lost;
        const isAppended = round % 2 === 0;
        if (isAppended) trial.proxy.losesReplies = true;
        else trial.proxy.hold();
        const socket = trial.connect(`lost-${round}`);
        trial.connect("ann");
        if (isAppended) await trial.until(() => (trial.proxy.lost > before ? undefined : "nothing was sent"));
        else await trial.proxy.held;
        trial.disconnect(socket);
        trial.proxy.cut();
        trial.proxy.losesReplies = false;
        trial.proxy.release();
        await trial.sync();
        await trial.exact();
      }
      // Records sent again unchanged are recognised by their seq.
      await unblemished(trial);
      claim((await trial.cluster.see()).reaped === 0, "it was reaped meanwhile");
    },
  },
  {
    name: "connections that are killed",
    async run(trial) {
      const before = await liveProcess(trial);
      for (let round = 0; round < 5; round++) {
        trial.connect(`user-${round}`);
        // Where addresses are translated on the way, Redis does not know ours.
        if ((await trial.cluster.kill(trial.proxy.addresses())) === 0) trial.proxy.cut();
        trial.connect("ann");
        await trial.sync();
        await trial.exact();
      }
      await unblemished(trial);
      claim((await liveProcess(trial)) === before, "it registered again for no reason");
    },
  },
  {
    name: "an outage longer than the lease",
    async run(trial) {
      const [ann] = [trial.connect("ann"), trial.connect("ben")];
      await trial.sync();
      await trial.exact();
      const before = await liveProcess(trial);
      trial.proxy.refuses = true;
      trial.proxy.cut();
      trial.disconnect(ann);
      for (let i = 0; i < 50; i++) trial.disconnect(trial.connect("cat"));
      trial.connect("dan");
      await trial.until(({ users }) => (Object.keys(users).length === 0 ? undefined : "it was not reaped"));
      trial.proxy.refuses = false;
      await registered(trial, before);
      await trial.exact();
      claim((await trial.cluster.see()).rejected === 0, "entries were set aside");
    },
  },
  {
    name: "everything in Redis is gone",
    async run(trial) {
      const [ann] = [trial.connect("ann"), trial.connect("ben"), trial.connect("ben"), trial.connect(null)];
      await trial.sync();
      await trial.exact();
      const before = await liveProcess(trial);
      await trial.cluster.empty();
      trial.disconnect(ann);
      await registered(trial, before);
      await trial.exact();
      claim((await trial.cluster.see()).rejected === 0, "entries were set aside");
    },
  },
  {
    name: "fenced by hand",
    async run(trial) {
      for (const user of ["ann", "ben", "ben", null]) trial.connect(user);
      await trial.sync();
      await trial.exact();
      const before = await liveProcess(trial);
      await trial.cluster.append(
        0,
        "process",
        before,
        "seq",
        "900000",
        "ttl",
        String(trial.ttl),
        "sockets",
        "0",
      );
      const cat = trial.connect("cat");
      await registered(trial, before);
      await trial.exact();
      claim(
        (await trial.cluster.stateOf(before)).includes(" replace "),
        "the new registration did not end the earlier one: `replaces` is missing",
      );
      trial.disconnect(cat, "leave");
      await trial.sync();
      await trial.exact();
      // No user flips offline and back.
      await told(trial, "cat leave");
    },
  },
  {
    name: "fenced with 2,500 sockets in three shards",
    shards: 3,
    async run(trial) {
      for (let i = 0; i < 2_500; i++) trial.connect(`user-${i}`);
      await trial.sync();
      await trial.exact();
      const before = await liveProcess(trial);
      for (const shard of [0, 1, 2]) {
        const [id = before] = await trial.cluster.processes("live", shard);
        const ttl = String(trial.ttl);
        await trial.cluster.append(shard, "process", id, "seq", "900000", "ttl", ttl, "sockets", "0");
      }
      await registered(trial, before);
      await trial.exact();
      await told(trial);
    },
  },
  {
    name: "a stall longer than the lease",
    async run(trial) {
      canStop();
      for (const user of ["ann", "ben", "ben"]) trial.connect(user);
      await trial.sync();
      await trial.exact();
      const before = await liveProcess(trial);
      trial.recorder.signal("SIGSTOP");
      await trial.until(({ users }) => (Object.keys(users).length === 0 ? undefined : "it was not reaped"));
      trial.recorder.signal("SIGCONT");
      trial.connect("cat");
      await registered(trial, before);
      await trial.exact();
    },
  },
  {
    name: "closing with 2,500 sockets",
    async run(trial) {
      for (let i = 0; i < 2_500; i++) trial.connect(i % 10 === 0 ? null : `user-${i % 2_300}`);
      await trial.sync();
      await trial.exact();
      const id = await liveProcess(trial);
      await trial.close();
      await trial.exact();
      claim((await trial.cluster.processes("ended")).includes(id), "the last record has no `bye`");
      claim(
        trial.cluster.givenBack === 0,
        `${trial.cluster.givenBack} users still had sockets at \`bye\`: list each of them in \`close\``,
      );
      await unblemished(trial);
      claim((await trial.cluster.see()).reaped === 0, "it was reaped");
    },
  },
  {
    name: "closing keeps users for their grace",
    grace: LONG_GRACE_MS,
    async run(trial) {
      for (const user of ["ann", "ben", "ben", null]) trial.connect(user);
      await trial.sync();
      await trial.close();
      await trial.exact();
      await told(trial);
      await unblemished(trial);
    },
  },
  {
    name: "its own calls of the projector show a connect at once",
    projecting: false,
    async run(trial) {
      if (!trial.projects) throw new Skip("the recorder does not call the projector");
      const ann = trial.connect("ann");
      await trial.sync();
      await trial.exact();
      trial.disconnect(ann);
      await trial.sync();
      await trial.exact();
      await unblemished(trial);
    },
  },
  ...SCOPE_CHECKS,
];
