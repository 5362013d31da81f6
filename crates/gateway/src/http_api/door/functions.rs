//! Functions that say who may in: asked once for what callers bring, while the answer
//! holds; whoever comes meanwhile waits for the same answer.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::Engine;
use engine::http_apis::{Authorizer, FunctionAuthorizer, PartId, PayloadFormat};
use engine::iam::{Ask, request_context};
use parking_lot::Mutex;
use policy::Context;
use ring::digest::{self, SHA256};
use tokio::sync::OnceCell;
use types::{Invocation, Invoke, InvokeError};

use super::asked;
use super::knock::Knock;
use super::verdict::{Answer, BadAnswer};
use crate::caller::Admitted;
use crate::gateway::trace_id;

/// Who asks, as the policies of functions name it.
const SERVICE: &str = "apigateway.amazonaws.com";
/// The session in which a role of an authorizer is used.
const SESSION: &str = "apigateway";
/// For as long a function is waited for, as at AWS.
const TIME: Duration = Duration::from_secs(10);
/// Answers that are kept, of all APIs.
const MOST_ANSWERS: usize = 2_000;
/// What a function fails with to say that somebody has not said who they are.
const UNAUTHORIZED: &str = "Unauthorized";

/// By what an answer is known: the authorizer and what the caller brought. Only its digest
/// is kept, because tokens are secrets.
type Name = [u8; digest::SHA256_OUTPUT_LEN];

/// Asks functions, and keeps their answers.
#[derive(Debug)]
pub(super) struct Functions {
    engine: Engine,
    kept: Mutex<HashMap<Name, Arc<Slot>>>,
}

/// One question, which is asked once.
#[derive(Debug, Default)]
struct Slot(OnceCell<Result<Kept, Failed>>);

#[derive(Debug)]
struct Kept {
    until: Instant,
    answer: Arc<Answer>,
}

/// Why a function does not let in.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum NotAdmitted {
    #[error("what the route asks for did not come with the request")]
    NoIdentity,
    #[error("the route's authorizer does not know the caller")]
    Unknown,
    #[error("the route's authorizer does not let the caller in")]
    Refused,
    /// The function was not asked, because too many were refused.
    #[error("too many attempts of this address failed")]
    NotAsked { pause: Duration },
    #[error(transparent)]
    Failed(Failed),
}

/// Why there is no answer. All who waited for it are told.
#[derive(Debug, Clone, thiserror::Error)]
pub(in super::super) enum Failed {
    #[error("no policy lets the gateway invoke the route's authorizer")]
    NotPermitted,
    #[error("the route's authorizer gave no answer in time")]
    TooSlow,
    #[error("the route's authorizer was not run")]
    NotRun(#[source] Arc<InvokeError>),
    #[error("the route's authorizer failed; its log says more")]
    Function,
    #[error("the route's authorizer knows nobody")]
    Unauthorized,
    #[error("the answer of the route's authorizer is none that it may give")]
    Answer(#[source] Arc<BadAnswer>),
}

impl Functions {
    pub fn new(engine: Engine) -> Self {
        Self {
            engine,
            kept: Mutex::default(),
        }
    }

    /// Whom the function lets in to this route, and by what name its answer is kept.
    /// `pause` says that only what is known already counts.
    pub async fn ask(
        &self,
        knock: &Knock<'_>,
        authorizer: &Authorizer,
        function: &FunctionAuthorizer,
        pause: Option<Duration>,
    ) -> Result<(Arc<Admitted>, Name), NotAdmitted> {
        let scope = self.engine.scope();
        let sources = function.sources.iter();
        let identity: Option<Vec<String>> = sources.map(|place| knock.at(place, scope)).collect();
        let identity = identity.ok_or(NotAdmitted::NoIdentity)?;
        let name = name(knock, authorizer, function, &identity);
        let question = Question {
            knock,
            authorizer: &authorizer.id,
            function,
            identity: &identity,
        };
        let is_kept = function.ttl_seconds > 0 && !identity.is_empty();
        let answer = match (is_kept, pause) {
            (true, _) => self.once(name, &question, pause).await?,
            (false, Some(pause)) => return Err(NotAdmitted::NotAsked { pause }),
            (false, None) => Arc::new(self.invoke(&question).await?),
        };
        let arn = knock.arn(scope);
        let context = request_context(&knock.parts.extensions);
        let admitted = answer.judge(&arn, &context);
        Ok((admitted.ok_or(NotAdmitted::Refused)?, name))
    }

    /// The answer that is kept, or one for all who wait for it.
    async fn once(
        &self,
        name: Name,
        question: &Question<'_>,
        pause: Option<Duration>,
    ) -> Result<Arc<Answer>, NotAdmitted> {
        let slot = self.slot(name, pause)?;
        let ask = || async {
            let answer = self.invoke(question).await?;
            let time = Duration::from_secs(question.function.ttl_seconds.into());
            Ok(Kept {
                until: Instant::now() + time,
                answer: Arc::new(answer),
            })
        };
        match slot.0.get_or_init(ask).await {
            Ok(kept) => Ok(Arc::clone(&kept.answer)),
            Err(failed) => {
                // Who comes later asks again.
                let mut kept = self.kept.lock();
                if kept.get(&name).is_some_and(|own| Arc::ptr_eq(own, &slot)) {
                    kept.remove(&name);
                }
                drop(kept);
                Err(failed.clone().into())
            }
        }
    }

    fn slot(&self, name: Name, pause: Option<Duration>) -> Result<Arc<Slot>, NotAdmitted> {
        let now = Instant::now();
        let mut kept = self.kept.lock();
        if let Some(slot) = kept.get(&name)
            && !slot.is_over(now)
        {
            return Ok(Arc::clone(slot));
        }
        if let Some(pause) = pause {
            return Err(NotAdmitted::NotAsked { pause });
        }
        if kept.len() >= MOST_ANSWERS {
            kept.retain(|_, slot| !slot.is_over(now));
            if kept.len() >= MOST_ANSWERS {
                // They are asked again, which costs more than finding the oldest would
                // only where so many come within the time of an answer.
                kept.clear();
            }
        }
        let slot = Arc::new(Slot::default());
        kept.insert(name, Arc::clone(&slot));
        Ok(slot)
    }

    async fn invoke(&self, question: &Question<'_>) -> Result<Answer, Failed> {
        let function = question.function;
        self.permit(question)?;
        let scope = self.engine.scope();
        let trace_id = trace_id(question.knock.parts);
        let arn = question.knock.arn(scope);
        let event = asked::event(&asked::Asked {
            knock: question.knock,
            account: scope.account.as_str(),
            arn: &arn,
            identity: question.identity,
            trace_id: &trace_id,
            is_v1: function.payload == PayloadFormat::V1,
        });
        let mut invocation = Invocation::new(function.function.clone(), event);
        invocation.qualifier.clone_from(&function.qualifier);
        invocation.trace_id = Some(trace_id);
        let outcome = tokio::time::timeout(TIME, self.engine.invoke(invocation)).await;
        let outcome = outcome.map_err(|_| Failed::TooSlow)?;
        let outcome = outcome.map_err(|error| Failed::NotRun(Arc::new(error)))?;
        let text = outcome.result.map_err(|error| {
            if says_unauthorized(&error.payload) {
                Failed::Unauthorized
            } else {
                Failed::Function
            }
        })?;
        Answer::read(&text, function.simple).map_err(|error| Failed::Answer(Arc::new(error)))
    }

    /// The role of the authorizer must be allowed to invoke the function; without one, the
    /// function's policy must let API Gateway in for it.
    fn permit(&self, question: &Question<'_>) -> Result<(), Failed> {
        let asked = question.function;
        let (catalog, iam) = (self.engine.catalog(), self.engine.iam());
        let (function, qualifier) = (&asked.function, asked.qualifier.as_ref());
        let scope = self.engine.scope();
        let Some(role) = &asked.role else {
            let api = question.knock.api_arn(scope);
            let arn = format!("{api}/authorizers/{}", question.authorizer);
            let account = scope.account.as_str();
            if catalog.permits(function, qualifier, SERVICE, &arn, account) {
                return Ok(());
            }
            return Err(Failed::NotPermitted);
        };
        let ask = Ask {
            principal_arn: &iam.session_arn(role, SESSION),
            action: "lambda:InvokeFunction",
            resource: &catalog.arn(function, qualifier),
            resource_policy: None,
            context: &Context::new(),
        };
        iam.authorize(&ask).map_err(|denied| {
            tracing::debug!(%denied, "the role of an authorizer may not invoke its function");
            Failed::NotPermitted
        })
    }
}

/// What is asked.
struct Question<'a> {
    knock: &'a Knock<'a>,
    authorizer: &'a PartId,
    function: &'a FunctionAuthorizer,
    identity: &'a [String],
}

impl Slot {
    /// One that is still asked is not over.
    fn is_over(&self, now: Instant) -> bool {
        match self.0.get() {
            None => false,
            Some(Ok(kept)) => kept.until <= now,
            Some(Err(_)) => true,
        }
    }
}

impl From<Failed> for NotAdmitted {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Unauthorized => Self::Unknown,
            other => Self::Failed(other),
        }
    }
}

/// Each part with its length, so that no two ways of cutting give one name.
fn name(
    knock: &Knock<'_>,
    authorizer: &Authorizer,
    function: &FunctionAuthorizer,
    identity: &[String],
) -> Name {
    let mut digest = digest::Context::new(&SHA256);
    let own = [
        knock.target.id.as_str(),
        knock.served.stage.as_str(),
        authorizer.id.as_str(),
        &function.uri,
    ];
    // What an authorizer looks at is part of what was asked.
    let parts = own
        .into_iter()
        .chain(function.sources.iter().map(String::as_str));
    for part in parts.chain(identity.iter().map(String::as_str)) {
        digest.update(&(part.len() as u64).to_le_bytes());
        digest.update(part.as_bytes());
    }
    digest.update(&knock.state.to_le_bytes());
    let digest = digest.finish();
    digest.as_ref().try_into().expect("SHA-256 has that length")
}

fn says_unauthorized(payload: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Said {
        error_message: String,
    }
    let said = serde_json::from_slice::<Said>(payload);
    said.is_ok_and(|said| said.error_message == UNAUTHORIZED)
}
