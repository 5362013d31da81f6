//! Names of runtimes, as `squall.toml` has them.

use crate::model::FunctionRuntime;

/// What AWS runs today; an older one could not be deployed there.
const OLDEST_MINOR: u8 = 9;
const NEWEST_MINOR: u8 = 14;
/// Of R there is one version on a machine; the name can say which one is meant.
const R_MAJOR: u8 = 4;

/// `python3.11`, `r`, `r4.2` or `provided.al2023`; a build command is said elsewhere.
pub fn parse(text: &str) -> Option<FunctionRuntime> {
    match text {
        "r" => Some(FunctionRuntime::R { version: None }),
        "provided.al2023" => Some(FunctionRuntime::Provided { build: None }),
        _ => match text.strip_prefix("python") {
            Some(version) => python(version),
            None => r(text.strip_prefix('r')?),
        },
    }
}

/// `4.2`
fn r(version: &str) -> Option<FunctionRuntime> {
    let (major, minor) = version.split_once('.')?;
    let is_known = major.parse() == Ok(R_MAJOR) && major.len() == 1 && minor.len() == 1;
    let minor = minor.parse().ok()?;
    is_known.then_some(FunctionRuntime::R {
        version: Some((R_MAJOR, minor)),
    })
}

/// `3.11`, and also `3.11.4`, as interpreters call themselves.
pub fn python(version: &str) -> Option<FunctionRuntime> {
    let mut parts = version.split('.');
    let major = parts.next()?;
    let minor = parts.next()?;
    let canonical = minor.bytes().all(|b| b.is_ascii_digit()) && !minor.starts_with('0');
    let minor = minor.parse().ok()?;
    let is_known = major == "3" && canonical && (OLDEST_MINOR..=NEWEST_MINOR).contains(&minor);
    is_known.then_some(FunctionRuntime::Python { major: 3, minor })
}
