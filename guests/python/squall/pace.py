"""How large the chunks of a map are and how many are under way, learned from those that came back."""

import os
import statistics
from collections import deque

#: Where it is learned how many chunks are under way, they are never more.
MOST_AT_ONCE = 100
# A chunk is to be this many times longer than what it costs to send it.
WORTH = 20
# ... but leaves this many chunks for each of those that work, so that all end together;
# until they would be shorter than what it costs to send them.
TAIL = 8
GROWTH = 8
# Lambda takes 6 MB; a chunk of somewhat less is no slower.
MOST_BYTES = 4_000_000
# A chunk is sent a second time when it takes this many times what others took.
BACKUP_AFTER = 4.0
BACKUP_SAMPLES = 5
BACKUP_SECONDS = 0.25
# The last answers count, so that a change of the load is followed.
REMEMBERED = 64


class Pace:
    """For one job; used under its lock."""

    def __init__(self, count, chunksize, concurrency, local):
        cores = os.cpu_count() or 1
        self.chunksize = chunksize
        self.local = local
        self.most = concurrency or MOST_AT_ONCE
        self.width = min(concurrency or cores, count)
        self.last = 1
        #: The least that it took to send a chunk, in seconds.
        self.overhead = None
        self.each = deque(maxlen=REMEMBERED)
        self.round_trips = deque(maxlen=REMEMBERED)
        self.bytes_each = 0.0

    def size(self, left):
        if self.chunksize:
            return self.chunksize
        if self.overhead is None:
            return 1
        each = max(statistics.median(self.each), 1e-9)
        break_even = self.overhead / each
        tail = max(left / (TAIL * self.width), break_even)
        size = min(WORTH * break_even, GROWTH * self.last, tail)
        if self.bytes_each:
            size = min(size, MOST_BYTES / self.bytes_each)
        self.last = max(1, int(size))
        return self.last

    def learn(self, count, seconds, took, size):
        wall = min(took.get("wall", seconds), seconds)
        inside = min(wall + took.get("codec", 0.0), seconds)
        overhead = max(seconds - inside, 1e-4)
        self.overhead = overhead if self.overhead is None else min(self.overhead, overhead)
        self.each.append(inside / count)
        self.round_trips.append((count, seconds))
        self.bytes_each = max(self.bytes_each, size / count)
        # More at once help functions that wait, and elsewhere all that have processors of their own.
        waits = wall > 2 * took.get("cpu", wall)
        if self.width < self.most and (waits or not self.local):
            self.width += 1

    def usual(self, count):
        """The seconds after which a chunk of this many items is late; None while unknown."""
        if len(self.round_trips) < BACKUP_SAMPLES:
            return None
        each = statistics.median(seconds / items for items, seconds in self.round_trips)
        return max(BACKUP_SECONDS, BACKUP_AFTER * each * count)
