//! What events run, and what is kept.

use super::*;

fn entry(source: &str, detail: &Value) -> NewEntry {
    NewEntry {
        source: Some(source.to_owned()),
        detail_type: Some("order".to_owned()),
        detail: Some(detail.to_string()),
        trace: Some("Root=1-x".to_owned()),
        ..NewEntry::default()
    }
}

#[tokio::test]
async fn events_run_the_rules_that_want_them() {
    let place = Place::new(Missed::Once);
    let rules = place.open("2026-11-21T02:00:00Z");
    let cheap = json!({ "source": ["shop"], "detail": { "price": [{ "numeric": ["<", 10] }] } });
    let detail = InputText {
        path: Some("$.detail".to_owned()),
        ..InputText::default()
    };
    let targets = vec![
        target("whole", FUNCTION, InputText::default()),
        target(
            "part",
            &FUNCTION.replace("function:f", "function:g"),
            detail,
        ),
    ];
    put(&rules, rule("cheap", Some(cheap), None), targets).await;
    let off = NewRule {
        state: RunState::Disabled,
        ..rule("off", Some(json!({ "source": ["shop"] })), None)
    };
    put(
        &rules,
        off,
        vec![target("t", FUNCTION, InputText::default())],
    )
    .await;
    assert_eq!(rules.routes(&BusName::standard(), None).most(), 2);
    assert_eq!(rules.routes(&BusName::standard(), Some("aws.s3")).most(), 0);

    let entries = vec![
        entry("shop", &json!({ "price": 5 })),
        entry("shop", &json!({ "price": 50 })),
        NewEntry {
            source: None,
            ..entry("", &json!({}))
        },
        NewEntry {
            detail: Some("[]".to_owned()),
            ..entry("shop", &json!({}))
        },
        entry("aws.s3", &json!({})),
        NewEntry {
            bus: Some("nowhere".parse().unwrap()),
            ..entry("shop", &json!({ "price": 5 }))
        },
    ];
    let answers = rules.put_events(entries).await.unwrap();
    let taken: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(taken, [true, true, false, false, false, true]);
    let events = accepted(&rules).await;
    assert_eq!(events.len(), 2);
    let by_function = |name: &str| {
        let found = events
            .iter()
            .find(|event| event.event.function.as_str() == name);
        found.unwrap()
    };
    assert_eq!(payload(by_function("g")), json!({ "price": 5 }));
    let whole = payload(by_function("f"));
    assert_eq!(whole["id"].as_str(), answers[0].as_deref().ok());
    assert_eq!(whole["time"], "2026-11-21T02:00:00Z");
    assert_eq!(by_function("f").event.trace_id.as_deref(), Some("Root=1-x"));
    let subject = by_function("f").event.source.clone().unwrap().subject;
    assert_eq!(subject, "order from shop");

    let noted = rules.store.deliveries().recent(10).await.unwrap();
    let unwanted = noted.iter().filter(|delivery| delivery.function.is_none());
    assert_eq!(unwanted.count(), 2);
}

#[tokio::test]
async fn a_full_queue_takes_no_event() {
    let mut place = Place::new(Missed::Once);
    place.limit = 1;
    let rules = place.open("2026-11-21T02:00:00Z");
    let targets = vec![target("t", FUNCTION, InputText::default())];
    put(
        &rules,
        rule("r", Some(json!({ "source": ["shop"] })), None),
        targets,
    )
    .await;
    let entries = vec![entry("shop", &json!({})), entry("shop", &json!({}))];
    let answers = rules.put_events(entries).await.unwrap();
    assert!(answers.iter().all(Result::is_err));
    assert!(accepted(&rules).await.is_empty());
}

#[tokio::test]
async fn targets_that_cannot_be_called_are_refused_alone() {
    let place = Place::new(Missed::Once);
    let rules = place.open("2026-11-21T02:00:00Z");
    rules
        .put_rule(rule("r", Some(json!({ "source": ["a"] })), None))
        .await
        .unwrap();
    let (bus, name) = (BusName::standard(), "r".parse().unwrap());
    let targets = vec![
        target(
            "queue",
            "arn:aws:sqs:us-east-1:123456789012:q",
            InputText::default(),
        ),
        target(
            "elsewhere",
            &FUNCTION.replace("us-east-1", "eu-west-1"),
            InputText::default(),
        ),
        target("function", FUNCTION, InputText::default()),
    ];
    let refused = rules.put_targets(&bus, &name, targets).await.unwrap();
    let ids: Vec<&str> = refused.iter().map(|refused| refused.id.as_str()).collect();
    assert_eq!(ids, ["queue", "elsewhere"]);
    assert_eq!(rules.rule(&bus, &name).unwrap().targets.len(), 1);
    let more = (0..5).map(|n| target(&format!("t{n}"), FUNCTION, InputText::default()));
    let too_many = rules.put_targets(&bus, &name, more.collect()).await;
    assert!(matches!(too_many, Err(RuleError::TooMany)));
}

#[tokio::test]
async fn all_that_was_made_is_there_after_a_restart() {
    let place = Place::new(Missed::Once);
    let rules = place.open("2026-11-21T02:00:00Z");
    let targets = vec![target("t", FUNCTION, InputText::default())];
    put(
        &rules,
        rule("r", Some(json!({ "source": ["a"] })), Some("rate(1 day)")),
        targets,
    )
    .await;
    rules
        .create_group("g".parse().unwrap(), BTreeMap::new())
        .await
        .unwrap();
    let mut new = schedule("s", "cron(0 0 ? * MON *)");
    new.group = "g".parse().unwrap();
    new.zone = Some("Asia/Tokyo".to_owned());
    rules.create_schedule(new).await.unwrap();
    let (bus, name) = (BusName::standard(), "r".parse().unwrap());
    let (rule_before, upcoming) = (rules.rule(&bus, &name).unwrap(), rules.upcoming());
    close(rules).await;
    let rules = place.open("2026-11-21T02:00:00Z");
    assert_eq!(rules.rule(&bus, &name).unwrap(), rule_before);
    assert_eq!(rules.upcoming(), upcoming);
    assert_eq!(upcoming[0].next, Some(at("2026-11-22T02:00:00Z")));
    assert_eq!(upcoming[1].next, Some(at("2026-11-22T15:00:00Z")));

    rules.delete_group(&"g".parse().unwrap()).await.unwrap();
    close(rules).await;
    let rules = place.open("2026-11-21T02:00:00Z");
    assert_eq!(rules.upcoming().len(), 1);
}

#[tokio::test]
async fn a_run_by_hand_leaves_the_timetable_as_it_is() {
    let place = Place::new(Missed::Once);
    let rules = place.open("2026-11-21T02:00:00Z");
    let targets = vec![target("t", FUNCTION, InputText::default())];
    put(&rules, rule("same", None, Some("rate(1 hour)")), targets).await;
    rules
        .create_schedule(schedule("same", "at(2026-12-01T00:00:00)"))
        .await
        .unwrap();
    let before = rules.upcoming();
    let ambiguous = rules.run_now("same", None, None).await;
    assert!(matches!(ambiguous, Err(RunError::Ambiguous(_))));
    let ran = rules
        .run_now("same", Some(RunKind::Schedule), None)
        .await
        .unwrap();
    assert_eq!(ran.request_ids.len(), 1);
    let ran = rules
        .run_now("same", Some(RunKind::Rule), None)
        .await
        .unwrap();
    assert_eq!(ran.kind, RunKind::Rule);
    let missing = rules.run_now("other", None, None).await;
    assert!(matches!(missing, Err(RunError::NotFound(_))));
    assert_eq!(accepted(&rules).await.len(), 2);
    assert_eq!(rules.upcoming(), before);
}
