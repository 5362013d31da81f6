"""What AWS would have asked for: `squall cost`, and the page behind it."""

import json
import os
import subprocess

import pytest

import harness

GB = 2**30


@pytest.fixture
def used(fresh_engine):
    """An engine on which two functions have run and a bucket has something."""
    awslambda, s3 = fresh_engine.client("lambda"), fresh_engine.client("s3")
    code = "def handler(event, context):\n    return 'x' * event['size'] if event['size'] else 1 / 0\n"
    for name, memory in [("shop-dev-order", 512), ("other", 1024)]:
        awslambda.create_function(
            FunctionName=name,
            Runtime="python3.11",
            Handler="handler.handler",
            Role=harness.ROLE,
            MemorySize=memory,
            Code={"ZipFile": harness.zip_of({"handler.py": code})},
        )
    for name, size in [("shop-dev-order", 1000), ("shop-dev-order", 0), ("other", 10)]:
        awslambda.invoke(FunctionName=name, Payload=json.dumps({"size": size}))
    s3.create_bucket(Bucket="shop-dev-lake-000000000000")
    s3.put_object(Bucket="shop-dev-lake-000000000000", Key="a", Body=b"x" * 4096)
    return fresh_engine


def cost(engine, *arguments, folder=None):
    return subprocess.run(
        [str(harness.binary()), "--data", str(engine.data), "cost", *arguments],
        capture_output=True,
        text=True,
        timeout=harness.DEADLINE,
        cwd=folder or os.path.dirname(engine.data),
        env=harness.clean_environment(),
    )


def bill(engine, *arguments, **more):
    done = cost(engine, "--json", *arguments, **more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_bill_is_of_what_was_recorded(used):
    seen = bill(used, "--all")
    lines = {line["function"]: line for line in seen["functions"]}
    assert set(lines) == {"shop-dev-order", "other"}
    order = lines["shop-dev-order"]
    assert (order["invocations"], order["failed"]) == (2, 1)
    assert order["requests_usd"] == pytest.approx(2 * 0.2 / 1e6)
    # The text and its quotation marks, and an error of some hundred bytes.
    assert 1002 < order["out_gb"] * GB < 5000
    assert order["compute_usd"] == pytest.approx(order["gb_seconds"] * 0.0000166667)
    assert order["gb_seconds"] > 0
    assert seen["total"]["invocations"] == 3
    assert seen["total"]["total_usd"] == pytest.approx(sum(line["total_usd"] for line in seen["days"]))
    (storage,) = seen["storage"]
    assert (storage["objects"], round(storage["gb"] * GB)) == (1, 4096)
    assert storage["usd_a_month"] == pytest.approx(4096 / GB * 0.023)
    assert seen["prices_dated"] and seen["currency"] == "USD"


def test_the_project_of_a_folder_pays_for_itself_alone(used, tmp_path):
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "order.py").write_text("def handler(event, context):\n    return 1\n")
    (folder / "squall.toml").write_text(
        '[project]\nname = "shop"\n[functions.order]\nhandler = "order.handler"\n[stages.prod]\n'
    )
    assert [line["function"] for line in bill(used, folder=folder)["functions"]] == ["shop-dev-order"]
    assert len(bill(used, "--all", folder=folder)["functions"]) == 2
    prod = bill(used, "--stage", "prod", folder=folder)
    assert (prod["functions"], prod["storage"], prod["total"]["total_usd"]) == ([], [], 0)


def test_people_get_a_table(used):
    done = cost(used, "--all")
    assert done.returncode == 0, done.stderr
    titles, *rows = done.stdout.splitlines()
    assert titles.split()[:4] == ["DAY", "FUNCTION", "INVOCATIONS", "FAILED"]
    assert any("shop-dev-order" in row and "$" in row for row in rows)
    assert "shop-dev-lake-000000000000" in done.stdout
    assert "not taken off" in done.stderr


def test_a_span_that_is_none_is_a_mistake(used):
    done = cost(used, "--since", "soon")
    assert done.returncode == 2
    assert "hint:" in done.stderr


def test_only_the_owner_sees_what_was_used(used):
    assert harness.call(used, "GET", "/_squall/usage", service="squall").status == 200
    assert harness.call(used, "GET", "/_squall/usage?since=soon", service="squall").status == 400
    assert harness.send(used, "GET", "/_squall/usage").status == 403
