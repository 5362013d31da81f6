//! Answers that are kept and given again, for routes that ask for it.
//!
//! An answer is found by the hash of all that it may depend on: the stage as it is served,
//! the route, method, path and query, who asks and with what, and the headers by which
//! functions choose. What else it depends on its `Vary` has to say; then it is not kept.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_wire::{Body, body};
use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, AGE, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING,
    CONTENT_RANGE, COOKIE, FORWARDED, HOST, HeaderName, ORIGIN, PRAGMA, RANGE, SET_COOKIE, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt;
use parking_lot::Mutex;
use tokio::sync::watch as waiting;
use watch::About;

use crate::compress::{Coded, says};

/// All that is kept, with a guess of what it takes beside its bodies.
const MOST_BYTES: usize = 64 << 20;
/// Larger answers are not kept.
const LARGEST: u64 = 1 << 20;
/// What an entry takes beside head and body, more or less.
const OVERHEAD: usize = 512;

/// By these an answer may differ without saying so: they say who asks, and under what
/// address.
const KEYED: [HeaderName; 13] = [
    HOST,
    ACCEPT,
    ACCEPT_LANGUAGE,
    AUTHORIZATION,
    COOKIE,
    FORWARDED,
    ORIGIN,
    RANGE,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-http-method-override"),
];

pub(super) type Key = [u8; 32];

/// What an answer is kept by beside its request's head.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    /// Of the stage as it is served.
    pub stage: u64,
    pub route: &'a str,
    pub method: &'a str,
    pub path: &'a str,
    pub query: &'a str,
    /// Who was let in, by each door on the way.
    pub callers: &'a [Arc<str>],
    /// What was signed says nothing of the caller that the name does not say, and is
    /// another text each time.
    pub has_signed: bool,
}

impl Asked<'_> {
    pub fn key(&self, parts: &Parts) -> Key {
        let mut hasher = blake3::Hasher::new();
        let mut add = |bytes: &[u8]| {
            // With their lengths, so that no two lists of parts look the same.
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        add(&self.stage.to_le_bytes());
        for text in [self.route, self.method, self.path, self.query] {
            add(text.as_bytes());
        }
        add(&(self.callers.len() as u64).to_le_bytes());
        for caller in self.callers {
            add(caller.as_bytes());
        }
        for (at, name) in (0_u8..).zip(&KEYED) {
            if self.has_signed && *name == AUTHORIZATION {
                continue;
            }
            for value in parts.headers.get_all(name) {
                add(&[at]);
                add(value.as_bytes());
            }
        }
        *hasher.finalize().as_bytes()
    }
}

/// An answer as it is kept: not compressed, and without what the gateway adds.
#[derive(Debug)]
pub(super) struct Answer {
    headers: HeaderMap,
    body: Bytes,
    coded: Coded,
    made: Instant,
}

impl Answer {
    pub fn respond(&self) -> Response<Body> {
        let mut response = Response::new(body::full(self.body.clone()));
        *response.headers_mut() = self.headers.clone();
        let age = self.made.elapsed().as_secs();
        response.headers_mut().insert(AGE, age.into());
        response.extensions_mut().insert(self.coded.clone());
        response.extensions_mut().insert(About {
            cached: true,
            ..About::default()
        });
        response
    }
}

/// What becomes of a request for something that may be kept.
pub(super) enum Turn {
    Kept(Arc<Answer>),
    /// Nobody asks for it now: who gets this does, and tells the others.
    First(Asking),
    /// Somebody asks for it already.
    After(waiting::Receiver<bool>),
}

/// The answers of all APIs. A clone is another handle.
#[derive(Debug, Clone, Default)]
pub(super) struct Answers {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    kept: HashMap<Key, Entry>,
    /// Keys by when they were last asked for.
    order: BTreeMap<u64, Key>,
    clock: u64,
    bytes: usize,
    /// What is asked for just now. True: it was kept, or is not to be waited for.
    asking: HashMap<Key, waiting::Receiver<bool>>,
}

#[derive(Debug)]
struct Entry {
    answer: Arc<Answer>,
    stage: u64,
    until: Instant,
    bytes: usize,
    asked: u64,
}

/// The one request for something that others wait for. Dropped, it lets the next one ask.
#[derive(Debug)]
pub(super) struct Asking {
    answers: Answers,
    key: Key,
    stage: u64,
    done: waiting::Sender<bool>,
}

impl Answers {
    pub fn get(&self, key: &Key) -> Option<Arc<Answer>> {
        self.inner.lock().get(key)
    }

    pub fn turn(&self, key: Key, stage: u64) -> Turn {
        let mut inner = self.inner.lock();
        if let Some(answer) = inner.get(&key) {
            return Turn::Kept(answer);
        }
        if let Some(others) = inner.asking.get(&key) {
            return Turn::After(others.clone());
        }
        let (done, others) = waiting::channel(false);
        inner.asking.insert(key, others);
        Turn::First(Asking {
            answers: self.clone(),
            key,
            stage,
            done,
        })
    }

    /// What a stage answered when it was served as it is no more.
    pub fn forget(&self, stage: u64) {
        self.inner.lock().forget(stage);
    }
}

impl Inner {
    fn get(&mut self, key: &Key) -> Option<Arc<Answer>> {
        let entry = self.kept.get_mut(key)?;
        if entry.until <= Instant::now() {
            self.remove(key);
            return None;
        }
        self.clock += 1;
        self.order.remove(&entry.asked);
        entry.asked = self.clock;
        self.order.insert(self.clock, *key);
        Some(Arc::clone(&entry.answer))
    }

    fn put(&mut self, key: Key, mut entry: Entry) {
        self.remove(&key);
        while self.bytes + entry.bytes > MOST_BYTES {
            let Some((_, oldest)) = self.order.pop_first() else {
                return;
            };
            self.remove(&oldest);
        }
        self.clock += 1;
        entry.asked = self.clock;
        self.order.insert(self.clock, key);
        self.bytes += entry.bytes;
        self.kept.insert(key, entry);
    }

    fn remove(&mut self, key: &Key) {
        if let Some(entry) = self.kept.remove(key) {
            self.bytes -= entry.bytes;
            self.order.remove(&entry.asked);
        }
    }

    fn forget(&mut self, stage: u64) {
        let old = self.kept.iter().filter(|(_, entry)| entry.stage == stage);
        let old: Vec<Key> = old.map(|(key, _)| *key).collect();
        for key in old {
            self.remove(&key);
        }
    }
}

impl Asking {
    /// Keeps an answer if it may be kept, for so long at most, and lets the others have it;
    /// one that may not be is each one's own.
    pub async fn end(self, response: Response<Body>, most: Duration) -> Response<Body> {
        let time = lifetime(&response, most);
        let small = response.body().size_hint().exact();
        let small = small.is_some_and(|size| size <= LARGEST);
        let response = match time.filter(|_| small) {
            None => response,
            Some(time) => {
                let (head, body) = response.into_parts();
                let Ok(whole) = body.collect().await else {
                    let mut response = Response::new(body::empty());
                    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                    return response;
                };
                let answer = Answer {
                    headers: head.headers.clone(),
                    body: whole.to_bytes(),
                    coded: Coded::default(),
                    made: Instant::now(),
                };
                self.keep(&head.headers, answer, time)
            }
        };
        // Nobody waits if nobody is there.
        let _ = self.done.send(true);
        response
    }

    fn keep(&self, headers: &HeaderMap, answer: Answer, time: Duration) -> Response<Body> {
        let mut response = Response::new(body::full(answer.body.clone()));
        response.headers_mut().clone_from(headers);
        response.extensions_mut().insert(answer.coded.clone());
        let head: usize = headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 32)
            .sum();
        let entry = Entry {
            // Compressed it may be there twice more.
            bytes: OVERHEAD + head + 2 * answer.body.len(),
            until: answer.made + time,
            answer: Arc::new(answer),
            stage: self.stage,
            asked: 0,
        };
        self.answers.inner.lock().put(self.key, entry);
        response
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.answers.inner.lock().asking.remove(&self.key);
    }
}

/// For how long an answer may be kept; None: not at all.
fn lifetime(response: &Response<Body>, most: Duration) -> Option<Duration> {
    let headers = response.headers();
    let is_plain = response.status() == StatusCode::OK
        && !headers.contains_key(SET_COOKIE)
        && !headers.contains_key(CONTENT_RANGE)
        && !headers.contains_key(CONTENT_ENCODING)
        && !["no-store", "private", "no-cache"]
            .iter()
            .any(|word| says(headers, &CACHE_CONTROL, word))
        && !says(headers, &PRAGMA, "no-cache")
        && varies_as_known(headers);
    if !is_plain {
        return None;
    }
    let said = said_age(headers).map_or(most, |said| said.min(most));
    Some(said).filter(|said| !said.is_zero())
}

fn varies_as_known(headers: &HeaderMap) -> bool {
    let values = headers.get_all(VARY).iter();
    let mut names = values.flat_map(|value| value.to_str().unwrap_or("*").split(','));
    names.all(|name| {
        let name = name.trim();
        let is = |known: &HeaderName| name.eq_ignore_ascii_case(known.as_str());
        name.is_empty() || is(&ACCEPT_ENCODING) || KEYED.iter().any(is)
    })
}

/// What the answer says of its own age: that for shared caches first.
fn said_age(headers: &HeaderMap) -> Option<Duration> {
    let of = |wanted: &str| {
        let values = headers.get_all(CACHE_CONTROL).iter();
        let mut words = values.flat_map(|value| value.to_str().unwrap_or_default().split(','));
        words.find_map(|word| {
            let (name, value) = word.split_once('=')?;
            let is = name.trim().eq_ignore_ascii_case(wanted);
            // What is no number is as if it were over.
            is.then(|| value.trim().trim_matches('"').parse().unwrap_or(0))
        })
    };
    of("s-maxage")
        .or_else(|| of("max-age"))
        .map(Duration::from_secs)
}

/// The tag of a body, if it has none of its own.
pub(super) fn tag(bytes: &[u8]) -> HeaderValue {
    let hash = blake3::hash(bytes).to_hex();
    HeaderValue::from_str(&format!("\"{}\"", &hash[..32])).expect("hex digits are ASCII")
}

#[cfg(test)]
mod tests;
