"""What commands and process trees take: time, processor, memory."""

import contextlib
import json
import re
import subprocess
import sys
import threading
from pathlib import Path

from peers import harness

# A process counts as its own peak what its parent had when it began; so a small one
# stands between this one, which holds data, and what is measured.
LAUNCHER = """
import os, sys, time
started = time.monotonic()
process = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(process, 0)
seconds = time.monotonic() - started
cpu, memory = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
print(f'{{"seconds": {seconds}, "cpu": {cpu}, "memory": {memory}}}')
sys.exit(os.waitstatus_to_exitcode(status))
"""


class CommandFailed(Exception):
    """It ended with something else than 0; its errors are the text."""


def spend(command, environment=None, deadline=600) -> dict:
    """Seconds on the clock and of the processors, and the most memory (MB) that was in use."""
    launcher = [sys.executable, "-I", "-S", "-c", LAUNCHER]
    done = subprocess.run(
        [*launcher, *map(str, command)], capture_output=True, text=True, env=environment, timeout=deadline
    )
    if done.returncode:
        raise CommandFailed(f"{Path(command[0]).name} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    return json.loads(done.stdout.splitlines()[-1])


def memory_of(pids) -> float:
    """The proportional share of memory of processes, in MB: what is shared counts once."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError, TypeError):
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += int(re.search(r"^Pss:\s+(\d+)", text, re.M)[1])
    return total / 1024


class PeakMemory:
    """Looks at trees of processes while it is open. It disturbs what it watches: nothing
    is timed meanwhile."""

    EVERY = 0.03

    def __init__(self, roots):
        self.roots = roots
        self.peak = 0.0
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()

    def watch(self):
        while True:
            pids = set()
            for root in self.roots():
                pids |= {root} | harness.descendants(root)
            self.peak = max(self.peak, memory_of(pids))
            if self.done.wait(self.EVERY):
                return
