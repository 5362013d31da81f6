"""Story 1 from inside: a Lambda function that invokes Lambda functions, by `squall.map`.

What the endpoint does not do at will is in tests/test_map_client.py.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import harness

GUEST = Path(__file__).resolve().parent.parent / "guests" / "python"

# Calls squall.map with what the event says, and says what became of it.
CALLER = """
import squall


def handler(event, context):
    try:
        return plain(squall.map(event.pop("function"), event.pop("items"), **event))
    except (squall.MapError, squall.InvokeError) as error:
        failures = [plain(failure) for failure in getattr(error, "failures", ())]
        return {"raised": type(error).__name__, "message": str(error), "failures": failures}


def plain(value):
    if isinstance(value, squall.ItemError):
        return {"id": value.id, "kind": value.kind, "message": value.message, "attempts": value.attempts}
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return value
"""
TOTAL = """
def handler(values):
    return sum(values)
"""
# One item raises, one ends its process, one takes more memory than there is.
FRAGILE = """
import os


def handler(item, context):
    if item == 17:
        raise ValueError("bad item")
    if item == 33:
        os._exit(3)
    if item == 50:
        block = bytearray(1 << 30)
        for place in range(0, len(block), 4096):
            block[place] = 1
    return item * 2
"""


@pytest.fixture(scope="module")
def caller(module_functions):
    return module_functions.make(CALLER, Timeout=120, MemorySize=512)


@pytest.fixture
def fan_out(functions, caller):
    return lambda function, items, **how: functions.call(caller, {"function": function, "items": items, **how})


@pytest.mark.parametrize("chunksize", [1, 5, 1000, None])
def test_a_lambda_invokes_lambdas(functions, fan_out, chunksize):
    name = functions.make(TOTAL)
    items = {f"id {n}": [0.5 * n, 1, n] for n in range(120)}
    results = fan_out(name, items, chunksize=chunksize)
    assert list(results.items()) == [(key, sum(values)) for key, values in items.items()]


def test_any_handler_takes_json(functions, fan_out):
    """Two parameters, no word of squall in it, and events as it always had them."""
    name = functions.make("def handler(event, context):\n    return [context.function_name, event]\n")
    items = [{"gre": 700, "gpa": 3.5}, {"gre": 400, "gpa": None}, {}]
    assert fan_out(name, items) == [[name, item] for item in items]
    assert fan_out(name, ["text", 1, None]) == [[name, item] for item in ("text", 1, None)]
    # A row of values comes as in the story.
    (result,) = fan_out(name, {"a": [1, 2]})["a"][1:]
    assert result == {"id": "a", "values": [1, 2], "name": "value"}


def test_failures_are_isolated(functions, fan_out):
    name = functions.make(FRAGILE, MemorySize=128)
    results = fan_out(name, list(range(100)), chunksize=20, on_error="collect", retries=1)
    failed = {n: result for n, result in enumerate(results) if isinstance(result, dict)}
    assert [result for n, result in enumerate(results) if n not in failed] == [2 * n for n in range(100) if n not in failed]
    assert {n: (one["kind"], one["attempts"]) for n, one in failed.items()} == {
        17: ("ValueError", 2),
        33: ("Runtime.ExitError", 1),
        50: ("Runtime.OutOfMemory", 1),
    }


def test_the_first_failure_stops_with_a_table(functions, fan_out):
    name = functions.make(FRAGILE, MemorySize=128)
    said = fan_out(name, list(range(10, 30)), chunksize=4)
    assert said["raised"] == "MapError"
    assert said["failures"] == [{"id": 7, "kind": "ValueError", "message": "bad item", "attempts": 2}]
    assert said["message"].splitlines() == ["1 of 20 items failed", "     1  ValueError: bad item  (7)"]


def test_an_item_that_takes_too_long_stands_alone(functions, fan_out):
    name = functions.make(
        """
        import time

        def handler(item, context):
            while item == 5:
                time.sleep(1)
            return item
        """,
        Timeout=1,
    )
    results = fan_out(name, list(range(8)), chunksize=8, on_error="collect")
    assert results[:5] + results[6:] == [0, 1, 2, 3, 4, 6, 7]
    assert results[5]["kind"] == "Sandbox.Timedout"


def test_throttling_is_waited_out(functions, awslambda, fan_out):
    name = functions.make(TOTAL)
    awslambda.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    items = [[n, n] for n in range(60)]
    assert fan_out(name, items, chunksize=2, concurrency=8) == [2 * n for n in range(60)]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import nothing_like_this\n", "Runtime.ImportModuleError: Unable to import module 'app'"),
        ("def other():\n    pass\n", "Runtime.HandlerNotFound"),
    ],
)
def test_a_function_that_cannot_be_started(functions, fan_out, source, said):
    answer = fan_out(functions.make(source), [[1]])
    assert answer["raised"] == "InvokeError" and said in answer["message"]


def test_a_function_that_is_not_there(fan_out):
    answer = fan_out("no-such-function", [[1]])
    assert answer["raised"] == "InvokeError" and "ResourceNotFoundException" in answer["message"]


def test_versions_and_aliases(functions, awslambda, fan_out):
    name = functions.make("def handler(values):\n    return 'first'\n", Publish=True)
    awslambda.update_function_code(FunctionName=name, ZipFile=harness.zip_of("def handler(values):\n    return 'second'\n"))
    awslambda.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    assert fan_out(name, [[1]], qualifier="live") == ["first"]
    assert fan_out(name, [[1]], qualifier="$LATEST") == ["second"]
    arn = awslambda.get_function(FunctionName=name)["Configuration"]["FunctionArn"]
    assert fan_out(arn + ":1", [[1]]) == ["first"]


def test_numpy_pandas_and_groups(functions, publish_layer):
    layers = [publish_layer("numpy"), publish_layer("pandas", "python-dateutil", "six")]
    target = functions.make(
        """
        import pandas as pd

        def handler(series):
            return {"kind": type(series).__name__, "name": series.name, "sum": series.sum(), "least": series.min()}
        """,
        Layers=layers,
        MemorySize=512,
    )
    caller = functions.make(
        """
        import numpy as np
        import pandas as pd
        import squall

        def handler(event, context):
            frame = pd.DataFrame({"id": event["ids"], "x": event["values"]})
            groups = squall.map(event["function"], frame.groupby("id")["x"], chunksize=3)
            arrays = squall.map(event["function"], [np.array(event["values"]), np.array([np.nan])])
            return [[int(key), row] for key, row in groups.items()], arrays[0], str(arrays[1]["sum"]), str(arrays[1]["least"])
        """,
        Layers=layers,
        MemorySize=512,
        Timeout=120,
    )
    dice = np.random.default_rng(5)
    ids, values = dice.integers(0, 20, 200).tolist(), dice.normal(size=200).tolist()
    groups, array, empty, least = functions.call(caller, {"function": target, "ids": ids, "values": values})
    expected = pd.DataFrame({"id": ids, "x": values}).groupby("id")["x"].agg(["sum", "min"])
    assert [key for key, _ in groups] == expected.index.tolist()
    assert all(row["kind"] == "Series" and row["name"] == "x" for _, row in groups)
    np.testing.assert_allclose([[row["sum"], row["least"]] for _, row in groups], expected)
    assert array["name"] == "value" and np.isclose(array["sum"], sum(values))
    assert (empty, least) == ("0.0", "nan")


def test_a_role_that_may_not_invoke(functions, iam, awslambda):
    role = harness.unique("role")
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    target = functions.make(TOTAL)
    caller = functions.make(CALLER, Role=arn)
    said = functions.call(caller, {"function": target, "items": [[1]]})
    assert said["raised"] == "InvokeError" and "is not authorized to perform: lambda:InvokeFunction" in said["message"]
    target_arn = awslambda.get_function(FunctionName=target)["Configuration"]["FunctionArn"]
    statement = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": target_arn}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    iam.put_role_policy(RoleName=role, PolicyName="p", PolicyDocument=json.dumps(document))
    assert functions.call(caller, {"function": target, "items": [[1, 2]]}) == [3]


def test_outside_of_lambda_and_with_the_standard_library_alone(functions, engine):
    """As a library of any script: no boto3, no numpy, nothing that is installed."""
    name = functions.make(TOTAL)
    script = f"""
import sys
import squall
print(squall.map({name!r}, [[1, 2], [3.5]], chunksize=1))
assert not {{"boto3", "botocore", "numpy", "pandas"}} & set(sys.modules)
"""
    done = subprocess.run(
        # No site-packages: neither of this environment nor of the user.
        [sys.executable, "-S", "-s", "-c", script],
        capture_output=True,
        text=True,
        timeout=harness.DEADLINE,
        env={**engine.client_environment(), "PYTHONPATH": str(GUEST), "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
    )
    # One type for all items: what an item is does not depend on its chunk.
    assert (done.stdout, done.returncode) == ("[3.0, 3.5]\n", 0), done.stderr


def test_a_map_within_a_map(functions, fan_out, caller):
    """Each item of the outer one fans out over its own."""
    name = functions.make(TOTAL)
    events = [{"function": name, "items": [[n], [n, n]]} for n in range(6)]
    assert fan_out(caller, events, item="json") == [[n, 2 * n] for n in range(6)]
