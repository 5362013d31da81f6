//! Answers that are text go out smaller to clients that take it: whole ones at once, those
//! that come in pieces piece by piece, so that none waits for the next.

use std::io::{self, Write};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use aws_wire::{Body, body};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, ETAG, HeaderName, VARY,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body::{Body as _, Frame};
use http_body_util::BodyExt;

/// Below this it is not worth it.
const WORTH: u64 = 1024;
/// What is not larger is compressed as a whole, so that its length is known.
const WHOLE: u64 = 256 * 1024;
/// Above this the work is done beside the threads that serve others.
const SMALL: usize = 32 * 1024;
const GZIP_LEVEL: u32 = 5;
const ZSTD_LEVEL: i32 = 3;
/// What a stream of zstd looks back at, as a power of two: each stream takes that much.
const ZSTD_WINDOW: u32 = 17;

/// Kinds of text that are not called so.
const TEXTS: [&str; 9] = [
    "application/json",
    "application/javascript",
    "application/xml",
    "application/x-ndjson",
    "application/jsonl",
    "application/graphql",
    "application/manifest+json",
    "application/wasm",
    "application/yaml",
];

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Gzip,
    Zstd,
}

/// A body that is given again and again is compressed once. It travels in the extensions
/// of the answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Coded(Arc<[OnceLock<Bytes>; 2]>);

/// Compresses an answer, if it is worth it and the client takes it. Not for answers to
/// HEAD: what they say of the body is known only from a body.
pub(crate) async fn compress(asked: &HeaderMap, response: Response<Body>) -> Response<Body> {
    if !may_be(&response) {
        return response;
    }
    let (mut head, body) = response.into_parts();
    vary(&mut head.headers);
    let Some(coding) = best(asked) else {
        return Response::from_parts(head, body);
    };
    let exact = body.size_hint().exact();
    let coded = match exact.filter(|size| *size <= WHOLE) {
        None => Coding::stream(coding, body),
        Some(_) => match body.collect().await {
            Ok(whole) => {
                let again = head.extensions.remove::<Coded>();
                Ok(body::full(
                    coding.whole(whole.to_bytes(), again.as_ref()).await,
                ))
            }
            Err(error) => Ok(broken(error)),
        },
    };
    match coded {
        Ok(coded) => {
            let headers = &mut head.headers;
            headers.remove(CONTENT_LENGTH);
            headers.remove(ACCEPT_RANGES);
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
            weaken(headers);
            Response::from_parts(head, coded)
        }
        Err(error) => {
            tracing::error!(%error, "an answer cannot be compressed");
            let mut response = Response::new(body::empty());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    }
}

/// Whether the answer may be written in another coding at all.
fn may_be(response: &Response<Body>) -> bool {
    let headers = response.headers();
    let status = response.status();
    let hint = response.body().size_hint();
    let is_whole = !matches!(
        status,
        StatusCode::NO_CONTENT | StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED
    );
    is_whole
        && hint.exact().is_none_or(|size| size >= WORTH)
        && is_text(headers)
        && !headers.contains_key(CONTENT_ENCODING)
        && !headers.contains_key(CONTENT_RANGE)
        // These are about the bytes as they are.
        && !headers.contains_key("content-md5")
        && !headers.contains_key("content-digest")
        && !says(headers, &CACHE_CONTROL, "no-transform")
}

fn is_text(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let starts = |with: &str| {
        let start = kind.get(..with.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(with))
    };
    let ends = |with: &str| {
        let end = kind.len().checked_sub(with.len());
        let end = end.and_then(|at| kind.get(at..));
        end.is_some_and(|end| end.eq_ignore_ascii_case(with))
    };
    starts("text/")
        || TEXTS.iter().any(|text| kind.eq_ignore_ascii_case(text))
        || ends("+json")
        || ends("+xml")
}

/// Whether one of the words of a header is this one.
pub(crate) fn says(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter();
    let mut words = values.flat_map(|value| value.to_str().unwrap_or_default().split(','));
    words.any(|given| given.trim().eq_ignore_ascii_case(word))
}

fn vary(headers: &mut HeaderMap) {
    if !says(headers, &VARY, "accept-encoding") && !says(headers, &VARY, "*") {
        headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
}

/// Other bytes, the same content: what a weak tag means.
fn weaken(headers: &mut HeaderMap) {
    let Some(tag) = headers
        .get(ETAG)
        .filter(|tag| !tag.as_bytes().starts_with(b"W/"))
    else {
        return;
    };
    let weak = [b"W/", tag.as_bytes()].concat();
    if let Ok(weak) = HeaderValue::from_bytes(&weak) {
        headers.insert(ETAG, weak);
    }
}

/// What the client likes best of what there is; None if that is the body as it is.
fn best(asked: &HeaderMap) -> Option<Coding> {
    let values = asked.get_all(ACCEPT_ENCODING).iter();
    let items = values.flat_map(|value| value.to_str().unwrap_or_default().split(','));
    // Thousandths; what is not named is as the star has it, and not taken without one.
    let (mut gzip, mut zstd, mut identity, mut star) = (None, None, None, None);
    for item in items {
        let mut parts = item.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.trim()
                .eq_ignore_ascii_case("q")
                .then(|| thousandths(value.trim()))
        });
        let weight = Some(weight.unwrap_or(1000));
        match name.to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => gzip = weight,
            "zstd" => zstd = weight,
            "identity" => identity = weight,
            "*" => star = weight,
            _ => {}
        }
    }
    let of = |named: Option<u16>| named.or(star).unwrap_or(0);
    let (gzip, zstd) = (of(gzip), of(zstd));
    let (coding, weight) = if zstd >= gzip {
        (Coding::Zstd, zstd)
    } else {
        (Coding::Gzip, gzip)
    };
    let as_it_is = identity.unwrap_or(0);
    (weight > 0 && weight >= as_it_is).then_some(coding)
}

/// What is no weight is none.
fn thousandths(text: &str) -> u16 {
    let weight = text
        .parse::<f32>()
        .ok()
        .filter(|weight| (0.0..=1.0).contains(weight));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it lies between 0 and 1000"
    )]
    weight.map_or(0, |weight| (weight * 1000.0).round() as u16)
}

impl Coding {
    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    async fn whole(self, bytes: Bytes, again: Option<&Coded>) -> Bytes {
        let place = again.map(|again| &again.0[self as usize]);
        if let Some(known) = place.and_then(OnceLock::get) {
            return known.clone();
        }
        let coded = if bytes.len() <= SMALL {
            self.encode(&bytes)
        } else {
            let work = tokio::task::spawn_blocking(move || self.encode(&bytes));
            work.await.expect("compression does not panic")
        };
        match place {
            Some(place) => place.get_or_init(|| coded).clone(),
            None => coded,
        }
    }

    fn encode(self, bytes: &[u8]) -> Bytes {
        let coded = match self {
            Self::Gzip => {
                let level = Compression::new(GZIP_LEVEL);
                let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 2), level);
                encoder.write_all(bytes).and_then(|()| encoder.finish())
            }
            // Who knows the length takes no more memory than that needs.
            Self::Zstd => zstd::bulk::compress(bytes, ZSTD_LEVEL),
        };
        coded.expect("memory is all that it takes").into()
    }

    fn stream(self, body: Body) -> io::Result<Body> {
        let encoder = Encoder::new(self)?;
        Ok(Pieces {
            body,
            encoder: Some(encoder),
        }
        .boxed_unsync())
    }
}

enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl Encoder {
    fn new(coding: Coding) -> io::Result<Self> {
        Ok(match coding {
            Coding::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL))),
            Coding::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
                encoder.window_log(ZSTD_WINDOW)?;
                Self::Zstd(encoder)
            }
        })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.write_all(bytes),
            Self::Zstd(encoder) => encoder.write_all(bytes),
        }
    }

    /// All that was written so far, so that it can be read.
    fn flush(&mut self) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip(encoder) => {
                encoder.flush()?;
                Ok(std::mem::take(encoder.get_mut()))
            }
            Self::Zstd(encoder) => {
                encoder.flush()?;
                Ok(std::mem::take(encoder.get_mut()))
            }
        }
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}

/// A body that is compressed while it comes.
struct Pieces {
    body: Body,
    /// None at the end.
    encoder: Option<Encoder>,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        loop {
            let Some(encoder) = &mut this.encoder else {
                return Poll::Ready(None);
            };
            let coded = match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                // Half an answer must not look like a whole one.
                Some(Err(error)) => {
                    this.encoder = None;
                    return Poll::Ready(Some(Err(error)));
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => encoder.write(&data).and_then(|()| encoder.flush()),
                    Err(_) => continue,
                },
                None => this.encoder.take().map_or(Ok(Vec::new()), Encoder::finish),
            };
            match coded {
                Ok(coded) if coded.is_empty() => {}
                Ok(coded) => return Poll::Ready(Some(Ok(Frame::data(coded.into())))),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }
}

fn broken(error: io::Error) -> Body {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let _ = sender.try_send(Err(error));
    body::stream(receiver)
}

#[cfg(test)]
mod tests;
