//! Tables of patterns and events.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn fits(pattern: &Value, event: &Value) -> bool {
    Pattern::parse(&pattern.to_string()).unwrap().matches(event)
}

fn reason(pattern: &str) -> String {
    Pattern::parse(pattern).unwrap_err().0
}

/// Pairs of a list of matchers and a value of the one field.
#[track_caller]
fn check(matchers: &Value, yes: &[Value], no: &[Value]) {
    let pattern = json!({ "detail": { "x": matchers } });
    for (values, expected) in [(yes, true), (no, false)] {
        for value in values {
            let event = json!({ "detail": { "x": value } });
            assert_eq!(fits(&pattern, &event), expected, "{matchers} {value}");
        }
    }
}

#[test]
fn values_are_compared_as_they_are() {
    check(
        &json!(["a", "b"]),
        &[json!("a"), json!("b")],
        &[json!("A"), json!("ab"), json!(null)],
    );
    check(
        &json!([300]),
        &[json!(300), json!(300.0), json!(3e2)],
        &[json!("300"), json!(301)],
    );
    check(
        &json!([true]),
        &[json!(true)],
        &[json!(false), json!("true")],
    );
    check(
        &json!([null]),
        &[json!(null)],
        &[json!("null"), json!(""), json!([])],
    );
    check(&json!([""]), &[json!("")], &[json!(null), json!("a")]);
}

#[test]
fn lists_match_by_any_element() {
    check(
        &json!(["a"]),
        &[json!(["b", "a"]), json!([["a"]])],
        &[json!(["b"]), json!([])],
    );
    check(
        &json!([{ "prefix": "a" }]),
        &[json!(["b", "ab"])],
        &[json!(["b"])],
    );
}

#[test]
fn texts_are_matched_by_their_parts() {
    check(
        &json!([{ "prefix": "raw/" }]),
        &[json!("raw/x"), json!("raw/")],
        &[json!("Raw/x"), json!(1), json!("xraw/")],
    );
    check(
        &json!([{ "suffix": ".csv" }]),
        &[json!("a.csv")],
        &[json!("a.CSV"), json!("a.csv.gz")],
    );
    check(
        &json!([{ "prefix": { "equals-ignore-case": "RAW" } }]),
        &[json!("raw/x"), json!("RaWx")],
        &[json!("xraw")],
    );
    check(
        &json!([{ "suffix": { "equals-ignore-case": ".Csv" } }]),
        &[json!("a.CSV")],
        &[json!("a.csv2")],
    );
    check(
        &json!([{ "equals-ignore-case": "Über" }]),
        &[json!("ÜBER"), json!("über")],
        &[json!("uber"), json!("übers")],
    );
    check(
        &json!([{ "prefix": "" }]),
        &[json!(""), json!("x")],
        &[json!(1)],
    );
}

#[test]
fn stars_stand_for_anything() {
    check(
        &json!([{ "wildcard": "dir/*.png" }]),
        &[json!("dir/a.png"), json!("dir/.png"), json!("dir/a/b.png")],
        &[json!("dir/a.pngx"), json!("xdir/a.png")],
    );
    check(
        &json!([{ "wildcard": "*ab*ab" }]),
        &[json!("abab"), json!("xabyab")],
        &[json!("ab"), json!("xabab_")],
    );
    check(
        &json!([{ "wildcard": "a*a" }]),
        &[json!("aa"), json!("aba")],
        &[json!("a")],
    );
    check(
        &json!([{ "wildcard": "*" }]),
        &[json!(""), json!("x")],
        &[json!(1)],
    );
    check(&json!([{ "wildcard": "" }]), &[json!("")], &[json!("x")]);
    check(
        &json!([{ "wildcard": r"a\*\\*" }]),
        &[json!(r"a*\x")],
        &[json!("axx")],
    );
}

#[test]
fn anything_but_is_anything_of_any_kind() {
    check(
        &json!([{ "anything-but": "a" }]),
        &[json!("b"), json!(null), json!(1), json!(["a", "b"])],
        &[json!("a"), json!(["a"]), json!([])],
    );
    check(
        &json!([{ "anything-but": [1, 2] }]),
        &[json!(3), json!("1")],
        &[json!(1), json!(2.0)],
    );
    check(
        &json!([{ "anything-but": { "prefix": "in" } }]),
        &[json!("out"), json!(12), json!(null)],
        &[json!("in"), json!("int")],
    );
    check(
        &json!([{ "anything-but": { "suffix": ["a", "b"] } }]),
        &[json!("c")],
        &[json!("xa"), json!("xb")],
    );
    check(
        &json!([{ "anything-but": { "equals-ignore-case": ["Init", "stop"] } }]),
        &[json!("run")],
        &[json!("INIT"), json!("Stop")],
    );
    check(
        &json!([{ "anything-but": { "wildcard": ["*/lib/*", "*.tmp"] } }]),
        &[json!("a/src/b")],
        &[json!("a/lib/b"), json!("x.tmp")],
    );
    // What is not there is nothing that could be different.
    assert!(!fits(
        &json!({ "x": [{ "anything-but": "a" }] }),
        &json!({ "y": 1 })
    ));
}

#[test]
fn numbers_are_compared_with_bounds() {
    check(
        &json!([{ "numeric": [">", 0, "<=", 5] }]),
        &[json!(0.1), json!(5)],
        &[json!(0), json!(5.01), json!("3"), json!(null)],
    );
    check(
        &json!([{ "numeric": ["=", 3.018e2] }]),
        &[json!(301.8)],
        &[json!(301)],
    );
    check(
        &json!([{ "numeric": ["<", 10] }]),
        &[json!(-1e9)],
        &[json!(10)],
    );
    check(
        &json!([{ "numeric": [">=", 10] }]),
        &[json!(10)],
        &[json!(9.999)],
    );
}

#[test]
fn addresses_are_matched_by_blocks() {
    check(
        &json!([{ "cidr": "10.0.0.0/24" }]),
        &[json!("10.0.0.255")],
        &[json!("10.0.1.0"), json!("::1"), json!(10), json!("x")],
    );
    check(
        &json!([{ "cidr": "0.0.0.0/0" }]),
        &[json!("255.1.2.3")],
        &[json!("::1")],
    );
    check(
        &json!([{ "cidr": "2001:db8::/32" }]),
        &[json!("2001:db8:1::1")],
        &[json!("2001:db9::1"), json!("10.0.0.1")],
    );
    check(
        &json!([{ "cidr": "10.1.2.3/32" }]),
        &[json!("10.1.2.3")],
        &[json!("10.1.2.4")],
    );
}

#[test]
fn presence_is_that_of_a_value() {
    let present = json!({ "detail": { "a": { "b": [{ "exists": true }] } } });
    let absent = json!({ "detail": { "a": { "b": [{ "exists": false }] } } });
    for (event, there) in [
        (json!({ "detail": { "a": { "b": null } } }), true),
        (json!({ "detail": { "a": [{ "c": 1 }, { "b": 2 }] } }), true),
        (json!({ "detail": { "a": { "b": [] } } }), false),
        (json!({ "detail": { "a": { "b": { "c": 1 } } } }), false),
        (json!({ "detail": { "a": 1 } }), false),
        (json!({ "detail": {} }), false),
        (json!({}), false),
    ] {
        assert_eq!(fits(&present, &event), there, "{event}");
        assert_eq!(fits(&absent, &event), !there, "{event}");
    }
    let either = json!({ "detail": { "x": [{ "exists": false }, "on"] } });
    assert!(fits(&either, &json!({ "detail": {} })));
    assert!(fits(&either, &json!({ "detail": { "x": "on" } })));
    assert!(!fits(&either, &json!({ "detail": { "x": "off" } })));
}

#[test]
fn all_fields_must_fit() {
    let pattern = json!({ "source": ["shop"], "detail": { "a": [1], "b": { "c": ["x"] } } });
    assert!(fits(
        &pattern,
        &json!({ "source": "shop", "detail": { "a": 1, "b": { "c": "x" } } })
    ));
    assert!(!fits(
        &pattern,
        &json!({ "source": "shop", "detail": { "a": 1, "b": { "c": "y" } } })
    ));
    assert!(!fits(
        &pattern,
        &json!({ "source": "shop", "detail": { "a": 1, "b": "x" } })
    ));
    // A text that holds JSON is a text.
    assert!(!fits(
        &json!({ "detail": { "a": [1] } }),
        &json!({ "detail": "{\"a\": 1}" })
    ));
}

#[test]
fn one_element_of_a_list_must_fit_in_full() {
    let pattern = json!({ "people": { "first": ["Ann"], "last": ["Lee"] } });
    assert!(fits(
        &pattern,
        &json!({ "people": [{ "first": "Bo" }, { "first": "Ann", "last": "Lee" }] })
    ));
    assert!(!fits(
        &pattern,
        &json!({ "people": [{ "first": "Ann", "last": "Kim" }, { "first": "Bo", "last": "Lee" }] })
    ));
}

#[test]
fn dots_in_names_are_paths() {
    let nested = json!({ "detail": { "state": { "status": ["on"] } } });
    let dotted = json!({ "detail": { "state.status": ["on"] } });
    for event in [
        json!({ "detail": { "state": { "status": "on" } } }),
        json!({ "detail": { "state.status": "on" } }),
    ] {
        assert!(fits(&nested, &event), "{event}");
        assert!(fits(&dotted, &event), "{event}");
    }
    assert!(!fits(
        &nested,
        &json!({ "detail": { "state.status": { "status": "on" } } })
    ));
}

#[test]
fn alternatives_need_one_that_fits() {
    let pattern = json!({
        "source": ["s"],
        "$or": [{ "detail": { "n": [{ "numeric": ["<", 10] }] } }, { "detail": { "k": ["v"] }, "time": ["t"] }],
    });
    assert!(fits(
        &pattern,
        &json!({ "source": "s", "detail": { "n": 1 } })
    ));
    assert!(fits(
        &pattern,
        &json!({ "source": "s", "time": "t", "detail": { "k": "v" } })
    ));
    assert!(!fits(
        &pattern,
        &json!({ "source": "s", "detail": { "k": "v" } })
    ));
    assert!(!fits(
        &pattern,
        &json!({ "source": "x", "detail": { "n": 1 } })
    ));
    // As a name it is one like others.
    assert!(fits(
        &json!({ "$or": { "a": [1] } }),
        &json!({ "$or": { "a": 1 } })
    ));
}

#[test]
fn what_is_no_pattern_is_refused_with_the_reason() {
    for (pattern, expected) in [
        (r#"["a"]"#, "Filter is not an object"),
        ("{}", "Empty objects are not allowed"),
        (r#"{"detail": {}}"#, "Empty objects are not allowed"),
        (r#"{"a": []}"#, "Empty arrays are not allowed"),
        (r#"{"a": "b"}"#, "\"a\" must be an object or an array"),
        (
            r#"{"a": [{"PREFIX": "b"}]}"#,
            "Unrecognized match type PREFIX",
        ),
        (
            r#"{"a": [{"prefix": "b", "suffix": "c"}]}"#,
            "Only one key allowed in match expression",
        ),
        (
            r#"{"a": [{"prefix": 1}]}"#,
            "prefix match pattern must be a string",
        ),
        (
            r#"{"a": [{"suffix": ["b"]}]}"#,
            "suffix match pattern must be a string",
        ),
        (
            r#"{"a": [{"wildcard": 1}]}"#,
            "wildcard match pattern must be a string",
        ),
        (
            r#"{"a": [{"wildcard": "a**"}]}"#,
            "Consecutive wildcard characters at pos 2",
        ),
        (
            r#"{"a": [{"wildcard": "a\\b"}]}"#,
            "Invalid escape character at pos 1",
        ),
        (
            r#"{"a": [{"equals-ignore-case": ["b"]}]}"#,
            "equals-ignore-case match pattern must be a string",
        ),
        (
            r#"{"a": [{"exists": 1}]}"#,
            "exists match pattern must be either true or false.",
        ),
        (
            r#"{"a": [{"numeric": 1}]}"#,
            "Value of numeric must be an array.",
        ),
        (
            r#"{"a": [{"numeric": [">", 0, "<"]}]}"#,
            "Value of < must be numeric",
        ),
        (
            r#"{"a": [{"numeric": [">", 0, ">", 1]}]}"#,
            "Bad numeric range operator: >",
        ),
        (
            r#"{"a": [{"numeric": [">", 5, "<", 1]}]}"#,
            "Bottom must be less than top",
        ),
        (
            r#"{"a": [{"cidr": "10.0.0.0"}]}"#,
            "Malformed CIDR, one '/' required",
        ),
        (
            r#"{"a": [{"cidr": "10.0.0.0/x"}]}"#,
            "Malformed CIDR, mask bits must be an integer",
        ),
        (
            r#"{"a": [{"cidr": "10.0.0/8"}]}"#,
            "Nonstandard IP address: 10.0.0",
        ),
        (
            r#"{"a": [{"anything-but": null}]}"#,
            "Value of anything-but must be an array or single string/number value.",
        ),
        (
            r#"{"a": [{"anything-but": ["a", null]}]}"#,
            "Inside anything but list, start|null|boolean is not supported.",
        ),
        (
            r#"{"a": [{"anything-but": {"prefix": ""}}]}"#,
            "Null prefix/suffix not allowed",
        ),
        (
            r#"{"a": [{"anything-but": {"suffix": 1}}]}"#,
            "prefix/suffix match pattern must be a string",
        ),
    ] {
        assert_eq!(reason(pattern), expected, "{pattern}");
    }
    assert!(Pattern::parse("{").is_err());
    assert!(Pattern::parse(&format!("{{\"a\": [\"{}\"]}}", "x".repeat(4096))).is_err());
}

#[test]
fn a_pattern_tells_whether_it_wants_a_source_at_all() {
    let allows = |pattern: Value| {
        Pattern::parse(&pattern.to_string())
            .unwrap()
            .allows("source", "aws.s3")
    };
    assert!(allows(json!({ "source": ["aws.s3"] })));
    assert!(allows(json!({ "source": [{ "prefix": "aws." }] })));
    assert!(allows(json!({ "detail": { "bucket": { "name": ["b"] } } })));
    assert!(!allows(json!({ "source": ["shop"] })));
}

/// Whether a text fits, found by trying every way to spend the stars.
fn slowly(pattern: &[char], text: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['*', rest @ ..] => (0..=text.len()).any(|skip| slowly(rest, &text[skip..])),
        [c, rest @ ..] => text.first() == Some(c) && slowly(rest, &text[1..]),
    }
}

proptest! {
    #[test]
    fn stars_match_as_trying_all_ways_does(pattern in "[ab]{0,2}(\\*[ab]{1,2}){0,3}\\*?", text in "[ab]{0,8}") {
        let quick = fits(&json!({ "x": [{ "wildcard": pattern }] }), &json!({ "x": text }));
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        prop_assert_eq!(quick, slowly(&chars(&pattern), &chars(&text)));
    }
}
