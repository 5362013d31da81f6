"""Answers that are kept, that are not sent again, and that go out smaller."""

import concurrent.futures
import gzip
import json
import subprocess

import httpx
import pytest
import requests
import zstandard

from http_apis import apis, arn_of, gateway, let_in  # noqa: F401 (fixtures)

# Says how often it was asked; with a query it sets the headers that are named there.
COUNTING = """
import json

count = 0


def handler(event, context):
    global count
    count += 1
    headers = {"content-type": "application/json", **(event.get("queryStringParameters") or {})}
    size = int(headers.pop("size", 0))
    status = int(headers.pop("status", 200))
    body = json.dumps({"count": count, "method": event["requestContext"]["http"]["method"], "fill": "x" * size})
    return {"statusCode": status, "headers": headers, "body": body}
"""


@pytest.fixture
def counting(awslambda, functions):
    """With a function that counts its calls one by one: it runs in one instance."""
    name = functions.make(COUNTING)
    let_in(awslambda, name)
    return arn_of(awslambda, name)


def count(answer) -> int:
    assert answer.status_code == 200, answer.text
    return answer.json()["count"]


def test_an_answer_is_kept_for_who_asks_the_same(apis, counting):
    api = apis()
    api.handled(counting, "GET /a", cache_seconds="300")
    api.handled(counting, "GET /a/{x}", cache_seconds="300")
    first = requests.get(f"{api.by_path}/a")
    assert "age" not in first.headers
    again = requests.get(f"{api.by_path}/a")
    assert (count(first), count(again)) == (1, 1)
    assert int(again.headers["age"]) >= 0
    assert again.headers["apigw-requestid"] != first.headers["apigw-requestid"]
    seen = [count(first)]
    for path, headers in [
        ("/a?x-a=1", {}),
        ("/a/b", {}),
        ("/a/c", {}),
        ("/a", {"accept": "text/plain"}),
        ("/a", {"authorization": "Bearer one"}),
        ("/a", {"authorization": "Bearer two"}),
        ("/a", {"cookie": "s=1"}),
        ("/a", {"x-forwarded-host": "evil.example"}),
        ("/a", {"host": f"{api.id}.execute-api.us-east-1.localhost"}),
    ]:
        url = api.by_path + path
        if "host" in headers:
            url = api.by_path.split("/execute-api")[0] + path
        seen.append(count(requests.get(url, headers=headers)))
        assert count(requests.get(url, headers=headers)) == seen[-1], (path, headers)
    assert len(set(seen)) == len(seen)


def test_head_is_answered_from_what_get_left(apis, counting):
    api = apis()
    api.handled(counting, "GET /a", cache_seconds="300")
    got = requests.get(f"{api.by_path}/a")
    head = requests.head(f"{api.by_path}/a")
    assert (head.content, head.headers["content-length"]) == (b"", str(len(got.content)))
    assert head.headers["etag"] == got.headers["etag"]
    assert count(requests.get(f"{api.by_path}/a")) == 1


@pytest.mark.parametrize(
    "query",
    ["cache-control=no-store", "cache-control=private", "cache-control=max-age%3D0", "set-cookie=a%3Db", "vary=x-tenant"],
)
def test_a_function_may_say_that_its_answer_is_not_to_be_kept(apis, counting, query):
    api = apis()
    api.handled(counting, "GET /a", cache_seconds="300")
    assert [count(requests.get(f"{api.by_path}/a?{query}")) for _ in range(2)] == [1, 2]


def test_errors_and_other_methods_are_not_kept(apis, counting):
    api = apis()
    api.handled(counting, "ANY /a", cache_seconds="300")
    codes = [requests.get(f"{api.by_path}/a?status=404").json()["count"] for _ in range(2)]
    assert codes == [1, 2]
    assert [count(requests.post(f"{api.by_path}/a")) for _ in range(2)] == [3, 4]
    assert [count(requests.get(f"{api.by_path}/a")) for _ in range(2)] == [5, 5]
    # A body may be what it is about.
    assert count(requests.get(f"{api.by_path}/a", data=b"x")) == 6


def test_a_deployment_empties_it(apis, counting):
    api = apis()
    api.handled(counting, "GET /a", cache_seconds="300")
    assert [count(requests.get(f"{api.by_path}/a")) for _ in range(2)] == [1, 1]
    api.handled(counting, "GET /b")
    assert [count(requests.get(f"{api.by_path}/a")) for _ in range(2)] == [2, 2]


def test_what_brings_a_body_is_asked_anew(apis, counting):
    """Also over HTTP/2, where a body needs no header that tells of it."""
    api = apis()
    api.handled(counting, "GET /a", cache_seconds="300")
    assert count(requests.get(f"{api.by_path}/a")) == 1
    assert count(requests.get(f"{api.by_path}/a")) == 1
    with httpx.Client(http1=False, http2=True) as client:
        assert count(client.get(f"{api.by_path}/a")) == 1
        pieces = client.build_request("GET", f"{api.by_path}/a", content=iter([b"a", b"b"]))
        assert "content-length" not in pieces.headers
        assert count(client.send(pieces)) == 2


def test_nobody_gets_what_another_was_answered(apis, gateway, engine, counting):
    api = apis()
    keys = engine.client("apigateway")
    made = [keys.create_api_key(name=f"{api.id}-{n}", enabled=True)["value"] for n in range(2)]
    integration = api.integrate(counting, RequestParameters={"squall:cache-seconds": "300"})
    gateway.create_route(
        ApiId=api.id, RouteKey="GET /a", Target=f"integrations/{integration}", ApiKeyRequired=True
    )

    def ask(key):
        return requests.get(f"{api.by_path}/a", headers={"x-api-key": key} if key else {})

    assert [count(ask(key)) for key in [made[0], made[0], made[1], made[1], made[0]]] == [1, 1, 2, 2, 1]
    assert ask(None).status_code == 403
    assert ask("guessed").status_code == 403


def test_a_stampede_runs_the_function_once(apis, awslambda, functions, gate):
    name = functions.make(gate.source.replace('event["gate"]', 'int(event["rawPath"][1:])'))
    let_in(awslambda, name)
    api = apis()
    api.handled(arn_of(awslambda, name), "GET /{gate}", cache_seconds="300")
    url = f"{api.by_path}/{gate.port}"
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        first = pool.submit(requests.get, url)
        gate.wait_for(1)
        others = [pool.submit(requests.get, url) for _ in range(19)]
        gate.open()
        # A second one that ran would stand at the gate, which nobody opens for it.
        answers = [answer.result() for answer in [first, *others]]
    assert [answer.json() for answer in answers] == ["through"] * 20
    assert sum("age" not in answer.headers for answer in answers) == 1


def test_what_a_client_has_is_not_sent_again(apis, counting):
    api = apis()
    api.handled(counting, "GET /kept", cache_seconds="300")
    api.handled(counting, "GET /plain")
    first = requests.get(f"{api.by_path}/kept")
    tag = first.headers["etag"]
    for sent in [tag, f"W/{tag}", f'"other", {tag}', "*"]:
        answer = requests.get(f"{api.by_path}/kept", headers={"if-none-match": sent})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag), sent
    assert requests.get(f"{api.by_path}/kept", headers={"if-none-match": '"other"'}).status_code == 200
    # A tag of the function's own.
    url = f"{api.by_path}/plain?etag=%22v1%22"
    assert requests.get(url).headers["etag"] == '"v1"'
    assert requests.get(url, headers={"if-none-match": '"v1"'}).status_code == 304
    assert "etag" not in requests.get(f"{api.by_path}/plain").headers


def raw_get(url, coding):
    answer = requests.get(url, headers={"accept-encoding": coding}, stream=True)
    return answer, answer.raw.read(decode_content=False)


def test_text_goes_out_smaller_to_who_takes_it(apis, counting):
    api = apis()
    api.handled(counting, "GET /a")
    api.handled(counting, "GET /off", compress="false")
    url = f"{api.by_path}/a?size=5000"
    answer, body = raw_get(url, "gzip")
    assert (answer.headers["content-encoding"], answer.headers["content-length"]) == ("gzip", str(len(body)))
    assert "accept-encoding" in answer.headers["vary"].lower()
    assert len(json.loads(gzip.decompress(body))["fill"]) == 5000
    answer, body = raw_get(url, "gzip;q=0.5, zstd")
    assert answer.headers["content-encoding"] == "zstd"
    assert len(json.loads(zstandard.ZstdDecompressor().decompressobj().decompress(body))["fill"]) == 5000
    for asked, coding in [("identity", None), ("gzip;q=0", None), ("br", None), ("*;q=0.1", "zstd"), ("", None)]:
        answer, body = raw_get(url, asked)
        assert answer.headers.get("content-encoding") == coding, asked
    for path in [
        "/off?size=5000",
        "/a?size=100",
        "/a?size=5000&content-type=image/png",
        "/a?size=5000&cache-control=no-transform",
        "/a?size=5000&content-encoding=x-own",
    ]:
        answer, body = raw_get(api.by_path + path, "gzip, zstd")
        assert answer.headers.get("content-encoding") in (None, "x-own"), path
        json.loads(body)


def test_a_kept_answer_is_given_in_each_coding(apis, counting):
    api = apis()
    api.handled(counting, "GET /a", cache_seconds="300")
    url = f"{api.by_path}/a?size=5000"
    plain, body = raw_get(url, "identity")
    tag = plain.headers["etag"]
    for _ in range(2):
        answer, packed = raw_get(url, "gzip")
        assert (gzip.decompress(packed), answer.headers["etag"]) == (body, f"W/{tag}")
    assert requests.get(url, headers={"if-none-match": f"W/{tag}", "accept-encoding": "gzip"}).status_code == 304
    head = requests.head(url, headers={"accept-encoding": "gzip"})
    assert head.headers["content-length"] == str(len(packed))


def test_curl_reads_what_is_compressed(apis, counting):
    api = apis()
    api.handled(counting, "GET /a")
    done = subprocess.run(
        ["curl", "-s", "--compressed", f"{api.by_path}/a?size=3000"], check=True, capture_output=True, timeout=60
    )
    assert len(json.loads(done.stdout)["fill"]) == 3000


def test_pages_of_a_bucket_are_compressed_and_parts_of_them_are_not(apis, s3, bucket):
    api = apis()
    text = b"line of a page\n" * 1000
    s3.put_object(Bucket=bucket, Key="a.html", Body=text, ContentType="text/html")
    s3.put_object(Bucket=bucket, Key="big.csv", Body=text * 100, ContentType="text/csv")
    api.route("GET /{proxy+}", api.own("Site", bucket=bucket))
    answer, body = raw_get(f"{api.by_path}/a.html", "gzip")
    assert (answer.headers["content-encoding"], gzip.decompress(body)) == ("gzip", text)
    assert answer.headers["etag"].startswith('W/"')
    assert "accept-ranges" not in answer.headers
    again = {"if-none-match": answer.headers["etag"], "accept-encoding": "gzip"}
    assert requests.get(f"{api.by_path}/a.html", headers=again).status_code == 304
    # One that is not compressed as a whole goes out in pieces.
    answer, body = raw_get(f"{api.by_path}/big.csv", "gzip")
    assert (answer.headers["content-encoding"], gzip.decompress(body)) == ("gzip", text * 100)
    part = requests.get(f"{api.by_path}/a.html", headers={"range": "bytes=0-3999", "accept-encoding": "gzip"})
    assert (part.status_code, part.content, "content-encoding" in part.headers) == (206, text[:4000], False)
