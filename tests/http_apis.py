"""What the tests of HTTP APIs share: a function that says what it saw, and APIs that are
gone afterwards. Each file of tests takes over the fixtures by importing them."""

import contextlib

import pytest

from harness import unique

ECHO = """
import base64, json


def handler(event, context):
    path = event.get("rawPath") or event["path"]
    if path.endswith("/plain"):
        return {"m": 1.5}
    if path.endswith("/binary"):
        sent = base64.b64decode(event["body"])
        return {"statusCode": 200, "isBase64Encoded": True, "headers": {"content-type": "image/png"},
                "body": base64.b64encode(sent[::-1]).decode()}
    if path.endswith("/cookie"):
        return {"statusCode": 302, "headers": {"location": "/x"}, "cookies": ["a=1; Path=/", "b=2"],
                "multiValueHeaders": {"set-cookie": ["c=1", "d=2"]}}
    if path.endswith("/fail"):
        raise ValueError("inside")
    if path.endswith("/bad"):
        return {"statusCode": "x"}
    if path.endswith("/cors"):
        return {"statusCode": 200, "headers": {"access-control-allow-origin": "https://mine.example"}}
    return {"statusCode": 201, "headers": {"x-made-by": "lambda"}, "body": json.dumps(event)}
"""
EVERYTHING = {"AllowOrigins": ["https://a.example"], "AllowMethods": ["GET", "PUT"], "AllowHeaders": ["x-one"]}


class Api:
    """One API with a stage that deploys by itself."""

    def __init__(self, engine, client, name, **settings):
        self.engine = engine
        self.client = client
        made = client.create_api(Name=name, ProtocolType="HTTP", **settings)
        self.id = made["ApiId"]
        self.endpoint = made["ApiEndpoint"]
        self.made = made
        if "Target" not in settings:
            client.create_stage(ApiId=self.id, StageName="$default", AutoDeploy=True)

    @property
    def by_path(self) -> str:
        return f"{self.engine.gateway}/execute-api/{self.id}"

    def integrate(self, target, **settings) -> str:
        settings = {"PayloadFormatVersion": "2.0", "IntegrationUri": target, **settings}
        made = self.client.create_integration(ApiId=self.id, IntegrationType="AWS_PROXY", **settings)
        return made["IntegrationId"]

    def route(self, key, integration) -> str:
        return self.client.create_route(ApiId=self.id, RouteKey=key, Target=f"integrations/{integration}")["RouteId"]

    def own(self, subtype, **parameters) -> str:
        """An integration of Squall's own: Redirect, Site, Route, ..."""
        made = self.client.create_integration(
            ApiId=self.id,
            IntegrationType="AWS_PROXY",
            IntegrationSubtype=f"Squall-{subtype}",
            PayloadFormatVersion="1.0",
            RequestParameters=parameters,
        )
        return made["IntegrationId"]

    def handled(self, target, key, **handling) -> str:
        """A route to a function, with what is said of its handling: `cache_seconds="5"`."""
        named = {f"squall:{name.replace('_', '-')}": value for name, value in handling.items()}
        return self.route(key, self.integrate(target, RequestParameters=named))

    def map(self, function, *keys, **options):
        """Routes to a map; a route's jobs are below it."""
        integration = self.client.create_integration(
            ApiId=self.id,
            IntegrationType="AWS_PROXY",
            IntegrationSubtype="Squall-Map",
            PayloadFormatVersion="1.0",
            RequestParameters={"function": function, **options},
        )["IntegrationId"]
        for key in keys:
            self.route(key, integration)
        return integration


def arn_of(awslambda, name) -> str:
    return awslambda.get_function(FunctionName=name)["Configuration"]["FunctionArn"]


def let_in(awslambda, name, source="*", **more):
    """Lets API Gateway invoke a function, on behalf of what the source names."""
    awslambda.add_permission(
        FunctionName=name,
        StatementId=unique("s"),
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:us-east-1:{account(awslambda, name)}:{source}",
        **more,
    )


def account(awslambda, name) -> str:
    return arn_of(awslambda, name).split(":")[4]


@pytest.fixture(scope="session")
def gateway(engine):
    return engine.client("apigatewayv2")


@pytest.fixture
def apis(engine, gateway):
    made = []

    def make(name=None, **settings) -> Api:
        made.append(Api(engine, gateway, name or unique("api"), **settings))
        return made[-1]

    yield make
    for api in made:
        with contextlib.suppress(gateway.exceptions.NotFoundException):
            gateway.delete_api(ApiId=api.id)


@pytest.fixture(scope="module")
def echo(awslambda, module_functions):
    name = module_functions.make(ECHO)
    let_in(awslambda, name)
    return arn_of(awslambda, name)
