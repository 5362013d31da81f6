"""`squall.entry.handler`: the handler of functions with secrets, with a rest that did not
fit into their package, and of those that are kept warm."""

import hashlib
import io
import json
import random
import zipfile

import pytest

from harness import unique, zip_of
from wrapped import wrapped

from squall import unzip

HANDLER = """
import os

def handler(event, context):
    if event == "fail":
        raise ValueError("inside")
    return {"event": event, "arn": context.invoked_function_arn, "pid": os.getpid()}
"""


def test_events_pass_through_to_the_handler(functions):
    name = functions.make(**wrapped(HANDLER))
    for event in ({"a": 1}, [1], None, "text", {"squall": "mine"}, {"squall": {"other": 1}}):
        assert functions.call(name, event)["event"] == event
    error = functions.fail(name, "fail")
    plain = functions.fail(functions.make(HANDLER), "fail")
    assert (error["errorType"], error["errorMessage"]) == (plain["errorType"], plain["errorMessage"])
    assert error["stackTrace"][-1] == plain["stackTrace"][-1]


def test_mistakes_are_told_as_without_the_wrapper(functions):
    for files, handler in [
        ("import absent", "app.handler"),
        ("import absent.inner", "app.handler"),
        ("x = 1", "app.handler"),
        ({"web/app.py": "import absent"}, "web/app.handler"),
        ("", "nowhere.handler"),
        ("raise KeyError('inside')", "app.handler"),
        ("def (", "app.handler"),
        ({"app.py": "import inner", "inner.py": "def ("}, "app.handler"),
    ]:
        files = {"app.py": files} if isinstance(files, str) else files
        seen = functions.fail(functions.make(**wrapped(files, handler=handler)))
        bare = functions.fail(functions.make(zip_of(files), Handler=handler))
        assert [seen[key] for key in ("errorType", "errorMessage")] == [bare[key] for key in ("errorType", "errorMessage")]


def test_a_missing_module_deep_inside_keeps_its_traceback(functions):
    files = {"app.py": "import inner\n", "inner.py": "import absent\n"}
    error = functions.fail(functions.make(**wrapped(files)))
    assert [line.split(",")[0] for line in error["stackTrace"] if "importlib" not in line] == [
        '  File "/var/task/app.py"',
        '  File "/var/task/inner.py"',
    ]


def test_map_events_reach_the_users_function(functions):
    """On AWS, where no client of ours serves them."""
    source = """
    def handler(values: list):
        return sum(values)
    """
    name = functions.make(**wrapped(source))
    said = functions.call(name, {"squall": {"map": "describe"}})["squall"]
    assert said["item"] == "list"
    chunk = {"squall": {"map": "chunk", "item": "list", "count": 2, "columns": [{"name": "v", "type": "float"}]}, "items": [[1.0, 2.0], [3.0]]}
    assert functions.call(name, chunk)["results"] == [3.0, 3.0]


# Kept warm


def test_a_warm_event_is_not_the_users(functions):
    name = functions.make(**wrapped("def handler(event, context):\n    raise ValueError\n"))
    assert functions.call(name, {"squall": {"warm": 1}}) == {"squall": {"warm": 1}}
    for wrong in (0, -1, 101, "3", None, 1.5, True):
        assert functions.fail(name, {"squall": {"warm": wrong}})["errorType"] == "ValueError"


def test_several_instances_are_kept_warm_at_once(engine, awslambda, functions):
    name = functions.make(**wrapped(HANDLER))
    version = awslambda.publish_version(FunctionName=name)["Version"]
    awslambda.create_alias(FunctionName=name, Name="live", FunctionVersion=version)
    functions.call(name, {"squall": {"warm": 4}}, Qualifier="live")
    running = json.loads(engine.cli("ps", "--json").stdout)["instances"]
    assert len([one for one in running if one["function"] == name]) >= 4, running


# The rest of a package


@pytest.fixture
def rest(s3, bucket):
    """Puts a zip into a bucket; the variables that name it."""

    def put(files, content=None, digest=None, modes=None):
        content = content if content is not None else zip_of(files, modes)
        key = f"rests/{unique()}.zip"
        s3.put_object(Bucket=bucket, Key=key, Body=content)
        digest = digest or hashlib.sha256(content).hexdigest()
        return {"SQUALL_REST": f"s3://{bucket}/{key}", "SQUALL_REST_SHA256": digest}

    return put


USES_REST = """
import os, sys
import big, own

def handler(event, context):
    import late
    return [big.VALUE, own.VALUE, late.VALUE, os.path.dirname(big.__file__), os.access(late.TOOL, os.X_OK)]
"""


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_what_did_not_fit_is_fetched_at_the_start(functions, rest, start):
    modules = {
        "python/big/__init__.py": "VALUE = 'from the rest'\n",
        "python/own.py": "VALUE = 'from the rest'\n",
        "late.py": "import os\nVALUE = 'late'\nTOOL = os.path.join(os.path.dirname(__file__), 'tool')\n",
        "tool": "#!/bin/sh\n",
    }
    environment = {**rest(modules, modes={"tool": 0o755}), "SQUALL_START": start}
    # What is in the package comes first.
    files = {"app.py": USES_REST, "own.py": "VALUE = 'from the package'\n"}
    name = functions.make(**wrapped(files, environment=environment))
    for _ in range(3):
        big, own, late, folder, executable = functions.call(name)
        assert (big, own, late, executable) == ("from the rest", "from the package", "late", True)
        assert folder.startswith("/tmp/squall-rest/")


def test_every_instance_has_a_rest_of_its_own(functions, rest):
    source = """
    import os
    import big

    MARK = os.path.join(os.path.dirname(big.__file__), "mark")

    def handler(event, context):
        there = os.path.exists(MARK)
        open(MARK, "w").close()
        size = os.path.getsize(os.path.join(os.path.dirname(big.__file__), "data.bin"))
        if event == "leave":
            os._exit(0)
        return [there, size]
    """
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr("big.py", "")
        writer.writestr("data.bin", random.Random(1).randbytes(40 << 20))
    name = functions.make(**wrapped(source, environment=rest(None, archive.getvalue()), MemorySize=512))
    assert functions.call(name) == [False, 40 << 20]
    assert functions.call(name) == [True, 40 << 20]
    functions.fail(name, "leave")
    assert functions.call(name) == [False, 40 << 20]


def test_a_rest_that_is_not_what_was_deployed(functions, rest, s3, bucket):
    good = zip_of({"big.py": ""})
    for environment, words in [
        (rest(None, good, digest="0" * 64), "it is not what was deployed"),
        (rest(None, b"no zip"), "big"),
        (rest(None, good[:20]), "it ends within a header"),
        ({"SQUALL_REST": f"s3://{bucket}/none.zip", "SQUALL_REST_SHA256": "0"}, "404"),
        ({"SQUALL_REST": "http://example/none.zip"}, "names no object"),
        (rest({"../../evil.py": ""}), "is no name of a file"),
    ]:
        error = functions.fail(functions.make(**wrapped("import big\nhandler = 1", environment=environment)))
        assert words in error["errorMessage"], error
        if words != "big":
            assert error["errorType"] == "Squall.Rest"


def test_archives_are_unpacked_as_they_come(tmp_path):
    """Against the standard library's own writer, by reads of any size."""
    chance = random.Random(7)
    content, files = io.BytesIO(), {}
    with zipfile.ZipFile(content, "w") as archive:
        for n in range(40):
            info = zipfile.ZipInfo(f"a{n % 5}/b{n}.bin")
            info.compress_type = zipfile.ZIP_DEFLATED if n % 3 else zipfile.ZIP_STORED
            info.external_attr = (0o100755 if n % 7 == 0 else 0o100644) << 16
            size = chance.randrange(300_000)
            files[info.filename] = chance.randbytes(size) if n % 2 else b"abc" * size
            archive.writestr(info, files[info.filename])
    whole = content.getvalue()
    for step in (997, 65_536, len(whole)):
        folder, digest, source = tmp_path / str(step), hashlib.sha256(), io.BytesIO(whole)
        folder.mkdir()
        unzip.unpack(lambda count: source.read(min(count, step)), str(folder), digest.update)
        assert digest.hexdigest() == hashlib.sha256(whole).hexdigest()
        for n, (name, data) in enumerate(files.items()):
            assert (folder / name).read_bytes() == data
            assert bool((folder / name).stat().st_mode & 0o111) is (n % 7 == 0)


def test_damaged_archives_are_refused(tmp_path):
    chance = random.Random(11)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for n in range(6):
            archive.writestr(f"d{n}/f", bytes(chance.choices(b"abcd", k=3000)))
    whole = content.getvalue()
    refused = 0
    for n in range(600):
        damaged = bytearray(whole)
        for _ in range(1 + n % 3):
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        if n % 4 == 0:
            del damaged[chance.randrange(len(damaged)) :]
        folder = tmp_path / str(n)
        folder.mkdir()
        try:
            unzip.unpack(io.BytesIO(bytes(damaged)).read, str(folder))
        except (unzip.BadArchive, OSError):
            refused += 1
    assert refused > 300
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(5_000_000))
    lying = bytearray(bomb.getvalue())
    lying[22:26] = (1000).to_bytes(4, "little")
    with pytest.raises(unzip.BadArchive, match="larger than it says"):
        unzip.unpack(io.BytesIO(bytes(lying)).read, str(tmp_path))
    assert (tmp_path / "zeros").stat().st_size < 5_000_000


# Secrets


@pytest.fixture
def parameters(engine):
    ssm = engine.client("ssm")
    made = []

    def put(values) -> str:
        for name, value in values.items():
            ssm.put_parameter(Name=name, Value=value, Type="SecureString")
            made.append(name)
        return ",".join(values)

    yield put
    for name in made:
        ssm.delete_parameter(Name=name)


def test_secrets_are_variables_of_the_function(functions, parameters):
    source = """
    import os
    AT_IMPORT = os.environ["KEY_1"]

    def handler(event, context):
        return [AT_IMPORT, os.environ["RENAMED"], os.environ["KEY_12"]]
    """
    folder = f"/squall/{unique()}/dev"
    named = parameters({f"{folder}/KEY_{n}": f"värde {n}" for n in range(13)})
    other = parameters({f"{folder}/other": "renamed"})
    name = functions.make(**wrapped(source, environment={"SQUALL_SECRETS": f"{named}, RENAMED={other}"}))
    assert functions.call(name) == ["värde 1", "renamed", "värde 12"]


def test_a_secret_that_is_not_set_is_named(functions, parameters):
    folder = f"/squall/{unique()}/dev"
    there = parameters({f"{folder}/THERE": "the value"})
    environment = {"SQUALL_SECRETS": f"{there},{folder}/FIRST,{folder}/SECOND"}
    error = functions.fail(functions.make(**wrapped(HANDLER, environment=environment)))
    assert error["errorType"] == "Squall.MissingSecret"
    assert "not set: FIRST, SECOND;" in error["errorMessage"]
    assert "the value" not in str(error)
