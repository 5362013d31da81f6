"""What a Python handler sees, and what its caller gets back when it fails.

The shapes of errors are those of awslambdaric, the client that AWS runs."""

import json
import re
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import Functions
from harness import error_of, eventually, payload_of, running_engine, tail_of, zip_of

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


# Surroundings


def test_the_context_object(functions, awslambda):
    name = functions.make(
        """
        def handler(event, context):
            first = context.get_remaining_time_in_millis()
            return {
                "id": context.aws_request_id,
                "arn": context.invoked_function_arn,
                "name": context.function_name,
                "version": context.function_version,
                "memory": context.memory_limit_in_mb,
                "group": context.log_group_name,
                "stream": context.log_stream_name,
                "client": context.client_context,
                "identity": context.identity.cognito_identity_id,
                "remaining": [first, context.get_remaining_time_in_millis()],
            }
        """,
        MemorySize=192,
        Timeout=30,
    )
    answer = functions.invoke(name)
    request_id = answer["ResponseMetadata"]["RequestId"]
    seen = payload_of(answer)
    arn = awslambda.get_function_configuration(FunctionName=name)["FunctionArn"]
    assert seen["id"] == request_id
    assert seen["arn"] == arn
    assert (seen["name"], seen["version"], seen["memory"]) == (name, "$LATEST", "192")
    assert seen["group"] == f"/aws/lambda/{name}"
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", seen["stream"])
    assert seen["client"] is None and seen["identity"] is None
    first, second = seen["remaining"]
    assert 0 < second <= first <= 30_000
    awslambda.publish_version(FunctionName=name)
    awslambda.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    by_alias = functions.call(name, Qualifier="live")
    assert by_alias["arn"] == f"{arn}:live"
    assert by_alias["version"] == "1"
    assert "[1]" in by_alias["stream"]


def test_the_environment_of_a_lambda_runtime(functions, engine):
    name = functions.make(
        "import os, sys\ndef handler(event, context):\n    return [dict(os.environ), os.getcwd(), sys.path]\n",
        Environment={"Variables": {"MINE": "a b ü", "EMPTY": ""}},
        MemorySize=256,
    )
    environment, folder, path = functions.call(name)
    expected = {
        "_HANDLER": "app.handler",
        "AWS_DEFAULT_REGION": engine.region,
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.11",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "AWS_REGION": engine.region,
        "LAMBDA_TASK_ROOT": "/var/task",
        "MINE": "a b ü",
        "EMPTY": "",
        "TZ": ":UTC",
    }
    assert {key: environment.get(key) for key in expected} == expected
    assert "AWS_LAMBDA_LOG_STREAM_NAME" in environment
    assert environment["AWS_ENDPOINT_URL"]
    # The official client would start threads if this were set.
    assert "AWS_LAMBDA_MAX_CONCURRENCY" not in environment
    assert not [key for key in environment if key.startswith(("CARGO", "RUST", "SQUALL_TEST", "PYTEST"))]
    assert folder == "/var/task"
    assert "/var/task" in path
    assert not [entry for entry in path if ".cache" in entry or "venv" in entry]


def test_the_libraries_of_the_host_are_not_there(functions):
    # Positive control: these tests run on an interpreter that has them.
    import boto3, pytest as _  # noqa: F401, E401

    name = functions.make(
        """
        import importlib.util

        def handler(event, context):
            return [bool(importlib.util.find_spec(name)) for name in event]
        """
    )
    assert functions.call(name, ["json", "pytest", "pip", "scipy"]) == [True, False, False, False]


def test_the_code_is_where_aws_puts_it(functions):
    name = functions.make(
        {
            "app.py": """
                import inner.deep
                def handler(event, context):
                    with open("data.txt") as relative, open("/var/task/inner/deep.py") as absolute:
                        return [__file__, inner.deep.word, relative.read(), "word" in absolute.read()]
                """,
            "inner/__init__.py": "",
            "inner/deep.py": "word = 'deep'\n",
            "data.txt": "data",
        }
    )
    assert functions.call(name) == ["/var/task/app.py", "deep", "data", True]


def test_a_handler_in_a_folder(functions):
    source = {"src/main.py": "def go(event, context):\n    return __name__\n", "src/__init__.py": ""}
    assert functions.call(functions.make(source, Handler="src/main.go")) == "src.main"
    assert functions.call(functions.make(source, Handler="src.main.go")) == "src.main"


def test_a_later_layer_covers_an_earlier_one_and_the_code_covers_both(functions, awslambda):
    def layer(word):
        files = {"python/word.py": f"said = {word!r}\n", "python/code.py": "said = 'layer'\n", "bin/tool": word}
        files[f"only-{word}"] = word
        answer = awslambda.publish_layer_version(LayerName=f"cover-{word}", Content={"ZipFile": zip_of(files)})
        return answer["LayerVersionArn"]

    name = functions.make(
        {
            "app.py": """
                import os, word, code
                def handler(event, context):
                    return [word.said, code.said, open("/opt/bin/tool").read(), sorted(os.listdir("/opt"))]
                """,
            "code.py": "said = 'function'\n",
        },
        Layers=[layer("first"), layer("second")],
    )
    assert functions.call(name) == ["second", "function", "second", ["bin", "only-first", "only-second", "python"]]


def test_libraries_and_binaries_of_a_layer_are_found(functions, awslambda):
    site = f"python/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    answer = awslambda.publish_layer_version(
        LayerName="paths",
        Content={
            "ZipFile": zip_of(
                {f"{site}/sited.py": "word = 'site'\n", "bin/hello": "#!/bin/sh\necho hello\n"},
                modes={"bin/hello": 0o755},
            )
        },
    )
    name = functions.make(
        """
        import os, subprocess, sited

        def handler(event, context):
            said = subprocess.run(["hello"], capture_output=True, text=True).stdout
            return [sited.word, said, os.environ["LD_LIBRARY_PATH"].split(":")]
        """,
        Layers=[answer["LayerVersionArn"]],
    )
    word, said, libraries = functions.call(name)
    assert (word, said) == ("site", "hello\n")
    assert "/opt/lib" in libraries and "/var/task" in libraries


def test_tmp_is_writable_and_the_rest_is_not(functions):
    name = functions.make(
        """
        import os, shutil, tempfile

        def attempt(path):
            try:
                with open(path, "w") as file:
                    file.write("x")
                os.remove(path)
                return "written"
            except OSError as error:
                return type(error).__name__

        def handler(event, context):
            with tempfile.NamedTemporaryFile() as file:
                temporary = file.name
            tried = {path: attempt(path) for path in event}
            return [tried, temporary, shutil.disk_usage("/tmp").total]
        """,
        EphemeralStorage={"Size": 700},
    )
    outside = ["/var/task/x", "/opt/x", "/x", "/etc/x", "/usr/x", "/var/x", "/home/x", "/root/x", "/run/x"]
    outside += ["/proc/sys/kernel/hostname", "/sys/x", "/dev/x"]
    tried, temporary, size = functions.call(name, ["/tmp/x", *outside])
    assert tried.pop("/tmp/x") == "written"
    assert "written" not in tried.values(), tried
    assert temporary.startswith("/tmp/")
    assert 600 * 2**20 <= size <= 700 * 2**20


def test_an_instance_keeps_its_memory_and_its_tmp(functions):
    name = functions.make(
        """
        import os
        calls = 0

        def handler(event, context):
            global calls
            calls += 1
            with open("/tmp/calls", "a") as file:
                file.write("x")
            return [calls, os.path.getsize("/tmp/calls")]
        """
    )
    assert [functions.call(name) for _ in range(3)] == [[1, 1], [2, 2], [3, 3]]


TWINS = """
import os, random, socket, ssl, tempfile, uuid
try:
    import numpy
except ImportError:
    numpy = None

random.random()
if numpy:
    numpy.random.random()


def handler(event, context):
    before = os.listdir("/tmp")
    with open("/tmp/mine", "w") as file:
        file.write(context.aws_request_id)
    with socket.create_connection(("127.0.0.1", event["gate"])) as gate:
        gate.sendall(b"here")
        gate.recv(1)
    with open("/tmp/mine") as file:
        own = file.read() == context.aws_request_id
    drawn = [random.random(), random.SystemRandom().random(), ssl.RAND_bytes(16).hex(), uuid.uuid4().hex]
    drawn.append(uuid.uuid1().hex)
    drawn.append(next(tempfile._get_candidate_names()))
    if numpy:
        drawn.append(float(numpy.random.random()))
        drawn.append(float(numpy.random.default_rng().random()))
    return {"before": before, "own": own, "drawn": drawn, "stream": context.log_stream_name}
"""


@pytest.mark.parametrize("layers", [(), ("numpy",)], ids=["plain", "numpy"])
def test_instances_at_the_same_time_share_nothing(functions, publish_layer, gate, layers):
    name = functions.make(TWINS, Layers=[publish_layer(*layers)] if layers else [], MemorySize=512)
    with ThreadPoolExecutor(3) as pool:
        running = [pool.submit(functions.call, name, gate.event()) for _ in range(3)]
        gate.wait_for(3)
        gate.open()
        seen = [future.result() for future in running]
    for one in seen:
        assert one["before"] == []
        assert one["own"]
    assert len({one["stream"] for one in seen}) == 3
    for drawn in zip(*(one["drawn"] for one in seen)):
        assert len(set(drawn)) == 3, "a fork repeated what another drew"


def test_module_code_runs_before_the_first_event_and_once_per_instance(functions):
    name = functions.make(
        """
        import os, time
        made = time.time()
        log = []

        def handler(event, context):
            log.append(event)
            return [made < time.time(), log]
        """
    )
    assert functions.call(name, 1) == [True, [1]]
    assert functions.call(name, 2) == [True, [1, 2]]


# Values


@pytest.mark.parametrize(
    "value",
    [None, True, 0, -1.5, "", "text ü 🎉 \u2028", [], {}, [1, [2, {"a": None}]], {"é": "\x00\x1f"}, 2**53, "x" * 200_000],
    ids=lambda value: repr(value)[:20],
)
def test_values_survive_the_way_in_and_out(module_functions, echo, value):
    assert module_functions.call(echo, value) == value


@pytest.fixture(scope="module")
def echo(module_functions):
    return module_functions.make("def handler(event, context):\n    return event\n")


def test_text_leaves_as_python_leaves_it(functions):
    # awslambdaric escapes what is not ASCII up to Python 3.11.
    name = functions.make("def handler(event, context):\n    return 'ü'\n")
    assert json.loads(functions.invoke(name)["Payload"].read()) == "ü"


def test_decimals_and_nan(functions):
    name = functions.make(
        "import decimal\ndef handler(event, context):\n    return [decimal.Decimal('1.10'), float('nan')]\n"
    )
    body = functions.invoke(name)["Payload"].read().decode()
    assert body == "[1.10, NaN]"


# Failures


def test_a_raised_exception(functions):
    name = functions.make(
        """
        class Special(Exception):
            pass

        def deeper(event):
            raise Special("went wrong with ü")

        def handler(event, context):
            deeper(event)
        """
    )
    answer = functions.invoke(name, LogType="Tail")
    tail = tail_of(answer)
    request_id = answer["ResponseMetadata"]["RequestId"]
    body = json.loads(answer["Payload"].read())
    assert body == {
        "errorMessage": "went wrong with ü",
        "errorType": "Special",
        "requestId": request_id,
        "stackTrace": [
            '  File "/var/task/app.py", line 9, in handler\n    deeper(event)\n',
            '  File "/var/task/app.py", line 6, in deeper\n    raise Special("went wrong with ü")\n',
        ],
    }
    assert list(body) == ["errorMessage", "errorType", "requestId", "stackTrace"]
    assert "[ERROR] Special: went wrong with ü\rTraceback (most recent call last):\r" in tail
    assert '\r\u00a0\u00a0File "/var/task/app.py", line 9, in handler' in tail


def test_an_instance_survives_an_exception(functions):
    name = functions.make(
        """
        calls = 0
        def handler(event, context):
            global calls
            calls += 1
            if event == "fail":
                raise KeyError("k")
            return calls
        """
    )
    assert functions.call(name) == 1
    assert functions.fail(name, "fail")["errorMessage"] == "'k'"
    assert functions.call(name) == 3


@pytest.mark.parametrize(
    "source, handler, kind, message",
    [
        (
            "import scipy\n",
            "app.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'app': No module named 'scipy'",
        ),
        ("", "absent.handler", "Runtime.ImportModuleError", "Unable to import module 'absent': No module named 'absent'"),
        ("x = 1\n", "app.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        (
            "x = 1\n",
            "app",
            "Runtime.MalformedHandlerName",
            "Bad handler 'app': not enough values to unpack (expected 2, got 1)",
        ),
        ("def (:\n", "app.handler", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app': invalid syntax (app.py, line 1)"),
        ("raise RuntimeError('at import')\n", "app.handler", "RuntimeError", "at import"),
        ("x = 1\n", "sys.exit", "Runtime.BuiltInModuleConflict", "Cannot use built-in module sys as a handler module"),
    ],
    ids=["import", "module", "name", "malformed", "syntax", "raises", "builtin"],
)
def test_a_function_that_cannot_be_loaded(functions, source, handler, kind, message):
    name = functions.make(source, Handler=handler)
    # Twice: the second call must not find something half-loaded.
    for _ in range(2):
        body = functions.fail(name)
        assert body["errorType"] == kind
        assert body["errorMessage"] == message
        assert body["requestId"] == "" or re.fullmatch(UUID, body["requestId"])
        assert isinstance(body["stackTrace"], list)


def test_a_load_error_is_in_the_log(functions):
    name = functions.make("import scipy\n")
    tail = tail_of(functions.invoke(name, LogType="Tail"))
    assert "[ERROR] Runtime.ImportModuleError: Unable to import module 'app': No module named 'scipy'" in tail


def test_a_mended_function_works(functions, awslambda):
    name = functions.make("import scipy\n")
    assert functions.fail(name)["errorType"] == "Runtime.ImportModuleError"
    awslambda.update_function_code(
        FunctionName=name, ZipFile=zip_of("def handler(event, context):\n    return 'mended'\n")
    )
    assert eventually(lambda: "FunctionError" not in functions.invoke(name), "the mended code")
    assert functions.call(name) == "mended"


@pytest.mark.parametrize(
    "body, message",
    [
        ("import os; os._exit(3)", "Runtime exited with error: exit status 3"),
        ("import sys; sys.exit(4)", "Runtime exited with error: exit status 4"),
        ("import os; os._exit(0)", "Runtime exited without providing a reason"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "Runtime exited with error: signal: segmentation fault"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "Runtime exited with error: signal: killed"),
    ],
    ids=["exit-3", "sys-exit-4", "exit-0", "segv", "kill"],
)
def test_a_process_that_ends(functions, body, message):
    name = functions.make(f"def handler(event, context):\n    if event == 'end':\n        {body}\n    return 'well'\n")
    assert functions.call(name) == "well"
    answer = functions.invoke(name, "end")
    request_id = answer["ResponseMetadata"]["RequestId"]
    error = error_of(answer)
    assert error["errorType"] == "Runtime.ExitError"
    assert error["errorMessage"].startswith(f"RequestId: {request_id} Error: {message}")
    assert functions.call(name) == "well"


def test_a_timeout(functions):
    name = functions.make(
        """
        import time
        def handler(event, context):
            while event == "hang":
                time.sleep(60)
            return "well"
        """,
        Timeout=1,
    )
    assert functions.call(name) == "well"
    answer = functions.invoke(name, "hang", LogType="Tail")
    request_id = answer["ResponseMetadata"]["RequestId"]
    tail = tail_of(answer)
    assert error_of(answer) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {request_id} Error: Task timed out after 1.00 seconds",
    }
    assert f"{request_id} Task timed out after 1.00 seconds" in tail or "Status: timeout" in tail
    assert functions.call(name) == "well"


def test_a_timeout_while_loading():
    """Loading has a limit of its own, on AWS ten seconds; here a setting."""
    with running_engine(environment={"SQUALL_INIT_SECONDS": "1"}) as engine:
        functions = Functions(engine.client("lambda"))
        name = functions.make("import time\ntime.sleep(3600)\ndef handler(event, context):\n    pass\n")
        error = functions.fail(name)
        assert error["errorType"] == "Sandbox.Timedout"
        assert "Task timed out after 1.00 seconds" in error["errorMessage"]


def test_a_response_that_is_too_large(functions):
    name = functions.make("def handler(event, context):\n    return 'x' * event\n")
    # Two quotes belong to the payload.
    assert len(functions.call(name, 6_291_556 - 2)) == 6_291_554
    error = functions.fail(name, 6_291_556)
    assert error["errorType"] == "Function.ResponseSizeTooLarge"
    assert "Response payload size exceeded maximum allowed payload size (6291556 bytes)" in error["errorMessage"]
    assert functions.call(name, 3) == "xxx"


def test_what_json_cannot_say(functions):
    name = functions.make("def handler(event, context):\n    return {1, 2}\n")
    error = functions.fail(name)
    assert error["errorType"] == "Runtime.MarshalError"
    assert error["errorMessage"] == "Unable to marshal response: Object of type set is not JSON serializable"


def test_too_little_memory(functions):
    name = functions.make(
        """
        def handler(event, context):
            if event == "eat":
                eaten = bytearray(1 << 30)
                eaten[::4096] = b"x" * len(eaten[::4096])
            return "well"
        """,
        MemorySize=128,
    )
    assert functions.call(name) == "well"
    error = functions.fail(name, "eat")
    # A kill as on AWS, or Python's own exception where the limit is on addresses.
    assert error["errorType"] in ("Runtime.ExitError", "Runtime.OutOfMemory", "MemoryError")
    assert functions.call(name) == "well"


# Logs


def test_the_lines_of_an_invocation(functions):
    name = functions.make(
        """
        import logging, sys
        logging.getLogger().setLevel("INFO")

        def handler(event, context):
            print("to stdout")
            print("to stderr", file=sys.stderr)
            sys.stdout.write("no newline")
            sys.stdout.flush()
            sys.stdout.write(" yet\\n")
            logging.info("by logging")
            print("carriage\\rreturn")
            print("a\\nb")
            context.log("by context\\n")
        """,
        MemorySize=256,
    )
    answer = functions.invoke(name, LogType="Tail")
    request_id = answer["ResponseMetadata"]["RequestId"]
    # By \n only: \r is part of a line.
    lines = tail_of(answer).split("\n")
    start = lines.index(f"START RequestId: {request_id} Version: $LATEST")
    end = lines.index(f"END RequestId: {request_id}")
    inner = lines[start + 1 : end]
    for line in ("to stdout", "to stderr", "no newline yet", "carriage\rreturn", "a", "b", "by context"):
        assert line in inner, line
    assert [line for line in inner if re.fullmatch(rf"\[INFO\]\t\S+Z\t{request_id}\tby logging", line)]
    report = lines[end + 1]
    assert re.match(
        rf"REPORT RequestId: {request_id}\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\t"
        r"Memory Size: 256 MB\tMax Memory Used: \d+ MB\t(Init Duration: \d+\.\d\d ms\t)?",
        report,
    ), report
    used = int(re.search(r"Max Memory Used: (\d+) MB", report)[1])
    assert 1 <= used <= 256
    warm = tail_of(functions.invoke(name, LogType="Tail"))
    assert "Init Duration" not in warm


def test_only_the_last_four_kilobytes_are_the_tail(functions):
    name = functions.make("def handler(event, context):\n    for n in range(2000):\n        print('line', n)\n")
    answer = functions.invoke(name, LogType="Tail")
    tail = tail_of(answer)
    assert 3000 <= len(tail.encode()) <= 4096
    assert "line 1999" in tail and "line 1\n" not in tail
    assert "REPORT" in tail


def test_what_one_instance_logs_does_not_reach_the_log_of_another(functions, logs, gate):
    name = functions.make(
        """
        import socket

        def handler(event, context):
            print("i am", event["who"])
            with socket.create_connection(("127.0.0.1", event["gate"])) as gate:
                gate.sendall(b"here")
                gate.recv(1)
            print("still", event["who"])
            return context.log_stream_name
        """
    )
    with ThreadPoolExecutor(2) as pool:
        running = {who: pool.submit(functions.call, name, {**gate.event(), "who": who}) for who in "ab"}
        gate.wait_for(2)
        gate.open()
        streams = {who: future.result() for who, future in running.items()}
    assert streams["a"] != streams["b"]
    for who, stream in streams.items():

        def own_lines():
            events = logs.get_log_events(
                logGroupName=f"/aws/lambda/{name}", logStreamName=stream, startFromHead=True
            )["events"]
            lines = [event["message"].rstrip("\n") for event in events]
            return lines if any(line.startswith("REPORT") for line in lines) else None

        lines = eventually(own_lines, "the instance's log")
        assert [line for line in lines if line.startswith(("i am", "still"))] == [f"i am {who}", f"still {who}"]


def test_child_processes_write_to_the_log(functions):
    name = functions.make(
        "import subprocess\ndef handler(event, context):\n    subprocess.run(['sh', '-c', 'echo from a child; echo and stderr >&2'])\n"
    )
    tail = tail_of(functions.invoke(name, LogType="Tail"))
    assert "from a child\n" in tail and "and stderr\n" in tail


def test_threads_and_processes_of_python_work(functions):
    name = functions.make(
        """
        import concurrent.futures, threading

        def double(n):
            return 2 * n

        def handler(event, context):
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                by_threads = list(pool.map(double, range(4)))
            import subprocess, sys
            by_child = subprocess.run([sys.executable, "-c", "print(40 + 2)"], capture_output=True, text=True)
            return [by_threads, by_child.stdout.strip() or by_child.stderr]
        """,
        MemorySize=512,
    )
    assert functions.call(name) == [[0, 2, 4, 6], "42"]


def test_sqlite_ssl_and_decimal_come_with_the_interpreter(functions):
    name = functions.make(
        """
        import bz2, ctypes, decimal, hashlib, lzma, sqlite3, ssl, zlib

        def handler(event, context):
            return [sqlite3.connect(":memory:").execute("select 6 * 7").fetchone()[0], bool(ssl.OPENSSL_VERSION)]
        """
    )
    assert functions.call(name) == [42, True]


@pytest.mark.parametrize("minor", [9, 10, 12, 13])
def test_other_versions_of_python(functions, awslambda, minor):
    """Each that the machine has runs; of one that is missing, the error says which are there."""
    source = "import sys\ndef handler(event, context):\n    return list(sys.version_info[:2])\n"
    try:
        name = functions.make(source, Runtime=f"python3.{minor}")
    except awslambda.exceptions.InvalidParameterValueException as error:
        assert "python3.11" in str(error)
        return
    assert functions.call(name) == [3, minor]


def test_a_python_that_nobody_has(functions, awslambda):
    with pytest.raises(awslambda.exceptions.InvalidParameterValueException, match=r"python3\.11"):
        functions.make("def handler(event, context): pass\n", Runtime="python3.99")
