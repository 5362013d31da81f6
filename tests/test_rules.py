"""EventBridge: rules on the default bus, custom events, patterns, inputs, and what
happens in buckets; as boto3 and Zappa ask for them."""

import datetime
import json

import pytest

import harness
from harness import unique
from lambda_calls import refused
from watching import Watched, Watching


@pytest.fixture(scope="module")
def bus(engine):
    watching = Watching(engine)
    yield watching
    watching.functions.remove_all()


@pytest.fixture(scope="module")
def events(engine):
    return engine.client("events")


@pytest.fixture
def rules(bus, events):
    """Makes rules that are removed at the end."""
    made = []

    def put(name, pattern=None, target=None, **more) -> str:
        """A rule with one function as target that it may run."""
        given = {"EventPattern": json.dumps(pattern)} if pattern is not None else {}
        schedule = {key: more.pop(key) for key in ("ScheduleExpression", "State", "Description") if key in more}
        arn = events.put_rule(Name=name, **given, **schedule)["RuleArn"]
        made.append(name)
        if target:
            bus.permit(target, "events.amazonaws.com", arn)
            answer = events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": bus.arn(target), **more}])
            assert (answer["FailedEntryCount"], answer["FailedEntries"]) == (0, [])
        return arn

    yield put
    for name in made:
        for target in events.list_targets_by_rule(Rule=name)["Targets"]:
            events.remove_targets(Rule=name, Ids=[target["Id"]])
        events.delete_rule(Name=name)


def send(events, *entries):
    answer = events.put_events(
        Entries=[
            {"Source": "test", "DetailType": "kind", **entry, "Detail": json.dumps(entry.get("Detail", {}))}
            for entry in entries
        ]
    )
    assert answer["FailedEntryCount"] == 0, answer
    return [entry["EventId"] for entry in answer["Entries"]]


def test_a_custom_event(engine, bus, events, rules):
    name, source = bus.make(), unique("source")
    rules(unique("rule"), {"source": [source]}, name)
    time = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    (event_id,) = send(
        events, {"Source": source, "Detail": {"a": [1, "ü"]}, "Resources": ["arn:aws:s3:::x"], "Time": time}
    )
    (event,) = bus.wait_for(name, 1)
    account = bus.arn(name).split(":")[4]
    assert event == {
        "version": "0",
        "id": event_id,
        "detail-type": "kind",
        "source": source,
        "account": account,
        "time": "2026-01-02T03:04:05Z",
        "region": engine.region,
        "resources": ["arn:aws:s3:::x"],
        "detail": {"a": [1, "ü"]},
    }


# What the detail must have, and which of DETAILS have it.
DETAILS = {
    "done": {"state": "done", "n": 5, "tags": ["a", "b"], "who": {"name": "Ann", "ip": "10.0.0.7"}},
    "partial": {"state": "partial", "n": 10.5, "tags": [], "who": {"name": "bob", "ip": "192.168.1.1"}},
    "failed": {"state": "failed", "n": -1, "error": None, "who": {"name": "Anna"}, "file": "a/b/c.csv"},
    "odd": {"state": True, "n": "5", "text": "*", "error": "", "file": "a/b.txt"},
    "empty": {},
}
PATTERNS = [
    ({"state": ["done"]}, {"done"}),
    ({"state": ["done", "failed"]}, {"done", "failed"}),
    ({"state": [True]}, {"odd"}),
    ({"n": [5]}, {"done"}),
    ({"n": ["5"]}, {"odd"}),
    ({"n": [5.0]}, {"done"}),
    ({"error": [None]}, {"failed"}),
    ({"error": [""]}, {"odd"}),
    ({"tags": ["b"]}, {"done"}),
    ({"who": {"name": ["Ann"]}}, {"done"}),
    ({"state": [{"prefix": "pa"}]}, {"partial"}),
    ({"file": [{"suffix": ".csv"}]}, {"failed"}),
    ({"who": {"name": [{"equals-ignore-case": "ANN"}]}}, {"done"}),
    ({"who": {"name": [{"prefix": {"equals-ignore-case": "ANN"}}]}}, {"done", "failed"}),
    ({"n": [{"numeric": [">", 0, "<=", 5]}]}, {"done"}),
    ({"n": [{"numeric": ["=", 10.5]}]}, {"partial"}),
    ({"n": [{"numeric": ["<", 0]}]}, {"failed"}),
    ({"state": [{"anything-but": "done"}]}, {"partial", "failed", "odd"}),
    ({"state": [{"anything-but": ["done", "failed"]}]}, {"partial", "odd"}),
    ({"state": [{"anything-but": {"prefix": "p"}}]}, {"done", "failed", "odd"}),
    ({"n": [{"anything-but": 5}]}, {"partial", "failed", "odd"}),
    ({"error": [{"exists": True}]}, {"failed", "odd"}),
    ({"error": [{"exists": False}]}, {"done", "partial", "empty"}),
    ({"file": [{"wildcard": "a/*.csv"}]}, {"failed"}),
    ({"file": [{"wildcard": "a/*"}]}, {"failed", "odd"}),
    ({"text": [{"wildcard": "\\*"}]}, {"odd"}),
    ({"who": {"ip": [{"cidr": "10.0.0.0/24"}]}}, {"done"}),
    ({"$or": [{"state": ["done"]}, {"n": [{"numeric": ["<", 0]}]}]}, {"done", "failed"}),
    ({"state": ["done"], "n": [6]}, set()),
    ({"state": ["done", {"prefix": "fa"}], "n": [5, -1]}, {"done", "failed"}),
]


def test_patterns(bus, events, rules):
    """One rule per pattern; each says its number and which event it let through."""
    name, source = bus.make(), unique("source")
    for number, (pattern, _) in enumerate(PATTERNS):
        transformer = {"InputPathsMap": {"id": "$.detail-type"}, "InputTemplate": f'{{"rule": {number}, "saw": <id>}}'}
        rules(unique("rule"), {"source": [source], "detail": pattern}, name, InputTransformer=transformer)
    for kind, detail in DETAILS.items():
        send(events, {"Source": source, "DetailType": kind, "Detail": detail})
    seen = {number: set() for number in range(len(PATTERNS))}
    for said in bus.all_said(name):
        seen[said["rule"]].add(said["saw"])
    wrong = [(pattern, seen[n], right) for n, (pattern, right) in enumerate(PATTERNS) if seen[n] != right]
    assert wrong == []


@pytest.mark.parametrize("number", range(len(PATTERNS)))
def test_a_pattern_can_be_tried(events, number):
    pattern, right = PATTERNS[number]
    for kind, detail in DETAILS.items():
        event = {
            "id": "1",
            "version": "0",
            "detail-type": kind,
            "source": "test",
            "account": "123456789012",
            "time": "2026-01-02T03:04:05Z",
            "region": "us-east-1",
            "resources": [],
            "detail": detail,
        }
        answer = events.test_event_pattern(EventPattern=json.dumps({"detail": pattern}), Event=json.dumps(event))
        assert answer["Result"] == (kind in right), (pattern, kind)


@pytest.mark.parametrize(
    "pattern",
    [
        "not json",
        "[]",
        "{}",
        '{"source": "test"}',
        '{"source": []}',
        '{"source": [{"prefix": 5}]}',
        '{"source": [{"nonsense": "x"}]}',
        '{"detail": {"n": [{"numeric": ["~", 5]}]}}',
        '{"detail": {"n": [{"numeric": [">", 5, "<"]}]}}',
        '{"source": [{"exists": "yes"}]}',
        '{"source": [{"wildcard": "a**b"}]}',
    ],
)
def test_patterns_that_are_none(events, pattern):
    refused("InvalidEventPatternException", events.put_rule, Name=unique("rule"), EventPattern=pattern)


def test_inputs(bus, events, rules):
    constant, path, template, text = (bus.make() for _ in range(4))
    source = unique("source")
    pattern = {"source": [source]}
    rules(unique("rule"), pattern, constant, Input='{"fixed": [1, 2]}')
    rules(unique("rule"), pattern, path, InputPath="$.detail.inner")
    paths = {"who": "$.detail.who", "all": "$.detail.inner", "missing": "$.detail.not", "time": "$.time"}
    rule = rules(
        unique("rule"),
        pattern,
        template,
        InputTransformer={
            "InputPathsMap": paths,
            "InputTemplate": '{"hello": <who>, "text": "to <who>!", "all": <all>, "rule": <aws.events.rule-arn>}',
        },
    )
    rules(
        unique("rule"), pattern, text, InputTransformer={"InputPathsMap": paths, "InputTemplate": '"<who> at <time>"'}
    )
    send(events, {"Source": source, "Detail": {"who": "Ann", "inner": {"a": [1]}}})
    assert bus.wait_for(constant, 1) == [{"fixed": [1, 2]}]
    assert bus.wait_for(path, 1) == [{"a": [1]}]
    assert bus.wait_for(template, 1) == [{"hello": "Ann", "text": "to Ann!", "all": {"a": [1]}, "rule": rule}]
    (said,) = bus.wait_for(text, 1)
    assert said.startswith("Ann at 20")


def test_several_targets_and_a_rule_that_is_off(bus, events, rules):
    first, second = bus.make(), bus.make()
    name, source = unique("rule"), unique("source")
    arn = rules(name, {"source": [source]}, first)
    bus.permit(second, "events.amazonaws.com", arn)
    events.put_targets(Rule=name, Targets=[{"Id": "2", "Arn": bus.arn(second)}])
    send(events, {"Source": source})
    assert bus.wait_for(first, 1) and bus.wait_for(second, 1)
    events.disable_rule(Name=name)
    assert events.describe_rule(Name=name)["State"] == "DISABLED"
    send(events, {"Source": source})
    events.enable_rule(Name=name)
    events.remove_targets(Rule=name, Ids=["1"])
    send(events, {"Source": source})
    assert (len(bus.all_said(first)), len(bus.all_said(second))) == (1, 2)


def test_a_rule_needs_permission(engine, bus, events, rules):
    name, source, rule = bus.make(), unique("source"), unique("rule")
    arn = rules(rule, {"source": [source]})
    events.put_targets(Rule=rule, Targets=[{"Id": "1", "Arn": bus.arn(name)}])
    bus.permit(name, "events.amazonaws.com", arn + "-other")
    send(events, {"Source": source})

    def refusals():
        return [event for event in bus.events() if event["function"] == name and event["state"] == "refused"]

    (refusal,) = harness.eventually(refusals, "the refusal")
    assert refusal["source"] == arn
    assert bus.said(name) == [] and name in engine.log()
    bus.permit(name, "events.amazonaws.com", arn)
    send(events, {"Source": source})
    assert len(bus.wait_for(name, 1)) == 1


def test_what_happens_in_a_bucket(engine, events, rules):
    watched = Watched(engine)
    name = watched.make("import json\ndef handler(e, c):\n    print('saw', json.dumps(e))\n", permitted=False)
    pattern = {
        "source": ["aws.s3"],
        "detail": {"bucket": {"name": [watched.bucket]}, "object": {"key": [{"prefix": "in/"}]}},
    }
    rules(unique("rule"), pattern, name)
    watched.put("in/before")
    watched.notify(EventBridgeConfiguration={})
    assert "EventBridgeConfiguration" in watched.s3.get_bucket_notification_configuration(Bucket=watched.bucket)
    put = watched.put("in/a b+ü", b"hello")
    watched.put("out/x")
    watched.s3.delete_object(Bucket=watched.bucket, Key="in/a b+ü")
    created, deleted = sorted(watched.all_said(name), key=lambda event: event["detail-type"])
    assert (created["source"], created["detail-type"], created["resources"]) == (
        "aws.s3",
        "Object Created",
        [f"arn:aws:s3:::{watched.bucket}"],
    )
    detail = created["detail"]
    assert detail["bucket"] == {"name": watched.bucket}
    sequencer = detail["object"].pop("sequencer")
    # Here the key is as it is, not as a form would encode it.
    assert detail["object"] == {"key": "in/a b+ü", "size": 5, "etag": put["ETag"].strip('"')}
    assert (detail["version"], detail["reason"], detail["source-ip-address"]) == ("0", "PutObject", "127.0.0.1")
    assert detail["request-id"] == put["ResponseMetadata"]["HTTPHeaders"]["x-amz-request-id"]
    assert (deleted["detail-type"], deleted["detail"]["deletion-type"]) == ("Object Deleted", "Permanently Deleted")
    assert deleted["detail"]["object"]["sequencer"] > sequencer


def test_rules_as_they_are_read_back(bus, events, rules):
    name, prefix = bus.make(), unique("list")
    names = sorted(f"{prefix}-{n}" for n in range(5))
    for rule in names:
        rules(rule, {"source": ["x"]}, name)
    seen = [rule["Name"] for rule in events.list_rules(NamePrefix=prefix)["Rules"]]
    assert seen == names
    page = events.list_rules(NamePrefix=prefix, Limit=2)
    assert len(page["Rules"]) == 2 and page["NextToken"]
    rest = events.list_rules(NamePrefix=prefix, NextToken=page["NextToken"])
    assert [rule["Name"] for rule in page["Rules"] + rest["Rules"]] == names
    described = events.describe_rule(Name=names[0])
    assert json.loads(described["EventPattern"]) == {"source": ["x"]}
    assert (described["State"], described["EventBusName"]) == ("ENABLED", "default")
    assert events.list_rule_names_by_target(TargetArn=bus.arn(name))["RuleNames"] == names
    refused("ResourceNotFoundException", events.describe_rule, Name=unique("no"))
    refused(
        "ResourceNotFoundException", events.put_targets, Rule=unique("no"), Targets=[{"Id": "1", "Arn": bus.arn(name)}]
    )
    # A rule with targets does not go.
    refused("ValidationException", events.delete_rule, Name=names[0])
    refused("ValidationException", events.put_rule, Name=unique("rule"))
    refused("ValidationException", events.put_rule, Name="no blanks", ScheduleExpression="rate(1 day)")
    events.tag_resource(ResourceARN=described["Arn"], Tags=[{"Key": "a", "Value": "1"}])
    assert events.list_tags_for_resource(ResourceARN=described["Arn"])["Tags"] == [{"Key": "a", "Value": "1"}]


def test_entries_that_are_wrong_are_named(events):
    answer = events.put_events(
        Entries=[
            {"Source": "a", "DetailType": "b", "Detail": "{}"},
            {"Source": "a", "DetailType": "b", "Detail": "not json"},
            {"Source": "a", "DetailType": "b", "Detail": "[]"},
            {"Source": "a", "Detail": "{}"},
            {"Source": "aws.s3", "DetailType": "b", "Detail": "{}"},
        ]
    )
    codes = [entry.get("ErrorCode") for entry in answer["Entries"]]
    assert codes == [None, "MalformedDetail", "MalformedDetail", "InvalidArgument", "NotAuthorizedForSourceException"]
    assert answer["FailedEntryCount"] == 4
    refused("ValidationException", events.put_events, Entries=[{"Source": "a", "DetailType": "b", "Detail": "{}"}] * 11)


def test_what_zappa_does(engine, bus, events):
    """Its calls in their order: a keep-warm rule and a task, asked for again at each
    update, and taken away at the end."""
    name = bus.make()
    arn, client = bus.arn(name), bus.client
    for count in (1, 2):
        rule = unique("zappa")[:64]
        made = events.put_rule(
            Name=rule,
            ScheduleExpression="rate(4 minutes)",
            State="ENABLED",
            Description="keep warm",
            RoleArn=harness.ROLE,
        )
        client.add_permission(
            FunctionName=name,
            StatementId=unique("z"),
            Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
            SourceArn=made["RuleArn"],
        )
        template = '{"time": <time>, "detail-type": <detail-type>, "source": <source>,"account": <account>, "region": <region>,"detail": <detail>, "version": <version>,"resources": <resources>,"id": <id>,"kwargs": {}}'
        paths = {
            word: f"$.{word}"
            for word in ("time", "detail-type", "source", "account", "region", "detail", "version", "resources", "id")
        }
        answer = events.put_targets(
            Rule=rule,
            Targets=[
                {"Id": "Id1", "Arn": arn, "InputTransformer": {"InputPathsMap": paths, "InputTemplate": template}}
            ],
        )
        assert answer["FailedEntryCount"] == 0
        ask = json.dumps({"name": rule}).encode()
        run = harness.call(engine, "POST", "/_squall/schedules/run", ask, service="squall")
        assert run.status == 200, run
        event = bus.wait_for(name, count)[-1]
        assert event["resources"] == [made["RuleArn"]] and event["kwargs"] == {} and event["source"] == "aws.events"
        for seen in events.list_rule_names_by_target(TargetArn=arn)["RuleNames"]:
            ids = [target["Id"] for target in events.list_targets_by_rule(Rule=seen)["Targets"]]
            events.remove_targets(Rule=seen, Ids=ids)
            events.delete_rule(Name=seen)
        refused("ResourceNotFoundException", events.describe_rule, Name=rule)
