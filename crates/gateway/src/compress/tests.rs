//! What is compressed, how, and what is left as it is.

use std::io::Read;

use super::*;

fn asking(value: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT_ENCODING, value.parse().unwrap());
    headers
}

fn json(size: usize) -> Response<Body> {
    let mut response = Response::new(body::full(vec![b'x'; size]));
    let kind = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

async fn bytes(response: Response<Body>) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    flate2::read::GzDecoder::new(bytes)
        .read_to_end(&mut out)
        .unwrap();
    out
}

#[test]
fn weights_decide() {
    for (asked, expected) in [
        ("gzip", Some(Coding::Gzip)),
        ("GZIP", Some(Coding::Gzip)),
        ("gzip, deflate, br, zstd", Some(Coding::Zstd)),
        ("gzip;q=1, zstd;q=0.5", Some(Coding::Gzip)),
        ("gzip;q=0.001", Some(Coding::Gzip)),
        ("gzip; q=0", None),
        ("gzip;q=0, zstd;q=0", None),
        ("*", Some(Coding::Zstd)),
        ("*, zstd;q=0", Some(Coding::Gzip)),
        ("*;q=0", None),
        ("identity", None),
        ("identity, gzip;q=0.5", None),
        ("identity;q=0.5, gzip", Some(Coding::Gzip)),
        ("deflate, br", None),
        ("gzip;q=x", None),
        ("gzip;q=7", None),
        ("gzip;q=NaN", None),
        (";;,=,;q", None),
        ("", None),
    ] {
        assert_eq!(best(&asking(asked)), expected, "{asked}");
    }
    assert_eq!(best(&HeaderMap::new()), None);
}

#[tokio::test]
async fn a_text_becomes_smaller_and_says_so() {
    let mut response = json(5000);
    response
        .headers_mut()
        .insert(ETAG, "\"a\"".parse().unwrap());
    response.headers_mut().insert(CONTENT_LENGTH, 5000.into());
    let response = compress(&asking("gzip"), response).await;
    let headers = response.headers();
    assert_eq!(headers[CONTENT_ENCODING], "gzip");
    assert_eq!(headers[VARY], "Accept-Encoding");
    assert_eq!(headers[ETAG], "W/\"a\"");
    assert!(!headers.contains_key(CONTENT_LENGTH));
    assert!(
        response
            .body()
            .size_hint()
            .exact()
            .is_some_and(|size| size < 500)
    );
    assert_eq!(gunzip(&bytes(response).await), vec![b'x'; 5000]);
    let response = compress(&asking("zstd"), json(5000)).await;
    assert_eq!(response.headers()[CONTENT_ENCODING], "zstd");
    let plain = zstd::stream::decode_all(&*bytes(response).await).unwrap();
    assert_eq!(plain, vec![b'x'; 5000]);
    // Who does not take it is told that others may.
    let response = compress(&HeaderMap::new(), json(5000)).await;
    assert_eq!(response.headers()[VARY], "Accept-Encoding");
    assert_eq!(bytes(response).await.len(), 5000);
}

#[tokio::test]
async fn some_answers_stay_as_they_are() {
    for (name, value) in [
        ("content-type", "image/png"),
        ("content-type", "application/octet-stream"),
        ("content-type", "text"),
        ("content-encoding", "br"),
        ("content-range", "bytes 0-1/2"),
        ("cache-control", "public, No-Transform"),
        ("content-digest", "sha-256=:AA==:"),
    ] {
        let mut response = json(5000);
        response.headers_mut().insert(name, value.parse().unwrap());
        let response = compress(&asking("gzip"), response).await;
        let coding = response.headers().get(CONTENT_ENCODING);
        assert!(
            coding.is_none_or(|coding| coding == "br"),
            "{name}: {value}"
        );
        assert_eq!(bytes(response).await.len(), 5000);
    }
    for status in [204, 206, 304] {
        let mut response = json(5000);
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        let response = compress(&asking("gzip"), response).await;
        assert!(!response.headers().contains_key(CONTENT_ENCODING));
    }
    let response = compress(&asking("gzip"), json(1023)).await;
    assert!(!response.headers().contains_key(CONTENT_ENCODING));
}

#[tokio::test]
async fn each_piece_of_a_stream_can_be_read_when_it_has_come() {
    for coding in ["gzip", "zstd"] {
        let (sender, receiver) = tokio::sync::mpsc::channel(4);
        let mut response = json(0);
        *response.body_mut() = body::stream(receiver);
        let mut response = compress(&asking(coding), response).await;
        let mut all = Vec::new();
        for piece in ["one,", "two,"] {
            sender.send(Ok(Bytes::from(piece))).await.unwrap();
            let frame = response.body_mut().frame().await.unwrap().unwrap();
            all.extend_from_slice(&frame.into_data().unwrap());
            let seen = read_so_far(coding, &all);
            assert!(seen.ends_with(piece.as_bytes()), "{coding}: {seen:?}");
        }
        drop(sender);
        while let Some(frame) = response.body_mut().frame().await {
            all.extend_from_slice(&frame.unwrap().into_data().unwrap());
        }
        assert_eq!(read_so_far(coding, &all), b"one,two,");
    }
}

/// What can be read of a stream that has not ended.
fn read_so_far(coding: &str, bytes: &[u8]) -> Vec<u8> {
    let mut reader: Box<dyn Read + '_> = if coding == "gzip" {
        Box::new(flate2::read::GzDecoder::new(bytes))
    } else {
        Box::new(zstd::stream::read::Decoder::new(bytes).unwrap())
    };
    let (mut out, mut piece) = (Vec::new(), [0; 64]);
    while let Ok(count) = reader.read(&mut piece) {
        if count == 0 {
            break;
        }
        out.extend_from_slice(&piece[..count]);
    }
    out
}

#[tokio::test]
async fn a_stream_that_breaks_off_does_not_end() {
    let (sender, receiver) = tokio::sync::mpsc::channel(4);
    let mut response = json(0);
    *response.body_mut() = body::stream(receiver);
    sender.send(Ok(Bytes::from("half"))).await.unwrap();
    sender.send(Err(io::Error::other("gone"))).await.unwrap();
    drop(sender);
    let response = compress(&asking("gzip"), response).await;
    assert!(response.into_body().collect().await.is_err());
}

#[tokio::test]
async fn a_body_that_is_given_again_is_compressed_once() {
    let coded = Coded::default();
    for _ in 0..2 {
        let mut response = json(5000);
        response.extensions_mut().insert(coded.clone());
        let response = compress(&asking("gzip"), response).await;
        assert_eq!(gunzip(&bytes(response).await).len(), 5000);
    }
    assert!(coded.0[Coding::Gzip as usize].get().is_some());
    assert!(coded.0[Coding::Zstd as usize].get().is_none());
}
