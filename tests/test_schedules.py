"""Schedules of rules and of the EventBridge Scheduler, by a clock that the test
moves: months pass in a moment, and each run is there when the clock stands."""

import datetime
import json
import math
import time
import zoneinfo

import pytest

import harness
from harness import eventually, unique
from lambda_calls import refused
from watching import Watching

MINUTE, HOUR, DAY = 60, 3600, 86_400
UTC = datetime.timezone.utc
# Tells the function for which moment it runs.
WHEN = '{"at": "<aws.scheduler.scheduled-time>", "schedule": "<aws.scheduler.schedule-arn>", "id": "<aws.scheduler.execution-id>"}'


@pytest.fixture(scope="module")
def timed():
    with harness.running_engine(["--clock", "manual"], {"SQUALL_SCHEDULE_SECONDS": "true"}) as engine:
        yield engine


class Schedules(Watching):
    def __init__(self, engine):
        super().__init__(engine)
        self.scheduler, self.rules = engine.client("scheduler"), engine.client("events")
        self.made = []

    def now(self) -> datetime.datetime:
        answer = harness.call(self.engine, "GET", "/_squall/clock", service="squall")
        now = json.loads(answer.body)["now"]
        if isinstance(now, (int, float)):
            return datetime.datetime.fromtimestamp(now / 1000, UTC)
        return datetime.datetime.fromisoformat(now)

    def advance_to(self, when):
        self.engine.advance(math.ceil((when - self.now()).total_seconds()))

    def schedule(self, function, expression, input=WHEN, target=None, **more) -> str:
        name = more.pop("Name", None) or unique("schedule")
        self.scheduler.create_schedule(
            Name=name,
            ScheduleExpression=expression,
            Target={"Arn": self.arn(function), "RoleArn": harness.ROLE, "Input": input, **(target or {})},
            **{"FlexibleTimeWindow": {"Mode": "OFF"}, **more},
        )
        self.made.append({"Name": name, **({"GroupName": more["GroupName"]} if "GroupName" in more else {})})
        return name

    def rule(self, function, expression) -> str:
        name = unique("rule")
        arn = self.rules.put_rule(Name=name, ScheduleExpression=expression)["RuleArn"]
        self.permit(function, "events.amazonaws.com", arn)
        self.rules.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": self.arn(function)}])
        return name

    def runs(self, function) -> list:
        """For which moments it ran, in the order of time."""
        return sorted(parse(said.get("at") or said["time"]) for said in self.all_said(function))

    def end(self):
        for entry in self.scheduler.get_paginator("list_schedules").paginate():
            for schedule in entry["Schedules"]:
                self.scheduler.delete_schedule(Name=schedule["Name"], GroupName=schedule["GroupName"])
        for rule in self.rules.list_rules()["Rules"]:
            self.rules.remove_targets(Rule=rule["Name"], Ids=["1"])
            self.rules.delete_rule(Name=rule["Name"])
        self.functions.remove_all()


def parse(text) -> datetime.datetime:
    assert text.endswith("Z"), text
    return datetime.datetime.fromisoformat(text)


@pytest.fixture
def schedules(timed):
    made = Schedules(timed)
    yield made
    made.end()


def test_every_second(timed, schedules):
    """AWS has minutes; a test that should not wait has seconds."""
    name = schedules.make()
    schedules.schedule(name, "rate(1 second)")
    for _ in range(3):
        timed.advance(20)
    runs = schedules.runs(name)
    # The first is for the moment at which it was made, as on AWS.
    assert len(runs) == 61
    assert {later - earlier for earlier, later in zip(runs, runs[1:])} == {datetime.timedelta(seconds=1)}
    assert len({said["id"] for said in schedules.said(name)}) == 61


def test_seconds_are_not_for_everyone(engine):
    schedules = Schedules(engine)
    name = schedules.make()
    refused("ValidationException", schedules.schedule, function=name, expression="rate(1 second)")
    refused("ValidationException", schedules.rules.put_rule, Name=unique("rule"), ScheduleExpression="rate(1 second)")


def test_a_rule_s_rate_and_its_event(timed, schedules):
    name = schedules.make()
    before = schedules.now()
    rule = schedules.rule(name, "rate(5 minutes)")
    timed.advance(HOUR)
    events = schedules.all_said(name)
    runs = schedules.runs(name)
    assert len(runs) == 12 and before < runs[0] <= before + datetime.timedelta(minutes=5)
    assert {later - earlier for earlier, later in zip(runs, runs[1:])} == {datetime.timedelta(minutes=5)}
    event = events[0]
    assert (event["source"], event["detail-type"], event["detail"]) == ("aws.events", "Scheduled Event", {})
    assert event["resources"][0].endswith(f":rule/{rule}") and event["version"] == "0"
    schedules.rules.disable_rule(Name=rule)
    timed.advance(HOUR)
    schedules.rules.enable_rule(Name=rule)
    timed.advance(HOUR)
    assert len(schedules.runs(name)) == 24


@pytest.mark.parametrize(
    ("expression", "right"),
    [
        ("cron(0 3 * * ? *)", lambda t: (t.hour, t.minute) == (3, 0)),
        ("cron(15,45 8-10 ? * MON-FRI *)", lambda t: t.weekday() < 5 and 8 <= t.hour <= 10 and t.minute in (15, 45)),
        ("cron(0 0/6 * * ? *)", lambda t: t.hour % 6 == 0 and t.minute == 0),
        ("cron(0 12 L * ? *)", lambda t: (t + datetime.timedelta(days=1)).day == 1 and (t.hour, t.minute) == (12, 0)),
        ("cron(0 12 ? * 2#1 *)", lambda t: t.weekday() == 0 and t.day <= 7 and (t.hour, t.minute) == (12, 0)),
        ("cron(0 12 ? * 6L *)", lambda t: t.weekday() == 4 and (t + datetime.timedelta(days=7)).month != t.month and (t.hour, t.minute) == (12, 0)),
    ],
)  # fmt: skip
def test_cron(timed, schedules, expression, right):
    name = schedules.make()
    by_rule = schedules.make()
    begin = schedules.now()
    schedules.schedule(name, expression)
    schedules.rule(by_rule, expression)
    span = 40 if "L" in expression or "#" in expression else 8
    timed.advance(span * DAY)
    minute = begin.replace(second=0, microsecond=0) + datetime.timedelta(minutes=1)
    expected = []
    while minute <= begin + datetime.timedelta(days=span):
        if right(minute):
            expected.append(minute)
        minute += datetime.timedelta(minutes=1)
    assert expected, "control: there is something to run"
    assert schedules.runs(name) == expected
    assert schedules.runs(by_rule) == expected


def test_time_zones_and_the_change_of_clocks(timed, schedules):
    """Noon is noon in Berlin, in summer and in winter."""
    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    name, utc = schedules.make(), schedules.make()
    day = schedules.now().astimezone(berlin).replace(hour=12, minute=0, second=0, microsecond=0)
    while (day + datetime.timedelta(days=1)).utcoffset() == day.utcoffset():
        day += datetime.timedelta(days=1)
    days = [day, day + datetime.timedelta(days=1)]
    for function, zone in ((name, "Europe/Berlin"), (utc, None)):
        more = {"ScheduleExpressionTimezone": zone} if zone else {}
        month = f"{days[0].month},{days[1].month}" if days[0].month != days[1].month else str(day.month)
        when = f"cron(0 12 {days[0].day},{days[1].day} {month} ? {day.year})"
        schedules.schedule(function, when, **more)
    schedules.advance_to(days[1].astimezone(UTC) + datetime.timedelta(days=1))
    expected = [noon.astimezone(UTC) for noon in days]
    assert expected[1] - expected[0] != datetime.timedelta(days=1), "control: the clocks change between"
    assert schedules.runs(name) == expected
    assert schedules.runs(utc) == [noon.replace(tzinfo=UTC) for noon in days]


def test_at(timed, schedules):
    name = schedules.make()
    tokyo = zoneinfo.ZoneInfo("Asia/Tokyo")
    when = (schedules.now() + datetime.timedelta(hours=5)).replace(microsecond=0)
    at = when.astimezone(tokyo).strftime("at(%Y-%m-%dT%H:%M:%S)")
    stays = schedules.schedule(name, at, ScheduleExpressionTimezone="Asia/Tokyo")
    goes = schedules.schedule(name, at, ScheduleExpressionTimezone="Asia/Tokyo", ActionAfterCompletion="DELETE")
    timed.advance(4 * HOUR)
    assert schedules.runs(name) == []
    timed.advance(2 * HOUR)
    assert schedules.runs(name) == [when, when]
    timed.advance(40 * DAY)
    assert len(schedules.runs(name)) == 2
    assert schedules.scheduler.get_schedule(Name=stays)["ScheduleExpression"] == at
    gone = lambda: goes not in [s["Name"] for s in schedules.scheduler.list_schedules()["Schedules"]]  # noqa: E731
    eventually(gone, "the schedule deleted after its run")


def test_a_beginning_an_end_and_a_pause(timed, schedules):
    name = schedules.make()
    begin = schedules.now().replace(microsecond=0)
    hours = [begin + datetime.timedelta(hours=n) for n in range(10)]
    schedule = schedules.schedule(name, "rate(1 hour)", StartDate=hours[2], EndDate=hours[5])
    timed.advance(10 * HOUR)
    assert schedules.runs(name) == hours[2:6] or schedules.runs(name) == hours[2:5]
    other, now = schedules.make(), schedules.now().replace(microsecond=0)
    schedule = schedules.schedule(other, "rate(1 hour)")
    timed.advance(2 * HOUR)
    got = schedules.scheduler.get_schedule(Name=schedule)
    kept = {key: got[key] for key in ("Name", "ScheduleExpression", "Target", "FlexibleTimeWindow")}
    schedules.scheduler.update_schedule(**kept, State="DISABLED")
    timed.advance(2 * HOUR)
    seen = len(schedules.runs(other))
    assert 2 <= seen <= 3
    schedules.scheduler.update_schedule(**{**kept, "ScheduleExpression": "rate(30 minutes)"}, State="ENABLED")
    timed.advance(2 * HOUR)
    assert 4 <= len(schedules.runs(other)) - seen <= 5 and schedules.runs(other)[0] >= now


def test_a_flexible_window(timed, schedules):
    name = schedules.make()
    window = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15}
    schedules.schedule(name, "rate(1 hour)", FlexibleTimeWindow=window)
    timed.advance(10 * HOUR + 20 * MINUTE)
    assert 10 <= len(schedules.all_said(name)) <= 11


def test_groups_and_what_is_read_back(timed, schedules):
    name, group = schedules.make(), unique("group")
    schedules.scheduler.create_schedule_group(Name=group)
    refused("ConflictException", schedules.scheduler.create_schedule_group, Name=group)
    made = schedules.schedule(
        name,
        "cron(0 3 * * ? *)",
        GroupName=group,
        Description="nightly",
        ScheduleExpressionTimezone="Europe/Berlin",
        target={"RetryPolicy": {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 600}},
    )
    got = schedules.scheduler.get_schedule(Name=made, GroupName=group)
    assert (got["Description"], got["State"], got["ScheduleExpressionTimezone"]) == (
        "nightly",
        "ENABLED",
        "Europe/Berlin",
    )
    assert got["Arn"].endswith(f":schedule/{group}/{made}")
    assert got["Target"]["RetryPolicy"] == {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 600}
    refused(
        "ConflictException", schedules.schedule, function=name, expression="rate(1 hour)", Name=made, GroupName=group
    )
    # The name is free in another group.
    schedules.schedule(name, "rate(1 hour)", Name=made)
    listed = schedules.scheduler.list_schedules(GroupName=group)["Schedules"]
    assert [entry["Name"] for entry in listed] == [made]
    assert group in [entry["Name"] for entry in schedules.scheduler.list_schedule_groups()["ScheduleGroups"]]
    schedules.scheduler.delete_schedule_group(Name=group)
    eventually(lambda: absent(schedules.scheduler, made, group), "the group's schedules gone with it")
    schedules.scheduler.delete_schedule(Name=made)
    refused("ResourceNotFoundException", schedules.scheduler.delete_schedule, Name=made)


def absent(scheduler, name, group) -> bool:
    try:
        scheduler.get_schedule(Name=name, GroupName=group)
    except scheduler.exceptions.ResourceNotFoundException:
        return True
    return False


@pytest.mark.parametrize(
    "expression",
    [
        "every day", "rate()", "rate(0 minutes)", "rate(1 minutes)", "rate(2 minute)", "rate(-1 hours)", "rate(1 year)",
        "cron(0 3 * * *)", "cron(0 3 * * * *)", "cron(61 3 * * ? *)", "cron(0 3 31 2 ? *) x", "cron(0 3 ? * 8 *)",
        "at(2026-13-01T00:00:00)", "at(tomorrow)", "",
    ],
)  # fmt: skip
def test_expressions_that_are_none(schedules, expression):
    refused(
        "ValidationException",
        schedules.rules.put_rule,
        Name=unique("rule"),
        ScheduleExpression=expression,
        EventPattern="",
    )
    if expression not in ("rate(1 minutes)", "rate(2 minute)"):  # the Scheduler's grammar is the milder one
        name = schedules.make()
        refused("ValidationException", schedules.schedule, function=name, expression=expression or " ")


def test_more_that_is_refused(schedules):
    name = schedules.make()
    schedule = {"function": name, "expression": "rate(1 hour)"}
    refused("ValidationException", schedules.schedule, **schedule, ScheduleExpressionTimezone="Mars/North")
    refused("ValidationException", schedules.schedule, **schedule, FlexibleTimeWindow={"Mode": "FLEXIBLE"})
    refused("ResourceNotFoundException", schedules.schedule, **schedule, GroupName=unique("no"))
    refused(
        "ValidationException",
        schedules.rules.put_rule,
        Name=unique("rule"),
        ScheduleExpression="at(2030-01-01T00:00:00)",
    )


def test_the_clock_is_not_moved_by_everyone(engine, timed):
    answer = harness.call(engine, "POST", "/_squall/clock", b'{"advance_seconds": 1}', service="squall")
    assert answer.status == 400, "the system's clock"
    for body in (b'{"advance_seconds": -1}', b'{"advance_seconds": "x"}', b"{}", b"nonsense"):
        answer = harness.call(timed, "POST", "/_squall/clock", body, service="squall")
        assert answer.status == 400, body
    unsigned = harness.send(timed, "POST", "/_squall/clock", b'{"advance_seconds": 1}')
    assert unsigned.status in (401, 403)


@pytest.mark.parametrize("policy", ["once", "skip", "all"])
def test_runs_that_were_missed(tmp_path, policy):
    """A clock that stands still runs nothing; the next engine's begins at the time of the machine."""
    environment = {"SQUALL_SCHEDULE_SECONDS": "true", "SQUALL_MISSED_SCHEDULES": policy}
    engine = harness.Engine(tmp_path / "data", ["--clock", "manual"], environment).start()
    try:
        schedules = Schedules(engine)
        name = schedules.make()
        schedules.schedule(name, "rate(1 second)")
        before = schedules.now()
        # The first, which is for the moment at which it was made.
        first = eventually(lambda: schedules.runs(name), "the first run")
        engine.kill()
        eventually(lambda: time.time() > before.timestamp() + 3, "three seconds gone by")
        engine.start()
        again = Schedules(engine)
        due = int(again.now().timestamp()) - int(before.timestamp())
        assert due >= 3
        # That of the second which it is was not missed. The first may run once more: whether
        # the engine had written down that it was done when it was killed, nobody knows.
        expected = {"once": 2, "skip": 1, "all": due}[policy]

        def later():
            return [moment for moment in again.runs(name) if moment not in first]

        eventually(lambda: len(later()) >= expected, "runs")
        assert len(later()) == expected
        engine.advance(10)
        assert len(later()) == expected + 10
    finally:
        engine.kill()
