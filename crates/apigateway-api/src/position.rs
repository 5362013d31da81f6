//! Lists in parts, as the first version of the protocol has them: `limit` says how many,
//! and `position` behind which one the next part begins.

use serde_json::{Value, json};

use crate::api::Call;
use crate::error::ApiError;

/// The most that one answer has, and what it has where nothing is asked for.
const PAGE: usize = 500;
const FEW: usize = 25;

/// One part of a list whose order does not change.
pub(crate) fn page<T>(
    call: &Call<'_>,
    all: &[T],
    id: impl Fn(&T) -> String,
    show: impl Fn(&T) -> Value,
) -> Result<Value, ApiError> {
    let most = match call.query("limit").next() {
        None => FEW,
        Some(text) => {
            let most = text.parse::<usize>().ok().filter(|most| *most > 0);
            let most = most.ok_or_else(|| ApiError::invalid("Invalid value for limit"))?;
            most.min(PAGE)
        }
    };
    let from = match call.query("position").next() {
        None => 0,
        // One that is gone meanwhile must not hide those behind it for ever.
        Some(after) => {
            let at = all.iter().position(|item| id(item) == after);
            at.map_or(0, |at| at + 1)
        }
    };
    let rest = &all[from..];
    let shown = &rest[..most.min(rest.len())];
    let mut answer = json!({ "item": shown.iter().map(show).collect::<Vec<_>>() });
    if let Some(last) = shown.last().filter(|_| rest.len() > shown.len()) {
        answer["position"] = id(last).into();
    }
    Ok(answer)
}
