//! New lines of the functions' logs, and what the gateway answered.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use types::Timestamp;

use super::release::{Released, Releaser};
use super::show::{Ran, Show};
use crate::client::Client;
use crate::commands::logs::{Event, Reader};
use crate::commands::schedules::get;
use crate::failure::Failure;

#[derive(Debug)]
pub struct Tail {
    client: Client,
    began: Timestamp,
    /// By function, as the project names it.
    readers: BTreeMap<String, Reader>,
    /// Of function URLs and the API: whose requests are ours.
    ids: BTreeSet<String>,
    /// Functions whose requests are told by the gateway.
    doors: BTreeSet<String>,
    /// How many requests the gateway had answered.
    answered: u64,
}

#[derive(Debug, Deserialize)]
struct Page {
    count: u64,
    requests: Vec<Request>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Request {
    pub time: Timestamp,
    pub method: String,
    host: String,
    pub path: String,
    pub status: u16,
    pub micros: u64,
}

impl Tail {
    pub fn new(client: Client) -> Self {
        Self {
            client,
            began: Timestamp::now(),
            readers: BTreeMap::new(),
            ids: BTreeSet::new(),
            doors: BTreeSet::new(),
            answered: 0,
        }
    }

    /// What was answered before is nobody's concern.
    pub async fn begin(&mut self) -> Result<(), Failure> {
        let page: Page = self.client.send(get("/_squall/requests")).await?.json()?;
        self.answered = page.count;
        Ok(())
    }

    /// From now on with what a deployment has made.
    pub fn follow(&mut self, released: &Released) {
        let (client, began) = (&self.client, self.began);
        for (key, name) in &released.functions {
            let reader = || Reader::new(client.clone(), format!("/aws/lambda/{name}"), began);
            self.readers.entry(key.clone()).or_insert_with(reader);
        }
        self.readers
            .retain(|key, _| released.functions.contains_key(key));
        let urls = released
            .known
            .urls
            .values()
            .filter_map(|url| id_in_host(url));
        let api = released.known.api.as_ref().map(|(id, _)| id.as_str());
        self.ids = urls.chain(api).map(str::to_owned).collect();
        self.doors.clone_from(&released.doors);
    }

    pub async fn look(&mut self, releaser: &mut Releaser, show: &Show) -> Result<(), Failure> {
        let target = format!("/_squall/requests?after={}", self.answered);
        let page: Page = self.client.send(get(&target)).await?.json()?;
        // Fewer than there were: it is another engine.
        self.answered = page.count;
        for request in &page.requests {
            if let Some(path) = request.path_within(&self.ids) {
                show.request(request, path)?;
            }
        }
        for (key, reader) in &mut self.readers {
            let events = match reader.fresh().await {
                Ok(events) => events,
                // Before its first invocation a function has no group to follow yet.
                Err(failure) if failure.is_missing() => continue,
                Err(failure) => return Err(failure),
            };
            for event in events {
                show_event(key, self.doors.contains(key), &event, releaser, show)?;
            }
        }
        Ok(())
    }
}

fn show_event(
    key: &str,
    has_door: bool,
    event: &Event,
    releaser: &mut Releaser,
    show: &Show,
) -> Result<(), Failure> {
    let Some(version) = version_of(&event.stream) else {
        return Ok(());
    };
    // Nobody invokes that one: it is only made ready. What is broken was told already.
    if version == "$LATEST" || releaser.is_broken(key, version) {
        return Ok(());
    }
    let message = event.message.trim_end_matches('\n');
    let is_ours = |word: &str| message.starts_with(word) && message.contains("RequestId: ");
    if is_ours("START ") || is_ours("END ") {
        return Ok(());
    }
    if !is_ours("REPORT ") {
        return show.log(key, event.timestamp, message);
    }
    if has_door || releaser.was_tried(key, version) {
        return Ok(());
    }
    match Ran::of(message) {
        Some(ran) => show.ran(key, event.timestamp, &ran),
        None => Ok(()),
    }
}

/// `7` of `2026/11/21/[7]0123456789abcdef`.
fn version_of(stream: &str) -> Option<&str> {
    Some(stream.split_once('[')?.1.split_once(']')?.0)
}

/// `abc` of `http://abc.lambda-url.us-east-1.localhost:8080/`.
fn id_in_host(url: &str) -> Option<&str> {
    url.split_once("://")?.1.split(['.', ':', '/']).next()
}

impl Request {
    /// The path as the function sees it, if this is a request to one of these.
    fn path_within(&self, ids: &BTreeSet<String>) -> Option<&str> {
        let label = self.host.split('.').next().unwrap_or_default();
        if ids.contains(&label.to_ascii_lowercase()) {
            return Some(&self.path);
        }
        let rest = ["/lambda-url/", "/execute-api/"]
            .iter()
            .find_map(|prefix| self.path.strip_prefix(prefix))?;
        let (id, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let path = if path.is_empty() { "/" } else { path };
        ids.contains(id).then_some(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(request: &Request) -> Option<&str> {
        request.path_within(&["abc".to_owned()].into())
    }

    fn request(host: &str, path: &str) -> Request {
        Request {
            time: Timestamp(0),
            method: "GET".to_owned(),
            host: host.to_owned(),
            path: path.to_owned(),
            status: 200,
            micros: 1,
        }
    }

    #[test]
    fn requests_are_ours_by_host_or_path() {
        for (host, path, seen) in [
            ("abc.lambda-url.us-east-1.localhost:8080", "/a", Some("/a")),
            ("ABC.execute-api.us-east-1.localhost", "/", Some("/")),
            ("127.0.0.1:8080", "/lambda-url/abc/a/b", Some("/a/b")),
            ("127.0.0.1:8080", "/execute-api/abc", Some("/")),
            ("other.lambda-url.us-east-1.localhost", "/", None),
            ("127.0.0.1:8080", "/lambda-url/abcd/", None),
            ("127.0.0.1:8080", "/abc", None),
            ("", "", None),
        ] {
            assert_eq!(within(&request(host, path)), seen, "{host} {path}");
        }
    }

    #[test]
    fn names_of_streams_and_hosts() {
        assert_eq!(version_of("2026/11/21/[7]01ab"), Some("7"));
        assert_eq!(version_of("2026/11/21/[$LATEST]01ab"), Some("$LATEST"));
        assert_eq!(version_of("by hand"), None);
        assert_eq!(
            id_in_host("http://abc.lambda-url.x.localhost:8080/"),
            Some("abc")
        );
        assert_eq!(id_in_host("abc"), None);
    }
}
