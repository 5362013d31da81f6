"""HTTP APIs of API Gateway v2, as boto3 makes, shows and changes them."""

import json

import boto3
import requests

import harness
from csv_service import TOTAL
from harness import unique
from http_apis import ECHO, EVERYTHING, Api, arn_of, let_in
from http_apis import apis, echo, gateway  # noqa: F401 (fixtures)
from lambda_calls import refused, status


def test_an_api_and_its_parts_are_made_shown_changed_and_deleted(gateway, apis, echo):
    name = unique("shop")
    api = apis(name, Description="a shop", Tags={"a": "1"}, CorsConfiguration=EVERYTHING)
    assert api.id == name, "an id that is free can be read"
    assert status(api.made) == 201
    assert f"{api.id}.execute-api." in api.endpoint
    got = gateway.get_api(ApiId=api.id)
    assert (got["Name"], got["ProtocolType"], got["Description"]) == (name, "HTTP", "a shop")
    assert got["CorsConfiguration"] == EVERYTHING
    assert got["Tags"] == {"a": "1"}
    assert got["CreatedDate"].tzinfo is not None
    assert api.id in [entry["ApiId"] for entry in gateway.get_apis()["Items"]]

    integration = api.integrate(echo)
    got = gateway.get_integration(ApiId=api.id, IntegrationId=integration)
    assert (got["IntegrationUri"], got["PayloadFormatVersion"]) == (echo, "2.0")
    got = gateway.update_integration(ApiId=api.id, IntegrationId=integration, PayloadFormatVersion="1.0")
    assert (got["IntegrationUri"], got["PayloadFormatVersion"]) == (echo, "1.0")
    assert [entry["IntegrationId"] for entry in gateway.get_integrations(ApiId=api.id)["Items"]] == [integration]

    route = api.route("GET /pets/{id}", integration)
    got = gateway.get_route(ApiId=api.id, RouteId=route)
    assert (got["RouteKey"], got["AuthorizationType"]) == ("GET /pets/{id}", "NONE")
    got = gateway.update_route(ApiId=api.id, RouteId=route, RouteKey="ANY /pets/{id}")
    assert (got["RouteKey"], got["Target"]) == ("ANY /pets/{id}", f"integrations/{integration}")
    refused("ConflictException", gateway.create_route, ApiId=api.id, RouteKey="ANY /pets/{other}")
    refused("ConflictException", gateway.delete_integration, ApiId=api.id, IntegrationId=integration)

    got = gateway.get_stage(ApiId=api.id, StageName="$default")
    assert got["AutoDeploy"] is True
    deployed = gateway.get_deployment(ApiId=api.id, DeploymentId=got["DeploymentId"])
    assert (deployed["AutoDeployed"], deployed["DeploymentStatus"]) == (True, "DEPLOYED")
    refused("ConflictException", gateway.create_stage, ApiId=api.id, StageName="$default")
    got = gateway.update_stage(ApiId=api.id, StageName="$default", StageVariables={"x": "1"}, Description="d")
    assert (got["StageVariables"], got["Description"], got["AutoDeploy"]) == ({"x": "1"}, "d", True)

    assert status(gateway.delete_route(ApiId=api.id, RouteId=route)) == 204
    assert status(gateway.delete_integration(ApiId=api.id, IntegrationId=integration)) == 204
    assert status(gateway.delete_cors_configuration(ApiId=api.id)) == 204
    assert "CorsConfiguration" not in gateway.get_api(ApiId=api.id)
    assert status(gateway.delete_stage(ApiId=api.id, StageName="$default")) == 204
    assert status(gateway.delete_api(ApiId=api.id)) == 204
    refused("NotFoundException", gateway.get_api, ApiId=api.id)
    refused("NotFoundException", gateway.delete_api, ApiId=api.id)


def test_tags_of_apis_and_stages(gateway, apis):
    api = apis(Tags={"a": "1"})
    arn = f"arn:aws:apigateway:us-east-1::/apis/{api.id}"
    for arn, there in [(arn, {"a": "1"}), (f"{arn}/stages/$default", {})]:
        assert status(gateway.tag_resource(ResourceArn=arn, Tags={"b": "2", "c": "3"})) == 201
        assert gateway.get_tags(ResourceArn=arn)["Tags"] == {**there, "b": "2", "c": "3"}
        assert status(gateway.untag_resource(ResourceArn=arn, TagKeys=["b", "nothing"])) == 204
        assert gateway.get_tags(ResourceArn=arn)["Tags"] == {**there, "c": "3"}
    refused("NotFoundException", gateway.get_tags, ResourceArn="arn:aws:apigateway:us-east-1::/apis/nobody")


def test_lists_come_in_pages(gateway, apis, echo):
    api = apis()
    integration = api.integrate(echo)
    keys = {f"GET /{n}" for n in range(7)}
    for key in keys:
        api.route(key, integration)
    seen = []
    for page in gateway.get_paginator("get_routes").paginate(ApiId=api.id, PaginationConfig={"PageSize": 3}):
        assert len(page["Items"]) <= 3
        seen += [route["RouteKey"] for route in page["Items"]]
    assert len(seen) == len(keys) and set(seen) == keys


def test_what_is_wrong_or_not_built_is_refused(gateway, apis, echo):
    api = apis()
    bad = "BadRequestException"
    with_api = {"ApiId": api.id}
    refused(bad, gateway.create_api, Name="x", ProtocolType="WEBSOCKET")
    refused(bad, gateway.create_api, Name="", ProtocolType="HTTP")
    everyone = {"AllowOrigins": ["*"], "AllowCredentials": True}
    refused(bad, gateway.create_api, Name="x", ProtocolType="HTTP", CorsConfiguration=everyone)
    for key in ["GET", "GET pets", "FETCH /", "GET /{a", "GET /{a+}/b", "$other"]:
        refused(bad, gateway.create_route, **with_api, RouteKey=key)
    refused(bad, gateway.create_route, **with_api, RouteKey="GET /", Target="integrations/nothere")
    refused(bad, gateway.create_route, **with_api, RouteKey="GET /", Target="elsewhere")
    refused(bad, gateway.create_route, **with_api, RouteKey="GET /", AuthorizationType="JWT", AuthorizerId="a")
    proxy = {**with_api, "IntegrationType": "AWS_PROXY"}
    refused(bad, gateway.create_integration, **proxy)
    refused(bad, gateway.create_integration, **proxy, IntegrationUri="https://elsewhere.example")
    refused(bad, gateway.create_integration, **proxy, IntegrationUri=echo.replace("us-east-1", "eu-west-1"))
    refused(bad, gateway.create_integration, **proxy, IntegrationUri=echo, PayloadFormatVersion="3.0")
    refused(bad, gateway.create_integration, **proxy, IntegrationUri=echo, TimeoutInMillis=30001)
    refused(bad, gateway.create_integration, **proxy, IntegrationUri=echo, RequestParameters={"overwrite:path": "/"})
    refused(bad, gateway.create_integration, **with_api, IntegrationType="HTTP_PROXY", IntegrationUri="https://x.y")
    mapped = {**proxy, "IntegrationSubtype": "Squall-Map", "PayloadFormatVersion": "1.0"}
    refused(bad, gateway.create_integration, **mapped)
    answer = refused(
        bad, gateway.create_integration, **mapped, RequestParameters={"function": "f", "chunksize": "none"}
    )
    assert "chunksize" in answer["Error"]["Message"]
    refused(bad, gateway.create_stage, **with_api, StageName="a b")
    refused("NotFoundException", gateway.create_route, ApiId="nobody", RouteKey="GET /")
    refused("NotFoundException", gateway.get_route, **with_api, RouteId="nobody")
    refused("UnknownOperationException", gateway.get_models, **with_api)
    refused("UnknownOperationException", gateway.get_vpc_links)
    assert gateway.get_routes(**with_api)["Items"] == []


def test_apis_are_there_after_a_kill(fresh_engine):
    client, awslambda = fresh_engine.client("apigatewayv2"), fresh_engine.client("lambda")
    name = unique()
    awslambda.create_function(
        FunctionName=name,
        Role=harness.ROLE,
        Runtime="python3.11",
        Handler="app.handler",
        Code={"ZipFile": harness.zip_of(ECHO)},
    )
    let_in(awslambda, name)
    api = Api(fresh_engine, client, "kept")
    api.route("GET /{proxy+}", api.integrate(arn_of(awslambda, name)))
    assert requests.get(f"{api.by_path}/plain").json() == {"m": 1.5}
    fresh_engine.kill()
    fresh_engine.start()
    assert requests.get(f"{api.by_path}/plain").json() == {"m": 1.5}


def test_a_role_may_do_what_its_policies_say(engine, iam, gateway, apis, awslambda, module_functions):
    api = apis()
    role, function = unique("role"), module_functions.make(TOTAL)
    trusted = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [trusted]})
    arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust)["Role"]["Arn"]

    def permit(*statements):
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **one} for one in statements]}
        iam.put_role_policy(RoleName=role, PolicyName="p", PolicyDocument=json.dumps(document))

    some = {
        "Action": ["apigateway:GET", "apigateway:POST"],
        "Resource": f"arn:aws:apigateway:us-east-1::/apis/{api.id}*",
    }
    permit(some)
    keys = engine.client("sts").assume_role(RoleArn=arn, RoleSessionName="session")["Credentials"]
    client = boto3.client(
        "apigatewayv2",
        endpoint_url=engine.api,
        region_name=engine.region,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )
    assert client.get_routes(ApiId=api.id)["Items"] == []
    client.create_route(ApiId=api.id, RouteKey="GET /x")
    refused("AccessDeniedException", client.get_apis)
    refused("AccessDeniedException", client.delete_api, ApiId=api.id)
    # A map calls its function for whoever asks: who makes one must be allowed to call it.
    mapped = {
        "ApiId": api.id,
        "IntegrationType": "AWS_PROXY",
        "IntegrationSubtype": "Squall-Map",
        "RequestParameters": {"function": function},
    }
    refused("AccessDeniedException", client.create_integration, **mapped)
    permit(some, {"Action": "lambda:InvokeFunction", "Resource": arn_of(awslambda, function)})
    client.create_integration(**mapped)
