//! The AWS endpoint: checks who asks, then hands the request to its service.

use std::borrow::Cow;
use std::sync::Arc;

use account_api::AccountApi;
use apigateway_api::ApigatewayApi;
use aws_wire::Body;
use aws_wire::sigv4::{AuthError, Identity, Verifier};
use bytes::Bytes;
use events_api::EventsApi;
use http::request::Parts;
use http::{Request, Response, StatusCode};
use lambda_api::LambdaApi;
use logs_api::LogsApi;
use s3_api::S3Api;
use ssm_api::SsmApi;
use types::Timestamp;
use types::limits::Limits;

use crate::http::{Port, Unread};
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
    pub apigateway: ApigatewayApi,
    pub events: EventsApi,
    pub s3: S3Api,
    pub ssm: SsmApi,
    pub own: OwnPages,
}

impl Port for ApiPort {
    async fn handle(&self, mut head: Parts, body: Unread<'_>) -> Response<Body> {
        let route = Route::of(&head);
        if route == Route::S3 {
            // Beside the others: what it needs is large, and they are to stay small.
            return Box::pin(self.handle_s3(head, body)).await;
        }
        let limit = route.body_limit(&head, &self.limits);
        let body = match body.whole(limit).await {
            Ok(body) => body,
            Err(refusal) => return refusal.mark(route.refuse(&head, refusal)),
        };
        if route.is_signed() {
            match self.check(&head, &body.bytes, route) {
                Ok(identity) => head.extensions.insert(identity),
                Err(refused) => return route.refuse_signature(&refused),
            };
        }
        let response = self
            .dispatch(route, Request::from_parts(head, body.bytes))
            .await;
        drop(body.reserved);
        response
    }
}

impl ApiPort {
    async fn dispatch(&self, route: Route, request: Request<Bytes>) -> Response<Body> {
        match route {
            Route::Lambda => self.lambda.handle(request).await,
            Route::Logs => self.logs.handle(request).await,
            Route::Iam | Route::Sts => self.account.handle(request).await,
            Route::ApiGateway => self.apigateway.handle(request).await,
            Route::Code => self.lambda.handle_code(request).await,
            Route::Health => OwnPages::health(),
            Route::Own => self.own.handle(&request).await,
            Route::Events | Route::Scheduler => self.events.handle(request).await,
            Route::Ssm => self.ssm.handle(request).await,
            Route::OtherJson | Route::OtherQuery | Route::OtherRest | Route::S3 => {
                not_built(route, &request)
            }
        }
    }

    /// Objects may be larger than memory: their bodies are read as they come.
    async fn handle_s3(&self, head: Parts, body: Unread<'_>) -> Response<Body> {
        let (pieces, rest) = body.pieces();
        let request = Request::from_parts(head, pieces);
        let response = self.s3.handle(request).await;
        rest.settle(response, |refusal| Route::S3.give_up(refusal))
            .await
    }

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
