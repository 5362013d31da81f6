//! What a service must know of a function before it maps over it. The engine in this
//! process knows at once; AWS is asked.

use std::collections::HashMap;
use std::sync::Arc;

use map::journal::FunctionFacts;
use map::options::Width;
use map::payload::Description;
use map::run::{self, Broken, DescribeError};
use parking_lot::Mutex;
use types::{FunctionName, Invoke, Qualifier};

use super::refusal::Refusal;

/// Something that runs functions, and can tell of them.
pub trait Functions: Invoke + 'static {
    fn facts(
        &self,
        function: &FunctionName,
        qualifier: Option<&Qualifier>,
    ) -> impl Future<Output = Result<Facts, Broken>> + Send;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// What the function's memory is set to.
    pub memory_mb: u32,
    pub arm: bool,
    /// How many instances may work at once.
    pub width: Width,
    /// The largest payload that may be sent, in bytes.
    pub most_payload: u64,
    /// Changes whenever the function's code or settings do.
    pub revision: String,
    /// What its results depend on.
    pub identity: FunctionFacts,
}

/// A function as a request or a route names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    pub function: FunctionName,
    pub qualifier: Option<Qualifier>,
}

/// What functions said of themselves. They are asked once for each revision, since
/// the question costs an invocation.
#[derive(Debug, Default)]
pub(crate) struct Descriptions {
    known: Mutex<HashMap<Target, (String, Arc<Description>)>>,
}

/// Functions that are remembered; past it all are asked anew.
const REMEMBERED: usize = 1024;

impl Descriptions {
    pub async fn of<I: Functions>(
        &self,
        invoke: &Arc<I>,
        target: &Target,
        facts: &Facts,
    ) -> Result<Arc<Description>, Refusal> {
        if let Some((revision, known)) = self.known.lock().get(target)
            && *revision == facts.revision
        {
            return Ok(Arc::clone(known));
        }
        let asked = run::describe(&**invoke, &target.function, target.qualifier.as_ref()).await;
        let said = Arc::new(asked.map_err(|error| refuse(target, error))?);
        let mut known = self.known.lock();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        let entry = (facts.revision.clone(), Arc::clone(&said));
        known.insert(target.clone(), entry);
        Ok(said)
    }
}

fn refuse(target: &Target, error: DescribeError) -> Refusal {
    match error {
        DescribeError::Broken(broken) => broken.into(),
        DescribeError::Failed(error) => Refusal::Function(error),
        DescribeError::NotMapped { .. } => Refusal::NoFunction {
            message: format!(
                "the function {} does not know how to take chunks of items; on AWS its handler must \
                 be wrapped: from squall import mapped; handler = mapped(f)",
                target.function
            ),
        },
    }
}

impl From<Broken> for Refusal {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Init(error) => Self::Function(error),
            Broken::NotFound { arn } => Self::NoFunction {
                message: format!("the function {arn} does not exist"),
            },
            Broken::Refused { detail } => Self::NoFunction {
                message: format!("the function may not be run: {detail}"),
            },
            Broken::ItemKind { detail } => Self::ItemKind { detail },
            Broken::Throttled => Self::Throttled,
            Broken::Unreachable { detail } => Self::Unreachable { detail },
        }
    }
}
