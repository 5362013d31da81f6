//! Bodies that are read piece by piece, over raw sockets: what the handler sees,
//! and what becomes of the connection when it does not want to see more.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_wire::{Body, body};
use bytes::Bytes;
use http::request::Parts;
use http::{Response, StatusCode};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};

use super::tests::{STALL, chunked, exchange, post, refuse, rest, send};
use super::{BodyRules, Connections, Listening, Pieces, Port, Rules, Unread};

const LARGE: usize = 100 << 20;

/// `/count` reads everything, `/taste` one piece, `/refuse` nothing; `/endless` has
/// an answer without end.
#[derive(Debug, Default)]
struct Reader {
    first_piece: Notify,
    nobody_takes_more: Arc<Notify>,
    failures: Mutex<Vec<io::ErrorKind>>,
}

impl Port for Reader {
    async fn handle(&self, head: Parts, body: Unread<'_>) -> Response<Body> {
        if head.uri.path() == "/endless" {
            return self.endless();
        }
        let (mut pieces, rest) = body.pieces();
        let answer = match head.uri.path() {
            "/count" => self.count(&mut pieces).await,
            "/taste" => {
                let _ = pieces.frame().await;
                Err(StatusCode::FORBIDDEN)
            }
            _ => Err(StatusCode::FORBIDDEN),
        };
        drop(pieces);
        let answer = match answer {
            Ok(size) => Response::new(body::full(size.to_string())),
            Err(status) => {
                let mut answer = Response::new(body::full("no"));
                *answer.status_mut() = status;
                answer
            }
        };
        rest.settle(answer, refuse).await
    }
}

impl Reader {
    fn endless(&self) -> Response<Body> {
        let (sender, receiver) = mpsc::channel(1);
        let ended = self.nobody_takes_more.clone();
        tokio::spawn(async move {
            let piece = Bytes::from(vec![b'x'; 100_000]);
            while sender.send(Ok(piece.clone())).await.is_ok() {}
            ended.notify_one();
        });
        Response::new(body::stream(receiver))
    }

    async fn count(&self, pieces: &mut Pieces) -> Result<usize, StatusCode> {
        let mut size = 0;
        while let Some(frame) = pieces.frame().await {
            let frame = frame.map_err(|error| {
                self.failures.lock().push(error.kind());
                StatusCode::INTERNAL_SERVER_ERROR
            })?;
            size += frame.into_data().map_or(0, |piece| piece.len());
            self.first_piece.notify_one();
        }
        Ok(size)
    }
}

/// With no hurry: what is slow here is the machine.
async fn start() -> (SocketAddr, Connections, Arc<Reader>) {
    start_with(Duration::from_mins(1)).await
}

async fn start_with(stall: Duration) -> (SocketAddr, Connections, Arc<Reader>) {
    let connections = Connections::new(Rules {
        max_connections: 16,
        head: stall,
        answer_stall: stall,
        // No memory for bodies: what is read in pieces needs none.
        bodies: BodyRules::new(stall, 0),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let reader = Arc::new(Reader::default());
    connections.serve(listener, Listening::default(), reader.clone());
    (address, connections, reader)
}

fn to(path: &str, head: &str) -> String {
    head.replacen("POST / ", &format!("POST {path} "), 1)
}

/// The head of a request on a connection that is to stay.
fn kept(path: &str, more: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: x\r\n{more}\r\n\r\n")
}

/// The head of the next answer; its body stays on the wire.
async fn head_of_answer(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// The connection still takes a request and answers it.
async fn is_usable(mut stream: TcpStream) -> bool {
    stream
        .write_all(to("/count", &post(2)).as_bytes())
        .await
        .unwrap();
    stream.write_all(b"ok").await.unwrap();
    rest(stream).await.ends_with("\r\n\r\n2")
}

#[tokio::test]
async fn the_first_piece_is_there_before_the_last_is_sent() {
    let (address, _connections, reader) = start().await;
    let head = kept("/count", &format!("content-length: {LARGE}"));
    let piece = vec![b'x'; 1 << 20];
    let mut stream = send(address, &head, &piece).await;
    reader.first_piece.notified().await;
    for _ in 1..LARGE / piece.len() {
        stream.write_all(&piece).await.unwrap();
    }
    let answer = head_of_answer(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let mut size = vec![0; LARGE.to_string().len()];
    stream.read_exact(&mut size).await.unwrap();
    assert_eq!(size, LARGE.to_string().as_bytes());
    assert!(is_usable(stream).await);
}

#[tokio::test]
async fn chunked_bodies_come_in_pieces_too() {
    let (address, ..) = start().await;
    let body = vec![b'x'; 1_000_000];
    let head = kept("/count", "connection: close\r\ntransfer-encoding: chunked");
    let answer = exchange(address, &head, &chunked(&body)).await;
    assert!(answer.ends_with("\r\n\r\n1000000"), "{answer}");
}

#[tokio::test]
async fn a_refused_body_is_passed_over_and_the_connection_stays() {
    let (address, ..) = start().await;
    for path in ["/refuse", "/taste"] {
        let head = kept(path, "content-length: 5000000");
        let mut stream = send(address, &head, &vec![b'x'; 5_000_000]).await;
        let answer = head_of_answer(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
        assert!(!answer.contains("connection: close"), "{answer}");
        stream.read_exact(&mut [0; 2]).await.unwrap();
        assert!(is_usable(stream).await, "{path}");
    }
}

#[tokio::test]
async fn who_waits_to_be_told_and_is_refused_sends_nothing() {
    let (address, ..) = start().await;
    let head = kept("/refuse", "content-length: 5000000\r\nexpect: 100-continue");
    let answers = exchange(address, &head, b"").await;
    assert!(answers.starts_with("HTTP/1.1 403"), "{answers}");
    // The rest of the request may or may not come: no other can follow it.
    assert!(answers.contains("connection: close"), "{answers}");
}

#[tokio::test]
async fn who_waits_to_be_told_is_told_when_the_body_is_wanted() {
    let (address, ..) = start().await;
    for path in ["/count", "/taste"] {
        let head = kept(path, "content-length: 300000\r\nexpect: 100-continue");
        let mut stream = send(address, &head, b"").await;
        let go_on = head_of_answer(&mut stream).await;
        assert!(go_on.starts_with("HTTP/1.1 100"), "{go_on}");
        stream.write_all(&vec![b'x'; 300_000]).await.unwrap();
        let answer = head_of_answer(&mut stream).await;
        assert!(!answer.contains("connection: close"), "{answer}");
        let length = if path == "/count" { 6 } else { 2 };
        stream.read_exact(&mut vec![0; length]).await.unwrap();
        assert!(is_usable(stream).await, "{path}");
    }
}

#[tokio::test]
async fn a_body_that_stalls_fails_its_handler_and_is_answered_for_it() {
    let (address, _connections, reader) = start_with(STALL).await;
    let head = kept("/count", "content-length: 100");
    let stream = send(address, &head, b"only this").await;
    let answer = rest(stream).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    assert_eq!(*reader.failures.lock(), [io::ErrorKind::TimedOut]);
}

#[tokio::test]
async fn a_refused_body_that_stalls_does_not_keep_the_connection() {
    let (address, ..) = start_with(STALL).await;
    let head = kept("/refuse", "content-length: 100");
    let stream = send(address, &head, b"only this").await;
    let answer = rest(stream).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn a_body_that_breaks_off_fails_its_handler() {
    let (address, _connections, reader) = start().await;
    let garbage = kept("/count", "transfer-encoding: chunked") + "5\r\nhello\r\nzz\r\n";
    let answer = exchange(address, &garbage, b"").await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");

    let head = kept("/count", "content-length: 100");
    let mut stream = send(address, &head, b"only this").await;
    stream.shutdown().await.unwrap();
    let answer = rest(stream).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 400"),
        "{answer}"
    );
    assert_eq!(*reader.failures.lock(), [io::ErrorKind::UnexpectedEof; 2]);
}

#[tokio::test]
async fn requests_without_a_body_have_none() {
    let (address, ..) = start().await;
    for _ in 0..2 {
        let head = kept("/count", "connection: close\r\ncontent-length: 0");
        let answer = exchange(address, &head, b"").await;
        assert!(answer.ends_with("\r\n\r\n0"), "{answer}");
    }
}

#[tokio::test]
async fn who_takes_nothing_of_an_answer_is_cut_off() {
    let (address, _connections, reader) = start_with(STALL).await;
    let head = kept("/endless", "content-length: 0");
    let stream = send(address, &head, b"").await;
    let cut_off = reader.nobody_takes_more.notified();
    let waited = tokio::time::timeout(Duration::from_mins(1), cut_off).await;
    assert!(waited.is_ok());
    drop(stream);
}
