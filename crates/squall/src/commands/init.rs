//! `squall init`: the beginning of a project.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use project::begin::{self, BeginError, Found};
use project::templates::{self, Template};
use serde_json::json;

use crate::args::{Global, InitArgs};
use crate::failure::{Failure, Kind};
use crate::output::{self, Table};

/// What somebody gets who wants no choice.
const STANDARD: &str = "handler";
/// Longer than any answer; what is typed beyond it is another line.
const LONGEST_ANSWER: u64 = 1024;

pub fn run(global: &Global, args: &InitArgs) -> Result<(), Failure> {
    if args.schema {
        output::bytes(project::schema::schema().as_bytes())?;
        return Ok(());
    }
    if args.templates {
        return list(global);
    }
    let found = begin::look(&args.folder);
    let asks = !args.yes && io::stdin().is_terminal() && io::stderr().is_terminal();
    let template = chosen(args, &found, asks)?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None if asks => answer(&format!("name of the project [{}]: ", found.name))?
            .unwrap_or_else(|| found.name.clone()),
        None => found.name.clone(),
    };
    let written = match template {
        Some(template) => begin::from_template(&args.folder, template, &name),
        None => begin::for_code(&args.folder, &name),
    };
    report(global, &args.folder, &name, &written.map_err(refused)?)
}

/// A template, or none if the code that is there is the project.
fn chosen(
    args: &InitArgs,
    found: &Found,
    asks: bool,
) -> Result<Option<&'static Template>, Failure> {
    if let Some(name) = &args.template {
        return Ok(Some(begin::template(name).map_err(refused)?));
    }
    if let Some(code) = &found.code {
        output::note(&format!("found {code}"));
        return Ok(None);
    }
    if asks {
        return ask_for_template().map(Some);
    }
    if args.yes {
        return Ok(Some(begin::template(STANDARD).map_err(refused)?));
    }
    let names: Vec<&str> = templates::ALL
        .iter()
        .map(|template| template.name)
        .collect();
    let hint = format!(
        "--template names one of {}; --yes takes {STANDARD}",
        names.join(", ")
    );
    Err(Failure::mistake(format!("there is no code in {}", args.folder.display())).hint(hint))
}

fn ask_for_template() -> Result<&'static Template, Failure> {
    for (number, template) in (1..).zip(&templates::ALL) {
        output::note(&format!(
            "  {number}  {:12}  {}",
            template.name, template.about
        ));
    }
    let Some(text) = answer("begin with [1]: ")? else {
        return Ok(&templates::ALL[0]);
    };
    let by_number = text
        .parse::<usize>()
        .ok()
        .and_then(|number| number.checked_sub(1));
    match by_number.and_then(|place| templates::ALL.get(place)) {
        Some(template) => Ok(template),
        None => begin::template(&text).map_err(refused),
    }
}

/// What is typed; `None` for an empty line or none at all.
fn answer(question: &str) -> Result<Option<String>, Failure> {
    let unread =
        |error| Failure::new(Kind::Mistake, anyhow::Error::new(error)).hint("--yes asks nothing");
    let mut stderr = io::stderr();
    write!(stderr, "{question}")
        .and_then(|()| stderr.flush())
        .map_err(unread)?;
    let mut line = String::new();
    let mut input = io::Read::take(io::stdin().lock(), LONGEST_ANSWER);
    input.read_line(&mut line).map_err(unread)?;
    let line = line.trim();
    Ok((!line.is_empty()).then(|| line.to_owned()))
}

fn report(global: &Global, folder: &Path, name: &str, written: &[PathBuf]) -> Result<(), Failure> {
    if global.json {
        output::json(&json!({"name": name, "folder": folder, "files": written}))?;
        return Ok(());
    }
    for path in written {
        output::line(&path.display().to_string())?;
    }
    let place = if folder == Path::new(".") {
        String::new()
    } else {
        format!("cd {}; ", super::env::quoted(&folder.to_string_lossy()))
    };
    output::note(&format!(
        "next: {place}squall up in one terminal, squall deploy in another"
    ));
    Ok(())
}

fn list(global: &Global) -> Result<(), Failure> {
    if global.json {
        let all = templates::ALL.iter();
        let all: Vec<_> = all
            .map(|template| json!({"name": template.name, "about": template.about}))
            .collect();
        output::json(&all)?;
        return Ok(());
    }
    let mut table = Table::new(&["TEMPLATE", "WHAT IT IS"]);
    for template in &templates::ALL {
        table.row([template.name.to_owned(), template.about.to_owned()]);
    }
    output::bytes(table.render().as_bytes())?;
    Ok(())
}

fn refused(error: BeginError) -> Failure {
    let hint = error.hint();
    let failure = Failure::new(Kind::Mistake, error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
