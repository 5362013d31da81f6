//! The door of a route: who may in, by what they bring, and from where.
//!
//! Reading order: [`Door::open`] asks one thing after the other; `knock` is what is asked
//! about. `token`, `key_set` and `issuers` are for tokens; `signed` for signatures and
//! links; `functions`, `asked` and `verdict` for functions that decide. `visit` is who was
//! let in, with what is counted to them; `shut` who was not; `failures` slows down who
//! tries things out.

mod asked;
mod failures;
mod functions;
mod issuers;
mod key_set;
mod knock;
mod shut;
mod signed;
mod token;
mod verdict;
mod visit;

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use aws_client::web::Web;
use aws_wire::sigv4::Verifier;
use engine::Engine;
use engine::api_keys::{ApiKey, ApiKeys, NotLetIn};
use engine::http_apis::{
    Authorization, Authorizer, AuthorizerKind, Handling, JwtAuthorizer, PartId,
};
use engine::usage::{Called, Usage};
use http::header::HeaderName;
use http::request::Parts;
use http::{HeaderValue, Uri};
use ring::digest::{self, SHA256};
use types::Timestamp;

use crate::caller::Caller;
use failures::Failures;
use functions::Functions;
use issuers::Issuers;
use signed::Signatures;
use token::{BadToken, Token};
use visit::{Account, Unchecked};

pub(super) use knock::Knock;
pub(super) use shut::Shut;
pub(super) use visit::Visit;

/// Brings an API key.
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// What the door asks, and whom.
#[derive(Debug)]
pub struct Keepers {
    pub engine: Engine,
    pub keys: Arc<ApiKeys>,
    pub usage: Arc<Usage>,
    /// Checks the signatures of callers.
    pub verifier: Arc<Verifier>,
    /// By which the keys of issuers are fetched.
    pub web: Web,
}

/// Lets in who may in. Clones share what they remember.
#[derive(Debug, Clone)]
pub(super) struct Door(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    keys: Arc<ApiKeys>,
    usage: Arc<Usage>,
    signatures: Signatures,
    issuers: Issuers,
    functions: Functions,
    failures: Arc<Failures>,
}

/// What was found out of who knocks, besides their key.
#[derive(Default)]
struct Known {
    caller: Caller,
    unchecked: Option<Unchecked>,
    apart: Option<Arc<str>>,
}

impl Door {
    pub fn new(keepers: Keepers) -> Self {
        Self(Arc::new(Inner {
            keys: keepers.keys,
            usage: keepers.usage,
            signatures: Signatures {
                engine: keepers.engine.clone(),
                verifier: keepers.verifier,
            },
            issuers: Issuers::new(keepers.web),
            functions: Functions::new(keepers.engine),
            failures: Arc::default(),
        }))
    }

    /// Lets a request in before its body is read. None if its route asks nobody anything.
    pub async fn open(&self, knock: &Knock<'_>) -> Result<Option<Visit>, Shut> {
        let endpoint = &*knock.found.endpoint;
        let integration = endpoint.integration.as_ref();
        let handling = integration.map(|integration| &integration.handling);
        // Before all that costs anything.
        if handling.is_some_and(|handling| is_outside(handling, knock)) {
            return Err(Shut::Address);
        }
        if !endpoint.route.key_required && endpoint.route.authorization.is_open() {
            return Ok(None);
        }
        // What follows is large, and nothing to be carried along by those who need it not.
        let asked = Box::pin(self.0.ask(knock, handling)).await;
        let slow_down = |why: Shut| why.slowed_down(&self.0.failures, knock.source());
        asked.map(Some).map_err(slow_down)
    }
}

impl Door {
    /// Counts a call by a link to who signed that, if no key pays for it.
    pub fn charge(&self, visits: &mut [Visit]) {
        if visits.iter().any(Visit::is_counted) {
            return;
        }
        let usage = &self.0.usage;
        let mut shared = visits.iter_mut().filter(|visit| visit.is_shared);
        if let Some(visit) = shared.next()
            && let Caller::Signer(signer) = &visit.caller
        {
            let arn = &signer.principal.arn;
            let pass = usage.vouched(arn, Timestamp::now());
            visit.account = Some(Account::new(arn, arn, pass, usage));
        }
    }
}

/// Gives a request another query.
pub(super) fn set_query(parts: &mut Parts, query: &str) {
    let path = parts.uri.path();
    let target = match query {
        "" => path.to_owned(),
        query => format!("{path}?{query}"),
    };
    let mut uri = parts.uri.clone().into_parts();
    uri.path_and_query = target.parse().ok();
    if let Ok(uri) = Uri::from_parts(uri) {
        parts.uri = uri;
    }
}

fn is_outside(handling: &Handling, knock: &Knock<'_>) -> bool {
    if handling.allow.is_empty() {
        return false;
    }
    let source = knock.source();
    !handling.allow.iter().any(|range| range.contains(source))
}

impl Inner {
    async fn ask(&self, knock: &Knock<'_>, handling: Option<&Handling>) -> Result<Visit, Shut> {
        let endpoint = &*knock.found.endpoint;
        if handling.is_some_and(|handling| handling.share) && signed::is_link(knock.parts) {
            return self.by_link(knock);
        }
        let is_kept_apart = handling.is_some_and(|handling| handling.cache_seconds.is_some());
        let stage = knock.stage();
        let now = Timestamp::now();
        let key = if endpoint.route.key_required {
            Some(self.key(knock, &stage, now)?)
        } else {
            None
        };
        let known = match &endpoint.route.authorization {
            Authorization::Open => Known::default(),
            Authorization::Iam => self.by_signature(knock)?,
            Authorization::By { scopes, .. } => {
                let authorizer = endpoint.authorizer.as_ref().ok_or(Shut::NoAuthorizer)?;
                self.by_authorizer(knock, authorizer, scopes, is_kept_apart)
                    .await?
            }
        };
        // A quota is for calls that were let in.
        let account = match key.filter(|_| !knock.is_counted) {
            None => None,
            Some(key) => {
                let called = Called {
                    stage: &stage,
                    path: knock.template(),
                    // HEAD of a route for GET is a call of that route.
                    method: knock.method.as_str(),
                };
                let admitted = self.usage.admit(&key, &called, now).await;
                let pass = admitted.map_err(|why| Shut::Usage {
                    why,
                    key: key.id.as_str().into(),
                })?;
                Some(Account::new(&key.id, key.owner(), pass, &self.usage))
            }
        };
        Ok(Visit {
            account,
            caller: known.caller,
            late: OnceLock::new(),
            unchecked: known.unchecked,
            is_shared: false,
            apart: known.apart,
        })
    }

    fn key(&self, knock: &Knock<'_>, stage: &str, now: Timestamp) -> Result<Arc<ApiKey>, NotLetIn> {
        let mut presented = knock.parts.headers.get_all(API_KEY).iter();
        let first = presented.next().map(HeaderValue::as_bytes);
        // Of two, it is not for us to say which counts.
        let presented = first.filter(|_| presented.next().is_none());
        self.keys.let_in(presented, stage, knock.template(), now)
    }

    /// In the place of key and token.
    fn by_link(&self, knock: &Knock<'_>) -> Result<Visit, Shut> {
        let signer = self.signatures.look_at_link(knock).map_err(Shut::Link)?;
        Ok(Visit {
            account: None,
            caller: Caller::Signer(signer),
            late: OnceLock::new(),
            unchecked: None,
            is_shared: true,
            apart: None,
        })
    }

    fn by_signature(&self, knock: &Knock<'_>) -> Result<Known, Shut> {
        let looked = self.signatures.look(knock)?;
        Ok(Known {
            caller: looked.signer.map_or(Caller::Anybody, Caller::Signer),
            unchecked: looked.pending.map(|pending| Unchecked {
                signatures: self.signatures.clone(),
                pending,
                failures: Arc::clone(&self.failures),
                source: knock.source(),
            }),
            apart: None,
        })
    }

    async fn by_authorizer(
        &self,
        knock: &Knock<'_>,
        authorizer: &Authorizer,
        scopes: &[String],
        is_kept_apart: bool,
    ) -> Result<Known, Shut> {
        match &authorizer.kind {
            AuthorizerKind::Jwt(jwt) => {
                let place = (knock, &authorizer.id);
                let checked = self.by_token(place, jwt, scopes, is_kept_apart).await;
                checked.map_err(|why| Shut::Token {
                    why,
                    scopes: scopes.join(" "),
                })
            }
            AuthorizerKind::Function(function) => {
                let pause = self.failures.shut(knock.source(), Instant::now());
                let asked = self.functions.ask(knock, authorizer, function, pause);
                let (admitted, name) = asked.await?;
                Ok(Known {
                    caller: Caller::Admitted(admitted),
                    unchecked: None,
                    apart: is_kept_apart.then(|| short(&name)),
                })
            }
        }
    }

    async fn by_token(
        &self,
        (knock, authorizer): (&Knock<'_>, &PartId),
        jwt: &JwtAuthorizer,
        scopes: &[String],
        is_kept_apart: bool,
    ) -> Result<Known, BadToken> {
        let text = knock.at(&jwt.source, self.signatures.engine.scope());
        let text = text.ok_or(BadToken::Missing)?;
        let text = token::bare(&text);
        let token = Token::read(text)?;
        let issuer = self.issuers.issuer(knock.state, authorizer, jwt);
        issuer.verify(&token).await?;
        let claims = token.check(jwt, scopes, Timestamp::now())?;
        let apart = || short(digest::digest(&SHA256, text.as_bytes()).as_ref());
        Ok(Known {
            caller: Caller::Bearer(Arc::new(claims)),
            unchecked: None,
            apart: is_kept_apart.then(apart),
        })
    }
}

/// Enough of a digest that nobody finds another text for it.
fn short(digest: &[u8]) -> Arc<str> {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(2 * digest.len());
    for byte in digest {
        let _ = write!(text, "{byte:02x}");
    }
    text.into()
}
