//! One function: what is said of it, and what is taken for granted.

use std::collections::BTreeMap;
use std::mem::discriminant;
use std::path::{Path, PathBuf};

use super::section::Section;
use super::within;
use crate::check::Report;
use crate::detect;
use crate::model::{
    Architecture, Destination, Entry, Function, FunctionRuntime, KeepWarm, Requirements, Start, Url,
};
use crate::tree::{Table, Value};
use crate::{objects, runtime};

const MEMORY_MB: u32 = 512;
const TIMEOUT_S: u32 = 30;
const TMP_MB: u32 = 512;
const WARM_EVERY: &str = "rate(5 minutes)";
/// The handler of a runtime that does not care; AWS wants one all the same.
const BOOTSTRAP: &str = "bootstrap";

pub fn read(
    root: &Path,
    name: &str,
    section: &Section<'_>,
    merged: &Table,
    report: &mut Report<'_>,
    assumed: &mut Vec<String>,
) -> Option<Function> {
    let source = within(root, section.text("source").unwrap_or("."));
    if !source.is_dir() {
        let shown = source.strip_prefix(root).unwrap_or(&source).display();
        let problem = format!("there is no folder {shown}");
        report.of(merged, &section.below("source"), problem, None);
        return None;
    }
    let place = Place {
        root,
        name,
        source: &source,
        section,
        merged,
        report: &mut *report,
        assumed: &mut *assumed,
    };
    let (runtime, entry) = place.called()?;
    let mut function = standard(runtime, entry, &source);
    function.include = section.texts("include").unwrap_or_default();
    function.exclude = section.texts("exclude").unwrap_or_default();
    function.layers = section.texts("layers").unwrap_or_default();
    sizes(&mut function, section);
    surroundings(&mut function, section, merged, report);
    when_asynchronous(&mut function, section);
    access(&mut function, section);
    function.url = url(section);
    function.keep_warm = keep_warm(section);
    libraries(root, name, section, &mut function, merged, report, assumed);
    Some(function)
}

/// With every default.
pub fn standard(runtime: FunctionRuntime, entry: Entry, source: &Path) -> Function {
    Function {
        runtime,
        entry,
        source: source.to_owned(),
        include: Vec::new(),
        exclude: Vec::new(),
        requirements: Requirements::None,
        packages: Requirements::None,
        layers: Vec::new(),
        architecture: Architecture::X86_64,
        memory_mb: MEMORY_MB,
        timeout_s: TIMEOUT_S,
        tmp_mb: TMP_MB,
        environment: BTreeMap::new(),
        secrets: Vec::new(),
        concurrency: None,
        start: Start::Auto,
        keep_warm: None,
        retries: None,
        max_age_s: None,
        on_success: None,
        on_failure: None,
        url: None,
        calls: Vec::new(),
        reads: Vec::new(),
        writes: Vec::new(),
        permissions: Vec::new(),
        item: None,
        slim: false,
    }
}

/// What a function that stands in no file needs and nobody said.
pub fn look_around(root: &Path, name: &str, function: &mut Function, assumed: &mut Vec<String>) {
    if let FunctionRuntime::Python { .. } = function.runtime {
        let (runtime, why) = detect::python(root);
        assumed.push(format!("{name} runs on {runtime}, {why}"));
        function.runtime = runtime;
    }
    look_for_requirements(root, name, function, assumed);
}

fn look_for_requirements(
    root: &Path,
    name: &str,
    function: &mut Function,
    assumed: &mut Vec<String>,
) {
    let (found, place) = match function.runtime {
        FunctionRuntime::Python { .. } => (
            detect::requirements(root, &function.source),
            &mut function.requirements,
        ),
        FunctionRuntime::R { .. } => (
            detect::renv_lock(root, &function.source),
            &mut function.packages,
        ),
        FunctionRuntime::Provided { .. } => return,
    };
    if let Some(file) = found {
        let shown = file.strip_prefix(root).unwrap_or(&file).display();
        assumed.push(format!("{name} needs what {shown} says"));
        *place = Requirements::File(file);
    }
}

/// Where a function stands, and where what is wrong or assumed is told.
struct Place<'a, 'r> {
    root: &'a Path,
    name: &'a str,
    source: &'a Path,
    section: &'a Section<'a>,
    merged: &'a Table,
    report: &'a mut Report<'r>,
    assumed: &'a mut Vec<String>,
}

impl Place<'_, '_> {
    fn wrong(&mut self, field: &str, problem: &str) {
        let mut path = self.section.path.clone();
        path.push(field);
        self.report.of(self.merged, &path, problem.to_owned(), None);
    }

    /// Runtime and entry belong together: either may tell the other.
    fn called(mut self) -> Option<(FunctionRuntime, Entry)> {
        let (runtime, entry) = self.said()?;
        match (runtime, entry) {
            (Some(runtime), Some(entry)) => Some((runtime, entry)),
            (Some(runtime @ FunctionRuntime::Provided { .. }), None) => {
                Some((runtime, Entry::Handler(BOOTSTRAP.to_owned())))
            }
            (None, Some(entry)) => {
                let runtime = detect::runtime_of(self.source, &entry);
                Some((self.pinned(runtime), entry))
            }
            (runtime, None) => self.found(runtime),
        }
    }

    /// What the file says, if it does not contradict itself.
    fn said(&mut self) -> Option<(Option<FunctionRuntime>, Option<Entry>)> {
        let section = self.section;
        let runtime = section.text("runtime").and_then(runtime::parse);
        let build = section.owned("build");
        let handler = section.owned("handler").map(Entry::Handler);
        let app = section.owned("app").map(Entry::App);
        let is_python = matches!(runtime, None | Some(FunctionRuntime::Python { .. }));
        let is_provided = matches!(runtime, None | Some(FunctionRuntime::Provided { .. }));
        if handler.is_some() && app.is_some() {
            self.wrong("app", "a function has a handler or an app, not both");
            return None;
        }
        if app.is_some() && !is_python {
            self.wrong("app", "an app needs a python runtime");
            return None;
        }
        if build.is_some() && (!is_provided || app.is_some()) {
            self.wrong(
                "build",
                "only a function of provided.al2023 is built by a command",
            );
            return None;
        }
        let runtime = match runtime {
            Some(FunctionRuntime::Provided { .. }) => Some(FunctionRuntime::Provided { build }),
            None if build.is_some() => Some(FunctionRuntime::Provided { build }),
            other => other,
        };
        Some((runtime, handler.or(app)))
    }

    /// Nobody says what is called, so the code is looked at.
    fn found(&mut self, runtime: Option<FunctionRuntime>) -> Option<(FunctionRuntime, Entry)> {
        let is_said = |found: &FunctionRuntime| match &runtime {
            Some(said) => discriminant(said) == discriminant(found),
            None => true,
        };
        let Some(found) = detect::code(self.source).filter(|found| is_said(&found.runtime)) else {
            let missed = detect::missed(self.source);
            let problem = match &missed {
                Some(missed) => format!("no handler is said, and {missed}"),
                None => format!(
                    "no handler is said, and none was found in {}",
                    self.source.display()
                ),
            };
            let hint = missed.map_or_else(
                || "name it: handler = \"FILE.FUNCTION\", or app = \"MODULE:OBJECT\"".to_owned(),
                |missed| missed.hint(),
            );
            let path = &self.section.path;
            self.report.of(self.merged, path, problem, Some(hint));
            return None;
        };
        self.assumed.push(format!(
            "{} is {}, found in {}",
            self.name,
            found.entry.name(),
            found.file
        ));
        let runtime = match runtime {
            Some(said) => said,
            None => self.pinned(found.runtime),
        };
        Some((runtime, found.entry))
    }

    /// Python in the version for which the project was written.
    fn pinned(&mut self, runtime: FunctionRuntime) -> FunctionRuntime {
        if !matches!(runtime, FunctionRuntime::Python { .. }) {
            return runtime;
        }
        let (runtime, why) = detect::python(self.root);
        self.assumed
            .push(format!("{} runs on {runtime}, {why}", self.name));
        runtime
    }
}

fn sizes(function: &mut Function, section: &Section<'_>) {
    let or = |name, standard| section.number(name).unwrap_or(standard);
    function.memory_mb = or("memory", MEMORY_MB);
    function.timeout_s = or("timeout", TIMEOUT_S);
    function.tmp_mb = or("tmp", TMP_MB);
    function.concurrency = section.number("concurrency");
    function.slim = section.truth("slim").unwrap_or(false);
    function.item = section.owned("item");
    if section.text("architecture") == Some("arm64") {
        function.architecture = Architecture::Arm64;
    }
    function.start = match section.text("start") {
        Some("fork") => Start::Fork,
        Some("spawn") => Start::Spawn,
        _ => Start::Auto,
    };
}

/// Environment and secrets, which a function finds at the same place.
fn surroundings(
    function: &mut Function,
    section: &Section<'_>,
    merged: &Table,
    report: &mut Report<'_>,
) {
    function.secrets = section.texts("secrets").unwrap_or_default();
    let Some(environment) = section.section("environment") else {
        return;
    };
    for (name, value) in environment.plain() {
        match value.parse() {
            Ok(text) => {
                function.environment.insert(name.to_owned(), text);
            }
            Err(problem) => {
                report.of(merged, &environment.below(name), problem.to_string(), None);
            }
        }
    }
}

fn when_asynchronous(function: &mut Function, section: &Section<'_>) {
    let destination = |name| {
        section.owned(name).map(|text| {
            if text.starts_with("arn:") {
                Destination::Arn(text)
            } else {
                Destination::Function(text)
            }
        })
    };
    function.retries = section.number("retries");
    function.max_age_s = section.number("max_age");
    function.on_success = destination("on_success");
    function.on_failure = destination("on_failure");
}

fn access(function: &mut Function, section: &Section<'_>) {
    let of = |name| {
        let texts = section.texts(name).unwrap_or_default();
        texts
            .iter()
            .filter_map(|text| objects::parse(text))
            .collect()
    };
    function.reads = of("reads");
    function.writes = of("writes");
    function.calls = section.texts("calls").unwrap_or_default();
    let statements = section.items("permissions").iter();
    function.permissions = statements.map(crate::tree::to_json).collect();
}

fn url(section: &Section<'_>) -> Option<Url> {
    let table = section.section("url");
    if table.is_none() && section.truth("url") != Some(true) {
        return None;
    }
    let truth = |name| table.as_ref().and_then(|url| url.truth(name));
    Some(Url {
        signed: truth("signed").unwrap_or(false),
        stream: truth("stream").unwrap_or(false),
        cors: table
            .as_ref()
            .and_then(|url| url.texts("cors"))
            .unwrap_or_default(),
    })
}

fn keep_warm(section: &Section<'_>) -> Option<KeepWarm> {
    let (every, instances) = match section.value("keep_warm")? {
        Value::Truth(true) => (None, None),
        Value::Integer(_) => (None, section.number("keep_warm")),
        Value::Table(_) => {
            let table = section.section("keep_warm")?;
            (table.owned("every"), table.number("instances"))
        }
        _ => return None,
    };
    Some(KeepWarm {
        every: every.unwrap_or_else(|| WARM_EVERY.to_owned()),
        instances: instances.unwrap_or(1),
    })
}

/// What it needs beside its code: packages of Python or of R, as the project says or as
/// its files do.
fn libraries(
    root: &Path,
    name: &str,
    section: &Section<'_>,
    function: &mut Function,
    merged: &Table,
    report: &mut Report<'_>,
    assumed: &mut Vec<String>,
) {
    let is_r = matches!(function.runtime, FunctionRuntime::R { .. });
    let (own, other, hint) = if is_r {
        (
            "packages",
            "requirements",
            "packages of R are named by packages",
        )
    } else {
        ("requirements", "packages", "only a function in R has them")
    };
    if section
        .value(other)
        .is_some_and(|value| !matches!(value, Value::Truth(false)))
    {
        let problem = format!("a function of {} has no {other}", function.runtime);
        report.of(
            merged,
            &section.below(other),
            problem,
            Some(hint.to_owned()),
        );
    }
    match requirements(root, section, own) {
        Some(said) if is_r => function.packages = said,
        Some(said) => function.requirements = said,
        None => look_for_requirements(root, name, function, assumed),
    }
}

/// `None` if nothing is said.
fn requirements(root: &Path, section: &Section<'_>, field: &str) -> Option<Requirements> {
    match section.value(field)? {
        Value::Text(file) => Some(Requirements::File(at(root, section, file))),
        Value::List(_) => Some(Requirements::List(section.texts(field).unwrap_or_default())),
        _ => Some(Requirements::None),
    }
}

/// A requirements file is named as seen from the project, or from the code.
fn at(root: &Path, section: &Section<'_>, file: &str) -> PathBuf {
    let of_project = within(root, file);
    let source = within(root, section.text("source").unwrap_or("."));
    let of_source = within(&source, file);
    if !of_project.exists() && of_source.exists() {
        return of_source;
    }
    of_project
}
