//! The AWS endpoint: checks who asks, then hands the request to its service.

use std::borrow::Cow;
use std::sync::Arc;

use account_api::AccountApi;
use aws_wire::Body;
use aws_wire::sigv4::{AuthError, Identity, Verifier};
use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response, StatusCode};
use lambda_api::LambdaApi;
use logs_api::LogsApi;
use types::Timestamp;
use types::limits::Limits;

use crate::http::{Port, Refusal};
use crate::own::OwnPages;
use crate::route::{self, Route};

/// Hashing a body of this size takes long enough to hold up others.
const LARGE: usize = 1024 * 1024;

#[derive(Debug)]
pub(crate) struct ApiPort {
    pub verifier: Arc<Verifier>,
    pub limits: Limits,
    pub lambda: LambdaApi,
    pub logs: LogsApi,
    pub account: AccountApi,
    pub own: OwnPages,
}

impl Port for ApiPort {
    fn body_limit(&self, head: &Parts) -> u64 {
        Route::of(head).body_limit(head, &self.limits)
    }

    fn refuse(&self, head: &Parts, refusal: Refusal) -> Response<Body> {
        Route::of(head).refuse(head, refusal)
    }

    async fn handle(&self, request: Request<Bytes>) -> Response<Body> {
        let (mut head, body) = request.into_parts();
        let route = Route::of(&head);
        if route.is_signed() {
            match self.check(&head, &body, route) {
                Ok(identity) => head.extensions.insert(identity),
                Err(refused) => return route.refuse_signature(&refused),
            };
        }
        let request = Request::from_parts(head, body);
        match route {
            Route::Lambda => self.lambda.handle(request).await,
            Route::Logs => self.logs.handle(request).await,
            Route::Iam | Route::Sts => self.account.handle(request).await,
            Route::Code => self.lambda.handle_code(request).await,
            Route::Health => OwnPages::health(),
            Route::Own => self.own.handle(&request),
            Route::OtherJson | Route::OtherQuery | Route::OtherRest | Route::S3 => {
                not_built(route, &request)
            }
        }
    }
}

impl ApiPort {
    fn check(&self, head: &Parts, body: &Bytes, route: Route) -> Result<Identity, AuthError> {
        let name = route
            .signing_name()
            .map(Cow::Borrowed)
            .or_else(|| route::claimed_service(head).map(Cow::Owned))
            .unwrap_or_default();
        let check = || {
            let now = Timestamp::now();
            self.verifier.verify(head, body, &[&name], now)
        };
        if body.len() < LARGE {
            return check();
        }
        tokio::task::block_in_place(check)
    }
}

/// Names what was asked for: the target, such as `AWSEvents.PutRule`, else the service.
fn not_built(route: Route, request: &Request<Bytes>) -> Response<Body> {
    let target = request.headers().get("x-amz-target");
    let target = target.and_then(|value| value.to_str().ok());
    let identity = request.extensions().get::<Identity>();
    let service = identity.map(|identity| identity.service.as_str());
    let what = target.or(service).unwrap_or("this service");
    let shown: String = what.chars().take(100).collect();
    let (status, code) = match route {
        Route::S3 => (StatusCode::NOT_IMPLEMENTED, "NotImplemented"),
        Route::OtherQuery => (StatusCode::BAD_REQUEST, "InvalidAction"),
        _ => (StatusCode::BAD_REQUEST, "UnknownOperationException"),
    };
    route.error(
        status,
        code,
        &format!("Squall does not provide {shown} yet."),
    )
}
