"""What the command line refuses where an API or a route is named, and where it says that
the engine is."""

import json
import shutil
import subprocess

import pytest
import requests

import harness
from harness import unique
from http_apis import Api, echo, gateway  # noqa: F401 (fixtures)


@pytest.fixture(scope="module")
def api(engine, gateway, echo):  # noqa: F811
    """Routes that share and that do not, with keys, by signature and for everybody."""
    api = Api(engine, gateway, unique("names"))
    shares = api.integrate(echo, RequestParameters={"squall:share": "true"})
    keeps = api.integrate(echo)
    for key, target, more in [
        ("ANY /results/{id}", shares, {"ApiKeyRequired": True}),
        ("GET /results/last", keeps, {"ApiKeyRequired": True}),
        ("GET /signed", keeps, {"AuthorizationType": "AWS_IAM"}),
        ("GET /open", keeps, {}),
        ("POST /only", shares, {"ApiKeyRequired": True}),
    ]:
        gateway.create_route(ApiId=api.id, RouteKey=key, Target=f"integrations/{target}", **more)
    yield api
    gateway.delete_api(ApiId=api.id)


def refused(engine, *words) -> str:
    done = engine.cli(*words)
    assert done.returncode == 2 and done.stdout == "", (done.stdout, done.stderr)
    assert "hint: " in done.stderr, done.stderr
    return done.stderr


def test_only_what_a_link_opens_is_shared(engine, api):
    for path in ["/results/7", "/results/7?a=1", "/signed"]:
        done = engine.cli("share", api.by_path + path)
        assert done.returncode == 0, done.stderr
        assert requests.get(done.stdout.strip(), timeout=harness.DEADLINE).status_code == 201, path
    for path, said in [
        ("/results/last", "say share = true"),
        ("/open", f"give them its address: {api.by_path}/open"),
        ("/only", "nothing to GET at /only"),
        ("/none", "its routes: ANY /results/{id}, GET /open"),
    ]:
        assert said in refused(engine, "share", api.by_path + path), path
    by_host = api.endpoint + "/results/last"
    assert "the route GET /results/last does not let in" in refused(engine, "share", by_host)
    assert 'no API "nobody"' in refused(engine, "share", "/execute-api/nobody/x")
    assert "no address of an API" in refused(engine, "share", engine.gateway + "/results/7")


def test_keys_and_plans_are_for_apis_that_are_there(engine, api):
    name = unique("name")
    for words in [("plans", "create", "--name", name), ("keys", "create", "--name", name)]:
        said = refused(engine, *words, "--api", "nobody")
        assert 'there is no API "nobody"' in said and "hint: there " in said
        said = refused(engine, *words, "--api", f"{api.id}/prod")
        assert f'the API {api.id} has no stage "prod"' in said and "it has $default" in said
    for path, told in [
        ("/open", "say key = true"),
        ("/nowhere", "there is no route /nowhere"),
        ("/results/7", "/results/{id}"),
        ("results", "no path of a route"),
    ]:
        assert told in refused(engine, "keys", "create", "--name", name, "--api", api.id, "--route", path)
    assert name not in engine.cli("keys").stdout + engine.cli("plans").stdout

    route = ("--route", "/results/{id}")
    made = json.loads(engine.cli("keys", "create", "--name", name, *route, "--api", api.id, "--json").stdout)
    headers = {"x-api-key": made["key"]}
    answers = [requests.get(f"{api.by_path}/results/{id}", headers=headers, timeout=harness.DEADLINE) for id in ["7", "last"]]
    assert [answer.status_code for answer in answers] == [201, 403]
    made = json.loads(engine.cli("plans", "create", "--name", name, "--api", api.id, "--json").stdout)
    assert made["apis"] == [api.id]
    assert "no API" in refused(engine, "plans", "set", name, "--api", "nobody")
    for command in [("keys", "revoke"), ("plans", "rm")]:
        assert engine.cli(*command, name, "--yes").returncode == 0


def test_up_and_status_tell_every_address(tmp_path):
    settings = {"SQUALL_METRICS": "127.0.0.1:0", "SQUALL_GATEWAY_TLS": "127.0.0.1:0"}
    with harness.running_engine(environment=settings) as engine:
        ready = engine.ready
        page = requests.get(ready["metrics"], timeout=harness.DEADLINE)
        assert page.status_code == 200 and "squall_" in page.text
        project = tmp_path / "lab"
        project.mkdir()
        (project / "squall.toml").write_text('[project]\nname = "lab"\n')

        def status(*words):
            done = engine.cli("status", "--project", project, *words)
            assert done.returncode == 0, done.stderr
            return done.stdout

        told = json.loads(status("--json"))["engine"]
        for name in ("gateway", "gateway_tls", "tls_authority", "metrics"):
            assert told[name] == ready[name], name
            assert ready[name] in status()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_read_completions(shell, tmp_path):
    done = subprocess.run([str(harness.binary()), "completions", shell], capture_output=True, text=True)
    assert done.returncode == 0 and "completions" in done.stdout
    script = tmp_path / "script"
    script.write_text(done.stdout)
    if shutil.which(shell):
        assert subprocess.run([shell, "-n", str(script)], capture_output=True).returncode == 0


def test_what_is_to_be_typed_next_can_be_typed(tmp_path):
    words = [str(harness.binary()), "init", "my lab", "-t", "csv-features"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, env=harness.clean_environment())
    assert done.returncode == 0 and "cd 'my lab'; " in done.stderr, done.stderr


def test_an_engine_of_a_folder_above_is_told(engine, tmp_path):
    inner = tmp_path / "lab"
    inner.mkdir()
    (tmp_path / ".squall").symlink_to(engine.data)
    words = [str(harness.binary()), "functions"]
    done = subprocess.run(words, cwd=inner, capture_output=True, text=True, env=harness.clean_environment())
    assert done.returncode == 2 and f"no engine runs on {inner}/.squall" in done.stderr, done.stderr
    assert f"hint: one runs on {tmp_path}/.squall: --data {tmp_path}/.squall" in done.stderr
