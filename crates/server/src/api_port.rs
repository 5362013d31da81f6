//! The AWS endpoint: checks who asks, then hands the request to its service.

use account_api::AccountApi;
use aws_wire::Body;
use aws_wire::sigv4::Verifier;
use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response, StatusCode};
use lambda_api::LambdaApi;
use logs_api::LogsApi;
use types::Timestamp;
use types::limits::Limits;

use crate::http::{Port, Refusal};
use crate::own::OwnPages;
use crate::route::Route;

/// Hashing a body of this size takes long enough to hold up others.
const LARGE: usize = 1024 * 1024;

#[derive(Debug)]
pub(crate) struct ApiPort {
    pub verifier: Verifier,
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
            Route::OtherJson => not_built(route, target(&request)),
            Route::S3 => not_built(route, "S3"),
        }
    }
}

impl ApiPort {
    fn check(
        &self,
        head: &Parts,
        body: &Bytes,
        route: Route,
    ) -> Result<aws_wire::sigv4::Identity, aws_wire::sigv4::AuthError> {
        let check = || {
            let names = route.signing_names();
            self.verifier.verify(head, body, names, Timestamp::now())
        };
        if body.len() < LARGE {
            return check();
        }
        tokio::task::block_in_place(check)
    }
}

/// `AWSEvents.PutRule`
fn target(request: &Request<Bytes>) -> &str {
    let target = request.headers().get("x-amz-target");
    target
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

fn not_built(route: Route, what: &str) -> Response<Body> {
    let shown: String = what.chars().take(100).collect();
    let (status, code) = match route {
        Route::S3 => (StatusCode::NOT_IMPLEMENTED, "NotImplemented"),
        _ => (StatusCode::BAD_REQUEST, "UnknownOperationException"),
    };
    route.error(
        status,
        code,
        &format!("Squall does not provide {shown} yet."),
    )
}
