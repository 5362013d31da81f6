"""The command line, as people and programs use it."""

import json
import os
import signal
import subprocess

import pytest

import harness
from harness import eventually


@pytest.fixture
def echo(functions):
    return functions.make("def handler(event, context):\n    print('heard', event)\n    return event\n")


def squall(engine, *arguments, **more):
    return engine.cli("--data", engine.data, *arguments, **more)


# env


def test_env_is_what_a_shell_evaluates(engine):
    done = squall(engine, "env")
    assert done.returncode == 0, done.stderr
    shell = 'eval "$1"; printf "%s\\n" "$AWS_ENDPOINT_URL" "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" "$AWS_REGION"'
    seen = subprocess.run(
        ["sh", "-c", shell, "sh", done.stdout], capture_output=True, text=True, env=harness.clean_environment()
    )
    assert seen.stdout.split("\n")[:4] == [engine.api, engine.access_key, engine.secret_key, engine.region]


def test_env_as_json(engine):
    seen = json.loads(squall(engine, "env", "--json").stdout)
    assert seen["AWS_ENDPOINT_URL"] == engine.api
    assert seen["AWS_SECRET_ACCESS_KEY"] == engine.secret_key


def test_env_without_an_engine_says_what_to_do(engine, tmp_path):
    done = engine.cli("--data", tmp_path / "none", "env")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "hint:" in done.stderr


def test_the_keys_are_kept_and_private(engine):
    path = engine.data / "credentials.json"
    assert path.stat().st_mode & 0o077 == 0
    assert engine.data.stat().st_mode & 0o077 == 0


# invoke


def test_invoke(engine, echo, tmp_path):
    done = squall(engine, "invoke", echo, "-d", '{"x": [1, 2]}')
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"x": [1, 2]}
    file = tmp_path / "event.json"
    file.write_text('"from a file"')
    assert json.loads(squall(engine, "invoke", echo, "-d", f"@{file}").stdout) == "from a file"
    assert json.loads(squall(engine, "invoke", echo, "-d", "-", stdin="[3]").stdout) == [3]


def test_invoke_with_the_tail_of_the_log(engine, echo):
    done = squall(engine, "invoke", echo, "-d", "1", "--tail")
    assert json.loads(done.stdout) == 1
    assert "heard 1" in done.stderr
    assert "REPORT RequestId" in done.stderr


def test_invoke_async(engine, echo, logs):
    done = squall(engine, "invoke", echo, "-d", '"later"', "--async")
    assert done.returncode == 0, done.stderr

    def heard():
        shown = squall(engine, "logs", echo)
        return "heard later" in shown.stdout

    eventually(heard, "the event in the log", every=0.2)


def test_exit_codes_tell_whose_fault_it_was(engine, functions, awslambda):
    name = functions.make("def handler(event, context):\n    raise ValueError('no')\n")
    failed = squall(engine, "invoke", name)
    assert failed.returncode == 1
    assert json.loads(failed.stdout)["errorType"] == "ValueError"
    unknown = squall(engine, "invoke", harness.unique())
    assert unknown.returncode == 2
    assert unknown.stdout == "" and "not found" in unknown.stderr.lower()
    nonsense = squall(engine, "invoke", name, "-d", "{oops")
    assert nonsense.returncode == 2
    awslambda.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    assert squall(engine, "invoke", name).returncode == 3
    assert squall(engine, "nonsense").returncode == 2


# logs, ps, functions, doctor


def test_logs(engine, echo, functions):
    functions.call(echo, "one")
    functions.call(echo, "two")

    def both():
        shown = squall(engine, "logs", echo).stdout
        return "heard one" in shown and "heard two" in shown and "REPORT" in shown

    eventually(both, "both lines", every=0.2)
    assert squall(engine, "logs", echo, "--since", "1h").returncode == 0
    assert squall(engine, "logs", echo, "--since", "whenever").returncode == 2


def test_logs_follow(engine, echo, functions):
    command = [str(harness.binary()), "--data", str(engine.data), "logs", echo, "-f", "--since", "1h"]
    functions.call(echo, "before")
    follower = subprocess.Popen(
        command, stdout=subprocess.PIPE, env=engine.client_environment()
    )
    try:
        os.set_blocking(follower.stdout.fileno(), False)
        seen = ""

        def shown(text):
            def check():
                nonlocal seen
                seen += (follower.stdout.read() or b"").decode()
                return text in seen

            return check

        eventually(shown("heard before"), "what was there before")
        functions.call(echo, "after")
        eventually(shown("heard after"), "what came while following")
    finally:
        follower.send_signal(signal.SIGINT)
        follower.wait(harness.DEADLINE)
        follower.stdout.close()


def test_ps(engine, echo, functions):
    functions.call(echo, 1)
    seen = json.loads(squall(engine, "ps", "--json").stdout)
    (instance,) = [entry for entry in seen["instances"] if entry["function"] == echo]
    assert instance["state"] == "idle"
    assert instance["start"] in ("fork", "spawn")
    assert instance["memory_bytes"] > 0
    assert os.path.exists(f"/proc/{instance['pid']}")
    (template,) = [entry for entry in seen["templates"] if entry["function"] == echo]
    assert template["state"] in ("ready", "loading", "none", "not_used")
    table = squall(engine, "ps")
    assert table.returncode == 0
    assert echo in table.stdout
    assert "\x1b" not in table.stdout  # no colours into a pipe


def test_functions(engine, echo):
    listed = json.loads(squall(engine, "functions", "--json").stdout)
    assert echo in [entry["FunctionName"] for entry in listed]
    table = squall(engine, "functions").stdout
    assert echo in table and "python3.11" in table


def test_doctor(engine):
    checks = json.loads(squall(engine, "doctor", "--json").stdout)
    names = {check["name"] for check in checks}
    assert {"namespaces", "seccomp", "python"} <= names
    (python,) = [check for check in checks if check["name"] == "python"]
    assert "3.11" in python["found"]
    assert squall(engine, "doctor").returncode == 0


# up


def test_health_needs_no_signature(engine):
    import requests

    answer = requests.get(f"{engine.api}/_squall/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert requests.get(f"{engine.api}/_squall/ps").status_code == 403


def test_a_second_engine_on_the_same_data_is_refused(engine):
    second = engine.cli(
        "up", "--json", "--data", engine.data, "--api", "127.0.0.1:0", "--gateway", "127.0.0.1:0"
    )
    assert second.returncode == 2
    assert str(engine.process.pid) in second.stderr
    assert str(engine.data) in second.stderr
    assert engine.alive()


def test_ports_that_are_taken_are_a_clear_mistake(engine, tmp_path):
    port = engine.api.rpartition(":")[2]
    second = engine.cli(
        "up", "--data", tmp_path / "other", "--api", f"127.0.0.1:{port}", "--gateway", "127.0.0.1:0"
    )
    assert second.returncode == 2
    assert port in second.stderr


def test_ctrl_c_lets_what_runs_finish(fresh_engine, gate):
    from concurrent.futures import ThreadPoolExecutor

    from conftest import Functions

    functions = Functions(fresh_engine.client("lambda"))
    name = functions.make(gate.source)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(functions.call, name, gate.event())
        gate.wait_for(1)
        fresh_engine.process.send_signal(signal.SIGINT)
        gate.open()
        assert running.result() == "through"
    assert fresh_engine.process.wait(harness.DEADLINE) == 0


def test_what_was_deployed_is_there_after_a_restart(fresh_engine):
    from conftest import Functions

    functions = Functions(fresh_engine.client("lambda"))
    name = functions.make("def handler(event, context):\n    return event\n")
    fresh_engine.client("lambda").publish_version(FunctionName=name)
    keys = (fresh_engine.access_key, fresh_engine.secret_key)
    assert fresh_engine.stop() == 0
    fresh_engine.start()
    assert (fresh_engine.access_key, fresh_engine.secret_key) == keys
    functions = Functions(fresh_engine.client("lambda"))
    assert functions.call(name, 5) == 5
    assert functions.call(name, 6, Qualifier="1") == 6


def test_a_stopped_engine_leaves_no_process_behind(fresh_engine):
    from conftest import Functions

    functions = Functions(fresh_engine.client("lambda"))
    functions.call(functions.make("def handler(event, context):\n    return event\n"), 1)
    children = harness.descendants(fresh_engine.process.pid)
    assert children
    assert fresh_engine.stop() == 0
    eventually(lambda: not any(alive(pid) for pid in children), "the end of all instances")


def test_a_killed_engine_leaves_no_process_behind(fresh_engine):
    from conftest import Functions

    functions = Functions(fresh_engine.client("lambda"))
    functions.call(functions.make("def handler(event, context):\n    return event\n"), 1)
    children = harness.descendants(fresh_engine.process.pid)
    assert children
    fresh_engine.kill()
    eventually(lambda: not any(alive(pid) for pid in children), "the end of all instances")


def alive(pid) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def test_a_data_directory_that_is_named_goes_before_the_variable_of_an_endpoint(engine, fresh_engine):
    """`squall --data B undeploy` once undeployed what ran at $AWS_ENDPOINT_URL."""
    name = harness.unique("bucket")
    fresh_engine.client("s3").create_bucket(Bucket=name)
    assert name in engine.cli("--data", fresh_engine.data, "ls").stdout
    assert name not in engine.cli("ls").stdout
    named = engine.cli("--data", fresh_engine.data, "--endpoint", engine.api, "ls")
    assert named.returncode == 0 and name not in named.stdout
