"""Who may call the routes of a project, and how they are handled: written in squall.toml,
deployed, and called by clients of each kind."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

import harness
from deploy_cli import Folder, fetch
from faulty_proxy import first_time
from issuers import Key, claims, key_set
from listings import difference, listing
from test_deploy_interrupted import cut, killed, left, nothing_to_do  # noqa: F401 (a fixture)

ISSUER = "https://login.example.test/"
HANDLER = """
import json


def echo(event, context):
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(event)}


def who(event, context):
    return {"isAuthorized": event["headers"]["x-token"] == "open sesame", "context": {"plan": "gold"}}


def private(event, context):
    return "private"


def public(event, context):
    return "public"
"""
PROJECT = """
[project]
name = "gate"
hosts = ["api.example.test"]

[functions.echo]
handler = "handler.echo"

[functions.who]
handler = "handler.who"

[auth.members]
issuer = "https://login.example.test/"
audience = ["app"]
jwks = "keys.json"

[auth.asked]
function = "who"
identity = ["$request.header.x-token"]
ttl = 60

[buckets.pages]
folder = "pages"

[[routes]]
path = "/members/{id}"
methods = ["GET"]
function = "echo"
auth = "members"
scopes = ["read"]
cors = { origins = ["https://page.example.test"], credentials = true }
summary = "one member"

[[routes]]
path = "/also/{id}"
methods = ["GET"]
route = "/members/{id}"

[[routes]]
path = "/signed"
function = "echo"
auth = "iam"

[[routes]]
path = "/asked"
function = "echo"
auth = "asked"

[[routes]]
path = "/keyed"
function = "echo"
key = true
share = true

[[routes]]
path = "/old/{id}"
redirect = "/members/{id}"
status = 307

[[routes]]
path = "/pages"
site = "pages"

[[routes]]
path = "/limited"
function = "echo"
rate = 1
burst = 1

[[routes]]
path = "/small"
function = "echo"
body_limit = "1KB"
timeout = 5
compress = false

[[routes]]
path = "/inside"
function = "echo"
allow = ["10.0.0.0/8"]
"""


@pytest.fixture(scope="module")
def key():
    return Key()


@pytest.fixture
def folder(fresh_engine, tmp_path, key):
    folder = Folder(tmp_path / "gate", fresh_engine)
    folder.write(**{"squall.toml": PROJECT, "handler.py": HANDLER, "keys.json": json.dumps(key_set(key))})
    folder.write(**{"pages/index.html": "<p>front</p>", "pages/more/index.html": "<p>more</p>"})
    return folder


def signed(engine, url, **more):
    """A GET as botocore signs it."""
    request = AWSRequest("GET", url)
    keys = Credentials(more.get("access_key", engine.access_key), more.get("secret_key", engine.secret_key))
    SigV4Auth(keys, "execute-api", engine.region).add_auth(request)
    return requests.get(url, headers=dict(request.headers), timeout=harness.DEADLINE)


def status(answer) -> int:
    return answer.status_code


def test_everything_that_a_route_can_say(folder, key):
    engine = folder.cloud
    before = listing(engine)
    done = folder.deploy("--json").json
    url = done["url"]
    assert folder.deploy("--json").json["steps"] == [], "what was made is what was wanted"

    # Tokens, and a route that leads to one that asks for them.
    token = key.token(claims(ISSUER, scope="read write"))
    for path in ("/members/7", "/also/7"):
        assert status(fetch("GET", url + path)) == 401
        assert status(fetch("GET", url + path, headers={"authorization": f"Bearer {Key().token(claims(ISSUER))}"})) == 401
        poor = key.token(claims(ISSUER, scope="write"))
        assert status(fetch("GET", url + path, headers={"authorization": f"Bearer {poor}"})) == 403
        answer = fetch("GET", url + path, headers={"authorization": f"Bearer {token}"})
        assert status(answer) == 200, answer.text
        assert answer.json()["pathParameters"] == {"id": "7"}
    assert status(fetch("POST", url + "/members/7")) == 405
    origin = {"origin": "https://page.example.test", "access-control-request-method": "GET"}
    preflight = fetch("OPTIONS", url + "/members/7", headers=origin)
    assert preflight.headers["access-control-allow-origin"] == "https://page.example.test"
    assert preflight.headers["access-control-allow-credentials"] == "true"

    # Signatures, and a function that is asked.
    assert status(fetch("GET", url + "/signed")) == 403
    assert status(signed(engine, url + "/signed", secret_key="wrong")) == 403
    answer = signed(engine, url + "/signed")
    assert status(answer) == 200, answer.text
    assert status(fetch("GET", url + "/asked")) == 401
    assert status(fetch("GET", url + "/asked", headers={"x-token": "please"})) == 403
    answer = fetch("GET", url + "/asked", headers={"x-token": "open sesame"})
    assert answer.json()["requestContext"]["authorizer"]["lambda"] == {"plan": "gold"}

    # Keys.
    assert status(fetch("GET", url + "/keyed")) == 403
    made = folder.run("keys", "create", "--name", "app", "--json", fails=0).json["key"]
    assert status(fetch("GET", url + "/keyed", headers={"x-api-key": made})) == 200

    # Elsewhere.
    answer = fetch("GET", url + "/old/7?x=1", allow_redirects=False)
    assert (status(answer), answer.headers["location"]) == (307, f"/execute-api/{url.rsplit('/', 1)[1]}/members/7?x=1")
    assert fetch("GET", url + "/pages").text == "<p>front</p>"
    assert fetch("GET", url + "/pages/more").text == "<p>more</p>"
    assert status(fetch("GET", url + "/pages/none")) == 404

    # Bounds.
    assert sorted({status(fetch("GET", url + "/limited")) for _ in range(5)}) == [200, 429]
    assert status(fetch("POST", url + "/small", data="x" * 1024)) == 200
    assert status(fetch("POST", url + "/small", data="x" * 1025)) == 413
    assert status(fetch("GET", url + "/inside")) == 403

    # By its own name.
    assert folder.run("status", "--json", fails=0).json["hosts"] == done["hosts"]
    assert done["hosts"] == {"api.example.test": f"http://api.example.test:{engine.gateway.rsplit(':', 1)[1]}"}
    answer = requests.get(f"{engine.gateway}/signed", headers={"host": "api.example.test"}, timeout=harness.DEADLINE)
    assert status(answer) == 403
    answer = requests.get(f"{engine.gateway}/pages/", headers={"host": "api.example.test"}, timeout=harness.DEADLINE)
    assert answer.text == "<p>front</p>"
    assert "/members/{id}" in fetch("GET", f"{url}/_squall/openapi.json").json()["paths"]
    assert status(fetch("GET", done["docs"])) == 200

    folder.undeploy()
    assert {kind for kind in difference(before, listing(engine))} <= {"keys"}


def test_what_it_says_of_itself(folder):
    said = folder.deploy().said
    for word in (
        "GET /members/{id} -> gate-dev-echo",
        "let in by members for read",
        "GET /also/{id} -> route /members/{id}",
        "/signed -> gate-dev-echo, signed",
        "only from 10.0.0.0/8",
        "bodies up to 1 KB",
        "ANY /limited 1 a second, 1 at once",
        "api.example.test             leads to gate-dev",
        "to see and try: http://",
        "/members/{id}: asks for a token of https://login.example.test/: curl -H 'authorization: Bearer TOKEN'",
        "/signed: asks for a signature",
        "/asked: function who is asked: by $request.header.x-token",
        "squall keys create --name NAME makes one",
        "api.example.test  http://api.example.test:",
    ):
        assert word in said, f"{word!r} is not in:\n{said}"


def test_changes_of_who_may_call_come_in_place(folder, key):
    url = folder.deploy("--json").json["url"]
    token = {"authorization": f"Bearer {key.token(claims(ISSUER, scope='read'))}"}
    assert status(fetch("GET", url + "/members/7", headers=token)) == 200
    # Another key, another audience, no scopes; a route less strict; rates and hosts gone.
    other = Key(name="key-2")
    folder.write(**{"keys.json": json.dumps(key_set(other))})
    folder.edit("squall.toml", 'scopes = ["read"]\n', "")
    folder.edit("squall.toml", 'audience = ["app"]', 'audience = ["web"]')
    folder.edit("squall.toml", "rate = 1\nburst = 1\n", "")
    folder.edit("squall.toml", 'hosts = ["api.example.test"]\n', "docs = false\n")
    folder.edit("squall.toml", 'ttl = 60', "ttl = 0")
    done = folder.deploy("--json").json
    told = {(step["action"], step["kind"], step["name"]): step["details"] for step in done["steps"]}
    assert told["update", "authorizer", "members"] == ["audience web", "keys of the project"]
    assert told["update", "authorizer", "asked.function"] == ["kept 0 s"]
    assert told["update", "rates", "gate-dev"] == ["ANY /limited as often as one likes"]
    assert told["update", "api", "gate-dev"] == ["not described"]
    assert ("remove", "host", "api.example.test") in told
    assert done["url"] == url and done["docs"] is None and done["hosts"] == {}
    assert folder.deploy("--json").json["steps"] == []
    assert status(fetch("GET", url + "/members/7", headers=token)) == 401
    token = {"authorization": f"Bearer {other.token(claims(ISSUER, aud='web'))}"}
    assert status(fetch("GET", url + "/members/7", headers=token)) == 200
    assert {status(fetch("GET", url + "/limited")) for _ in range(5)} == {200}
    assert status(fetch("GET", f"{url}/_squall/openapi.json")) == 404
    # Only for members, with a key.
    folder.edit("squall.toml", "docs = false\n", 'docs = { key = true, auth = "members" }\n')
    done = folder.deploy("--json").json
    told = {(step["action"], step["kind"], step["name"]): step["details"] for step in done["steps"]}
    assert told == {("update", "api", "gate-dev"): ["described for key auth=members"]}
    assert status(fetch("GET", f"{url}/_squall/openapi.json", headers=token)) == 403
    assert status(fetch("GET", done["docs"])) == 200
    assert folder.deploy("--json").json["steps"] == []


OPEN = """
[project]
name = "gate"

[functions.private]
handler = "handler.private"

[functions.public]
handler = "handler.public"

[auth.members]
issuer = "https://login.example.test/"
audience = ["app"]
jwks = "keys.json"
"""
GUARDED = OPEN + '[[routes]]\npath = "/{all+}"\nfunction = "private"\nauth = "members"\n'
MOVED = (
    OPEN
    + '[[routes]]\npath = "/{all+}"\nfunction = "private"\n'
    + '[[routes]]\npath = "/inner"\nfunction = "private"\nauth = "iam"\n'
    + '[[routes]]\npath = "/inner/{rest+}"\nfunction = "private"\nkey = true\n'
)


@pytest.mark.parametrize("way", ["there", "back"])
def test_no_route_is_open_while_it_changes(folder, way):
    """The path stays guarded, by another route; what is around it opens, or closes."""
    first, then = (GUARDED, MOVED) if way == "there" else (MOVED, GUARDED)
    folder.write(**{"squall.toml": first})
    url = folder.deploy("--json").json["url"]
    seen, done = set(), threading.Event()

    def ask(path):
        while not done.is_set():
            answer = requests.get(url + path, timeout=harness.DEADLINE)
            seen.add((path, answer.status_code, answer.text if answer.status_code == 200 else ""))

    with ThreadPoolExecutor() as pool:
        asking = [pool.submit(ask, path) for path in ("/inner", "/inner/more")]
        try:
            folder.write(**{"squall.toml": then})
            folder.deploy()
            # Each has asked at least once more, of what is there now.
            for path in ("/inner", "/inner/more"):
                assert status(fetch("GET", url + path)) in (401, 403)
        finally:
            done.set()
    for future in asking:
        future.result()
    assert {code for _, code, _ in seen} <= {401, 403}, seen
    assert {path for path, _, _ in seen} == {"/inner", "/inner/more"}
    assert status(fetch("GET", url + "/other")) == (200 if way == "there" else 401)


@pytest.mark.parametrize(
    "wrong, told",
    [
        ('auth = "member"', "the project has no [auth.member]"),
        ('auth = "asked"\nscopes = ["read"]', "only tokens have scopes"),
        ("share = true", "there is nothing to share"),
        ('cors = { origins = ["*"], credentials = true }', "with credentials, * is not allowed"),
        ("burst = 5", "burst without rate means nothing"),
        ('allow = ["everybody"]', "it must be an address or a range of them"),
    ],
)
def test_mistakes_are_told_before_anything_is_made(folder, wrong, told):
    before = listing(folder.cloud)
    folder.write(**{"squall.toml": PROJECT + f'[[routes]]\npath = "/x"\nfunction = "echo"\n{wrong}\n'})
    said = folder.refused("deploy", "-y")
    assert told in said and "squall.toml:" in said, said
    assert difference(before, listing(folder.cloud)) == {}


def test_private_keys_do_not_leave_the_folder(folder, key):
    secret = key.jwk() | {"d": "AQAB"}
    folder.write(**{"keys.json": json.dumps({"keys": [secret]})})
    said = folder.refused("deploy", "-y")
    assert "keys.json has a key that is not public" in said and "hint:" in said


SMALL = """
[project]
name = "cut"
hosts = ["api.example.test"]
docs = false

[functions.who]
handler = "handler.who"

[auth.members]
issuer = "https://login.example.test/"
audience = ["app"]
jwks = "keys.json"

[auth.asked]
function = "who"

[[routes]]
path = "/a"
function = "who"
auth = "members"
rate = 5

[[routes]]
path = "/b"
redirect = "/a"
auth = "asked"
"""


def small(cut, key):  # noqa: F811
    return cut.write(**{"squall.toml": SMALL, "handler.py": HANDLER, "keys.json": json.dumps(key_set(key))})


def test_a_gateway_killed_at_any_call_is_finished_by_the_next(cut, key):  # noqa: F811
    small(cut, key)
    # Before it are functions and their roles, which are killed elsewhere.
    number = first = 8
    while killed(cut, number, "deploy", "-y"):
        cut.proxy.reset()
        cut.deploy()
        nothing_to_do(cut)
        api = cut.cloud.client("apigatewayv2")
        (found,) = api.get_apis()["Items"]
        names = [it["Name"] for it in api.get_authorizers(ApiId=found["ApiId"])["Items"]]
        assert sorted(names) == ["asked.function", "members"], f"after call {number}"
        killed(cut, number, "undeploy", "-y")
        cut.proxy.reset()
        cut.undeploy()
        assert left(cut) == {}, f"after call {number}"
        number += 1
    assert number > first + 8, f"only {number} calls were made: what was tried?"


@pytest.mark.parametrize("fault", ["after", "before", "throttle", "error"])
def test_every_change_of_a_gateway_fails_once(cut, key, fault):  # noqa: F811
    small(cut, key)
    cut.proxy.reset(first_time(fault))
    cut.deploy()
    nothing_to_do(cut)
    cut.proxy.reset(first_time(fault))
    cut.undeploy()
    assert left(cut) == {}
