"""The OpenAPI document of an API: it is valid, it is of what is served, and it is right."""

import http.client
import json
import re

import pytest
import requests

import documents
from deploy_cli import Folder
from documents import FEATURES, checked, line, own, read  # noqa: F401 (fixtures)
from harness import eventually
from http_apis import apis, gateway  # noqa: F401 (fixtures)

OPEN = "https://issuer.example/"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return documents.model_file(tmp_path_factory.mktemp("model"))


@pytest.fixture
def place(s3, bucket, model) -> str:
    s3.put_object(Bucket=bucket, Key="admission.json", Body=model.read_bytes())
    s3.put_object(Bucket=bucket, Key="web/index.html", Body=b"<p>here</p>", ContentType="text/html")
    return bucket


@pytest.fixture
def shop(apis, functions, line, place):
    """An API with a route to everything that there is."""
    api = apis(Description="All there is", Version="2.1")
    features = functions.make(FEATURES)
    api.map(features, "ANY /features", "ANY /features/{proxy+}", chunksize="5")
    own(api, "Squall-Model", "ANY /admission", model=f"s3://{place}/admission.json", threshold="0.5", summary="Chances")
    own(api, "Squall-Redirect", "GET /old/{id}", location="/line/{id}", status="307")
    own(api, "Squall-Site", "ANY /site/{file+}", bucket=place, prefix="web/")
    own(api, "Squall-Route", "POST /again", path="/admission")
    integration = api.integrate(line, RequestParameters={"squall:summary": "A line </script>"})
    for key in ["GET /line/{id}", "ANY /line/{id}/{rest+}", "PATCH /line/{other}"]:
        api.route(key, integration)
    api.route("$default", integration)
    api.client.create_route(ApiId=api.id, RouteKey="GET /nowhere")
    return api


def test_every_kind_of_target_is_in_it(shop):
    document = read(shop.by_path)
    assert (document["openapi"], document["info"]["version"]) == ("3.1.0", "2.1")
    assert document["info"]["description"] == "All there is"
    assert document["servers"] == [{"url": shop.by_path}]
    kinds = {(path, method): it["x-squall-target"] for path, method, it in documents.operations(document)}
    assert kinds["/features", "put"] == kinds["/features", "post"] == "map"
    assert ("/features", "get") not in kinds
    assert kinds["/features/jobs/{job}", "delete"] == "map"
    assert {method for path, method in kinds if path == "/admission"} == {"get", "post", "put"}
    assert kinds["/again", "post"] == "model"
    assert kinds["/old/{id}", "get"] == "redirect"
    assert {method for path, method in kinds if path == "/site/{file}"} == {"get"}
    assert kinds["/line/{id}", "patch"] == kinds["/{path}", "delete"] == "function"
    assert kinds["/nowhere", "get"] == "nothing"
    assert document["paths"]["/line/{id}"]["get"]["summary"] == "A line </script>"
    assert document["paths"]["/admission"]["post"]["summary"] == "Chances"


def test_a_model_says_what_it_takes(shop):
    document = read(shop.by_path)
    row = document["components"]["schemas"]["admission.Row"]
    assert row["required"] == ["gre", "gpa", "rank"]
    assert row["properties"]["gre"]["type"] == ["number", "null"]
    assert row["properties"]["rank"]["enum"] == ["a", "b", "c", "d", None]
    post = document["paths"]["/admission"]["post"]
    sent = post["requestBody"]["content"]["application/json"]["example"]
    told = post["responses"]["200"]["content"]["application/json"]["example"]
    # The example of the answer is what the example of a request is answered with.
    assert requests.post(f"{shop.by_path}/admission", json=sent).json() == told
    assert isinstance(told["decision"], bool)
    table = post["requestBody"]["content"]["text/csv"]["example"]
    answer = requests.post(f"{shop.by_path}/admission", data=table, headers={"content-type": "text/csv"})
    assert answer.status_code == 200, answer.text
    fields = [one for one in document["paths"]["/admission"]["get"]["parameters"] if one.get("x-squall-field")]
    by_query = {one["name"]: one["example"] for one in fields}
    assert requests.get(f"{shop.by_path}/admission", params=by_query).json() == told


def test_a_model_that_comes_later_is_told_then(apis, s3, bucket, model):
    api = apis()
    own(api, "Squall-Model", "POST /late", model=f"s3://{bucket}/late.json")
    assert "properties" not in read(api.by_path)["components"]["schemas"]["late.Row"]
    s3.put_object(Bucket=bucket, Key="late.json", Body=model.read_bytes())

    def known():
        return read(api.by_path)["components"]["schemas"]["late.Row"].get("required")

    assert eventually(known, "the model is known") == ["gre", "gpa", "rank"]


def test_a_maps_example_is_answered(shop):
    put = read(shop.by_path)["paths"]["/features"]["put"]
    for kind in ("text/csv", "application/x-ndjson"):
        table = put["requestBody"]["content"][kind]["example"]
        answer = requests.put(f"{shop.by_path}/features", data=table, headers={"content-type": kind})
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].split(";")[0] in put["responses"]["200"]["content"]
    options = {one["name"]: one["schema"].get("default") for one in put["parameters"]}
    assert (options["chunksize"], options["id_column"], options["on_error"]) == (5, "id", "stop")


def security(client, api, line):
    """Authorizers and routes that ask for everything that can be asked for."""
    jwt = {"AuthorizerType": "JWT", "IdentitySource": ["$request.header.Authorization"]}
    found = client.create_authorizer(
        ApiId=api.id, Name="people", JwtConfiguration={"Issuer": OPEN, "Audience": ["shop"]}, **jwt
    )
    own_token = client.create_authorizer(
        ApiId=api.id,
        Name="tokens of ours",
        AuthorizerType="JWT",
        IdentitySource=["$request.querystring.token"],
        JwtConfiguration={"Issuer": OPEN, "Audience": ["shop"]},
    )
    asked = client.create_authorizer(
        ApiId=api.id,
        Name="ask",
        AuthorizerType="REQUEST",
        AuthorizerUri=f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{line}/invocations",
        AuthorizerPayloadFormatVersion="2.0",
        EnableSimpleResponses=True,
        IdentitySource=["$request.header.X-Who", "$request.querystring.who"],
    )
    target = "integrations/" + api.integrate(line)
    for key, settings in {
        "GET /key": {"ApiKeyRequired": True},
        "GET /iam": {"AuthorizationType": "AWS_IAM"},
        "GET /token": {
            "AuthorizationType": "JWT",
            "AuthorizerId": found["AuthorizerId"],
            "AuthorizationScopes": ["read", "write"],
        },
        "GET /ours": {"AuthorizationType": "JWT", "AuthorizerId": own_token["AuthorizerId"]},
        "GET /asked": {"AuthorizationType": "CUSTOM", "AuthorizerId": asked["AuthorizerId"], "ApiKeyRequired": True},
    }.items():
        client.create_route(ApiId=api.id, RouteKey=key, Target=target, **settings)


def test_who_may_call_is_in_it(gateway, apis, line):
    api = apis()
    security(gateway, api, line)
    document = read(api.by_path)
    schemes = document["components"]["securitySchemes"]
    assert schemes["ApiKey"]["name"] == "x-api-key"
    assert schemes["Signature"]["x-amazon-apigateway-authtype"] == "awsSigv4"
    assert schemes["people"]["openIdConnectUrl"] == OPEN + ".well-known/openid-configuration"
    assert (schemes["tokens_of_ours"]["in"], schemes["tokens_of_ours"]["name"]) == ("query", "token")
    wanted = {path: item["get"]["security"] for path, item in document["paths"].items()}
    assert wanted == {
        "/key": [{"ApiKey": []}],
        "/iam": [{"Signature": []}],
        "/token": [{"people": ["read"]}, {"people": ["write"]}],
        "/ours": [{"tokens_of_ours": []}],
        "/asked": [{"ask-X-Who": [], "ask-who": [], "ApiKey": []}],
    }
    # Who brings nothing is refused in a way that the document tells of.
    for path, item in document["paths"].items():
        answer = requests.get(api.by_path + path)
        assert answer.status_code in (401, 403), (path, answer.text)
        told = item["get"]["responses"][str(answer.status_code)]
        assert answer.headers["content-type"].split(";")[0] in told["content"], path


def test_it_is_at_every_address_of_the_api(local_names, apis, line):
    api = apis()
    api.route("GET /line", api.integrate(line))
    api.client.create_stage(ApiId=api.id, StageName="prod", AutoDeploy=True)
    for base in [api.by_path, api.endpoint, f"{api.by_path}/prod", f"{api.endpoint}/prod"]:
        assert read(base)["servers"] == [{"url": base}]
        assert requests.get(f"{base}/openapi.json").json() == read(base) | {"servers": [{"url": base}]}
        page = requests.get(f"{base}/docs")
        assert (page.status_code, page.url) == (200, f"{base}/_squall/docs")
        assert requests.get(f"{base}/_squall/docs/").url == f"{base}/_squall/docs"


def test_a_route_of_the_project_goes_before_the_short_addresses(apis, line):
    api = apis()
    api.route("POST /docs", api.integrate(line))
    assert requests.get(f"{api.by_path}/docs").status_code == 405
    assert requests.get(f"{api.by_path}/openapi.json").json()["openapi"] == "3.1.0"
    api.route("ANY /{proxy+}", api.integrate(line))
    assert requests.get(f"{api.by_path}/openapi.json").json()["path"] == "/openapi.json"
    assert read(api.by_path)["openapi"] == "3.1.0"


def test_it_can_be_turned_off(gateway, apis, line):
    api = apis(Tags={"squall:docs": "off"})
    api.route("GET /line", api.integrate(line))
    for path in ["/_squall/openapi.json", "/_squall/docs", "/openapi.json", "/docs"]:
        assert requests.get(api.by_path + path).status_code == 404, path
    arn = f"arn:aws:apigateway:us-east-1::/apis/{api.id}"
    gateway.untag_resource(ResourceArn=arn, TagKeys=["squall:docs"])
    assert read(api.by_path)["paths"]["/line"]


def test_it_follows_what_is_served(gateway, apis, line):
    api = apis()
    gateway.create_stage(ApiId=api.id, StageName="held")
    integration = api.integrate(line)
    api.route("GET /one", integration)
    gateway.create_deployment(ApiId=api.id, StageName="held")
    api.route("GET /two", integration)
    assert list(read(api.by_path)["paths"]) == ["/one", "/two"]
    assert list(read(f"{api.by_path}/held")["paths"]) == ["/one"]
    gateway.update_api(ApiId=api.id, Name="Renamed")
    assert read(api.by_path)["info"]["title"] == "Renamed"


def test_who_has_it_is_not_sent_it_again(apis, line):
    api = apis(CorsConfiguration={"AllowOrigins": ["https://a.example"]})
    api.route("GET /line", api.integrate(line))
    for path in ["/_squall/openapi.json", "/_squall/docs"]:
        url = api.by_path + path
        first = requests.get(url, headers={"origin": "https://a.example"})
        assert first.headers["access-control-allow-origin"] == "https://a.example"
        tag = first.headers["etag"]
        again = requests.get(url, headers={"if-none-match": f'W/"x", {tag}'})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert requests.head(url).status_code == 200
        refused = requests.post(url)
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
    before = requests.get(api.by_path + "/_squall/openapi.json").headers["etag"]
    api.route("GET /other", api.integrate(line))
    assert requests.get(api.by_path + "/_squall/openapi.json").headers["etag"] != before


def test_a_host_that_is_none_is_not_repeated(engine, apis, line):
    """The host is what the client says it is; it stands in the document."""
    api = apis()
    api.route("GET /line", api.integrate(line))
    address = engine.gateway.removeprefix("http://")
    for host in ['a"b', "a<script>", "x" * 2000]:
        connection = http.client.HTTPConnection(address)
        connection.putrequest("GET", f"/execute-api/{api.id}/_squall/openapi.json", skip_host=True)
        connection.putheader("Host", host)
        connection.endheaders()
        answer = connection.getresponse()
        body = answer.read()
        if answer.status == 200:
            assert checked(json.loads(body))["servers"] == [{"url": f"/execute-api/{api.id}"}]
        else:
            assert answer.status == 400
        connection.close()


def test_bounds_of_a_route_are_told(gateway, apis, line):
    api = apis()
    settings = {"squall:body-bytes": "1000", "squall:concurrency": "3", "squall:cache-seconds": "60"}
    api.route("POST /line", api.integrate(line, RequestParameters=settings, TimeoutInMillis=2500))
    gateway.update_stage(
        ApiId=api.id,
        StageName="$default",
        DefaultRouteSettings={"ThrottlingRateLimit": 7.0, "ThrottlingBurstLimit": 9},
    )
    post = read(api.by_path)["paths"]["/line"]["post"]
    assert post["description"] == (
        "It takes 7 requests in a second. A body may have 1000 bytes. It works on 3 requests at one time. "
        "An answer comes within 2.5 s."
    )
    assert post["responses"]["429"]["headers"]["Retry-After"]
    assert "413" in post["responses"]


def test_the_owner_gets_it_by_the_call_of_aws_and_by_command(local_names, engine, gateway, apis, line, tmp_path):
    api = apis()
    api.route("GET /line", api.integrate(line))
    served = read(api.by_path)

    def exported(**more):
        answer = gateway.export_api(ApiId=api.id, Specification="OAS30", OutputType="JSON", **more)
        return checked(json.loads(answer["body"].read()))

    assert exported(StageName="$default") == served | {"servers": [{"url": api.endpoint}]}
    api.client.create_stage(ApiId=api.id, StageName="prod", AutoDeploy=True)
    assert exported(StageName="prod")["servers"] == [{"url": f"{api.endpoint}/prod"}]
    name = gateway.get_api(ApiId=api.id)["Name"]
    for named in (api.id, name):
        done = engine.cli("openapi", "--api", named)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == served
    done = engine.cli("openapi", "--api", name, "--stage", "prod", "--out", tmp_path / "o.json")
    assert (done.returncode, done.stdout) == (0, "")
    assert json.loads((tmp_path / "o.json").read_text())["servers"] == [{"url": f"{api.by_path}/prod"}]
    done = engine.cli("openapi", "--api", "nobody")
    assert done.returncode == 2 and 'there is no API "nobody"' in done.stderr and name in done.stderr
    done = engine.cli("openapi", "--api", name, "--out", tmp_path / "no" / "o.json")
    assert done.returncode != 0 and "cannot be written" in done.stderr
    done = engine.cli("openapi", "--api", name, "--stage", "none")
    assert done.returncode != 0 and "none" in done.stderr


def test_a_project_has_the_document_of_its_api(fresh_engine, tmp_path):
    project = Folder(tmp_path / "mine", fresh_engine)
    project.run("init", "--template", "handler", "--name", "mine", "--yes", fails=0)
    done = project.run("openapi")
    assert done.returncode != 0 and "squall deploy" in done.stderr
    project.edit("squall.toml", "[project]", '[[routes]]\npath = "/fit"\nfunction = "%s"\n\n[project]' % handler_of(project))
    project.deploy()
    done = project.run("openapi", fails=0)
    assert "/fit" in checked(done.json)["paths"]
    assert done.json == read(project.run("status", "--json", fails=0).json["url"].rstrip("/"))


def handler_of(project) -> str:
    return re.search(r"\[functions\.(\w+)\]", (project.path / "squall.toml").read_text())[1]
