//! JSON as the client in base R has it, and as jsonlite has it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::path::Path;

use common::{dump, files, r};
use rdata::json::{JsonError, from_json, to_json};
use rdata::{Data, Limits, Value};

const CLIENT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../guests/r/squall_runtime.R"
);

/// All three agree on these.
const TEXTS: [&str; 72] = [
    "null",
    "true",
    "1",
    "-5",
    "0",
    "1.0",
    "1.5",
    "1e2",
    "1E-2",
    "2147483647",
    "-2147483647",
    "-2147483648",
    "2147483648",
    "12345678901",
    "9007199254740993",
    "123456789012345678901234567890",
    "0.1",
    "3.141592653589793",
    "5e-324",
    "1.7976931348623157e308",
    "0.30000000000000004",
    r#""a""#,
    r#""""#,
    r#""grüß 😀""#,
    r#""\u00e9\ud83d\ude00""#,
    r#""\"\\\/\b\f\n\r\t""#,
    "[]",
    "{}",
    "[null]",
    "[null,null]",
    "[null,1]",
    "[1,2,3]",
    "[1,2.5]",
    "[1,2147483648]",
    "[true,false,null]",
    "[true,1]",
    "[true,1.5]",
    r#"["a",null]"#,
    r#"[1,"a"]"#,
    r#"[true,"a",0.1,100000,1e5,null,1e15,123456.789,0.3333333333333333]"#,
    "[[]]",
    "[[],[]]",
    "[[1],[2]]",
    "[[1,2],[3,4]]",
    "[[1,2],3]",
    r#"[1,[2],{"a":3}]"#,
    r#"{"a":1}"#,
    r#"{"a":null}"#,
    r#"{"a":[]}"#,
    r#"{"a":{}}"#,
    r#"{"a":1,"b":"x","c":[1,2],"d":{"e":true}}"#,
    r#"{"a":1,"a":2}"#,
    r#"{"":1}"#,
    r#"[{"a":1}]"#,
    r#"[{"a":1},{"a":2}]"#,
    r#"[{"a":1,"b":"x"},{"a":2.5,"b":null}]"#,
    r#"[{"a":1},{"b":"x"}]"#,
    r#"[{"a":1,"b":2},{"b":3,"a":4}]"#,
    r#"[{"a":1,"b":2},{"a":3}]"#,
    r#"[{"a":1},{"a":2,"b":3},{"c":true}]"#,
    r#"[{"a":null}]"#,
    r#"[{"a":null},{"a":1}]"#,
    r#"[{"a":true},{"a":"x"}]"#,
    r#"{"rows":[{"id":1,"v":0.5},{"id":2,"v":1.5}],"n":2}"#,
    " [ 1 , 2 ] ",
    r#"{"gre":800,"gpa":4,"rank":"1"}"#,
    r#"{"body":"{\"gre\":800}","headers":{"x":"y"},"isBase64Encoded":false}"#,
    "[{},{}]",
    "[[true],[false]]",
    r#"[["a","b"],["c"]]"#,
    "[[1,2],[3.5]]",
    r#"{"squall":{"warm":true}}"#,
];

/// Here jsonlite goes further, or takes "NA" for NA.
const OWN: [&str; 12] = [
    r#"["NA"]"#,
    r#"["NA",1]"#,
    r#"[{"a":[1]},{"a":[2]}]"#,
    r#"[{"a":{"b":1}},{"a":{"b":2}}]"#,
    r#"[{"a":1},null]"#,
    r#"[{"a":1},[2]]"#,
    r#"[{"a":1,"b":[1,2]},{"a":2,"b":[3]}]"#,
    r#"[{"a":1},{"a":2,"b":{}}]"#,
    r#"[{"a":1,"b":2},{"a":3,"b":4},5]"#,
    r#"[5,{"a":1}]"#,
    r#"[{"a":1,"a":2},{"a":3}]"#,
    r#"[[{"a":1}],[{"a":2}]]"#,
];

const BROKEN: [&str; 12] = [
    "",
    " ",
    "[1,",
    "[1,]",
    r#"{"a"}"#,
    r#"{"a":}"#,
    "{,}",
    "nul",
    "[1 2]",
    r#""open"#,
    "1 2",
    r#"{"a":1}}"#,
];

#[test]
fn json_is_read_and_written_as_in_r() {
    let folder = tempfile::tempdir().unwrap();
    let texts: Vec<&str> = TEXTS.into_iter().chain(OWN).chain(BROKEN).collect();
    std::fs::write(folder.path().join("texts"), texts.join("\n") + "\n").unwrap();
    if !r("json.R", &[folder.path(), Path::new(CLIENT)]) {
        return;
    }
    let lines = |name: &str| {
        let text = std::fs::read_to_string(folder.path().join(name)).unwrap();
        text.lines().map(String::from).collect::<Vec<_>>()
    };
    let (client, jsonlite) = (lines("client"), lines("jsonlite"));
    assert_eq!(client.len(), texts.len());
    let mut wrong = vec![];
    for (at, text) in texts.iter().enumerate() {
        let own = from_json(text.as_bytes()).map_or_else(|_| "error".into(), |value| dump(&value));
        let same = at >= TEXTS.len() || ["none", &own].contains(&&*jsonlite[at]);
        if own != client[at] || !same {
            wrong.push(format!(
                "{text}\n  ours     {own}\n  client   {}\n  jsonlite {}",
                client[at], jsonlite[at]
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    values_as_json(folder.path());
}

fn values_as_json(folder: &Path) {
    let parsed = |json: &[u8]| -> Option<serde_json::Value> { serde_json::from_slice(json).ok() };
    let mut wrong = vec![];
    let files = files(folder, "rds");
    assert!(files.len() > 90, "only {}", files.len());
    for file in files {
        let value = rdata::read(&std::fs::read(&file).unwrap(), &Limits::default()).unwrap();
        let own = to_json(&value).unwrap_or_else(|_| b"error".to_vec());
        let theirs = std::fs::read(file.with_extension("txt")).unwrap();
        let theirs = theirs.trim_ascii_end();
        let same = match (parsed(&own), parsed(theirs)) {
            (Some(own), Some(theirs)) => same(&own, &theirs),
            _ => own == b"error" && theirs == b"error",
        };
        if !same {
            wrong.push(format!(
                "{}\n  {:.500}\n  {:.500}",
                file.display(),
                String::from_utf8_lossy(&own),
                String::from_utf8_lossy(theirs)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Numbers by their value: R writes the shorter of 15 and 17 digits.
fn same(a: &serde_json::Value, b: &serde_json::Value) -> bool {
    use serde_json::Value::{Array, Number, Object};
    match (a, b) {
        (Number(a), Number(b)) => a.as_f64() == b.as_f64(),
        (Array(a), Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Object(a), Object(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|((k, a), (l, b))| k == l && same(a, b))
        }
        (a, b) => a == b,
    }
}

#[test]
fn numbers_keep_all_their_bits() {
    let numbers = [
        0.1,
        1.0 / 3.0,
        5e-324,
        f64::MAX,
        2f64.powi(53) + 2.0,
        1e23,
        -0.0,
    ];
    let value = Value::from(Data::Real(numbers.to_vec()));
    let back = from_json(&to_json(&value).unwrap())
        .unwrap()
        .numbers()
        .unwrap();
    // As integers where they are whole: -0 is the only one here that is.
    let bits = |numbers: &[f64]| numbers.iter().map(|n| n.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&back), bits(&numbers));
}

#[test]
fn texts_have_no_zeros() {
    let value = from_json(br#"["a\u0000b"]"#).unwrap();
    assert_eq!(value, Value::strings(["a\u{FFFD}b"]));
}

#[test]
fn rows_with_ever_new_fields_are_refused() {
    let rows: Vec<_> = (0..10_000).map(|row| format!("{{\"f{row}\":1}}")).collect();
    let error = from_json(format!("[{}]", rows.join(",")).as_bytes()).unwrap_err();
    assert!(matches!(error, JsonError::TooManyCells(_)), "{error:?}");
    assert!(
        error.to_string().contains("10000 different fields"),
        "{error}"
    );
}

#[test]
fn depth_is_limited() {
    let deep = "[".repeat(100_000);
    from_json(deep.as_bytes()).unwrap_err();
    let deep = "{\"a\":".repeat(100_000);
    from_json(deep.as_bytes()).unwrap_err();
}

#[test]
fn long_sequences_are_not_written_out() {
    let value = Value::from(Data::RealSequence {
        first: 1.0,
        step: 1.0,
        length: 1 << 52,
    });
    let error = to_json(&value).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the JSON would be longer than 268435456 bytes"
    );
}
