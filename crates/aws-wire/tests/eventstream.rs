//! Frames against those that botocore's parser reads (`vectors/make.py`).

use aws_wire::eventstream;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Case {
    headers: Vec<(String, String)>,
    payload: String,
    frame: String,
}

#[test]
fn frames_are_those_that_botocore_reads() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("vectors/eventstream.json")).unwrap();
    for case in cases {
        let headers: Vec<(&str, &str)> = case
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let frame = eventstream::encode(&headers, &hex::decode(&case.payload).unwrap());
        assert_eq!(hex::encode(frame), case.frame);
    }
}

#[test]
fn an_event_is_a_frame_with_three_headers() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("vectors/eventstream.json")).unwrap();
    let chunk = eventstream::event(
        "PayloadChunk",
        "application/octet-stream",
        b"hello \0 world",
    );
    assert_eq!(hex::encode(chunk), cases[1].frame);
}
