//! The last requests that the gateway answered, for whoever watches: one line for each
//! is what `squall dev` shows.

use std::collections::VecDeque;

use parking_lot::Mutex;
use serde::Serialize;
use types::Timestamp;
use watch::line::Answered;

/// Who asks less often than this many are answered misses some.
const KEPT: usize = 1_000;

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
    pub fn add(&self, answered: Answered) {
        let mut kept = self.kept.lock();
        kept.count += 1;
        let told = Told {
            number: kept.count,
            time: answered.time,
            method: answered.method.to_string(),
            host: answered.host,
            path: answered.path,
            status: answered.status,
            micros: answered.head_micros,
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
    use types::RequestId;
    use watch::trace::TraceId;

    use super::*;

    #[test]
    fn the_last_ones_are_told_once_each() {
        let requests = Requests::default();
        let add = |path: &str| {
            requests.add(Answered {
                time: Timestamp(0),
                request_id: RequestId::random(),
                method: http::Method::GET,
                host: "a.lambda-url.localhost".to_owned(),
                path: path.to_owned(),
                status: 201,
                bytes_in: 0,
                bytes_out: 0,
                head_micros: 7,
                micros: 9,
                client: None,
                agent: String::new(),
                about: watch::About::default(),
                trace: TraceId::of(RequestId::random(), Timestamp(0)),
                version: http::Version::HTTP_11,
                tls: false,
                complete: true,
            });
        };
        assert_eq!(requests.after(0), (0, vec![]));
        add("/a");
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
}
