"""Jobs of `squall map`: nothing that is finished is done twice, nothing is lost, whoever is
killed in the middle; and one can see and change what becomes of a job from elsewhere."""

import collections
import contextlib
import json
import resource
import signal
import socketserver
import subprocess
import threading
import uuid

import pandas as pd
import pytest

import harness
from conftest import Functions
from map_cli import Map

OPTIONS = ["--by", "id", "--value", "value", "--item", "list", "--payload", "json", "--backup-after", "off"]

# Says which item it runs, and waits for the answer.
COUNTED = """
import os, socket

link = None


def handler(values: list):
    global link
    if link is None:
        link = socket.create_connection(("127.0.0.1", int(os.environ["COUNTER"])))
    link.sendall(b"%d\\n" % values[0])
    link.recv(1)
    TALK
    if values[0] in BAD:
        raise ValueError(f"no {values[0]} please")
    return sum(values) RESULT
"""


class Counter:
    """Hears of each item that a function runs, before it runs. So a test knows what ran, how
    often, and can hold all functions in the middle of a job."""

    def __enter__(self):
        self.ran = collections.Counter()
        self.change = threading.Condition()
        self.most = None
        counter = self

        class Heard(socketserver.StreamRequestHandler):
            def handle(self):
                # A function that was killed in the middle of a word.
                with contextlib.suppress(OSError, ValueError):
                    for line in self.rfile:
                        counter.hear(int(line))
                        self.wfile.write(b".")

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 1024

        self.server = Server(("127.0.0.1", 0), Heard)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.release()
        self.server.shutdown()
        self.server.server_close()

    def hear(self, item):
        with self.change:
            self.ran[item] += 1
            self.change.notify_all()
            self.change.wait_for(lambda: self.most is None or self.ran.total() <= self.most)

    def hold_after(self, count):
        """Items beyond so many wait until `release`."""
        with self.change:
            self.most = count

    def wait_for_hold(self):
        with self.change:
            held = self.change.wait_for(lambda: self.ran.total() > self.most, harness.DEADLINE)
        assert held, f"only {self.ran.total()} items ran"

    def release(self):
        with self.change:
            self.most = None
            self.change.notify_all()

    def start_again(self) -> collections.Counter:
        """What ran so far; from here on it is counted anew."""
        with self.change:
            ran, self.ran = self.ran, collections.Counter()
        return ran


@pytest.fixture
def counter():
    with Counter() as counter:
        yield counter


class Jobs(Map):
    """A folder with a table, and the commands about jobs."""

    def start(self, *arguments, **more) -> subprocess.Popen:
        return subprocess.Popen(
            self.command(*arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=harness.clean_environment(),
            **more,
        )

    def squall(self, *arguments, stdin="") -> subprocess.CompletedProcess:
        command = [str(harness.binary()), *map(str, arguments), "--data", str(self.engine.data)]
        return subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=harness.DEADLINE,
            env=harness.clean_environment(),
        )

    def jobs(self, function) -> list[dict]:
        """Those of a function, the latest first."""
        told = self.squall("jobs", "-n", 1000, "--json")
        assert told.returncode == 0, told.stderr
        return [job for job in json.loads(told.stdout) if job["function"] == function]

    def job(self, function) -> dict:
        return self.jobs(function)[0]

    def show(self, job) -> dict:
        told = self.squall("jobs", "show", job, "--json")
        assert told.returncode == 0, told.stderr
        return json.loads(told.stdout)

    def idle(self) -> bool:
        """Whether no function runs."""
        instances = json.loads(self.squall("ps", "--json").stdout)["instances"]
        return all(instance["state"] == "idle" for instance in instances)

    def well(self, *arguments) -> dict:
        """What a map says of a job that goes well."""
        done = self.call(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def jobs(engine, tmp_path):
    return Jobs(engine, tmp_path)


def source(bad=(), result="", talk="pass") -> str:
    return COUNTED.replace("BAD", repr(tuple(bad))).replace("RESULT", result).replace("TALK", talk)


def counted(functions, counter, **how) -> str:
    # Results are known by code and environment: a port that the system gives out twice would
    # make two tests share them.
    variables = {"Variables": {"COUNTER": str(counter.port), "TEST": uuid.uuid4().hex}}
    return functions.make(source(**how), Environment=variables)


def table(count, first=0) -> pd.DataFrame:
    ids = [n for n in range(first, first + count) for _ in (0, 1)]
    return pd.DataFrame({"id": ids, "value": [n if at % 2 == 0 else 0.5 for at, n in enumerate(ids)]})


def sums(frame: pd.DataFrame) -> str:
    return frame.groupby("id")["value"].sum().to_csv()


# Killed in the middle


@pytest.mark.parametrize("killed", ["command", "engine", "both"])
def test_a_job_that_was_killed_goes_on_where_it_was(fresh_engine, tmp_path, counter, killed):
    jobs = Jobs(fresh_engine, tmp_path)
    name = counted(Functions(fresh_engine.client("lambda")), counter)
    count = 10_000
    frame = table(count)
    data, out = jobs.file(frame), tmp_path / "out.csv"

    counter.hold_after(count // 2)
    running = jobs.start(name, data, *OPTIONS, "-o", out, "--concurrency", "2")
    counter.wait_for_hold()
    noted = harness.eventually(lambda: jobs.job(name)["progress"]["done"], "a job under way")
    assert jobs.job(name)["state"] == "running"
    if killed != "engine":
        running.kill()
    if killed != "command":
        fresh_engine.kill()
    counter.release()
    _, said = running.communicate(timeout=harness.DEADLINE)
    job = jobs.job(name)
    if killed == "engine":
        assert running.returncode == 3, said
        assert f"squall map --resume {job['id']}" in said
        assert job["state"] == "failed"
    else:
        assert job["state"] == "interrupted"
    assert not out.exists()
    if killed == "command":
        harness.eventually(jobs.idle, "the end of what the killed one had begun")
    else:
        fresh_engine.start()

    before = counter.start_again()
    report = jobs.well("--resume", job["id"])
    after = counter.start_again()
    assert out.read_text() == sums(frame)
    known = report["known"]
    assert (report["items"], report["done"]) == (count, count)
    # All that the book told of is there, and was not run again.
    assert noted <= known <= len(before) < count
    assert len(after) == count - known and set(after.values()) == {1}
    assert set(before) | set(after) == set(range(count))
    assert len(before.keys() & after.keys()) == len(before) - known
    assert jobs.show(job["id"])["state"] == "complete"

    report = jobs.well(name, data, *OPTIONS, "-o", out)
    assert (report["known"], report["invocations"]) == (count, 0)
    assert counter.start_again() == {} and out.read_text() == sums(frame)


# By content


def test_only_what_is_new_is_run_when_rows_are_added(jobs, functions, counter, tmp_path):
    name = counted(functions, counter)
    out = tmp_path / "out.csv"
    frame = table(300)
    report = jobs.well(name, jobs.file(frame), *OPTIONS, "-o", out)
    assert (report["known"], counter.start_again().total()) == (0, 300)

    # New ids before and behind, and one that has a row more.
    more = pd.concat([frame, table(20, first=300), table(10, first=-10), table(1, first=7).head(1)])
    more = more.sample(frac=1, random_state=1).sort_values("id", kind="stable")
    changed = more.groupby("id")["value"].apply(list)
    before = frame.groupby("id")["value"].apply(list)
    new = [key for key in changed.index if key not in before.index or changed[key] != before[key]]
    assert 31 <= len(new) < len(changed)
    report = jobs.well(name, jobs.file(more), *OPTIONS, "-o", out)
    assert counter.start_again().total() == len(new)
    assert (report["items"], report["known"]) == (330, 330 - len(new))
    assert out.read_text() == sums(more)

    report = jobs.well(name, jobs.file(more), *OPTIONS, "-o", out, "--fresh")
    assert (report["known"], counter.start_again().total()) == (0, 330)
    assert out.read_text() == sums(more)


def test_results_belong_to_the_code_that_made_them(jobs, functions, awslambda, counter):
    name = counted(functions, counter)
    data = jobs.file(table(20))
    one = [*OPTIONS, "-o", data.parent / "out.csv"]
    assert jobs.well(name, data, *one)["known"] == 0
    assert jobs.well(name, data, *one)["known"] == 20
    # Not on how much memory it has, but on its settings and its code.
    awslambda.update_function_configuration(FunctionName=name, MemorySize=256)
    assert jobs.well(name, data, *one)["known"] == 20
    variables = {"COUNTER": str(counter.port), "MORE": "1"}
    awslambda.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
    assert jobs.well(name, data, *one)["known"] == 0
    awslambda.update_function_code(FunctionName=name, ZipFile=harness.zip_of(source(result="+ 1")))
    assert jobs.well(name, data, *one)["known"] == 0
    # How it travels makes no difference.
    assert jobs.well(name, data, *one, "--chunksize", "3")["known"] == 20
    assert jobs.well(name, data, *one, "--no-journal")["known"] == 0


def test_data_from_stdin_goes_on_from_stdin(jobs, functions, counter, tmp_path):
    name = counted(functions, counter, bad=[5])
    csv = table(9).to_csv(index=False)
    done = jobs.call(name, "-", *OPTIONS, "--retries", "0", "--chunksize", "1", stdin=csv)
    assert done.returncode == 5, done.stderr
    job = jobs.job(name)
    assert job["input"] == "-" and job["state"] == "stopped"
    ran = counter.start_again()
    done = jobs.call("--resume", job["id"], "--on-error", "collect", stdin=csv)
    assert done.returncode == 4
    assert len(done.stdout.splitlines()) == 9
    # The one that failed, and what was not run.
    again = counter.start_again()
    assert again[5] >= 1 and len(again) <= 9 - (len(ran) - 1) + 1


# From elsewhere


def test_a_job_is_cancelled_from_another_process_and_goes_on_later(jobs, functions, counter, tmp_path):
    name = counted(functions, counter)
    frame, out = table(60), tmp_path / "out.csv"
    counter.hold_after(30)
    one = [*OPTIONS, "--chunksize", "1", "--concurrency", "2", "-o", out]
    running = jobs.start(name, jobs.file(frame), *one)
    counter.wait_for_hold()
    job = jobs.job(name)["id"]
    told = jobs.squall("jobs", "cancel", job)
    assert told.returncode == 0 and f"squall map --resume {job}" in told.stderr
    _, said = running.communicate(timeout=harness.DEADLINE)
    assert running.returncode == 130, said
    assert "30 of 60 items are done" in said and not out.exists()
    counter.release()
    assert jobs.show(job)["state"] == "cancelled"
    told = jobs.squall("jobs", "cancel", job)
    assert told.returncode == 0 and "cancelled before" in told.stderr

    counter.start_again()
    assert jobs.well("--resume", job)["known"] == 30
    assert counter.ran.total() == 30 and out.read_text() == sums(frame)
    told = jobs.squall("jobs", "cancel", job)
    assert told.returncode == 2 and "it is complete" in told.stderr


def test_a_job_that_runs_cannot_be_begun_a_second_time(jobs, functions, counter):
    name = counted(functions, counter)
    counter.hold_after(3)
    running = jobs.start(name, jobs.file(table(9)), *OPTIONS, "-o", jobs.folder / "out.csv")
    counter.wait_for_hold()
    job = jobs.job(name)["id"]
    done = jobs.call("--resume", job)
    assert done.returncode == 2
    assert f"{job} is still running, in process {running.pid}" in done.stderr
    counter.release()
    assert running.wait(harness.DEADLINE) == 0
    running.communicate()


def test_two_jobs_run_at_once(jobs, functions, counter, tmp_path):
    name = counted(functions, counter)
    counter.hold_after(1)
    running = []
    for number in (0, 1):
        frame = table(400, first=1000 * number)
        data, out = tmp_path / f"data-{number}.csv", tmp_path / f"out-{number}.csv"
        frame.to_csv(data, index=False)
        running.append((jobs.start(name, data, *OPTIONS, "-o", out), frame, out))
    harness.eventually(lambda: [job["state"] for job in jobs.jobs(name)] == ["running"] * 2)
    counter.release()
    for process, frame, out in running:
        _, said = process.communicate(timeout=harness.DEADLINE)
        assert process.returncode == 0, said
        assert out.read_text() == sums(frame)
    assert counter.ran.total() == 800


def test_jobs_are_listed_and_shown_and_what_failed_is_run_again(jobs, functions, awslambda, counter, tmp_path):
    name = counted(functions, counter, bad=[3, 5])
    frame, out = table(20), tmp_path / "out.csv"
    one = [*OPTIONS, "--on-error", "collect", "--retries", "1", "-o", out]
    done = jobs.call(name, jobs.file(frame), *one)
    assert done.returncode == 4
    assert len(out.read_text().splitlines()) == 19
    job = jobs.job(name)
    assert (job["state"], job["progress"]["done"], job["progress"]["failed"]) == ("complete", 18, 2)

    told = jobs.squall("jobs").stdout
    row = next(line for line in told.splitlines() if job["id"] in line)
    assert row.split()[:6] == [job["id"], name, "data.csv", "complete", "18/20", "2"]
    told = jobs.squall("jobs", "show", job["id"])
    assert "no 3.0 please" in told.stdout and f"squall replay {job['id']} 3" in told.stderr
    shown = jobs.show(job["id"])
    failures = {failure["id"]: failure for failure in shown["failures"]}
    assert failures.keys() == {"3", "5"} and shown["failure_count"] == 2
    assert failures["5"]["errorType"] == "ValueError" and failures["5"]["attempts"] == 2
    assert any("handler" in line for line in failures["5"]["stackTrace"])
    assert shown["recipe"]["function"] == name

    # They fail again; then the function is mended, and only they are run.
    counter.start_again()
    done = jobs.squall("jobs", "rerun-failed", job["id"])
    assert done.returncode == 4, done.stderr
    assert counter.start_again() == {3: 2, 5: 2}
    awslambda.update_function_code(FunctionName=name, ZipFile=harness.zip_of(source()))
    done = jobs.squall("jobs", "rerun-failed", job["id"])
    assert done.returncode == 0, done.stderr
    assert counter.start_again() == {3: 1, 5: 1}
    assert out.read_text() == sums(frame)
    shown = jobs.show(job["id"])
    assert (shown["state"], shown["failures"], shown["progress"]["done"]) == ("complete", [], 20)
    done = jobs.squall("jobs", "rerun-failed", job["id"])
    assert done.returncode == 2 and "nothing failed" in done.stderr


def test_what_was_never_run_is_not_written_as_if_it_were(jobs, functions, counter, tmp_path):
    name = counted(functions, counter, bad=[0])
    out = tmp_path / "out.csv"
    one = [*OPTIONS, "--chunksize", "1", "--concurrency", "1", "--retries", "0", "-o", out]
    assert jobs.call(name, jobs.file(table(50)), *one).returncode == 5
    job = jobs.job(name)["id"]
    done = jobs.squall("jobs", "rerun-failed", job)
    assert done.returncode in (4, 5) and not out.exists()
    assert jobs.show(job)["state"] == "stopped"


def test_one_item_is_replayed_with_its_input_and_its_log(jobs, functions, counter):
    name = counted(functions, counter, bad=[3], talk="print('I see', values)")
    one = [*OPTIONS, "--on-error", "collect", "-o", jobs.folder / "out.csv"]
    assert jobs.call(name, jobs.file(table(9)), *one).returncode == 4
    job = jobs.job(name)["id"]
    counter.start_again()
    done = jobs.squall("replay", job, "4")
    assert (done.returncode, done.stdout) == (0, "4.5\n"), done.stderr
    assert "item 4: 2 rows" in done.stderr and "value (floats): 4.0, 0.5" in done.stderr
    assert "I see [4.0, 0.5]" in done.stderr
    assert counter.start_again() == {4: 1}
    done = jobs.squall("replay", job, "3")
    assert done.returncode == 1 and done.stdout == ""
    assert "error: ValueError: no 3" in done.stderr and "line" in done.stderr
    assert counter.start_again() == {3: 1}
    told = json.loads(jobs.squall("replay", job, "3", "--json").stdout)
    assert told["input"] == {"rows": 2, "columns": {"value": [3.0, 0.5]}}
    assert told["error"]["errorType"] == "ValueError" and told["result"] is None
    done = jobs.squall("replay", job, "99")
    assert done.returncode == 2 and "99" in done.stderr


# What does not go well


def test_when_nothing_more_can_be_kept_the_job_ends_and_what_was_kept_stays(jobs, functions, counter, tmp_path):
    # The size of files stands for the size of the disk.
    most = 3 << 20
    book = jobs.engine.data / "jobs.db"
    if book.exists():
        most += book.stat().st_size
    name = counted(functions, counter, result="and 'x' * 20_000 + str(values)")
    frame, out = table(1_000), tmp_path / "out.csv"
    one = [*OPTIONS, "--chunksize", "5", "--concurrency", "2", "-o", out]
    small = jobs.start(
        name,
        jobs.file(frame),
        *one,
        # As it is in most shells: the signal is ignored, and the write fails.
        restore_signals=False,
        preexec_fn=lambda: (
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN),
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
        ),
    )
    _, said = small.communicate(timeout=harness.DEADLINE)
    assert small.returncode == 2, said
    job = jobs.job(name)
    assert "results can no longer be kept" in said and f"squall map --resume {job['id']}" in said
    assert job["state"] in ("failed", "interrupted") and not out.exists()
    before = counter.start_again()
    assert len(before) < 1_000
    report = jobs.well("--resume", job["id"])
    after = counter.start_again()
    assert 0 < report["known"] <= len(before) and after.total() == 1_000 - report["known"]
    assert len(out.read_text().splitlines()) == 1_001


def test_old_jobs_go_and_running_ones_stay(fresh_engine, tmp_path, counter):
    jobs = Jobs(fresh_engine, tmp_path)
    name = counted(Functions(fresh_engine.client("lambda")), counter)
    data, out = jobs.file(table(20)), tmp_path / "out.csv"
    for _ in range(3):
        jobs.well(name, data, *OPTIONS, "-o", out, "--fresh")
    counter.start_again()
    counter.hold_after(3)
    running = jobs.start(name, data, *OPTIONS, "-o", out, "--fresh", "--chunksize", "1")
    counter.wait_for_hold()
    told = jobs.squall("jobs", "prune", "--keep", "2", "--json")
    assert json.loads(told.stdout) == {"jobs": 2, "bytes": 0}
    assert [job["state"] for job in jobs.jobs(name)] == ["running", "complete"]
    told = jobs.squall("jobs", "prune", "--keep", "0", "--size", "0", "--unfinished", "--json")
    # The running job is of the same function: its results may be needed.
    assert json.loads(told.stdout) == {"jobs": 1, "bytes": 0}
    counter.release()
    _, said = running.communicate(timeout=harness.DEADLINE)
    assert running.returncode == 0, said
    told = jobs.squall("jobs", "prune", "--keep", "0", "--size", "0")
    assert told.returncode == 0 and told.stderr.startswith("1 job and ")
    assert jobs.jobs(name) == []
    assert jobs.well(name, data, *OPTIONS, "-o", out)["known"] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["jobs", "show", "j-zzzzzz"], "there is no job j-zzzzzz"),
        (["jobs", "show", "17"], '"17" is not the id of a job'),
        (["jobs", "cancel", "j-zzzzzz"], "there is no job"),
        (["jobs", "rerun-failed", "j-zzzzzz"], "there is no job"),
        (["replay", "j-zzzzzz", "1"], "there is no job"),
        (["map", "--resume", "j-zzzzzz"], "there is no job"),
    ],
)
def test_jobs_that_are_not_there_are_a_mistake(jobs, arguments, words):
    done = jobs.squall(*arguments)
    assert done.returncode == 2
    assert words in done.stderr and "squall jobs lists them" in done.stderr


def test_looking_for_jobs_makes_no_directory(tmp_path):
    done = subprocess.run(
        [str(harness.binary()), "jobs"], cwd=tmp_path, capture_output=True, text=True, env=harness.clean_environment()
    )
    assert done.returncode == 0 and "no jobs yet" in done.stderr
    assert list(tmp_path.iterdir()) == []
