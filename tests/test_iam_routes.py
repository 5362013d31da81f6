"""Routes for who signs as AWS's clients do (AWS_IAM), and links that are signed and given
away. Signatures are made by botocore and by requests-aws4auth, not by us."""

import datetime
import json

import httpx
import pytest
import requests
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from requests_aws4auth import AWS4Auth

from harness import moved_clock, unique
from http_apis import Api, echo, gateway  # noqa: F401 (fixtures)
from issuers import Key, as_data, key_set

FORBIDDEN = (403, "Forbidden")


@pytest.fixture(scope="module")
def api(engine, gateway, echo):
    api = Api(engine, gateway, unique("api"))
    integration = api.integrate(echo)
    older = api.integrate(echo, PayloadFormatVersion="1.0")
    for key, target in [("ANY /signed/{proxy+}", integration), ("ANY /signed", integration), ("ANY /older", older)]:
        gateway.create_route(
            ApiId=api.id, RouteKey=key, Target=f"integrations/{target}", AuthorizationType="AWS_IAM"
        )
    yield api
    gateway.delete_api(ApiId=api.id)


@pytest.fixture
def role(engine):
    """A role with one policy, and keys of a session of it."""
    iam = engine.client("iam")
    made = []

    def make(*statements):
        name = unique("role")
        trust = {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        made.append(name)
        policy = {"Version": "2012-10-17", "Statement": list(statements)}
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(policy))
        keys = engine.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
        return arn, Credentials(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])

    yield make
    for name in made:
        iam.delete_role_policy(RoleName=name, PolicyName="p")
        iam.delete_role(RoleName=name)


def root(engine) -> Credentials:
    return Credentials(engine.access_key, engine.secret_key)


def send(engine, method, url, data=None, headers=None, keys=None, service="execute-api", at=None, region=None):
    """Signed by botocore."""
    request = AWSRequest(method, url, data=data, headers=headers or {})
    with moved_clock(at):
        SigV4Auth(keys or root(engine), service, region or engine.region).add_auth(request)
    prepared = request.prepare()
    # As it was signed: requests would spell it in its own way.
    plain = requests.Request(method, "http://x", data=data, headers=dict(prepared.headers)).prepare()
    plain.url = prepared.url
    return requests.Session().send(plain)


def link(engine, url, seconds=3600, keys=None, at=None) -> str:
    request = AWSRequest("GET", url)
    with moved_clock(at):
        SigV4QueryAuth(keys or root(engine), "execute-api", engine.region, expires=seconds).add_auth(request)
    return request.prepare().url


def said(answer):
    return answer.status_code, answer.json().get("message")


def test_a_signature_lets_in_and_the_function_is_told(api, engine):
    answer = send(engine, "POST", f"{api.by_path}/signed/a?x=1", b"body", {"content-type": "text/plain"})
    assert answer.status_code == 201, answer.text
    event = answer.json()
    iam = event["requestContext"]["authorizer"]["iam"]
    account = event["requestContext"]["accountId"]
    assert iam["userArn"] == f"arn:aws:iam::{account}:root"
    assert (iam["accessKey"], iam["accountId"]) == (engine.access_key, account)
    assert event["body"] == "body"
    # With the signature somebody else could ask again for a while.
    assert "authorization" not in event["headers"]
    older = send(engine, "GET", f"{api.by_path}/older").json()
    identity = older["requestContext"]["identity"]
    assert (identity["userArn"], identity["accessKey"]) == (iam["userArn"], engine.access_key)
    assert older["requestContext"]["authorizer"] == {"claims": None, "scopes": None}


def test_who_does_not_sign_stays_out(api):
    for path in ["/signed", "/older"]:
        answer = requests.get(api.by_path + path)
        assert said(answer) == FORBIDDEN
        assert answer.json()["detail"] == "Missing Authentication Token"
    assert said(requests.get(f"{api.by_path}/signed", headers={"authorization": "Bearer a.b.c"})) == FORBIDDEN


@pytest.mark.parametrize(
    "path",
    [
        "/signed",
        "/signed/",
        "/signed/a%20b/%C3%BC",
        "/signed/a%2Fb",
        "/signed/a+b/(c)/~d/e:f",
        "/signed/a@b,c;d=e",
        "/signed/x?a=1&b=2&a=0",
        "/signed/x?empty=&flag&b",
        "/signed/x?q=a%20b%2Bc%26d%3De",
        "/signed/x?%C3%BC=%E2%82%AC",
        "/signed/x?A=1&a=2&A-=3",
        "/signed/x?a=%2F&b=~_-.",
        "/signed/" + "x/" * 50 + "y",
    ],
)
def test_odd_paths_and_queries(local_names, api, engine, path):
    for base in [api.by_path, api.endpoint]:
        if path == "/signed/":
            # Another path than /signed, and one for which there is no route.
            assert send(engine, "GET", base + path).status_code == 404
            continue
        answer = send(engine, "GET", base + path)
        assert answer.status_code == 201, (base, path, answer.text)


def test_requests_aws4auth_signs_as_well(local_names, api, engine):
    auth = AWS4Auth(engine.access_key, engine.secret_key, engine.region, "execute-api")
    for base in [api.by_path, api.endpoint]:
        for how in [
            {"method": "GET", "url": f"{base}/signed/a%20b?b=2&a=1"},
            {"method": "POST", "url": f"{base}/signed", "json": {"a": [1, 2]}},
            {"method": "PUT", "url": f"{base}/signed/x", "data": bytes(range(256)) * 100},
            {"method": "DELETE", "url": f"{base}/signed/x"},
        ]:
            answer = requests.request(auth=auth, **how)
            assert answer.status_code == 201, (how["url"], answer.text)


def test_signatures_over_http_2(api, engine):
    """There a request without a length may have a body all the same."""
    with httpx.Client(http1=False, http2=True) as client:
        for method, body in [("GET", b""), ("POST", b"body"), ("POST", b""), ("DELETE", b"")]:
            url = f"{api.by_path}/signed/a%20b?x=1"
            request = AWSRequest(method, url, data=body, headers={"content-type": "text/plain"})
            SigV4Auth(root(engine), "execute-api", engine.region).add_auth(request)
            headers = dict(request.prepare().headers)
            headers.pop("Content-Length", None)
            answer = client.request(method, url, content=body, headers=headers)
            assert (answer.http_version, answer.status_code) == ("HTTP/2", 201), answer.text
            assert answer.json()["requestContext"]["authorizer"]["iam"]["accessKey"] == engine.access_key
            # The same head, with a body in pieces of which it says nothing.
            refused = client.request(method, url, content=iter([b"smug", b"gled"]), headers=headers)
            assert (refused.status_code, refused.json()["message"]) == FORBIDDEN


def test_bad_signatures(api, engine):
    url = f"{api.by_path}/signed"

    def out(answer, words):
        assert said(answer) == FORBIDDEN, answer.text
        assert words in answer.json()["detail"], answer.json()["detail"]

    out(send(engine, "GET", url, keys=Credentials(engine.access_key, "wrong")), "does not match")
    out(send(engine, "GET", url, keys=Credentials("AKIANOBODY", "wrong")), "security token")
    out(send(engine, "GET", url, service="lambda"), "execute-api")
    out(send(engine, "GET", url, region="eu-west-9"), "region")
    out(send(engine, "GET", url, at=-3600), "expired")
    out(send(engine, "GET", url, at=3600), "not yet current")
    good = AWSRequest("POST", url, data=b"body", headers={"content-type": "text/plain"})
    SigV4Auth(root(engine), "execute-api", engine.region).add_auth(good)
    headers = dict(good.prepare().headers)
    out(requests.post(url, data=b"Body", headers=headers), "does not match")
    out(requests.post(url + "?x=1", data=b"body", headers=headers), "does not match")
    out(requests.put(url, data=b"body", headers=headers), "does not match")
    out(requests.post(f"{api.by_path}/older", data=b"body", headers=headers), "does not match")
    out(requests.post(url, data=b"body", headers={**headers, "x-amz-extra": "1"}), "SignedHeader")
    assert requests.post(url, data=b"body", headers=headers).status_code == 201


def test_a_declared_digest_must_be_that_of_the_body(api, engine):
    auth = AWS4Auth(engine.access_key, engine.secret_key, engine.region, "execute-api")
    prepared = requests.Request("POST", f"{api.by_path}/signed", data=b"body", auth=auth).prepare()
    assert prepared.headers["x-amz-content-sha256"]
    prepared.body = b"Body"
    answer = requests.Session().send(prepared)
    assert said(answer) == FORBIDDEN
    assert "x-amz-content-sha256" in answer.json()["detail"]


def test_policies_decide(api, engine, role):
    arn = f"arn:aws:execute-api:{engine.region}:*:{api.id}/$default"
    allow = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": f"{arn}/GET/signed/*"}
    deny = {"Effect": "Deny", "Action": "execute-api:Invoke", "Resource": f"{arn}/*/signed/admin/*"}
    who, keys = role(allow, deny)

    def of(method, path):
        return send(engine, method, api.by_path + path, keys=keys)

    answer = of("GET", "/signed/a")
    assert answer.status_code == 201, answer.text
    signer = answer.json()["requestContext"]["authorizer"]["iam"]["userArn"]
    assert signer.endswith(f"assumed-role/{who.rsplit('/')[-1]}/test")
    assert "x-amz-security-token" not in answer.json()["headers"]
    for method, path in [
        ("POST", "/signed/a"),
        ("GET", "/signed"),
        ("GET", "/older"),
        ("GET", "/signed/admin/x"),
        # Another spelling is the same path.
        ("GET", "/signed/%61dmin/x"),
        ("HEAD", "/signed/admin/x"),
    ]:
        answer = of(method, path)
        assert answer.status_code == 403, (method, path)
        if method != "HEAD":
            assert "is not authorized to perform: execute-api:Invoke" in answer.json()["detail"]
    _, none = role({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})
    assert said(send(engine, "GET", f"{api.by_path}/signed/a", keys=none)) == FORBIDDEN


def test_an_address_can_be_signed(api, engine):
    url = link(engine, f"{api.by_path}/signed/a?x=1")
    answer = requests.get(url)
    assert answer.status_code == 201, answer.text
    event = answer.json()
    # What signed it is not what was asked.
    assert (event["queryStringParameters"], event["rawQueryString"]) == ({"x": "1"}, "x=1")
    assert "iam" in event["requestContext"]["authorizer"]
    assert said(requests.get(url.replace("x=1", "x=2"))) == FORBIDDEN
    assert said(requests.post(url)) == FORBIDDEN
    assert said(requests.get(link(engine, f"{api.by_path}/signed/a", 60, at=-120))) == FORBIDDEN
    assert said(requests.get(link(engine, f"{api.by_path}/signed/a", 8 * 24 * 3600))) == FORBIDDEN


# Links for others


@pytest.fixture(scope="module")
def shared(engine, gateway, echo):
    """Routes that share: one with a key, one with a token."""
    api = Api(engine, gateway, unique("api"))
    shares = api.integrate(echo, RequestParameters={"squall:share": "true"})
    keeps = api.integrate(echo)
    authorizer = gateway.create_authorizer(
        ApiId=api.id,
        Name="tokens",
        AuthorizerType="JWT",
        IdentitySource=["$request.header.Authorization"],
        JwtConfiguration={"Issuer": "https://issuer.example", "Audience": ["app"]},
        AuthorizerUri=as_data(key_set(Key("ed25519"))),
    )["AuthorizerId"]
    for path, target, more in [
        ("/key", shares, {"ApiKeyRequired": True}),
        ("/kept", keeps, {"ApiKeyRequired": True}),
        ("/token", shares, {"AuthorizationType": "JWT", "AuthorizerId": authorizer}),
    ]:
        gateway.create_route(ApiId=api.id, RouteKey=f"ANY {path}", Target=f"integrations/{target}", **more)
    yield api
    gateway.delete_api(ApiId=api.id)


def test_a_link_lets_in_in_the_place_of_key_and_token(shared, engine):
    for path in ["/key", "/token"]:
        url = shared.by_path + path
        assert requests.get(url).status_code in (401, 403)
        signed = link(engine, f"{url}?a=1")
        answer = requests.get(signed)
        assert answer.status_code == 201, answer.text
        assert answer.json()["queryStringParameters"] == {"a": "1"}
        assert requests.head(signed).status_code == 201
        for method in ["POST", "PUT", "DELETE"]:
            assert requests.request(method, signed).status_code in (401, 403), method
        changed = requests.get(signed.replace("a=1", "a=2"))
        assert said(changed) == FORBIDDEN
        assert "changed" in changed.json()["detail"]
    # A route that does not share wants its key.
    assert said(requests.get(link(engine, f"{shared.by_path}/kept"))) == FORBIDDEN


def test_a_link_ends(shared, engine):
    ended = requests.get(link(engine, f"{shared.by_path}/key", 60, at=-61))
    assert said(ended) == FORBIDDEN
    assert "time of this link is over" in ended.json()["detail"]
    assert requests.get(link(engine, f"{shared.by_path}/key", 7 * 24 * 3600, at=-6 * 24 * 3600)).status_code == 201
    assert said(requests.get(link(engine, f"{shared.by_path}/key", 7 * 24 * 3600 + 1))) == FORBIDDEN


def test_a_link_is_as_good_as_who_made_it(shared, engine, role):
    only = f"arn:aws:execute-api:*:*:{shared.id}/*/GET/key"
    allow = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": only}
    _, keys = role(allow)
    signed = link(engine, f"{shared.by_path}/key", keys=keys)
    assert (requests.get(signed).status_code, requests.head(signed).status_code) == (201, 201)
    refused = requests.get(link(engine, f"{shared.by_path}/token", keys=keys))
    assert said(refused) == FORBIDDEN
    assert "not authorized" in refused.json()["detail"]


def test_squall_share(shared, engine):
    printed = engine.cli("share", f"{shared.by_path}/key?a=1", "--expires", "1h")
    assert printed.returncode == 0, printed.stderr
    answer = requests.get(printed.stdout.strip())
    assert answer.status_code == 201, answer.text
    told = json.loads(engine.cli("share", f"{shared.by_path}/key", "--expires", "2d", "--json").stdout)
    assert requests.get(told["url"]).status_code == 201
    ends = datetime.datetime.fromisoformat(told["expires"])
    left = ends - datetime.datetime.now(datetime.timezone.utc)
    assert datetime.timedelta(days=1, hours=23) < left <= datetime.timedelta(days=2)
    by_name = engine.cli("share", f"/execute-api/{shared.id}/key", "--expires", "10m")
    assert requests.get(by_name.stdout.strip()).status_code == 201
    for wrong, words in [(["--expires", "8d"], "7d"), (["--expires", "0s"], "expires"), (["--expires", "x"], "x")]:
        failed = engine.cli("share", f"{shared.by_path}/key", *wrong)
        assert failed.returncode == 2 and words in failed.stderr, failed.stderr


# What streams


def test_a_map_takes_signed_tables(engine, gateway, awslambda, functions):
    name = functions.make(
        "def handler(item, context):\n    return {'keys': len(item)}\n"
    )
    api = Api(engine, gateway, unique("api"))
    try:
        integration = api.map(name)
        gateway.create_route(
            ApiId=api.id, RouteKey="ANY /sums", Target=f"integrations/{integration}", AuthorizationType="AWS_IAM"
        )
        table = b"id,time,value\na,1,1\na,2,2\nb,1,3\n"
        url = f"{api.by_path}/sums"
        answer = send(engine, "PUT", url, table, {"content-type": "text/csv"})
        assert answer.status_code == 200, answer.text
        assert answer.text.splitlines()[0].startswith("id")
        auth = AWS4Auth(engine.access_key, engine.secret_key, engine.region, "execute-api")
        answer = requests.put(url, data=table, headers={"content-type": "text/csv"}, auth=auth)
        assert answer.status_code == 200, answer.text
        changed = AWSRequest("PUT", url, data=table, headers={"content-type": "text/csv"})
        SigV4Auth(root(engine), "execute-api", engine.region).add_auth(changed)
        refused = requests.put(url, data=table + b"c,1,1\n", headers=dict(changed.prepare().headers))
        assert said(refused) == FORBIDDEN
        assert said(requests.put(url, data=table, headers={"content-type": "text/csv"})) == FORBIDDEN
    finally:
        gateway.delete_api(ApiId=api.id)
