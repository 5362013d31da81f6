//! The engine as its own process uses it. Payloads of clients have AWS's limits,
//! because they come over the wire; what stays in memory needs none of that size.

use types::{FunctionName, Invocation, Invoke, InvokeError, Outcome};

use crate::engine::Engine;
use crate::invoke::Sizes;

/// Runs functions with payloads and answers that are larger than clients may send.
/// A clone is another handle to the same engine.
#[derive(Debug, Clone)]
pub struct InProcess {
    engine: Engine,
}

impl InProcess {
    /// The most that a payload, or an answer, may have: an instance has to hold it
    /// several times over while it reads it.
    pub const MOST_BYTES: u64 = 64 * 1024 * 1024;

    pub fn new(engine: Engine) -> Self {
        Self { engine }
    }

    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// How many invocations of a function may run at once.
    pub fn granted(&self, function: &FunctionName) -> u32 {
        let catalog = self.engine.catalog();
        let reserved = catalog.reserved_concurrency(function);
        reserved.unwrap_or_else(|| catalog.unreserved_concurrency())
    }
}

impl Invoke for InProcess {
    async fn invoke(&self, invocation: Invocation) -> Result<Outcome, InvokeError> {
        let sizes = Sizes {
            payload: Self::MOST_BYTES,
            answer: Self::MOST_BYTES,
        };
        self.engine.invoke_within(invocation, sizes).await
    }
}
