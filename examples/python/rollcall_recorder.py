#!/usr/bin/env python3
"""A recorder for Rollcall in Python 3.11 and its standard library, written from docs/protocol.md.

It is driven by JSON lines (docs/conformance.md). With ROLLCALL_SCRIPT, the path of dist/project.lua, it also calls the
projector after its records, so that others see them at once; without, some other process has to.

    npx rollcall conformance -- python3 examples/python/rollcall_recorder.py
"""
import hashlib
import json
import os
import random
import secrets
import socket
import sys
import threading
import time
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
        packed = bytearray()
        for command in commands:
            packed += b"*%d\r\n" % len(command)
            for part in command:
                part = str(part).encode()
                packed += b"$%d\r\n%b\r\n" % (len(part), part)
        self.socket.sendall(packed)
        return [self.read() for _ in commands]

    def read(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("Redis closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            return ErrorReply(rest.decode(errors="replace"))
        if kind == b":":
            return int(rest)
        if int(rest) < 0:
            return None
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        text = self.file.read(int(rest) + 2)
        if len(text) < int(rest) + 2:
            raise ConnectionError("Redis closed the connection")
        return text[:-2].decode(errors="replace")

    def close(self):
        self.file.close()
        self.socket.close()


def shard_of(user, shards):
    code = 0x811C9DC5
    for byte in user.encode():
        code = ((code ^ byte) * 0x01000193) & 0xFFFFFFFF
    return code % shards


class Journal:
    """Which sockets are open in one shard, and what of that is in no record yet: a net count a user."""

    def __init__(self, options):
        self.options = options
        self.open, self.pending, self.gone = {}, {}, {}
        self.anonymous = 0
        self.replaces = []
        self.closing = None
        self.begin(restating=False)

    def begin(self, restating):
        # 64 random bits. A process that forks makes its recorder after the fork.
        self.process = f"{socket.gethostname()[:64]}.{secrets.token_hex(8)}"
        self.seq = self.recorded = self.anonymous_recorded = 0
        self.restating, self.replacing_seq, self.closing = restating, None, None

    def register_afresh(self):
        self.replaces = [*self.replaces, self.process][-REPLACES_MAX:]
        self.begin(restating=True)
        self.gone.clear()
        self.pending = {user: [count, None] for user, count in self.open.items()}

    def confirm(self, seq):
        """The projector has folded our records up to `seq`: what we replaced has ended."""
        if self.replacing_seq is not None and seq >= self.replacing_seq:
            self.replaces, self.replacing_seq = [], None

    def dirty(self):
        return bool(self.pending) or self.restating or self.seq == 0 or self.anonymous != self.anonymous_recorded

    def move(self, user, step, departure):
        if user is None:
            self.anonymous += step
            return
        count = self.open.get(user, 0) + step
        if count:
            self.open[user] = count
        else:
            self.open.pop(user, None)
        entry = self.pending.setdefault(user, [0, None])
        entry[0] += step
        entry[1] = departure or entry[1]
        self.gone.pop(user, None)
        if entry[0] != 0:
            return
        if count == 0 and (entry[1] == "leave" or self.options["grace"] > 0):
            # Came and went: named in both lists, since a goodbye ends a grace and a drop begins one. Bounded.
            self.gone[user] = True
            if len(self.gone) <= GONE_MAX:
                return
            user = next(iter(self.gone))
            del self.gone[user]
        del self.pending[user]

    def take(self, bye):
        """The next record as a flat list of names and values; one without lists is a heartbeat."""
        lists, size = {name: [] for name in LISTS}, dict.fromkeys(LISTS, 2)

        def add(user, *names):
            length = len(json.dumps(user, ensure_ascii=False).encode()) + 1
            if sum(map(len, lists.values())) + len(names) > OPERATIONS_MAX:
                return False
            if any(size[name] + length > LIST_BYTES_MAX for name in names):
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

        def take_closing():
            if self.closing is None:
                self.closing = [user for user, count in self.open.items() for _ in range(count)]
            while self.closing and add(self.closing[-1], "close"):
                self.closing.pop()

        take_pending()
        if bye and not self.pending:
            take_closing()
        complete = not self.pending
        last = bye and complete and not self.closing
        self.seq += 1
        self.recorded += len(lists["connect"]) - sum(len(lists[name]) for name in LISTS[1:])
        anonymous = 0 if last else self.anonymous
        options = self.options
        fields = ["process", self.process, "seq", self.seq, "ttl", options["ttl"]]
        if self.seq == 1:
            fields += ["hello", socket.gethostname(), "pid", os.getpid(), "version", "python", "protocol", 2]
            if options["grace"] > 0:
                fields += ["grace", options["grace"]]
        for name in LISTS:
            if lists[name]:
                fields += [name, json.dumps(lists[name], ensure_ascii=False, separators=(",", ":"))]
        if anonymous != self.anonymous_recorded:
            fields += ["anonymous", anonymous]
            self.anonymous_recorded = anonymous
        fields += ["sockets", self.recorded + anonymous]
        if last:
            fields += ["bye", ""]
        if complete and self.restating:
            self.restating, self.replacing_seq = False, self.seq
            if self.replaces:
                fields += ["replaces", json.dumps(self.replaces)]
        return fields, last


class Shard(threading.Thread):
    """Appends the records of one shard, one in flight at a time."""

    def __init__(self, recorder, index):
        super().__init__(daemon=True)
        options = recorder.options
        tag = f"{options['prefix']}:{index}" if options["shards"] > 1 else options["prefix"]
        self.recorder, self.keys = recorder, [f"{{{tag}}}:{name}" for name in KEYS]
        self.journal = Journal(options)
        self.redis = self.in_flight = self.last = None
        self.heartbeat_at = self.hold_until = 0.0
        self.call_at = float("inf")
        self.look = False
        self.finished = False

    def idle(self):
        return self.in_flight is None and not self.journal.dirty()

    def run(self):
        pause = 0.05
        while not self.finished:
            with self.recorder.changed:
                while not self.has_work():
                    wait = min(self.heartbeat_at, self.call_at) - time.monotonic()
                    self.recorder.changed.wait(max(0.0, wait))
            try:
                if self.redis is None:
                    self.redis = Redis(self.recorder.options["redis"], self.recorder.options["ttl"] / 1_000)
                self.turn()
                pause = 0.05
            except (OSError, ErrorReply) as error:
                # Unclear, or refused: the same record goes again, over a new connection, and a look at ourselves with it.
                print(f"{self.keys[0]}: {str(error)[:200]}", file=sys.stderr)
                if self.redis is not None:
                    self.redis.close()
                self.redis, self.look = None, True
                self.hold_until = time.monotonic() + HOLD_S
                time.sleep(pause * random.uniform(0.5, 1))
                pause = min(2 * pause, 1.0)

    def has_work(self):
        return not self.idle() or self.recorder.closing or min(self.heartbeat_at, self.call_at) <= time.monotonic()

    def turn(self):
        """One round trip: a record if there is something to say, a call of the projector, a look at our registration."""
        now = time.monotonic()
        with self.recorder.changed:
            if self.in_flight is None and (self.journal.dirty() or self.heartbeat_at <= now or self.recorder.closing):
                self.in_flight = self.journal.take(self.recorder.closing)
            record, looks = self.in_flight, self.look or self.heartbeat_at <= now
        commands = []
        if record is not None:
            commands.append(["XADD", self.keys[0], "MAXLEN", "~", 200_000, "*", *record[0]])
        if self.recorder.sha1:
            reap = 0 if now < self.hold_until else 1
            call = [len(self.keys), *self.keys, self.recorder.options["shards"], 1_000, reap, "", "", "group", ""]
            commands.append(["EVALSHA", self.recorder.sha1, *call])
        process = self.journal.process
        if record is not None and looks:
            totals, state = ["HMGET", self.keys[2], "folded", "shards"], ["HGET", self.keys[4], process]
            commands += [["MULTI"], totals, state, ["EXEC"]]
        replies = self.redis.pipeline(commands)
        if record is not None and isinstance(replies[0], ErrorReply):
            raise replies[0]
        if self.recorder.sha1:
            self.answered(replies[1 if record is not None else 0])
        with self.recorder.changed:
            if record is not None:
                self.in_flight, self.last = None, (record[0][3], replies[0])
                self.heartbeat_at = now + self.recorder.options["heartbeat"] / 1_000
                self.finished = record[1]
                if looks and not self.finished:
                    self.look = False
                    self.looked(replies[-1])
            self.recorder.changed.notify_all()

    def answered(self, reply):
        """When to call the projector next, by what it said."""
        if isinstance(reply, ErrorReply):
            if str(reply).startswith("NOSCRIPT"):
                self.redis.call("SCRIPT", "LOAD", self.recorder.script)
                self.call_at = 0.0
                return
            raise reply
        due = 0.0 if reply[3] == 1 else (reply[2] - reply[1]) / 1_000 if reply[2] >= 0 else float("inf")
        held = 0.1 if reply[13] > 0 else 0.0  # what has come and may not end yet
        self.call_at = time.monotonic() + max(due, held)

    def looked(self, reply):
        """Rule 3: are we known as we know ourselves?"""
        if isinstance(reply, ErrorReply) or reply is None:
            self.look = True
            return
        (folded, shards), state = reply
        if shards is not None and int(shards) != self.recorder.options["shards"]:
            say(error=f"the prefix was opened with {shards} shard(s)")
        parts = (state or "").split(" ")
        seq, appended = self.last
        known = int(parts[1]) if state else 0
        passed = folded is not None and place(folded) >= place(appended)
        if parts[0] in ("fenced", "ended") or (passed and known < seq):
            self.journal.register_afresh()
        elif state:
            self.journal.confirm(known)


def place(entry):
    ms, _, seq = entry.partition("-")
    return int(ms), int(seq)


class Recorder:
    def __init__(self, options):
        self.options, self.changed, self.closing = options, threading.Condition(), False
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

    def close(self):
        with self.changed:
            self.closing = True
            self.changed.notify_all()
        self.wait(lambda shard: shard.finished)


def say(**line):
    print(json.dumps(line), flush=True)


def main():
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
            recorder.close()
            say(closed=True)
            return


main()
