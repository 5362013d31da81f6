//! The project's own checks: `cargo xtask layers`, `cargo xtask file-lengths`,
//! `cargo xtask module-docs`, or `cargo xtask check` for all of them. Each is a
//! test as well, so that no one has to remember them.
//!
//! `cargo xtask fuzz` is for what reads input that may be hostile.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool for the terminal"
)]

#[cfg(feature = "fuzz")]
mod fuzz;
mod layers;
mod sources;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};

/// A check looks at the checkout and says what is wrong with it.
type Check = fn(&Path) -> Result<Report>;

const CHECKS: [(&str, Check); 3] = [
    ("layers", layers::check),
    ("file-lengths", sources::lengths),
    ("module-docs", sources::docs),
];

/// What a check found: errors fail it, warnings do not.
#[derive(Debug, Default)]
struct Report {
    errors: Vec<String>,
    warnings: Vec<String>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let ran = match arguments.split_first() {
        Some((first, rest)) if first == "fuzz" => fuzz(rest),
        first => run(first.map(|(first, _)| first.as_str())),
    };
    match ran {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::from(2)
        }
    }
}

#[cfg(feature = "fuzz")]
fn fuzz(arguments: &[String]) -> Result<bool> {
    fuzz::run(arguments)
}

/// Starts itself again, optimised and with all that is fuzzed.
#[cfg(not(feature = "fuzz"))]
fn fuzz(arguments: &[String]) -> Result<bool> {
    let mut cargo = std::process::Command::new(env!("CARGO"));
    cargo.current_dir(root());
    cargo.args(["run", "--quiet", "--profile", "fuzz", "--package", "xtask"]);
    cargo
        .args(["--features", "fuzz", "--", "fuzz"])
        .args(arguments);
    Ok(cargo.status()?.success())
}

fn run(wanted: Option<&str>) -> Result<bool> {
    let names: Vec<&str> = CHECKS.iter().map(|(name, _)| *name).collect();
    let chosen: Vec<_> = match wanted {
        Some("check") => CHECKS.to_vec(),
        Some(name) if names.contains(&name) => {
            CHECKS.into_iter().filter(|(n, _)| *n == name).collect()
        }
        _ => bail!(
            "say which check: check (all of them), {}; or fuzz",
            names.join(", ")
        ),
    };
    let mut clean = true;
    for (name, check) in chosen {
        let report = check(&root())?;
        // All checks together belong into a log: there a number is enough.
        match report.warnings.len() {
            0 => {}
            count if wanted == Some("check") => {
                println!("{name}: {count} warnings; cargo xtask {name} shows them");
            }
            _ => report
                .warnings
                .iter()
                .for_each(|warning| println!("{name}: warning: {warning}")),
        }
        for error in &report.errors {
            println!("{name}: error: {error}");
        }
        clean &= report.errors.is_empty();
    }
    Ok(clean)
}

/// The top of the checkout, one above this crate.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_clean(check: Check) {
        let report = check(&root()).expect("the check runs");
        assert!(report.errors.is_empty(), "\n{}", report.errors.join("\n"));
    }

    #[test]
    fn every_crate_uses_only_lower_layers() {
        assert_clean(layers::check);
    }

    #[test]
    fn no_file_is_too_long() {
        assert_clean(sources::lengths);
    }

    #[test]
    fn every_file_says_what_it_is_for() {
        assert_clean(sources::docs);
    }
}
