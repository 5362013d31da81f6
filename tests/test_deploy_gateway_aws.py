"""What routes say of callers and handling, with `--to aws`: made as AWS has it, done by the
coordinator's function, or refused. Against moto, whose API Gateway is not ours, and against
our own engine in AWS's place, where it can be called."""

import pytest

import harness
from deploy_cli import as_aws, fetch, fetch_until, moto, started  # noqa: F401 (fixtures)
from listings import difference, listing
from test_deploy_gateway import HANDLER, signed, status

CERTIFICATE = "arn:aws:acm:us-east-1:000000000000:certificate/0f0f0f0f-0000-4000-8000-000000000000"
HEAD = f"""
[project]
name = "gate"
hosts = ["api.example.test"]
certificate = "{CERTIFICATE}"

[functions.echo]
handler = "handler.echo"

[functions.who]
handler = "handler.who"

[auth.members]
issuer = "https://login.example.test/"
audience = ["app"]

[auth.asked]
function = "who"
identity = ["$request.header.x-token"]
ttl = 60
"""
ROUTES = """
[[routes]]
path = "/members/{id}"
methods = ["GET"]
function = "echo"
auth = "members"
scopes = ["read"]
timeout = 5

[[routes]]
path = "/signed"
function = "echo"
auth = "iam"
cors = ["https://page.example.test"]

[[routes]]
path = "/asked"
function = "echo"
auth = "asked"

[[routes]]
path = "/also"
route = "/asked"
"""
OURS = """
[buckets.pages]
folder = "pages"
site = { index = "index.html", error = "missing.html" }

[[routes]]
path = "/old/{id}"
redirect = "/members/{id}"
status = 307
body_limit = 3

[[routes]]
path = "/limited"
function = "echo"
rate = 1
burst = 1

[[routes]]
path = "/inside"
redirect = "https://example.com/"
allow = ["10.0.0.0/8"]

[[routes]]
path = "/pages"
site = "pages"
"""


def write(folder, *parts):
    folder.write(**{"squall.toml": "\n".join(parts), "handler.py": HANDLER})
    return folder.write(
        **{
            "pages/index.html": "<p>front</p>",
            "pages/more/index.html": "<p>more</p>",
            "pages/missing.html": "<p>nothing here</p>",
            "pages/picture.bin": "\ufeff\x00\x01",
        }
    )


def test_another_aws_has_it_as_it_was_said(moto):
    cloud = moto.cloud
    before = listing(cloud)
    write(moto, HEAD, ROUTES)
    said = moto.deploy().said
    assert "an API of AWS has one set of CORS rules" in said
    assert "api.example.test  https://api.example.test" in said
    assert "/members/{id}: asks for a token of https://login.example.test/" in said
    assert moto.deploy("--json").json["steps"] == []
    client = cloud.client("apigatewayv2")
    (api,) = client.get_apis()["Items"]
    of = {"ApiId": api["ApiId"]}
    routes = {route["RouteKey"]: route for route in client.get_routes(**of)["Items"]}
    ids = [routes[key]["AuthorizerId"] for key in ("GET /members/{id}", "GET /asked")]
    # It cannot list them.
    members, asked = (client.get_authorizer(**of, AuthorizerId=id) for id in ids)
    assert (members["Name"], asked["Name"]) == ("members", "asked.function")
    assert members["JwtConfiguration"] == {"Audience": ["app"], "Issuer": "https://login.example.test/"}
    assert members["IdentitySource"] == ["$request.header.Authorization"]
    assert (asked["AuthorizerType"], asked["EnableSimpleResponses"]) == ("REQUEST", True)
    assert asked["AuthorizerUri"].endswith(":function:gate-dev-who:live/invocations")
    who = {key: (route["AuthorizationType"], route.get("AuthorizerId")) for key, route in routes.items()}
    # AWS answers preflights if no guarded route takes their method.
    guards = {
        "signed": ("AWS_IAM", None),
        "asked": ("CUSTOM", asked["AuthorizerId"]),
        "also": ("CUSTOM", asked["AuthorizerId"]),
    }
    methods = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
    expected = {f"{method} /{path}": guard for path, guard in guards.items() for method in methods}
    assert who == expected | {"GET /members/{id}": ("JWT", members["AuthorizerId"])}
    assert routes["GET /members/{id}"]["AuthorizationScopes"] == ["read"]
    policy = cloud.client("lambda").get_policy(FunctionName="gate-dev-who", Qualifier="live")["Policy"]
    assert f"{api['ApiId']}/authorizers/{asked['AuthorizerId']}" in policy
    (mapping,) = client.get_api_mappings(DomainName="api.example.test")["Items"]
    assert (mapping["ApiId"], mapping["Stage"]) == (api["ApiId"], "$default")
    integrations = {item["IntegrationId"]: item for item in client.get_integrations(**of)["Items"]}
    members = integrations[routes["GET /members/{id}"]["Target"].split("/")[1]]
    assert members["TimeoutInMillis"] == 5000
    moto.undeploy()
    assert difference(before, listing(cloud)) == {}


def test_our_function_does_what_an_api_does_not(as_aws):
    engine = as_aws.cloud
    before = listing(engine)
    write(as_aws, HEAD, ROUTES, OURS)
    done = as_aws.deploy("--json").json
    url = as_aws.run("status", "--json", fails=0).json["url"].rstrip("/")
    assert as_aws.deploy("--json").json["steps"] == []
    assert done["hosts"] == {"api.example.test": "https://api.example.test"} and done["docs"] is None

    assert status(fetch("GET", url + "/members/7")) == 401
    assert status(signed(engine, url + "/signed")) == 200
    for path in ("/asked", "/also"):
        assert status(fetch("GET", url + path)) == 401
        assert status(fetch("GET", url + path, headers={"x-token": "please"})) == 403
        assert status(fetch("GET", url + path, headers={"x-token": "open sesame"})) == 200
    answer = fetch_until("GET", url + "/old/a%20b?x=1", lambda it: it.status_code == 307, allow_redirects=False)
    assert answer.headers["location"].endswith("/members/a%20b?x=1"), answer.headers
    assert status(fetch("POST", url + "/old/7", data="abcd")) == 413
    assert sorted({status(fetch("GET", url + "/limited")) for _ in range(5)}) == [200, 429]
    refused = fetch("GET", url + "/inside")
    assert (status(refused), refused.headers["content-type"]) == (403, "application/problem+json")

    answer = fetch_until("GET", url + "/pages", lambda it: it.status_code == 200)
    assert (answer.text, answer.headers["content-type"]) == ("<p>front</p>", "text/html")
    assert answer.url.endswith("/pages/")
    assert fetch("GET", url + "/pages/more").text == "<p>more</p>"
    assert fetch("GET", url + "/pages/picture.bin").content == "\ufeff\x00\x01".encode()
    known = {"if-none-match": answer.headers["etag"]}
    assert status(fetch("GET", url + "/pages/", headers=known)) == 304
    missing = fetch("GET", url + "/pages/none")
    assert (status(missing), missing.text) == (404, "<p>nothing here</p>")
    for path in ("/pages/..%2fx", "/pages/%2e%2e/x", "/pages//x", "/pages/a%5cb"):
        assert status(fetch("GET", url + path)) in (400, 404), path
    assert status(fetch("DELETE", url + "/pages/index.html")) == 405
    as_aws.undeploy()
    assert difference(before, listing(engine)) == {}


JWT = '[auth.far]\nissuer = "{issuer}"\naudience = ["app"]\n{more}\n'
ROUTE = '[[routes]]\npath = "/x"\nfunction = "echo"\n'


@pytest.mark.parametrize(
    "more, told",
    [
        (ROUTE + 'key = true\nauth = "iam"', "cannot ask for an API key beside auth"),
        (ROUTE + 'auth = "iam"\nshare = true', "cannot be shared by signed links"),
        (ROUTE + 'allow = ["10.0.0.0/8"]', "cannot look at addresses"),
        (ROUTE + 'body_limit = "1MB"', "cannot bound bodies"),
        (ROUTE + "concurrency = 1", "cannot bound what is under way"),
        (JWT.format(issuer="https://x", more='jwks = "https://x/keys"'), "AWS asks the issuer itself for its keys"),
        (JWT.format(issuer="http://x", more=""), "AWS takes tokens only of issuers at https://"),
        (
            ROUTE + 'cors = { origins = ["https://a.test"], credentials = true }',
            "these differ in whose pages may send credentials",
        ),
        (
            ROUTE.replace("/x", "/x/{id}").replace('function = "echo"', 'route = "/asked"') + 'auth = "iam"',
            "ask for both its own auth and that of /asked",
        ),
    ],
)
def test_what_nobody_would_enforce_is_refused(moto, more, told):
    before = listing(moto.cloud)
    write(moto, HEAD, ROUTES, more)
    said = moto.refused("deploy", "-y")
    assert told in said, said
    assert difference(before, listing(moto.cloud)) == {}


def test_a_host_needs_a_certificate(moto):
    write(moto, HEAD.replace(f'certificate = "{CERTIFICATE}"\n', ""), ROUTES)
    assert "AWS has the host api.example.test only with a certificate" in moto.refused("deploy", "-y")
