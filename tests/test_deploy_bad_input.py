"""What newcomers get wrong, and what goes wrong without them: one clear message each, that
names the place and what to do, and a state from which the next deployment goes on.
"""

import ctypes
import os
import re

import pytest

import harness
from deploy_cli import Folder, one_error
from listings import difference, listing

HANDLER = """
def lambda_handler(event, context):
    return {"statusCode": 200, "body": "well"}
"""
TOML = """
[project]
name = "bad"

[functions.web]
url = true
"""


@pytest.fixture
def folder(engine, tmp_path):
    """A project that is right, on the engine; whatever a test does, nothing is left."""
    folder = Folder(tmp_path / "bad", engine)
    folder.write(**{"squall.toml": TOML, "handler.py": HANDLER})
    folder.undeploy()
    folder.before = listing(engine)
    yield folder
    folder.write(**{"squall.toml": TOML, "handler.py": HANDLER})
    folder.undeploy()
    assert difference(folder.before, listing(engine)) == {}


def refused(folder, *arguments, code=2, unchanged=True, **more) -> str:
    """Refused, by one message, before anything was made."""
    there = listing(folder.cloud)
    stderr = folder.refused("deploy", "-y", *arguments, code=code, **more)
    one_error(stderr)
    if unchanged:
        assert difference(there, listing(folder.cloud)) == {}
    return stderr


# The file


@pytest.mark.parametrize(
    "text, said",
    [
        ('[project\nname = "x"\n', ["squall.toml:1:9"]),
        ('[project]\nname = "x\n', ["squall.toml:2:"]),
        ('[project]\nname = "x"\nname = "y"\n', ["squall.toml:3:1"]),
        ('[project]\nnmae = "x"\n', ["squall.toml:2:1", "project.nmae", "did you mean name?"]),
        ("[function.web]\n", ["squall.toml:1:2", "did you mean functions?"]),
        ('[functions.web]\nmemroy = 512\n', ["squall.toml:2:1", "did you mean memory?"]),
        ('[functions.web]\nmemory = "512"\n', ["squall.toml:2:10", "functions.web.memory", "128 to 10240"]),
        ("[functions.web]\nmemory = 20000\n", ["squall.toml:2:10", "20000", "128 to 10240"]),
        ("[functions.web]\ntimeout = 1000\n", ["squall.toml:2:11", "1 to 900"]),
        ('[functions.web]\nruntime = "python2.7"\n', ["squall.toml:2:11", "python3."]),
        ('[functions.web]\nruntime = "nodejs22.x"\n', ["squall.toml:2:11"]),
        ('[project]\nname = "Über"\n', ["squall.toml:2:8", "lower-case"]),
        (f'[project]\nname = "{"x" * 33}"\n', ["squall.toml:2:8", "1 to 32"]),
        (f'[functions.{"f" * 41}]\n', ["squall.toml:1:12", "1 to 40"]),
        ('[functions.web]\nhandler = "nowhere.main"\n', ["squall.toml:2:11", "nowhere.py"]),
        ('[functions.web]\nsource = "no/folder"\n', ["squall.toml:2:10", "no/folder"]),
        ('[functions.web]\nsource = "../.."\n', ["squall.toml:2:10"]),
        ('[functions.web]\ncalls = ["wbe"]\n', ["squall.toml:2:", "wbe", "did you mean web?"]),
        ('[functions.web]\non_failure = "wbe"\n', ["squall.toml:2:14", "did you mean web?"]),
        ('[functions.web]\nrequirements = "requirement.txt"\n', ["squall.toml:2:16", "requirement.txt"]),
        ('[functions.web]\nlayers = ["numpy"]\n', ["squall.toml:2:11", "arn:aws:lambda"]),
        ('[functions.web]\nenvironment = { "1A" = "x" }\n', ["squall.toml:2:17"]),
        ('[functions.web]\nsecrets = ["KEY"]\nenvironment = { KEY = "x" }\n', ["KEY"]),
        ('[functions.web]\n[[routes]]\npath = "here"\nfunction = "web"\n', ["squall.toml:3:8", "/items/{id}"]),
        ('[functions.web]\n[[routes]]\npath = "/"\nfunction = "web"\nmap = "web"\n', ["map", "function"]),
        ('[functions.web]\n[[routes]]\npath = "/"\n', ["squall.toml:2:", "function"]),
        ('[functions.web]\n[schedules.a]\nwhen = "daily"\nfunction = "web"\n', ["squall.toml:3:8", "rate(5 minutes)"]),
        ('[functions.web]\n[schedules.a]\nfunction = "web"\n', ["schedules.a", "when"]),
        ('[functions.web]\n[[triggers]]\nbucket = "lkae"\nfunction = "web"\n[buckets.lake]\n', ["did you mean lake?"]),
        ('[functions.web]\n[buckets.site]\nfolder = "no"\n', ["squall.toml:3:10", "no"]),
        ("[functions.web]\n[stages.prod.functions.wbe]\nmemory = 512\n", ["squall.toml:", "wbe"]),
    ],
)
def test_mistakes_in_the_file_are_told_with_their_place(folder, text, said):
    stage = ("--stage", "prod") if "stages.prod" in text else ()
    folder.write(**{"squall.toml": text})
    stderr = refused(folder, *stage)
    for words in said:
        assert words in stderr, f"{words!r} is not in:\n{stderr}"


def test_all_mistakes_are_told_at_once(folder):
    folder.write(**{"squall.toml": "[functions.web]\nmemory = 1\ntimeout = 0\nurll = true\n"})
    stderr = refused(folder)
    assert all(f"squall.toml:{line}:" in stderr for line in (2, 3, 4)), stderr


def test_a_file_that_is_no_text(folder):
    (folder.path / "squall.toml").write_bytes(b"[project]\nname = \"\xff\xfe\"\n")
    assert "UTF-8" in refused(folder)


def test_a_stage_that_is_not_there(folder):
    with open(folder.path / "squall.toml", "a") as toml:
        toml.write("[stages.prod.functions.web]\nmemory = 1024\n")
    stderr = refused(folder, "--stage", "prdo")
    assert "prdo" in stderr and "did you mean prod?" in stderr


def test_an_empty_folder_says_how_to_begin(engine, tmp_path):
    folder = Folder(tmp_path / "empty", engine)
    for command in (["deploy", "-y"], ["update"], ["diff"], ["package"]):
        stderr = folder.refused(*command)
        assert "squall init" in stderr, f"{command}: {stderr}"
    # What is deployed can be looked at and removed when the code is gone.
    assert "squall deploy" in folder.run("status", fails=0).said
    assert "nothing" in folder.undeploy().said
    assert "squall deploy" in folder.refused("rollback")


def test_names_that_are_too_long_together(folder):
    """Each is short enough; what AWS sees is 64 characters at most."""
    name, function = "p" * 32, "f" * 40
    folder.write(**{"squall.toml": f'[project]\nname = "{name}"\n[functions.{function}]\nhandler = "handler.lambda_handler"\n'})
    assert "64" in refused(folder)
    folder.write(**{"squall.toml": f'[project]\nname = "{name}"\n[functions.web]\n[buckets.{"b" * 32}]\n'})
    assert "63" in refused(folder)


def test_an_environment_that_is_too_large(folder):
    folder.write(**{"squall.toml": TOML + f'environment = {{ BIG = "{"x" * 5000}" }}\n'})
    stderr = refused(folder)
    assert "environment" in stderr and ("4 KB" in stderr or "4096" in stderr), stderr


# Files


def test_a_handler_that_is_not_in_its_file(folder):
    folder.write(**{"handler.py": "def handle(event, context):\n    return 1\n"})
    stderr = folder.run("deploy", "-y").said
    assert "lambda_handler" in stderr


def test_a_handler_that_does_not_import_is_told_before_anything_is_made(folder):
    folder.write(**{"handler.py": "import numpie\n" + HANDLER})
    stderr = refused(folder, code=1)
    assert "numpie" in stderr and "handler.py" in stderr


def test_a_missing_module_is_told_with_its_distribution(folder):
    folder.write(**{"handler.py": "import sklearn\n" + HANDLER})
    stderr = refused(folder, code=1)
    assert "scikit-learn" in stderr and "requirements" in stderr


def test_a_syntax_error_is_told_with_its_line(folder):
    folder.write(**{"handler.py": "def lambda_handler(event, context)\n    return 1\n"})
    stderr = refused(folder, code=1)
    assert "handler.py" in stderr and "line 1" in stderr


def test_a_cyclic_link_is_told(folder):
    (folder.path / "data").mkdir()
    (folder.path / "data" / "again").symlink_to("..")
    stderr = folder.run("deploy", "-y")
    if stderr.returncode:
        assert "data/again" in stderr.stderr
        one_error(stderr.stderr)
    else:
        assert "data/again" in stderr.said


def test_a_link_that_leads_out_or_nowhere_is_told(folder, tmp_path):
    (tmp_path / "secret").write_text("not of this project")
    (folder.path / "out").symlink_to(tmp_path / "secret")
    done = folder.run("deploy", "-y")
    assert "out" in done.said
    (folder.path / "out").unlink()
    (folder.path / "nowhere").symlink_to("no/such/file")
    assert "nowhere" in folder.run("deploy", "-y").said


def without_root_powers():
    """Root reads what nobody may; without these two capabilities it does not."""
    libc = ctypes.CDLL(None)
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_cannot_be_read_is_named(folder, kind):
    locked = folder.path / "locked"
    locked.mkdir() if kind == "folder" else locked.write_text("")
    locked.chmod(0)
    try:
        done = folder.start("deploy", "-y", preexec_fn=without_root_powers)
        _, stderr = done.communicate(timeout=harness.DEADLINE)
        assert done.returncode == 2, stderr
        assert "locked" in one_error(stderr)
    finally:
        locked.chmod(0o700)


def test_a_pipe_in_the_folder_does_not_hang(folder):
    os.mkfifo(folder.path / "pipe")
    done = folder.run("deploy", "-y", deadline=harness.DEADLINE)
    assert "pipe" in done.said or done.returncode == 0


# Requirements


def with_requirements(folder, *lines):
    return folder.write(**{"requirements.txt": "\n".join(lines) + "\n"})


def test_requirements_that_nobody_has(folder):
    with_requirements(folder, "no-such-distribution-of-anyone==1.0")
    stderr = refused(folder)
    assert "no-such-distribution-of-anyone" in stderr
    assert len(stderr.splitlines()) < 20, f"the resolver's whole story:\n{stderr}"


def test_requirements_that_contradict_each_other(folder):
    with_requirements(folder, "six==1.16.0", "six==1.17.0")
    stderr = refused(folder)
    assert "six" in stderr and len(stderr.splitlines()) < 20, stderr


def test_a_line_that_is_no_requirement(folder):
    with_requirements(folder, "six", "what is this??")
    stderr = refused(folder)
    assert "requirements.txt" in stderr and "what is this" in stderr


def test_without_uv_pip_does_it(folder, tmp_path):
    """The interpreter's own, which is found without PATH."""
    with_requirements(folder, "six")
    folder.write(**{"handler.py": "import six\n" + HANDLER})
    bare = tmp_path / "bin"
    bare.mkdir()
    folder.deploy(environment={"PATH": str(bare), "XDG_CACHE_HOME": str(tmp_path / "cache")})


def test_a_package_that_is_too_large_is_told_by_its_tree(folder):
    # 300 MB that do not compress away and that nothing can leave out.
    with open(folder.path / "weights.bin", "wb") as file:
        for _ in range(300):
            file.write(os.urandom(1 << 20))
    stderr = refused(folder, code=3)
    assert "weights.bin" in stderr and "250" in stderr


# The other side


def test_without_an_engine_it_says_how_to_start_one(engine, tmp_path):
    folder = Folder(tmp_path / "alone", engine).write(**{"squall.toml": TOML, "handler.py": HANDLER})
    folder.cloud = type("Nobody", (), {"data": tmp_path / "nobody"})
    for command in (["deploy", "-y"], ["update"], ["status"], ["undeploy", "-y"], ["diff"], ["rollback"]):
        stderr = folder.refused(*command)
        assert "squall up" in one_error(stderr) + stderr, command


def aws(folder, **more) -> dict:
    """An environment in which the aws CLI would find nothing."""
    home = folder.path.parent / "home"
    home.mkdir(exist_ok=True)
    return harness.clean_environment(HOME=str(home), AWS_SHARED_CREDENTIALS_FILE=os.devnull, **more)


def test_no_credentials(folder):
    there = listing(folder.cloud)
    environment = aws(folder, AWS_ENDPOINT_URL=folder.cloud.api, AWS_REGION="us-east-1")
    stderr = folder.refused("deploy", "-y", "--to", "aws", environment=environment)
    assert "AWS_ACCESS_KEY_ID" in one_error(stderr) and "hint:" in stderr
    assert difference(there, listing(folder.cloud)) == {}


def test_a_profile_that_is_not_there(folder):
    environment = aws(folder, AWS_ENDPOINT_URL=folder.cloud.api)
    stderr = folder.refused("deploy", "-y", "--to", "aws", "--profile", "work", environment=environment)
    assert "work" in one_error(stderr)


def test_no_region(folder):
    environment = aws(folder, AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b")
    # No endpoint either; it has to end before anybody is asked.
    stderr = folder.refused("deploy", "-y", "--to", "aws", environment=environment)
    assert "region" in one_error(stderr) and "hint:" in stderr


def test_wrong_keys(folder):
    environment = {
        **folder.cloud.client_environment(),
        "AWS_SECRET_ACCESS_KEY": "wrong",
    }
    stderr = folder.refused("deploy", "-y", "--to", "aws", environment=environment)
    assert re.search("signature|keys|credentials", one_error(stderr)), stderr


def test_nobody_at_the_endpoint(folder):
    environment = {**folder.cloud.client_environment(), "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    stderr = folder.refused("deploy", "-y", "--to", "aws", environment=environment)
    assert "127.0.0.1:9" in one_error(stderr)


# Asking for what is not there


def test_before_the_first_deployment(folder):
    assert "squall deploy" in folder.refused("update")
    assert "squall deploy" in folder.refused("rollback")
    assert "squall deploy" in folder.run("status", fails=0).said
    assert "nothing" in folder.undeploy().said


def test_a_release_that_is_not_there(folder):
    folder.deploy()
    stderr = folder.refused("rollback", "7")
    assert "7" in one_error(stderr)
    assert "1" in folder.refused("rollback"), "only one release: there is nothing before it"


def test_a_question_that_nobody_answers(folder):
    """Without -y and without a terminal, nothing is done."""
    folder.deploy()
    there = listing(folder.cloud)
    stderr = folder.refused("undeploy")
    assert "-y" in stderr
    assert difference(there, listing(folder.cloud)) == {}


def test_a_secret_without_a_value(folder):
    folder.write(**{"squall.toml": TOML + 'secrets = ["API_KEY"]\n'})
    stderr = refused(folder)
    assert "API_KEY" in stderr and "squall secrets set API_KEY" in stderr
