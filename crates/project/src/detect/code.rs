//! Which file of a folder has what is to be called.

use std::path::Path;

use super::{beginning, python};
use crate::model::{Entry, FunctionRuntime};
use crate::spec;
use crate::tree::{Document, Value};

/// What was found in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// For the function: that of its file.
    pub name: String,
    pub runtime: FunctionRuntime,
    pub entry: Entry,
    /// Where it was found.
    pub file: String,
}

/// Where handlers stand by custom; looked at in this order.
pub(super) const HANDLER_FILES: [&str; 6] = [
    "handler",
    "lambda_function",
    "main",
    "app",
    "index",
    "function",
];
pub(super) const HANDLER_NAMES: [&str; 2] = ["lambda_handler", "handler"];
const APP_FILES: [&str; 7] = [
    "app",
    "main",
    "wsgi",
    "asgi",
    "application",
    "server",
    "api",
];
/// What makes an app object.
const APP_CLASSES: [&str; 8] = [
    "Flask",
    "FastAPI",
    "Starlette",
    "Quart",
    "Litestar",
    "Bottle",
    "get_wsgi_application",
    "get_asgi_application",
];
/// As many entries of a folder are looked at.
const MAX_PACKAGES: usize = 1_000;
const NO_PACKAGES: [&str; 4] = ["tests", "test", "venv", "env"];
const R_FILES: [&str; 4] = ["handler", "model", "predict", "main"];

/// Python first, then R, then what builds or is an executable.
pub fn code(folder: &Path) -> Option<Found> {
    python_handler(folder)
        .or_else(|| python_app(folder))
        .or_else(|| packaged_app(folder))
        .or_else(|| r_handler(folder, ""))
        .or_else(|| r_handler(folder, "R/"))
        .or_else(|| cargo(folder))
        .or_else(|| executable(folder))
}

fn python_handler(folder: &Path) -> Option<Found> {
    candidates(folder, &HANDLER_FILES, "py").find_map(|(stem, text)| {
        let name = HANDLER_NAMES.iter().find(|name| {
            text.lines().any(|line| {
                let line = line.strip_prefix("async ").unwrap_or(line);
                line.strip_prefix("def ")
                    .is_some_and(|line| begins_with_word(line, name))
                    || (begins_with_word(line, name) && assigned(line).is_some())
            })
        })?;
        let entry = Entry::Handler(format!("{stem}.{name}"));
        Some(found(&stem, python::STANDARD, entry, format!("{stem}.py")))
    })
}

fn python_app(folder: &Path) -> Option<Found> {
    candidates(folder, &APP_FILES, "py").find_map(|(stem, text)| {
        let object = text.lines().find_map(app_object)?;
        let entry = Entry::App(format!("{stem}:{object}"));
        Some(found(&stem, python::STANDARD, entry, format!("{stem}.py")))
    })
}

/// An app in a Python package of the folder, as FastAPI's guide and Django have it:
/// `app/main.py` is `app.main:app`.
fn packaged_app(folder: &Path) -> Option<Found> {
    let mut packages: Vec<String> = folder
        .read_dir()
        .ok()?
        .take(MAX_PACKAGES)
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| is_word(name) && !NO_PACKAGES.contains(&name.as_str()))
        .filter(|name| name == "app" || folder.join(name).join("__init__.py").is_file())
        .collect();
    packages.sort();
    packages.into_iter().find_map(|package| {
        let stems = ["__init__"].into_iter().chain(APP_FILES);
        stems.into_iter().find_map(|stem| {
            let file = format!("{package}/{stem}.py");
            let object = beginning(&folder.join(&file))?
                .lines()
                .find_map(app_object)?;
            let module = match stem {
                "__init__" => package.clone(),
                stem => format!("{package}.{stem}"),
            };
            let entry = Entry::App(format!("{module}:{object}"));
            Some(found(&package, python::STANDARD, entry, file))
        })
    })
}

/// `app` of `app = Flask(__name__)`, `create_app()` of `def create_app():`.
fn app_object(line: &str) -> Option<String> {
    if let Some(rest) = line.strip_prefix("def ") {
        let is_factory = begins_with_word(rest, "create_app") || begins_with_word(rest, "make_app");
        let (name, rest) = rest.split_once('(')?;
        // A factory that wants arguments is not for us to call.
        return (is_factory && rest.trim_start().starts_with(')')).then(|| format!("{name}()"));
    }
    let (name, value) = assigned(line)?;
    let class = value.split('(').next()?.trim();
    let class = class.rsplit('.').next()?;
    (APP_CLASSES.contains(&class) && value.contains('(')).then(|| name.to_owned())
}

/// A package of R has its code in a folder of its own.
fn r_handler(folder: &Path, within: &str) -> Option<Found> {
    ["R", "r"].into_iter().find_map(|ending| {
        candidates(&folder.join(within), &R_FILES, ending).find_map(|(stem, text)| {
            let functions: Vec<&str> = text.lines().filter_map(r_function).collect();
            let named = functions
                .iter()
                .find(|name| HANDLER_NAMES.contains(name) || **name == stem);
            let function = match (named, functions.as_slice()) {
                (Some(named), _) => named,
                (None, [only]) => only,
                _ => return None,
            };
            let entry = Entry::Handler(format!("{within}{stem}.{function}"));
            let file = format!("{within}{stem}.{ending}");
            Some(found(
                &stem,
                FunctionRuntime::R { version: None },
                entry,
                file,
            ))
        })
    })
}

/// `predict` of `predict <- function(gre, gpa)`.
fn r_function(line: &str) -> Option<&str> {
    let (name, value) = line.split_once("<-").or_else(|| line.split_once('='))?;
    let name = name.trim_end();
    let value = value.trim_start();
    let is_name = !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || c == '_' || c == '.');
    let is_function = value
        .strip_prefix("function")
        .is_some_and(|rest| rest.trim_start().starts_with('('));
    (is_name && is_function).then_some(name)
}

fn cargo(folder: &Path) -> Option<Found> {
    let root = Document::parse(beginning(&folder.join("Cargo.toml"))?)
        .ok()?
        .root;
    let Value::Table(package) = &root.get("package")?.node.value else {
        return None;
    };
    let Value::Text(name) = &package.get("name")?.node.value else {
        return None;
    };
    if !(spec::FUNCTION_NAME.fits)(name) {
        return None;
    }
    let build = format!("cargo build --release && cp target/release/{name} bootstrap");
    let runtime = FunctionRuntime::Provided { build: Some(build) };
    let entry = Entry::Handler("bootstrap".to_owned());
    Some(found(name, runtime, entry, "Cargo.toml".to_owned()))
}

fn executable(folder: &Path) -> Option<Found> {
    let file = folder.join("bootstrap");
    file.is_file().then(|| {
        let runtime = FunctionRuntime::Provided { build: None };
        let entry = Entry::Handler("bootstrap".to_owned());
        found("bootstrap", runtime, entry, "bootstrap".to_owned())
    })
}

fn found(stem: &str, runtime: FunctionRuntime, entry: Entry, file: String) -> Found {
    let letters = stem.chars().map(|letter| match letter {
        letter if letter.is_ascii_alphanumeric() || letter == '-' || letter == '_' => letter,
        _ => '-',
    });
    Found {
        name: letters.take(40).collect(),
        runtime,
        entry,
        file,
    }
}

/// Files that may have it, with their texts: those with a name of custom; or the only
/// one there is, whatever its name.
pub(super) fn candidates(
    folder: &Path,
    names: &[&'static str],
    ending: &'static str,
) -> impl Iterator<Item = (String, String)> + use<> {
    let mut stems: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    stems.extend(only(folder, ending).filter(|only| !names.contains(&only.as_str())));
    let folder = folder.to_owned();
    stems.into_iter().filter_map(move |stem| {
        let text = beginning(&folder.join(format!("{stem}.{ending}")))?;
        Some((stem, text))
    })
}

fn only(folder: &Path, ending: &str) -> Option<String> {
    let entries = folder.read_dir().ok()?;
    let mut found = entries.flatten().filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let stem = name.strip_suffix(ending)?.strip_suffix('.')?;
        let is_ours = !stem.is_empty() && !stem.starts_with("test_") && stem != "conftest";
        (is_ours && !stem.contains(char::is_whitespace)).then(|| stem.to_owned())
    });
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// Name and value of `name = value` or `name: Type = value`, at the beginning of a line.
fn assigned(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once('=')?;
    let name = name.split(':').next()?.trim_end();
    (is_word(name) && !value.starts_with('=')).then(|| (name, value.trim_start()))
}

fn begins_with_word(line: &str, word: &str) -> bool {
    line.strip_prefix(word)
        .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
