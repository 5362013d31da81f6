"""`squall top`: what happens, in a terminal that is left as it was found."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import threading

import pyte
import pytest
import requests

import harness
from csv_service import csv_of
from harness import DEADLINE, eventually, unique
from http_apis import apis, echo, gateway  # noqa: F401 (fixtures)
from test_csv_service_jobs import COUNTED, Counter

#: Other tests call many routes of the same engine: all of them are to be seen.
TALL = 600
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Terminal:
    """A program in a terminal of its own, and what is seen there."""

    def __init__(self, engine, *words, columns=120, lines=40, **environment):
        self.leader, self.follower = pty.openpty()
        self.resize(columns, lines)
        self.before = termios.tcgetattr(self.follower)
        self.screen = pyte.Screen(columns, lines)
        self.stream = pyte.ByteStream(self.screen)
        self.sent = b""
        self.process = subprocess.Popen(
            [str(harness.binary()), *words],
            stdin=self.follower,
            stdout=self.follower,
            stderr=self.follower,
            env={**engine.client_environment(), "TERM": "xterm-256color", **environment},
            start_new_session=True,
        )
        self.lock, self.open = threading.Lock(), True
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        while self.open:
            ready, _, _ = select.select([self.leader], [], [], 0.2)
            if not ready:
                continue
            try:
                piece = os.read(self.leader, 65_536)
            except OSError:
                return
            with self.lock:
                self.sent += piece
                self.stream.feed(piece)

    def resize(self, columns, lines):
        fcntl.ioctl(self.leader, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def shown(self) -> str:
        with self.lock:
            return "\n".join(line.rstrip() for line in self.screen.display)

    def wait_for(self, *patterns) -> str:
        def there():
            shown = self.shown()
            return shown if all(re.search(pattern, shown) for pattern in patterns) else None

        return eventually(there, lambda: f"{patterns} on\n{self.shown()}")

    def press(self, key: bytes):
        os.write(self.leader, key)

    def ends(self) -> int:
        code = self.process.wait(DEADLINE)
        eventually(lambda: b"\x1b[?1049l" in self.sent or None, "the end of what was sent")
        return code

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.open = False
        self.reader.join()
        os.close(self.leader)
        os.close(self.follower)


@pytest.fixture
def terminals(engine):
    made = []

    def make(*words, **settings):
        made.append(Terminal(engine, "top", *words, **settings))
        return made[-1]

    yield make
    for terminal in made:
        terminal.close()


@pytest.fixture
def busy(apis, gateway, echo):
    """An API that was called: its path, and how the route is called."""
    api = apis()
    integration = api.integrate(echo)
    api.route("GET /looked-at/{id}", integration)
    api.route("GET /broken", api.integrate("arn:aws:lambda:us-east-1:000000000000:function:nobody"))
    for at in range(5):
        assert requests.get(f"{api.by_path}/looked-at/{at}").status_code == 201
    assert requests.get(f"{api.by_path}/broken").status_code == 500
    return api


def top(engine, *words):
    done = engine.cli("top", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_one_look(engine, busy, echo):
    shown = top(engine, "--once", "--over", "5m")
    assert "\x1b" not in shown, "nothing for a terminal"
    [route] = [line for line in shown.splitlines() if line.startswith("GET /looked-at/{id}") and busy.id in line]
    assert re.search(r"ROUTE +API +REQ/S +ERRORS +THROTTLED +REFUSED +P50 +P95 +P99", shown)
    assert re.search(r"\d(us|ms|s) ", route)
    [broken] = [line for line in shown.splitlines() if line.startswith("GET /broken") and busy.id in line]
    assert re.match(rf"GET /broken +{busy.id} +[\d.]+ +1 ", broken)
    function = echo.rsplit(":", 1)[1]
    assert re.search(rf"^{function} +[\d.]+ +0 ", shown, re.MULTILINE)

    page = json.loads(top(engine, "--once", "--json", "--over", "5m"))
    [route] = [route for route in page["routes"] if route["api"] == busy.id and "looked-at" in route["route"]]
    assert (route["count"], route["errors"]) == (5, 0)
    assert page["jobs"] == [] and page["requests"]["count"] >= 6


def test_a_line_each_second_for_programs(engine):
    command = [str(harness.binary()), "top", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=engine.client_environment(), text=True)
    lines = [json.loads(process.stdout.readline()) for _ in range(3)]
    assert all("requests" in line for line in lines)
    assert lines[0]["time"] < lines[1]["time"] < lines[2]["time"]
    process.stdout.close()
    # Nobody reads any more: it ends by itself.
    assert process.wait(DEADLINE) == 0


def test_it_is_live_and_leaves_the_terminal_as_it_was(engine, terminals, busy):
    terminal = terminals("--over", "5m", lines=TALL)
    terminal.wait_for(r"requests [\d.]+/s", r"GET /looked-at/\{id\}", "FUNCTION")
    assert terminal.sent.startswith(b"\x1b[?1049h\x1b[?25l"), "a screen of its own, no cursor"
    # Something new is seen without anybody asking.
    path = unique("new")
    busy.route(f"GET /{path}", busy.integrate("arn:aws:lambda:us-east-1:000000000000:function:nobody"))
    requests.get(f"{busy.by_path}/{path}")
    terminal.wait_for(rf"GET /{path}")
    # Once it was emptied, at its beginning; each frame is written over the one before.
    assert terminal.sent.count(b"\x1b[2J") == 1
    terminal.press(b"x")
    terminal.press(b"q")
    assert terminal.ends() == 0
    assert terminal.sent.endswith(b"\x1b[?25h\x1b[?1049l")
    assert termios.tcgetattr(terminal.follower) == terminal.before


@pytest.mark.parametrize("how", ["ctrl-c", "interrupt", "terminate"])
def test_however_it_ends_the_terminal_is_as_it_was(terminals, how):
    terminal = terminals()
    terminal.wait_for("requests")
    if how == "ctrl-c":
        terminal.press(b"\x03")
    else:
        terminal.process.send_signal(signal.SIGINT if how == "interrupt" else signal.SIGTERM)
    assert terminal.ends() == 0
    assert terminal.sent.endswith(b"\x1b[?25h\x1b[?1049l")
    assert termios.tcgetattr(terminal.follower) == terminal.before


def test_it_fits_any_screen_and_follows_its_size(terminals, busy):
    terminal = terminals("--over", "5m", columns=40, lines=10)
    terminal.wait_for("requests", "ROUTE")
    eventually(lambda: terminal.sent.count(b"\x1b[J") >= 2, "two frames")
    # No line was longer than the screen is wide, else it would have gone on below.
    frames = terminal.sent.decode().split("\x1b[J")[:-1]
    for frame in frames:
        lines = ESCAPES.sub("", frame).replace("\r", "").split("\n")
        assert len(lines) <= 10 and max(map(len, lines)) <= 40, frame
    with terminal.lock:
        terminal.screen.resize(30, 160)
    terminal.resize(160, 30)
    os.kill(terminal.process.pid, signal.SIGWINCH)
    terminal.wait_for(r"ROUTE .* OUT/S", r"FUNCTION .* P99")


def test_it_is_read_without_colours(terminals, busy):
    plain = terminals("--over", "5m", lines=TALL, NO_COLOR="1")
    coloured = terminals("--over", "5m", lines=TALL)
    for terminal in [plain, coloured]:
        terminal.wait_for("GET /broken", "errors [1-9]")
    assert b"\x1b[31m" in coloured.sent
    assert b"\x1b[31m" not in plain.sent and b"\x1b[2m" not in plain.sent
    same = [re.sub(r"[\d.]+", "", ESCAPES.sub("", terminal.shown().split("\n")[1])) for terminal in [plain, coloured]]
    assert same[0] == same[1]


def test_jobs_are_shown_with_how_far_they_are(engine, terminals, apis, functions):
    counter = Counter()
    try:
        api = apis()
        api.map(functions.make(COUNTED), "ANY /slow", "ANY /slow/{proxy+}", chunksize="1")
        counter.let_through = 10
        counter.free.clear()
        answer = requests.put(
            f"{api.by_path}/slow", data=csv_of(counter.table(40)), headers={"prefer": "respond-async"}
        )
        assert answer.status_code == 202
        terminal = terminals()
        terminal.wait_for(r"JOB +FUNCTION", answer.json()["job"], r"\[##+\.+\] +1\d +40 +0")
        counter.free.set()
        eventually(lambda: answer.json()["job"] not in terminal.shown(), lambda: terminal.shown())
    finally:
        counter.close()


def test_an_engine_that_goes_away_is_told_and_found_again(fresh_engine):
    engine = fresh_engine
    # It is known by its folder: where it listens may be another place each time.
    terminal = Terminal(engine, "top", "--data", str(engine.data))
    try:
        terminal.wait_for("requests")
        engine.kill()
        terminal.wait_for("does not answer")
        engine.start()
        eventually(lambda: "does not answer" not in terminal.shown(), terminal.shown)
        terminal.press(b"q")
        assert terminal.ends() == 0
    finally:
        terminal.close()


def test_without_an_engine_it_says_so(tmp_path):
    command = [str(harness.binary()), "top", "--data", str(tmp_path / "nothing")]
    done = subprocess.run(command, capture_output=True, text=True, env=harness.clean_environment(), timeout=DEADLINE)
    assert done.returncode != 0 and "\x1b" not in done.stdout + done.stderr
    odd = subprocess.run([*command, "--over", "1h"], capture_output=True, text=True, env=harness.clean_environment())
    assert odd.returncode == 2 and "at most 5m" in odd.stderr
