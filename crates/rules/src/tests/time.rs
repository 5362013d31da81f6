//! What time runs.

use super::*;

#[tokio::test]
async fn a_rule_runs_every_second_of_a_clock_that_is_moved() {
    let place = Place::new(Missed::Once);
    let rules = place.open("2026-11-21T02:00:00Z");
    let target = target("t", &format!("{FUNCTION}:live"), InputText::default());
    put(
        &rules,
        rule("tick", None, Some("rate(1 second)")),
        vec![target],
    )
    .await;
    assert_eq!(advance(&rules, 3).await, 3);
    let events = accepted(&rules).await;
    let expected = [
        "2026-11-21T02:00:01Z",
        "2026-11-21T02:00:02Z",
        "2026-11-21T02:00:03Z",
    ];
    let arn = "arn:aws:events:us-east-1:123456789012:rule/tick";
    for (event, time) in events.iter().zip(expected) {
        let mut payload = payload(event);
        assert!(payload["id"].take().is_string());
        assert_eq!(
            payload,
            json!({
                "version": "0", "id": null, "detail-type": "Scheduled Event",
                "source": "aws.events", "account": "123456789012", "time": time,
                "region": "us-east-1", "resources": [arn], "detail": {},
            })
        );
        let event = &event.event;
        assert_eq!(event.function.as_str(), "f");
        assert_eq!(event.qualifier.as_ref().unwrap().to_string(), "live");
        let source = event.source.as_ref().unwrap();
        assert_eq!(source.service, "events.amazonaws.com");
        assert_eq!(source.arn, arn);
        assert_eq!(source.subject, format!("schedule tick at {time}"));
    }
    assert_eq!(events.len(), 3);
    assert_eq!(advance(&rules, 0).await, 0);
}

#[tokio::test]
async fn runs_of_many_come_in_the_order_of_their_times() {
    let place = Place::new(Missed::Once);
    let rules = place.open("2026-11-21T02:00:00Z");
    for period in [2, 3, 5] {
        let input = InputText {
            transformer: Some(Transformer {
                paths: [("t".to_owned(), "$.time".to_owned())].into(),
                template: "{\"time\": <t>}".to_owned(),
            }),
            ..InputText::default()
        };
        let rule = rule(
            &format!("every-{period}"),
            None,
            Some(&format!("rate({period} seconds)")),
        );
        put(&rules, rule, vec![target("t", FUNCTION, input)]).await;
    }
    rules
        .create_schedule(schedule("hourly", "rate(1 hour)"))
        .await
        .unwrap();
    assert_eq!(advance(&rules, 300).await, 150 + 100 + 60 + 1);
    let times = times(&rules).await;
    assert_eq!(times.len(), 311);
    assert!(times.is_sorted());
}

#[tokio::test]
async fn every_occurrence_runs_once_over_a_restart() {
    let place = Place::new(Missed::All);
    let rules = place.open("2026-11-21T02:00:00Z");
    let targets = vec![target("t", FUNCTION, InputText::default())];
    put(&rules, rule("r", None, Some("rate(1 minute)")), targets).await;
    advance(&rules, 150).await;
    close(rules).await;
    // Two were accepted; they are still there, and do not come again.
    let rules = place.open("2026-11-21T02:02:30Z");
    assert_eq!(advance(&rules, 90).await, 2);
    assert_eq!(
        times(&rules).await,
        [
            "2026-11-21T02:01:00Z",
            "2026-11-21T02:02:00Z",
            "2026-11-21T02:03:00Z",
            "2026-11-21T02:04:00Z"
        ]
    );
}

#[tokio::test]
async fn after_a_stop_the_policy_decides() {
    for (missed, expected) in [
        (
            Missed::Once,
            &["2026-11-21T05:00:00Z", "2026-11-21T06:00:00Z"][..],
        ),
        (Missed::Skip, &["2026-11-21T06:00:00Z"]),
        (
            Missed::All,
            &[
                "2026-11-21T03:00:00Z",
                "2026-11-21T04:00:00Z",
                "2026-11-21T05:00:00Z",
                "2026-11-21T06:00:00Z",
            ],
        ),
    ] {
        let place = Place::new(missed);
        let rules = place.open("2026-11-21T02:30:00Z");
        let targets = vec![target("t", FUNCTION, InputText::default())];
        put(&rules, rule("r", None, Some("cron(0 * * * ? *)")), targets).await;
        rules
            .create_schedule(schedule("once", "at(2026-11-21T04:30:00)"))
            .await
            .unwrap();
        close(rules).await;
        let rules = place.open("2026-11-21T05:30:00Z");
        advance(&rules, 3600).await;
        let mut times = times(&rules).await;
        let single = times
            .iter()
            .filter(|time| *time == "2026-11-21T04:30:00Z")
            .count();
        assert_eq!(single, usize::from(missed != Missed::Skip), "{missed:?}");
        times.retain(|time| time != "2026-11-21T04:30:00Z");
        assert_eq!(times, expected, "{missed:?}");
    }
}

#[tokio::test]
async fn a_manual_clock_goes_on_where_it_was() {
    let place = Place::new(Missed::Once);
    let rules = place.open("2026-11-21T02:00:00Z");
    let targets = vec![target("t", FUNCTION, InputText::default())];
    put(&rules, rule("r", None, Some("rate(1 day)")), targets).await;
    advance(&rules, 86_400 * 10).await;
    close(rules).await;
    let rules = place.open("2026-11-21T02:00:01Z");
    assert_eq!(rules.clock().now(), at("2026-12-01T02:00:00Z"));
}

#[tokio::test]
async fn what_is_disabled_or_deleted_does_not_run() {
    let place = Place::new(Missed::All);
    let rules = place.open("2026-11-21T02:00:00Z");
    let (bus, name) = (BusName::standard(), "r".parse().unwrap());
    let targets = vec![target("t", FUNCTION, InputText::default())];
    put(&rules, rule("r", None, Some("rate(1 minute)")), targets).await;
    rules
        .set_rule_state(&bus, &name, RunState::Disabled)
        .await
        .unwrap();
    assert_eq!(advance(&rules, 600).await, 0);
    // Enabled again it counts from then on: what it was disabled for is not missed.
    rules
        .set_rule_state(&bus, &name, RunState::Enabled)
        .await
        .unwrap();
    assert_eq!(advance(&rules, 60).await, 1);
    let has_targets = rules.delete_rule(&bus, &name).await;
    assert!(matches!(has_targets, Err(RuleError::Invalid(_))));
    rules
        .remove_targets(&bus, &name, &["t".parse().unwrap()])
        .await
        .unwrap();
    rules.delete_rule(&bus, &name).await.unwrap();
    rules.delete_rule(&bus, &name).await.unwrap();
    assert_eq!(advance(&rules, 600).await, 0);
    assert_eq!(accepted(&rules).await.len(), 1);
}

#[tokio::test]
async fn putting_the_same_rule_again_does_not_put_off_its_rate() {
    let place = Place::new(Missed::Once);
    let rules = place.open("2026-11-21T02:00:00Z");
    let targets = vec![target("t", FUNCTION, InputText::default())];
    put(&rules, rule("warm", None, Some("rate(4 minutes)")), targets).await;
    for _ in 0..4 {
        advance(&rules, 60).await;
        rules
            .put_rule(rule("warm", None, Some("rate(4 minutes)")))
            .await
            .unwrap();
    }
    assert_eq!(times(&rules).await, ["2026-11-21T02:04:00Z"]);
    // Another expression begins anew.
    rules
        .put_rule(rule("warm", None, Some("rate(5 minutes)")))
        .await
        .unwrap();
    advance(&rules, 300).await;
    assert_eq!(times(&rules).await, ["2026-11-21T02:09:00Z"]);
}

#[tokio::test]
async fn schedules_put_their_occasion_into_their_input() {
    let place = Place::new(Missed::Once);
    let rules = place.open("2026-11-21T02:00:00Z");
    let mut new = schedule("nightly", "cron(30 3 * * ? *)");
    new.zone = Some("Europe/Berlin".to_owned());
    new.target.input = Some(
        json!({
            "at": "<aws.scheduler.scheduled-time>", "arn": "<aws.scheduler.schedule-arn>",
            "try": "<aws.scheduler.attempt-number>", "run": "<aws.scheduler.execution-id>",
        })
        .to_string(),
    );
    rules.create_schedule(new).await.unwrap();
    advance(&rules, 3600).await;
    let events = accepted(&rules).await;
    let payload = payload(&events[0]);
    assert_eq!(payload["at"], "2026-11-21T02:30:00Z");
    assert_eq!(
        payload["arn"],
        "arn:aws:scheduler:us-east-1:123456789012:schedule/default/nightly"
    );
    assert_eq!(payload["try"], "1");
    assert!(!payload["run"].as_str().unwrap().contains('<'));
    let source = events[0].event.source.clone().unwrap();
    assert_eq!(
        (source.service.as_str(), source.role.as_deref()),
        ("scheduler.amazonaws.com", Some(ROLE))
    );
    assert_eq!(source.subject, "schedule nightly at 2026-11-21T02:30:00Z");
    assert_eq!(events.len(), 1);
}

#[tokio::test]
async fn a_schedule_without_input_tells_what_it_is() {
    let place = Place::new(Missed::Once);
    let rules = place.open("2026-11-21T02:00:00Z");
    // A rate without a start runs at once.
    rules
        .create_schedule(schedule("s", "rate(1 hours)"))
        .await
        .unwrap();
    advance(&rules, 0).await;
    let events = accepted(&rules).await;
    let payload = payload(&events[0]);
    assert_eq!(payload["source"], "aws.scheduler");
    assert_eq!(payload["detail"], "{}");
    assert_eq!(payload["time"], "2026-11-21T02:00:00Z");
}

#[tokio::test]
async fn the_call_of_an_api_is_a_target_too() {
    let place = Place::new(Missed::Once);
    let rules = place.open("2026-11-21T02:00:00Z");
    let mut new = schedule("s", "rate(1 hour)");
    new.target.arn = "arn:aws:scheduler:::aws-sdk:lambda:invoke".to_owned();
    let input = json!({ "FunctionName": "g:1", "InvocationType": "RequestResponse", "Payload": "{\"a\":1}" });
    new.target.input = Some(input.to_string());
    rules.create_schedule(new.clone()).await.unwrap();
    advance(&rules, 0).await;
    let event = accepted(&rules).await.remove(0).event;
    assert_eq!(
        (event.function.as_str(), &event.payload[..]),
        ("g", &b"{\"a\":1}"[..])
    );
    // A synchronous call is over whatever the function answers.
    assert_eq!(event.retry.map(|retry| retry.max_retries), Some(0));
    for bad in [
        None,
        Some("[]"),
        Some("{}"),
        Some("{\"FunctionName\": \"a b\"}"),
    ] {
        new.name = "other".parse().unwrap();
        new.target.input = bad.map(str::to_owned);
        let refused = rules.create_schedule(new.clone()).await;
        assert!(matches!(refused, Err(ScheduleError::Invalid(_))), "{bad:?}");
    }
}

#[tokio::test]
async fn a_completed_schedule_goes_if_it_is_to() {
    let place = Place::new(Missed::Once);
    let rules = place.open("2026-11-21T02:00:00Z");
    for (name, delete) in [("goes", true), ("stays", false)] {
        let mut new = schedule(name, "at(2026-11-21T02:10:00)");
        new.delete_when_complete = delete;
        rules.create_schedule(new).await.unwrap();
    }
    let mut ending = schedule("ending", "rate(10 minutes)");
    ending.end = Some(at("2026-11-21T02:25:00Z"));
    ending.delete_when_complete = true;
    rules.create_schedule(ending).await.unwrap();
    assert_eq!(advance(&rules, 3600).await, 2 + 3);
    let names = |rules: &Rules| {
        let all = rules.schedules(None, "", None).unwrap();
        all.iter()
            .map(|schedule| schedule.name.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&rules), ["stays"]);
    close(rules).await;
    let rules = place.open("2026-11-21T03:00:00Z");
    assert_eq!(names(&rules), ["stays"]);
    advance(&rules, 86_400).await;
    assert_eq!(accepted(&rules).await.len(), 5);
}

#[tokio::test]
async fn a_window_moves_the_run_but_not_its_time() {
    let place = Place::new(Missed::Once);
    let rules = place.open("2026-11-21T02:30:00Z");
    let mut new = schedule("s", "cron(0 * * * ? *)");
    new.window_minutes = Some(15);
    rules.create_schedule(new).await.unwrap();
    let next = rules.upcoming()[0].next.unwrap();
    assert!(next >= at("2026-11-21T03:00:00Z") && next < at("2026-11-21T03:15:00Z"));
    let seconds = u64::try_from((next.0 - rules.clock().now().0) / 1000).unwrap();
    assert_eq!(advance(&rules, seconds - 1).await, 0);
    assert_eq!(advance(&rules, 1).await, 1);
    assert_eq!(times(&rules).await, ["2026-11-21T03:00:00Z"]);
}

#[tokio::test]
async fn a_full_queue_makes_runs_wait() {
    let mut place = Place::new(Missed::Once);
    place.limit = 2;
    let rules = place.open("2026-11-21T02:00:00Z");
    let targets = vec![target("t", FUNCTION, InputText::default())];
    put(&rules, rule("r", None, Some("rate(1 minute)")), targets).await;
    advance(&rules, 120).await;
    assert!(rules.advance(Duration::from_mins(1)).await.is_err());
    assert_eq!(rules.clock().now(), at("2026-11-21T02:02:00Z"));
    assert_eq!(accepted(&rules).await.len(), 2);
    advance(&rules, 60).await;
    assert_eq!(times(&rules).await, ["2026-11-21T02:03:00Z"]);
}

#[tokio::test]
async fn the_loop_runs_what_becomes_due() {
    let place = Place::new(Missed::Once);
    let rules = Arc::new(place.open("2026-11-21T02:00:00Z"));
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let (rules, stop) = (rules.clone(), stop.clone());
        async move { rules.run(stop).await }
    });
    // Its first run is now: the loop finds it without being asked.
    rules
        .create_schedule(schedule("s", "rate(1 hour)"))
        .await
        .unwrap();
    rules.store.events().arrival().await;
    assert_eq!(times(&rules).await, ["2026-11-21T02:00:00Z"]);
    stop.cancel();
    running.await.unwrap();
}
