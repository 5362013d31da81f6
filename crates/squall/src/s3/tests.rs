//! The client against an engine in this process, and against an endpoint that
//! misbehaves as none of ours does on purpose.

use std::path::Path;
use std::sync::{Arc, Mutex};

use aws_client::Client;
use aws_wire::sigv4::Credentials;
use aws_wire::{Body, body};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use server::{Flags, Isolation, Running, Server, Settings};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::{Doomed, Headers, S3, S3Error};
use crate::progress::Progress;

const MIB: usize = 1 << 20;

async fn engine(data: &Path) -> (Running, S3) {
    let free = "127.0.0.1:0".parse().unwrap();
    let flags = Flags {
        data: Some(data.to_owned()),
        api: Some(free),
        gateway: Some(free),
        isolation: Some(Isolation::None),
        ..Flags::default()
    };
    let running = Server::start(Settings::resolve(flags, []).unwrap())
        .await
        .unwrap();
    let (address, keys) = (running.address(), running.credentials().clone());
    let client = Client::new(&address.api, address.region.clone(), keys).unwrap();
    (running, S3::new(client, 4))
}

/// Bytes that differ everywhere, so that nothing can be in another's place.
fn noise(len: usize) -> Vec<u8> {
    let words = (0..len.div_ceil(8) as u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
    bytes.truncate(len);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_uploaded_comes_back_whatever_its_size_and_name() {
    let folder = tempfile::tempdir().unwrap();
    let (running, s3) = engine(&folder.path().join("data")).await;
    s3.create_bucket("lake").await.unwrap();
    let (from, back) = (folder.path().join("from"), folder.path().join("back"));
    let progress = Progress::silent();
    let headers = Headers::default();
    for (size, key) in [
        (0, "empty"),
        (5, "a b/../c//é+&?#%.csv"),
        (8 * MIB, "one part"),
        (20 * MIB + 1, "many parts"),
    ] {
        let bytes = noise(size);
        std::fs::write(&from, &bytes).unwrap();
        let to = ("lake", key);
        let sent = s3.upload_file(&from, to, &headers, &progress).await;
        assert_eq!(sent.unwrap(), size as u64, "{key}");
        for known in [None, Some(size as u64)] {
            s3.download_file(to, known, &back, &progress).await.unwrap();
            assert!(std::fs::read(&back).unwrap() == bytes, "{key}");
        }
        let mut streamed = Vec::new();
        let take = |piece: &[u8]| {
            streamed.extend_from_slice(piece);
            Ok(())
        };
        s3.download_stream(to, &progress, take).await.unwrap();
        assert!(streamed == bytes, "{key}");
        let sent = s3.upload_stream(&bytes[..], to, &headers, &progress).await;
        assert_eq!(sent.unwrap(), size as u64, "{key}");
        assert_eq!(s3.head("lake", key).await.unwrap().size, size as u64);
    }
    let missing = ("lake", "nothing");
    let error = s3.download_file(missing, None, &back, &progress).await;
    assert!(error.unwrap_err().is_missing());
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_listed_copied_and_removed_in_batches() {
    let folder = tempfile::tempdir().unwrap();
    let (running, s3) = engine(&folder.path().join("data")).await;
    assert!(!s3.has_bucket("lake").await.unwrap());
    s3.create_bucket("lake").await.unwrap();
    let progress = Progress::silent();
    let html = Headers {
        content_type: Some("text/html".to_owned()),
        cache_control: Some("max-age=60".to_owned()),
    };
    // One key that the documents of S3 cannot name.
    let keys = ["a/1", "a/2", "a\u{1}", "b é+&<>"];
    for key in keys {
        let sent = s3.upload_stream(&b"x"[..], ("lake", key), &html, &progress);
        sent.await.unwrap();
    }
    let page = s3.list_page("lake", "", Some("/"), None).await.unwrap();
    assert_eq!(page.prefixes, ["a/"]);
    let listed = s3.list_all("lake", "", |_| {}).await.unwrap();
    let found: Vec<&str> = listed.iter().map(|object| object.key.as_str()).collect();
    assert_eq!(found, ["a\u{1}", "a/1", "a/2", "b é+&<>"]);

    let (from, to) = (("lake", "b é+&<>"), ("lake", "c/copy %41"));
    s3.copy(from, to, 1, &Headers::default()).await.unwrap();
    let reply = s3.get(to.0, to.1, None).await.unwrap();
    assert_eq!(reply.header("content-type"), Some("text/html"));
    assert_eq!(reply.header("cache-control"), Some("max-age=60"));

    assert!(
        s3.delete_bucket("lake")
            .await
            .unwrap_err()
            .has_code("BucketNotEmpty")
    );
    let doomed: Vec<Doomed> = keys
        .iter()
        .map(|key| Doomed::newest((*key).to_owned()))
        .collect();
    assert_eq!(s3.delete_many("lake", &doomed).await.unwrap(), []);
    s3.delete("lake", &Doomed::newest(to.1.to_owned()))
        .await
        .unwrap();
    s3.delete_bucket("lake").await.unwrap();
    assert_eq!(s3.buckets().await.unwrap(), []);
    running.shutdown().await;
}

/// Answers by a script, and notes what it was asked.
struct Scripted {
    s3: S3,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    /// The script is given the request line and how many requests came before.
    async fn start(script: impl Fn(&str, usize) -> Response<Body> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, script) = (Arc::clone(&asked), Arc::new(script));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, script) = (Arc::clone(&log), Arc::clone(&script));
                let service = service_fn(move |request: Request<Incoming>| {
                    let (log, script) = (Arc::clone(&log), Arc::clone(&script));
                    async move {
                        let (parts, body) = request.into_parts();
                        // One that breaks off was no request.
                        body.collect().await.map_err(std::io::Error::other)?;
                        let range = parts.headers.get("range").map(|r| r.to_str().unwrap());
                        let line = format!(
                            "{} {} {}",
                            parts.method,
                            parts.uri,
                            range.unwrap_or_default()
                        );
                        let line = line.trim_end().to_owned();
                        let mut log = log.lock().unwrap();
                        let answer = script(&line, log.len());
                        log.push(line);
                        Ok::<_, std::io::Error>(answer)
                    }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        let keys = Credentials {
            access_key: "a".to_owned(),
            secret: "b".to_owned(),
            session_token: None,
        };
        let client = Client::new(&url, "us-east-1".to_owned(), keys).unwrap();
        let s3 = S3::new(client, 2);
        Self { s3, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn refusal(status: u16, code: &str) -> Response<Body> {
    let text = format!("<Error><Code>{code}</Code><Message>m</Message></Error>");
    let response = Response::builder().status(status);
    response.body(body::full(text)).unwrap()
}

fn ok(text: &'static str) -> Response<Body> {
    Response::new(body::full(text))
}

/// `hello world`, or a stretch of it.
fn hello(range: std::ops::Range<usize>, arrives: usize) -> Response<Body> {
    let bytes = &b"hello world"[range.clone()];
    let (sender, receiver) = mpsc::channel(1);
    sender
        .try_send(Ok(Bytes::copy_from_slice(&bytes[..arrives])))
        .unwrap();
    if arrives < bytes.len() {
        // There is room for the error when the bytes are on their way.
        let broken = std::io::ErrorKind::BrokenPipe.into();
        tokio::spawn(async move { sender.send(Err(broken)).await });
    }
    let is_whole = range.len() == 11;
    Response::builder()
        .status(if is_whole {
            StatusCode::OK
        } else {
            StatusCode::PARTIAL_CONTENT
        })
        .header("content-length", bytes.len())
        .header("etag", "\"5eb63bbbe01eeed093cb22bb8f5acdc3\"")
        .body(body::stream(receiver))
        .unwrap()
}

#[tokio::test]
async fn what_passes_is_tried_again_and_what_does_not_is_not() {
    let busy = Scripted::start(|_, before| match before {
        0 => refusal(503, "SlowDown"),
        1 => refusal(500, "InternalError"),
        // S3 begins some answers before it knows that they are errors.
        2 => refusal(200, "InternalError"),
        _ => ok("<ListBucketResult/>"),
    })
    .await;
    assert!(busy.s3.list_page("b", "", None, None).await.is_ok());
    assert_eq!(busy.asked().len(), 4);

    let firm = Scripted::start(|_, _| refusal(400, "BadDigest")).await;
    let error = firm.s3.create_bucket("b").await.unwrap_err();
    assert!(error.has_code("BadDigest"));
    assert_eq!(firm.asked(), ["PUT /b"]);
}

#[tokio::test]
async fn a_download_that_breaks_off_goes_on_where_it_was() {
    let endpoint = Scripted::start(|line, _| match line {
        "GET /b/k" => hello(0..11, 4),
        "GET /b/k bytes=4-10" => hello(4..11, 3),
        "GET /b/k bytes=7-10" => hello(7..11, 4),
        other => panic!("{other} was not to be asked"),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("k");
    let progress = Progress::silent();
    let load = endpoint
        .s3
        .download_file(("b", "k"), Some(11), &target, &progress);
    assert_eq!(load.await.unwrap(), 11);
    assert_eq!(std::fs::read(&target).unwrap(), b"hello world");
}

#[tokio::test]
async fn damaged_bytes_are_not_shown() {
    let endpoint = Scripted::start(|_, _| {
        let mut answer = hello(0..11, 11);
        *answer.body_mut() = body::full("hello w0rld");
        answer
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("k");
    let progress = Progress::silent();
    let load = endpoint
        .s3
        .download_file(("b", "k"), Some(11), &target, &progress);
    assert!(matches!(load.await, Err(S3Error::Damaged { .. })));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// A multipart upload whose parts are answered by `part`.
async fn multipart(part: impl Fn() -> Response<Body> + Send + Sync + 'static) -> Scripted {
    Scripted::start(move |line, _| {
        let method: Method = line.split(' ').next().unwrap().parse().unwrap();
        match method {
            Method::POST if line.ends_with("?uploads") => {
                ok("<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
            }
            Method::PUT => part(),
            _ => ok(""),
        }
    })
    .await
}

#[tokio::test]
async fn an_upload_that_fails_or_is_interrupted_leaves_nothing() {
    let bytes = noise(9 * MIB);
    let headers = Headers::default();
    let to = ("b", "k");
    let failing = multipart(|| refusal(403, "AccessDenied")).await;
    let progress = Progress::silent();
    let sent = failing
        .s3
        .upload_stream(&bytes[..], to, &headers, &progress);
    assert!(sent.await.unwrap_err().has_code("AccessDenied"));
    // A part that was under way may be heard of later; S3 refuses it then.
    let asked = failing.asked();
    assert!(
        asked.contains(&"DELETE /b/k?uploadId=u".to_owned()),
        "{asked:?}"
    );

    // The second part never comes: Ctrl-C is pressed when it is waited for.
    let waiting = multipart(|| ok("")).await;
    let (mut ours, theirs) = tokio::io::duplex(MIB);
    let cancel = waiting.s3.cancel.clone();
    let feed = async {
        use tokio::io::AsyncWriteExt;
        ours.write_all(&bytes).await.unwrap();
        cancel.cancel();
        std::future::pending::<()>().await;
    };
    let sent = waiting.s3.upload_stream(theirs, to, &headers, &progress);
    tokio::select! {
        () = feed => {}
        sent = sent => assert!(matches!(sent, Err(S3Error::Cancelled))),
    }
    assert_eq!(waiting.asked().last().unwrap(), "DELETE /b/k?uploadId=u");
}

#[tokio::test]
async fn an_endpoint_that_was_never_there_is_not_waited_for() {
    // The port is ours and nobody listens: one that was given back another may take.
    let nobody = tokio::net::TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    let keys = Credentials {
        access_key: "a".to_owned(),
        secret: "b".to_owned(),
        session_token: None,
    };
    let client = Client::new(&url, "us-east-1".to_owned(), keys).unwrap();
    let error = S3::new(client, 1).buckets().await.unwrap_err();
    assert!(error.is_final() && matches!(error, S3Error::Connect(_)));
}
