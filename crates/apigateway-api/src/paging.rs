//! Lists in parts. The token holds the last key that was given out, so it stays good
//! when items come and go.

use serde_json::{Value, json};

use crate::api::Call;
use crate::error::ApiError;

/// The most that one answer has, and what it has where nothing is asked for.
const PAGE: usize = 500;

/// One page of items that come sorted by key.
pub(crate) fn page(
    call: &Call<'_>,
    items: impl Iterator<Item = (String, Value)>,
) -> Result<Value, ApiError> {
    let most = match call.query("maxResults").next() {
        None => PAGE,
        Some(text) => {
            let most = text.parse::<usize>().ok().filter(|most| *most > 0);
            let most = most.ok_or_else(|| ApiError::invalid("Invalid value for maxResults"))?;
            most.min(PAGE)
        }
    };
    let token = call.query("nextToken").next();
    let after = token.map(|token| decode(&token)).transpose()?;
    let mut rest = items.skip_while(|(key, _)| after.as_ref().is_some_and(|after| key <= after));
    let (mut shown, mut last) = (Vec::new(), String::new());
    for (key, item) in rest.by_ref().take(most) {
        shown.push(item);
        last = key;
    }
    let mut answer = json!({ "items": shown });
    if rest.next().is_some() {
        answer["nextToken"] = hex::encode(last).into();
    }
    Ok(answer)
}

fn decode(token: &str) -> Result<String, ApiError> {
    let bytes = hex::decode(token).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| ApiError::invalid("Invalid value for nextToken"))
}
