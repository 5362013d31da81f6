//! The walk of one request to a function URL.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use aws_wire::sigv4::{Identity, Verifier};
use aws_wire::{Body, body};
use bytes::Bytes;
use engine::Engine;
use engine::catalog::{FunctionUrl, UrlAuth, UrlInvokeMode};
use engine::iam::Ask;
use http::request::Parts;
use http::{HeaderValue, Request, Response};
use policy::Context;
use types::{Invocation, Invoke, Qualifier, RequestId, Timestamp};
use watch::{About, Incoming};

use crate::caller::Caller;
use crate::event::{self, Facts};
use crate::refusal::Refusal;
use crate::target::{Kind, Target};
use crate::{access, answer, cors, stream};

pub(crate) const TRACE_HEADER: &str = "x-amzn-trace-id";

/// Serves function URLs.
#[derive(Clone)]
pub struct Gateway {
    engine: Engine,
    verifier: Arc<Verifier>,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").finish_non_exhaustive()
    }
}

impl Gateway {
    /// `verifier` checks the signatures of URLs that ask for them.
    pub fn new(engine: Engine, verifier: Arc<Verifier>) -> Self {
        Self { engine, verifier }
    }

    /// Whether host or path name a function URL, be it there or not.
    pub fn is_for(&self, parts: &Parts) -> bool {
        Target::of(parts, Kind::FunctionUrl, &self.engine.scope().region).is_some()
    }

    /// The client's address is taken from the request's extensions, where the
    /// server puts the connection's [`SocketAddr`].
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let region = &self.engine.scope().region;
        let found = Target::of(&parts, Kind::FunctionUrl, region).and_then(|target| {
            let url = self.engine.catalog().url_by_id(&target.id)?;
            Some((target, url))
        });
        let Some((target, url)) = found else {
            return Refusal::NotFound.respond();
        };
        // Browsers do not sign what they ask beforehand.
        if let Some(rules) = &url.cors
            && cors::is_preflight(&parts)
        {
            let mut response = Response::new(body::empty());
            *response.headers_mut() = cors::preflight(rules, &parts);
            return response;
        }
        let request_id = watch::request_id(&parts.extensions);
        let call = Call {
            parts: &parts,
            body: &body,
            target: &target,
            url: &url,
            request_id,
            trace_id: trace_id(&parts),
        };
        let mut response = match self.call(&call).await {
            Ok(response) => response,
            Err(refusal) => refusal.respond(),
        };
        response.extensions_mut().insert(About {
            target: Some("function URL"),
            name: Some(url.function.as_str().into()),
            ..About::default()
        });
        let headers = response.headers_mut();
        for (name, value) in [
            ("x-amzn-requestid", request_id.to_string()),
            (TRACE_HEADER, call.trace_id),
        ] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        if let Some(rules) = &url.cors {
            cors::decorate(rules, &parts, headers);
        }
        response
    }

    async fn call(&self, call: &Call<'_>) -> Result<Response<Body>, Refusal> {
        let caller = self.let_in(call)?;
        let payload = event::build(&Facts {
            parts: call.parts,
            body: call.body,
            target: call.target,
            caller: &caller,
            source: source(call.parts),
            request_id: call.request_id,
            trace_id: &call.trace_id,
            now: Timestamp::now(),
            route: None,
        });
        let mut invocation = Invocation::new(call.url.function.clone(), payload);
        invocation.qualifier = call.url.alias.clone().map(Qualifier::Alias);
        invocation.request_id = call.request_id;
        invocation.trace_id = Some(call.trace_id.clone());
        if call.url.invoke_mode == Some(UrlInvokeMode::ResponseStream) {
            let stream = self.engine.invoke_streaming(invocation).await;
            return stream::translate(stream.map_err(Refusal::NotRun)?).await;
        }
        let outcome = self.engine.invoke(invocation).await;
        match outcome.map_err(Refusal::NotRun)?.result {
            Ok(payload) => answer::translate(payload),
            // What went wrong is in the function's log, not for its visitors.
            Err(_) => Err(Refusal::BadAnswer),
        }
    }

    /// Who calls, if the URL asks for it.
    fn let_in(&self, call: &Call<'_>) -> Result<Caller, Refusal> {
        let url = call.url;
        match url.auth {
            UrlAuth::AwsIam => {
                let now = Timestamp::now();
                let identity = self
                    .verifier
                    .verify(call.parts, call.body, &["lambda"], now)
                    .map_err(Refusal::Signature)?;
                self.permit(url, &identity)?;
                Ok(Caller::Signer(Arc::new(identity)))
            }
            UrlAuth::None => {
                let qualifier = url.alias.clone().map(Qualifier::Alias);
                let policy = self
                    .engine
                    .catalog()
                    .policy(&url.function, qualifier.as_ref());
                // A function without a policy lets nobody in.
                let statements = policy.map(|(statements, _)| statements).unwrap_or_default();
                if access::is_public(&statements) {
                    Ok(Caller::Anybody)
                } else {
                    Err(Refusal::Forbidden)
                }
            }
        }
    }
}

impl Gateway {
    /// Who signs as a role may call what the role's policies, or the function's,
    /// let it call.
    fn permit(&self, url: &FunctionUrl, identity: &Identity) -> Result<(), Refusal> {
        let qualifier = url.alias.clone().map(Qualifier::Alias);
        let (name, qualifier) = (&url.function, qualifier.as_ref());
        let catalog = self.engine.catalog();
        let policy = catalog.resource_policy(name, qualifier);
        let ask = Ask {
            principal_arn: &identity.principal.arn,
            action: "lambda:InvokeFunctionUrl",
            resource: &catalog.arn(name, qualifier),
            resource_policy: policy.as_ref(),
            context: &Context::new().with("lambda:FunctionUrlAuthType", "AWS_IAM"),
        };
        let permitted = self.engine.iam().authorize(&ask);
        permitted.map_err(|denied| {
            tracing::debug!(%denied, "a function URL was not called");
            Refusal::Forbidden
        })
    }
}

struct Call<'a> {
    parts: &'a Parts,
    body: &'a Bytes,
    target: &'a Target,
    url: &'a FunctionUrl,
    request_id: RequestId,
    trace_id: String,
}

/// The client's address, where the server put it.
pub(crate) fn source(parts: &Parts) -> IpAddr {
    let address = parts.extensions.get::<SocketAddr>();
    address.map_or(Ipv4Addr::LOCALHOST.into(), SocketAddr::ip)
}

/// The client's, or a new one: `Root=1-SECONDS-RANDOM`. Where the request's trace is
/// recorded, its own place in it.
pub(crate) fn trace_id(parts: &Parts) -> String {
    if let Some(incoming) = parts.extensions.get::<Incoming>() {
        return incoming.trace_header(&parts.headers);
    }
    let given = parts.headers.get(TRACE_HEADER);
    let given = given.and_then(|value| value.to_str().ok());
    given.map_or_else(new_trace_id, str::to_owned)
}

fn new_trace_id() -> String {
    let seconds = Timestamp::now().0 / 1000;
    let random = uuid::Uuid::new_v4().simple().to_string();
    format!("Root=1-{seconds:08x}-{}", &random[..24])
}
