"""A map under way: what is to be done, what is out, and what came of it.

Threads take chunks from one `Job`, which decides under its lock what is sent next; so
nothing waits for anything but answers.
"""

import random
import threading
import time
from collections import deque

from .client import Errored, InvokeError, TryAgain
from .failures import ItemError
from .pace import MOST_BYTES, Pace
from .sending import understood

# Waits before another try, in seconds; each is a random part of at most twice the last.
FIRST_WAIT, LONGEST_WAIT = 0.05, 5.0
# How often a chunk is refused while no other chunk is answered, before the job ends.
MOST_REFUSALS = 12


def wait_before(attempt):
    return random.uniform(0, min(LONGEST_WAIT, FIRST_WAIT * 2**attempt))


def cannot_start(function, answer):
    return InvokeError("%s cannot be started: %s: %s" % (function, answer.kind, answer.message))


class Task:
    """A chunk: items that are sent together, by their places."""

    __slots__ = ("places", "started", "copies", "settled")

    def __init__(self, places):
        self.places = places
        self.started = 0.0
        #: How often it is under way just now.
        self.copies = 0
        self.settled = False


class Patience:
    """How long a thread waits after chunks that were refused, one after the other."""

    def __init__(self):
        self.since = 0.0
        self.refusals = 0
        #: Of these, while nothing else of the job went on.
        self.alone = 0
        self.answers = None

    def refused(self, answers, others):
        """Whether to go on."""
        self.refusals += 1
        going_on = others or answers != self.answers
        self.alone = 1 if going_on else self.alone + 1
        self.answers = answers
        return self.alone < MOST_REFUSALS

    def seconds(self):
        return wait_before(self.refusals)


class Job:
    """What is to be done, what is under way, and what came of it."""

    def __init__(self, target, source, chunksize, concurrency, retries, on_error, backups):
        self.target, self.source = target, source
        self.retries, self.on_error, self.backups = retries, on_error, backups
        self.pace = Pace(source.count, chunksize, concurrency, target.client.local)
        self.changed = threading.Condition()
        self.again = deque()
        self.cursor = 0
        self.flying = set()
        self.results = [None] * source.count
        self.attempts = {}
        self.failed = {}
        self.answers = 0
        self.left = source.count
        self.stopped = False
        self.over = False
        self.error = None
        self.threads = []
        self.idle = 0

    def run(self):
        """Returns when every item has its result, or none is to come."""
        with self.changed:
            try:
                self.hire()
                self.changed.wait_for(lambda: self.over)
            finally:
                self.over = True
                self.changed.notify_all()
        # Only those are left that wait for what nobody needs any more.
        self.target.client.close()
        for thread in self.threads:
            thread.join()

    def hire(self):
        """As many threads as chunks may be under way, while there is work for them."""
        fresh = self.source.count - self.cursor
        work = len(self.flying) + len(self.again) + fresh
        most = min(self.pace.width, work)
        while len(self.threads) < most and not self.idle and not self.over:
            # They must not hold up the end of a process that was interrupted.
            thread = threading.Thread(target=self.work, name="squall-map", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                if not self.threads:
                    raise
                # There are limits to threads; those that run will do it.
                self.pace.most = self.pace.width = len(self.threads)
                return
            self.threads.append(thread)

    def work(self):
        try:
            patience = Patience()
            while task := self.take():
                patience.since = task.started
                reason = self.send(task)
                if reason is None:
                    patience = Patience()
                elif not self.over:
                    self.rest(patience, reason)
        except BaseException as error:
            with self.changed:
                self.error = self.error or error
                self.end()
        finally:
            self.target.client.drop()

    # What is sent next

    def take(self):
        """The next chunk; None when there will be none."""
        with self.changed:
            while not self.over:
                task = self.next_task()
                if task:
                    if not task.copies:
                        task.started = time.monotonic()
                    task.copies += 1
                    self.flying.add(task)
                    return task
                if not self.flying:
                    self.end()
                    break
                self.idle += 1
                self.changed.wait(self.next_backup())
                self.idle -= 1
        return None

    def next_task(self):
        if self.stopped:
            return None
        if self.again:
            return self.again.popleft()
        if self.cursor < self.source.count:
            size = self.pace.size(self.source.count - self.cursor)
            first, self.cursor = self.cursor, min(self.cursor + size, self.source.count)
            return Task(range(first, self.cursor))
        return self.straggler()

    def straggler(self):
        """A chunk that takes so long that it is sent a second time."""
        now = time.monotonic()
        late = [task for task in self.flying if task.copies == 1 and self.due(task) <= now]
        return min(late, key=self.due, default=None)

    def due(self, task):
        """When a second copy of this is sent."""
        usual = self.pace.usual(len(task.places)) if self.backups else None
        return float("inf") if usual is None else task.started + usual

    def next_backup(self):
        """Seconds until a straggler must be looked for; None if an answer must come first."""
        due = min((self.due(task) for task in self.flying if task.copies == 1), default=float("inf"))
        return None if due == float("inf") or self.stopped else max(0.0, due - time.monotonic())

    # One chunk

    def send(self, task):
        """Sends a chunk; what was said if it was refused."""
        event = self.source.encode(task.places)
        if len(event) > MOST_BYTES and len(task.places) > 1:
            with self.changed:
                self.pace.bytes_each = len(event) / len(task.places)
                if self.settle(task):
                    self.put_back(*halves(task.places))
                    self.advance()
            return None
        before = time.monotonic()
        answer = self.target.invoke(event)
        seconds = time.monotonic() - before
        with self.changed:
            if isinstance(answer, TryAgain):
                return self.refused(task, answer)
            if self.settle(task):
                self.answers += 1
                self.understand(task, answer, seconds, len(event))
                self.advance()
        return None

    def settle(self, task):
        """Whether this is the first to come back of a chunk's copies."""
        task.copies -= 1
        if task.settled:
            return False
        task.settled = True
        self.flying.discard(task)
        return True

    def refused(self, task, answer):
        """Others may have it at once; this thread waits before it takes another."""
        task.copies -= 1
        if task.copies or task.settled:
            # The other copy will do.
            return None
        self.flying.discard(task)
        self.again.appendleft(task)
        self.advance()
        return answer.reason

    def rest(self, patience, reason):
        """So fewer chunks are under way where too many were."""
        with self.changed:
            # One that has been out for longer runs: it will make room.
            others = any(task.started < patience.since for task in self.flying)
            if not patience.refused(self.answers, others):
                raise InvokeError("%s is not answering: %s" % (self.target.function, reason))
            self.changed.wait_for(lambda: self.over, patience.seconds())

    # What came of it

    def understand(self, task, answer, seconds, size):
        if isinstance(answer, Errored):
            self.chunk_failed(task, answer)
            return
        results, errors, took = understood(answer.value, len(task.places))
        self.pace.learn(len(task.places), seconds, took, size)
        again = []
        for number, place in enumerate(task.places):
            error = errors.get(number)
            if error is None:
                self.results[place] = results[number]
                self.left -= 1
                continue
            self.attempts[place] = self.attempts.get(place, 0) + 1
            if self.attempts[place] <= self.retries:
                again.append(place)
            else:
                self.fail(place, *error)
        self.put_back(again)

    def chunk_failed(self, task, answer):
        """The whole chunk failed; one of its items is to blame, and is looked for."""
        if answer.ends_all:
            raise cannot_start(self.target.function, answer)
        if len(task.places) > 1:
            self.put_back(*halves(task.places))
            return
        (place,) = task.places
        self.attempts[place] = self.attempts.get(place, 0) + 1
        if self.attempts[place] <= self.retries and not answer.died:
            self.put_back([place])
        else:
            self.fail(place, answer.kind, answer.message, answer.stack)

    def put_back(self, *parts):
        self.again.extend(Task(part) for part in parts if part)

    def fail(self, place, kind, message, stack):
        attempts = self.attempts.get(place, 1)
        failure = ItemError(self.source.label(place), kind, message, stack, attempts)
        self.failed[place] = self.results[place] = failure
        self.left -= 1
        self.stopped = self.stopped or self.on_error == "stop"

    def failures(self):
        return [self.failed[place] for place in sorted(self.failed)]

    def advance(self):
        if not self.left or (self.stopped and not self.flying):
            self.end()
            return
        self.hire()
        if self.idle:
            self.changed.notify_all()

    def end(self):
        self.over = True
        self.changed.notify_all()


def halves(places):
    middle = len(places) // 2
    return places[:middle], places[middle:]
