//! The layers of the workspace: a crate may use only crates of lower rows,
//! never a sibling. The table is the one in ARCHITECTURE.md.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::Report;

/// From the bottom up.
const ROWS: [&[&str]; 7] = [
    &["rdata", "types"],
    &[
        "aws-wire", "columnar", "onnx", "policy", "project", "sandbox", "science", "store", "watch",
    ],
    &[
        "aws-client",
        "buckets",
        "map",
        "model",
        "package",
        "r-guest",
        "rules",
    ],
    &["deploy", "engine"],
    &[
        "account-api",
        "apigateway-api",
        "events-api",
        "gateway",
        "lambda-api",
        "logs-api",
        "s3-api",
        "ssm-api",
    ],
    &["server"],
    &["squall"],
];

/// Tools beside the rows: nothing depends on them, and they stand on no layer.
const BESIDE: [&str; 1] = ["xtask"];

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

/// Of every kind: a dev-dependency on a higher layer is a knot as well.
#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    path: Option<String>,
}

pub fn check(root: &Path) -> Result<Report> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root)
        .output()
        .context("cannot run cargo metadata")?;
    ensure!(
        output.status.success(),
        "cargo metadata failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Metadata = serde_json::from_slice(&output.stdout)?;
    Ok(judge(&metadata.packages))
}

fn judge(packages: &[Package]) -> Report {
    let mut report = Report::default();
    for package in packages {
        if BESIDE.contains(&package.name.as_str()) {
            continue;
        }
        let Some(own) = row(&package.name) else {
            report.errors.push(format!(
                "crate {} stands in no row; give it one in xtask/src/layers.rs and ARCHITECTURE.md",
                package.name
            ));
            continue;
        };
        for used in package.dependencies.iter().filter(|d| d.path.is_some()) {
            match row(&used.name) {
                Some(theirs) if theirs < own => {}
                Some(theirs) => report.errors.push(format!(
                    "{} (row {own}) uses {} (row {theirs}); only lower rows may be used",
                    package.name, used.name
                )),
                None => report.errors.push(format!(
                    "{} uses {}, which stands in no row",
                    package.name, used.name
                )),
            }
        }
    }
    report
}

fn row(name: &str) -> Option<usize> {
    let index = ROWS.iter().position(|crates| crates.contains(&name))?;
    Some(index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, uses: &[&str]) -> Package {
        let dependencies = uses
            .iter()
            .map(|name| Dependency {
                name: (*name).to_owned(),
                path: Some(format!("crates/{name}")),
            })
            .collect();
        Package {
            name: name.to_owned(),
            dependencies,
        }
    }

    #[test]
    fn lower_rows_are_allowed_and_the_rest_is_named() {
        let good = [
            package("engine", &["types", "store"]),
            package("xtask", &["types"]),
        ];
        assert!(judge(&good).errors.is_empty());
        for (bad, word) in [
            (package("store", &["sandbox"]), "store (row 2) uses sandbox"),
            (package("types", &["squall"]), "types (row 1) uses squall"),
            (package("engine", &["xtask"]), "stands in no row"),
            (package("utils", &[]), "crate utils stands in no row"),
        ] {
            let errors = judge(&[bad]).errors;
            assert!(errors[0].contains(word), "{errors:?}");
        }
    }
}
