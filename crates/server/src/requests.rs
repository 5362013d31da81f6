//! The last requests that the gateway answered, for whoever watches: one line for each
//! is what `squall dev` shows.

use std::collections::VecDeque;
use std::time::Duration;

use http::Response;
use http::header::HOST;
use http::request::Parts;
use parking_lot::Mutex;
use serde::Serialize;
use types::Timestamp;

/// Who asks less often than this many are answered misses some.
const KEPT: usize = 1_000;
/// Of a path or host: what is longer is cut, because a client may send any length.
const LONGEST: usize = 300;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Told {
    /// Counts up from 1 since the start of the engine.
    pub number: u64,
    pub time: Timestamp,
    pub method: String,
    /// Of the header, and the path as it was sent: either may say whose request it is.
    pub host: String,
    pub path: String,
    pub status: u16,
    /// Until the answer's head was known.
    pub micros: u64,
}

/// What of a request is told once it is answered.
#[derive(Debug)]
pub(crate) struct Seen {
    method: String,
    host: String,
    path: String,
}

impl Seen {
    pub fn of(head: &Parts) -> Self {
        let host = head.headers.get(HOST).and_then(|host| host.to_str().ok());
        let host = host.or_else(|| head.uri.host()).unwrap_or_default();
        Self {
            method: cut(head.method.as_str()),
            host: cut(host),
            path: cut(head.uri.path()),
        }
    }
}

fn cut(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

#[derive(Debug, Default)]
pub(crate) struct Requests {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    count: u64,
    last: VecDeque<Told>,
}

impl Requests {
    pub fn add<B>(&self, seen: Seen, response: &Response<B>, took: Duration) {
        let mut kept = self.kept.lock();
        kept.count += 1;
        let told = Told {
            number: kept.count,
            time: Timestamp::now(),
            method: seen.method,
            host: seen.host,
            path: seen.path,
            status: response.status().as_u16(),
            micros: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        };
        if kept.last.len() == KEPT {
            kept.last.pop_front();
        }
        kept.last.push_back(told);
    }

    /// How many there were, and those that came after a number.
    pub fn after(&self, number: u64) -> (u64, Vec<Told>) {
        let kept = self.kept.lock();
        let newer = kept.last.iter().filter(|told| told.number > number);
        (kept.count, newer.cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use http::{Request, StatusCode};

    use super::*;

    fn head(path: &str) -> Parts {
        let request = Request::get(path).header("host", "a.lambda-url.localhost");
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_last_ones_are_told_once_each() {
        let requests = Requests::default();
        let add = |path: &str| {
            let response = Response::builder().status(StatusCode::CREATED);
            let response = response.body(()).unwrap();
            requests.add(Seen::of(&head(path)), &response, Duration::from_micros(7));
        };
        assert_eq!(requests.after(0), (0, vec![]));
        add("/a?b=secret");
        let (count, told) = requests.after(0);
        assert_eq!((count, told.len()), (1, 1));
        let told = &told[0];
        assert_eq!(
            (told.path.as_str(), told.status, told.micros),
            ("/a", 201, 7)
        );
        assert_eq!(told.host, "a.lambda-url.localhost");
        assert_eq!(requests.after(1).1, []);
        for n in 0..KEPT {
            add(&format!("/{n}"));
        }
        let (count, told) = requests.after(0);
        assert_eq!((count, told.len()), (KEPT as u64 + 1, KEPT));
        assert_eq!(told[0].path, "/0");
        assert_eq!(requests.after(count - 2).1.len(), 2);
    }

    #[test]
    fn what_is_kept_of_a_request_is_bounded() {
        let seen = Seen::of(&head(&format!("/{}", "x".repeat(5_000))));
        assert_eq!(seen.path.len(), LONGEST);
    }
}
