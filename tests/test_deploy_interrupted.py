"""Deployments that are cut off: killed at every call, answers lost, throttled, broken. What is
half done the next deployment finishes, or undeploy takes away; nothing is left.
"""

import time

import pytest

import harness
from deploy_cli import Folder, one_error
from faulty_proxy import Proxy, always, at_change, first_time
from listings import difference, listing

# One of each kind that a deployment makes, and no requirements: what is tried is the frame.
PROJECT = """
[project]
name = "cut"
log_days = 7

[functions.hello]
handler = "handler.hello"
url = true
concurrency = 5
retries = 1
on_failure = "sink"
calls = ["sink"]
writes = ["lake"]
environment = { GREETING = "one" }

[functions.sink]
handler = "handler.sink"

[buckets.lake]

[[routes]]
path = "/hello"
methods = ["GET"]
function = "hello"

[schedules.nightly]
when = "rate(1 day)"
function = "sink"

[[triggers]]
bucket = "lake"
events = ["s3:ObjectCreated:*"]
suffix = ".csv"
function = "sink"
"""
HANDLER = """
import os


def hello(event, context):
    return {"statusCode": 200, "body": os.environ["GREETING"]}


def sink(event, context):
    print("sank", event)
"""


@pytest.fixture
def cut(fresh_engine, tmp_path):
    """A project, its engine, and a proxy between them."""
    with Proxy(fresh_engine.api) as proxy:
        folder = Folder(tmp_path / "cut", fresh_engine, endpoint=proxy.api)
        folder.write(**{"squall.toml": PROJECT, "handler.py": HANDLER})
        folder.proxy = proxy
        folder.before = listing(fresh_engine)
        yield folder


def killed(folder, number, *arguments) -> bool:
    """Runs the command, and kills it after its n-th change was made and before it heard of that.
    False if it made fewer."""
    running = None

    def kill():
        running.kill()

    folder.proxy.reset(at_change(number, kill))
    running = folder.start(*arguments)
    try:
        _, stderr = running.communicate(timeout=3 * harness.DEADLINE)
    finally:
        running.kill()
    if running.returncode == -9:
        return True
    assert running.returncode == 0, stderr
    return False


def nothing_to_do(folder):
    folder.proxy.reset()
    done = folder.deploy("--json")
    assert folder.proxy.changes() == [], done.said
    return done


def left(folder) -> dict:
    return difference(folder.before, listing(folder.cloud))


def test_a_deployment_killed_at_any_call_is_finished_by_the_next(cut):
    number = 1
    while killed(cut, number, "deploy", "-y"):
        cut.proxy.reset()
        cut.deploy()
        nothing_to_do(cut)
        # And back again, killed at as many places.
        killed(cut, number, "undeploy", "-y")
        cut.proxy.reset()
        cut.undeploy()
        assert left(cut) == {}, f"after call {number}"
        number += 1
    assert number > 12, f"only {number} calls were made: what was tried?"


def test_what_a_killed_deployment_made_undeploy_removes(cut):
    number = 1
    while killed(cut, number, "deploy", "-y"):
        cut.proxy.reset()
        cut.undeploy()
        assert left(cut) == {}, f"after call {number}"
        number += 1
    cut.undeploy()
    assert left(cut) == {}


def test_an_update_killed_at_any_call_is_finished_by_the_next(cut):
    cut.deploy()
    number, text = 1, "one"
    while True:
        new = f"release {number}"
        cut.edit("squall.toml", f'GREETING = "{text}"', f'GREETING = "{new}"')
        text = new
        if not killed(cut, number, "deploy", "-y"):
            break
        cut.proxy.reset()
        cut.deploy()
        nothing_to_do(cut)
        number += 1
    assert number > 2
    cut.undeploy()
    assert left(cut) == {}


@pytest.mark.parametrize("fault", ["after", "before", "throttle", "error"])
def test_every_change_fails_once_and_one_run_is_enough(cut, fault):
    cut.proxy.reset(first_time(fault))
    cut.deploy()
    twins = [kind for kind, names in listing(cut.cloud).items() if len(names) != len(set(names))]
    assert twins == []
    nothing_to_do(cut)
    cut.proxy.reset(first_time(fault))
    cut.undeploy()
    assert left(cut) == {}


@pytest.mark.parametrize("fault", ["throttle", "error", "before"])
def test_a_service_that_only_fails_ends_it_with_one_message(cut, fault):
    cut.deploy()
    cut.edit("squall.toml", 'GREETING = "one"', 'GREETING = "two"')
    cut.proxy.reset(lambda call: fault if call.changes and call.service == "lambda" else None)
    begun = time.monotonic()
    done = cut.run("deploy", "-y")
    assert done.returncode in (2, 3), done.said
    assert time.monotonic() - begun < harness.DEADLINE
    one_error(done.stderr)
    cut.proxy.reset()
    cut.deploy()
    nothing_to_do(cut)
    cut.undeploy()
    assert left(cut) == {}


def test_a_service_that_hangs_ends_it_in_time(cut):
    cut.proxy.reset(always("hang", "lambda"))
    done = cut.run("deploy", "-y", environment={"SQUALL_ANSWER_SECONDS": "1"})
    assert done.returncode in (2, 3), done.said
    one_error(done.stderr)
    cut.proxy.reset()
    cut.deploy()
    nothing_to_do(cut)


def test_ctrl_c_says_what_holds(cut):
    """As people end it: the next one goes on, and the exit code is a shell's."""
    import signal

    running = None
    cut.proxy.reset(at_change(3, lambda: running.send_signal(signal.SIGINT)))
    running = cut.start("deploy", "-y")
    _, stderr = running.communicate(timeout=harness.DEADLINE)
    assert running.returncode in (130, -2), stderr
    cut.proxy.reset()
    cut.deploy()
    nothing_to_do(cut)
