//! Reading the sources of settings: the file, with errors that name the line, and
//! the environment, with errors that name the variable.

use std::io::ErrorKind;
use std::path::Path;

use serde::Deserialize;
use toml::{Table, Value};

use super::{Config, PREFIX, SettingsError};

/// Variables with our prefix that are not settings of the engine.
const ELSEWHERE: [&str; 5] = [
    "SQUALL_BIN",
    "SQUALL_CI_CACHE",
    "SQUALL_DATA",
    "SQUALL_LOG",
    "SQUALL_VENV",
];

/// Lists whose items may have colons, and so are not separated by them.
const WITH_COMMAS: [&str; 3] = ["hosts", "tls_hosts", "trusted_proxies"];

/// The file's table, already known to be valid by itself. A missing file is empty.
pub fn read_file(path: &Path) -> Result<Table, SettingsError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Table::new()),
        Err(source) => {
            return Err(SettingsError::Unreadable {
                path: path.into(),
                source,
            });
        }
    };
    let bad = |error: toml::de::Error| SettingsError::BadFile {
        path: path.into(),
        detail: error.to_string().trim_end().to_owned(),
    };
    // Read twice: the first reading knows the lines, the second keeps what was set.
    toml::from_str::<Config>(&text).map_err(bad)?;
    toml::from_str::<Table>(&text).map_err(bad)
}

/// The table that the variables make, and the names that mean nothing.
pub fn environment_table(
    variables: &[(String, String)],
) -> Result<(Table, Vec<String>), SettingsError> {
    let known = known_keys();
    let mut table = Table::new();
    let mut ignored = Vec::new();
    for (variable, value) in variables {
        let name = variable[PREFIX.len()..].to_ascii_lowercase();
        let key = known.iter().find(|key| key.replace('.', "_") == name);
        match key {
            Some(key) => {
                let value = typed(key, value).map_err(|detail| SettingsError::BadVariable {
                    variable: variable.clone(),
                    value: value.clone(),
                    detail,
                })?;
                overlay(&mut table, single(key, value));
            }
            None if ELSEWHERE.contains(&variable.as_str()) => {}
            None => ignored.push(variable.clone()),
        }
    }
    Ok((table, ignored))
}

/// The file with the environment over it.
pub fn merge(mut file: Table, environment: Table) -> Result<Config, SettingsError> {
    overlay(&mut file, environment);
    Config::deserialize(file).map_err(|error| SettingsError::Refused {
        setting: "engine.toml",
        problem: error.message().to_owned(),
    })
}

/// Every key that may be set, those of tables with a dot.
pub fn known_keys() -> Vec<String> {
    let defaults = Table::try_from(Config::default()).expect("the defaults are valid TOML");
    let mut keys = Vec::new();
    for (key, value) in &defaults {
        match value {
            Value::Table(inner) => keys.extend(inner.keys().map(|name| format!("{key}.{name}"))),
            _ => keys.push(key.clone()),
        }
    }
    keys
}

/// A variable is text; which type is meant shows by what the setting takes.
fn typed(key: &str, text: &str) -> Result<Value, String> {
    let mut candidates = vec![Value::String(text.to_owned())];
    candidates.extend(text.parse().ok().map(Value::Integer));
    candidates.extend(text.parse().ok().map(Value::Float));
    candidates.extend(text.parse().ok().map(Value::Boolean));
    let parts: Vec<String> = if WITH_COMMAS.contains(&key) {
        let parts = text.split(',').map(|part| part.trim().to_owned());
        parts.filter(|part| !part.is_empty()).collect()
    } else {
        let paths = std::env::split_paths(text);
        paths
            .map(|path| path.to_string_lossy().into_owned())
            .collect()
    };
    candidates.push(Value::Array(parts.into_iter().map(Value::String).collect()));
    let mut first_error = None;
    for candidate in candidates {
        match Config::deserialize(single(key, candidate.clone())) {
            Ok(_) => return Ok(candidate),
            Err(error) => {
                first_error.get_or_insert_with(|| error.message().to_owned());
            }
        }
    }
    Err(first_error.unwrap_or_default())
}

/// The table with just this key.
fn single(key: &str, value: Value) -> Table {
    let mut table = Table::new();
    match key.split_once('.') {
        Some((outer, inner)) => {
            table.insert(outer.to_owned(), Value::Table(single(inner, value)));
        }
        None => {
            table.insert(key.to_owned(), value);
        }
    }
    table
}

fn overlay(below: &mut Table, above: Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(new)) => overlay(inner, new),
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}
