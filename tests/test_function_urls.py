"""Function URLs: made by boto3, called by requests."""

import base64

import requests
from requests_aws4auth import AWS4Auth

from lambda_calls import refused, status


# Function URLs

URL_HANDLER = """
import base64, json


def handler(event, context):
    if event["rawPath"] == "/plain":
        return "just text"
    if event["rawPath"] == "/binary":
        return {"statusCode": 200, "isBase64Encoded": True, "body": base64.b64encode(b"\\x00\\xff").decode(),
                "headers": {"content-type": "application/octet-stream"}}
    if event["rawPath"] == "/cookie":
        return {"statusCode": 302, "headers": {"location": "/x"}, "cookies": ["a=1; Path=/", "b=2"]}
    if event["rawPath"] == "/fail":
        raise ValueError("inside")
    return {"statusCode": 201, "headers": {"x-made-by": "lambda"}, "body": json.dumps(event)}
"""


def test_a_function_url_without_auth(local_names, awslambda, functions):
    name = functions.make(URL_HANDLER)
    refused("ResourceNotFoundException", awslambda.get_function_url_config, FunctionName=name)
    made = awslambda.create_function_url_config(FunctionName=name, AuthType="NONE")
    assert status(made) == 201
    assert made["AuthType"] == "NONE"
    url = made["FunctionUrl"]
    refused("ResourceConflictException", awslambda.create_function_url_config, FunctionName=name, AuthType="NONE")
    allow_public_url(awslambda, name)
    got = awslambda.get_function_url_config(FunctionName=name)
    assert got["FunctionUrl"] == url
    assert got["InvokeMode"] == "BUFFERED"
    listed = awslambda.list_function_url_configs(FunctionName=name)["FunctionUrlConfigs"]
    assert [entry["FunctionUrl"] for entry in listed] == [url]

    answer = requests.post(
        url + "a/b%20c?x=1&x=2&y=%C3%BC", data="body", headers={"X-Thing": "t"}, cookies={"k": "v"}
    )
    assert answer.status_code == 201, answer.text
    assert answer.headers["x-made-by"] == "lambda"
    event = answer.json()
    assert event["version"] == "2.0"
    assert event["routeKey"] == "$default"
    assert event["rawPath"] in ("/a/b%20c", "/a/b c")
    assert event["rawQueryString"] == "x=1&x=2&y=%C3%BC"
    assert event["queryStringParameters"] == {"x": "1,2", "y": "ü"}
    assert event["headers"]["x-thing"] == "t"
    assert event["cookies"] == ["k=v"]
    assert base64.b64decode(event["body"]) == b"body" if event["isBase64Encoded"] else event["body"] == "body"
    http = event["requestContext"]["http"]
    assert (http["method"], http["protocol"]) == ("POST", "HTTP/1.1")
    assert http["sourceIp"] == "127.0.0.1"
    assert event["requestContext"]["stage"] == "$default"

    plain = requests.get(url + "plain")
    assert (plain.status_code, plain.json() if plain.text.startswith('"') else plain.text) == (200, "just text")
    assert plain.headers["content-type"] == "application/json"
    binary = requests.get(url + "binary")
    assert binary.content == b"\x00\xff"
    cookie = requests.get(url + "cookie", allow_redirects=False)
    assert cookie.status_code == 302
    assert cookie.raw.headers.getlist("set-cookie") == ["a=1; Path=/", "b=2"]
    failed = requests.get(url + "fail")
    assert failed.status_code == 502
    assert "inside" not in failed.text

    binary_body = requests.post(url, data=b"\xff\xfe", headers={"content-type": "application/octet-stream"})
    event = binary_body.json()
    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == b"\xff\xfe"

    updated = awslambda.update_function_url_config(FunctionName=name, AuthType="AWS_IAM")
    assert updated["AuthType"] == "AWS_IAM"
    assert requests.get(url).status_code == 403
    assert status(awslambda.delete_function_url_config(FunctionName=name)) == 204
    assert requests.get(url).status_code in (403, 404)
    refused("ResourceNotFoundException", awslambda.get_function_url_config, FunctionName=name)


def allow_public_url(awslambda, name):
    """What AWS asks for beside AuthType NONE."""
    awslambda.add_permission(
        FunctionName=name,
        StatementId="url",
        Action="lambda:InvokeFunctionUrl",
        Principal="*",
        FunctionUrlAuthType="NONE",
    )


def test_a_function_url_with_iam(local_names, engine, awslambda, functions):
    name = functions.make(URL_HANDLER)
    url = awslambda.create_function_url_config(FunctionName=name, AuthType="AWS_IAM")["FunctionUrl"]
    unsigned = requests.get(url)
    assert unsigned.status_code == 403
    assert "Forbidden" in unsigned.text or "Missing Authentication Token" in unsigned.text
    auth = AWS4Auth(engine.access_key, engine.secret_key, engine.region, "lambda")
    signed = requests.post(url, data="hello", auth=auth)
    assert signed.status_code == 201, signed.text
    iam = signed.json()["requestContext"]["authorizer"]["iam"]
    assert iam["accessKey"] == engine.access_key
    wrong = AWS4Auth(engine.access_key, "wrong" * 8, engine.region, "lambda")
    assert requests.post(url, data="hello", auth=wrong).status_code == 403


def test_cors_of_a_function_url(local_names, awslambda, functions):
    name = functions.make(URL_HANDLER)
    made = awslambda.create_function_url_config(
        FunctionName=name,
        AuthType="NONE",
        Cors={"AllowOrigins": ["https://app.example"], "AllowMethods": ["POST"], "MaxAge": 60},
    )
    allow_public_url(awslambda, name)
    assert made["Cors"]["AllowOrigins"] == ["https://app.example"]
    asked = requests.options(
        made["FunctionUrl"],
        headers={"Origin": "https://app.example", "Access-Control-Request-Method": "POST"},
    )
    assert asked.status_code in (200, 204)
    assert asked.headers["access-control-allow-origin"] == "https://app.example"
    assert "POST" in asked.headers["access-control-allow-methods"]
    answered = requests.post(made["FunctionUrl"], headers={"Origin": "https://app.example"})
    assert answered.headers["access-control-allow-origin"] == "https://app.example"
    stranger = requests.post(made["FunctionUrl"], headers={"Origin": "https://evil.example"})
    assert stranger.headers.get("access-control-allow-origin") != "https://evil.example"
