"""`squall secrets`: set, listed and removed, and found by functions; never shown."""

import os
import pty
import subprocess

import pytest

import harness
from deploy_cli import Folder

SECRET = "n0b0dy-shall-see-this"

HANDLER = """
import os


def handler(event, context):
    return {"token": os.environ["TOKEN"], "listed": [name for name in os.environ if "TOKEN" in name]}
"""


def project(tmp_path, engine, name=None) -> Folder:
    name = name or harness.unique("p")[:12]
    folder = Folder(tmp_path / name, engine)
    folder.write(
        **{
            "handler.py": HANDLER,
            "squall.toml": f"""
                [project]
                name = "{name}"

                [functions.show]
                handler = "handler.handler"
                secrets = ["TOKEN"]
                """,
        }
    )
    folder.name = name
    return folder


def test_a_secret_is_set_listed_and_removed_and_never_shown(tmp_path, fresh_engine):
    folder = project(tmp_path, fresh_engine)
    listed = folder.run("secrets", "--json", fails=0).json
    assert listed["secrets"] == [] and listed["missing"] == ["TOKEN"]
    done = folder.run("secrets", "set", "TOKEN", stdin=f"{SECRET}\n", fails=0)
    assert SECRET not in done.said and "stage dev" in done.said
    done = folder.run("secrets", "set", "OTHER", "--json", stdin="x", fails=0)
    assert done.json["version"] == 1 and done.json["functions"] == []
    done = folder.run("secrets", "set", "TOKEN", "--json", stdin=SECRET, fails=0)
    assert done.json["version"] == 2 and done.json["functions"] == ["show"]
    listed = folder.run("secrets", "list", "--json", fails=0)
    assert [one["name"] for one in listed.json["secrets"]] == ["OTHER", "TOKEN"]
    assert listed.json["missing"] == []
    table = folder.run("secrets", fails=0).stdout.splitlines()
    assert table[0].split() == ["SECRET", "VERSION", "AGE", "FUNCTIONS"] and table[2].split()[0] == "TOKEN"
    ssm = fresh_engine.client("ssm")
    name = f"/squall/{folder.name}/dev/TOKEN"
    found = ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]
    assert (found["Value"], found["Type"]) == (SECRET, "SecureString")
    tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {
        "squall:project": folder.name,
        "squall:stage": "dev",
    }
    assert folder.run("secrets", "--stage", "prod", "--json", fails=0).json["secrets"] == []
    folder.run("secrets", "rm", "TOKEN", "OTHER", "-y", fails=0)
    assert folder.run("secrets", "--json", fails=0).json["secrets"] == []
    for everything in (listed.said, fresh_engine.log_path.read_text()):
        assert SECRET not in everything


def test_a_function_finds_its_secret_and_nothing_of_it_is_in_the_package(tmp_path, fresh_engine):
    folder = project(tmp_path, fresh_engine)
    said = folder.refused("deploy", "-y")
    assert "TOKEN" in said and "squall secrets set TOKEN --stage dev" in said
    assert fresh_engine.client("lambda").list_functions()["Functions"] == [], "nothing was made"
    folder.run("secrets", "set", "TOKEN", stdin=SECRET, fails=0)
    deployed = folder.deploy()
    name = f"{folder.name}-dev-show"
    awslambda = fresh_engine.client("lambda")
    answer = awslambda.invoke(FunctionName=name, Qualifier="live", Payload=b"{}")
    assert harness.payload_of(answer)["token"] == SECRET
    configuration = awslambda.get_function_configuration(FunctionName=name, Qualifier="live")
    assert SECRET not in str(configuration) and SECRET not in deployed.said
    role = configuration["Role"].rsplit("/", 1)[1]
    iam = fresh_engine.client("iam")
    policies = [
        iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
        for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]
    ]
    assert f"parameter/squall/{folder.name}/dev/TOKEN" in str(policies)
    assert "ssm:*" not in str(policies)
    # A new value makes a new release, and only a new value does.
    assert folder.deploy("--json").json["changed"] is False
    for command, value in (("deploy", "second"), ("update", "third")):
        folder.run("secrets", "set", "TOKEN", stdin=value, fails=0)
        assert folder.run(command, "--json", fails=0).json["changed"] is True
        answer = awslambda.invoke(FunctionName=name, Qualifier="live", Payload=b"{}")
        assert harness.payload_of(answer)["token"] == value
    folder.undeploy()
    assert folder.run("secrets", "--json", fails=0).json["secrets"] == []


def test_a_secret_that_is_typed_is_not_echoed(tmp_path, fresh_engine):
    folder = project(tmp_path, fresh_engine)
    terminal, inside = pty.openpty()
    command = folder.command("secrets", "set", "TOKEN", "--json")
    process = subprocess.Popen(
        command,
        cwd=folder.path,
        env=folder.environment(),
        stdin=inside,
        stdout=subprocess.PIPE,
        stderr=inside,
    )
    os.close(inside)
    seen = b""
    while b"TOKEN of stage dev: " not in seen:
        seen += os.read(terminal, 1024)
    os.write(terminal, f"wrong\x15{SECRET}x\x7f\r".encode())
    output, _ = process.communicate(timeout=harness.DEADLINE)
    while True:
        try:
            piece = os.read(terminal, 1024)
        except OSError:
            break
        if not piece:
            break
        seen += piece
    os.close(terminal)
    assert process.returncode == 0, seen
    assert SECRET.encode() not in seen + output and b"wrong" not in seen
    name = f"/squall/{folder.name}/dev/TOKEN"
    found = fresh_engine.client("ssm").get_parameter(Name=name, WithDecryption=True)
    assert found["Parameter"]["Value"] == SECRET


def test_ctrl_c_at_the_question_sets_nothing_and_gives_the_terminal_back(tmp_path, fresh_engine):
    folder = project(tmp_path, fresh_engine)
    terminal, inside = pty.openpty()
    import termios

    before = termios.tcgetattr(inside)
    process = subprocess.Popen(
        folder.command("secrets", "set", "TOKEN"),
        cwd=folder.path,
        env=folder.environment(),
        stdin=inside,
        stdout=inside,
        stderr=inside,
    )
    seen = b""
    while b"TOKEN of stage dev: " not in seen:
        seen += os.read(terminal, 1024)
    os.write(terminal, b"abc\x03")
    assert process.wait(harness.DEADLINE) == 130
    assert termios.tcgetattr(inside)[3] == before[3]
    os.close(inside)
    os.close(terminal)
    assert folder.run("secrets", "--json", fails=0).json["secrets"] == []


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "words"),
    [
        (["set", "A-B"], "x", 2, "variable of the environment"),
        (["set", "1A"], "x", 2, "variable of the environment"),
        (["set", "TOKEN"], "", 2, "the secret is empty"),
        (["set", "TOKEN"], "\n", 2, "the secret is empty"),
        (["set", "TOKEN"], "q" * 4097, 3, "at most 4096 characters"),
        (["set", "TOKEN"], "q" * 100_000, 3, "longer than"),
        (["rm", "TOKEN", "-y"], "", 2, "there is no secret TOKEN in stage dev"),
        (["set", "TOKEN", "--stage", "no/stage"], "x", 2, "stage"),
    ],
)
def test_mistakes(tmp_path, engine, arguments, stdin, code, words):
    said = project(tmp_path, engine).refused("secrets", *arguments, stdin=stdin, code=code)
    assert words in said and "qqq" not in said


def test_nothing_is_removed_that_nobody_meant(tmp_path, engine):
    folder = project(tmp_path, engine)
    for name in ("TOKEN", "UNUSED"):
        folder.run("secrets", "set", name, stdin="x", fails=0)
        for more in ([], ["--json"]):
            said = folder.refused("secrets", "rm", name, *more)
            assert f"would remove {name}" in said and "-y" in said
    assert len(folder.run("secrets", "--json", fails=0).json["secrets"]) == 2


def test_a_lost_key_is_said_and_no_second_one_begins_to_seal(tmp_path, fresh_engine):
    folder = project(tmp_path, fresh_engine)
    folder.run("secrets", "set", "TOKEN", stdin=SECRET, fails=0)
    fresh_engine.stop()
    key = fresh_engine.data / "secrets-key.json"
    kept = key.read_bytes()
    key.unlink()
    fresh_engine.start()
    assert "secrets-key.json" in fresh_engine.log()
    assert "secrets-key.json" in folder.refused("secrets", "set", "OTHER", stdin="x")
    fresh_engine.stop()
    key.write_bytes(kept)
    fresh_engine.start()
    folder.run("secrets", "set", "OTHER", stdin="x", fails=0)
    name = f"/squall/{folder.name}/dev/TOKEN"
    found = fresh_engine.client("ssm").get_parameter(Name=name, WithDecryption=True)
    assert found["Parameter"]["Value"] == SECRET


def test_a_value_is_no_argument(tmp_path, engine):
    said = project(tmp_path, engine).refused("secrets", "set", "TOKEN", "value")
    assert "unexpected argument" in said


def test_secrets_go_to_another_cloud_by_the_same_calls(tmp_path, engine):
    folder = project(tmp_path, engine)
    folder.to_aws = True
    folder.run("secrets", "set", "TOKEN", stdin=SECRET, fails=0)
    listed = folder.run("secrets", "--json", fails=0).json
    assert [one["name"] for one in listed["secrets"]] == ["TOKEN"]
    folder.run("secrets", "rm", "TOKEN", "-y", fails=0)
