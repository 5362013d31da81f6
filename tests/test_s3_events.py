"""What happens in a bucket runs functions: with AWS's event, in order per key, at
least once, and not for ever."""

import datetime
import json
import re
import urllib.parse

import pytest

import harness
from harness import eventually
from layers import BOTO3, library_folder
from s3_calls import PART, etag, refused
from watching import WITNESS, Watched


@pytest.fixture(scope="module")
def quick():
    environment = {"SQUALL_EVENT_RETRY_SECONDS": "1", "SQUALL_PYTHON_PACKAGES": str(library_folder(*BOTO3))}
    with harness.running_engine(environment=environment) as engine:
        yield engine


@pytest.fixture
def watched(quick):
    made = Watched(quick)
    yield made
    made.functions.remove_all()


def test_the_event_field_by_field(quick, watched):
    name = watched.make()
    watched.notify(watched.rule(name, "s3:ObjectCreated:*", id="mine"))
    put = watched.put("folder/a b+ü.csv", b"hello")
    (record,) = watched.wait_for(name, 1)
    time = datetime.datetime.fromisoformat(record.pop("eventTime"))
    assert abs(time - datetime.datetime.now(datetime.timezone.utc)) < datetime.timedelta(minutes=5)
    request_id = put["ResponseMetadata"]["HTTPHeaders"]["x-amz-request-id"]
    elements = record.pop("responseElements")
    assert elements["x-amz-request-id"] == request_id and elements["x-amz-id-2"]
    sequencer = record["s3"]["object"].pop("sequencer")
    assert re.fullmatch("[0-9A-F]{16,}", sequencer)
    assert record.pop("userIdentity")["principalId"]
    owner = record["s3"]["bucket"].pop("ownerIdentity")
    assert owner["principalId"]
    assert record == {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": quick.region,
        "eventName": "ObjectCreated:Put",
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "mine",
            "bucket": {"name": watched.bucket, "arn": f"arn:aws:s3:::{watched.bucket}"},
            "object": {
                # As a form would encode it: this is what `unquote_plus` is for.
                "key": "folder/a+b%2B%C3%BC.csv",
                "size": 5,
                "eTag": etag(b"hello").strip('"'),
            },
        },
    }
    assert urllib.parse.unquote_plus(record["s3"]["object"]["key"]) == "folder/a b+ü.csv"


def test_each_way_to_write_has_its_name(watched):
    s3, name = watched.s3, watched.make()
    watched.notify(watched.rule(name, "s3:ObjectCreated:*", "s3:ObjectRemoved:*"))
    at = {"Bucket": watched.bucket}
    watched.put("k")
    s3.copy_object(**at, Key="copy", CopySource={**at, "Key": "k"})
    upload = {**at, "Key": "parts", "UploadId": s3.create_multipart_upload(**at, Key="parts")["UploadId"]}
    part = s3.upload_part(**upload, PartNumber=1, Body=b"x" * PART)
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    s3.delete_object(**at, Key="k")
    s3.delete_objects(**at, Delete={"Objects": [{"Key": "copy"}]})
    s3.delete_object(**at, Key="was never there")
    s3.put_bucket_versioning(**at, VersioningConfiguration={"Status": "Enabled"})
    version = watched.put("v")["VersionId"]
    marker = s3.delete_object(**at, Key="v")["VersionId"]
    s3.delete_object(**at, Key="v", VersionId=version)
    records = watched.all_said(name)
    seen = sorted((r["s3"]["object"]["key"], r["eventName"], r["s3"]["object"].get("versionId")) for r in records)
    # To remove what is not there happens on AWS, too, and is told.
    seen = [entry for entry in seen if entry[0] != "was+never+there"]
    assert seen == sorted(
        [
            ("k", "ObjectCreated:Put", None),
            ("copy", "ObjectCreated:Copy", None),
            ("parts", "ObjectCreated:CompleteMultipartUpload", None),
            ("k", "ObjectRemoved:Delete", None),
            ("copy", "ObjectRemoved:Delete", None),
            ("v", "ObjectCreated:Put", version),
            ("v", "ObjectRemoved:DeleteMarkerCreated", marker),
            ("v", "ObjectRemoved:Delete", version),
        ]
    )
    removed = next(r for r in records if r["eventName"] == "ObjectRemoved:Delete")
    assert "size" not in removed["s3"]["object"]


def test_filters(watched):
    csv, made, removed = watched.make(), watched.make(), watched.make()
    watched.notify(
        watched.rule(csv, "s3:ObjectCreated:Put", prefix="raw/", suffix=".csv"),
        watched.rule(made, "s3:ObjectCreated:*", prefix="clean/"),
        watched.rule(removed, "s3:ObjectRemoved:*"),
    )
    for key in ("raw/a.csv", "raw/a.txt", "raw/b.csv", "other.csv", "clean/x", "raw/.csv"):
        watched.put(key)
    watched.s3.delete_object(Bucket=watched.bucket, Key="raw/a.txt")

    def seen(name):
        return sorted(record["s3"]["object"]["key"] for record in watched.all_said(name))

    assert seen(csv) == ["raw/.csv", "raw/a.csv", "raw/b.csv"]
    assert (seen(made), seen(removed)) == (["clean/x"], ["raw/a.txt"])


def test_what_is_not_written_is_no_event(watched):
    name = watched.make()
    watched.notify(watched.rule(name, "s3:ObjectCreated:*"))
    watched.put("k")
    refused("PreconditionFailed", 412, watched.put, key="k", IfNoneMatch="*")
    refused("BadDigest", 400, watched.put, key="k2", ContentMD5="AAAAAAAAAAAAAAAAAAAAAA==")
    assert len(watched.all_said(name)) == 1
    # And none after the rules are gone.
    watched.notify()
    watched.put("k")
    assert len(watched.all_said(name)) == 1


APPENDS = """
import json
import boto3

s3 = boto3.client("s3")


def handler(event, context):
    record = event["Records"][0]
    bucket = record["s3"]["bucket"]["name"]
    seen = record["s3"]["object"]
    log = "log/" + seen["key"]
    try:
        old = s3.get_object(Bucket=bucket, Key=log)["Body"].read()
    except s3.exceptions.NoSuchKey:
        old = b""
    line = json.dumps([record["eventName"], seen.get("eTag"), seen["sequencer"]]).encode()
    # Were two of one key at work at once, one line would be lost.
    s3.put_object(Bucket=bucket, Key=log, Body=old + line + b"\\n")
"""


def test_events_of_a_key_run_in_order_and_one_at_a_time(watched):
    name = watched.make(APPENDS)
    watched.notify(watched.rule(name, "s3:ObjectCreated:*", "s3:ObjectRemoved:*", prefix="in/"))
    rounds, names = 12, [f"in/{n}" for n in range(4)]
    expected = {key: [] for key in names}
    for n in range(rounds):
        for key in names:
            if n % 4 == 3:
                watched.s3.delete_object(Bucket=watched.bucket, Key=key)
                expected[key].append(["ObjectRemoved:Delete", None])
            else:
                body = b"%d" % n
                watched.put(key, body)
                expected[key].append(["ObjectCreated:Put", etag(body).strip('"')])

    def lines(key):
        try:
            text = watched.s3.get_object(Bucket=watched.bucket, Key=f"log/{key}")["Body"].read()
        except watched.s3.exceptions.NoSuchKey:
            return []
        return [json.loads(line) for line in text.splitlines()]

    for key in names:
        got = eventually(lambda: (found := lines(key)) and len(found) >= rounds and found, f"all of {key}", every=0.1)
        assert [[kind, tag if kind.startswith("ObjectCreated") else None] for kind, tag, _ in got] == expected[key]
        sequencers = [sequencer for *_, sequencer in got]
        # AWS: pad the shorter with zeros at its right, then compare as text.
        width = max(map(len, sequencers))
        padded = [sequencer.ljust(width, "0") for sequencer in sequencers]
        assert padded == sorted(padded) and len(set(padded)) == rounds


FAILS_ONCE = """
import boto3

s3 = boto3.client("s3")


def handler(event, context):
    record = event["Records"][0]
    at = {"Bucket": record["s3"]["bucket"]["name"], "Key": "seen"}
    try:
        old = s3.get_object(**at)["Body"].read()
    except s3.exceptions.NoSuchKey:
        old = b""
    s3.put_object(**at, Body=old + record["s3"]["object"]["eTag"][:4].encode() + b"\\n")
    if not old:
        raise ValueError("the first one fails once")
"""


def test_a_retry_holds_back_what_comes_after_it(watched):
    name = watched.make(FAILS_ONCE)
    watched.notify(watched.rule(name, "s3:ObjectCreated:*", prefix="in"))
    for body in (b"1", b"2"):
        watched.put("in", body)

    def seen():
        try:
            return watched.s3.get_object(Bucket=watched.bucket, Key="seen")["Body"].read().decode().split()
        except watched.s3.exceptions.NoSuchKey:
            return []

    first, second = (etag(body).strip('"')[:4] for body in (b"1", b"2"))
    assert eventually(lambda: len(seen()) >= 3 and seen(), "three runs", every=0.1) == [first, first, second]


LOOPS = """
import boto3

s3 = boto3.client("s3")


def handler(event, context):
    record = event["Records"][0]
    n = int(record["s3"]["object"]["key"].rpartition("/")[2])
    s3.put_object(Bucket=record["s3"]["bucket"]["name"], Key=f"loop/{n + 1:03}", Body=b"x")
    print("turn", n)
"""


def test_a_loop_is_stopped_after_sixteen_turns(quick, watched):
    name, witness = watched.make(LOOPS), watched.make(WITNESS)
    watched.client.put_function_event_invoke_config(
        FunctionName=name, DestinationConfig={"OnFailure": {"Destination": watched.arn(witness)}}
    )
    watched.notify(watched.rule(name, "s3:ObjectCreated:*", prefix="loop/"))
    watched.put("loop/000")
    (failed,) = watched.wait_for(witness, 1)
    # Lines of two instances that run at once may come in either order.
    assert sorted(watched.all_said(name, "turn")) == list(range(16))
    assert failed["requestPayload"]["Records"][0]["s3"]["object"]["key"] == "loop/016"
    stopped = eventually(lambda: watched.lines(name, "16 times"), "a line in the function's log")
    assert len(stopped) == 1
    assert re.search(r"(?i)loop|recursi", quick.log())
    # From outside it may be begun again.
    watched.put("loop/100")
    eventually(lambda: 115 in watched.said(name, "turn"), "a second chain", every=0.1)


def test_a_function_that_is_not_allowed_is_refused(quick, watched):
    allowed, forbidden = watched.make(), watched.make(permitted=False)
    with pytest.raises(watched.s3.exceptions.ClientError) as caught:
        watched.notify(watched.rule(forbidden, "s3:ObjectCreated:*"))
    error = caught.value.response["Error"]
    assert error["Code"] == "InvalidArgument"
    assert "Unable to validate the following destination configurations" in error["Message"]
    # A permission that is taken away later is missed at the time of the event.
    watched.notify(watched.rule(allowed, "s3:ObjectCreated:*"))
    policy = json.loads(watched.client.get_policy(FunctionName=allowed)["Policy"])
    watched.client.remove_permission(FunctionName=allowed, StatementId=policy["Statement"][0]["Sid"])
    watched.put("k")

    def refusals():
        return [e for e in watched.events() if e["function"] == allowed and e["state"] == "refused"]

    assert len(eventually(refusals, "the refusal")) == 1
    assert watched.said(allowed) == [] and allowed in quick.log()


def test_permissions_may_name_another_bucket_or_account(watched):
    name = watched.make(permitted=False)
    other = Watched(watched.engine)
    other.let_in(name)
    with pytest.raises(watched.s3.exceptions.ClientError):
        watched.notify(watched.rule(name, "s3:ObjectCreated:*"))
    watched.client.add_permission(
        FunctionName=name,
        StatementId="any-of-mine",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
        SourceAccount="123456789012",
    )
    with pytest.raises(watched.s3.exceptions.ClientError):
        watched.notify(watched.rule(name, "s3:ObjectCreated:*"))
    watched.let_in(name)
    watched.notify(watched.rule(name, "s3:ObjectCreated:*"))


def test_rules_that_make_no_sense(watched):
    name = watched.make()

    def refuse(*rules):
        with pytest.raises(watched.s3.exceptions.ClientError) as caught:
            watched.notify(*rules)
        answer = caught.value.response
        assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == ("InvalidArgument", 400)

    refuse(watched.rule(name, "s3:ObjectCreated:Nonsense"))
    refuse({**watched.rule(name, "s3:ObjectCreated:*"), "LambdaFunctionArn": watched.arn(name) + "-not"})
    refuse({**watched.rule(name, "s3:ObjectCreated:*"), "LambdaFunctionArn": "not an arn"})
    # Two rules that would both match one event.
    refuse(
        watched.rule(name, "s3:ObjectCreated:*", prefix="a"),
        watched.rule(name, "s3:ObjectCreated:Put", prefix="ab"),
    )
    assert set(watched.s3.get_bucket_notification_configuration(Bucket=watched.bucket)) == {"ResponseMetadata"}
    rule = watched.rule(name, "s3:ObjectCreated:*", prefix="p", suffix="s", id="mine")
    watched.notify(rule)
    (got,) = watched.s3.get_bucket_notification_configuration(Bucket=watched.bucket)["LambdaFunctionConfigurations"]
    names = {entry["Name"].lower(): entry["Value"] for entry in got["Filter"]["Key"]["FilterRules"]}
    assert (got["Id"], got["LambdaFunctionArn"], names) == (
        "mine",
        rule["LambdaFunctionArn"],
        {"prefix": "p", "suffix": "s"},
    )


def test_accepted_events_outlive_the_engine(tmp_path):
    engine = harness.Engine(tmp_path / "data", environment={"SQUALL_EVENT_RETRY_SECONDS": "1"}).start()
    try:
        watched = Watched(engine)
        name = watched.make()
        watched.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
        watched.notify(watched.rule(name, "s3:ObjectCreated:*"))
        for n in range(20):
            watched.put(f"k{n:02}")
        engine.kill()
        engine.start()
        again = Watched(engine, watched.bucket)
        again.client.delete_function_concurrency(FunctionName=name)
        records = again.wait_for(name, 20)
        assert {r["s3"]["object"]["key"] for r in records} == {f"k{n:02}" for n in range(20)}
    finally:
        engine.kill()


def test_an_alias_may_be_told(watched):
    name = watched.make(permitted=False)
    watched.client.publish_version(FunctionName=name)
    watched.client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    watched.let_in(name, Qualifier="live")
    rule = watched.rule(name, "s3:ObjectCreated:*")
    watched.notify({**rule, "LambdaFunctionArn": rule["LambdaFunctionArn"] + ":live"})
    watched.put("k")
    assert watched.wait_for(name, 1)
