//! `squall env`: the variables by which AWS clients find the engine.

use serde_json::{Map, Value};

use crate::args::Global;
use crate::client;
use crate::failure::Failure;
use crate::output;

pub fn run(global: &Global) -> Result<(), Failure> {
    let (address, credentials) = client::running(global)?;
    let variables = [
        ("AWS_ENDPOINT_URL", address.api),
        ("AWS_ACCESS_KEY_ID", credentials.access_key),
        ("AWS_SECRET_ACCESS_KEY", credentials.secret),
        ("AWS_DEFAULT_REGION", address.region.clone()),
        ("AWS_REGION", address.region),
    ];
    if global.json {
        let object: Map<String, Value> = variables
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect();
        output::json(&object)?;
        return Ok(());
    }
    for (name, value) in &variables {
        output::line(&format!("export {name}={}", quoted(value)))?;
    }
    // A token or a profile of other keys, left in the shell, would spoil these.
    output::line("unset AWS_SESSION_TOKEN AWS_PROFILE")?;
    Ok(())
}

/// For sh: in single quotes, unless it needs none.
pub(super) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:+".contains(c);
    if text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_safe_in_a_shell() {
        assert_eq!(quoted("http://127.0.0.1:4566"), "http://127.0.0.1:4566");
        assert_eq!(quoted("a/b+c"), "a/b+c");
        assert_eq!(quoted("$(rm -rf /)"), "'$(rm -rf /)'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
    }
}
