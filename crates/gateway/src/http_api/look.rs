//! What the head of a request says of it: which route it is for, whether it may pass, and
//! whether there is an answer already.
//!
//! A route may lead on to another one. Then the door of each must let the request in, and
//! the limits of all of them count: a second way to a route must not be an easier one.

use std::sync::Arc;

use aws_wire::{Body, body};
use engine::http_apis::Served;
use http::header::ALLOW;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use types::RequestId;
use watch::About;

use super::address::Address;
use super::door::{Knock, Visit};
use super::map::MapPlace;
use super::places::{Place, Stage};
use super::refusal::ApiRefusal;
use super::routing::{self, Routed};
use super::{ApiRequest, HttpApiGateway, Looked, door, finish};
use crate::cors;
use crate::openapi::Page;

/// A request whose stage is known, while its route is looked for.
pub(super) struct Look<'a> {
    pub gateway: &'a HttpApiGateway,
    pub stage: &'a Stage,
    pub parts: &'a Parts,
    pub request_id: RequestId,
}

impl Look<'_> {
    pub async fn at(&self, address: Address) -> Looked {
        let (served, parts) = (&address.served, self.parts);
        if let Some(page) = Page::reserved(&address.below)
            && let Some(response) = self.page(page, &address).await
        {
            return response;
        }
        if cors::is_preflight(parts)
            && let Some(response) = self.preflight(&address)
        {
            return response;
        }
        let first = routing::find(self.stage, served, &parts.method, &address.below);
        let first = match first {
            Ok(first) => first,
            Err(why) => return self.unrouted(&address, &why).await,
        };
        match self.follow(&address, first).await {
            Ok(followed) => self.sort(address, followed).await,
            Err(answered) => *answered,
        }
    }

    /// Browsers ask beforehand whether or not there is a route for it.
    fn preflight(&self, address: &Address) -> Option<Looked> {
        let wanted = http::header::ACCESS_CONTROL_REQUEST_METHOD;
        let wanted = self.parts.headers.get(wanted)?.as_bytes();
        let wanted = Method::from_bytes(wanted).ok()?;
        let served = &address.served;
        let routed = routing::find(self.stage, served, &wanted, &address.below).ok();
        let place = routed.as_ref().map(|routed| &*routed.place);
        let rules = finish::rules(served, place.map(|place| &*place.endpoint))?;
        let mut response = Response::new(body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        *response.headers_mut() = cors::preflight(rules, self.parts);
        let about = About {
            api: Some(self.stage.api.clone()),
            stage: Some(self.stage.name.clone()),
            route: place.map(|place| place.route.clone()),
            ..About::default()
        };
        let response = finish::with_id(response, self.request_id, about);
        Some(Looked::Answered(response))
    }

    /// A path that has no route, or none for this method.
    async fn unrouted(&self, address: &Address, why: &ApiRefusal) -> Looked {
        if matches!(why, ApiRefusal::NotFound)
            && let Some(page) = Page::unrouted(&address.below)
            && let Some(looked) = self.page(page, address).await
        {
            return looked;
        }
        if let ApiRefusal::Method { allow } = why
            && self.parts.method == Method::OPTIONS
            && let Ok(allow) = HeaderValue::from_str(allow)
        {
            let mut response = Response::new(body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            response.headers_mut().insert(ALLOW, allow);
            return self.away(&address.served, None, response);
        }
        self.refuse(&address.served, None, why)
    }

    /// Lets a request in, and goes on to the route that answers it.
    async fn follow(&self, address: &Address, first: Routed) -> Result<Followed, Box<Looked>> {
        let served = &address.served;
        let mut visits = Vec::new();
        let mut before: Vec<Arc<Place>> = Vec::new();
        let mut routed = first;
        loop {
            let place = Arc::clone(&routed.place);
            // What is told of a refusal is told of the route that was called.
            let called = before.first().unwrap_or(&place).clone();
            // A call is one call of its key, by however many routes it goes. Who comes by a
            // link is counted at the end, where it is known that no key was.
            let is_counted = visits.iter().any(Visit::is_counted);
            let visit = self.let_in(address, &routed, &called, is_counted).await?;
            visits.extend(visit);
            if let Some(throttle) = routed.found.endpoint.throttle
                && let Err(retry_after_ms) = place.limits.take(throttle)
            {
                let why = ApiRefusal::TooOften { retry_after_ms };
                return Err(Box::new(self.refuse(served, Some(&called), &why)));
            }
            let Some(target) = routed.onward() else {
                self.gateway.door.charge(&mut visits);
                return Ok(Followed {
                    routed,
                    before,
                    visits,
                });
            };
            let next = if before.len() < routing::MOST_HOPS {
                let path = routed.next(target);
                path.and_then(|path| routing::find(self.stage, served, &routed.method, &path))
            } else {
                Err(ApiRefusal::Loop(routing::MOST_HOPS))
            };
            before.push(place);
            routed = next.map_err(|why| Box::new(self.refuse(served, Some(&called), &why)))?;
        }
    }

    async fn let_in(
        &self,
        address: &Address,
        routed: &Routed,
        called: &Place,
        is_counted: bool,
    ) -> Result<Option<Visit>, Box<Looked>> {
        let served = &address.served;
        let knock = Knock {
            parts: self.parts,
            target: &address.target,
            served,
            state: self.stage.number,
            found: &routed.found,
            method: &routed.method,
            below: &routed.path,
            request_id: self.request_id,
            is_counted,
        };
        self.gateway.door.open(&knock).await.map_err(|why| {
            tracing::debug!(%why, api = address.target.id, "a call was not let in");
            let response = finish::shut_out(&why, self.request_id);
            Box::new(self.away(served, Some(called), response))
        })
    }

    /// An answer that is kept, or to whom the request goes.
    async fn sort(&self, address: Address, followed: Followed) -> Looked {
        let mut request = Box::new(self.request(address, followed));
        if request.map.is_some() {
            return Looked::Map(request);
        }
        request.key = request.asked_key(self.parts, self.stage.number);
        let answer = request
            .key
            .and_then(|(key, _)| self.gateway.answers.get(&key));
        if let Some(answer) = answer {
            let response = answer.respond();
            let response = request.dress(self.parts, response).await;
            return Looked::Answered(request.finish(self.parts, response));
        }
        Looked::Whole(request)
    }

    fn request(&self, address: Address, followed: Followed) -> ApiRequest {
        let Followed {
            routed,
            before,
            visits,
        } = followed;
        let Address {
            mut target,
            served,
            lead,
            ..
        } = address;
        let prefix = target.prefix.as_deref().unwrap_or_default();
        let base = format!("{prefix}{lead}");
        if !before.is_empty() {
            target.path = format!("{lead}{}", routed.path);
        }
        let map = MapPlace::of(&target, &base, &served, &routed.found, &routed.path);
        let query = visits.iter().find_map(|visit| visit.query(self.parts));
        let differs = routed.method != self.parts.method || query.is_some();
        let seen = differs.then(|| {
            let mut seen = self.parts.clone();
            seen.method = routed.method;
            if let Some(query) = query {
                door::set_query(&mut seen, &query);
            }
            Box::new(seen)
        });
        ApiRequest {
            target,
            served,
            found: routed.found,
            place: routed.place,
            before,
            base,
            below: routed.path,
            map,
            visits,
            key: None,
            seen,
            request_id: self.request_id,
        }
    }

    fn refuse(&self, served: &Served, place: Option<&Place>, why: &ApiRefusal) -> Looked {
        let mut response = why.respond(self.request_id);
        let refused = Some(why.word());
        response.extensions_mut().insert(About {
            refused,
            ..About::default()
        });
        self.away(served, place, response)
    }

    pub(super) fn away(
        &self,
        served: &Served,
        place: Option<&Place>,
        response: Response<Body>,
    ) -> Looked {
        let parts = self.parts;
        let mut response = finish::turn_away(served, place, parts, response, self.request_id);
        if place.is_none() {
            let mut about = finish::about(&mut response);
            about.api = Some(self.stage.api.clone());
            about.stage = Some(self.stage.name.clone());
            response.extensions_mut().insert(about);
        }
        Looked::Answered(response)
    }
}

/// A request that was let in, and the routes by which it came.
struct Followed {
    routed: Routed,
    before: Vec<Arc<Place>>,
    visits: Vec<Visit>,
}
