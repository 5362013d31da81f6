//! Invocations that are put on the bill of the request for which they run.

use std::sync::Arc;

use types::{Invocation, Invoke, InvokeError, Outcome, Tally};

pub(crate) struct Tallying<I> {
    pub invoke: Arc<I>,
    pub tally: Option<Arc<Tally>>,
}

impl<I: Invoke> Invoke for Tallying<I> {
    async fn invoke(&self, mut invocation: Invocation) -> Result<Outcome, InvokeError> {
        invocation.tally.clone_from(&self.tally);
        self.invoke.invoke(invocation).await
    }
}
