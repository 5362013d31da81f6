//! Tables of inputs.

use serde_json::json;

use super::*;

fn event() -> Value {
    json!({
        "version": "0",
        "detail-type": "order",
        "source": "shop",
        "detail": {
            "id": "i-1",
            "quote": "say \"hi\"",
            "n": 4.5,
            "on": true,
            "items": [{ "name": "a" }, { "name": "b" }],
            "tags": ["HIGH", "LOW"],
        },
    })
}

fn payload(text: InputText) -> Result<String, NotJson> {
    let event = event();
    Input::new(text).unwrap().payload(&Occasion {
        event: &event,
        rule_arn: "arn:aws:events:us-east-1:123456789012:rule/r",
        rule_name: "r",
        ingested: Timestamp(1_700_000_000_999),
    })
}

fn part(path: &str) -> String {
    let path = Some(path.to_owned());
    payload(InputText {
        path,
        ..InputText::default()
    })
    .unwrap()
}

fn transformer(template: &str) -> InputText {
    let paths = [
        ("id", "$.detail.id"),
        ("quote", "$.detail.quote"),
        ("n", "$.detail.n"),
        ("on", "$.detail.on"),
        ("tags", "$.detail.tags"),
        ("first", "$.detail.items[0]"),
        ("gone", "$.detail.gone"),
    ];
    InputText {
        transformer: Some(Transformer {
            paths: paths
                .map(|(name, path)| (name.to_owned(), path.to_owned()))
                .into(),
            template: template.to_owned(),
        }),
        ..InputText::default()
    }
}

#[test]
fn without_an_input_the_event_comes_whole() {
    let whole: Value = serde_json::from_str(&payload(InputText::default()).unwrap()).unwrap();
    assert_eq!(whole, event());
}

#[test]
fn a_constant_comes_as_it_was_written() {
    let constant = Some("{ \"b\":1,  \"a\":2 }".to_owned());
    let text = InputText {
        constant: constant.clone(),
        ..InputText::default()
    };
    assert_eq!(payload(text).ok(), constant);
}

#[test]
fn paths_find_parts() {
    for (path, expected) in [
        ("$.detail.id", "\"i-1\""),
        ("$.detail-type", "\"order\""),
        ("$.detail.items[1].name", "\"b\""),
        ("$.detail.items[*].name", r#"["a","b"]"#),
        ("$.detail.items.*.name", r#"["a","b"]"#),
        ("$.detail.tags", r#"["HIGH","LOW"]"#),
        ("$.detail.gone.deep", "null"),
        ("$.detail.items[9]", "null"),
        ("$.detail.id.x", "null"),
    ] {
        assert_eq!(part(path), expected, "{path}");
    }
}

#[test]
fn templates_are_filled_in() {
    for (template, expected) in [
        (
            r#"{"id": <id>, "n": <n>, "on": <on>}"#,
            r#"{"id": "i-1", "n": 4.5, "on": true}"#,
        ),
        (
            r#"{"text": "<id> is <on>, \"<n>\""}"#,
            r#"{"text": "i-1 is true, \"4.5\""}"#,
        ),
        (
            r#"{"first": <first>, "tags": [<tags>, 1]}"#,
            r#"{"first": {"name":"a"}, "tags": [["HIGH","LOW"], 1]}"#,
        ),
        // Quotation marks of the event do not end a text.
        (
            r#"{"q": <quote>, "r": "<quote>"}"#,
            r#"{"q": "say \"hi\"", "r": "say \"hi\""}"#,
        ),
        // What is not there is an empty text.
        (r#"{"g": <gone>, "h": "<gone>"}"#, r#"{"g": "", "h": ""}"#),
        // In a text, objects and lists lose their quotation marks.
        (
            r#""<id> has <tags> and <first>""#,
            r#""i-1 has [HIGH,LOW] and {name:a}""#,
        ),
        (
            r#"{"a": 1 , "b": "x < y > z"}"#,
            r#"{"a": 1 , "b": "x < y > z"}"#,
        ),
        ("<first>", r#"{"name":"a"}"#),
        ("[<id>, <id>]", r#"["i-1", "i-1"]"#),
        (
            r#"{"arn": <aws.events.rule-arn>, "name": "<aws.events.rule-name>", "at": <aws.events.event.ingestion-time>}"#,
            r#"{"arn": "arn:aws:events:us-east-1:123456789012:rule/r", "name": "r", "at": "2023-11-14T22:13:20Z"}"#,
        ),
        (
            "<aws.events.event>",
            r#"{"detailType":"order","source":"shop","version":"0"}"#,
        ),
    ] {
        assert_eq!(
            payload(transformer(template)).unwrap(),
            expected,
            "{template}"
        );
    }
    let all = payload(transformer("{\"all\": <aws.events.event.json>}")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&all).unwrap()["all"], event());
}

#[test]
fn what_does_not_become_json_is_not_sent() {
    for template in [
        "<id> is no JSON",
        r#"{"tags": "<tags>"}"#,
        "\"<id>\"\n\"<id>\"",
    ] {
        assert_eq!(payload(transformer(template)), Err(NotJson), "{template}");
    }
}

#[test]
fn wrong_inputs_are_refused() {
    let constant = |text: &str| InputText {
        constant: Some(text.to_owned()),
        ..InputText::default()
    };
    assert_eq!(Input::new(constant("{")), Err(BadInput::NotJson));
    let both = InputText {
        path: Some("$".to_owned()),
        ..constant("1")
    };
    assert_eq!(Input::new(both), Err(BadInput::TooMany));
    for bad in [
        "", "detail", "$detail", "$.", "$..a", "$.a[", "$.a[x]", "$.a]", "$['a']",
    ] {
        let path = InputText {
            path: Some(bad.to_owned()),
            ..InputText::default()
        };
        assert_eq!(
            Input::new(path),
            Err(BadInput::BadPath(bad.to_owned())),
            "{bad}"
        );
    }
    let undefined = Input::new(transformer("{\"a\": <nobody>}"));
    assert_eq!(undefined, Err(BadInput::Undefined("nobody".to_owned())));
    let mut reserved = transformer("{}");
    let paths = reserved.transformer.iter_mut();
    paths.for_each(|transformer| {
        transformer
            .paths
            .insert("AWS-x".to_owned(), "$.detail".to_owned());
    });
    assert_eq!(
        Input::new(reserved),
        Err(BadInput::BadVariable("AWS-x".to_owned()))
    );
}

#[test]
fn what_was_stored_is_read_again() {
    let input = Input::new(transformer("{\"a\": <id>}")).unwrap();
    let text = serde_json::to_string(&input).unwrap();
    assert_eq!(serde_json::from_str::<Input>(&text).unwrap(), input);
}
