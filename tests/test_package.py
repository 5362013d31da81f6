"""What `squall package` makes of requirements: with uv and with pip, for AWS and for here, slim
and in two parts. Libraries come from the package index that pip uses, or are made here.
"""

import base64
import csv
import hashlib
import io
import os
import sys
import zipfile
from pathlib import Path

import pytest

import harness
from deploy_cli import Folder, TOOLS, one_error

HANDLER = "def lambda_handler(event, context):\n    return {value}\n"
MB = 1024 * 1024


@pytest.fixture
def project(tmp_path, engine_without_project):
    return Packed(tmp_path / "project", engine_without_project)


@pytest.fixture
def engine_without_project():
    """Nothing is asked of it: packages are built without an engine."""

    class Nothing:
        data = Path("/nowhere")

    return Nothing()


class Packed(Folder):
    """With a cache of its own, so that everything is built."""

    cache = None

    def environment(self):
        self.cache = self.cache or self.path.parent / "cache"
        return {**harness.clean_environment(), **TOOLS, "XDG_CACHE_HOME": str(self.cache)}

    def package(self, *arguments, **more) -> dict:
        [built] = self.run("package", "--json", *arguments, **{"fails": 0, **more}).json
        return built


def code(*imports, value="1"):
    return "".join(f"import {name}\n" for name in imports) + HANDLER.format(value=value)


def names(artifact) -> list[str]:
    with zipfile.ZipFile(artifact["path"]) as archive:
        return archive.namelist()


def without_uv(tmp_path) -> dict:
    """A PATH with pip's Python and no uv."""
    folder = tmp_path / "only-pip"
    folder.mkdir(exist_ok=True)
    for name in ("python3", "python3.11"):
        if not (folder / name).exists():
            (folder / name).symlink_to(Path(sys.executable).resolve())
    return {"PATH": f"{folder}:/usr/bin:/bin"}


def make_wheel(folder: Path, name: str, files: dict[str, bytes]) -> str:
    """A distribution made by hand; its line in requirements.txt."""
    info = f"{name}-1.0.dist-info"
    files = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = io.StringIO()
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        csv.writer(record).writerow([path, f"sha256={digest}", len(content)])
    csv.writer(record).writerow([f"{info}/RECORD", "", ""])
    wheel = f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(folder / wheel, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path, content in {**files, f"{info}/RECORD": record.getvalue().encode()}.items():
            archive.writestr(path, content)
    return f"./{wheel}\n"


def test_uv_and_pip_make_the_same_layer(project, tmp_path):
    project.write(handler_py=code("six"), requirements_txt="six==1.17.0\n")
    by_uv = project.package()
    project.cache = tmp_path / "other-cache"
    by_pip = project.package(environment=without_uv(tmp_path))
    [one], [two] = by_uv["layers"], by_pip["layers"]
    assert one["sha256"] == two["sha256"] and one["hash"] == two["hash"]
    assert "python/six.py" in names(one)
    assert "python/__pycache__/six.cpython-311.pyc" in names(one)
    assert not any(name.endswith(("RECORD", "INSTALLER")) for name in names(one))
    assert names(by_uv["code"]) == ["handler.py"]


def test_unchanged_requirements_ask_no_resolver(project, tmp_path):
    project.write(handler_py=code("six"), requirements_txt="six==1.17.0\n")
    first = project.package()
    nothing = {"PATH": str(tmp_path / "empty")}
    project.write(handler_py=code("six", value="2"), requirements_txt="# ours\nsix==1.17.0  # as before\n")
    again = project.package("--no-test", environment=nothing)
    assert again["layers"] == first["layers"] and again["code"] != first["code"]
    project.write(requirements_txt="six==1.16.0\n")
    said = project.refused("package", "--no-test", environment={**nothing, "HOME": str(tmp_path), "PYENV_ROOT": str(tmp_path)})
    assert "neither uv nor pip" in one_error(said)
    assert "hint: install one of them" in said


@pytest.mark.parametrize("by", ["uv", "pip"])
def test_what_cannot_be_resolved_says_why_in_short(project, tmp_path, by):
    environment = {} if by == "uv" else without_uv(tmp_path)
    project.write(handler_py=code())
    for requirement, words in [
        ("no-such-distribution-zz9==1\n", "no-such-distribution-zz9"),
        ("pandas==2.3.2\nnumpy==1.20\n", "numpy"),
        ("foo bar ==\n", "foo bar"),
        ("six==1.17.0\n-e ./mine\n", "line 2: what is editable"),
    ]:
        project.write(requirements_txt=requirement)
        said = project.refused("package", environment=environment)
        one_error(said)
        assert words in said and len(said) < 2500, said


@pytest.mark.parametrize("by", ["uv", "pip"])
def test_an_index_that_does_not_answer_is_said(project, tmp_path, by):
    environment = {} if by == "uv" else without_uv(tmp_path)
    with harness.socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # and does not listen
        index = f"http://127.0.0.1:{bound.getsockname()[1]}/simple"
        environment |= {"PIP_INDEX_URL": index, "UV_DEFAULT_INDEX": index, "PIP_RETRIES": "1", "UV_HTTP_RETRIES": "0"}
        environment |= {"PIP_FIND_LINKS": "", "UV_NO_CACHE": "1", "PIP_NO_CACHE_DIR": "1"}
        project.write(handler_py=code("six"), requirements_txt="six==1.17.0\n")
        said = project.refused("package", environment=environment)
    assert "onnection refused" in said and "requirements of handler" in one_error(said)


def test_secrets_and_the_data_of_an_engine_stay_here(project):
    project.write(**{
        "handler.py": code(),
        ".env": "KEY=1",
        "deploy.pem": "x",
        "engine/squall.db": "x",
        "engine/credentials.json": "{}",
        "tests/test_it.py": "",
        "squall.toml": """
            [project]
            name = "mine"
            [functions.f]
            handler = "handler.lambda_handler"
        """,
    })
    built = project.package()
    assert names(built["code"]) == ["handler.py"]
    assert ".env, deploy.pem" in built["notes"][0]


@pytest.mark.parametrize("by", ["uv", "pip"])
def test_a_package_that_is_there_as_source_alone_is_built(project, tmp_path, by):
    environment = {} if by == "uv" else without_uv(tmp_path)
    project.write(handler_py=code("docopt"), requirements_txt="docopt==0.6.2\n")
    [layer] = project.package("--to", "aws", environment=environment)["layers"]
    assert "python/docopt.py" in names(layer)


@pytest.mark.parametrize("by", ["uv", "pip"])
def test_nothing_is_built_from_where_the_requirements_do_not_point(project, tmp_path, by):
    """A private name without wheels is not taken from whoever has it on the public index."""
    environment = {} if by == "uv" else without_uv(tmp_path)
    project.write(**{"handler.py": code("docopt"), "sources/none.txt": "x"})
    project.write(requirements_txt="--no-index\n--find-links ./sources\ndocopt\n")
    said = project.refused("package", environment=environment | {"PIP_FIND_LINKS": ""})
    assert "docopt" in one_error(said) or "docopt" in said


@pytest.mark.parametrize("by", ["uv", "pip"])
def test_the_same_words_with_other_wheels_are_other_libraries(project, tmp_path, by):
    environment = {} if by == "uv" else without_uv(tmp_path)
    hashes = set()
    for number in (1, 2):
        (project.path / "wheels").mkdir(exist_ok=True)
        make_wheel(project.path / "wheels", "zzlib", {"zzlib.py": f"value = {number}\n".encode()})
        project.write(handler_py=code("zzlib"), requirements_txt="--no-index\n--find-links ./wheels\nzzlib\n")
        [layer] = project.package(environment=environment)["layers"]
        with zipfile.ZipFile(layer["path"]) as archive:
            assert archive.read("python/zzlib.py") == f"value = {number}\n".encode()
        hashes.add(layer["hash"])
    assert len(hashes) == 2


def test_a_local_package_comes_to_rest(project):
    project.write(**{
        "handler.py": code("mine"),
        "requirements.txt": "./lib\n",
        "lib/mine.py": "x = 1\n",
        "lib/pyproject.toml": """
            [build-system]
            requires = ["setuptools"]
            build-backend = "setuptools.build_meta"
            [project]
            name = "mine"
            version = "1"
        """,
    })
    first = project.package("--no-test")
    assert project.package("--no-test")["layers"] == first["layers"]
    project.write(**{"lib/mine.py": "x = 2\n"})
    assert project.package("--no-test")["layers"] != first["layers"]


@pytest.mark.parametrize("by", ["uv", "pip"])
def test_libraries_too_new_for_aws_run_here_and_are_refused_there(project, tmp_path, by):
    environment = {} if by == "uv" else without_uv(tmp_path)
    project.write(handler_py=code("numpy"), requirements_txt="numpy==2.4.6\n")
    built = project.package(environment=environment)
    assert "this package runs here and not there" in built["notes"][0]
    said = project.refused("package", "--to", "aws", environment=environment)
    assert "a newer system than AWS's python3.11" in said
    project.write(requirements_txt="numpy\n")
    older = project.package("--to", "aws", environment=environment)
    [numpy] = [found for found in older["report"]["distributions"] if found["name"] == "numpy"]
    assert numpy["version"].startswith("2.2.") and numpy["wanted_by"] == ["requirements"]
    assert older["notes"] == []


def test_pyproject_and_a_lock_of_uv_are_read(project, tmp_path):
    project.write(
        handler_py=code("six"),
        pyproject_toml="""
            [project]
            name = "mine"
            version = "1"
            requires-python = ">=3.11"
            dependencies = ["six==1.16.0"]
        """,
    )
    [layer] = project.package()["layers"]
    assert "python/six-1.16.0.dist-info/METADATA" in names(layer)
    lock = harness.subprocess.run(
        ["uv", "lock", "--quiet"], cwd=project.path, env=project.environment(), capture_output=True, text=True
    )
    assert lock.returncode == 0, lock.stderr
    project.write(**{
        "squall.toml": """
            [project]
            name = "mine"
            [functions.f]
            handler = "handler.lambda_handler"
            requirements = "uv.lock"
        """
    })
    [layer] = project.package()["layers"]
    assert "python/six-1.16.0.dist-info/METADATA" in names(layer)
    project.cache = tmp_path / "other-cache"
    said = project.refused("package", environment=without_uv(tmp_path))
    assert "uv.lock is for uv" in said


def test_slim_drops_what_tests_and_events_never_open(project):
    project.write(
        **{
            "handler.py": """
                import numpy

                def lambda_handler(event, context):
                    return float(numpy.linalg.norm(event["x"]))
            """,
            "requirements.txt": "numpy\n",
            "event.json": '{"x": [3, 4]}',
            "test_handler.py": """
                import numpy.fft
                from handler import lambda_handler

                def test_it():
                    assert lambda_handler({"x": [3, 4]}, None) == 5.0
                    assert numpy.fft.fft([1])[0] == 1
            """,
        }
    )
    plain, slim = project.package(), project.package("--slim")
    [before], [after] = plain["layers"], slim["layers"]
    assert after["unpacked_bytes"] < 0.9 * before["unpacked_bytes"]
    kept = names(after)
    assert slim["notes"] == []
    assert "python/numpy/linalg/__init__.py" in kept
    assert "python/numpy/fft/__init__.py" in kept, "only the test opens it"
    assert not any(name.startswith("python/numpy/f2py/") for name in kept)
    assert plain["report"]["dropped"]["tests"]["files"] > 100
    assert slim["report"]["dropped"]["unused"]["bytes"] > 4 * MB
    # A second time nothing is watched, and nothing else comes out.
    assert project.package("--slim") == slim
    tree = project.run("package", "--slim", "--explain", fails=0).stdout
    assert "never opened by tests, sample or import" in tree and "numpy 2." in tree


def test_what_is_missing_when_slim_comes_back(project):
    lazy = b"def load():\n    from . import late\n    return late.value\n"
    wheel = make_wheel(
        project.path,
        "lazylib",
        {
            "lazylib/__init__.py": lazy,
            "lazylib/late.py": b"from .deep.inner import value\n",
            "lazylib/deep/__init__.py": b"",
            "lazylib/deep/inner.py": b"value = 7\n",
            "lazylib/unused/__init__.py": b"",
            "lazylib/unused/big.bin": os.urandom(2 * MB),
        },
    )
    project.write(
        handler_py="import lazylib\n\ndef lambda_handler(event, context):\n    return lazylib.load()\n",
        requirements_txt=wheel,
        **{"event.json": "{}"},
    )
    [layer] = project.package("--slim")["layers"]
    kept = names(layer)
    assert "python/lazylib/deep/inner.py" in kept and "python/lazylib/unused/big.bin" not in kept


def test_what_does_not_fit_is_fetched_as_an_instance_starts(fresh_engine, tmp_path):
    """Two libraries of 140 MB each, both of them opened: no slimming helps."""
    folder = Folder(tmp_path / "project", fresh_engine)
    lines = ""
    for name in ("hugea", "hugeb"):
        loads = b"import os\nsize = len(open(os.path.join(os.path.dirname(__file__), 'data.bin'), 'rb').read())\n"
        content = {f"{name}/__init__.py": loads, f"{name}/data.bin": bytes(140 * MB)}
        lines += make_wheel(folder.path, name, content)
    folder.write(
        handler_py=code("hugea", "hugeb", value="[hugea.size, hugeb.size]"),
        requirements_txt=lines,
        **{
            "squall.toml": """
                [project]
                name = "large"
                [functions.f]
                handler = "handler.lambda_handler"
                exclude = ["*.whl"]
                memory = 1024
                timeout = 60
            """
        },
    )
    [built] = folder.run("package", "--json", fails=0).json
    assert built["rest"]["unpacked_bytes"] > 140 * MB
    assert built["handler"] == "squall.entry.handler"
    assert built["environment"] == {"SQUALL_HANDLER": "handler.lambda_handler"}
    assert len(built["report"]["rest"]) == 1
    whole = sum(part["unpacked_bytes"] for part in [built["code"], *built["layers"]])
    assert whole < 250 * MB
    folder.deploy()
    done = folder.run("invoke", "large-dev-f", fails=0)
    assert done.json == [140 * MB, 140 * MB]
    folder.undeploy()
