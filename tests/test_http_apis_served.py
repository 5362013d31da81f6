"""HTTP APIs of API Gateway v2, as clients of theirs see them, and the functions behind."""

import base64
import gzip

import requests

import harness
from http_apis import ECHO, EVERYTHING, arn_of, let_in
from http_apis import apis, echo, gateway  # noqa: F401 (fixtures)


def test_a_function_sees_format_2(local_names, apis, echo):
    api = apis()
    api.route("POST /pets/{id}/{rest+}", api.integrate(echo))
    headers = {"X-Thing": "t", "content-type": "text/csv"}
    answer = requests.post(
        f"{api.endpoint}/pets/a%20b/c/d%2Fe?x=1&x=2&y=%C3%BC", data="a,b", headers=headers, cookies={"k": "v"}
    )
    assert answer.status_code == 201, answer.text
    assert answer.headers["x-made-by"] == "lambda"
    assert answer.headers["apigw-requestid"] == answer.headers["x-amzn-requestid"]
    event = answer.json()
    assert event["version"] == "2.0"
    assert event["routeKey"] == "POST /pets/{id}/{rest+}"
    assert event["rawPath"] == "/pets/a b/c/d/e", "AWS decodes it for APIs"
    assert event["pathParameters"] == {"id": "a b", "rest": "c/d/e"}
    assert event["rawQueryString"] == "x=1&x=2&y=%C3%BC"
    assert event["queryStringParameters"] == {"x": "1,2", "y": "ü"}
    assert event["headers"]["x-thing"] == "t"
    assert event["cookies"] == ["k=v"]
    assert (event["body"], event["isBase64Encoded"]) == ("a,b", False)
    assert "x-forwarded-prefix" not in event["headers"]
    context = event["requestContext"]
    assert (context["apiId"], context["domainPrefix"], context["stage"]) == (api.id, api.id, "$default")
    assert context["domainName"] == api.endpoint.split("/")[2].split(":")[0]
    assert context["http"]["method"] == "POST"
    assert context["accountId"] == echo.split(":")[4]
    assert context["requestId"] == answer.headers["apigw-requestid"]


def test_a_function_sees_format_1(apis, echo):
    api = apis()
    api.client.create_stage(ApiId=api.id, StageName="prod", AutoDeploy=True, StageVariables={"mode": "fast"})
    api.route("ANY /pets/{id}", api.integrate(echo, PayloadFormatVersion="1.0"))
    event = requests.put(f"{api.by_path}/prod/pets/7?x=1&x=2", data=b"\x00").json()
    assert event["version"] == "1.0"
    assert (event["resource"], event["path"], event["httpMethod"]) == ("/pets/{id}", "/prod/pets/7", "PUT")
    assert event["pathParameters"] == {"id": "7"}
    assert event["stageVariables"] == {"mode": "fast"}
    assert event["multiValueQueryStringParameters"] == {"x": ["1", "2"]}
    assert event["headers"]["x-forwarded-prefix"] == f"/execute-api/{api.id}"
    assert (event["body"], event["isBase64Encoded"]) == ("AA==", True)
    assert event["requestContext"]["stage"] == "prod"
    cookie = requests.get(f"{api.by_path}/pets/cookie", allow_redirects=False)
    assert cookie.raw.headers.getlist("set-cookie") == ["c=1", "d=2"]
    # In this format nothing but a described answer is one.
    assert requests.get(f"{api.by_path}/pets/plain").status_code == 500


def test_answers(apis, echo):
    api = apis()
    api.route("$default", api.integrate(echo))
    plain = requests.get(f"{api.by_path}/plain")
    assert (plain.status_code, plain.json(), plain.headers["content-type"]) == (200, {"m": 1.5}, "application/json")
    sent = bytes(range(256)) * 1000
    binary = requests.post(f"{api.by_path}/binary", data=sent, headers={"content-type": "image/png"})
    assert (binary.content, binary.headers["content-type"]) == (sent[::-1], "image/png")
    packed = gzip.compress(b"text")
    headers = {"content-type": "text/plain", "content-encoding": "gzip"}
    binary = requests.post(f"{api.by_path}/binary", data=packed, headers=headers)
    assert binary.content == packed[::-1], "bytes that are no text come in base64"
    cookie = requests.get(f"{api.by_path}/cookie", allow_redirects=False)
    assert (cookie.status_code, cookie.headers["location"]) == (302, "/x")
    assert cookie.raw.headers.getlist("set-cookie") == ["a=1; Path=/", "b=2"]
    for path in ["/fail", "/bad"]:
        failed = requests.get(api.by_path + path)
        assert (failed.status_code, failed.json()["message"]) == (500, "Internal Server Error")
        problem = failed.json()
        assert failed.headers["content-type"] == "application/problem+json"
        assert (problem["type"], problem["status"], problem["title"]) == ("about:blank", 500, "Internal Server Error")
        assert problem["request_id"] == failed.headers["apigw-requestid"]
        assert "apigw-requestid" in failed.headers
    head = requests.head(f"{api.by_path}/x")
    assert (head.status_code, head.content) == (201, b"")


def test_the_most_specific_route_is_taken(apis, echo):
    api = apis()
    integration = api.integrate(echo)
    for key in ["GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{proxy+}", "ANY /{proxy+}", "$default"]:
        api.route(key, integration)

    def key_of(method, path):
        return requests.request(method, api.by_path + path).json()["routeKey"]

    assert key_of("GET", "/pets/dog/1") == "GET /pets/dog/1"
    assert key_of("GET", "/pets/dog/2") == "GET /pets/dog/{id}"
    assert key_of("GET", "/pets/cat/1") == "GET /pets/{proxy+}"
    assert key_of("POST", "/pets/dog/1") == "ANY /{proxy+}"
    assert key_of("GET", "/") == "$default"


def test_stages_serve_what_was_deployed_to_them(gateway, apis, echo):
    api = apis()
    integration = api.integrate(echo)
    api.route("GET /old", integration)
    gateway.create_stage(ApiId=api.id, StageName="prod")

    def code(path):
        return requests.get(api.by_path + path).status_code

    assert (code("/old"), code("/prod/old")) == (201, 404)
    first = gateway.create_deployment(ApiId=api.id, StageName="prod")["DeploymentId"]
    api.route("GET /new", integration)
    assert (code("/new"), code("/prod/new"), code("/prod/old")) == (201, 404, 201)
    event = requests.get(f"{api.by_path}/prod/old").json()
    assert (event["rawPath"], event["requestContext"]["stage"]) == ("/prod/old", "prod")
    gateway.create_deployment(ApiId=api.id, StageName="prod")
    assert code("/prod/new") == 201
    gateway.update_stage(ApiId=api.id, StageName="prod", DeploymentId=first)
    assert code("/prod/new") == 404


def test_nothing_there(apis, echo, gateway, engine):
    api = apis()
    api.route("GET /a", api.integrate(echo))
    gateway.create_route(ApiId=api.id, RouteKey="GET /nowhere")
    nobody = f"{engine.gateway}/execute-api/nobody/a"
    for url in [f"{api.by_path}/b", f"{api.by_path}/", api.by_path, f"{api.by_path}/a/", nobody]:
        answer = requests.get(url)
        assert (answer.status_code, answer.json()["message"]) == (404, "Not Found"), url
        assert "apigw-requestid" in answer.headers
    other = requests.post(f"{api.by_path}/a")
    assert (other.status_code, other.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert requests.get(f"{api.by_path}/nowhere").status_code == 500
    gateway.update_api(ApiId=api.id, DisableExecuteApiEndpoint=True)
    assert requests.get(f"{api.by_path}/a").status_code == 404
    gateway.update_api(ApiId=api.id, DisableExecuteApiEndpoint=False)
    assert requests.get(f"{api.by_path}/a").status_code == 201


def test_a_function_must_let_the_gateway_in(apis, awslambda, functions, gateway):
    name = functions.make(ECHO)
    api = apis()
    integration = api.integrate(arn_of(awslambda, name))
    for key in ["GET /open/{id}", "GET /closed", "$default"]:
        api.route(key, integration)
    urls = [f"{api.by_path}/{path}" for path in ["open/7", "closed", "other"]]

    def codes():
        return [requests.get(url).status_code for url in urls]

    assert codes() == [500, 500, 500]
    let_in(awslambda, name, f"{api.id}/*/GET/open/{{id}}")
    assert codes() == [201, 500, 500]
    let_in(awslambda, name, f"{api.id}/*/$default")
    assert codes() == [201, 500, 201]
    # A role that is named is asked instead: of one that is not recorded nothing is known.
    gateway.update_integration(
        ApiId=api.id, IntegrationId=integration, CredentialsArn="arn:aws:iam::000000000000:role/any"
    )
    assert codes() == [201, 201, 201]


def test_an_alias_is_invoked_with_its_own_policy(apis, awslambda, functions):
    name = functions.make("def handler(event, context):\n    return 'one'\n")
    awslambda.publish_version(FunctionName=name)
    alias = awslambda.create_alias(FunctionName=name, Name="live", FunctionVersion="1")["AliasArn"]
    awslambda.update_function_code(
        FunctionName=name, ZipFile=harness.zip_of("def handler(event, context):\n    return 'two'\n")
    )
    let_in(awslambda, name)
    api = apis()
    invocations = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{alias}/invocations"
    api.route("GET /", api.integrate(invocations))
    assert requests.get(api.by_path).status_code == 500, "a policy of the function is not one of its alias"
    let_in(awslambda, name, Qualifier="live")
    answer = requests.get(api.by_path)
    assert (answer.status_code, answer.json()) == (200, "one")


def test_a_target_is_all_that_an_api_needs(apis, echo):
    api = apis(Target=echo)
    event = requests.get(f"{api.by_path}/any/thing").json()
    assert (event["routeKey"], event["version"]) == ("$default", "2.0")
    routes = api.client.get_routes(ApiId=api.id)["Items"]
    assert [route["ApiGatewayManaged"] for route in routes] == [True]


def test_who_waits_too_long_is_told_and_the_function_runs_on(apis, awslambda, functions, gate):
    name = functions.make(gate.source.replace('event["gate"]', 'int(event["rawPath"][1:])'))
    let_in(awslambda, name)
    api = apis()
    api.route("GET /{gate}", api.integrate(arn_of(awslambda, name), TimeoutInMillis=50))
    answer = requests.get(f"{api.by_path}/{gate.port}")
    assert (answer.status_code, answer.json()["message"]) == (503, "Service Unavailable")
    # It stands at the gate although nobody waits for it, or will when it has started.
    gate.wait_for(1)


def test_bodies_have_a_limit(apis, echo):
    api = apis()
    api.route("POST /", api.integrate(echo))
    for size in [10 * 1024 * 1024 + 1, 7 * 1024 * 1024]:
        answer = requests.post(api.by_path, data=b"x" * size, headers={"content-type": "text/plain"})
        # The first is more than API Gateway takes, the second more than a function gets.
        assert (answer.status_code, answer.json()["message"]) == (413, "Request Entity Too Large")
    answer = requests.post(api.by_path, data=b"x" * 1024 * 1024, headers={"content-type": "text/plain"})
    assert len(answer.json()["body"]) == 1024 * 1024


def test_pages_of_other_origins(apis, echo):
    api = apis(CorsConfiguration={**EVERYTHING, "ExposeHeaders": ["x-made-by"], "MaxAge": 60})
    api.route("GET /cors", api.integrate(echo))
    asked = {"origin": "https://a.example", "access-control-request-method": "PUT"}
    # There is no route for it; the API answers by itself.
    beforehand = requests.options(f"{api.by_path}/cors", headers=asked)
    assert beforehand.status_code == 204
    assert beforehand.headers["access-control-allow-origin"] == "https://a.example"
    assert beforehand.headers["access-control-allow-methods"] == "GET,PUT"
    assert beforehand.headers["access-control-allow-headers"] == "x-one"
    assert beforehand.headers["access-control-max-age"] == "60"
    evil = {**asked, "origin": "https://evil.example"}
    assert "access-control-allow-origin" not in requests.options(f"{api.by_path}/cors", headers=evil).headers
    answer = requests.get(f"{api.by_path}/cors", headers={"origin": "https://a.example"})
    assert answer.headers["access-control-allow-origin"] == "https://a.example"
    assert answer.headers["access-control-expose-headers"] == "x-made-by"
    # What the function says itself counts not, whoever asks.
    answer = requests.get(f"{api.by_path}/cors", headers={"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in answer.headers
    missing = requests.get(f"{api.by_path}/missing", headers={"origin": "https://a.example"})
    assert (missing.status_code, "access-control-allow-origin" in missing.headers) == (404, True)


def test_base64_is_not_needed_by_who_reads_bytes(apis, echo):
    """Bodies are the same in both formats."""
    api = apis()
    api.route("POST /two", api.integrate(echo))
    api.route("POST /one", api.integrate(echo, PayloadFormatVersion="1.0"))
    for path in ["/one", "/two"]:
        event = requests.post(api.by_path + path, data={"a": "b"}).json()
        assert event["isBase64Encoded"] is True
        assert base64.b64decode(event["body"]) == b"a=b"
