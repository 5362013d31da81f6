"""Functions that are told what happens: made, allowed, wired up, and what they said."""

import json

import harness
from conftest import Functions
from harness import eventually, unique

# Puts down every event it gets.
WITNESS = """
import json


def handler(event, context):
    print("saw", json.dumps(event))
"""
# The same for the records of S3.
RECORDS = """
import json


def handler(event, context):
    for record in event["Records"]:
        print("saw", json.dumps(record))
"""


class Watching:
    """Functions on one engine, and what they said."""

    def __init__(self, engine):
        self.engine = engine
        self.client, self.logs = engine.client("lambda"), engine.client("logs")
        self.functions = Functions(self.client)

    def make(self, source=WITNESS, **settings) -> str:
        return self.functions.make(source, **settings)

    def arn(self, name) -> str:
        return self.client.get_function_configuration(FunctionName=name)["FunctionArn"]

    def permit(self, name, principal, source_arn, **more):
        self.client.add_permission(
            FunctionName=name,
            StatementId=unique("allow"),
            Action="lambda:InvokeFunction",
            Principal=principal,
            SourceArn=source_arn,
            **more,
        )

    def said(self, name, word="saw") -> list:
        """Everything that the function printed after `word`, in order."""
        lines = self.lines(name, word)
        return [json.loads(text[len(word) + 1 :]) for text in lines if text.startswith(word + " ")]

    def lines(self, name, word) -> list:
        """The lines of its log that have this word."""
        try:
            pages = self.logs.get_paginator("filter_log_events").paginate(
                logGroupName=f"/aws/lambda/{name}", filterPattern=word
            )
            return [event["message"] for page in pages for event in page["events"]]
        except self.logs.exceptions.ResourceNotFoundException:
            return []

    def wait_for(self, name, count, word="saw") -> list:
        def enough():
            said = self.said(name, word)
            return said if len(said) >= count else None

        return eventually(enough, lambda: f"{count} lines, not {len(self.said(name, word))}", every=0.05)

    def events(self) -> list:
        """What `squall events` shows."""
        answer = harness.call(self.engine, "GET", "/_squall/events?limit=10000", service="squall")
        assert answer.status == 200, answer
        return json.loads(answer.body)["events"]

    def drained(self):
        """Returns when nothing that was accepted waits any more: what did not run by now never will."""
        busy = ("waiting", "running", "retrying")
        eventually(lambda: not [e for e in self.events() if e["state"] in busy], "the queue empty", every=0.05)

    def all_said(self, name, word="saw") -> list:
        """Everything that it ever will say of what was accepted so far."""
        self.drained()
        ran = len([e for e in self.events() if e["function"] == name and e["state"] == "done"])
        # Logs are written behind the invocation's back; the line of its end is the last.
        eventually(lambda: len(self.lines(name, "REPORT")) >= ran, "the log complete", every=0.05)
        return self.said(name, word)


class Watched(Watching):
    """A bucket, and functions that are told what happens in it."""

    def __init__(self, engine, bucket=None):
        super().__init__(engine)
        self.s3 = engine.client("s3")
        self.bucket = bucket or unique("watched")
        if not bucket:
            self.s3.create_bucket(Bucket=self.bucket)

    def make(self, source=RECORDS, permitted=True, **settings) -> str:
        name = super().make(source, **settings)
        if permitted:
            self.let_in(name)
        return name

    def let_in(self, name, **more):
        self.permit(name, "s3.amazonaws.com", f"arn:aws:s3:::{self.bucket}", **more)

    def rule(self, name, *events, prefix="", suffix="", id=None) -> dict:
        rules = [{"Name": kind, "Value": value} for kind, value in (("prefix", prefix), ("suffix", suffix)) if value]
        return {
            **({"Id": id} if id else {}),
            "LambdaFunctionArn": self.arn(name),
            "Events": list(events),
            **({"Filter": {"Key": {"FilterRules": rules}}} if rules else {}),
        }

    def notify(self, *rules, **more):
        self.s3.put_bucket_notification_configuration(
            Bucket=self.bucket, NotificationConfiguration={"LambdaFunctionConfigurations": list(rules), **more}
        )

    def put(self, key, body=b"x", **more):
        return self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, **more)
