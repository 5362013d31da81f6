//! Predictions on their way out.

use aws_wire::{Body, body};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use model::any::Answer;

use super::asked::Asked;
use super::loaded::Current;
use super::refusal::Refusal;
use crate::map_service::Kind;

/// Which state of the model's object has answered.
pub(crate) const VERSION: HeaderName = HeaderName::from_static("x-squall-model-version");
/// What is wrong with the object that is there now, if an older one has answered.
pub(crate) const TROUBLE: HeaderName = HeaderName::from_static("x-squall-model-error");

/// The forms there are.
const KINDS: [Kind; 2] = [Kind::Json, Kind::Csv];

/// What the client likes best.
pub(crate) fn form(headers: &HeaderMap, usual: Kind) -> Result<Kind, Refusal> {
    Kind::best(headers, usual, &KINDS).ok_or(Refusal::NotAcceptable)
}

/// What was asked for beside the predictions is put beside them.
pub(crate) fn decided(answer: Answer, asked: &Asked) -> Result<Answer, Refusal> {
    let Some(threshold) = asked.threshold else {
        return Ok(answer);
    };
    let decided = answer.decided(threshold, &asked.decision);
    decided.ok_or_else(|| Refusal::BadOption {
        name: "threshold",
        given: threshold.to_string(),
        may_be: "left out: there is not one prediction for each row".to_owned(),
    })
}

/// One object.
pub(crate) fn object(answer: &Answer) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    answer.write_object(0, &mut out);
    out
}

pub(crate) fn respond(bytes: Vec<u8>, kind: Kind, current: &Current) -> Response<Body> {
    let mut response = Response::new(body::full(bytes));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, kind.content_type());
    mark(headers, current);
    response
}

pub(crate) fn mark(headers: &mut HeaderMap<HeaderValue>, current: &Current) {
    headers.insert(VERSION, current.loaded.version.clone());
    if let Some(trouble) = &current.trouble {
        headers.insert(TROUBLE, trouble.clone());
    }
}
