//! A route that leads to a function: whether it lets API Gateway in, what it sees of a
//! request, and what the client gets of its answer.

use std::time::Duration;

use aws_wire::Body;
use bytes::{Bytes, BytesMut};
use engine::http_apis::{FunctionTarget, PayloadFormat, RouteKey};
use engine::iam::Ask;
use engine::{ResponseStream, StreamEvent};
use http::Response;
use http::request::Parts;
use policy::Context;
use types::{Invocation, Invoke, Timestamp};

use super::refusal::ApiRefusal;
use super::{ApiRequest, HttpApiGateway};
use crate::event::{self, Facts, RouteFacts};
use crate::gateway::{source, trace_id};
use crate::http_api::event_v1;
use crate::{answer, stream};

/// Who invokes functions for routes, as the policies of functions name it.
const SERVICE: &str = "apigateway.amazonaws.com";
/// The session in which a role of an integration is used.
const SESSION: &str = "apigateway";

impl HttpApiGateway {
    pub(super) async fn invoke(
        &self,
        target: &FunctionTarget,
        request: &ApiRequest,
        parts: &Parts,
        body: &Bytes,
    ) -> Result<Response<Body>, ApiRefusal> {
        self.permit(request, parts, target)?;
        if let Some(tally) = request.tally() {
            tally.add_bytes_in(body.len());
        }
        let trace_id = trace_id(parts);
        let mut invocation = Invocation::new(
            target.function.clone(),
            self.event(request, parts, body, target.payload, &trace_id),
        );
        invocation.qualifier.clone_from(&target.qualifier);
        invocation.request_id = request.request_id;
        invocation.trace_id = Some(trace_id);
        invocation.tally = request.tally();
        let answer = async {
            if request.streams() {
                self.streamed(invocation, target.payload).await
            } else {
                self.whole(invocation, target.payload).await
            }
        };
        // The function runs on when nobody waits for it any more, as at AWS.
        let answer = tokio::time::timeout(self.patience(request), answer).await;
        answer.map_err(|_| ApiRefusal::TooSlow)?
    }

    async fn whole(
        &self,
        invocation: Invocation,
        format: PayloadFormat,
    ) -> Result<Response<Body>, ApiRefusal> {
        let outcome = self.engine.invoke(invocation).await;
        // What went wrong is in the function's log, not for its visitors.
        let payload = outcome.map_err(ApiRefusal::NotRun)?.result;
        let payload = payload.map_err(|_| ApiRefusal::BadAnswer)?;
        answer::translate_for_api(payload, format).map_err(|_| ApiRefusal::BadAnswer)
    }

    /// The head of an answer is waited for, its body goes out as it comes.
    async fn streamed(
        &self,
        invocation: Invocation,
        format: PayloadFormat,
    ) -> Result<Response<Body>, ApiRefusal> {
        let stream = self.engine.invoke_streaming(invocation).await;
        let stream = stream.map_err(ApiRefusal::NotRun)?;
        if stream.content_type.is_some() {
            let translated = stream::translate(stream).await;
            return translated.map_err(|_| ApiRefusal::BadAnswer);
        }
        // A function that does not stream describes its answer as always.
        let payload = self.collected(stream).await?;
        answer::translate_for_api(payload, format).map_err(|_| ApiRefusal::BadAnswer)
    }

    async fn collected(&self, mut stream: ResponseStream) -> Result<Bytes, ApiRefusal> {
        let most = self.engine.limits().response_bytes;
        let mut all = BytesMut::new();
        loop {
            match stream.chunks.recv().await {
                Some(StreamEvent::Head { .. }) => {}
                Some(StreamEvent::Chunk(chunk)) => all.extend_from_slice(&chunk),
                Some(StreamEvent::End { error: None, .. }) => return Ok(all.freeze()),
                Some(StreamEvent::End { error: Some(_), .. }) | None => {
                    return Err(ApiRefusal::BadAnswer);
                }
            }
            if all.len() as u64 > most {
                return Err(ApiRefusal::BadAnswer);
            }
        }
    }

    /// For how long an answer is waited for: what the routes say, if that is not more than
    /// the engine allows.
    pub(super) fn patience(&self, request: &ApiRequest) -> Duration {
        let most = Duration::from_secs(self.engine.limits().gateway_seconds.into());
        request.time().map_or(most, |own| own.min(most))
    }

    fn event(
        &self,
        request: &ApiRequest,
        parts: &Parts,
        body: &Bytes,
        format: PayloadFormat,
        trace_id: &str,
    ) -> Bytes {
        let path = percent_encoding::percent_decode_str(&request.target.path);
        let route = RouteFacts {
            account: self.engine.scope().account.as_str(),
            key: &request.found.endpoint.route.key,
            stage: &request.served.stage,
            path: path.decode_utf8_lossy().into_owned(),
            variables: &request.found.variables,
            stage_variables: &request.served.variables,
        };
        let facts = Facts {
            parts,
            body,
            target: &request.target,
            caller: request.caller(),
            source: source(parts),
            request_id: request.request_id,
            trace_id,
            now: Timestamp::now(),
            route: Some(&route),
        };
        match format {
            PayloadFormat::V1 => event_v1::build(&facts, &route),
            PayloadFormat::V2 => event::build(&facts),
        }
    }

    /// The role of the integration must be allowed to invoke the function; without one,
    /// the function's policy must let API Gateway in for this route.
    fn permit(
        &self,
        request: &ApiRequest,
        parts: &Parts,
        target: &FunctionTarget,
    ) -> Result<(), ApiRefusal> {
        let (catalog, iam) = (self.engine.catalog(), self.engine.iam());
        let (function, qualifier) = (&target.function, target.qualifier.as_ref());
        let Some(role) = &target.role else {
            let account = self.engine.scope().account.as_str();
            let ask = || {
                let route = self.route_arn(request, parts);
                catalog.permits(function, qualifier, SERVICE, &route, account)
            };
            // A policy changes with its function's revision; to read it takes longer than
            // all else that is done for a request.
            let revision = catalog.policy_revision(function, qualifier);
            let revision = revision.ok_or(ApiRefusal::NotPermitted)?;
            if request.place.permits(&parts.method, &revision, ask) {
                return Ok(());
            }
            tracing::debug!(%function, route = &*request.place.route, "no policy lets API Gateway in");
            return Err(ApiRefusal::NotPermitted);
        };
        let ask = Ask {
            principal_arn: &iam.session_arn(role, SESSION),
            action: "lambda:InvokeFunction",
            resource: &catalog.arn(function, qualifier),
            resource_policy: None,
            context: &Context::new(),
        };
        iam.authorize(&ask).map_err(|denied| {
            tracing::debug!(%denied, "the role of an integration may not invoke its function");
            ApiRefusal::NotPermitted
        })
    }

    /// On behalf of what the function is invoked:
    /// `arn:aws:execute-api:REGION:ACCOUNT:API/STAGE/METHOD/PATH`, with the path as the
    /// route has it.
    fn route_arn(&self, request: &ApiRequest, parts: &Parts) -> String {
        let scope = self.engine.scope();
        let api = format!(
            "arn:aws:execute-api:{}:{}:{}/{}",
            scope.region, scope.account, request.target.id, request.served.stage
        );
        match &request.found.endpoint.route.key {
            RouteKey::Default => format!("{api}/$default"),
            RouteKey::Path { path, .. } => format!("{api}/{}{}", parts.method, path.as_str()),
        }
    }
}
