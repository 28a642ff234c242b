#!/usr/bin/env python3
"""A recorder for Rollcall in Python 3.11 and its standard library, written from docs/protocol.md.

JSON lines drive it (docs/conformance.md). With ROLLCALL_SCRIPT, the path of dist/project.lua, it calls the projector.
With ROLLCALL_RECORD_KEYS, or recordKeys in the first line, it signs its records."""
import binascii, hashlib, hmac, json, os, random, secrets, socket, sys, threading, time  # noqa: E401
from urllib.parse import unquote, urlsplit

OPERATIONS_MAX, LIST_BYTES_MAX, REPLACES_MAX, GONE_MAX = 1_000, 32_768, 16, 10_000
HOLD_S = 3.0  # after a lost connection nothing is reaped for so long: others lost it too
KEYS = "records users totals processes states about leaving changes rejected ended clock".split()
LISTS = ("connect", "disconnect", "leave", "close")


class ErrorReply(Exception):
    """Redis refused a command: it did nothing."""


class Redis:
    """One connection that speaks RESP2. Any OSError means that it is over and that what it sent has an unclear fate."""

    def __init__(self, url, timeout):
        at = urlsplit(url)
        self.socket = socket.create_connection((at.hostname, at.port or 6379), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")
        if at.password:
            self.call("AUTH", unquote(at.username or "") or "default", unquote(at.password))
        if len(at.path) > 1:
            self.call("SELECT", at.path[1:])

    def call(self, *command):
        (reply,) = self.pipeline([command])
        if isinstance(reply, ErrorReply):
            raise reply
        return reply

    def pipeline(self, commands):
        packed = [[str(part).encode() for part in command] for command in commands]
        for parts in packed:
            parts[:] = [b"*%d\r\n" % len(parts), *(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)]
        self.socket.sendall(b"".join(b"".join(parts) for parts in packed))
        return [self.read() for _ in commands]

    def read(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("Redis closed the connection")
        kind, rest = line[:1], line[1:-2].decode(errors="replace")
        if kind == b"-":
            return ErrorReply(rest)
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        if kind != b"$" or rest == "-1":
            return int(rest) if kind == b":" else rest if kind == b"+" else None
        text = self.file.read(int(rest) + 2)
        if len(text) < int(rest) + 2:
            raise ConnectionError("Redis closed the connection")
        return text[:-2].decode(errors="replace")


def shard_of(user, shards):
    code = 0x811C9DC5
    for byte in user.encode():
        code = ((code ^ byte) * 0x01000193) & 0xFFFFFFFF
    return code % shards


def tag_of(prefix, index, shards):
    def stretch(tag):
        return binascii.crc_hqx(tag.encode(), 0) % 16384 * shards // 16384

    if index == 0:
        return prefix
    wanted = (stretch(prefix) + index) % shards
    return next(tag for k in range(300_000) if stretch(tag := f"{prefix}:{index}.{k}") == wanted)


class Keys:
    """Signed records: the first key signs, the script accepts all; "unsigned" among them accepts records without a mac."""

    def __init__(self, keys, prefix):
        def derive(purpose, key):
            return hmac.new(key.encode(), f"rollcall {purpose} {prefix}".encode(), hashlib.sha256).hexdigest()

        letters = str.maketrans("0123456789abcdef", "abcdefghijklmnop")
        derived = {key: derive("record", key).translate(letters) for key in keys if key != "unsigned"}
        self.signing = derived.get(keys[0]) if keys else None
        self.mac = " ".join(derive("fingerprint", key)[:16] if key in derived else key for key in keys)
        pads = [bytes(byte ^ pad for byte in key.encode()).decode() for key in derived.values() for pad in (0x36, 0x5C)]
        self.arguments = ["", self.mac, *pads] if keys else []

    def signed(self, fields, log):
        if self.signing is None: return fields
        text = "\n".join(map(str, [len(fields), log, *fields]))
        return [*fields, "mac", hmac.new(self.signing.encode(), text.encode(), hashlib.sha1).hexdigest()]


class Journal:
    """Which sockets are open in one shard, and what of that is in no record yet: a net count a user."""

    def __init__(self, options):
        self.options = options
        self.open, self.pending, self.gone = {}, {}, {}
        self.anonymous = 0
        self.replaces = []
        self.begin(restating=False)

    def begin(self, restating):
        # 64 random bits. A process that forks makes its recorder after the fork.
        self.process = f"{socket.gethostname()[:64]}.{secrets.token_hex(8)}"
        self.seq = self.recorded = self.anonymous_recorded = 0
        self.restating, self.replacing_seq, self.closing = restating, 0, False

    def register_afresh(self):
        self.replaces = [*self.replaces, self.process][-REPLACES_MAX:]
        self.begin(restating=True)
        self.pending = {user: self.pending[user] for user in self.gone}
        self.pending |= {user: [count, None] for user, count in self.open.items()}

    def dirty(self):
        return bool(self.pending) or self.restating or self.seq == 0 or self.anonymous != self.anonymous_recorded

    def move(self, user, step, departure):
        if user is None:
            self.anonymous += step
            return
        count = self.open[user] = self.open.get(user, 0) + step
        if count == 0:
            del self.open[user]
        entry = self.pending.setdefault(user, [0, None])
        entry[:] = entry[0] + step, departure or entry[1]
        self.gone.pop(user, None)
        if entry[0] != 0:
            return
        if count == 0:
            # Came and went: named in both lists, since the connect ends a grace of elsewhere and a drop may begin one. Bounded.
            self.gone[user] = True
            if len(self.gone) <= GONE_MAX:
                return
            del self.gone[(user := next(iter(self.gone)))]
        del self.pending[user]

    def take(self, bye):
        """The next record as a flat list of names and values; one without lists is a heartbeat."""
        lists, size = {name: [] for name in LISTS}, dict.fromkeys(LISTS, 2)

        def add(user, *names):
            length = len(json.dumps(user, ensure_ascii=False).encode()) + 1
            full = sum(map(len, lists.values())) + len(names) > OPERATIONS_MAX
            if full or any(size[name] + length > LIST_BYTES_MAX for name in names):
                return False
            for name in names:
                lists[name].append(user)
                size[name] += length
            return True

        def take_pending():
            for user, entry in list(self.pending.items()):
                if entry[0] == 0 and not add(user, "connect", entry[1]):
                    return
                while entry[0] != 0:
                    if not add(user, "connect" if entry[0] > 0 else entry[1]):
                        return
                    entry[0] -= 1 if entry[0] > 0 else -1
                del self.pending[user]
                self.gone.pop(user, None)

        take_pending()
        if bye and not self.pending and not self.closing:
            self.closing = True
            self.pending = {user: [-count, "close"] for user, count in self.open.items()}
            take_pending()
        last = bye and not self.pending
        self.seq += 1
        self.recorded += len(lists["connect"]) - sum(len(lists[name]) for name in LISTS[1:])
        anonymous = 0 if last else self.anonymous
        fields = ["process", self.process, "seq", self.seq, "ttl", self.options["ttl"]]
        if self.seq == 1:
            fields += ["hello", socket.gethostname(), "pid", os.getpid(), "version", "python", "protocol", 2]
            fields += ["grace", self.options["grace"]] if self.options["grace"] > 0 else []
        for name in LISTS:
            if lists[name]:
                fields += [name, json.dumps(lists[name], ensure_ascii=False, separators=(",", ":"))]
        if anonymous != self.anonymous_recorded:
            fields += ["anonymous", anonymous]
            self.anonymous_recorded = anonymous
        fields += ["sockets", self.recorded + anonymous]
        if last:
            fields += ["bye", ""]
        if not self.pending and self.restating:
            self.restating, self.replacing_seq = False, self.seq
            if self.replaces:
                fields += ["replaces", json.dumps(self.replaces)]
        return fields, last


class Shard(threading.Thread):
    """Appends the records of one shard, one in flight at a time."""

    def __init__(self, recorder, index):
        super().__init__(daemon=True)
        tag = tag_of(recorder.options["prefix"], index, recorder.options["shards"])
        self.recorder, self.keys = recorder, [f"{{{tag}}}:{name}" for name in KEYS]
        self.journal = Journal(recorder.options)
        self.redis = self.in_flight = self.last = self.kept = None
        self.heartbeat_at, self.call_at, self.hold_until = 0.0, float("inf"), 0.0
        self.opened = self.look = self.finished = False

    def signed(self, fields):
        return self.recorder.keys.signed(fields, self.keys[0])

    def idle(self):
        return self.in_flight is None and not self.journal.dirty()

    def run(self):
        while not self.finished:
            with self.recorder.changed:
                wait = min(self.heartbeat_at, self.call_at) - time.monotonic()
                self.recorder.changed.wait_for(lambda: not self.idle() or self.recorder.closing, max(0.0, wait))
            try:
                if self.redis is None:
                    self.redis = Redis(self.recorder.options["redis"], self.recorder.options["ttl"] / 1_000)
                    if self.recorder.sha1:
                        self.redis.call("SCRIPT", "LOAD", self.recorder.script)
                if not self.opened:
                    # Before anything is written. Shard 0 has the same keys whatever the number of shards.
                    totals = f"{{{self.recorder.options['prefix']}}}:totals"
                    self.check_shards(self.redis.call("HMGET", totals, "shards")[0])
                    self.opened = True
                self.turn()
            except (OSError, ErrorReply) as error:
                # Unclear, or refused: the same record goes again, over a new connection, and a look at ourselves with it.
                print(f"{self.keys[0]}: {str(error)[:200]}", file=sys.stderr)
                self.redis, self.look = None, True
                self.hold_until = time.monotonic() + HOLD_S
                time.sleep(random.uniform(0.05, 0.3))

    def turn(self):
        """One round trip: a record if there is something to say, a call of the projector, a look at our registration."""
        now = time.monotonic()
        with self.recorder.changed:
            if self.in_flight is None and (self.journal.dirty() or self.heartbeat_at <= now or self.recorder.closing):
                self.in_flight = self.journal.take(self.recorder.closing)
            record, looks = self.in_flight, self.look or self.heartbeat_at <= now
        commands = [["XADD", self.keys[0], "MAXLEN", "~", 200_000, "*", *self.signed(record[0])]] if record else []
        if self.recorder.sha1:
            reap = 0 if now < self.hold_until else 1
            call = [len(self.keys), *self.keys, self.recorder.options["shards"], 1_000, reap, "", "", "group", "", ""]
            call += self.recorder.keys.arguments
            commands.append(["EVALSHA", self.recorder.sha1, *call])
        if record and looks:
            totals, state = ["HMGET", self.keys[2], "folded", "shards", "mac"], ["HGET", self.keys[4], self.journal.process]
            commands += [["MULTI"], totals, state, ["EXEC"]]
        replies = self.redis.pipeline(commands)
        if record and isinstance(replies[0], ErrorReply):
            raise replies[0]
        if self.recorder.sha1:
            self.answered(replies[1 if record else 0])
        if record:
            with self.recorder.changed:
                self.in_flight, self.last, self.finished = None, (record[0][3], replies[0]), record[1]
                self.heartbeat_at = now + self.recorder.options["heartbeat"] / 1_000
                if looks and not self.finished:
                    self.looked(replies[-1])
                self.recorder.changed.notify_all()

    def check_shards(self, found):
        if found is not None and int(found) != self.recorder.options["shards"]:
            say(error=f"the prefix was opened with {found} shard(s)")
            sys.exit()  # ends this thread: what is not the same number writes nothing

    def answered(self, reply):
        """When to call the projector next, by what it said."""
        if isinstance(reply, ErrorReply):
            raise reply
        _, now, due, more, *_ = reply
        wait = 0.0 if more else max((due - now) / 1_000, 0.1 if reply[13] > 0 else 0.005)  # held: not in a hurry
        self.call_at = time.monotonic() + wait if more or due >= 0 else float("inf")

    def looked(self, reply):
        """Rule 3: are we known as we know ourselves?"""
        self.look = isinstance(reply, ErrorReply) or not reply
        if self.look: return
        (folded, shards, mac), state = reply
        signs = (self.recorder.keys.mac or "unsigned").split(" ")[0]
        if shards is not None and mac not in (None, "") and signs not in mac.split(" "):
            say(error="records of this prefix are signed with other keys")
        self.check_shards(shards)
        parts = (state or "").split(" ")
        # Our last record is seldom folded yet when a look goes along with it: an earlier one is kept until it is.
        seq, appended = self.kept = self.kept or self.last
        known = int(parts[1]) if state else 0
        passed = folded is not None and [*map(int, folded.split("-"))] >= [*map(int, appended.split("-"))]
        over = parts[0] in ("fenced", "ended") or (passed and known < seq)
        self.kept = None if passed or over else self.kept
        if over:
            self.journal.register_afresh()
        elif state and not self.journal.restating and known >= self.journal.replacing_seq:
            self.journal.replaces = []  # folded up to there: what we replaced has ended


class Recorder:
    def __init__(self, options):
        self.options, self.changed, self.closing = options, threading.Condition(), False
        keys = options.get("recordKeys") or os.environ.get("ROLLCALL_RECORD_KEYS", "").split(",")
        self.keys = Keys([key.strip() for key in keys if key.strip()], options["prefix"])
        path = os.environ.get("ROLLCALL_SCRIPT")
        self.script = open(path, encoding="utf-8", newline="").read() if path else None
        self.sha1 = hashlib.sha1(self.script.encode()).hexdigest() if self.script else None
        self.sockets = {}
        self.shards = [Shard(self, index) for index in range(options["shards"])]
        for shard in self.shards:
            shard.start()

    def move(self, user, step, departure=None):
        shard = self.shards[0 if user is None else shard_of(user, len(self.shards))]
        with self.changed:
            shard.journal.move(user, step, departure)
            self.changed.notify_all()

    def wait(self, condition):
        with self.changed:
            self.changed.wait_for(lambda: all(condition(shard) for shard in self.shards))


def say(**line):
    sys.stdout.write(json.dumps(line) + "\n")  # in one piece: every shard is a thread
    sys.stdout.flush()


recorder = None
for text in sys.stdin:
    line = json.loads(text)
    if "open" in line:
        recorder = Recorder(line["open"])
        say(ready={"projects": recorder.sha1 is not None})
    elif "connect" in line:
        recorder.sockets[line["socket"]] = line["connect"]
        recorder.move(line["connect"], 1)
    elif "disconnect" in line:
        recorder.move(recorder.sockets.pop(line["disconnect"]), -1, line["how"])
    elif "sync" in line:
        recorder.wait(Shard.idle)
        say(synced=line["sync"])
    elif "close" in line:
        recorder.closing = True
        recorder.move(None, 0)  # wakes them
        recorder.wait(lambda shard: shard.finished)
        say(closed=True)
