"""Who may call routes, and under which names, as boto3 and the aws command line say it to the
engine, and to an AWS that others made. What is served of it is tested elsewhere."""

import base64
import json

import pytest

from clouds import Moto
from harness import unique
from http_apis import apis, echo, gateway  # noqa: F401 (fixtures)
from lambda_calls import refused, status
from test_aws_cli import aws  # noqa: F401 (fixture)

JWT = {
    "AuthorizerType": "JWT",
    "Name": "token",
    "IdentitySource": ["$request.header.Authorization"],
    "JwtConfiguration": {"Audience": ["shop"], "Issuer": "https://issuer.example"},
}
KEYS = {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": "a"}]}
AS_DATA = "data:application/json;base64," + base64.b64encode(json.dumps(KEYS).encode()).decode()
REGIONAL = {"EndpointType": "REGIONAL", "SecurityPolicy": "TLS_1_2"}


def asking(function) -> dict:
    return {
        "AuthorizerType": "REQUEST",
        "Name": "asking",
        "AuthorizerUri": function,
        "AuthorizerPayloadFormatVersion": "2.0",
        "AuthorizerResultTtlInSeconds": 30,
        "EnableSimpleResponses": True,
        "IdentitySource": ["$request.header.x-who", "$stageVariables.tier"],
    }


def said(answer) -> dict:
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


@pytest.fixture
def name(gateway):
    """A host name whose domain is gone afterwards."""
    name = f"{unique('host')}.example.com"
    yield name
    for domain in gateway.get_domain_names()["Items"]:
        if domain["DomainName"] == name:
            gateway.delete_domain_name(DomainName=name)


def test_an_authorizer_is_made_shown_changed_and_deleted(gateway, apis, echo):
    api = apis()
    of = {"ApiId": api.id}
    for given in [JWT, {**JWT, "Name": "keys", "AuthorizerUri": AS_DATA}, asking(echo)]:
        made = gateway.create_authorizer(**of, **given)
        assert status(made) == 201
        one = {**of, "AuthorizerId": made["AuthorizerId"]}
        assert said(made) == {**given, "AuthorizerId": made["AuthorizerId"]}
        assert said(gateway.get_authorizer(**one)) == said(made)
        # What is said again changes nothing.
        assert said(gateway.update_authorizer(**one, **given)) == said(made)
        assert gateway.update_authorizer(**one, Name="renamed")["Name"] == "renamed"
        assert [item["Name"] for item in gateway.get_authorizers(**of)["Items"]] == ["renamed"]
        assert status(gateway.delete_authorizer(**one)) == 204
        refused("NotFoundException", gateway.get_authorizer, **one)
        refused("NotFoundException", gateway.delete_authorizer, **one)
    refused("NotFoundException", gateway.create_authorizer, ApiId="nobody", **JWT)
    bad = "BadRequestException"
    refused(bad, gateway.create_authorizer, **of, **{**JWT, "IdentitySource": ["Authorization"]})
    refused(bad, gateway.create_authorizer, **of, **{**JWT, "AuthorizerUri": AS_DATA[:-8]})
    refused(bad, gateway.create_authorizer, **of, **{**asking(echo), "AuthorizerUri": "https://elsewhere.example"})
    refused(bad, gateway.create_authorizer, **of, **{**asking(echo), "AuthorizerResultTtlInSeconds": 3601})


def test_a_route_says_who_may_call_it(gateway, apis, echo):
    api = apis()
    of = {"ApiId": api.id}
    token = gateway.create_authorizer(**of, **JWT)["AuthorizerId"]
    function = gateway.create_authorizer(**of, **asking(echo))["AuthorizerId"]
    given = {"AuthorizationType": "JWT", "AuthorizerId": token, "AuthorizationScopes": ["read", "write:all"]}
    route = gateway.create_route(**of, RouteKey="GET /", **given)
    one = {**of, "RouteId": route["RouteId"]}
    for answer in [route, gateway.get_route(**one), gateway.update_route(**one, RouteKey="GET /a")]:
        assert {name: answer[name] for name in given} == given
    answer = refused(
        "BadRequestException", gateway.update_route, **one, AuthorizationType="JWT", AuthorizerId=function
    )
    assert "requires a valid JWT authorizer" in answer["Error"]["Message"]
    answer = refused("BadRequestException", gateway.update_route, **one, AuthorizationType="CUSTOM")
    assert "requires a valid authorizer" in answer["Error"]["Message"]
    refused("ConflictException", gateway.delete_authorizer, **of, AuthorizerId=token)
    changed = gateway.update_route(**one, AuthorizationType="CUSTOM", AuthorizerId=function)
    assert (changed["AuthorizationType"], changed["AuthorizerId"]) == ("CUSTOM", function)
    assert "AuthorizationScopes" not in changed
    assert gateway.update_route(**one, AuthorizationType="AWS_IAM")["AuthorizationType"] == "AWS_IAM"
    changed = gateway.update_route(**one, AuthorizationType="NONE")
    assert (changed["AuthorizationType"], changed.get("AuthorizerId")) == ("NONE", None)
    for unused in [token, function]:
        gateway.delete_authorizer(**of, AuthorizerId=unused)


def test_targets_of_squall_and_how_requests_are_handled(gateway, apis, echo):
    api = apis()
    of = {"ApiId": api.id, "IntegrationType": "AWS_PROXY"}
    handled = {
        "squall:allow": "10.0.0.0/8",
        "squall:cors": json.dumps({"allowOrigins": ["https://a.example"], "maxAge": 5}),
        "squall:body-bytes": "1000",
    }
    shown = {**handled, "squall:cors": '{"AllowOrigins":["https://a.example"],"MaxAge":5}'}
    made = gateway.create_integration(**of, IntegrationUri=echo, RequestParameters=handled)
    assert made["RequestParameters"] == shown
    for subtype, parameters in [
        ("Squall-Redirect", {"location": "/to/{id}", "status": "301"}),
        ("Squall-Site", {"bucket": "pages", "prefix": "web/", "index": "index.html", "error": "404.html"}),
        ("Squall-Route", {"path": "/to/{id}"}),
    ]:
        given = {**parameters, "squall:summary": "somewhere else"}
        made = gateway.create_integration(**of, IntegrationSubtype=subtype, RequestParameters=given)
        one = {"ApiId": api.id, "IntegrationId": made["IntegrationId"]}
        assert (made["IntegrationSubtype"], made["RequestParameters"]) == (subtype, given)
        assert said(gateway.get_integration(**one)) == said(made)
        assert said(gateway.update_integration(**one, RequestParameters=given)) == said(made)
        changed = gateway.update_integration(**one, RequestParameters=parameters)
        assert changed["RequestParameters"] == parameters
        if "{id}" in "".join(parameters.values()):
            target = f"integrations/{made['IntegrationId']}"
            refused("BadRequestException", gateway.create_route, ApiId=api.id, RouteKey="GET /x", Target=target)
            gateway.create_route(ApiId=api.id, RouteKey=f"GET /{subtype}/{{id}}", Target=target)
    answer = refused(
        "BadRequestException",
        gateway.create_integration,
        **of,
        IntegrationUri=echo,
        RequestParameters={"squall:body-bytes": "1 MB"},
    )
    assert "squall:body-bytes: 1 MB is no whole number" in answer["Error"]["Message"]


def test_a_domain_leads_to_apis(gateway, apis, name):
    api = apis()
    tags = {"team": "a"}
    made = gateway.create_domain_name(DomainName=name, DomainNameConfigurations=[REGIONAL], Tags=tags)
    assert status(made) == 201
    assert said(gateway.get_domain_name(DomainName=name)) == said(made)
    assert made["Tags"] == tags and made["DomainNameConfigurations"][0]["DomainNameStatus"] == "AVAILABLE"
    arn = f"arn:aws:apigateway:us-east-1::/domainnames/{name}"
    gateway.tag_resource(ResourceArn=arn, Tags={"more": "b"})
    gateway.untag_resource(ResourceArn=arn, TagKeys=["team"])
    assert gateway.get_tags(ResourceArn=arn)["Tags"] == {"more": "b"}
    refused("BadRequestException", gateway.create_domain_name, DomainName=name)
    refused("BadRequestException", gateway.create_domain_name, DomainName="Shop.example.com")

    to = {"ApiId": api.id, "Stage": "$default"}
    mapping = gateway.create_api_mapping(DomainName=name, **to, ApiMappingKey="shop/v1")
    one = {"DomainName": name, "ApiMappingId": mapping["ApiMappingId"]}
    assert said(gateway.get_api_mapping(**one)) == said(mapping)
    refused("ConflictException", gateway.create_api_mapping, DomainName=name, **to, ApiMappingKey="shop/v1")
    refused("NotFoundException", gateway.create_api_mapping, DomainName=name, ApiId=api.id, Stage="nobody")
    refused("BadRequestException", gateway.delete_api, ApiId=api.id)
    changed = gateway.update_api_mapping(**one, ApiId=api.id, ApiMappingKey="")
    assert (changed["ApiMappingKey"], changed["Stage"]) == ("", "$default")
    assert gateway.get_api_mappings(DomainName=name)["Items"] == [said(changed)]
    assert status(gateway.delete_api_mapping(**one)) == 204
    assert status(gateway.delete_domain_name(DomainName=name)) == 204
    refused("NotFoundException", gateway.get_domain_name, DomainName=name)


def test_settings_of_a_route_come_and_go_alone(gateway, apis, echo):
    api = apis()
    stage = {"ApiId": api.id, "StageName": "$default"}
    limits = {"ThrottlingRateLimit": 5.0, "ThrottlingBurstLimit": 2}
    refused("NotFoundException", gateway.update_stage, **stage, RouteSettings={"GET /a/{b}": limits})
    for key in ["GET /a/{b}", "GET /c"]:
        api.route(key, api.integrate(echo))
        assert gateway.update_stage(**stage, RouteSettings={key: limits})["RouteSettings"][key] == limits
    assert status(gateway.delete_route_settings(**stage, RouteKey="GET /a/{b}")) == 204
    assert gateway.get_stage(**stage)["RouteSettings"] == {"GET /c": limits}
    log = {"DestinationArn": "arn:aws:logs:us-east-1:000000000000:log-group:a", "Format": "$context.requestId"}
    assert gateway.update_stage(**stage, AccessLogSettings=log)["AccessLogSettings"] == log
    assert status(gateway.delete_access_log_settings(**stage)) == 204
    assert "AccessLogSettings" not in gateway.get_stage(**stage)
    assert status(gateway.reset_authorizers_cache(**stage)) == 204


def test_authorizers_and_domains_are_there_after_a_kill(fresh_engine):
    client = fresh_engine.client("apigatewayv2")
    api = client.create_api(Name="kept", ProtocolType="HTTP")["ApiId"]
    client.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
    token = client.create_authorizer(ApiId=api, **JWT)
    route = client.create_route(
        ApiId=api, RouteKey="GET /", AuthorizationType="JWT", AuthorizerId=token["AuthorizerId"]
    )
    domain = client.create_domain_name(DomainName="*.example.com")
    mapping = client.create_api_mapping(DomainName="*.example.com", ApiId=api, Stage="$default")
    fresh_engine.kill()
    fresh_engine.start()
    client = fresh_engine.client("apigatewayv2")
    assert [said(token)] == client.get_authorizers(ApiId=api)["Items"]
    assert [said(route)] == client.get_routes(ApiId=api)["Items"]
    assert [domain["DomainName"]] == [one["DomainName"] for one in client.get_domain_names()["Items"]]
    assert [said(mapping)] == client.get_api_mappings(DomainName="*.example.com")["Items"]


def walk(client, function, name) -> dict:
    """The answers of the same calls, wherever they are made."""
    answers = {}

    def note(name, answer):
        answers[name] = said(answer)
        return answer

    api = client.create_api(Name=unique("walk"), ProtocolType="HTTP")["ApiId"]
    of = {"ApiId": api}
    client.create_stage(**of, StageName="dev")
    token = note("create_authorizer JWT", client.create_authorizer(**of, **JWT))["AuthorizerId"]
    note("create_authorizer REQUEST", client.create_authorizer(**of, **asking(function)))
    note("get_authorizer", client.get_authorizer(**of, AuthorizerId=token))
    by = {"AuthorizationType": "JWT", "AuthorizerId": token, "AuthorizationScopes": ["read"]}
    route = note("create_route", client.create_route(**of, RouteKey="GET /", **by))["RouteId"]
    note("get_route", client.get_route(**of, RouteId=route))
    arn = "arn:aws:acm:us-east-1:000000000000:certificate/a"
    configuration = [{"CertificateArn": arn, **REGIONAL}]
    note(
        "create_domain_name",
        client.create_domain_name(DomainName=name, DomainNameConfigurations=configuration, Tags={"a": "1"}),
    )
    mapping = client.create_api_mapping(DomainName=name, ApiId=api, Stage="dev", ApiMappingKey="v1")
    note("create_api_mapping", mapping)
    one = {"DomainName": name, "ApiMappingId": mapping["ApiMappingId"]}
    note("get_api_mapping", client.get_api_mapping(**one))
    client.delete_api_mapping(**one)
    client.delete_domain_name(DomainName=name)
    client.delete_api(**of)
    return answers


def test_answers_have_what_others_answer_as_aws(gateway, echo, name):
    """moto was made by others from AWS's own answers: what it says of what it was told, we
    say, too."""
    with Moto() as cloud:
        theirs = walk(cloud.client("apigatewayv2"), echo, name)
    ours = walk(gateway, echo, name)
    made_up = {"AuthorizerId", "RouteId", "ApiId", "ApiMappingId"}
    for call, expected in theirs.items():
        # What is empty, AWS leaves out.
        told = {name: value for name, value in expected.items() if value and name not in made_up}
        configurations = told.pop("DomainNameConfigurations", [])
        assert {name: ours[call].get(name) for name in told} == told, call
        for number, configuration in enumerate(configurations):
            answer = ours[call]["DomainNameConfigurations"][number]
            assert {name: answer.get(name) for name in configuration} == configuration, call


def test_the_aws_command_line_reads_what_it_wrote(aws, gateway, apis, echo, name):
    api = apis()
    of = ["--api-id", api.id]
    made = aws(
        "apigatewayv2", "create-authorizer", *of, "--authorizer-type", "JWT", "--name", "token",
        "--identity-source", "$request.header.Authorization",
        "--jwt-configuration", "Audience=shop,Issuer=https://issuer.example",
    )  # fmt: skip
    assert made["JwtConfiguration"] == JWT["JwtConfiguration"]
    route = aws(
        "apigatewayv2", "create-route", *of, "--route-key", "GET /", "--authorization-type", "JWT",
        "--authorizer-id", made["AuthorizerId"], "--authorization-scopes", "read", "write",
    )  # fmt: skip
    assert route["AuthorizationScopes"] == ["read", "write"]
    aws("apigatewayv2", "create-domain-name", "--domain-name", name)
    mapping = aws(
        "apigatewayv2", "create-api-mapping", "--domain-name", name, *of, "--stage", "$default",
        "--api-mapping-key", "v1",
    )  # fmt: skip
    listed = aws("apigatewayv2", "get-api-mappings", "--domain-name", name)
    assert listed["Items"] == [mapping]
    aws.fails("ConflictException", "apigatewayv2", "delete-authorizer", *of, "--authorizer-id", made["AuthorizerId"])
