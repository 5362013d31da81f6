"""Alerts: told once when it begins and once when it is over, to a webhook or a function, also after kill -9."""

import hashlib
import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

import harness
from harness import call, eventually, unique
from http_apis import apis, gateway  # noqa: F401 (fixtures)

NOBODY = "arn:aws:lambda:us-east-1:000000000000:function:nobody"


class Webhook:
    """Somebody else's server. What came, and what it answers."""

    def __init__(self):
        self.came, self.answers, self.tried = [], [], 0
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                webhook.tried += 1
                status = webhook.answers.pop(0) if webhook.answers else 204
                if status < 300:
                    webhook.came.append((dict(self.headers), body))
                self.send_response(status)
                self.send_header("location", "http://127.0.0.1:9/")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook?a=1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def events(self) -> list:
        return [json.loads(body) for _, body in self.came]

    def states(self) -> list:
        return [event["state"] for event in self.events()]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def webhook():
    webhook = Webhook()
    yield webhook
    webhook.close()


def squall(engine, *words):
    done = engine.cli("alerts", *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def listed(engine, name):
    return next((alert for alert in squall(engine) if alert["name"] == name), None)


@pytest.fixture
def alerts(engine):
    made = []

    def add(*words) -> dict:
        name = unique("alert")
        made.append(name)
        return squall(engine, "add", name, *words)

    yield add
    for name in made:
        engine.cli("alerts", "remove", name)


def broken(api, path="/broken"):
    """A route that answers 500."""
    api.route(f"GET {path}", api.integrate(NOBODY))
    return f"{api.by_path}{path}"


def calls_until(condition, url):
    def look():
        assert requests.get(url).status_code == 500
        return condition()

    return eventually(look, "somebody is told")


def test_a_webhook_is_told_once_when_it_begins_and_once_when_it_is_over(engine, apis, alerts, webhook):
    path = "/" + unique("broken")
    url = broken(apis(), path)
    made = alerts("--when", "errors > 50%", "--over", "3s", "--route", path, "--webhook", webhook.url)
    assert (made["state"], made["when"], made["scope"]) == ("quiet", "errors > 50%", {"route": path})
    calls_until(lambda: webhook.came, url)
    fired = listed(engine, made["name"])
    assert (fired["state"], fired["shown"], fired["waiting"]) == ("firing", "100%", 0)
    # It goes on, and is told no more.
    for _ in range(5):
        requests.get(url)
    assert webhook.states() == ["firing"]
    eventually(lambda: len(webhook.came) == 2, lambda: webhook.states())
    assert webhook.states() == ["firing", "over"]
    first, last = webhook.events()
    assert (first["alert"], first["condition"], first["value"]) == (made["name"], "errors > 50%", 100)
    assert first["text"] == f"{made['name']}: errors > 50% of the route {path}, now 100%"
    assert first["id"] != last["id"] and first["since"] == last["since"] <= last["time"]
    assert listed(engine, made["name"])["state"] == "quiet"

    # Who has the secret knows who sent it; it was shown once.
    assert "secret" not in fired
    for headers, body in webhook.came:
        headers = {name.lower(): value for name, value in headers.items()}
        assert headers["content-type"] == "application/json"
        moment, signature = (part.split("=", 1)[1] for part in headers["squall-signature"].split(","))
        wanted = hmac.new(made["secret"].encode(), f"{moment}.".encode() + body, hashlib.sha256)
        assert hmac.compare_digest(signature, wanted.hexdigest())


def test_a_webhook_that_fails_is_told_again(engine, apis, alerts, webhook):
    path = "/" + unique("broken")
    url = broken(apis(), path)
    webhook.answers = [500, 302]
    made = alerts("--when", "errors > 0", "--over", "3s", "--route", path, "--webhook", webhook.url)
    calls_until(lambda: webhook.tried, url)
    problem = eventually(lambda: listed(engine, made["name"])["problem"], "the problem is shown")
    assert "the webhook answered" in problem
    eventually(lambda: len(webhook.came) == 2, lambda: webhook.states())
    # In order, and no redirect was followed.
    assert (webhook.states(), webhook.tried) == (["firing", "over"], 4)
    eventually(lambda: listed(engine, made["name"])["problem"] is None, "all is told")


def test_a_function_gets_it_as_an_event(engine, apis, alerts, functions, s3, bucket):
    tell = functions.make(
        f"""
import json, boto3

def handler(event, context):
    boto3.client("s3").put_object(Bucket="{bucket}", Key=event["state"], Body=json.dumps(event))
"""
    )
    path = "/" + unique("broken")
    url = broken(apis(), path)
    alerts("--when", "errors > 0", "--over", "3s", "--route", path, "--to-function", tell)

    def told():
        keys = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
        return "firing" in keys

    calls_until(told, url)
    event = json.loads(s3.get_object(Bucket=bucket, Key="firing")["Body"].read())
    assert (event["source"], event["condition"], event["scope"]) == ("squall.alerts", "errors > 0", {"route": path})


def test_what_was_not_told_is_told_after_a_kill(fresh_engine, webhook):
    engine = fresh_engine
    client = engine.client("apigatewayv2")
    api = client.create_api(Name="api", ProtocolType="HTTP")["ApiId"]
    client.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
    client.create_route(ApiId=api, RouteKey="GET /gone")
    webhook.answers = [503] * 1000
    squall(engine, "add", "gone", "--when", "requests > 3", "--over", "3s", "--webhook", webhook.url)

    def tried():
        requests.get(f"{engine.gateway}/execute-api/{api}/gone")
        return webhook.tried

    eventually(tried, "the webhook is tried")
    assert listed(engine, "gone")["waiting"] >= 1
    engine.kill()
    webhook.answers = []
    engine.start()
    eventually(lambda: webhook.states() == ["firing", "over"], lambda: webhook.states())
    events = webhook.events()
    assert events[0]["since"] == events[1]["since"]


def test_a_quota_that_is_nearly_used_up(engine, apis, gateway, alerts, webhook):
    api = apis()
    gateway.create_route(ApiId=api.id, RouteKey="GET /closed", ApiKeyRequired=True)
    keys = engine.client("apigateway")
    stages = [{"apiId": api.id, "stage": "$default"}]
    plan = keys.create_usage_plan(name=unique("plan"), apiStages=stages, quota={"limit": 10, "period": "MONTH"})
    key = keys.create_api_key(name=unique("page"), enabled=True)
    keys.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
    made = alerts("--when", "quota > 80%", "--over", "3s", "--key", key["name"], "--webhook", webhook.url)
    for count in range(9):
        requests.get(f"{api.by_path}/closed", headers={"x-api-key": key["value"]})
        if count == 7:
            # 80 in 100 are not more than 80 in 100.
            eventually(lambda: listed(engine, made["name"])["value"] == 80, "it is looked at")
            assert webhook.came == []
    eventually(lambda: webhook.came, "it is told")
    assert webhook.events()[0]["value"] == 90


def test_a_job_that_fails(engine, apis, alerts, functions, webhook):
    api = apis()
    api.map(functions.make("def handler(values):\n    raise ValueError(len(values))\n"), "ANY /fails", "ANY /fails/{proxy+}")
    alerts("--when", "failed-jobs > 0", "--over", "20s", "--webhook", webhook.url)
    data = "id,value\n1,2\n"
    answer = requests.put(f"{api.by_path}/fails", data=data, headers={"prefer": "respond-async"})
    assert answer.status_code == 202
    eventually(lambda: webhook.came, "it is told")
    assert webhook.states() == ["firing"]


def test_too_little_is_told_too(engine, alerts, webhook):
    alerts("--when", "requests < 1", "--over", "3s", "--route", "/" + unique("nobody"), "--webhook", webhook.url)
    eventually(lambda: webhook.came, "nobody calls")
    assert webhook.states() == ["firing"]


def test_whether_it_arrives_can_be_tried(engine, alerts, webhook):
    made = alerts("--when", "p99 > 1h", "--webhook", webhook.url)
    event = squall(engine, "test", made["name"])
    assert webhook.states() == ["test"] and webhook.events()[0]["id"] == event["id"]
    webhook.answers = [500]
    done = engine.cli("alerts", "test", made["name"])
    assert done.returncode != 0 and "the webhook answered 500" in done.stderr


def test_a_rule_is_changed_listed_and_removed(engine, alerts, webhook):
    made = alerts("--when", "queue-age > 2m", "--webhook", webhook.url)
    again = squall(engine, "add", made["name"], "--when", "queue > 5", "--again", "6h", "--webhook", webhook.url)
    assert (again["when"], again["again"], again["over"]) == ("queue > 5", 21_600, 300)
    assert again["secret"] != made["secret"], "another alert, another secret"
    table = engine.cli("alerts").stdout
    assert made["name"] in table and "queue > 5" in table and webhook.url in table
    squall(engine, "remove", made["name"])
    assert listed(engine, made["name"]) is None
    for words in [("remove", made["name"]), ("test", made["name"])]:
        gone = engine.cli("alerts", *words)
        assert gone.returncode != 0 and "there is no alert" in gone.stderr


def test_what_makes_no_rule_is_refused(engine):
    for words, told in [
        (("x", "--when", "errors", "--webhook", "https://x.example"), "no condition"),
        (("x", "--when", "errors > 5ms", "--webhook", "https://x.example"), "a share"),
        (("x", "--when", "errors > 5", "--over", "2h", "--webhook", "https://x.example"), "over is"),
        (("x", "--when", "errors > 5", "--over", "soon", "--webhook", "https://x.example"), "no span"),
        (("x", "--when", "errors > 5", "--webhook", "file:///etc/passwd"), "address"),
        (("x", "--when", "errors > 5", "--to-function", unique("nobody")), "no function"),
        (("x", "--when", "errors > 5", "--key", "k", "--webhook", "https://x.example"), "only quota"),
        (("x", "--when", "quota > 80%", "--key", "k", "--webhook", "https://x.example"), 'no key "k"'),
        (("a b", "--when", "errors > 5", "--webhook", "https://x.example"), "name of an alert"),
        (("x", "--when", "errors > 5"), "--webhook"),
    ]:
        done = engine.cli("alerts", "add", *words)
        assert done.returncode != 0 and told in done.stderr, (words, done.stderr)


def test_alerts_are_for_the_owner(engine):
    answer = requests.get(f"{engine.api}/_squall/alerts")
    assert answer.status_code in (401, 403)
    odd = call(engine, "PUT", "/_squall/alerts", b"{", service="squall")
    assert odd.status == 400
