"""The story over HTTP, for bench/map.py: a CSV is PUT, features come back as CSV.

Squall's CSV service beside Flask with pandas, in one process and fanned out over HTTP,
beside a server that only takes the body, and beside MiniStack behind the story's threads.
"""

import contextlib
import os
import signal
import statistics
import subprocess
import time
from pathlib import Path

import requests

from map_contenders import Failed, python_of_peers
from peers import harness

FLASK = Path(__file__).resolve().parent / "map_flask.py"
# The story's call is with 5; the rest is what a user may choose.
CHUNKS = ("auto", 5, 100)
ANSWER = 120


class FlaskServer:
    def __init__(self, mode):
        self.mode = mode

    def __enter__(self):
        self.process = subprocess.Popen(
            [python_of_peers(), FLASK, self.mode],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=harness.clean_environment(),
            start_new_session=True,
            text=True,
        )
        line = self.process.stdout.readline()
        if not line.strip():
            raise Failed(f"it ended with {self.process.wait()}")
        self.url = f"http://127.0.0.1:{int(line)}/{self.mode}"
        return self

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()


def put(session, url, body, **options) -> tuple[float, bytes]:
    before = time.perf_counter()
    answer = session.put(url, data=body, params=options, headers={"Content-Type": "text/csv"}, timeout=ANSWER)
    seconds = time.perf_counter() - before
    if answer.status_code != 200:
        raise Failed(f"status {answer.status_code}: {answer.text[:200]}")
    return seconds, answer.content


def measure(ours, bodies: dict, turns: int, say) -> dict:
    """Seconds by contender and number of ids; contenders take turns."""
    names = {"upload": {}, "one": {}, "fan": {"chunksize": 100}, "fan, chunks of 5": {"chunksize": 5}}
    seen, failed = {}, {}
    with contextlib.ExitStack() as stack:
        session = stack.enter_context(requests.Session())
        calls = {}
        for chunk in CHUNKS:
            options = {"id_column": "id", "value_column": "value", "compression": "False", "invoke_lambda": "True"}
            if chunk != "auto":
                options["chunksize"] = chunk
            calls[f"squall, {chunk}"] = (ours.engine.gateway + "/", options)
        servers = {}
        for name, options in names.items():
            mode = name.partition(",")[0]
            try:
                server = servers.get(mode) or stack.enter_context(FlaskServer(mode))
                servers[mode] = server
                calls[name] = (server.url, options)
            except Failed as reason:
                failed[name] = str(reason)
        for count, body in bodies.items():
            answers = {}
            for turn in range(turns + 1):
                for name, (url, options) in calls.items():
                    if f"{name}, {count}" in failed or (name.startswith("fan") and turn > max(1, turns // 3)):
                        continue
                    try:
                        seconds, answers[name] = put(session, url, body, **options)
                    except (Failed, requests.RequestException) as reason:
                        failed[f"{name}, {count}"] = f"{type(reason).__name__}: {reason}"[:300]
                        continue
                    if turn:
                        seen.setdefault(name, {}).setdefault(count, []).append(seconds)
            check(answers)
            times = {name: median(seen.get(name, {}).get(count)) for name in calls}
            say(f"HTTP, {count:,} ids: " + ", ".join(f"{name} {1000 * spent:.0f} ms" for name, spent in times.items()))
    return {"seen": seen, "failed": failed}


def median(values) -> float:
    return statistics.median(values) if values else float("nan")


def check(answers: dict):
    """Every chunk size gives the same, and the others' sums are ours in all but the last digits."""
    ours = [answer for name, answer in answers.items() if name.startswith("squall")]
    if any(answer != ours[0] for answer in ours):
        raise Failed("Squall's answers differ with the chunk size")
    for name, answer in answers.items():
        if ours and name.partition(",")[0] in ("one", "fan"):
            pairs = zip(rows_of(ours[0]), rows_of(answer), strict=True)
            if any(a[0] != b[0] or abs(float(a[1]) - float(b[1])) > 1e-9 for a, b in pairs):
                raise Failed(f"the answer of {name} is another")


def rows_of(answer: bytes):
    return [line.split(",") for line in answer.decode().split()[1:]]
