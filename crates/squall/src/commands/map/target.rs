//! The function of a map, and what is known of it before it runs.

use std::num::NonZeroUsize;
use std::sync::Arc;

use map::journal::{FunctionFacts, Identity};
use map::options::{ItemKind, Width};
use map::payload::Description;
use map::run::DescribeError;
use types::{FunctionName, FunctionRef, Qualifier};

use super::recipe::Recipe;
use super::report;
use crate::args::{Global, MapTarget};
use crate::client::{self, Client, Whose};
use crate::failure::{Failure, Kind};
use crate::remote::{Function, LambdaInvoke, S3Exchange};

/// On AWS not more than this is taken by itself: others use the account, too.
const MOST_BY_ITSELF: u32 = 500;

/// Where a map goes, before anything was asked there.
#[derive(Debug, Clone)]
pub struct Way {
    pub client: Client,
    pub name: FunctionName,
    pub qualifier: Option<Qualifier>,
    place: MapTarget,
}

/// A function that was found there.
#[derive(Debug, Clone)]
pub struct Target {
    pub way: Way,
    pub function: Function,
    /// How many of it may run at once.
    granted: u32,
}

impl Way {
    pub fn new(global: &Global, recipe: &Recipe) -> Result<Self, Failure> {
        let client = client(global, recipe)?;
        let named: FunctionRef = recipe.function.parse().map_err(Failure::mistake)?;
        if let Some(region) = &named.region
            && region.as_str() != client.region()
        {
            return Err(Failure::mistake(format!(
                "the function is in {region}, and the client in {}",
                client.region()
            ))
            .hint(format!("AWS_REGION={region} goes there")));
        }
        Ok(Self {
            client,
            name: named.name,
            qualifier: named.qualifier,
            place: recipe.place(),
        })
    }

    pub fn invoke(&self) -> Arc<LambdaInvoke> {
        Arc::new(LambdaInvoke::new(self.client.clone()))
    }

    /// Asks the function how it wants its items.
    pub async fn describe(&self) -> Result<Description, Failure> {
        let invoke = self.invoke();
        let said = map::run::describe(&*invoke, &self.name, self.qualifier.as_ref()).await;
        said.map_err(|error| match error {
            DescribeError::Broken(broken) => report::broken(&broken, self.name.as_str()),
            error @ (DescribeError::Failed(_) | DescribeError::NotMapped { .. }) => {
                Failure::new(Kind::Function, error).hint(
                    "a handler takes items when it is wrapped: from squall import mapped; \
                     handler = mapped(f); see docs/map-protocol.md for other runtimes",
                )
            }
        })
    }

    /// Looks up what is known of the function.
    pub async fn find(self) -> Result<Target, Failure> {
        let (function, granted) = tokio::join!(
            Function::look_up(&self.client, &self.name, self.qualifier.as_ref()),
            Function::granted(&self.client, &self.name)
        );
        Ok(Target {
            function: function?,
            granted: granted?,
            way: self,
        })
    }
}

/// Also what reads the input if that is in a bucket.
pub fn client(global: &Global, recipe: &Recipe) -> Result<Client, Failure> {
    let whose = match recipe.place() {
        MapTarget::Aws => Whose::Aws,
        MapTarget::Local | MapTarget::Inline => Whose::Engine,
    };
    // What is said now goes before what was said when the job began.
    let endpoint = global.endpoint.as_deref().or(recipe.endpoint.as_deref());
    client::of(whose, endpoint, Some(global))
}

impl Target {
    /// `fixed` by the user, else what the place can do.
    pub fn width(&self, fixed: Option<NonZeroUsize>) -> Width {
        if let Some(width) = fixed {
            return Width::Fixed(width);
        }
        let number = |count: u32| {
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN)
        };
        match self.way.place {
            MapTarget::Aws => {
                let granted = number(self.granted.min(MOST_BY_ITSELF));
                Width::Learned {
                    cores: granted,
                    most: granted,
                }
            }
            // The engine is on this machine, or on one like it.
            MapTarget::Local | MapTarget::Inline => {
                let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
                let most = number(self.granted.min(MOST_BY_ITSELF));
                Width::Learned {
                    cores: cores.min(most),
                    most,
                }
            }
        }
    }

    /// What results depend on beside their items.
    pub fn identity(&self, item: ItemKind) -> Identity {
        let function = &self.function;
        let facts = FunctionFacts {
            code_sha256: function.code_sha256.clone(),
            handler: function.handler.clone(),
            runtime: function.runtime.clone(),
            architecture: if function.is_arm() { "arm64" } else { "x86_64" }.to_owned(),
            layers: function.layers().map(str::to_owned).collect(),
            environment: function.environment().clone(),
        };
        Identity::of(&facts, item)
    }

    pub fn exchange(&self, bucket: Option<String>) -> Arc<S3Exchange> {
        S3Exchange::new(self.way.client.clone(), self.function.account(), bucket)
    }
}
