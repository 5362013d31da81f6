"""Official runtime clients run unmodified behind `bootstrap`: awslambdaric,
lambda_runtime for Rust, and a shell with curl."""

import importlib.metadata
import json
import os
import shutil
import subprocess

import pytest

from harness import ROOT, error_of, payload_of, tail_of, zip_of

RIC = ("awslambdaric", "simplejson", "snapshot-restore-py")


def installed(*distributions) -> dict:
    """The files of installed distributions, by the path they have in a package."""
    files = {}
    for name in distributions:
        for file in importlib.metadata.files(name) or []:
            source = file.locate()
            if ".." not in file.parts and source.suffix != ".pyc" and source.is_file():
                files[file.as_posix()] = source.read_bytes()
    return files


@pytest.fixture(scope="module")
def ric_package():
    def build(source) -> bytes:
        files = {"app.py": source, **installed(*RIC)}
        files["bootstrap"] = (
            "#!/bin/sh\n"
            'export PYTHONPATH="$LAMBDA_TASK_ROOT"\n'
            'exec python3 -m awslambdaric "$_HANDLER"\n'
        )
        return zip_of(files)

    return build


# awslambdaric


def test_the_official_python_client(functions, ric_package):
    name = functions.make(
        ric_package(
            """
            import os

            def handler(event, context):
                print("by awslambdaric")
                return {
                    "event": event,
                    "id": context.aws_request_id,
                    "arn": context.invoked_function_arn,
                    "memory": context.memory_limit_in_mb,
                    "remaining": context.get_remaining_time_in_millis(),
                    "root": os.environ["LAMBDA_TASK_ROOT"],
                }
            """
        ),
        Runtime="provided.al2023",
        MemorySize=256,
    )
    for n in range(3):
        answer = functions.invoke(name, {"n": n}, LogType="Tail")
        request_id = answer["ResponseMetadata"]["RequestId"]
        tail, seen = tail_of(answer), payload_of(answer)
        assert seen["event"] == {"n": n}
        assert seen["id"] == request_id
        assert seen["arn"].endswith(f":function:{name}")
        assert seen["memory"] == "256"
        assert 0 < seen["remaining"] <= 30_000
        assert seen["root"] == "/var/task"
        assert "by awslambdaric\n" in tail
        assert f"REPORT RequestId: {request_id}" in tail


def test_errors_of_the_official_client_and_of_ours_are_the_same(functions, ric_package):
    """The same sources in both; whoever speaks, the caller hears the same."""
    sources = {
        "raise": "def handler(event, context):\n    raise ValueError('no')\n",
        "import": "import absent_module\n",
        "missing": "x = 1\n",
        "syntax": "def (\n",
        "marshal": "def handler(event, context):\n    return object\n",
        "raising": "raise KeyError('at import')\n",
    }
    for kind, source in sources.items():
        ours = functions.make(source)
        theirs = functions.make(ric_package(source), Runtime="provided.al2023", MemorySize=256)
        seen = []
        for name in (ours, theirs):
            body = functions.fail(name)
            body.pop("requestId")
            # Frames of the client itself differ where the module is loaded by it.
            body["stackTrace"] = [line for line in body["stackTrace"] if "/var/task/app.py" in line]
            seen.append(body)
        assert seen[0] == seen[1], kind


def test_client_context_reaches_the_official_client(functions, ric_package):
    import base64

    name = functions.make(
        ric_package("def handler(event, context):\n    return context.client_context.custom\n"),
        Runtime="provided.al2023",
        MemorySize=256,
    )
    encoded = base64.b64encode(json.dumps({"custom": {"a": "1"}}).encode()).decode()
    assert functions.call(name, ClientContext=encoded) == {"a": "1"}


# A shell with curl

SHELL = """
#!/bin/sh
set -eu
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime"
while true; do
    event=$(curl -sS -D /tmp/headers "$api/invocation/next")
    id=$(grep -i '^lambda-runtime-aws-request-id:' /tmp/headers | tr -d '\\r' | cut -d' ' -f2)
    case "$event" in
        *fail*) curl -sS -o /dev/null -d '{"errorMessage":"asked to fail","errorType":"ShellError"}' \\
                    -H 'Lambda-Runtime-Function-Error-Type: ShellError' "$api/invocation/$id/error" ;;
        *exit*) exit 5 ;;
        *) echo "heard $event"
           curl -sS -o /dev/null -d "{\\"heard\\": $event}" "$api/invocation/$id/response" ;;
    esac
done
"""


@pytest.fixture
def shell_function(functions):
    if not shutil.which("curl"):
        pytest.fail("these tests need curl")
    return functions.make({"bootstrap": SHELL.lstrip()}, Runtime="provided.al2023", Handler="any")


def test_a_shell_bootstrap_with_curl(functions, shell_function):
    answer = functions.invoke(shell_function, {"n": 1}, LogType="Tail")
    assert 'heard {"n": 1}\n' in tail_of(answer)
    assert payload_of(answer) == {"heard": {"n": 1}}
    assert functions.call(shell_function, [2]) == {"heard": [2]}


def test_a_shell_bootstrap_fails_and_ends(functions, shell_function):
    assert functions.fail(shell_function, "fail") == {"errorMessage": "asked to fail", "errorType": "ShellError"}
    error = functions.fail(shell_function, "exit")
    assert error["errorType"] == "Runtime.ExitError"
    assert "exit status 5" in error["errorMessage"]
    assert functions.call(shell_function, 3) == {"heard": 3}


@pytest.mark.parametrize("runtime", ["provided", "provided.al2", "provided.al2023"])
def test_every_provided_runtime(functions, runtime):
    name = functions.make({"bootstrap": SHELL.lstrip()}, Runtime=runtime, Handler="any")
    assert functions.call(name, 1) == {"heard": 1}


def test_a_bootstrap_in_a_layer(functions, awslambda):
    layer = awslambda.publish_layer_version(
        LayerName="shell-bootstrap", Content={"ZipFile": zip_of({"bootstrap": SHELL.lstrip()})}
    )["LayerVersionArn"]
    name = functions.make({"data": "x"}, Runtime="provided.al2023", Handler="any", Layers=[layer])
    assert functions.call(name, 1) == {"heard": 1}


@pytest.mark.parametrize(
    "files, modes",
    [
        ({"other": "x"}, {}),
        ({"bootstrap": "#!/bin/sh\n"}, {"bootstrap": 0o644}),
        ({"bootstrap": "#!/absent/interpreter\n"}, {}),
        ({"bootstrap": b"\x7fELF\x02\x01\x01 not really"}, {}),
        ({"bootstrap": "#!/bin/sh\nexit 7\n"}, {}),
    ],
    ids=["none", "mode", "interpreter", "elf", "exits"],
)
def test_a_bootstrap_that_does_not_start(functions, files, modes):
    name = functions.make(zip_of(files, modes), Runtime="provided.al2023", Handler="any")
    error = functions.fail(name)
    assert error["errorType"] in ("Runtime.InvalidEntrypoint", "Runtime.ExitError"), error
    assert error["errorMessage"]


def test_wrong_answers_to_the_runtime_api_are_refused(functions):
    """A client that mixes up ids or methods hears of it, and can still answer."""
    bootstrap = """#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime"
code() { curl -sS -o /dev/null -w '%{http_code}' "$@"; }
while true; do
    curl -sS -o /dev/null -D /tmp/headers "$api/invocation/next"
    id=$(grep -i '^lambda-runtime-aws-request-id:' /tmp/headers | tr -d '\\r' | cut -d' ' -f2)
    wrong=$(code -d '1' "$api/invocation/00000000-0000-0000-0000-000000000000/response")
    odd=$(code -d '1' "$api/invocation/not-an-id/response")
    path=$(code "$api/nonsense")
    method=$(code -X DELETE "$api/invocation/next")
    restore=$(code "$api/restore/next")
    curl -sS -o /tmp/answer -d "[$wrong, $odd, $path, $method, $restore]" "$api/invocation/$id/response"
done
"""
    name = functions.make({"bootstrap": bootstrap}, Runtime="provided.al2023", Handler="any")
    wrong, odd, path, method, restore = functions.call(name)
    assert 400 <= wrong < 500 and 400 <= odd < 500 and 400 <= path < 500 and 400 <= method < 500
    assert restore == 200


# Rust


@pytest.fixture(scope="session")
def rust_bootstrap() -> bytes:
    """Built once; the target directory is kept under .cache."""
    target = ROOT / ".cache" / "rust-bootstrap"
    project = ROOT / "examples" / "rust-bootstrap"
    environment = {key: value for key, value in os.environ.items() if key != "CARGO_TARGET_DIR"}
    subprocess.run(
        ["cargo", "build", "--release", "--locked", "--target-dir", target],
        cwd=project,
        env=environment,
        check=True,
    )
    return (target / "release" / "bootstrap").read_bytes()


def test_a_rust_bootstrap_with_lambda_runtime(functions, rust_bootstrap):
    name = functions.make({"bootstrap": rust_bootstrap}, Runtime="provided.al2023", Handler="bootstrap")
    answer = functions.invoke(name, {"n": 21}, LogType="Tail")
    request_id = answer["ResponseMetadata"]["RequestId"]
    assert "doubling 21\n" in tail_of(answer)
    assert payload_of(answer) == {"doubled": 42, "request": request_id, "function": name}
    error = error_of(functions.invoke(name, {"n": "many"}))
    assert error["errorMessage"] == "n must be a whole number"
    assert functions.call(name, {"n": 4})["doubled"] == 8
