//! Plain requests in, plain answers out: function URLs, HTTP APIs, the websites of
//! buckets, and routes over which tables go to functions.
//!
//! Reading order: [`Gateway`] walks a request through; `target` says which
//! function it is for, `cors` and `access` whether it may pass, `event` what the
//! function sees, `answer` and `stream` what the client gets back. [`Website`]
//! does the same for pages, [`HttpApiGateway`] for APIs. [`Routes`] says what is served where, [`MapRoutes`] serves
//! it by a [`map_service`].

mod access;
mod answer;
mod caller;
mod compress;
mod cors;
mod event;
mod gateway;
mod http_api;
mod map_routes;
pub mod map_service;
mod model_routes;
pub mod model_service;
mod openapi;
mod refusal;
mod routes;
mod site;
mod stream;
mod target;

pub use gateway::Gateway;
pub use http_api::{
    ApiRequest, BringsBody, HttpApiGateway, Keepers, Looked, check_map, check_model,
};
pub use map_routes::{EngineJobs, EngineMap, Found, GivenUp, MapRoutes};
pub use model_routes::EngineModels;
pub use openapi::Documents;
pub use routes::{BadPath, Route, RouteError, RoutePath, RouteTo, Routes};
pub use site::Website;
