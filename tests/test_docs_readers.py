"""Who may read the OpenAPI document of an API: whoever brings what its tag asks for."""

import pytest
import requests

from documents import DOCUMENT, PAGE, checked, line, read  # noqa: F401 (fixtures)
from harness import unique
from http_apis import apis, arn_of, gateway, let_in  # noqa: F401 (fixtures)
from issuers import Key, as_data, claims, key_set
from test_iam_routes import send


@pytest.fixture
def key(engine):
    """Makes keys for an API."""
    keys = engine.client("apigateway")
    made = []

    def make(api, **tags) -> str:
        stages = [{"restApiId": api.id, "stageName": "$default"}]
        tags = {f"squall:{name}": text for name, text in tags.items()}
        made.append(keys.create_api_key(name=unique("key"), enabled=True, stageKeys=stages, tags=tags))
        return made[-1]["value"]

    yield make
    for one in made:
        keys.delete_api_key(apiKey=one["id"])


def test_a_key_is_asked_for(apis, line, key):
    api = apis(Tags={"squall:docs": "key"}, CorsConfiguration={"AllowOrigins": ["https://a.example"]})
    api.route("GET /line", api.integrate(line))
    good, elsewhere = key(api), key(apis())
    for path in [DOCUMENT, "/openapi.json"]:
        url = api.by_path + path
        for headers in [{}, {"x-api-key": "x" * 30}, {"x-api-key": elsewhere}]:
            answer = requests.get(url, headers=headers)
            assert (answer.status_code, answer.json()["message"]) == (403, "Forbidden"), headers
            # The page sees in it what to ask for, and nothing of the API.
            assert answer.json()["security"] == [{"ApiKey": []}]
            assert answer.json()["components"]["securitySchemes"]["ApiKey"]["name"] == "x-api-key"
            assert "/line" not in answer.text
            assert requests.head(url, headers=headers).status_code == 403
        answer = requests.get(url, headers={"x-api-key": good, "origin": "https://a.example"})
        assert answer.status_code == 200 and checked(answer.json())["paths"]["/line"]
        assert answer.headers["cache-control"] == "private, no-store"
        assert answer.headers["access-control-allow-origin"] == "https://a.example"
        # What is known is not sent again, to who may know it.
        again = {"x-api-key": good, "if-none-match": answer.headers["etag"]}
        assert requests.get(url, headers=again).status_code == 304
        assert requests.get(url, headers={"if-none-match": answer.headers["etag"]}).status_code == 403
        assert requests.post(url).status_code == 405
    assert requests.get(api.by_path + PAGE).status_code == 200, "it says nothing of its own"
    assert requests.get(api.by_path + "/line").status_code == 200, "routes ask for what they did"


def test_a_key_for_some_routes_reads_the_document_if_that_is_one(apis, line, key):
    api = apis(Tags={"squall:docs": "key"})
    for routes, status in [("/line", 403), ("/line /_squall/openapi.json", 200)]:
        answer = requests.get(api.by_path + DOCUMENT, headers={"x-api-key": key(api, routes=routes)})
        assert answer.status_code == status, routes


def test_a_token_or_a_function_or_a_signature_is_asked_for(engine, gateway, awslambda, functions, apis, key):
    signer = Key()
    door = functions.make(
        "def handler(event, context):\n"
        "    return {'isAuthorized': event['headers']['x-who'] == 'me' and event['routeArn'].endswith('/GET/_squall/openapi.json')}\n"
    )
    let_in(awslambda, door)
    api = apis(Tags={"squall:docs": "key auth=our login"})
    url = api.by_path + DOCUMENT
    value = key(api)
    assert requests.get(url, headers={"x-api-key": value}).status_code == 500, "who is to be asked is not there"
    gateway.create_authorizer(
        ApiId=api.id, Name="our login", AuthorizerType="JWT", IdentitySource=["$request.header.Authorization"],
        JwtConfiguration={"Issuer": "https://issuer.example", "Audience": ["app"]}, AuthorizerUri=as_data(key_set(signer)),
    )  # fmt: skip
    token = {"authorization": "Bearer " + signer.token(claims("https://issuer.example"))}
    answer = requests.get(url, headers={"x-api-key": value})
    assert answer.status_code == 401 and answer.json()["security"] == [{"our_login": [], "ApiKey": []}]
    assert requests.get(url, headers=token).status_code == 403
    assert requests.get(url, headers=token | {"x-api-key": value}).status_code == 200

    arn = f"arn:aws:apigateway:us-east-1::/apis/{api.id}"
    gateway.create_authorizer(
        ApiId=api.id, Name="door", AuthorizerType="REQUEST", IdentitySource=["$request.header.X-Who"],
        AuthorizerPayloadFormatVersion="2.0", EnableSimpleResponses=True,
        AuthorizerUri=f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn_of(awslambda, door)}/invocations",
    )  # fmt: skip
    gateway.tag_resource(ResourceArn=arn, Tags={"squall:docs": "auth=door"})
    assert [requests.get(url, headers={"x-who": who}).status_code for who in ("", "you", "me")] == [401, 403, 200]

    gateway.tag_resource(ResourceArn=arn, Tags={"squall:docs": "auth=iam"})
    assert requests.get(url).status_code == 403
    assert send(engine, "GET", url).status_code == 200
    assert send(engine, "GET", url, data=b"a body").status_code == 403, "there is none that anybody looks at"


def test_words_that_mean_nothing_are_refused(gateway, apis):
    api = apis()
    arn = f"arn:aws:apigateway:us-east-1::/apis/{api.id}"
    for text in ["Key", "keys", "auth=", "key login", "no"]:
        with pytest.raises(gateway.exceptions.BadRequestException, match="squall:docs"):
            gateway.tag_resource(ResourceArn=arn, Tags={"squall:docs": text})
        with pytest.raises(gateway.exceptions.BadRequestException, match="squall:docs"):
            apis(Tags={"squall:docs": text})
    assert read(api.by_path)["info"]
