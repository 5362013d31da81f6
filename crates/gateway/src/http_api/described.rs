//! The pages on which an API describes itself, and who may read what is described. The
//! page to try calls says nothing of its own, so everybody may have it: browsers bring no
//! keys when they open one. It asks for what is wanted, and reads the document with that.

use aws_wire::{Body, body};
use bytes::Bytes;
use engine::http_apis::{Docs, Endpoint, Match};
use http::header::CACHE_CONTROL;
use http::{HeaderValue, Method, Response};
use http_body_util::BodyExt;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use watch::About;

use super::address::Address;
use super::door::{Knock, Shut, Visit};
use super::look::Look;
use super::{Looked, finish};
use crate::openapi::Page;

impl Look<'_> {
    /// None if it is not for these pages, as when the API's owner wants none.
    pub(super) async fn page(&self, page: Page, address: &Address) -> Option<Looked> {
        let (documents, served) = (&self.gateway.documents, &address.served);
        // What browsers ask beforehand is answered as for any route.
        if served.docs.is_off() || self.parts.method == Method::OPTIONS {
            return None;
        }
        let reads =
            page == Page::Document && matches!(self.parts.method, Method::GET | Method::HEAD);
        let mut visit = None;
        if let (Docs::Asked(endpoint), true) = (&served.docs, reads) {
            match self.reader(endpoint, address).await {
                Ok(reader) => visit = reader,
                Err(why) => {
                    tracing::debug!(%why, api = address.target.id, "a document was not shown");
                    let response = finish::shut_out(&why, self.request_id);
                    let response = with_members(response, documents.asks(endpoint)).await;
                    return Some(self.away(served, None, response));
                }
            }
        }
        let api = &address.entry.api;
        let answer = documents.answer(page, self.parts, api, served, &address.below);
        let mut response = answer.await;
        if let Some(visit) = visit {
            response = visit.leave(response);
            // It is for this reader alone.
            let alone = HeaderValue::from_static("private, no-store");
            response.headers_mut().insert(CACHE_CONTROL, alone);
            response.extensions_mut().insert(About {
                caller: visit.identity(),
                ..About::default()
            });
        }
        Some(self.away(served, None, response))
    }

    /// Whether who asks may read the document. Policies, keys and authorizers know it by
    /// one path, wherever it was asked for.
    async fn reader(
        &self,
        endpoint: &Arc<Endpoint>,
        address: &Address,
    ) -> Result<Option<Visit>, Shut> {
        let found = Match {
            endpoint: Arc::clone(endpoint),
            variables: BTreeMap::new(),
        };
        let knock = Knock {
            parts: self.parts,
            target: &address.target,
            served: &address.served,
            state: self.stage.number,
            found: &found,
            method: &Method::GET,
            below: Docs::PATH,
            request_id: self.request_id,
            is_counted: false,
        };
        let visit = self.gateway.door.open(&knock).await?;
        if let Some(visit) = &visit {
            // There is none, and it may have been signed.
            visit.check_body(self.parts, &Bytes::new())?;
        }
        Ok(visit)
    }
}

/// A problem that tells the page to try calls what it has to ask for.
async fn with_members(response: Response<Body>, members: Value) -> Response<Body> {
    let (head, old) = response.into_parts();
    let old = old.collect().await.map(http_body_util::Collected::to_bytes);
    let old = old.unwrap_or_default();
    let (Ok(Value::Object(mut problem)), Value::Object(members)) =
        (serde_json::from_slice(&old), members)
    else {
        return Response::from_parts(head, body::full(old));
    };
    problem.extend(members);
    let whole = Value::Object(problem).to_string();
    Response::from_parts(head, body::full(whole))
}
