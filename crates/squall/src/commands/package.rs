//! `squall package`: what a deployment would upload, without uploading it.

use std::fs;
use std::path::Path;

use anyhow::Context;
use package::{Artifact, Package, Place, Test};
use project::Project;
use serde_json::{Value, json};

use crate::args::{Global, PackageArgs, PlaceArg};
use crate::failure::Failure;
use crate::output::{self, Table};
use crate::packaging;

pub async fn run(global: &Global, args: PackageArgs) -> Result<(), Failure> {
    let project = Project::load(&args.folder, args.stage.as_deref())?;
    let place = match args.to {
        PlaceArg::Local => Place::Engine,
        PlaceArg::Aws => Place::Aws,
    };
    let mut options = packaging::options(global, place)?;
    options.slim |= args.package.slim;
    options.fresh |= args.package.fresh;
    if args.package.no_test {
        options.test = Test::Never;
    }
    let wanted: Vec<&String> = if args.functions.is_empty() {
        project.functions.keys().collect()
    } else {
        args.functions.iter().collect()
    };
    let mut built = Vec::new();
    for name in wanted {
        let package = package::build(&project, name, &options).await;
        built.push((name.clone(), package?));
    }
    // Its spinner goes before anything is printed.
    drop(options);
    if let Some(folder) = &args.output {
        copy_all(folder, &built)?;
    }
    if global.json {
        let all: Vec<Value> = built
            .iter()
            .map(|(name, package)| described(name, package))
            .collect();
        output::json(&all)?;
        return Ok(());
    }
    for text in &project.assumed {
        output::note(text);
    }
    for (name, package) in &built {
        for note in &package.notes {
            output::note(&format!("{name}: {note}"));
        }
    }
    if args.explain {
        let trees: Vec<String> = built
            .iter()
            .map(|(_, package)| package.report.tree())
            .collect();
        output::bytes(trees.join("\n").as_bytes())?;
    } else {
        output::bytes(table(&built).render().as_bytes())?;
    }
    Ok(())
}

fn copy_all(folder: &Path, built: &[(String, Package)]) -> Result<(), Failure> {
    let copy = |artifact: &Artifact, name: String| {
        let to = folder.join(name);
        fs::copy(&artifact.path, &to)
            .with_context(|| format!("cannot write {}", to.display()))
            .map(|_| ())
    };
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (name, package) in built {
        copy(&package.code, format!("{name}.zip"))?;
        for (number, layer) in package.layers.iter().enumerate() {
            let number = if number == 0 {
                String::new()
            } else {
                number.to_string()
            };
            copy(&layer.artifact, format!("{name}-layer{number}.zip"))?;
        }
        if let Some(rest) = &package.rest {
            copy(rest, format!("{name}-rest.zip"))?;
        }
    }
    Ok(())
}

fn described(name: &str, package: &Package) -> Value {
    let artifact = |artifact: &Artifact| {
        json!({
            "path": artifact.path,
            "sha256": artifact.sha256,
            "zip_bytes": artifact.zip_bytes,
            "unpacked_bytes": artifact.unpacked_bytes,
        })
    };
    let layers: Vec<Value> = package
        .layers
        .iter()
        .map(|layer| {
            let mut value = artifact(&layer.artifact);
            value["hash"] = layer.hash.clone().into();
            value
        })
        .collect();
    json!({
        "function": name,
        "runtime": package.runtime,
        "handler": package.handler,
        "environment": package.environment,
        "code": artifact(&package.code),
        "layers": layers,
        "rest": package.rest.as_ref().map(artifact),
        "notes": package.notes,
        "report": package.report,
    })
}

fn table(built: &[(String, Package)]) -> Table {
    let titles = [
        "FUNCTION",
        "RUNTIME",
        "HANDLER",
        ">CODE",
        ">LIBRARIES",
        ">UPLOAD",
        ">UNPACKED",
    ];
    let mut table = Table::new(&titles);
    for (name, package) in built {
        let layers = package.layers.iter().map(|layer| &layer.artifact);
        let parts: Vec<&Artifact> = layers.chain(&package.rest).collect();
        let libraries: u64 = parts.iter().map(|part| part.unpacked_bytes).sum();
        let upload: u64 = parts.iter().map(|part| part.zip_bytes).sum();
        table.row([
            name.clone(),
            package.runtime.clone(),
            package.handler.clone(),
            output::size(package.code.unpacked_bytes),
            if libraries == 0 {
                "-".to_owned()
            } else {
                output::size(libraries)
            },
            output::size(package.code.zip_bytes + upload),
            output::size(package.code.unpacked_bytes + libraries),
        ]);
    }
    table
}
