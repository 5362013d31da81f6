"""Pages of other origins that call routes: whose rules hold, and what a page can read where
it is refused. Also from where a route may be called at all."""

import pytest
import requests

from harness import ROLE, running_engine, unique, zip_of
from http_apis import Api, apis, echo, gateway  # noqa: F401 (fixtures)
from issuers import Key, as_data, key_set

PAGE = "https://page.example"
STRANGER = "https://stranger.example"
OF_THE_API = {"AllowOrigins": ["https://api.example"], "AllowMethods": ["GET"], "MaxAge": 5}
OF_THE_ROUTE = (
    '{"AllowOrigins":["https://page.example","https://*.pages.example"],"AllowMethods":["GET","PUT"],'
    '"AllowHeaders":["x-api-key"],"ExposeHeaders":["x-made-by"],"MaxAge":60,"AllowCredentials":true}'
)


@pytest.fixture(scope="module")
def api(engine, gateway, echo):
    api = Api(engine, gateway, unique("api"), CorsConfiguration=OF_THE_API)
    own = api.integrate(echo, RequestParameters={"squall:cors": OF_THE_ROUTE})
    plain = api.integrate(echo)
    for key, target, more in [
        ("GET /own", own, {}),
        ("POST /own", plain, {}),
        ("GET /plain", plain, {}),
        ("ANY /keyed", own, {"ApiKeyRequired": True}),
        ("ANY /signed", own, {"AuthorizationType": "AWS_IAM"}),
    ]:
        gateway.create_route(ApiId=api.id, RouteKey=key, Target=f"integrations/{target}", **more)
    yield api
    gateway.delete_api(ApiId=api.id)


def beforehand(api, path, origin=PAGE, method="GET", **headers):
    asked = {"origin": origin, "access-control-request-method": method, **headers}
    return requests.options(api.by_path + path, headers=asked)


def varies(answer) -> bool:
    return "origin" in answer.headers.get("vary", "").lower()


def test_a_route_may_have_rules_of_its_own(api):
    answer = requests.get(f"{api.by_path}/own", headers={"origin": PAGE})
    assert answer.status_code == 201
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["access-control-expose-headers"] == "x-made-by"
    assert varies(answer)
    other = requests.get(f"{api.by_path}/plain", headers={"origin": PAGE})
    assert "access-control-allow-origin" not in other.headers
    of_api = requests.get(f"{api.by_path}/plain", headers={"origin": "https://api.example"})
    assert of_api.headers["access-control-allow-origin"] == "https://api.example"
    assert "access-control-allow-credentials" not in of_api.headers
    below = requests.get(f"{api.by_path}/own", headers={"origin": "https://a.pages.example"})
    assert below.headers["access-control-allow-origin"] == "https://a.pages.example"


def test_a_preflight_is_about_the_route_that_is_meant(api):
    answer = beforehand(api, "/own", **{"access-control-request-headers": "x-api-key"})
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-methods"] == "GET,PUT"
    assert answer.headers["access-control-allow-headers"] == "x-api-key"
    assert answer.headers["access-control-max-age"] == "60"
    assert answer.headers["access-control-allow-credentials"] == "true"
    # The same path by another method is another route, with the rules of the API.
    assert "access-control-allow-origin" not in beforehand(api, "/own", method="POST").headers
    other = beforehand(api, "/own", "https://api.example", "POST")
    assert (other.status_code, other.headers["access-control-max-age"]) == (204, "5")


def test_a_preflight_needs_neither_key_nor_signature(api):
    for path in ["/keyed", "/signed"]:
        answer = beforehand(api, path)
        assert answer.status_code == 204
        assert answer.headers["access-control-allow-origin"] == PAGE


def test_strangers_get_no_permission_and_caches_know_it(api):
    for answer in [
        beforehand(api, "/own", STRANGER),
        requests.get(f"{api.by_path}/own", headers={"origin": STRANGER}),
        requests.get(f"{api.by_path}/own", headers={"origin": "null"}),
        requests.get(f"{api.by_path}/own", headers={"origin": "https://page.example.evil.example"}),
        requests.get(f"{api.by_path}/own"),
    ]:
        assert not [name for name in answer.headers if name.lower().startswith("access-control-allow")]
        assert varies(answer)


def test_refusals_can_be_read_by_pages(api):
    for path in ["/keyed", "/signed"]:
        answer = requests.get(api.by_path + path, headers={"origin": PAGE})
        assert (answer.status_code, answer.json()["message"]) == (403, "Forbidden")
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert varies(answer)


def test_everybody_is_not_everybody_with_credentials(apis, echo, gateway):
    api = apis(CorsConfiguration={"AllowOrigins": ["*"], "AllowMethods": ["*"], "AllowHeaders": ["*"]})
    api.route("GET /a", api.integrate(echo))
    answer = requests.get(f"{api.by_path}/a", headers={"origin": STRANGER, "cookie": "a=1"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers
    both = '{"AllowOrigins":["*"],"AllowCredentials":true}'
    with pytest.raises(gateway.exceptions.BadRequestException):
        api.integrate(echo, RequestParameters={"squall:cors": both})


# From where a route may be called


def test_a_route_may_be_for_some_addresses_only(apis, echo):
    api = apis()
    for path, ranges in [("/here", "10.0.0.0/8,127.0.0.0/8"), ("/elsewhere", "10.0.0.0/8,2001:db8::/32")]:
        api.route(f"GET {path}", api.integrate(echo, RequestParameters={"squall:allow": ranges}))
    assert requests.get(f"{api.by_path}/here").status_code == 201
    for headers in [{}, {"x-forwarded-for": "10.0.0.1"}, {"forwarded": "for=10.0.0.1"}, {"x-real-ip": "10.0.0.1"}]:
        answer = requests.get(f"{api.by_path}/elsewhere", headers=headers)
        assert (answer.status_code, answer.json()["message"]) == (403, "Forbidden"), headers
        assert "address" in answer.json()["detail"]


# Who tries things out


def test_too_many_failures_are_told_to_come_later_and_what_is_good_passes():
    with running_engine() as engine:
        client = engine.client("apigatewayv2")
        api = Api(engine, client, "guessed")
        integration = client.create_integration(
            ApiId=api.id,
            IntegrationType="AWS_PROXY",
            IntegrationSubtype="Squall-Redirect",
            PayloadFormatVersion="1.0",
            RequestParameters={"location": "https://example.com/"},
        )["IntegrationId"]
        authorizer = client.create_authorizer(
            ApiId=api.id,
            Name="tokens",
            AuthorizerType="JWT",
            IdentitySource=["$request.header.Authorization"],
            JwtConfiguration={"Issuer": "https://issuer.example", "Audience": ["app"]},
            AuthorizerUri=as_data(key_set(Key("ed25519"))),
        )["AuthorizerId"]
        for path, more in [
            ("/keyed", {"ApiKeyRequired": True}),
            ("/token", {"AuthorizationType": "JWT", "AuthorizerId": authorizer}),
        ]:
            client.create_route(ApiId=api.id, RouteKey=f"GET {path}", Target=f"integrations/{integration}", **more)
        awslambda = engine.client("lambda")
        zipped = zip_of("def handler(event, context):\n    return {'isAuthorized': True}\n")
        decides = awslambda.create_function(
            FunctionName="decides", Role=ROLE, Runtime="python3.11", Handler="app.handler", Code={"ZipFile": zipped}
        )["FunctionArn"]
        by_function = client.create_authorizer(
            ApiId=api.id,
            Name="function",
            AuthorizerType="REQUEST",
            IdentitySource=["$request.header.Authorization"],
            AuthorizerUri=f"arn:aws:apigateway:{engine.region}:lambda:path/2015-03-31/functions/{decides}/invocations",
            AuthorizerPayloadFormatVersion="2.0",
            EnableSimpleResponses=True,
            AuthorizerResultTtlInSeconds=3600,
            AuthorizerCredentialsArn=ROLE,
        )["AuthorizerId"]
        client.create_route(
            ApiId=api.id, RouteKey="GET /asked", Target=f"integrations/{integration}",
            AuthorizationType="CUSTOM", AuthorizerId=by_function,
        )
        good = engine.client("apigateway").create_api_key(name="good", enabled=True)["value"]
        session = requests.Session()

        def keyed(key):
            headers = {} if key is None else {"x-api-key": key}
            return session.get(f"{api.by_path}/keyed", headers=headers, allow_redirects=False)

        def asked(token):
            headers = {"authorization": token}
            return session.get(f"{api.by_path}/asked", headers=headers, allow_redirects=False)

        assert asked("kept").status_code == 308
        # All of it within a minute: in two, there may be twice as many.
        codes = [keyed(f"guess-number-{number:06}").status_code for number in range(700)]
        assert codes[0] == 403 and 429 in codes, codes
        late = keyed("guess-again-and-again")
        assert (late.status_code, late.json()["message"]) == (429, "Too Many Requests")
        assert 1 <= int(late.headers["retry-after"]) <= 61
        token = session.get(f"{api.by_path}/token", headers={"authorization": "Bearer a.b.c"})
        assert token.status_code == 429, "it is the address that is counted, whatever it tries"
        # A function is not asked about what it has not answered before.
        kept, new = asked("kept"), asked("new")
        assert (kept.status_code, new.status_code) == (308, 429)
        # Who has the key is not kept out by who guesses at the same address.
        assert keyed(good).status_code == 308
        assert keyed(None).status_code == 403, "who brings nothing tries nothing"
