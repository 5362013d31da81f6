//! How a route of an API leads to a map: where the map is, seen from its clients, and
//! what of a path lies below it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use aws_wire::Body;
use bytes::Bytes;
use engine::http_apis::{IntegrationTarget, MapTarget, Match, RouteKey, Served};
use http::Response;
use http::request::Parts;
use http_body::{Frame, SizeHint};

use super::door::Visit;
use super::refusal::ApiRefusal;
use super::{ApiRequest, HttpApiGateway, finish, limits};
use crate::cors;
use crate::map_routes::{GivenUp, serve};
use crate::map_service::{Asker, Call, MapRoute, Refusal};
use crate::target::Target;

/// A map, where it is, and what is asked of it.
#[derive(Debug)]
pub(super) struct MapPlace {
    route: MapRoute,
    /// The same whatever address the client takes: jobs are known by it.
    base: String,
    /// As this client sees it.
    place: String,
    /// What of the path lies below it; its jobs are there.
    below: String,
}

/// Says what is wrong with the options of a map, for who makes an integration of it.
pub fn check_map(target: &MapTarget) -> Result<(), String> {
    route(target).check()
}

fn route(target: &MapTarget) -> MapRoute {
    MapRoute {
        function: target.function.clone(),
        qualifier: target.qualifier.clone(),
        options: target.options.clone(),
    }
}

impl MapPlace {
    /// None if the route is not one of a map. `path` is that below the stage.
    /// `base` is what stands before it, as this client sees it.
    pub fn of(
        target: &Target,
        base: &str,
        served: &Served,
        found: &Match,
        path: &str,
    ) -> Option<Self> {
        let integration = found.endpoint.integration.as_ref()?;
        let IntegrationTarget::Map(map) = &integration.target else {
            return None;
        };
        let (own, below) = match &found.endpoint.route.key {
            RouteKey::Default => ("", path.strip_prefix('/').unwrap_or(path)),
            RouteKey::Path { path: template, .. } => match template.before_greedy() {
                None => (path.strip_suffix('/').unwrap_or(path), ""),
                Some(segments) => cut(path, segments),
            },
        };
        let stage = if served.stage.is_default() {
            String::new()
        } else {
            format!("/{}", served.stage)
        };
        let or_root = |path: String| {
            if path.is_empty() {
                "/".to_owned()
            } else {
                path
            }
        };
        Some(Self {
            route: route(map),
            base: format!("/execute-api/{}{stage}{own}", target.id),
            place: or_root(format!("{base}{own}")),
            below: below.to_owned(),
        })
    }
}

/// The first segments of a path, and the others without the slash between.
fn cut(path: &str, segments: usize) -> (&str, &str) {
    let slash = path.match_indices('/').nth(segments);
    let (own, below) = slash.map_or((path, ""), |(at, _)| path.split_at(at));
    (own, below.strip_prefix('/').unwrap_or(below))
}

impl HttpApiGateway {
    /// Hands a request to its map whose body had to be there first.
    pub async fn map_whole(
        &self,
        request: &ApiRequest,
        parts: &Parts,
        body: Bytes,
    ) -> Response<Body> {
        match request.check_body(parts, &body) {
            Some(response) => response,
            None => self.map(request, parts, aws_wire::body::full(body)).await,
        }
    }

    /// Hands a request to its map.
    pub async fn map<B>(&self, request: &ApiRequest, parts: &Parts, body: B) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes, Error = io::Error> + Send + Unpin,
    {
        let Some(map) = &request.map else {
            return request.refuse(GivenUp::Broken, parts);
        };
        let limit = request.body_limit(u64::MAX);
        if body.size_hint().lower() > limit {
            return request.refuse(GivenUp::TooLarge { limit }, parts);
        }
        let inside = match request.enter() {
            Ok(inside) => inside,
            Err(why) => return request.finish(parts, request.refused(&why)),
        };
        let seen = request.seen(parts);
        let rules = finish::rules(&request.served, Some(&request.first().endpoint));
        let is_over = Arc::new(AtomicBool::new(false));
        let response = if cors::is_stranger(rules, seen) {
            Refusal::Stranger.respond(request.request_id)
        } else if map.place.is_ascii() {
            let mut askers = request.visits.iter().map(Visit::asker);
            let known = askers.find(|asker| *asker != Asker::Anyone);
            let call = Call {
                parts: seen,
                route: &map.route,
                base: &map.base,
                place: &map.place,
                request_id: request.request_id,
                time: request.time(),
                tally: request.tally(),
                meter: request.visits.iter().find_map(Visit::meter),
                asker: known.unwrap_or(Asker::Anyone),
            };
            let body = Limited {
                body,
                left: limit,
                is_over: Arc::clone(&is_over),
            };
            serve(&self.map, &self.jobs, &call, &map.below, body).await
        } else {
            // It could not be named in the answer's head.
            request.refused(&ApiRefusal::NotFound)
        };
        if is_over.load(Ordering::Relaxed) {
            return request.refuse(GivenUp::TooLarge { limit }, parts);
        }
        let response = limits::hold(inside, response);
        let response = request.dress(parts, response).await;
        request.finish(parts, response)
    }
}

/// A body of which no more is read than its route takes.
struct Limited<B> {
    body: B,
    left: u64,
    is_over: Arc<AtomicBool>,
}

impl<B> http_body::Body for Limited<B>
where
    B: http_body::Body<Data = Bytes, Error = io::Error> + Unpin,
{
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            let Some(left) = self.left.checked_sub(data.len() as u64) else {
                self.is_over.store(true, Ordering::Relaxed);
                let error = io::Error::other("the body is larger than the route takes");
                return Poll::Ready(Some(Err(error)));
            };
            self.left = left;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_cut_after_its_first_segments() {
        for (path, segments, own, below) in [
            ("/jobs/1", 0, "", "jobs/1"),
            ("/a/jobs/1", 1, "/a", "jobs/1"),
            ("/a/b", 2, "/a/b", ""),
            ("/a%2Fb/c/d", 1, "/a%2Fb", "c/d"),
        ] {
            assert_eq!(cut(path, segments), (own, below), "{path}");
        }
    }
}
