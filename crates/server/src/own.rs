//! Squall's own pages under `/_squall/`: whether it is alive, what it is, what
//! runs, what happened and what will, what was used, the clock, the gateway's routes, and whether the
//! store is sound.

mod access;
mod alerts;
mod check;
mod deliveries;
mod keys;
mod routes;
mod schedules;
mod usage;

use std::sync::Arc;
use std::time::Instant;

use aws_wire::form::Form;
use aws_wire::sigv4::{Identity, Principal};
use aws_wire::{Body, error};
use buckets::Buckets;
use bytes::Bytes;
use engine::Engine;
use engine::api_keys::ApiKeys;
use engine::usage::Usage;
use gateway::{EngineJobs, Routes};
use http::{Method, Request, Response, StatusCode};
use rules::Rules;
use serde::Serialize;
use serde_json::{Value, json};
use store::Store;
use store::jobs::Job;
use tokio_util::sync::CancellationToken;

use crate::alerts::Alerts;
use crate::files::Address;
use crate::settings::Settings;
use crate::watching::{Watching, metrics_page};

use check::Checks;

/// What the pages are about.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    pub engine: Engine,
    pub rules: Arc<Rules>,
    pub buckets: Buckets,
    pub store: Arc<Store>,
    pub routes: Arc<Routes>,
    pub keys: Arc<ApiKeys>,
    pub usage: Arc<Usage>,
    pub watching: Arc<Watching>,
    pub jobs: EngineJobs,
    pub alerts: Arc<Alerts>,
    /// When what takes long must stop.
    pub end: CancellationToken,
}

#[derive(Debug)]
pub(crate) struct OwnPages {
    parts: Parts,
    checks: Checks,
    started: Instant,
    /// What does not change while the server runs.
    about: Value,
}

/// A page, or why there is none.
type Page = Result<Response<Body>, Refused>;

#[derive(Debug)]
struct Refused {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl OwnPages {
    pub fn new(parts: Parts, settings: &Settings, address: &Address, isolation: &str) -> Self {
        let about = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "pid": address.pid,
            "api": address.api,
            "gateway": address.gateway,
            "gateway_tls": address.gateway_tls,
            "tls_authority": address.tls_authority,
            "metrics": address.metrics,
            "region": address.region,
            "account": address.account,
            "data": settings.data,
            "durability": settings.config.durability,
            "clock": settings.config.clock,
            "isolation": isolation,
            "limits": settings.config.limits,
        });
        Self {
            parts,
            checks: Checks::default(),
            started: Instant::now(),
            about,
        }
    }

    pub fn health() -> Response<Body> {
        answer(&json!({ "status": "ok" }))
    }

    pub async fn handle(&self, request: &Request<Bytes>) -> Response<Body> {
        let page = match self.permit(request) {
            Ok(()) => self.page(request).await,
            Err(refused) => Err(refused),
        };
        page.unwrap_or_else(|refused| refused.respond())
    }

    /// No role's policy speaks of these pages: what they show and change is for
    /// the owner of the account, and not for functions.
    fn permit(&self, request: &Request<Bytes>) -> Result<(), Refused> {
        let identity = request.extensions().get::<Identity>();
        let owner = Principal::root(self.parts.engine.scope().account.clone());
        if identity.is_some_and(|it| it.principal == owner) {
            return Ok(());
        }
        Err(Refused::new(
            StatusCode::FORBIDDEN,
            "AccessDeniedException",
            "Only the owner of the account may do this: sign with the keys of the data directory.",
        ))
    }

    async fn page(&self, request: &Request<Bytes>) -> Page {
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/_squall/ps") => Ok(self.running()),
            (&Method::GET, "/_squall/info") => Ok(self.info()),
            (&Method::GET, "/_squall/events") => self.events(request).await,
            (&Method::GET, "/_squall/usage") => {
                let Parts { store, engine, .. } = &self.parts;
                usage::page(store, engine, request.uri().query()).await
            }
            (&Method::GET, "/_squall/usage/keys") => {
                let Parts { usage, keys, .. } = &self.parts;
                keys::page(usage, keys, request.uri().query()).await
            }
            (&Method::GET, "/_squall/schedules") => Ok(schedules::list(&self.parts.rules)),
            (&Method::POST, "/_squall/schedules/run") => {
                schedules::run(&self.parts.rules, request.body()).await
            }
            (&Method::GET, "/_squall/clock") => Ok(schedules::clock(&self.parts.rules)),
            (&Method::POST, "/_squall/clock") => {
                schedules::advance(&self.parts.rules, &self.parts.buckets, request.body()).await
            }
            (&Method::GET, "/_squall/requests") => self.requests(request).await,
            (&Method::GET, "/_squall/access") => {
                access::page(&self.parts.watching.access, request.uri().query()).await
            }
            (&Method::GET, "/_squall/metrics") => {
                Ok(metrics_page(self.parts.watching.metrics().await))
            }
            (&Method::GET, "/_squall/top") => self.top(request).await,
            (&Method::GET, "/_squall/alerts") => Ok(alerts::list(&self.parts.alerts)),
            (&Method::PUT, "/_squall/alerts") => {
                alerts::put(&self.parts.alerts, request.body()).await
            }
            (&Method::DELETE, "/_squall/alerts") => {
                alerts::remove(&self.parts.alerts, request.uri().query()).await
            }
            (&Method::POST, "/_squall/alerts/test") => {
                alerts::test(&self.parts.alerts, request.uri().query()).await
            }
            (&Method::GET, "/_squall/routes") => Ok(self.routes()),
            (&Method::PUT, "/_squall/routes") => {
                routes::put(&self.parts.routes, self.gateway(), request.body()).await
            }
            (&Method::DELETE, "/_squall/routes") => {
                routes::remove(&self.parts.routes, request.uri().query()).await
            }
            (&Method::POST, "/_squall/store/check") => {
                self.checks.start(&self.parts.store, &self.parts.end)
            }
            _ => Err(Refused::not_found("There is no such page.")),
        }
    }

    /// `?after=NUMBER`: what the gateway answered since; else nothing but how much it was.
    async fn requests(&self, request: &Request<Bytes>) -> Page {
        let query = Form::parse(request.uri().query().unwrap_or_default());
        let after = query.get("after").map(str::parse).transpose();
        let after = after.map_err(|_| Refused::invalid("after is a number."))?;
        let access = &self.parts.watching.access;
        access.flush().await;
        let (count, told) = access.requests().after(after.unwrap_or(u64::MAX));
        Ok(answer(&json!({ "count": count, "requests": told })))
    }

    /// `?seconds=N`: how far back; else 10. With the jobs of maps that are
    /// not over, and the alerts that are not quiet.
    async fn top(&self, request: &Request<Bytes>) -> Page {
        let query = Form::parse(request.uri().query().unwrap_or_default());
        let seconds = query.get("seconds").map(str::parse).transpose();
        let seconds = seconds.map_err(|_| Refused::invalid("seconds is a number."))?;
        let watching = &self.parts.watching;
        let top = tokio::task::block_in_place(|| watching.top(seconds.unwrap_or(10)));
        let jobs = self.parts.jobs.under_way().await;
        let jobs = jobs.map_err(|error| Refused::failed(&error))?;
        let mut shown = serde_json::to_value(&top).expect("figures become JSON");
        shown["alerts"] = self.parts.alerts.list_loud();
        shown["jobs"] = jobs.iter().map(show_job).collect();
        Ok(answer(&shown))
    }

    fn routes(&self) -> Response<Body> {
        routes::list(&self.parts.routes, self.gateway())
    }

    /// Where the gateway listens.
    fn gateway(&self) -> &str {
        self.about["gateway"].as_str().unwrap_or_default()
    }

    fn running(&self) -> Response<Body> {
        let engine = &self.parts.engine;
        // What a process takes is read from /proc, which may block.
        answer(&tokio::task::block_in_place(|| {
            json!({
                "instances": engine.instances(),
                "templates": engine.templates(),
            })
        }))
    }

    fn info(&self) -> Response<Body> {
        let mut info = self.about.clone();
        info["uptime_seconds"] = self.started.elapsed().as_secs().into();
        info["python_versions"] = json!(self.parts.engine.python_versions());
        info["r_versions"] = json!(self.parts.engine.r_versions());
        answer(&info)
    }

    async fn events(&self, request: &Request<Bytes>) -> Page {
        let query = Form::parse(request.uri().query().unwrap_or_default());
        let limit = query.get("limit").map(str::parse).transpose();
        let limit = limit.map_err(|_| Refused::invalid("limit is a number."))?;
        let page = deliveries::page(&self.parts.store, limit).await;
        page.map(|page| answer(&page))
            .map_err(|error| Refused::failed(&error))
    }
}

/// How far a job is.
fn show_job(job: &Job) -> Value {
    let progress = job.progress.as_deref().unwrap_or_default();
    let progress: Value = serde_json::from_str(progress).unwrap_or_default();
    json!({
        "job": job.id.as_str(),
        "function": job.function,
        "state": job.state.as_str(),
        "items": job.items,
        "done": progress["done"].as_u64().unwrap_or(0),
        "failed": progress["failed"].as_u64().unwrap_or(0),
        "created": job.created.rfc3339(),
    })
}

fn answer(value: &impl Serialize) -> Response<Body> {
    let text = serde_json::to_vec(value).expect("what pages show becomes JSON");
    error::respond(StatusCode::OK, "application/json", text)
}

impl Refused {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
        }
    }

    fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "ValidationException", message)
    }

    fn not_found(message: impl Into<String>) -> Self {
        let code = "ResourceNotFoundException";
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// Something of ours went wrong.
    fn failed(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error, "a page could not be made");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "ServiceException",
            "The page could not be made; the engine's log says why.",
        )
    }

    fn respond(&self) -> Response<Body> {
        error::rest_json(self.status, self.code, &self.message, &[])
    }
}
