"""Host names of an account's own: which API stands behind a name and a path, whatever way
the name is written, and that a name leads nowhere else."""

import subprocess
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
import requests

from harness import unique
from http_apis import apis, echo, gateway  # noqa: F401 (fixtures)


@pytest.fixture
def domains(gateway):
    """Names that are gone afterwards, with what is behind them."""
    made = []

    def make(name=None, **behind):
        name = name or f"{unique('host')}.example.com"
        gateway.create_domain_name(
            DomainName=name,
            DomainNameConfigurations=[{"EndpointType": "REGIONAL", "SecurityPolicy": "TLS_1_2"}],
        )
        made.append(name)
        for key, (api, stage) in behind.items():
            gateway.create_api_mapping(
                DomainName=name, ApiId=api.id, Stage=stage, ApiMappingKey="" if key == "root" else key
            )
        return name

    yield make
    for name in made:
        for mapping in gateway.get_api_mappings(DomainName=name).get("Items", []):
            gateway.delete_api_mapping(DomainName=name, ApiMappingId=mapping["ApiMappingId"])
        gateway.delete_domain_name(DomainName=name)


def ask(engine, host, path, method="GET", **more):
    headers = {"Host": host, **more.pop("headers", {})}
    return requests.request(method, engine.gateway + path, headers=headers, allow_redirects=False, **more)


def test_a_name_stands_for_an_api(engine, apis, echo, domains):
    api = apis()
    api.route("GET /pets/{id}", api.integrate(echo))
    name = domains(root=(api, "$default"))
    answer = ask(engine, name, "/pets/7?x=1")
    assert answer.status_code == 201, answer.text
    event = answer.json()
    assert (event["routeKey"], event["rawPath"], event["pathParameters"]) == ("GET /pets/{id}", "/pets/7", {"id": "7"})
    context = event["requestContext"]
    assert (context["apiId"], context["stage"], context["domainName"]) == (api.id, "$default", name)
    assert "x-forwarded-prefix" not in event["headers"]
    assert ask(engine, name, "/nothing").status_code == 404


def test_a_name_is_the_same_however_it_is_written(engine, apis, echo, domains):
    api = apis()
    api.route("GET /a", api.integrate(echo))
    name = domains(root=(api, "$default"))
    for host in [name.upper(), name + ".", name + ":8080", name.title() + ".:443"]:
        answer = ask(engine, host, "/a")
        assert answer.status_code == 201, host
        assert answer.json()["requestContext"]["domainName"] == name, host
    for host in ["x" + name, "x." + name, name + ".evil.com", name.replace(".", "-"), "." + name]:
        assert ask(engine, host, "/a").status_code in (400, 404, 421), host


def test_keys_of_a_mapping_choose_api_and_stage(engine, apis, gateway, echo, domains):
    one, two = apis(), apis()
    gateway.create_stage(ApiId=two.id, StageName="prod", AutoDeploy=True)
    for api in [one, two]:
        api.route("ANY /{proxy+}", api.integrate(echo))
    name = domains(root=(one, "$default"), v2=(two, "prod"), **{"v2/beta": (two, "$default")})

    def seen(path):
        event = ask(engine, name, path).json()
        context = event["requestContext"]
        return context["apiId"], context["stage"], event["pathParameters"]["proxy"]

    assert seen("/a/b") == (one.id, "$default", "a/b")
    assert seen("/v2/a") == (two.id, "prod", "a")
    assert seen("/v2/beta/a") == (two.id, "$default", "a")
    assert seen("/v2beta/a") == (one.id, "$default", "v2beta/a")
    # A stage's name is no part of the paths of a name.
    assert seen("/v2/prod/a") == (two.id, "prod", "prod/a")
    event = ask(engine, name, "/v2/a").json()
    assert event["rawPath"] == "/v2/a"


def test_a_name_leads_nowhere_else(engine, apis, echo, domains, s3, bucket):
    """Neither to other APIs, nor to function URLs, websites or pages of the engine."""
    one, other = apis(), apis()
    for api in [one, other]:
        api.route("GET /a", api.integrate(echo))
    name = domains(root=(one, "$default"))
    empty = domains()
    for path in [f"/execute-api/{other.id}/a", f"/s3-website/{bucket}/", "/lambda-url/x/a", "/_squall/keys"]:
        for host in [name, empty]:
            answer = ask(engine, host, path)
            assert (answer.status_code, answer.json()["message"]) == (404, "Not Found"), (host, path)
    assert ask(engine, empty, "/a").status_code == 404


def test_an_api_may_be_reached_by_its_name_alone(engine, apis, gateway, echo, domains):
    api = apis()
    api.route("GET /a", api.integrate(echo))
    name = domains(root=(api, "$default"))
    gateway.update_api(ApiId=api.id, DisableExecuteApiEndpoint=True)
    assert requests.get(f"{api.by_path}/a").status_code == 404
    assert ask(engine, name, "/a").status_code == 201


def test_redirects_stay_under_the_name(engine, apis, domains):
    api = apis()
    api.route("GET /old", api.own("Redirect", location="/new"))
    name = domains(root=(api, "$default"), v1=(api, "$default"))
    assert ask(engine, name, "/old").headers["location"] == "/new"
    assert ask(engine, name, "/v1/old").headers["location"] == "/v1/new"


def test_two_names_in_one_request_are_refused(engine, apis, echo, domains):
    api = apis()
    api.route("GET /a", api.integrate(echo))
    name = domains(root=(api, "$default"))
    address = urlsplit(engine.gateway)
    connection = HTTPConnection(address.hostname, address.port, timeout=60)
    connection.putrequest("GET", "/a", skip_host=True)
    connection.putheader("Host", name)
    connection.putheader("Host", "other.example.com")
    connection.endheaders()
    assert connection.getresponse().status == 400
    connection.close()
    connection = HTTPConnection(address.hostname, address.port, timeout=60)
    connection.putrequest("GET", "http://other.example.com/a", skip_host=True)
    connection.putheader("Host", name)
    connection.endheaders()
    assert connection.getresponse().status in (400, 421)
    connection.close()


def test_curl_asks_by_the_name(engine, apis, echo, domains):
    api = apis()
    api.route("GET /a", api.integrate(echo))
    name = domains(root=(api, "$default"))
    address = urlsplit(engine.gateway)
    done = subprocess.run(
        ["curl", "-s", "--noproxy", "*", "--resolve", f"{name}:{address.port}:127.0.0.1"]
        + ["-o", "/dev/null", "-w", "%{http_code}", f"http://{name}:{address.port}/a"],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "201"
