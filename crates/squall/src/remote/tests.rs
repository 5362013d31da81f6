//! Connections and invocations against endpoints that misbehave, and against an
//! engine in this process.

use std::path::Path;

use aws_client::{Client, Patience};
use aws_wire::sigv4::Credentials;
use bytes::Bytes;
use http::{Request, Uri};
use map::run::Exchange;
use server::{Flags, Isolation, Running, Server, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use types::{FunctionErrorKind, Invocation, Invoke, InvokeError, Outcome};

use super::{Function, LambdaInvoke, S3Exchange};
use crate::s3::S3;

fn client(url: &str) -> Client {
    let keys = Credentials {
        access_key: "a".to_owned(),
        secret: "b".to_owned(),
        session_token: None,
    };
    Client::new(url, "us-east-1".to_owned(), keys).unwrap()
}

/// Reads a request with a body of `length` bytes.
async fn request(stream: &mut TcpStream, length: usize) {
    let mut seen = Vec::new();
    let end = loop {
        stream.read_buf(&mut seen).await.unwrap();
        if let Some(end) = seen.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let mut rest = vec![0; end + length - seen.len()];
    stream.read_exact(&mut rest).await.unwrap();
}

async fn invoke(client: &Client, payload: &'static str) -> Result<Outcome, InvokeError> {
    let invocation = Invocation::new("f".parse().unwrap(), payload);
    LambdaInvoke::new(client.clone()).invoke(invocation).await
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_replaced_without_a_word() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(&format!("http://{}", listener.local_addr().unwrap()));
    let endpoint = async {
        for answer in ["1", "2"] {
            let (mut stream, _) = listener.accept().await.unwrap();
            request(&mut stream, 2).await;
            let text = format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{answer}");
            stream.write_all(text.as_bytes()).await.unwrap();
            // It says that it keeps the connection, and closes it.
        }
    };
    let ask = async {
        for answer in ["1", "2"] {
            let outcome = invoke(&client, "{}").await.unwrap();
            assert_eq!(outcome.result.unwrap(), answer);
        }
    };
    tokio::join!(endpoint, ask);
}

#[tokio::test]
async fn what_breaks_off_in_the_middle_is_not_sent_again_by_itself() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(&format!("http://{}", listener.local_addr().unwrap()));
    let endpoint = async {
        for answer in ["", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n12"] {
            let (mut stream, _) = listener.accept().await.unwrap();
            request(&mut stream, 2).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    };
    let ask = async {
        for _ in 0..2 {
            let error = invoke(&client, "{}").await.unwrap_err();
            assert!(matches!(error, InvokeError::Unreachable { .. }), "{error}");
        }
    };
    tokio::join!(endpoint, ask);
}

#[tokio::test]
async fn an_outcome_is_read_with_its_version_log_and_kind_of_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(&format!("http://{}", listener.local_addr().unwrap()));
    let endpoint = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        for head in [
            "x-amz-executed-version: 3\r\nx-amz-log-result: UkVQT1JU",
            "x-amz-function-error: Unhandled",
        ] {
            request(&mut stream, 2).await;
            let body = r#"{"errorType":"Sandbox.Timedout"}"#;
            let length = body.len();
            let text =
                format!("HTTP/1.1 200 OK\r\n{head}\r\ncontent-length: {length}\r\n\r\n{body}");
            stream.write_all(text.as_bytes()).await.unwrap();
        }
    };
    let ask = async {
        let outcome = invoke(&client, "{}").await.unwrap();
        assert_eq!(outcome.version.to_string(), "3");
        assert_eq!(outcome.log_tail, "REPORT");
        assert!(outcome.result.is_ok());
        // Over the same connection: the endpoint takes no other.
        let outcome = invoke(&client, "{}").await.unwrap();
        let failure = outcome.result.unwrap_err();
        assert_eq!(failure.kind, FunctionErrorKind::TimedOut);
    };
    tokio::join!(endpoint, ask);
}

async fn engine(data: &Path) -> (Running, Client) {
    let free = "127.0.0.1:0".parse().unwrap();
    let flags = Flags {
        data: Some(data.to_owned()),
        api: Some(free),
        gateway: Some(free),
        isolation: Some(Isolation::None),
        ..Flags::default()
    };
    let settings = Settings::resolve(flags, []).unwrap();
    let running = Server::start(settings).await.unwrap();
    let (address, keys) = (running.address(), running.credentials().clone());
    let client = Client::new(&address.api, address.region.clone(), keys).unwrap();
    (running, client)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_said_in_the_engines_words() {
    let folder = tempfile::tempdir().unwrap();
    let (running, client) = engine(&folder.path().join("data")).await;
    let error = invoke(&client, "{}").await.unwrap_err();
    let InvokeError::NotFound { arn } = &error else {
        panic!("{error}");
    };
    assert!(arn.contains(":function:f"), "{arn}");
    let name = "f".parse().unwrap();
    let failure = Function::look_up(&client, &name, None).await.unwrap_err();
    assert!(failure.is_missing());
    running.shutdown().await;
}

/// Follows a presigned address as any HTTP client would.
async fn follow(client: &Client, method: &str, url: &str, body: &'static str) -> Bytes {
    let uri: Uri = url.parse().unwrap();
    let request = Request::builder()
        .method(method)
        .uri(uri.path_and_query().unwrap().as_str())
        .header("host", uri.authority().unwrap().as_str())
        .header("content-length", body.len())
        .body(aws_wire::body::full(body))
        .unwrap();
    let sent = client.pool("s3").send(request, Patience::OBJECTS).await;
    let mut reply = sent.unwrap();
    let answer = reply.document().await.unwrap();
    assert!(reply.status.is_success(), "{answer:?}");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_is_lent_answered_and_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let (running, client) = engine(&folder.path().join("data")).await;
    let exchange = S3Exchange::new(client.clone(), "000000000000", None);
    let (one, two) = tokio::join!(
        exchange.lend(Bytes::from_static(b"chunk")),
        exchange.lend(Bytes::from_static(b"other"))
    );
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(follow(&client, "GET", &one.get, "").await, "chunk");
    assert_eq!(follow(&client, "GET", &two.get, "").await, "other");
    assert!(exchange.collect(&one).await.is_err(), "nobody answered yet");
    follow(&client, "PUT", &one.put, "answer").await;
    assert_eq!(exchange.collect(&one).await.unwrap(), "answer");
    exchange.settle(one).await;
    exchange.settle(two).await;
    let s3 = S3::new(client, 1);
    let bucket = "squall-jobs-000000000000-us-east-1";
    assert!(s3.list_all(bucket, "", |_| {}).await.unwrap().is_empty());
    running.shutdown().await;
}
