//! Asks a function how it wants its items.

use types::{FunctionName, Invocation, Invoke, Qualifier};

use crate::core::Why;
use crate::payload::{self, Description, ItemError};

use super::Broken;
use super::attempt::{not_run, not_well};

/// Why a function cannot take items.
#[derive(Debug, thiserror::Error)]
pub enum DescribeError {
    #[error(transparent)]
    Broken(#[from] Broken),
    /// It failed at the question.
    #[error("{}: {}", .0.error_type, .0.error_message)]
    Failed(ItemError),
    /// It answered, but not to the question.
    #[error("the function does not say what items it takes; it answered {answer}")]
    NotMapped { answer: String },
}

/// An answer is shown up to here, in bytes.
const SHOWN: usize = 200;

/// Asks a function how it wants its items. This is also how one finds out whether it
/// can be run at all.
pub async fn describe<I: Invoke>(
    invoke: &I,
    function: &FunctionName,
    qualifier: Option<&Qualifier>,
) -> Result<Description, DescribeError> {
    let mut invocation = Invocation::new(function.clone(), payload::describe());
    invocation.qualifier = qualifier.cloned();
    let why = match invoke.invoke(invocation).await {
        Ok(outcome) => match outcome.result {
            Ok(answer) => {
                return payload::description(&answer).map_err(|_| DescribeError::NotMapped {
                    answer: shown(&answer),
                });
            }
            Err(error) => not_well(&error),
        },
        Err(error) => not_run(error),
    };
    Err(match why {
        Why::Throttled { end, .. } | Why::Network { end, .. } | Why::Init { end, .. } => end.into(),
        Why::Broken(broken) => broken.into(),
        Why::TooLarge(error)
        | Why::NotHandedOver(error)
        | Why::Raised(error)
        | Why::Died { error, .. } => DescribeError::Failed(error),
    })
}

fn shown(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer);
    match text.char_indices().find(|(at, _)| *at >= SHOWN) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.into_owned(),
    }
}
