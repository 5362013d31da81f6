//! Raw sockets against a port that only echoes: sizes, stalls, endings.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_wire::{Body, body};
use http::request::Parts;
use http::{Response, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::{BodyRules, Connections, Listening, Port, Refusal, Rules, Unread};

const LIMIT: u64 = 1_000_000;
pub(super) const STALL: Duration = Duration::from_millis(200);

/// Answers with the length of the body; `/hang` waits to be told.
#[derive(Debug, Default)]
struct Echo {
    entered: Notify,
    go_on: Notify,
}

impl Port for Echo {
    async fn handle(&self, head: Parts, body: Unread<'_>) -> Response<Body> {
        let body = match body.whole(LIMIT).await {
            Ok(body) => body.bytes,
            Err(refusal) => return refusal.mark(refuse(refusal)),
        };
        if head.uri.path() == "/hang" {
            self.entered.notify_one();
            self.go_on.notified().await;
        }
        Response::new(body::full(body.len().to_string()))
    }
}

pub(super) fn refuse(refusal: Refusal) -> Response<Body> {
    let mut response = Response::new(body::full(format!("{refusal:?}")));
    *response.status_mut() = match refusal {
        Refusal::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Refusal::Stalled => StatusCode::REQUEST_TIMEOUT,
        Refusal::Busy => StatusCode::SERVICE_UNAVAILABLE,
        Refusal::Broken => StatusCode::BAD_REQUEST,
    };
    response
}

/// With no hurry: what is slow here is the machine.
async fn start(max_connections: usize) -> (SocketAddr, Connections, Arc<Echo>) {
    start_with(max_connections, Duration::from_mins(1)).await
}

/// For tests in which something is slow on purpose.
async fn start_hasty() -> (SocketAddr, Connections, Arc<Echo>) {
    start_with(16, STALL).await
}

async fn start_with(
    max_connections: usize,
    stall: Duration,
) -> (SocketAddr, Connections, Arc<Echo>) {
    let connections = Connections::new(Rules {
        max_connections,
        head: stall,
        answer_stall: stall,
        bodies: BodyRules::new(stall, 2 * LIMIT),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let echo = Arc::new(Echo::default());
    connections.serve(listener, Listening::default(), echo.clone());
    (address, connections, echo)
}

pub(super) async fn send(address: SocketAddr, head: &str, body: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server may refuse, and close, before everything is sent.
    let _ = stream.write_all(body).await;
    stream
}

pub(super) async fn rest(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

pub(super) async fn exchange(address: SocketAddr, head: &str, body: &[u8]) -> String {
    rest(send(address, head, body).await).await
}

pub(super) fn post(length: usize) -> String {
    format!("POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n")
}

pub(super) fn chunked(body: &[u8]) -> Vec<u8> {
    let mut framed = Vec::new();
    for piece in body.chunks(10_000) {
        framed.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        framed.extend_from_slice(piece);
        framed.extend_from_slice(b"\r\n");
    }
    framed.extend_from_slice(b"0\r\n\r\n");
    framed
}

const CHUNKED: &str =
    "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";

#[tokio::test]
async fn bodies_up_to_the_limit_are_taken_however_they_are_framed() {
    let (address, ..) = start(16).await;
    for size in [0, 1, 300_000, 1_000_000] {
        let body = vec![b'x'; size];
        let answer = exchange(address, &post(size), &body).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.ends_with(&format!("\r\n\r\n{size}")), "{answer}");
        assert!(answer.contains("x-amzn-requestid: "), "{answer}");
        let answer = exchange(address, CHUNKED, &chunked(&body)).await;
        assert!(answer.ends_with(&format!("\r\n\r\n{size}")), "{answer}");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_after_it_was_sent() {
    let (address, ..) = start(16).await;
    let body = vec![b'x'; 5_000_000];
    let answer = exchange(address, &post(body.len()), &body).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("size: 5000000, cut_off: false"), "{answer}");
    let answer = exchange(address, CHUNKED, &chunked(&body)).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("size: 5000000, cut_off: false"), "{answer}");
}

#[tokio::test]
async fn a_refused_body_leaves_the_connection_usable() {
    let (address, ..) = start(16).await;
    let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000001\r\n\r\n";
    let mut stream = send(address, head, &vec![b'x'; 1_000_001]).await;
    stream.write_all(post(2).as_bytes()).await.unwrap();
    stream.write_all(b"ok").await.unwrap();
    let answers = rest(stream).await;
    assert!(answers.starts_with("HTTP/1.1 413"), "{answers}");
    assert!(answers.ends_with("\r\n\r\n2"), "{answers}");
}

#[tokio::test]
async fn a_body_that_stalls_gets_408() {
    let (address, ..) = start_hasty().await;
    let mut kept_open = send(address, &post(100), b"only this").await;
    let mut answer = vec![0; 12];
    kept_open.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 408");
}

#[tokio::test]
async fn a_head_that_stalls_loses_its_connection() {
    let (address, ..) = start_hasty().await;
    let kept_open = send(address, "POST / HTTP/1.1\r\nhost:", b"").await;
    let answer = tokio::time::timeout(Duration::from_secs(10), rest(kept_open)).await;
    assert!(answer.is_ok());
}

#[tokio::test]
async fn large_bodies_wait_for_memory_and_small_ones_do_not() {
    let (address, _connections, _echo) = start(16).await;
    // Two bodies that are declared and not sent hold all the memory until they are given up.
    let first = send(address, &post(1_000_000), b"").await;
    let second = send(address, &post(1_000_000), b"").await;
    let head = post(10);
    let small = || exchange(address, &head, b"0123456789");
    assert!(small().await.starts_with("HTTP/1.1 200"));
    let third = tokio::spawn(async move {
        let body = vec![b'x'; 1_000_000];
        exchange(address, &post(body.len()), &body).await
    });
    assert!(small().await.starts_with("HTTP/1.1 200"));
    assert!(!third.is_finished());
    drop((first, second));
    let third = third.await.unwrap();
    assert!(third.starts_with("HTTP/1.1 200"), "{third}");
}

#[tokio::test]
async fn connections_over_the_bound_wait_their_turn() {
    let (address, _connections, echo) = start(1).await;
    let hanging = send(address, &post(0).replace("POST /", "POST /hang"), b"").await;
    echo.entered.notified().await;
    let waiting = send(address, &post(0), b"").await;
    let waiting = tokio::spawn(rest(waiting));
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    echo.go_on.notify_one();
    assert!(rest(hanging).await.starts_with("HTTP/1.1 200"));
    assert!(waiting.await.unwrap().starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn closing_waits_for_what_runs() {
    let (address, connections, echo) = start(16).await;
    let hanging = send(address, &post(0).replace("POST /", "POST /hang"), b"").await;
    echo.entered.notified().await;
    let closing = tokio::spawn(async move { connections.close(Duration::from_mins(1)).await });
    // A refused connection shows that the end has begun.
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!closing.is_finished());
    echo.go_on.notify_one();
    assert!(rest(hanging).await.starts_with("HTTP/1.1 200"));
    closing.await.unwrap();
}

#[tokio::test]
async fn closing_cuts_off_what_does_not_end() {
    let (address, connections, echo) = start(16).await;
    let hanging = send(address, &post(0).replace("POST /", "POST /hang"), b"").await;
    echo.entered.notified().await;
    connections.close(Duration::from_millis(50)).await;
    assert_eq!(rest(hanging).await, "");
}

#[tokio::test]
async fn garbage_is_answered_or_dropped_and_the_next_is_served() {
    let (address, ..) = start(2).await;
    for garbage in [
        "\0\0\0\0\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        "POST / HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
    ] {
        let answer = exchange(address, garbage, b"").await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{answer}"
        );
    }
    let answer = exchange(address, &post(3), b"abc").await;
    assert!(answer.ends_with("\r\n\r\n3"), "{answer}");
}

#[tokio::test]
async fn a_connection_that_gave_up_its_buffers_serves_on() {
    let (address, connections, _echo) = start(16).await;
    let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nok";
    let mut stream = send(address, head, b"").await;
    for _ in 0..2 {
        let mut answer = vec![0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, b"HTTP/1.1 200");
        let mut rest = Vec::new();
        while !rest.ends_with(b"\r\n\r\n2") {
            rest.push(stream.read_u8().await.unwrap());
        }
        while connections.count_awake() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        stream.write_all(head.as_bytes()).await.unwrap();
    }
}

#[tokio::test]
async fn a_head_that_drips_behind_a_whole_request_loses_its_connection() {
    let (address, ..) = start_hasty().await;
    let request = "GET / HTTP/1.1\r\nhost: x\r\n\r\nGET / HT";
    let stream = send(address, request, b"").await;
    let ended = tokio::time::timeout(Duration::from_secs(10), rest(stream)).await;
    assert!(ended.unwrap().starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_connection_that_does_nothing_makes_room() {
    let (address, connections, _echo) = start(1).await;
    let head = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    let kept = send(address, head, b"").await;
    while connections.count_awake() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let answer = exchange(address, &post(0), b"").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(rest(kept).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn the_protocol_is_found_however_its_first_bytes_come() {
    let (address, ..) = start(16).await;
    // A method that begins as HTTP/2 does.
    for pieces in [
        ["P", "OST / HTTP/1.1"],
        ["PR", "IX / HTTP/1.1"],
        ["PO", "ST / HTTP/1.1"],
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(pieces[0].as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
        stream.write_all(pieces[1].as_bytes()).await.unwrap();
        let more = b"\r\nhost: x\r\ncontent-length: 1\r\nconnection: close\r\n\r\nx";
        stream.write_all(more).await.unwrap();
        let answer = rest(stream).await;
        assert!(answer.ends_with("\r\n\r\n1"), "{pieces:?}: {answer}");
    }
    let mut stream = TcpStream::connect(address).await.unwrap();
    for piece in ["P", "RI", " * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        stream.write_all(piece.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stream
        .write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0])
        .await
        .unwrap();
    let mut settings = [0; 9];
    stream.read_exact(&mut settings).await.unwrap();
    assert_eq!(settings[3], 4, "SETTINGS is the first frame");
}

#[tokio::test]
async fn a_connection_of_http_2_without_requests_ends() {
    let (address, ..) = start_hasty().await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .unwrap();
    stream
        .write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0])
        .await
        .unwrap();
    // It says goodbye, and ends although nobody answers that.
    let ended = tokio::time::timeout(Duration::from_secs(10), rest(stream)).await;
    assert!(ended.is_ok());
}
