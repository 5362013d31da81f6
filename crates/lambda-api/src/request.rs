//! What an operation reads from: path, query, headers and body of one request.

use aws_wire::{Body, form};
use bytes::Bytes;
use engine::catalog::{Catalog, Paging};
use http::request::Parts;
use http::{Response, StatusCode};
use serde::de::DeserializeOwned;
use types::Scope;

use crate::LambdaApi;
use crate::error::ApiError;
use crate::validate::Faults;

/// What the members beside a zip may take up.
const OTHER_MEMBERS_BYTES: u64 = 256 * 1024;

pub(crate) type Answer = Result<Response<Body>, ApiError>;

/// One request on its way to its operation.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub api: &'a LambdaApi,
    pub parts: &'a Parts,
    pub body: Bytes,
}

impl<'a> Call<'a> {
    pub fn catalog(&self) -> &'a Catalog {
        self.api.engine.catalog()
    }

    pub fn scope(&self) -> &'a Scope {
        self.api.engine.scope()
    }

    /// The value of a query parameter, the first if there are several.
    pub fn query(&self, name: &str) -> Option<String> {
        let query = self.parts.uri.query()?;
        form::pairs(query)
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }

    /// All values of a query parameter.
    pub fn query_all(&self, name: &str) -> Vec<String> {
        let query = self.parts.uri.query().unwrap_or_default();
        form::pairs(query)
            .filter(|(key, _)| key == name)
            .map(|(_, value)| value)
            .collect()
    }

    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.parts.headers.get(name)?.to_str().ok()
    }

    /// The members of a JSON body; no body is an empty object.
    pub fn members<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        parse(&self.body)
    }

    /// The members of a body that may carry a zip: it is refused by its size
    /// before anything in it is read, and read where it holds nobody up.
    pub async fn members_with_zip<T: DeserializeOwned + Send + 'static>(
        &self,
        operation: &'static str,
    ) -> Result<T, ApiError> {
        let in_base64 = (self.api.engine.limits().zip_bytes * 4).div_ceil(3);
        let limit = in_base64 + OTHER_MEMBERS_BYTES;
        if self.body.len() as u64 > limit {
            return Err(ApiError::RequestTooLarge { limit, operation });
        }
        let body = self.body.clone();
        let parsed = tokio::task::spawn_blocking(move || parse(&body)).await;
        parsed.unwrap_or_else(|error| Err(ApiError::Serialization(error.to_string())))
    }

    /// `Marker` and `MaxItems`, of which there may be at most `max`.
    pub fn paging(&self, max: u32) -> Result<Paging, ApiError> {
        let mut faults = Faults::default();
        let max_items = match self.query("MaxItems") {
            None => None,
            Some(text) => match text.parse() {
                Ok(number) => faults.range(number, "maxItems", 1, max),
                Err(_) => {
                    return Err(ApiError::Serialization(
                        "STRING_VALUE can not be converted to an Integer".to_owned(),
                    ));
                }
            },
        };
        faults.none()?;
        Ok(Paging {
            marker: self.query("Marker").filter(|marker| !marker.is_empty()),
            max_items: max_items.and_then(|max| usize::try_from(max).ok()),
        })
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| ApiError::Serialization(error.to_string()))
}

/// An answer with a JSON body.
#[expect(clippy::unnecessary_wraps, reason = "operations end in it")]
pub(crate) fn json(status: StatusCode, value: &impl serde::Serialize) -> Answer {
    let body = serde_json::to_vec(value).expect("answers are plain data with text keys");
    Ok(aws_wire::error::respond(status, "application/json", body))
}

pub(crate) fn ok(value: &impl serde::Serialize) -> Answer {
    json(StatusCode::OK, value)
}

pub(crate) fn created(value: &impl serde::Serialize) -> Answer {
    json(StatusCode::CREATED, value)
}

#[expect(clippy::unnecessary_wraps, reason = "operations end in it")]
pub(crate) fn no_content() -> Answer {
    let mut response = aws_wire::error::respond(StatusCode::NO_CONTENT, "application/json", "");
    response.headers_mut().remove(http::header::CONTENT_TYPE);
    Ok(response)
}
