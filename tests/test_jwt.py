"""Routes that ask for a token (JWT): which ones let in, and what functions see of them.
Tokens are made by PyJWT, as clients do, and by hand, as nobody should."""

import base64
import hmac
import json
import time

import jwt
import pytest
import requests

from harness import eventually, unique
from http_apis import EVERYTHING, Api, apis, echo, gateway  # noqa: F401 (fixtures)
from issuers import Issuer, Key, as_data, claims, key_set

ISSUER = "https://issuer.example"
UNAUTHORIZED = (401, "Unauthorized")
FORBIDDEN = (403, "Forbidden")


@pytest.fixture(scope="module")
def key():
    return Key()


def protect(api, integration, key="GET /me", keys=None, issuer=ISSUER, scopes=(), **more):
    """A route that asks for a token."""
    settings = {"IdentitySource": ["$request.header.Authorization"], **more}
    if keys is not None:
        settings["AuthorizerUri"] = keys
    authorizer = api.client.create_authorizer(
        ApiId=api.id,
        Name=unique("issuer"),
        AuthorizerType="JWT",
        JwtConfiguration={"Issuer": issuer, "Audience": ["app", "other"]},
        **settings,
    )["AuthorizerId"]
    api.client.create_route(
        ApiId=api.id,
        RouteKey=key,
        Target=f"integrations/{integration}",
        AuthorizationType="JWT",
        AuthorizerId=authorizer,
        AuthorizationScopes=list(scopes),
    )
    return authorizer


@pytest.fixture(scope="module")
def api(engine, gateway, echo, key):
    api = Api(engine, gateway, unique("api"), CorsConfiguration=EVERYTHING)
    keys = as_data(key_set(key))
    integration = api.integrate(echo)
    protect(api, integration, keys=keys)
    protect(api, integration, "GET /scoped", keys=keys, scopes=["read", "write"])
    older = api.integrate(echo, PayloadFormatVersion="1.0")
    protect(api, older, "GET /older", keys=keys, scopes=["read"])
    protect(api, integration, "GET /query", keys=keys, IdentitySource=["$request.querystring.token"])
    api.route("GET /open", integration)
    yield api
    gateway.delete_api(ApiId=api.id)


def call(api, token=None, path="/me", **more):
    headers = {} if token is None else {"authorization": token}
    return requests.get(api.by_path + path, headers={**headers, **more.pop("headers", {})}, **more)


def said(answer):
    return answer.status_code, answer.json().get("message")


def test_a_token_lets_in_and_the_function_is_told(api, key):
    token = key.token(claims(ISSUER, admin=True, groups=["a", "b"], level=7))
    for form in [token, f"Bearer {token}", f"bearer {token}"]:
        answer = call(api, form)
        assert answer.status_code == 201, answer.text
    seen = answer.json()["requestContext"]["authorizer"]["jwt"]
    assert seen["claims"]["sub"] == "me"
    assert (seen["claims"]["admin"], seen["claims"]["groups"], seen["claims"]["level"]) == ("true", "[a b]", "7")
    assert seen["claims"]["exp"].isdigit()
    assert seen["scopes"] is None
    scoped = call(api, key.token(claims(ISSUER, scope="read more")), "/scoped").json()
    assert scoped["requestContext"]["authorizer"]["jwt"]["scopes"] == ["read", "more"]
    older = call(api, key.token(claims(ISSUER, scope="read")), "/older").json()
    authorizer = older["requestContext"]["authorizer"]
    assert (authorizer["claims"]["sub"], authorizer["scopes"]) == ("me", ["read"])
    assert "authorizer" not in call(api, path="/open").json()["requestContext"]


def test_who_brings_no_token_is_asked_for_one(api):
    for headers in [{}, {"authorization": ""}, {"x-token": "a"}]:
        answer = call(api, headers=headers)
        assert said(answer) == UNAUTHORIZED
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["apigw-requestid"] == answer.json()["request_id"]


def encode(value) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def by_hand(header, content, secret=None) -> str:
    """A token that no library would make."""
    message = f"{encode(header)}.{encode(content)}"
    signature = hmac.digest(secret, message.encode(), "sha256") if secret else b""
    return f"{message}.{encode(signature)}"


def bad_tokens(key, wrong):
    """What it is, the token, what is said of it."""
    now = int(time.time())
    good = claims(ISSUER)
    token = key.token(good)
    header, content, signature = token.split(".")
    stolen = claims(ISSUER, sub="somebody else")
    named = {"kid": key.name}
    return [
        ("alg none", by_hand({"alg": "none", **named}, good), "signing method"),
        ("alg None", by_hand({"alg": "None", **named}, good), "signing method"),
        ("alg none, by PyJWT", jwt.encode(good, None, "none", named), "signing method"),
        ("alg none with a signature", f"{encode({'alg': 'none'})}.{content}.{signature}", "signing method"),
        ("no alg", by_hand(named, good), "header"),
        ("the public key as a secret", by_hand({"alg": "HS256", **named}, stolen, key.pem()), "signing method"),
        ("the key set as a secret", by_hand({"alg": "HS256"}, stolen, json.dumps(key.jwk()).encode()), "signing"),
        ("a key of its own", wrong.token(good), "signature"),
        ("a key that it brings", wrong.token(good, headers={"jwk": wrong.jwk()}), "signature"),
        ("an address that it brings", wrong.token(good, headers={"jku": "http://127.0.0.1:9/keys"}), "signature"),
        ("another kid", key.token(good, headers={"kid": "other"}), "no key"),
        ("a kid that is a path", key.token(good, headers={"kid": "../../etc/passwd"}), "no key"),
        ("another algorithm of a kind that the key has not", header_of(token, alg="ES256"), "no key"),
        ("RS512 with the signature of RS256", header_of(token, alg="RS512"), "signature"),
        ("changed", f"{header}.{encode(stolen)}.{signature}", "signature"),
        ("no signature", f"{header}.{content}.", "signature"),
        ("half a signature", token[: -len(signature) // 2], "signature"),
        ("crit", key.token(good, headers={"crit": ["x"], "x": 1}), "crit"),
        ("expired", key.token(claims(ISSUER, exp=now - 60)), "expired"),
        ("expired long ago", key.token(claims(ISSUER, exp=1)), "expired"),
        ("no exp", key.token(claims(ISSUER, exp=None)), "exp"),
        ("exp as a text", by_key(key, {**good, "exp": "2099"}), "exp"),
        ("not yet", key.token(claims(ISSUER, nbf=now + 120)), "not valid yet"),
        ("from the future", key.token(claims(ISSUER, iat=now + 120)), "in the future"),
        ("another issuer", key.token(claims("https://evil.example")), "issuer"),
        ("almost the issuer", key.token(claims(ISSUER + "/")), "issuer"),
        ("no issuer", key.token(claims(None)), "issuer"),
        ("another audience", key.token(claims(ISSUER, aud="elsewhere")), "audience"),
        ("no audience", key.token(claims(ISSUER, aud=None)), "audience"),
        ("an audience in pieces", key.token(claims(ISSUER, aud=["a", "p", "p"])), "audience"),
        ("garbage", "garbage", "segments"),
        ("bytes", "\xff\xfe.\xff.\xff".encode("latin-1"), "header"),
        ("dots", "..", "header"),
        ("many dots", "." * 500, "segments"),
        ("deep", f"{header}.{encode(b'[' * 5000)}.{signature}", "content"),
        ("no object", f"{header}.{encode([1])}.{signature}", "content"),
        ("huge", f"{header}.{encode(b'x' * 14_000)}.{signature}", "longer"),
        ("encrypted", "eyJhbGciOiJSU0EtT0FFUCJ9.a.b.c.d", "segments"),
        ("two tokens", f"{token} {token}", "segments"),
        ("basic", "Basic bWU6c2VjcmV0", "segments"),
    ]


def header_of(token, **changes) -> str:
    header, rest = token.split(".", 1)
    padded = base64.urlsafe_b64decode(header + "=" * (-len(header) % 4))
    return f"{encode({**json.loads(padded), **changes})}.{rest}"


def by_key(key, content) -> str:
    """Signed well, whatever it says: PyJWT does not write such claims."""
    return jwt.api_jws.encode(json.dumps(content).encode(), key.private, key.algorithm, {"kid": key.name})


def test_bad_tokens_of_every_kind(api, key):
    for what, token, words in bad_tokens(key, Key(name=key.name)):
        answer = call(api, b"Bearer " + token if isinstance(token, bytes) else f"Bearer {token}")
        assert said(answer) == UNAUTHORIZED, (what, answer.text)
        challenge = answer.headers["www-authenticate"]
        assert challenge.startswith('Bearer error="invalid_token"'), what
        assert words in challenge, (what, challenge)
    assert call(api, key.token(claims(ISSUER))).status_code == 201


def test_a_token_that_is_too_long_for_any_header_is_not_waited_for(api):
    answer = call(api, "Bearer " + "x" * 17_000)
    assert answer.status_code in (401, 431)


def test_scopes(api, key):
    def codes(**more):
        return call(api, key.token(claims(ISSUER, **more)), "/scoped")

    for more in [{"scope": "write"}, {"scope": "a read b"}, {"scp": ["x", "write"]}]:
        assert codes(**more).status_code == 201, more
    for more in [{}, {"scope": "rea"}, {"scope": "read,write"}, {"scp": []}]:
        answer = codes(**more)
        assert said(answer) == FORBIDDEN, more
        challenge = answer.headers["www-authenticate"]
        assert 'error="insufficient_scope"' in challenge and 'scope="read write"' in challenge


def test_other_audiences_and_clients(api, key):
    for more in [{"aud": ["x", "other"]}, {"aud": None, "client_id": "app"}]:
        assert call(api, key.token(claims(ISSUER, **more))).status_code == 201, more
    # A client's id counts only where the token is for nobody in particular.
    assert said(call(api, key.token(claims(ISSUER, aud="x", client_id="app")))) == UNAUTHORIZED


def test_clocks_may_be_a_little_apart(api, key):
    now = int(time.time())
    ahead = claims(ISSUER, iat=now + 5, nbf=now + 5)
    assert call(api, key.token(ahead)).status_code == 201


def test_a_token_stands_where_the_authorizer_says(api, key):
    token = key.token(claims(ISSUER))
    assert call(api, path=f"/query?token={token}").status_code == 201
    assert said(call(api, token, "/query")) == UNAUTHORIZED
    assert said(call(api, path=f"/me?token={token}")) == UNAUTHORIZED


def test_pages_of_other_origins_can_read_why(api, key):
    origin = {"origin": EVERYTHING["AllowOrigins"][0]}
    refused = call(api, "garbage", headers=origin)
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == origin["origin"]
    asked = {**origin, "access-control-request-method": "GET", "access-control-request-headers": "authorization"}
    assert requests.options(f"{api.by_path}/me", headers=asked).status_code == 204


def test_all_algorithms_that_are_believed(apis, echo):
    keys = [Key("rsa", "r"), Key("p256", "e2"), Key("p384", "e3"), Key("ed25519", "ed")]
    signs = {"r": ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"], "e2": ["ES256"], "e3": ["ES384"]}
    api = apis()
    # Keys for other ends, and some that are none, stand beside them.
    others = [{**Key(name="enc").jwk(), "use": "enc"}, {"kty": "oct", "kid": "s", "k": "c2VjcmV0"}, {"kty": "?"}]
    protect(api, api.integrate(echo), keys=as_data(key_set(*others, *keys)))
    for key in keys:
        for algorithm in signs.get(key.name, [key.algorithm]):
            answer = call(api, key.token(claims(ISSUER), algorithm))
            assert answer.status_code == 201, (algorithm, answer.headers)
    shared = jwt.encode(claims(ISSUER), "secret" * 8, "HS256", {"kid": "s"})
    assert said(call(api, shared)) == UNAUTHORIZED


@pytest.mark.filterwarnings("ignore:The RSA key is 1024 bits long")
def test_a_key_says_what_it_is_for(apis, echo):
    api = apis()
    only = Key(name="only", alg="RS256")
    weak = Key(name="weak", bits=1024)
    protect(api, api.integrate(echo), keys=as_data(key_set(only, weak)))
    assert call(api, only.token(claims(ISSUER))).status_code == 201
    assert said(call(api, only.token(claims(ISSUER), "PS256"))) == UNAUTHORIZED
    assert said(call(api, weak.token(claims(ISSUER)))) == UNAUTHORIZED


def test_a_single_key_needs_no_name(apis, echo):
    api, key = apis(), Key(name=None)
    protect(api, api.integrate(echo), keys=as_data(key_set(key)))
    assert call(api, key.token(claims(ISSUER))).status_code == 201
    assert said(call(api, Key(name=None).token(claims(ISSUER)))) == UNAUTHORIZED


def test_keys_are_found_where_the_issuer_says(apis, echo, key):
    with Issuer(key) as issuer:
        api = apis()
        protect(api, api.integrate(echo), issuer=issuer.url)
        for _ in range(3):
            assert call(api, key.token(claims(issuer.url))).status_code == 201
        assert issuer.asked == ["/.well-known/openid-configuration", "/keys"], "asked once"
        # Away, it is still believed by the keys that are known.
        issuer.instead = [(503, {}, b"away")]
        assert call(api, key.token(claims(issuer.url))).status_code == 201


def test_an_issuer_changes_its_keys(apis, echo, key):
    newer = Key(name="newer")
    with Issuer(key) as issuer:
        api = apis()
        protect(api, api.integrate(echo), issuer=issuer.url, keys=issuer.jwks)
        assert call(api, key.token(claims(issuer.url))).status_code == 201
        # The pause after a look is over for a key that was not there before.
        issuer.keys = key_set(newer)

        def code():
            return call(api, newer.token(claims(issuer.url))).status_code

        eventually(lambda: code() == 201, "the new key is found", every=0.5)
        looks = len(issuer.asked)
        assert looks <= 3
        # The old one is gone with it, and names by chance do not make it ask again and again.
        assert said(call(api, key.token(claims(issuer.url)))) == UNAUTHORIZED
        for number in range(20):
            assert said(call(api, key.token(claims(issuer.url), headers={"kid": f"k{number}"}))) == UNAUTHORIZED
        assert len(issuer.asked) <= looks + 1


@pytest.mark.parametrize(
    "instead",
    [
        (404, {}, b""),
        (302, {"location": "/keys"}, b""),
        (200, {}, b"<html>"),
        (200, {}, b'{"keys":[]}'),
        (200, {}, b" " * 300_000),
        None,
    ],
    ids=["missing", "redirect", "a page", "no keys", "too long", "hangs up"],
)
def test_an_issuer_that_does_not_help(apis, echo, key, instead):
    with Issuer(key) as issuer:
        issuer.instead = [instead]
        api = apis()
        protect(api, api.integrate(echo), issuer=issuer.url, keys=issuer.jwks)
        answer = call(api, key.token(claims(issuer.url)))
        assert said(answer) == UNAUTHORIZED
        assert "could not be fetched" in answer.headers["www-authenticate"]
        asked = len(issuer.asked)
        for _ in range(5):
            assert said(call(api, key.token(claims(issuer.url)))) == UNAUTHORIZED
        assert len(issuer.asked) == asked, "it is left alone for a while"


def test_an_issuer_that_is_not_there(apis, echo, key):
    issuer = Issuer(key)
    issuer.stop()
    api = apis()
    protect(api, api.integrate(echo), issuer=issuer.url)
    assert said(call(api, key.token(claims(issuer.url)))) == UNAUTHORIZED


def test_who_says_to_be_another_issuer_is_not_believed(apis, echo, key):
    with Issuer(key) as issuer:
        described = {"issuer": "https://other.example", "jwks_uri": issuer.jwks}
        issuer.instead = [(200, {}, json.dumps(described).encode())]
        api = apis()
        protect(api, api.integrate(echo), issuer=issuer.url)
        assert said(call(api, key.token(claims(issuer.url)))) == UNAUTHORIZED
        assert issuer.asked == ["/.well-known/openid-configuration"]


def test_a_key_and_a_token_are_both_asked_for(apis, echo, engine, gateway, key):
    api = apis()
    integration = api.integrate(echo)
    protect(api, integration, keys=as_data(key_set(key)))
    route = gateway.get_routes(ApiId=api.id)["Items"][0]["RouteId"]
    gateway.update_route(ApiId=api.id, RouteId=route, ApiKeyRequired=True)
    made = engine.client("apigateway").create_api_key(name=unique("key"), enabled=True)["value"]
    token = key.token(claims(ISSUER))
    assert call(api, token, headers={"x-api-key": made}).status_code == 201
    assert said(call(api, token)) == FORBIDDEN
    assert said(call(api, headers={"x-api-key": made})) == UNAUTHORIZED
