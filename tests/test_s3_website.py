"""A bucket as a website: by its own host name, and under a path for who has no
wildcard names."""

import pytest
import requests

from s3_calls import refused
from test_s3_access import public_read

PAGES = {
    "index.html": b"<h1>home</h1>",
    "docs/index.html": b"<h1>docs</h1>",
    "a b/ä.html": b"odd",
    "error.html": b"<h1>own error page</h1>",
    "style.css": b"body {}",
}


class Site:
    """One website, asked in one of the two ways."""

    def __init__(self, engine, bucket, by_path):
        host = f"{bucket}.s3-website.localhost"
        self.base = f"/s3-website/{bucket}" if by_path else ""
        self.url = engine.gateway + self.base
        self.headers = {} if by_path else {"Host": host + ":" + engine.gateway.rpartition(":")[2]}

    def sent(self, path):
        """Where this leads; a place on the site itself by its path alone."""
        answer = self(path)
        location = answer.headers["Location"]
        for own in (f"http://{self.headers.get('Host')}", self.url.removesuffix(self.base)):
            location = location.removeprefix(own)
        return answer.status_code, location

    def __call__(self, path, method="GET", **headers):
        return requests.request(method, self.url + path, headers={**self.headers, **headers}, allow_redirects=False)


def configure(s3, bucket, **settings):
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=settings)


INDEX = {"IndexDocument": {"Suffix": "index.html"}}
ERROR = {"ErrorDocument": {"Key": "error.html"}}


@pytest.fixture
def pages(s3, bucket):
    for key, body in PAGES.items():
        kind = "text/css" if key.endswith("css") else "text/html"
        s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType=kind)
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=public_read(bucket, Resource=f"arn:aws:s3:::{bucket}/*"))
    return bucket


@pytest.fixture(params=["host", "path"])
def site(request, engine, pages):
    return Site(engine, pages, request.param == "path")


def test_pages(s3, pages, site):
    configure(s3, pages, **INDEX)
    for path in ("/", "/index.html"):
        answer = site(path)
        assert (answer.status_code, answer.content) == (200, PAGES["index.html"]), answer.text
        assert answer.headers["Content-Type"] == "text/html" and answer.headers["ETag"]
    assert site("/docs/").content == PAGES["docs/index.html"]
    assert site("/style.css").headers["Content-Type"] == "text/css"
    assert site("/a%20b/%C3%A4.html").content == b"odd"
    head = site("/", "HEAD")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == str(len(PAGES["index.html"]))
    # A folder without its slash is sent on, else relative links would lead astray.
    assert site.sent("/docs") == (302, site.base + "/docs/")
    seen = site("/").headers["ETag"]
    assert site("/", **{"If-None-Match": seen}).status_code == 304
    for method in ("PUT", "POST", "DELETE"):
        assert site("/", method).status_code == 405


def test_what_is_missing(s3, pages, site):
    configure(s3, pages, **INDEX)
    answer = site("/missing")
    assert answer.status_code == 404 and answer.headers["Content-Type"].startswith("text/html")
    # Who may not list is not told what is missing; the pages of AWS name the code.
    assert "404 Not Found" in answer.text or "AccessDenied" in answer.text
    configure(s3, pages, **INDEX, **ERROR)
    answer = site("/missing")
    assert (answer.status_code, answer.content) == (404, PAGES["error.html"])
    s3.delete_bucket_policy(Bucket=pages)
    closed = site("/")
    assert closed.status_code == 403 and b"home" not in closed.content


def test_no_website_no_bucket(engine, s3, bucket):
    for name, code in ((bucket, "NoSuchWebsiteConfiguration"), (bucket + "-not", "NoSuchBucket")):
        for by_path in (False, True):
            answer = Site(engine, name, by_path)("/")
            assert answer.status_code == 404 and code in answer.text, answer.text
    refused("NoSuchWebsiteConfiguration", 404, s3.get_bucket_website, Bucket=bucket)


def test_an_object_that_leads_elsewhere(s3, pages, site):
    configure(s3, pages, **INDEX)
    s3.put_object(Bucket=pages, Key="old", Body=b"x", WebsiteRedirectLocation="/style.css")
    s3.put_object(Bucket=pages, Key="out", Body=b"x", WebsiteRedirectLocation="https://out.example/y")
    assert site.sent("/old") == (301, site.base + "/style.css")
    assert site.sent("/out") == (301, "https://out.example/y")


def test_rules_that_lead_elsewhere(s3, pages, site):
    rules = [
        {"Condition": {"KeyPrefixEquals": "old/"}, "Redirect": {"ReplaceKeyPrefixWith": "docs/"}},
        {
            "Condition": {"HttpErrorCodeReturnedEquals": "404", "KeyPrefixEquals": "app/"},
            "Redirect": {"ReplaceKeyWith": "index.html", "HttpRedirectCode": "307"},
        },
        {
            "Condition": {"KeyPrefixEquals": "away/"},
            "Redirect": {"HostName": "away.example", "Protocol": "https", "HttpRedirectCode": "302"},
        },
    ]
    # To be told that something is missing, one must be allowed to list.
    whole = [f"arn:aws:s3:::{pages}", f"arn:aws:s3:::{pages}/*"]
    policy = public_read(pages, Action=["s3:GetObject", "s3:ListBucket"], Resource=whole)
    s3.put_bucket_policy(Bucket=pages, Policy=policy)
    configure(s3, pages, **INDEX, **ERROR, RoutingRules=rules)
    assert s3.get_bucket_website(Bucket=pages)["RoutingRules"] == rules
    assert site.sent("/old/page") == (301, site.base + "/docs/page")
    assert site.sent("/app/deep") == (307, site.base + "/index.html")
    assert site.sent("/away/x") == (302, "https://away.example/away/x")
    assert site("/other").content == PAGES["error.html"]


def test_everything_leads_elsewhere(s3, pages, site):
    configure(s3, pages, RedirectAllRequestsTo={"HostName": "new.example", "Protocol": "https"})
    answer = site("/docs/x?y=1")
    assert answer.status_code == 301
    assert answer.headers["Location"] in ("https://new.example/docs/x", "https://new.example/docs/x?y=1")


def test_settings_that_are_refused(s3, bucket):
    put = {"call": s3.put_bucket_website, "Bucket": bucket}
    refused("InvalidArgument", 400, **put, WebsiteConfiguration={"IndexDocument": {"Suffix": "a/b"}})
    refused("InvalidArgument", 400, **put, WebsiteConfiguration={})
    refused("NoSuchWebsiteConfiguration", 404, s3.get_bucket_website, Bucket=bucket)


def test_the_api_port_serves_no_websites(engine, s3, pages):
    configure(s3, pages, **INDEX)
    answer = requests.get(engine.api, headers={"Host": f"{pages}.s3-website.localhost"})
    assert answer.status_code in (400, 403, 404) and b"home" not in answer.content


def test_a_function_url_is_still_a_function_url(engine, pages, s3, functions, awslambda):
    """A path that begins like a website's is not taken from function URLs."""
    configure(s3, pages, **INDEX)
    source = "import json\ndef handler(event, context):\n    return {'statusCode': 200, 'body': event['rawPath']}\n"
    name = functions.make(source)
    url = awslambda.create_function_url_config(FunctionName=name, AuthType="NONE")["FunctionUrl"]
    awslambda.add_permission(
        FunctionName=name,
        StatementId="everyone",
        Action="lambda:InvokeFunctionUrl",
        Principal="*",
        FunctionUrlAuthType="NONE",
    )
    host = url.removeprefix("http://").strip("/")
    answer = requests.get(engine.gateway + "/s3-website/x", headers={"Host": host})
    assert (answer.status_code, answer.text) == (200, "/s3-website/x")
    assert Site(engine, pages, True)("/").status_code == 200


def test_text_goes_out_smaller_to_who_takes_it(s3, pages, site):
    configure(s3, pages, **INDEX)
    text = b"<p>line of a page</p>\n" * 500
    s3.put_object(Bucket=pages, Key="long.html", Body=text, ContentType="text/html")
    packed = site("/long.html", **{"Accept-Encoding": "gzip"})
    assert (packed.headers["Content-Encoding"], packed.content) == ("gzip", text)
    assert int(packed.headers["Content-Length"]) < 500
    assert packed.headers["ETag"].startswith('W/"')
    head = site("/long.html", "HEAD", **{"Accept-Encoding": "gzip"})
    assert (head.content, head.headers["Content-Length"]) == (b"", packed.headers["Content-Length"])
    plain = site("/long.html", **{"Accept-Encoding": "identity"})
    assert (plain.content, plain.headers["Content-Length"]) == (text, str(len(text)))
    assert "Content-Encoding" not in plain.headers
    head = site("/long.html", "HEAD", **{"Accept-Encoding": "identity"})
    assert head.headers["Content-Length"] == str(len(text))
