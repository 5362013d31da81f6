"""What `squall map` does when items fail, or the job may not go on: all others succeed, the
failure is named, and nothing that was finished is lost."""

import signal
import subprocess

import pandas as pd
import pytest

import harness
from map_cli import Map

OPTIONS = ["--by", "id", "--value", "value", "--item", "list", "--payload", "json"]


@pytest.fixture
def squall_map(engine, tmp_path):
    return Map(engine, tmp_path)


def numbers(count, value=1) -> pd.DataFrame:
    return pd.DataFrame({"id": range(count), "value": [value] * count})


def test_three_items_that_kill_their_instances_are_found_and_the_others_come_through(
    squall_map, functions, tmp_path
):
    name = functions.make(
        """
        import os, time

        def handler(values: list):
            if values == [7]:
                os._exit(3)
            if values == [11]:
                return len(bytearray(1 << 30))
            if values == [23]:
                time.sleep(60)
            return values[0] * 2
        """,
        # More than it takes to run out of memory on a busy machine.
        Timeout=4,
    )
    frame = pd.DataFrame({"id": range(30), "value": range(30)})
    bad = tmp_path / "bad.csv"
    options = [*OPTIONS, "--chunksize", "8", "--on-error", "collect", "--failed", bad]
    done = squall_map.run(name, frame, *options, fails=4)
    rest = [n for n in range(30) if n not in (7, 11, 23)]
    assert done.output == pd.DataFrame({"id": rest, "value": [n * 2 for n in rest]}).to_csv(index=False)
    found = {kind["error"]: kind["examples"] for kind in done.report["failures"]}
    assert found == {"Runtime.ExitError": ["7"], "Runtime.OutOfMemory": ["11"], "Sandbox.Timedout": ["23"]}
    listed = pd.read_csv(bad)
    assert dict(zip(listed["id"], listed["error"], strict=True)) == {
        7: "Runtime.ExitError",
        11: "Runtime.OutOfMemory",
        23: "Sandbox.Timedout",
    }


def test_failures_are_shown_as_a_table_with_what_to_do_next(squall_map, functions):
    name = functions.make(
        """
        def handler(values: list):
            if values[0] % 10 == 0:
                raise ValueError(f"no tens please: {values[0]}")
            if values[0] == 5:
                return {}["five"]
            return values[0]
        """
    )
    frame = pd.DataFrame({"id": [f"it's {n}" for n in range(1, 31)], "value": range(1, 31)})
    data = squall_map.file(frame)
    done = squall_map.call(name, data, *OPTIONS, "--on-error", "collect", "-o", data.parent / "out.csv")
    assert done.returncode == 4
    lines = done.stderr.splitlines()
    assert lines[0].split() == ["FAILED", "ERROR", "IDS", "MESSAGE"]
    assert lines[1].split()[:2] == ["3", "ValueError"] and "it's 10, it's 20, it's 30" in lines[1]
    assert lines[2].split()[:2] == ["1", "KeyError"] and "'five'" in lines[2]
    assert "30 rows in 30 items, 4 failed; " in done.stderr
    assert "error: 4 of 30 items failed" in done.stderr
    assert "squall replay j-" in done.stderr and "squall jobs rerun-failed j-" in done.stderr
    assert len((data.parent / "out.csv").read_text().splitlines()) == 27


def test_without_another_word_the_first_failure_stops_the_job_and_the_old_output_stays(
    squall_map, functions, tmp_path
):
    name = functions.make("def handler(values: list):\n    return 1 / values[0]\n")
    frame = pd.DataFrame({"id": range(100), "value": [0.0] + [1.0] * 99})
    out = tmp_path / "out.csv"
    out.write_text("old")
    data = squall_map.file(frame)
    done = squall_map.call(name, data, *OPTIONS, "-o", out)
    assert done.returncode == 5
    assert "ZeroDivisionError" in done.stderr and "squall map --resume j-" in done.stderr
    assert out.read_text() == "old"


def test_a_function_that_raises_at_first_is_tried_again(squall_map, functions):
    name = functions.make(
        """
        import pathlib

        def handler(values: list):
            # /tmp is the instance's own, and there is only one.
            mark = pathlib.Path(f"/tmp/{values[0]}")
            mark.write_text(str(int(mark.read_text()) + 1) if mark.exists() else "1")
            if int(mark.read_text()) < 3:
                raise ConnectionError("not yet")
            return values[0]
        """
    )
    frame = pd.DataFrame({"id": range(5), "value": range(5)})
    one = [*OPTIONS, "--concurrency", "1", "--backup-after", "off"]
    done = squall_map.run(name, frame, *one, "--retries", "2")
    assert done.output == frame.to_csv(index=False)
    assert done.report["retries"] > 0
    other = functions.make("def handler(values: list):\n    raise ConnectionError('never')\n")
    done = squall_map.run(other, frame, *one, "--retries", "0", "--on-error", "collect", fails=4)
    assert (done.report["failed"], done.report["retries"]) == (5, 0)
    assert done.output == "id,value\n"


def test_a_function_that_cannot_be_loaded_ends_the_job_at_once(squall_map, functions):
    name = functions.make("import no_such_module\n")
    done = squall_map.call(name, squall_map.file(numbers(5)), "--by", "id", "--value", "value")
    assert done.returncode == 1
    assert "no_such_module" in done.stderr and f"squall logs {name}" in done.stderr


def test_a_handler_that_does_not_know_the_protocol_is_told_so(squall_map, functions):
    name = functions.make({"bootstrap": SHELL}, Runtime="provided.al2023", Handler="any")
    done = squall_map.call(name, squall_map.file(numbers(5)), "--by", "id", "--value", "value")
    assert done.returncode == 1
    assert "mapped" in done.stderr


# A runtime that answers everything with 1.
SHELL = """\
#!/bin/sh
while true; do
    head=$(mktemp)
    curl -sS -D "$head" -o /dev/null "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next"
    id=$(grep -i lambda-runtime-aws-request-id "$head" | tr -d '[:space:]' | cut -d: -f2)
    curl -sS -o /dev/null -d 1 "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/$id/response"
done
"""


def test_reserved_concurrency_holds_the_job_back_and_does_not_break_it(squall_map, awslambda, functions):
    name = functions.make("def handler(values: list):\n    return values[0]\n")
    awslambda.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    frame = pd.DataFrame({"id": range(40), "value": range(40)})
    # More than it is granted: what is refused is sent again.
    done = squall_map.run(name, frame, *OPTIONS, "--chunksize", "2", "--concurrency", "8")
    assert done.output == frame.to_csv(index=False)
    done = squall_map.run(name, frame, *OPTIONS, "--chunksize", "2")
    assert done.output == frame.to_csv(index=False)


def test_a_job_stops_when_its_time_or_its_money_is_spent_and_goes_on_later(squall_map, functions, tmp_path, gate):
    name = functions.make(
        f"""
        import contextlib
        import socket
        import time

        def handler(values: list):
            # The rest waits until the gate is gone.
            if values[0] >= 10:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", {gate.port})) as gate:
                    gate.recv(1)
            time.sleep(0.2)
            return values[0]
        """
    )
    # It is there then, so that the time is spent on items.
    squall_map.run(name, pd.DataFrame({"id": [99], "value": [-1]}), *OPTIONS)
    data = squall_map.file(pd.DataFrame({"id": range(30), "value": range(30)}))
    out = tmp_path / "out.csv"
    one = [*OPTIONS, "--chunksize", "1", "--concurrency", "2", "-o", out]
    done = squall_map.call(name, data, *one, "--max-time", "3s")
    assert done.returncode == 5 and not out.exists()
    assert "--max-time is over" in done.stderr
    job = done.stderr.split("squall map --resume ")[1].split()[0]
    gate.listener.close()
    done = squall_map.call("--resume", job, "--max-time", "1h", "--json")
    assert done.returncode == 0, done.stderr
    assert '"known":0' not in done.stdout
    assert out.read_text() == data.read_text()

    out.unlink()
    # A request costs $0.0000002 and a fifth of a second of 128 MB about twice as much.
    done = squall_map.call(name, data, *one, "--fresh", "--max-cost", "0.000005")
    assert done.returncode == 5 and not out.exists()
    assert "--max-cost are spent" in done.stderr


def test_ctrl_c_stops_in_order_and_says_how_to_go_on(squall_map, functions, tmp_path, gate):
    name = functions.make(
        """
        import socket

        def handler(values: list):
            if values[0] >= 10:
                with socket.create_connection(("127.0.0.1", int(values[1]))) as gate:
                    gate.sendall(b"here")
                    gate.recv(1)
            return values[0]
        """
    )
    ids = [n for n in range(12) for _ in (0, 1)]
    frame = pd.DataFrame({"id": ids, "value": [v for n in range(12) for v in (n, gate.port)]})
    out = tmp_path / "out.csv"
    data = squall_map.file(frame)
    one = [*OPTIONS, "--chunksize", "1", "--backup-after", "off", "--concurrency", "2"]
    job = subprocess.Popen(
        squall_map.command(name, data, *one, "-o", out),
        stderr=subprocess.PIPE,
        text=True,
        env=harness.clean_environment(),
    )
    gate.wait_for(2)
    job.send_signal(signal.SIGINT)
    _, said = job.communicate(timeout=harness.DEADLINE)
    assert job.returncode == 130, said
    assert "10 of 12 items are done" in said and not out.exists()
    gate.open()
    resume = said.split("squall map --resume ")[1].split()[0]
    job = subprocess.Popen(
        squall_map.command("--resume", resume, "--json"),
        stdout=subprocess.PIPE,
        text=True,
        env=harness.clean_environment(),
    )
    gate.wait_for(2)
    gate.open()
    told, _ = job.communicate(timeout=harness.DEADLINE)
    assert job.returncode == 0
    assert '"known":10' in told
    assert out.read_text() == "id,value\n" + "".join(f"{n},{n}\n" for n in range(12))


def test_a_plan_says_what_a_job_will_take_and_leaves_it_alone(squall_map, functions, tmp_path):
    name = functions.make("def handler(values: list):\n    return sum(values)\n")
    data = squall_map.file(numbers(400))
    done = squall_map.call(name, data, *OPTIONS, "--plan")
    assert done.returncode == 0, done.stderr
    lines = dict(line.split(None, 1) for line in done.stdout.replace("AWS cost", "cost").splitlines())
    assert lines["data"] == "400 rows in 400 items"
    assert lines["probed"] == "20 items"
    assert lines["cost"].startswith("$0.0000")
    done = squall_map.call(name, data, *OPTIONS, "--plan", "--json")
    assert '"items":400' in done.stdout and '"sampled":20' in done.stdout
