//! The walk of one request: the model that is there now, the rows, the predictions.

use std::io::Cursor;
use std::sync::Arc;

use aws_wire::{Body, body};
use bytes::Bytes;
use http::header::ALLOW;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use model::any::AnyModel;
use model::input::{Cell, csv, json};
use types::{RequestId, Tally};

use super::answer::{self, decided, form};
use super::asked::Asked;
use super::intake::{BodyKind, Given, kind_of};
use super::loaded::Current;
use super::refusal::{ALLOWED, Refusal};
use super::route::ModelRoute;
use super::served::ServedModel;
use super::source::ModelSource;
use crate::map_service::Kind;

/// Bodies above this are worked on beside the threads that serve others.
const SMALL: usize = 32 * 1024;

/// One request to a model.
#[derive(Debug, Clone, Copy)]
pub struct ModelCall<'a> {
    pub parts: &'a Parts,
    pub route: &'a ModelRoute,
    pub request_id: RequestId,
    /// On which it is put how many rows were predicted.
    pub tally: Option<&'a Tally>,
}

/// Answers a request. What goes wrong is an answer, too.
pub async fn serve_model<S: ModelSource>(
    served: &Arc<ServedModel<S>>,
    call: &ModelCall<'_>,
    body: Bytes,
) -> Response<Body> {
    let method = &call.parts.method;
    if method == Method::OPTIONS {
        return options();
    }
    let current = match served.current().await {
        Ok(current) => current,
        Err(refusal) => return refusal.respond(call.request_id),
    };
    let done = match *method {
        Method::GET | Method::HEAD => asked_by_query(call, &current, served.place()),
        Method::POST | Method::PUT => asked_by_body(call, &current, body).await,
        _ => Err(Refusal::Method {
            method: method.to_string(),
        }),
    };
    match done {
        Ok(written) => {
            if let Some(tally) = call.tally {
                tally.add_rows(written.rows);
            }
            answer::respond(written.bytes, written.kind, &current)
        }
        Err(refusal) => {
            let mut response = refusal.respond(call.request_id);
            answer::mark(response.headers_mut(), &current);
            response
        }
    }
}

/// Says what may be asked for.
fn options() -> Response<Body> {
    let mut response = Response::new(body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let allowed = HeaderValue::from_static(ALLOWED);
    response.headers_mut().insert(ALLOW, allowed);
    response
}

/// An answer, and how many predictions are in it.
struct Written {
    bytes: Vec<u8>,
    kind: Kind,
    rows: u64,
}

type Done = Result<Written, Refusal>;

fn query(parts: &Parts) -> &str {
    parts.uri.query().unwrap_or_default()
}

fn asked_by_query(call: &ModelCall<'_>, current: &Current, place: &str) -> Done {
    let model = &current.loaded.model;
    let mut asked = call.route.asked().clone();
    let given = Given::read(query(call.parts), model.fields(), &mut asked)?;
    let kind = form(&call.parts.headers, Kind::Json)?;
    if given.is_empty() {
        let mut shown = current.loaded.describe(place);
        if !call.route.options().is_empty() {
            shown["options"] = serde_json::json!(call.route.options());
        }
        return Ok(Written {
            bytes: shown.to_string().into_bytes(),
            kind: Kind::Json,
            rows: 0,
        });
    }
    let answer = decided(given.predict(model, &asked)?, &asked)?;
    Ok(Written {
        bytes: written_one(&answer, kind),
        kind,
        rows: 1,
    })
}

fn written_one(answer: &model::any::Answer, kind: Kind) -> Vec<u8> {
    if kind == Kind::Json {
        return answer::object(answer);
    }
    let mut out = Vec::new();
    let written = answer
        .write_header(&mut out)
        .and_then(|()| answer.write_rows(&mut out));
    written.expect("memory takes it");
    out
}

/// What a model says of one row as a route asks it: an example of its answers.
pub(crate) fn example_answer(
    model: &AnyModel,
    row: &[Cell<'_>],
    route: &ModelRoute,
) -> Option<Vec<u8>> {
    let asked = route.asked();
    let answer = model.predict_row(row, &asked.ask()).ok()?;
    let answer = decided(answer, asked).ok()?;
    Some(answer::object(&answer))
}

async fn asked_by_body(call: &ModelCall<'_>, current: &Current, body: Bytes) -> Done {
    let model = &current.loaded.model;
    let mut asked = call.route.asked().clone();
    let in_query = Given::read(query(call.parts), model.fields(), &mut asked)?;
    if !in_query.is_empty() {
        return Err(Refusal::Data {
            message: "a request has its rows in its query or in its body, and not in both"
                .to_owned(),
            row: None,
            field: None,
            allowed: vec![],
        });
    }
    let of = kind_of(call.parts, &body)?;
    let usual = match of {
        BodyKind::Csv => Kind::Csv,
        BodyKind::Json | BodyKind::Form => Kind::Json,
    };
    let kind = form(&call.parts.headers, usual)?;
    if body.len() <= SMALL {
        return work(model, &asked, of, body, kind);
    }
    let current = current.clone();
    let work = move || work(&current.loaded.model, &asked, of, body, kind);
    let worked = tokio::task::spawn_blocking(work).await;
    worked.unwrap_or_else(|error| {
        tracing::error!(%error, "a prediction did not end");
        Err(Refusal::Internal)
    })
}

fn work(model: &AnyModel, asked: &Asked, of: BodyKind, body: Bytes, kind: Kind) -> Done {
    let mut count = 1;
    let bytes = match of {
        BodyKind::Form => {
            let text = std::str::from_utf8(&body).unwrap_or_default();
            let mut asked = asked.clone();
            let given = Given::read(text, model.fields(), &mut asked)?;
            written_one(&decided(given.predict(model, &asked)?, &asked)?, kind)
        }
        BodyKind::Json => {
            let rules = json::Rules {
                coerce: asked.coerce,
                most_rows: asked.max_rows,
            };
            let rows = json::read(&body, model.fields(), rules)?;
            count = rows.frame.rows() as u64;
            let answer = model.predict(&rows.frame, &asked.ask())?;
            let answer = decided(answer, asked)?;
            if rows.single {
                written_one(&answer, kind)
            } else {
                let mut out = Out::new(kind);
                out.add(&answer);
                out.finish()
            }
        }
        BodyKind::Csv => {
            let mut out = Out::new(kind);
            let mut rows = 0;
            for frame in csv::frames(Box::new(Cursor::new(body)), model.fields(), 1)? {
                let frame = frame?;
                let answer = model.predict(&frame, &asked.ask());
                let answer = answer.map_err(|error| error.behind(rows))?;
                rows += frame.rows() as u64;
                if rows > asked.max_rows {
                    return Err(Refusal::TooManyRows {
                        limit: asked.max_rows,
                    });
                }
                out.add(&decided(answer, asked)?);
            }
            count = rows;
            out.finish()
        }
    };
    Ok(Written {
        bytes,
        kind,
        rows: count,
    })
}

/// A table while it is written.
struct Out {
    kind: Kind,
    bytes: Vec<u8>,
    begun: bool,
    any: bool,
}

impl Out {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            bytes: Vec::new(),
            begun: false,
            any: false,
        }
    }

    fn add(&mut self, answer: &model::any::Answer) {
        let out = &mut self.bytes;
        if self.kind == Kind::Json {
            if answer.rows() > 0 {
                out.push(if self.any { b',' } else { b'[' });
                answer.write_objects(out);
                self.any = true;
            }
            return;
        }
        if !self.begun {
            answer.write_header(out).expect("memory takes it");
            self.begun = true;
        }
        answer.write_rows(out).expect("memory takes it");
    }

    fn finish(mut self) -> Vec<u8> {
        if self.kind == Kind::Json {
            if !self.any {
                self.bytes.push(b'[');
            }
            self.bytes.push(b']');
        }
        self.bytes
    }
}
