//! Fits against those of real R: steps, numbers and the summary that R prints.

#![expect(
    clippy::unwrap_used,
    clippy::float_cmp,
    clippy::print_stderr,
    reason = "what fails here fails the test, and what is skipped is said"
)]

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use model::fit::{self, Method, Request};
use model::formula;
use model::input::{Rows, Table};
use model::model::{Family, Model};
use model::summary;

/// Fewer would mean that the script does not do what it did.
const LEAST: usize = 79;

/// What R found.
struct Found {
    call: String,
    facts: HashMap<String, String>,
    summary: String,
}

impl Found {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let (head, summary) = text.split_once("\nsummary\n").unwrap();
        let mut lines = head.lines();
        Self {
            call: lines.next().unwrap().into(),
            facts: lines
                .map(|line| line.split_once('=').unwrap())
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            summary: summary.into(),
        }
    }

    fn text(&self, name: &str) -> &str {
        &self.facts[name]
    }

    fn numbers(&self, name: &str) -> Vec<f64> {
        let number = |text: &str| match text {
            "NA" => f64::NAN,
            text => text.parse().unwrap(),
        };
        self.text(name).split_whitespace().map(number).collect()
    }

    fn number(&self, name: &str) -> f64 {
        self.numbers(name)[0]
    }

    fn request(&self) -> Request {
        let method = match self.text("family") {
            "" => Method::Lm,
            "quasi" => Method::Glm {
                family: Family::Quasi(self.text("variance").parse().unwrap()),
                link: self.text("link").parse().unwrap(),
            },
            family => Method::Glm {
                family: family.parse().unwrap(),
                link: self.text("link").parse().unwrap(),
            },
        };
        let optional = |name: &str| match self.text(name) {
            "" => None,
            text => Some(formula::parse(text).unwrap()),
        };
        Request {
            weights: optional("weights"),
            offset: optional("offset"),
            ..Request::new(method, formula::parse(self.text("formula")).unwrap())
        }
    }
}

/// Complaints; none if all is as it should be.
struct Check {
    wrong: Vec<String>,
}

impl Check {
    fn near(&mut self, what: &str, ours: f64, theirs: f64, bound: f64) {
        let same = ours == theirs || (ours.is_nan() && theirs.is_nan());
        let near = (ours - theirs).abs() <= bound * theirs.abs();
        if !same && !near {
            self.wrong
                .push(format!("{what}: {ours:e}, R has {theirs:e}"));
        }
    }

    fn same<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, ours: &T, theirs: &T) {
        if ours != theirs {
            self.wrong
                .push(format!("{what}: {ours:?}, R has {theirs:?}"));
        }
    }
}

fn compare(found: &Found, model: &Model) -> Vec<String> {
    let mut check = Check { wrong: vec![] };
    let fit = &model.fit;
    check.near(
        "iterations",
        fit.iterations.into(),
        found.number("iterations"),
        0.0,
    );
    check.same(
        "converged",
        &fit.converged.to_string().to_uppercase().as_str(),
        &found.text("converged"),
    );
    check.same(
        "rank",
        &model.rank.to_string().as_str(),
        &found.text("rank"),
    );
    check.near("df", fit.df_residual, found.number("df"), 0.0);
    check.same(
        "warnings",
        &fit.warnings.join("|").as_str(),
        &found.text("warnings"),
    );
    if found.text("warnings").contains("0 or 1 occurred") {
        // The coefficients run away, and where they are when it ends is chance.
        return check.wrong;
    }
    check.near("deviance", fit.deviance, found.number("deviance"), 1e-13);
    check.near(
        "null deviance",
        fit.null_deviance,
        found.number("null"),
        1e-13,
    );
    check.near("AIC", fit.aic, found.number("aic"), 1e-13);
    check.near(
        "dispersion",
        fit.dispersion,
        found.number("dispersion"),
        1e-12,
    );
    if let Some(explained) = summary::explained(model) {
        check.near(
            "R squared",
            explained.r_squared,
            found.number("r_squared"),
            1e-12,
        );
    }
    let names: Vec<&str> = model
        .coefficients
        .names
        .iter()
        .map(|name| &**name)
        .collect();
    check.same("names", &names.join("|").as_str(), &found.text("names"));
    let pivot: Vec<String> = model.pivot.iter().map(|at| (at + 1).to_string()).collect();
    check.same("pivot", &pivot.join(" ").as_str(), &found.text("pivot"));
    let (coefficients, errors) = (found.numbers("coefficients"), found.numbers("errors"));
    for (at, own) in summary::coefficients(model).iter().enumerate() {
        check.near(
            &own.name,
            model.coefficients.values[0][at],
            coefficients[at],
            1e-11,
        );
        let error = own.values.map_or(f64::NAN, |values| values.error);
        check.near(&format!("error of {}", own.name), error, errors[at], 1e-11);
    }
    let ours = summary::text(model);
    if ours != found.summary {
        check
            .wrong
            .push(format!("summary:{ours}\nR:{}", found.summary));
    }
    check.wrong
}

fn r(script: &str, folder: &Path) -> Option<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(script);
    let run = Command::new("Rscript")
        .arg("--vanilla")
        .args([&script, folder])
        .env("LC_ALL", "C.UTF-8")
        .output();
    let run = match run {
        Ok(run) => run,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("SKIPPED: there is no Rscript to compare with");
            return None;
        }
        Err(error) => panic!("{error}"),
    };
    let told = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{told}");
    Some(String::from_utf8(run.stdout).unwrap())
}

/// What R found, and where the data are.
fn found(folder: &Path) -> Vec<(Found, PathBuf)> {
    let paths = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "txt"))
        .collect();
    paths.sort();
    let both = |path: PathBuf| (Found::read(&path), path.with_extension("csv"));
    paths.into_iter().map(both).collect()
}

fn rows(data: &Path) -> Rows {
    let data = data.to_path_buf();
    let table = Table::csv(move || {
        let file: Box<dyn Read + Send> = Box::new(File::open(&data)?);
        Ok(file)
    });
    Rows::new(table, 1 << 30)
}

#[test]
fn fits_are_those_of_r() {
    let folder = tempfile::tempdir().unwrap();
    if r("r_fits.R", folder.path()).is_none() {
        return;
    }
    let all = found(folder.path());
    let mut wrong = vec![];
    for (found, data) in &all {
        let complaints = match fit::fit(&found.request(), &rows(data)) {
            Ok(model) => compare(found, &model),
            Err(error) => vec![error.to_string()],
        };
        if !complaints.is_empty() {
            wrong.push(format!("{}\n  {}", found.call, complaints.join("\n  ")));
        }
    }
    assert!(all.len() >= LEAST, "only {} fits", all.len());
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        all.len(),
        wrong.join("\n")
    );
}

#[test]
fn r_reads_them_and_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    if r("r_fits.R", folder.path()).is_none() {
        return;
    }
    let mut count = 0;
    for (found, data) in found(folder.path()) {
        let request = Request {
            keep: true,
            ..found.request()
        };
        let model = fit::fit(&request, &rows(&data)).unwrap();
        let object = model::to_r::value(&model).unwrap();
        let bytes = rdata::write_rds(&object).unwrap();
        fs::write(data.with_extension("ours.rds"), bytes).unwrap();
        count += 1;
    }
    let told = r("r_reads.R", folder.path()).unwrap();
    assert_eq!(told, format!("done {count}\n"));
}
