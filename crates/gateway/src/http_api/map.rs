//! How a route of an API leads to a map: where the map is, seen from its clients, and
//! what of a path lies below it.

use std::io;
use std::time::Duration;

use aws_wire::{Body, body};
use bytes::Bytes;
use engine::http_apis::{IntegrationTarget, MapTarget, Match, RouteKey, Served};
use http::request::Parts;
use http::{Method, Response};

use super::{ApiRequest, HttpApiGateway};
use crate::cors;
use crate::map_routes::{GivenUp, serve};
use crate::map_service::{Call, MapRoute, Refusal};
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
    time: Option<Duration>,
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
    pub fn of(target: &Target, served: &Served, found: &Match, path: &str) -> Option<Self> {
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
        let prefix = target.prefix.as_deref().unwrap_or_default();
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
            place: or_root(format!("{prefix}{stage}{own}")),
            below: below.to_owned(),
            time: integration
                .timeout_ms
                .map(|ms| Duration::from_millis(ms.into())),
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
    /// Hands a request to its map.
    pub async fn map<B>(&self, request: &ApiRequest, parts: &Parts, body: B) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes, Error = io::Error> + Send + Unpin,
    {
        let Some(map) = &request.map else {
            return request.refuse(GivenUp::Broken, parts);
        };
        let mut response = if cors::is_stranger(request.served.cors.as_ref(), parts) {
            Refusal::Stranger.respond(request.request_id)
        } else if map.place.is_ascii() {
            let call = Call {
                parts,
                route: &map.route,
                base: &map.base,
                place: &map.place,
                request_id: request.request_id,
                time: map.time,
                tally: request.tally(),
            };
            serve(&self.map, &self.jobs, &call, &map.below, body).await
        } else {
            // It could not be named in the answer's head.
            super::ApiRefusal::NotFound.respond()
        };
        if parts.method == Method::HEAD {
            *response.body_mut() = body::empty();
        }
        request.finish(parts, response)
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
