//! `squall layer build r`: R as a layer for AWS, which deployments take from then on.

use std::env;
use std::fs;

use anyhow::Context;
use package::{Place, RLayer, Test};
use serde_json::json;

use crate::args::{Global, LayerAction, LayerArgs, LayerBuildArgs};
use crate::failure::Failure;
use crate::output::{self, Table};
use crate::packaging;

pub async fn run(global: &Global, args: LayerArgs) -> Result<(), Failure> {
    match args.action {
        LayerAction::Build(args) => build(global, args).await,
    }
}

async fn build(global: &Global, args: LayerBuildArgs) -> Result<(), Failure> {
    for name in &args.packages {
        if !project::is_r_package(name) {
            let message = format!("{name:?} is not the name of a package of R");
            return Err(Failure::mistake(message).hint("such as jsonlite, or jsonlite@1.8.4"));
        }
    }
    let mut options = packaging::options(global, Place::Aws)?;
    options.fresh = args.fresh;
    if args.no_test {
        options.test = Test::Never;
    }
    let program = env::current_exe().context("this program cannot be found")?;
    let layer = package::build_r(&args.packages, &program, &options).await?;
    let limit = options.unpacked_bytes_max;
    // Its spinner goes before anything is printed.
    drop(options);
    if let Some(file) = &args.out {
        fs::copy(&layer.artifact.path, file)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    if global.json {
        return Ok(output::json(&described(&layer))?);
    }
    for note in &layer.notes {
        output::note(note);
    }
    output::bytes(table(&layer).render().as_bytes())?;
    let (bytes, zip) = (layer.artifact.unpacked_bytes, layer.artifact.zip_bytes);
    let place = args.out.as_ref().unwrap_or(&layer.artifact.path);
    output::note(&format!(
        "R {}: {} of the {} that AWS takes, {} as a zip: {}",
        layer.version,
        output::size(bytes),
        output::size(limit),
        output::size(zip),
        place.display()
    ));
    Ok(())
}

fn described(layer: &RLayer) -> serde_json::Value {
    json!({
        "language": "r",
        "version": layer.version,
        "packages": layer.packages,
        "hash": layer.hash,
        "path": layer.artifact.path,
        "sha256": layer.artifact.sha256,
        "zip_bytes": layer.artifact.zip_bytes,
        "unpacked_bytes": layer.artifact.unpacked_bytes,
        "plain_bytes": layer.plain_bytes(),
        "parts": layer.parts,
        "notes": layer.notes,
    })
}

fn table(layer: &RLayer) -> Table {
    let mut table = Table::new(&["PART", ">BEFORE", ">AFTER"]);
    for part in &layer.parts {
        table.row([
            part.name.clone(),
            output::size(part.plain_bytes),
            output::size(part.bytes),
        ]);
    }
    table.row([
        "all".to_owned(),
        output::size(layer.plain_bytes()),
        output::size(layer.artifact.unpacked_bytes),
    ]);
    table
}
