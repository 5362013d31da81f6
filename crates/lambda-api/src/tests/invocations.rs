//! Invocations, as far as they are decided before a function runs, and the
//! frames of a streamed answer.

use super::*;

async fn invoke(wire: &Wire, name: &str, headers: &[(&str, &str)], body: &'static [u8]) -> Reply {
    let mut request = Request::post(format!("/2015-03-31/functions/{name}/invocations"));
    for (header, value) in headers {
        request = request.header(*header, *value);
    }
    wire.send(request.body(Bytes::from_static(body)).unwrap())
        .await
}

const DRY: (&str, &str) = ("x-amz-invocation-type", "DryRun");
const EVENT: (&str, &str) = ("x-amz-invocation-type", "Event");

#[tokio::test]
async fn dry_runs_and_events_answer_without_a_body() {
    let wire = Wire::new().await;
    wire.create("f", json!({})).await;
    let dry = invoke(&wire, "f", &[DRY], b"").await;
    assert_eq!(dry.status, StatusCode::NO_CONTENT);
    let event = invoke(&wire, "f:$LATEST", &[EVENT], b"{}").await;
    assert_eq!(event.status, StatusCode::ACCEPTED);
    assert!(event.bytes.is_empty());
    assert!(event.headers.contains_key("x-amzn-requestid"));
    let legacy = Request::post("/2014-11-13/functions/f/invoke-async/").body(Bytes::from("1"));
    assert_eq!(
        wire.send(legacy.unwrap()).await.status,
        StatusCode::ACCEPTED
    );
}

#[tokio::test]
async fn what_cannot_be_invoked_is_refused() {
    let wire = Wire::new().await;
    wire.create("f", json!({})).await;
    let mut seen = String::new();
    let context = "!".repeat(3_584);
    for (name, header, body) in [
        ("none", DRY, &b"{}"[..]),
        ("f:live", DRY, b"{}"),
        ("f", DRY, b"{"),
        ("f", DRY, b"\"\xff\""),
        ("f", ("x-amz-invocation-type", "Never"), b""),
        ("f", ("x-amz-log-type", "Head"), b""),
        ("f", ("x-amz-client-context", "e30"), b""),
        ("f", ("x-amz-client-context", "MQ=="), b""),
        ("f", ("x-amz-client-context", &context), b""),
    ] {
        let reply = invoke(&wire, name, &[header], body).await;
        seen.push_str(&reply.refusal());
        seen.push('\n');
    }
    assert_snapshot!(seen, @r#"
    404 ResourceNotFoundException: Function not found: arn:aws:lambda:us-east-1:123456789012:function:none:$LATEST
    404 ResourceNotFoundException: Function not found: arn:aws:lambda:us-east-1:123456789012:function:f:live
    400 InvalidRequestContentException: Could not parse request body into json: Could not parse payload into json: EOF while parsing an object at line 1 column 1
    400 InvalidRequestContentException: Could not parse request body into json: Could not parse payload into json: invalid utf-8 sequence of 1 bytes from index 1
    400 ValidationException: 1 validation error detected: Value 'Never' at 'invocationType' failed to satisfy constraint: Member must satisfy enum value set: [Event, RequestResponse, DryRun]
    400 ValidationException: 1 validation error detected: Value 'Head' at 'logType' failed to satisfy constraint: Member must satisfy enum value set: [None, Tail]
    400 InvalidRequestContentException: Client context must be a valid Base64-encoded JSON object.
    400 InvalidRequestContentException: Client context must be a valid Base64-encoded JSON object.
    400 InvalidRequestContentException: Client context must be no more than 3583 bytes.
    "#);
}

#[tokio::test]
async fn too_large_payloads_are_refused_by_kind() {
    let wire = Wire::new().await;
    wire.create("f", json!({})).await;
    let megabytes = |n: usize| Box::leak(vec![b'1'; n * 1024 * 1024 + 1].into_boxed_slice());
    let event = invoke(&wire, "f", &[EVENT], megabytes(1)).await;
    assert_eq!(
        event.refusal(),
        "413 RequestTooLargeException: 1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)"
    );
    let dry = invoke(&wire, "f", &[DRY], megabytes(6)).await;
    assert_eq!(dry.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_stream_becomes_frames() {
    let (sender, chunks) = tokio::sync::mpsc::channel(4);
    let events = [
        StreamEvent::Chunk(Bytes::from_static(b"ab")),
        StreamEvent::Chunk(Bytes::from(vec![0; 1024 * 1024 + 1])),
        StreamEvent::End {
            error: Some(("Oops".to_owned(), "it broke".to_owned())),
            log_tail: Bytes::from_static(b"log"),
        },
    ];
    for event in events {
        sender.send(event).await.unwrap();
    }
    let stream = ResponseStream {
        request_id: RequestId::random(),
        version: Version::Number(3),
        content_type: None,
        chunks,
    };
    let reply = reply(stream::answer(stream, true)).await;
    assert_eq!(reply.headers["x-amz-executed-version"], "3");
    assert_eq!(
        reply.headers["content-type"],
        "application/vnd.amazon.eventstream"
    );
    let text = String::from_utf8_lossy(&reply.bytes);
    assert_eq!(text.matches("PayloadChunk").count(), 3);
    assert!(text.contains(r#"{"ErrorCode":"Oops","ErrorDetails":"it broke","LogResult":"bG9n"}"#));
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_an_error() {
    let (sender, chunks) = tokio::sync::mpsc::channel(1);
    sender
        .send(StreamEvent::Chunk(Bytes::from_static(b"ab")))
        .await
        .unwrap();
    drop(sender);
    let stream = ResponseStream {
        request_id: RequestId::random(),
        version: Version::Latest,
        content_type: None,
        chunks,
    };
    assert!(
        stream::answer(stream, false)
            .into_body()
            .collect()
            .await
            .is_err()
    );
}
