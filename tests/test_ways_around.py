"""Ways around a door that look like the way through it: another method, another spelling of a
path, a second route, a proxy's header, an answer that was kept for somebody else."""

import json
import time
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
import requests
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from harness import running_engine, unique
from http_apis import Api, apis, arn_of, echo, gateway, let_in  # noqa: F401 (fixtures)
from issuers import Key, as_data, key_set

# Says who asks, and is another text each time.
WHO = """
import json, uuid


def handler(event, context):
    claims = event["requestContext"]["authorizer"]["jwt"]["claims"] if "authorizer" in event["requestContext"] else {}
    return {"statusCode": 200, "body": json.dumps({"once": str(uuid.uuid4()), "who": claims.get("sub")})}
"""
ISSUER, AUDIENCE = "https://issuer.example", "reports"


def guarded(gateway, api, key, integration, **more):
    gateway.create_route(ApiId=api.id, RouteKey=key, Target=f"integrations/{integration}", **more)


def key_in_plan(engine, api, stage=None, **bounds) -> dict:
    """The header of a key that has a plan for the API."""
    keys = engine.client("apigateway")
    stages = [{"apiId": api.id, "stage": "$default", **(stage or {})}]
    plan = keys.create_usage_plan(name=unique("plan"), apiStages=stages, **bounds)
    key = keys.create_api_key(name=unique("key"), enabled=True)
    keys.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
    return {"x-api-key": key["value"]}


def link(engine, url) -> str:
    request = AWSRequest(method="GET", url=url)
    signer = SigV4QueryAuth(Credentials(engine.access_key, engine.secret_key), "execute-api", engine.region, expires=60)
    signer.add_auth(request)
    return request.url


def untidy(url, **headers):
    """What a path gets that clients would make tidy."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname, parts.port, timeout=60)
    connection.request("GET", url.split(parts.netloc, 1)[1], headers=headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def test_head_of_a_route_is_a_call_of_that_route(engine, apis, gateway, echo):
    api = apis()
    guarded(gateway, api, "GET /pets", api.integrate(echo), ApiKeyRequired=True)
    throttle = {"/pets/GET": {"rateLimit": 0.001, "burstLimit": 2}}
    key = key_in_plan(engine, api, stage={"throttle": throttle})
    ask = [requests.get, requests.head, requests.head, requests.get]
    assert [call(f"{api.by_path}/pets", headers=key).status_code for call in ask] == [201, 201, 429, 429]


def test_a_link_through_another_route_leaves_the_key_counted(engine, apis, gateway, echo):
    api = apis()
    guarded(gateway, api, "GET /inner", api.integrate(echo), ApiKeyRequired=True)
    outer = api.own("Route", path="/inner", **{"squall:share": "true"})
    guarded(gateway, api, "GET /outer", outer, ApiKeyRequired=True)
    key = key_in_plan(engine, api, quota={"limit": 2, "period": "DAY"})
    shared = link(engine, f"{api.by_path}/outer")
    assert requests.get(shared).status_code == 403, "the inner route gave nobody a link"
    assert [requests.get(shared, headers=key).status_code for _ in range(3)] == [201, 201, 429]


def test_a_link_is_for_the_one_spelling_of_its_path(engine, apis, gateway, echo):
    api = apis()
    shared = api.integrate(echo, RequestParameters={"squall:share": "true"})
    for key in ["GET /public", "GET /private/{proxy+}", "GET /public/{proxy+}"]:
        guarded(gateway, api, key, shared, AuthorizationType="AWS_IAM")
    good = link(engine, f"{api.by_path}/public")
    assert requests.get(good).status_code == 201
    # All of these are signed as /public is.
    for path in ["/private/../public", "/private/x/../../public", "/public/x/..", "/public/./../public"]:
        assert untidy(good.replace("/public?", f"{path}?")).status == 403, path


def test_the_way_to_a_folder_leads_to_no_other_host(engine, apis, gateway, s3, bucket):
    api = apis()
    s3.put_object(Bucket=bucket, Key="docs/index.html", Body=b"docs", ContentType="text/html")
    api.route("ANY /{who}/{proxy+}", api.own("Site", bucket=bucket))
    host = urlsplit(api.endpoint).netloc
    assert untidy(f"{engine.gateway}/me/docs", host=host).getheader("location") == "/me/docs/"
    # Browsers take the backslash for a slash.
    assert untidy(f"{engine.gateway}/\\evil.example/docs", host=host).getheader("location") is None


def test_a_second_route_keeps_the_answers_of_tokens_apart(engine, apis, gateway, awslambda, functions):
    """The token is not where tokens usually are, and it is the first route that asks for it."""
    api, name, issuer = apis(), functions.make(WHO), Key()
    let_in(awslambda, name)
    authorizer = gateway.create_authorizer(
        ApiId=api.id,
        Name=unique("jwt"),
        AuthorizerType="JWT",
        IdentitySource=["$request.header.X-Token"],
        JwtConfiguration={"Issuer": ISSUER, "Audience": [AUDIENCE]},
        AuthorizerUri=as_data(key_set(issuer)),
    )["AuthorizerId"]
    kept = api.integrate(arn_of(awslambda, name), RequestParameters={"squall:cache-seconds": "3600"})
    guarded(gateway, api, "GET /inner", kept)
    by_token = {"AuthorizationType": "JWT", "AuthorizerId": authorizer}
    guarded(gateway, api, "GET /outer", api.own("Route", path="/inner"), ApiKeyRequired=True, **by_token)
    key = key_in_plan(engine, api)

    def ask(subject):
        said = {"iss": ISSUER, "aud": AUDIENCE, "exp": int(time.time()) + 600, "sub": subject}
        answer = requests.get(f"{api.by_path}/outer", headers={**key, "x-token": issuer.token(said)})
        assert answer.status_code == 200, answer.text
        return answer.json()

    assert [ask(subject)["who"] for subject in ["alice", "bob", "alice"]] == ["alice", "bob", "alice"]


@pytest.mark.parametrize(
    "lines",
    [
        [b"6.6.6.6"],
        [b"127.0.0.1, 6.6.6.6"],
        [b"\xff, 6.6.6.6"],
        [b"127.0.0.1", b"\xff, 6.6.6.6"],
    ],
)
def test_what_a_client_says_of_its_address_is_not_believed(lines, behind_a_proxy):
    url, allowed = behind_a_proxy
    assert requests.get(url, allow_redirects=False).status_code == allowed
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname, parts.port, timeout=60)
    connection.putrequest("GET", parts.path)
    for line in lines:
        connection.putheader("X-Forwarded-For", line)
    connection.endheaders()
    assert connection.getresponse().status == 403
    connection.close()


@pytest.fixture(scope="module")
def behind_a_proxy():
    """A route for the machine's own addresses, where these are those of proxies, too."""
    with running_engine(environment={"SQUALL_TRUSTED_PROXIES": "127.0.0.0/8"}) as engine:
        api = Api(engine, engine.client("apigatewayv2"), unique("api"))
        inner = api.own("Redirect", location="/x", status="302", **{"squall:allow": "127.0.0.0/8"})
        api.route("GET /inner", inner)
        yield f"{api.by_path}/inner", 302
