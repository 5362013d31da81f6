//! Functions of AWS, or of an engine that stands for it, as the service sees them.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use gateway::map_service::{Facts, Functions};
use map::journal::FunctionFacts;
use map::options::Width;
use map::run::Broken;
use parking_lot::Mutex;
use types::{FunctionName, Invocation, Invoke, InvokeError, Outcome, Qualifier};

use crate::client::{self, Client, Whose};
use crate::failure::Failure;
use crate::remote::{Function, LambdaInvoke};

/// Lambda's limit is 6 MB.
const MOST_PAYLOAD: u64 = 6 * 1024 * 1024;
/// How long what was told of a function is believed. Asking takes longer than many a
/// table does.
const BELIEVED: Duration = Duration::from_secs(30);
/// What is assumed of a function of which this one may not ask anything.
const MEMORY_MB: u32 = 128;
const INSTANCES: NonZeroUsize = NonZeroUsize::new(10).expect("ten is not zero");

type Name = (FunctionName, Option<Qualifier>);

#[derive(Debug)]
pub struct Remote {
    client: Client,
    invoke: LambdaInvoke,
    /// The most instances that may work at once, if the owner says so.
    most: Option<NonZeroUsize>,
    known: Mutex<HashMap<Name, (Instant, Facts)>>,
}

impl Remote {
    pub fn new(client: Client, most: Option<NonZeroUsize>) -> Self {
        Self {
            invoke: LambdaInvoke::new(client.clone()),
            client,
            most,
            known: Mutex::default(),
        }
    }

    /// By the function's own environment: its region and the keys of its role.
    pub fn client() -> Result<Client, anyhow::Error> {
        let client = client::of(Whose::Aws, None, None);
        client.map_err(|failure| anyhow::anyhow!(failure.message()))
    }

    async fn look_up(&self, name: &Name) -> Result<Facts, Broken> {
        let (function, qualifier) = name;
        let found = Function::look_up(&self.client, function, qualifier.as_ref()).await;
        let found = match found {
            Ok(found) => found,
            Err(failure) if failure.is_missing() => {
                return Err(Broken::NotFound {
                    arn: function.to_string(),
                });
            }
            // Who may invoke a function may not always ask for its settings.
            Err(failure) => return Ok(self.assumed(&failure)),
        };
        let granted = Function::granted(&self.client, function).await.ok();
        let granted = granted.and_then(|count| NonZeroUsize::new(count as usize));
        Ok(Facts {
            memory_mb: found.memory_size,
            arm: found.is_arm(),
            width: self.width(granted.unwrap_or(INSTANCES)),
            most_payload: MOST_PAYLOAD,
            revision: format!("{} {}", found.version, found.code_sha256),
            identity: FunctionFacts::default(),
        })
    }

    fn assumed(&self, failure: &Failure) -> Facts {
        let why = failure.message();
        crate::output::note(&format!("nothing is known of the function: {why}"));
        Facts {
            memory_mb: MEMORY_MB,
            arm: false,
            width: self.width(INSTANCES),
            most_payload: MOST_PAYLOAD,
            revision: String::new(),
            identity: FunctionFacts::default(),
        }
    }

    /// On AWS each instance has a processor of its own. An engine has those of its
    /// machine, which this process sees too.
    fn width(&self, granted: NonZeroUsize) -> Width {
        let most = self.most.map_or(granted, |most| most.min(granted));
        let local = std::env::var_os("AWS_ENDPOINT_URL").is_some();
        let cores = std::thread::available_parallelism().ok().filter(|_| local);
        Width::Learned {
            cores: cores.map_or(most, |cores| cores.min(most)),
            most,
        }
    }
}

/// The account of a function, for the name of a bucket; empty if that cannot be known.
pub async fn account(
    client: &Client,
    function: &FunctionName,
    qualifier: Option<&Qualifier>,
) -> String {
    let found = Function::look_up(client, function, qualifier).await;
    found.map_or_else(|_| String::new(), |found| found.account().to_owned())
}

impl Invoke for Remote {
    async fn invoke(&self, invocation: Invocation) -> Result<Outcome, InvokeError> {
        self.invoke.invoke(invocation).await
    }
}

impl Functions for Remote {
    async fn facts(
        &self,
        function: &FunctionName,
        qualifier: Option<&Qualifier>,
    ) -> Result<Facts, Broken> {
        let name = (function.clone(), qualifier.cloned());
        let known = self.known.lock().get(&name).cloned();
        if let Some((when, facts)) = known
            && when.elapsed() < BELIEVED
        {
            return Ok(facts);
        }
        let facts = self.look_up(&name).await?;
        let entry = (Instant::now(), facts.clone());
        self.known.lock().insert(name, entry);
        Ok(facts)
    }
}
