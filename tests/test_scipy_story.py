"""The story the project began with: a script becomes a function. Without its
libraries it fails as on AWS; with a layer it works."""

import json
from pathlib import Path

import pytest

from harness import eventually, payload_of

STORY = Path(__file__).resolve().parent.parent / "examples" / "linregress"


def test_error_without_the_layer_and_result_with_it(functions, awslambda, publish_layer):
    sources = {"handler.py": (STORY / "handler.py").read_text()}
    event = json.loads((STORY / "event.json").read_text())
    name = functions.make(sources, Handler="handler.lambda_handler", MemorySize=512, Timeout=60)

    error = functions.fail(name, event)
    assert error["errorType"] == "Runtime.ImportModuleError"
    assert error["errorMessage"] == "Unable to import module 'handler': No module named 'scipy'"

    layer = publish_layer("numpy", "scipy")
    awslambda.update_function_configuration(FunctionName=name, Layers=[layer])

    def answered():
        answer = functions.invoke(name, event)
        return answer if "FunctionError" not in answer else None

    answer = payload_of(eventually(answered, "the function with its layer"))
    assert answer["statusCode"] == 200
    body = json.loads(answer["body"])

    from scipy.stats import linregress

    fit = linregress(event["x"], event["y"])
    expected = {"m": fit.slope, "c": fit.intercept, "r2": fit.rvalue**2, "p": fit.pvalue, "se": fit.stderr}
    assert body == pytest.approx(expected)


def test_a_bad_event_is_answered_and_not_a_crash(functions, publish_layer):
    sources = {"handler.py": (STORY / "handler.py").read_text()}
    layer = publish_layer("numpy", "scipy")
    name = functions.make(
        sources, Handler="handler.lambda_handler", MemorySize=512, Timeout=60, Layers=[layer]
    )
    for event in ({"x": [1, 2], "y": [1, 2, 3]}, {"x": [1], "y": [1]}, {"x": [1, 2]}, {"x": 1, "y": 2}, [], None):
        answer = functions.call(name, event)
        assert answer["statusCode"] == 400, event
        assert "message" in json.loads(answer["body"])


def test_pandas_works_too(functions, publish_layer):
    name = functions.make(
        """
        import io
        import pandas

        def handler(event, context):
            frame = pandas.read_csv(io.StringIO(event))
            return frame.groupby("id")["value"].mean().to_dict()
        """,
        MemorySize=1024,
        Timeout=60,
        Layers=[publish_layer("numpy"), publish_layer("pandas", "python-dateutil", "six")],
    )
    assert functions.call(name, "id,value\na,1\nb,5\na,3\n") == {"a": 2.0, "b": 5.0}
