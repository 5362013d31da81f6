//! Squall's own pages under `/_squall/`: whether it is alive, what runs, what it is.

use std::time::Instant;

use aws_wire::{Body, error};
use bytes::Bytes;
use engine::Engine;
use http::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use crate::files::Address;
use crate::settings::Settings;

#[derive(Debug)]
pub(crate) struct OwnPages {
    engine: Engine,
    started: Instant,
    /// What does not change while the server runs.
    about: Value,
}

impl OwnPages {
    pub fn new(engine: Engine, settings: &Settings, address: &Address, isolation: &str) -> Self {
        let about = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "pid": address.pid,
            "api": address.api,
            "gateway": address.gateway,
            "region": address.region,
            "account": address.account,
            "data": settings.data,
            "durability": settings.config.durability,
            "isolation": isolation,
            "limits": settings.config.limits,
        });
        Self {
            engine,
            started: Instant::now(),
            about,
        }
    }

    pub fn health() -> Response<Body> {
        answer(StatusCode::OK, &json!({ "status": "ok" }))
    }

    pub fn handle(&self, request: &Request<Bytes>) -> Response<Body> {
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/_squall/ps") => answer(
                StatusCode::OK,
                // What a process takes is read from /proc, which may block.
                &tokio::task::block_in_place(|| {
                    json!({
                        "instances": self.engine.instances(),
                        "templates": self.engine.templates(),
                    })
                }),
            ),
            (&Method::GET, "/_squall/info") => answer(StatusCode::OK, &self.info()),
            _ => error::rest_json(
                StatusCode::NOT_FOUND,
                "ResourceNotFoundException",
                "There is no such page.",
                &[],
            ),
        }
    }

    fn info(&self) -> Value {
        let mut info = self.about.clone();
        info["uptime_seconds"] = self.started.elapsed().as_secs().into();
        info["python_versions"] = json!(self.engine.python_versions());
        info
    }
}

fn answer(status: StatusCode, value: &Value) -> Response<Body> {
    error::respond(status, "application/json", value.to_string())
}
