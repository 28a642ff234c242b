/**
 * Sends the records of one shard, and keeps when the next heartbeat is due. The same request carries the call of the
 * projector, if there is something to fold, and sometimes a check of this process's registration.
 */
import type { ShardKeys } from "../core/keys.ts";
import { RECORDS_KEPT } from "../core/limits.ts";
import { isAccepted, recordKeysMismatch } from "../core/mac.ts";
import { encodeRecord, LISTS, operationsOf, type RecordEntry, SCOPE_LISTS } from "../core/record.ts";
import { hasCome, type Moment } from "../core/schedule.ts";
import { typeOfError } from "../core/telemetry.ts";
import { isNoScript, redisError } from "../redis/errors.ts";
import { type Command, ReplyError } from "../redis/port.ts";
import { checkShards, shardsMismatch } from "../redis/shards.ts";
import type { Runtime } from "../time/runtime.ts";
import type { RecorderContext } from "./context.ts";
import type { ShardProjecting } from "./projecting.ts";
import type { StepResult } from "../projector/projector.ts";
import { deriveRecordKeys, NO_KEYS } from "../projector/record-keys.ts";
import { type Look, type Registration, registrationCommands, Watch } from "./registration.ts";
import { signed } from "./sign.ts";

export interface RecordSenderOptions {
  readonly shard: number;
  readonly keys: ShardKeys;
  readonly context: RecorderContext;
  readonly runtime: Runtime;
  readonly projecting: ShardProjecting;
  /** A record is appended, under this id. Called again if the rest of its request failed. */
  readonly onAppended: (id: string) => void;
}

export class RecordSender {
  readonly #own: RecordSenderOptions;
  #heartbeatAt: Moment = "now";
  #lookAt: Moment;
  #isOpen = false;
  #keys = NO_KEYS;
  /** The last look left something open: the next one reads the totals too. */
  #inDoubt = true;
  /** Nobody knew us, and that has made us call and look again. */
  #asked = false;
  readonly #watch = new Watch();

  constructor(options: RecordSenderOptions) {
    this.#own = options;
    this.#lookAt = options.runtime.now() + options.context.options.heartbeat;
  }

  /** When to send a record even if nothing happened. The first one at once: it starts the lease. */
  get heartbeatAt(): Moment {
    return this.#heartbeatAt;
  }

  /** Redis may have lost data: renew the lease, and check the registration. */
  renew(): void {
    this.#heartbeatAt = "now";
    this.failed();
  }

  /** A record could not be sent: the next one also checks the registration. */
  failed(): void {
    this.#lookAt = "now";
    this.#inDoubt = true;
  }

  /**
   * Waits for Redis, then makes one round trip. Resolves with the state of the registration, if it was checked. Rejects with
   * SHARDS_MISMATCH, with RECORD_KEYS_MISMATCH, and when the record's outcome is unknown: send the same one again. `isFollowed`: another follows at once.
   */
  async send(record: RecordEntry, isFollowed: boolean): Promise<Registration | undefined> {
    const { context, keys, projecting, runtime } = this.#own;
    const { connection } = context;
    const { heartbeat, linger } = context.options;
    // Decide whether to reap once Redis is connected, not before waiting for it.
    await connection.ready();
    if (!this.#isOpen) await this.#open();
    const now = runtime.now();
    const presses = record.seq === 1 || record.bye === true || record.replaces !== undefined;
    const news = presses || hasNews(record);
    const mayWait = !presses && projecting.mayWait;
    const { pace } = projecting;
    // Under load another process folds, or this one does slightly later.
    const along = presses ? "fold" : pace.along(now);
    const folds = news && along === "fold" && !(mayWait && linger > 0);
    const call = mayWait && isFollowed ? undefined : projecting.callWith(folds, record.bye === true);
    const looksAlong = call === undefined && along !== "fold" && projecting.looksAlong;
    const readsTurn = news && call === undefined && (along === "turn" || looksAlong);
    // A heartbeat that takes a call along leaves the look to the next one: something is asked more often so.
    const canWait = call !== undefined && !news && this.#lookAt !== "now";
    const looks = record.seq > 1 && record.bye !== true && !canWait && hasCome(this.#lookAt, now);

    const { signing } = this.#keys;
    const plain = encodeRecord(record);
    const fields = signing === undefined ? plain : signed(plain, keys.records, signing);
    const commands: Command[] = [["XADD", keys.records, "MAXLEN", "~", String(RECORDS_KEPT), "*", ...fields]];
    if (call !== undefined) commands.push(call.command);
    const deadline = looksAlong ? ["due", "ran"] : [];
    if (readsTurn) commands.push(["HMGET", keys.totals, "ends", "folded", "listened", ...deadline]);
    // Where others project, nothing else tells what becomes of the totals.
    const isFull = this.#inDoubt || !projecting.isOurs;
    if (looks) commands.push(...registrationCommands(keys, record.process).slice(isFull ? 0 : 1));
    const { telemetry } = context;
    const { shard } = this.#own;
    const appending = telemetry?.begin("append", {
      shard,
      operations: operationsOf(record),
      bytes: bytesOf(fields),
    });
    const folding =
      call === undefined ? undefined : appending?.within(() => telemetry!.begin("fold", { shard }));
    let replies;
    try {
      replies = await connection.port.pipeline(commands);
    } catch (error) {
      folding?.failed(typeOfError(error));
      appending?.failed(typeOfError(error));
      throw error;
    }
    const id = replies[0]!;
    if (id instanceof ReplyError) {
      appending?.failed(redisError(id).code);
      // The call ran all the same, unless Redis did not know the script. It may be what the log needs: one without an id left is made anew.
      const said = replies[1]!;
      if (call !== undefined && (!(said instanceof ReplyError) || isNoScript(said)))
        await projecting.settle(said, call.step, folding);
      throw redisError(id);
    }
    appending?.done({});
    this.#heartbeatAt = runtime.now() + heartbeat;
    projecting.appended(String(id), news);
    this.#own.onAppended(String(id));
    let forgot = false;
    if (call !== undefined)
      forgot = this.#forgot(String(id), await projecting.settle(replies[1]!, call.step, folding));
    else if (readsTurn) projecting.turnSeen(String(id), replies[1]!, now);
    else if (news && along === "fold") projecting.within(linger);
    else if (news) projecting.turnTrusted(String(id), now);
    if (typeof this.#heartbeatAt === "number") this.#heartbeatAt = projecting.withDeadline(this.#heartbeatAt);
    if (forgot && !looks) this.renew();
    if (!looks) return undefined;
    const last = { process: record.process, seq: record.seq, id: String(id) };
    if (!isFull) return this.#glanced(this.#watch.glance(replies.at(-1)!, last));
    const look = this.#watch.see(replies.slice(-2), last);
    this.#checkTotals(look);
    return this.#looked(look.registration);
  }

  /** A call that went along has found that our record counts for nothing: we are fenced, or forgotten. */
  #forgot(id: string, result: StepResult | undefined): boolean {
    return result?.foldedId === id && result.unheard;
  }

  #glanced(registration: Registration | undefined): Registration | undefined {
    if (registration !== undefined) return this.#looked(registration);
    this.renew();
    return undefined;
  }

  #looked(registration: Registration): Registration {
    const { context, projecting, runtime } = this.#own;
    const { heartbeat, ttl } = context.options;
    this.#inDoubt = registration.is !== "believed";
    // Whoever calls has its deadlines look at the totals in between, and learns at once when its own record counts for nothing.
    const often = this.#inDoubt || !projecting.isOurs;
    this.#lookAt = runtime.now() + (often ? heartbeat : Math.min(3 * heartbeat, ttl)) - heartbeat / 2;
    const isUnknown = registration.is === "unknown";
    // And can have it known at once.
    if (isUnknown && projecting.isOurs && !this.#asked) this.renew();
    this.#asked = isUnknown;
    return registration;
  }

  /** Throws SHARDS_MISMATCH and RECORD_KEYS_MISMATCH, before anything is written. */
  async #open(): Promise<void> {
    const { context, projecting } = this.#own;
    const { prefix, shards, recordKeys } = context.options;
    this.#keys = await deriveRecordKeys(recordKeys, prefix);
    await projecting.prepare();
    await checkShards((command) => context.connection.port.call(command), prefix, shards, this.#keys.mac);
    this.#isOpen = true;
  }

  /** Throws SHARDS_MISMATCH and RECORD_KEYS_MISMATCH. The projector checks them too, but this process may never call it. */
  #checkTotals({ shards: found, mac }: Look): void {
    const { shards } = this.#own.context.options;
    if (found === null) return;
    if (found !== String(shards)) throw shardsMismatch(found, shards);
    if (!isAccepted(this.#keys.mac, mac)) throw recordKeysMismatch(this.#keys.mac, mac);
  }
}

function bytesOf(fields: readonly string[]): number {
  return fields.reduce((sum, field) => sum + Buffer.byteLength(field), 0);
}

/** Whether it contains anything a reader would see. */
function hasNews(record: RecordEntry): boolean {
  return (
    record.anonymous !== undefined ||
    record.connections !== undefined ||
    LISTS.some((name) => record[name] !== undefined) ||
    SCOPE_LISTS.some((name) => record[name] !== undefined)
  );
}
