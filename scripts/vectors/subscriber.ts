/** subscriber.json: what callers of a durable subscriber do, in stories. From the reference model. */
import { SUBSCRIBER_CHECK_MS, SUBSCRIBERS_MAX } from "../../src/core/limits.ts";
import type { SubscriberVector } from "./subscriber-step.ts";
import { SubscriberStory } from "./subscriber-story.ts";

const vectors: SubscriberVector[] = [];

function story(name: string, tell: (story: SubscriberStory) => void): void {
  const told = new SubscriberStory();
  tell(told);
  vectors.push({ name, steps: told.steps });
}

export function subscriberVectors(): SubscriberVector[] {
  vectors.length = 0;
  beginning();
  stepping();
  turns();
  failures();
  gaps();
  comparisons();
  clocks();
  failovers();
  switches();
  return [...vectors];
}

/** A delivery as a dead letter has it; to the script it is any text. */
const letter = (id: string, user: string) =>
  JSON.stringify({ id, type: "online", user, cause: "connect", at: "2023-11-14T22:13:20.000Z" });

/** It began, and has handled that ann and ben are there. */
const served = (s: SubscriberStory, entry = ["ann", "ben"]) =>
  s.take("one", { from: "start" }).come(...entry).wait(100).take("one").note("one"); // prettier-ignore

/** What a gap leads to, from the gap in the inbox to the end, where the comparison says nothing. */
const compared = (s: SubscriberStory) => s.note("one").take("one").page("one").take("one");

function beginning(): void {
  story("from now on: those who are present are taken over and not delivered", (s) =>
    s.come("ann").come("ben").take("one").page("one").take("one")
      .wait(1_000).come("cat").take("one").note("one").take("one"),
  ); // prettier-ignore
  story("from now on, while nobody is present: at the last change", (s) =>
    s.come("ann").go("ann").take("one").come("ben").take("one").note("one"),
  );
  story("from now on, on an empty prefix: the first entry seen is what the place is proven by", (s) =>
    s.take("one").take("one").come("ann").take("one").take("one").note("one"),
  );
  story("from the start: the oldest change first, and nobody is known", (s) =>
    s.come("ann", "ben").go("ben").take("one", { from: "start" }).note("one").take("one"),
  );
  story("from the start, of what is left of the changes", (s) =>
    s.come("ann").come("ben").trim(1).take("one", { from: "start" }).note("one").take("one"),
  );
  story("from the start: a rebuild before which nobody was told anything is no gap", (s) =>
    s.say("rebuilt", "test").come("ann").take("one", { from: "start" }).note("one").take("one"),
  );
  story("from the start: a rebuild after changes is one, once these are handled", (s) =>
    s.come("ann").say("rebuilt", "test").take("one", { from: "start" }).note("one").take("one"),
  );
  story("once it is known, `from` means nothing", (s) =>
    s.come("ann").take("one", { from: "start" }).note("one").take("one", { from: "now" }).take("one", { from: "again" }),
  ); // prettier-ignore
  story("changes that were removed before the first one was seen are a gap", (s) =>
    s.take("one").come("ann").come("ben").trim(1).take("one").note("one").take("one").page("one").take("one").note("one"),
  ); // prettier-ignore
  story("the first entry that was seen is removed before it is noted", (s) =>
    s.take("one").come("ann").come("ben").take("one").trim(1).take("one"),
  );
  story("all entries are gone after the first was seen", (s) =>
    s.take("one").come("ann").take("one").failOver(1).take("one"),
  );
  story("it was begun without scopes, and is called with them", (s) =>
    s.come("ann").take("one", { from: "start" }).of("scopes").take("two").of("").take("one"),
  );
  story("it was begun with scopes, and is called without", (s) =>
    s.of("scopes").take("one").of("").take("two").remove().take("two"),
  );
  story("there are 100 already", (s) => s.others(SUBSCRIBERS_MAX).take("one").others(99).take("one"));
}

function stepping(): void {
  story("changes are handled and noted, several entries at a time or one", (s) =>
    s.take("one", { from: "start" }).come("ann").come("ben").go("ann").take("one")
      .note("one", { entries: 2 }).note("one").take("one"),
  ); // prettier-ignore
  story("an entry of several causes", (s) =>
    s.come("ann", "ben").take("one", { from: "start" }).note("one")
      .is("cat").isNot("ann", "ben").say("connect", '["cat"]', "leave", '["ann"]', "reap", '["ben"]').take("one").note("one"),
  ); // prettier-ignore
  story("a place in the middle of an entry", (s) =>
    s.come("ann").come("ben", "cat", "dan").take("one", { from: "start" })
      .note("one", { entries: 1, place: 1 }).take("one").note("one", { entries: 0, place: 2 }).note("one").take("one"),
  ); // prettier-ignore
  story("a place in the middle of an entry is kept for whoever is next", (s) =>
    s.come("ann", "ben").take("one", { from: "start" }).note("one", { entries: 0, place: 1 })
      .wait(10_000).take("two").note("two"),
  ); // prettier-ignore
  story("at most as many entries as asked for", (s) =>
    s.come("ann").come("ben").come("cat").take("one", { from: "start", count: 2 }).note("one").take("one", { count: 2 }).note("one"),
  ); // prettier-ignore
  story("twenty entries at once", (s) => {
    for (let i = 0; i < 20; i++) s.come(`user-${i}`);
    s.take("one", { from: "start" }).note("one").take("one");
  });
  story("at most as many entries of the inbox as asked for", (s) =>
    s.come("ann").take("one", { from: "start" }).bury("one", [letter("0.1700000000000-1.0", "ann"), letter("0.1700000000000-1.0", "ann")], "down")
      .retry(1).retry(2).take("one", { count: 1 }).note("one").take("one", { count: 1 }).note("one").take("one"),
  ); // prettier-ignore
  story("how long dead letters are kept is looked at once a minute", (s) =>
    s.take("one").wait(59_999).take("one", { keep: 86_400_000 }).wait(1).take("one", { keep: 86_400_000 }),
  );
  story("who comes and goes within what is noted is known as the last change says", (s) =>
    s.take("one", { from: "start" }).come("ann").go("ann").come("ben").go("ben").come("ben").take("one").note("one").take("one"),
  ); // prettier-ignore
  story("ids of any characters", (s) =>
    s.come("é", "日本語", "😀", "__proto__", 'a"b', "a\\b", "a\nb", " ", "0", "1").take("one", { from: "start" }).note("one").take("one"),
  ); // prettier-ignore
}

function turns(): void {
  story("a turn that another has", (s) => s.take("one").take("two").wait(4_000).take("two"));
  story("a turn that is over goes to the next, with a new token; a late note is refused", (s) => {
    s.come("ann").take("one", { from: "start" }).wait(10_000).take("two").note("one").note("two").note("one");
  });
  story("a turn that was over, and nobody had it: what was begun before it is refused all the same", (s) => {
    s.come("ann").take("one", { from: "start" });
    const token = s.tokenOf("one");
    s.wait(10_000).take("one").note("one", { token });
  });
  story("a note that arrives twice", (s) => {
    s.come("ann").take("one", { from: "start" });
    const token = s.tokenOf("one");
    s.note("one").note("one", { token }).take("one");
  });
  story("all that only the holder may do is refused to another with its token", (s) => {
    s.come("ann").take("one", { from: "start" }).take("two");
    const token = s.tokenOf("one");
    s.renew("two", token).fail("two", 1_000, "down", token).page("two", token).leave("two", token);
    s.disable("two", "over", token).note("one");
  });
  story("all that only the holder may do is refused with an older token", (s) => {
    s.come("ann").take("one", { from: "start" });
    const token = s.tokenOf("one");
    s.note("one", { entries: 0 }).renew("one", token).fail("one", 1_000, "down", token).page("one", token);
    s.bury("one", ["{}"], "down", { token, entries: 0 }).leave("one", token).disable("one", "over", token);
  });
  story("renewing keeps the token, and the turn lasts longer once half of it is over", (s) =>
    s.come("ann").take("one", { from: "start" }).wait(4_000).renew("one").wait(2_000).renew("one")
      .wait(9_000).take("two").note("one").renew("one"),
  ); // prettier-ignore
  story("renewing after the turn was over and another has it", (s) =>
    s.take("one").wait(10_000).take("two").renew("one"),
  );
  story("noting renews too", (s) =>
    s.come("ann").take("one", { from: "start" }).wait(6_000).note("one").wait(9_000).take("two"),
  );
  story("leaving: another can have the turn at once", (s) =>
    s.take("one").leave("one").take("two").leave("one"),
  );
  story("turns of another length", (s) =>
    s.take("one", { turn: 30_000 }).wait(20_000).take("two").wait(10_000).take("two", { turn: 1_000 }).wait(1_000).take("one"),
  ); // prettier-ignore
  story("a token is one more, or a thousand times the ms if that is more", (s) =>
    s.come("ann", "ben").take("one", { from: "start" }).note("one", { entries: 0, place: 1 }).wait(1).take("one").note("one"),
  ); // prettier-ignore
}

function failures(): void {
  story("a failure is tried again after its wait, and a success ends the count", (s) =>
    s.come("ann").come("ben").take("one", { from: "start" }).fail("one", 1_000, "HTTP 503").take("one").wait(400).take("one").wait(600)
      .take("one").fail("one", 5_000, "ECONNREFUSED: é").wait(5_000).take("one").note("one", { entries: 1 }).take("one"),
  ); // prettier-ignore
  story("the wait is for every caller", (s) =>
    s.come("ann").take("one", { from: "start" }).fail("one", 60_000, "down").leave("one").take("two").wait(60_000).take("two").note("two"),
  ); // prettier-ignore
  story("a failure without a wait", (s) =>
    s.come("ann").take("one", { from: "start" }).fail("one", 0, "down").take("one").note("one"),
  );
  story("what is given up becomes a dead letter, and who was told of is known as usual", (s) =>
    s.come("ann").come("ben").take("one", { from: "start" }).fail("one", 0, "down").take("one")
      .bury("one", [letter("0.1700000000000-1.0", "ann")], "HTTP 400", { entries: 1 }).take("one").note("one").take("one"),
  ); // prettier-ignore
  story("a batch that is given up, in the middle of an entry: a letter each", (s) =>
    s.come("ann", "ben", "cat").take("one", { from: "start" })
      .bury("one", [letter("0.1700000000000-1.0", "ann"), letter("0.1700000000000-1.1", "ben")], "down", { entries: 0, place: 2 })
      .take("one").note("one"),
  ); // prettier-ignore
  story("a dead letter is handled again, before the changes that are next", (s) =>
    s.come("ann").take("one", { from: "start" }).bury("one", [letter("0.1700000000000-1.0", "ann")], "down")
      .come("ben").retry(1).take("one").note("one").take("one").note("one"),
  ); // prettier-ignore
  story("a dead letter that fails again is another one, with the attempts of this time", (s) =>
    s.come("ann").take("one", { from: "start" }).bury("one", [letter("0.1700000000000-1.0", "ann")], "down").retry(1).take("one")
      .fail("one", 0, "HTTP 500").take("one").bury("one", [letter("0.1700000000000-1.0", "ann")], "HTTP 500").take("one"),
  ); // prettier-ignore
  story("dead letters are dropped; those that are not there change nothing", (s) =>
    s.come("ann", "ben").take("one", { from: "start" })
      .bury("one", [letter("0.1700000000000-1.0", "ann"), letter("0.1700000000000-1.1", "ben")], "down")
      .drop(1).drop(1).retry(1).retry(2).retry(2),
  ); // prettier-ignore
  story("a dead letter that is retried while a change waits goes first, after that wait", (s) =>
    s.come("ann").take("one", { from: "start" }).bury("one", [letter("0.1700000000000-1.0", "ann")], "down").come("ben").take("one")
      .fail("one", 5_000, "down").retry(1).take("one").wait(5_000).take("one"),
  ); // prettier-ignore
}

function gaps(): void {
  story("trimmed: the comparison begins at once, and says who came and who went", (s) =>
    compared(served(s).go("ben").come("cat").trim(2).come("dan").take("one"))
      .note("one").take("one").page("one").take("one").note("one").take("one"),
  ); // prettier-ignore
  story("trimmed: the gap is said even if nobody differs", (s) =>
    compared(served(s).go("ben").come("ben").trim(2).take("one")),
  );
  story("lost: the end of the stream is gone; what follows waits for one and a half leases", (s) =>
    served(s).come("cat").take("one").note("one").failOver(1).isNot("cat").take("one").note("one").take("one").wait(15_000)
      .take("one").page("one").take("one").note("one").take("one"),
  ); // prettier-ignore
  story("lost: everything is gone, and all users come back while it waits", (s) =>
    served(s).failOver(1).isNot("ann", "ben").take("one").note("one").wait(5_000).come("ann", "ben").wait(10_000)
      .take("one").page("one").take("one"),
  ); // prettier-ignore
  story("lost: the wait is one and a half times the longest lease", (s) =>
    served(s.ttl(40_000)).failOver(1).take("one").note("one").take("one"),
  );
  story("lost: the longest lease that was there before counts, and is looked up once a minute", (s) =>
    served(s.ttl(40_000)).ttl(20_000).wait(59_000).take("one").ttl(undefined).failOver(1).take("one").note("one").take("one"),
  ); // prettier-ignore
  story("lost: a lease is taken for an hour at most", (s) =>
    served(s.ttl(7_200_000)).failOver(1).take("one"),
  );
  story("rebuilt: amid others, these are handled first", (s) =>
    served(s).come("cat").say("rebuilt", "users: 1 there, 2 counted").isNot("ann").come("dan").take("one").note("one").take("one")
      .note("one").wait(15_000).take("one").page("one").take("one").note("one").take("one").page("one").take("one"),
  ); // prettier-ignore
  story("rebuilt: the stream begins with it", (s) =>
    served(s).come("cat").wait(1).say("rebuilt", "test").trim(2).take("one"),
  );
  story("forgotten: a process knows that the subscriber was there, and Redis does not", (s) =>
    served(s).lose("subscriber").take("one", { from: "again" }).note("one").wait(15_000).take("one").page("one").take("one"),
  ); // prettier-ignore
  story("forgotten: everything of it is gone, so all are new", (s) =>
    served(s).lose("subscriber", "known", "inbox", "dead").take("one", { from: "again" }).note("one").wait(15_000)
      .take("one").page("one").take("one").note("one").take("one").page("one").take("one"),
  ); // prettier-ignore
  story("who is known is forgotten: the comparison of counts finds it", (s) =>
    compared(served(s).lose("known").wait(SUBSCRIBER_CHECK_MS).take("one")).note("one"),
  );
  story("a gap while an attempt waits: the wait is kept, the count ends with the gap", (s) =>
    served(s).come("cat").take("one").fail("one", 1_000, "down").failOver(2).take("one").wait(1_000).take("one").note("one"),
  ); // prettier-ignore
  story("another caller goes on with a gap, and with its comparison", (s) =>
    served(s).go("ben").trim(2).come("cat").take("one").leave("one").take("two").note("two").take("two").leave("two")
      .take("one").page("one").take("one").leave("one").take("two").note("two").take("two").page("two"),
  ); // prettier-ignore
  story("a place in the middle of what a comparison found", (s) =>
    served(s).come("cat", "dan").come("eve").trim(2).take("one").note("one").take("one").page("one").take("one")
      .note("one", { entries: 0, place: 1 }).take("one").note("one").take("one").page("one").take("one"),
  ); // prettier-ignore
  story("a gap in the middle of what is queued: handled one after the other", (s) =>
    s.come("ann").take("one", { from: "start" }).bury("one", [letter("0.1700000000000-1.0", "ann")], "down").retry(1)
      .lose("subscriber").take("one", { from: "again" }).note("one", { entries: 1 }).take("one").note("one").take("one"),
  ); // prettier-ignore
}

function comparisons(): void {
  story("once a minute the number of those known is compared, while nothing is left", (s) =>
    served(s).take("one").is("cat").wait(30_000).take("one").wait(30_000).take("one").note("one").take("one").page("one").take("one")
      .note("one").take("one").page("one").take("one"),
  ); // prettier-ignore
  story("it is due while something is left to deliver, and done as soon as nothing is", (s) =>
    served(s).take("one").isNot("ben").wait(60_000).come("cat").take("one").note("one").take("one"),
  ); // prettier-ignore
  story("who went is found by the second part of the comparison", (s) =>
    compared(served(s).isNot("ben").wait(SUBSCRIBER_CHECK_MS).take("one")).note("one").take("one"),
  ); // prettier-ignore
  story("numbers that are equal are not compared further", (s) =>
    served(s)
      .isNot("ben")
      .is("cat")
      .wait(SUBSCRIBER_CHECK_MS)
      .take("one")
      .wait(SUBSCRIBER_CHECK_MS)
      .take("one"),
  );
  story("window: changes up to there may say what the comparison has said", (s) =>
    served(s).go("ben").go("ann").trim(2).take("one").note("one").wait(1).come("cat").take("one").page("one").take("one").note("one")
      .take("one").page("one").take("one").note("one").take("one").wait(1).come("dan").take("one"),
  ); // prettier-ignore
}

function clocks(): void {
  story("the clock goes back: the turn of another lasts no longer than a turn", (s) =>
    s.take("one").wait(-3_600_000).take("two").wait(10_000).take("two").note("one", { token: s.tokenOf("one"), entries: 0 }),
  ); // prettier-ignore
  story("the clock goes back: so does the wait after a failure", (s) =>
    s.come("ann").take("one", { from: "start" }).fail("one", 5_000, "down").wait(-3_600_000).take("one").wait(4_999).take("one")
      .wait(1).take("one").note("one"),
  ); // prettier-ignore
  story("the clock goes back: so does the wait after a gap", (s) =>
    served(s).failOver(1).take("one").note("one").take("one").wait(-3_600_000).take("one").wait(15_000).take("one"),
  ); // prettier-ignore
  story("the clock goes back: what is due once a minute is due at once, and tokens go on", (s) =>
    served(s).take("one").is("cat").wait(-3_600_000).take("one").note("one"),
  );
}

function failovers(): void {
  story("behind: a failover took the last steps of this caller, which says what it told", (s) =>
    served(s).come("cat").take("one").note("one").restore(2).failOver(1).isNot("cat").take("one").amend("one", ["cat"])
      .take("one").note("one").take("one").wait(15_000).take("one").page("one").take("one").note("one").take("one"),
  ); // prettier-ignore
  story("behind: what is left of the changes comes before the gap", (s) =>
    served(s).come("cat").take("one").note("one").restore(2).take("one").amend("one", ["cat"]).take("one").note("one").take("one"),
  ); // prettier-ignore
  story("behind: who was told to be gone", (s) =>
    served(s).go("ben").take("one").note("one").restore(2).failOver(1).is("ben").take("one").amend("one", [], ["ben"]).take("one"),
  ); // prettier-ignore
  story("behind: nothing was told of late", (s) =>
    served(s).come("cat").take("one").restore(2).take("one").amend("one", []).take("one"),
  );
  story("behind: amended twice", (s) =>
    served(s).come("cat").take("one").note("one").restore(2).take("one").amend("one", ["cat"], ["ann"]).amend("one", ["dan"]),
  ); // prettier-ignore
  story("behind: what was begun before is refused", (s) => {
    served(s).come("cat").take("one");
    const token = s.tokenOf("one");
    s.restore(2).take("one").note("one", { token }).amend("one", []).note("one", { token });
  });
  story("behind: another had the turn first, and has given higher tokens", (s) =>
    served(s).come("cat").take("one").note("one").restore(2).wait(20_000).take("two").take("one"),
  );
  story("unsure: a gap that is found first is enough", (s) =>
    served(s).come("cat").take("one").note("one").restore(2).take("one").amend("one", ["cat"])
      .failOver(2).take("one").note("one").wait(15_000).take("one").page("one").take("one"),
  ); // prettier-ignore
  story("unsure: it stays while an attempt fails and another caller goes on", (s) =>
    served(s).come("cat").take("one").note("one").restore(2).take("one").amend("one", ["cat"]).take("one").fail("one", 1_000, "down")
      .leave("one").wait(1_000).take("two").note("two").take("two"),
  ); // prettier-ignore
}

function switches(): void {
  story("disabled: every caller is told why, until it is enabled", (s) =>
    s.come("ann").take("one", { from: "start" }).fail("one", 60_000, "HTTP 410").disable("one", "HTTP 410: é")
      .take("one").wait(60_000).take("two").renew("one").enable().take("two").note("two"),
  ); // prettier-ignore
  story("disabled: the turn and its token are gone", (s) => {
    s.come("ann").take("one", { from: "start" });
    const token = s.tokenOf("one");
    s.disable("one", "over").note("one", { token }).enable().note("one", { token }).take("one");
  });
  story("disabled: dead letters can be tried again, later", (s) =>
    s.come("ann").take("one", { from: "start" }).bury("one", [letter("0.1700000000000-1.0", "ann")], "down").take("one")
      .disable("one", "over").retry(1).take("one").enable().take("one").note("one"),
  ); // prettier-ignore
  story("enabled while it was not disabled: what waits is tried at once", (s) =>
    s.come("ann").take("one", { from: "start" }).fail("one", 60_000, "down").take("one").enable().take("one").note("one"),
  ); // prettier-ignore
  story("nothing is known: enable, retry, drop and remove find nothing", (s) =>
    s.enable().retry(1).drop(1).remove().take("one"),
  );
  story("removed: nothing is left, and what comes late is refused", (s) =>
    served(s).come("cat").take("one").bury("one", [letter("0.1700000000100-2.0", "cat")], "down").remove().note("one", { entries: 0 }).enable(),
  ); // prettier-ignore
  story("removed, and taken again: it begins anew, after the tokens that the caller knows of", (s) =>
    served(s).remove().wait(-1_000).take("one").page("one").take("one"),
  );
  story("removed, and a process that knew it takes it: forgotten", (s) =>
    served(s).remove().take("one", { from: "again" }).note("one").take("one"),
  );
}
