//! What only R can do with a model, done by the R of this machine, if it has one.

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::Context;
use bytes::Bytes;
use map::input::Rows;
use model::any::{Interval, Scale};

use super::place::Rowed;
use super::predict::Wanted;
use crate::failure::{Failure, Kind};

const PROGRAM: &str = "Rscript";

/// Arguments: model, data, type, se, interval, level, threshold, name of the decision.
/// Methods of packages are there once the package is loaded.
const PREDICT: &str = r#"
a <- commandArgs(TRUE)
m <- readRDS(a[1])
packages <- c(gam = "mgcv", rlm = "MASS", polr = "MASS", negbin = "MASS", lmerMod = "lme4",
              coxph = "survival", survreg = "survival", rpart = "rpart", nnet = "nnet", gls = "nlme",
              lme = "nlme", multinom = "nnet")
for (p in packages[intersect(class(m), names(packages))]) requireNamespace(p, quietly = TRUE)
d <- read.csv(a[2], check.names = FALSE, na.strings = c("NA", ""))
k <- tryCatch(attr(terms(m), "dataClasses"), error = function(e) NULL)
for (n in intersect(names(d), names(k)[k %in% c("factor", "ordered", "character")]))
  d[[n]] <- as.character(d[[n]])
call <- list(m, newdata = d)
if (inherits(m, c("lm", "gam", "polr"))) call$type <- a[3]
if (inherits(m, "lm")) call$na.action <- na.pass
if (a[4] == "1") call$se.fit <- TRUE
if (a[5] != "none") { call$interval <- a[5]; call$level <- as.numeric(a[6]) }
p <- do.call(predict, call)
se <- NULL
if (is.list(p) && !is.data.frame(p)) { se <- p$se.fit; p <- p$fit }
columns <- if (is.matrix(p)) {
  n <- colnames(p)
  if (!identical(n, c("fit", "lwr", "upr"))) n <- paste0("fit.", n)
  setNames(lapply(seq_len(ncol(p)), function(i) p[, i]), n)
} else list(fit = p)
if (!is.null(se)) columns <- append(columns, list(se_fit = se), 1)
if (a[7] != "none") columns[[a[8]]] <- columns$fit > as.numeric(a[7])
text <- function(x) if (is.numeric(x)) ifelse(is.na(x), "NA", sprintf("%.17g", x)) else ifelse(is.na(x), "NA", as.character(x))
cat(paste(names(columns), collapse = ","), "\n", sep = "")
rows <- do.call(paste, c(lapply(unname(columns), text), sep = ","))
writeLines(rows)
"#;

const SHOW: &str = r"
m <- readRDS(commandArgs(TRUE)[1])
print(tryCatch(summary(m), error = function(e) m))
";

/// Whether the machine has an R.
pub fn is_there() -> bool {
    let mut command = Command::new(PROGRAM);
    command.arg("--version");
    let asked = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

/// The predictions, as CSV.
pub fn predict(model: &Bytes, data: &Rowed, wanted: &Wanted) -> Result<Vec<u8>, Failure> {
    let folder = folder(model)?;
    let Rows::Csv(mut reader) = data.rows()? else {
        return Err(Failure::mistake("in R, rows are read from CSV alone"));
    };
    let mut file = std::fs::File::create(folder.path().join("data.csv")).context("cannot write")?;
    io::copy(&mut reader, &mut file).context("cannot copy the data")?;
    let ask = &wanted.ask;
    let threshold = wanted
        .threshold
        .map_or("none".to_owned(), |it| it.to_string());
    let arguments = [
        "data.csv",
        match ask.scale {
            Scale::Response => "response",
            Scale::Link => "link",
            Scale::Terms => "terms",
        },
        if ask.se { "1" } else { "0" },
        match ask.interval {
            None => "none",
            Some(Interval::Confidence) => "confidence",
            Some(Interval::Prediction) => "prediction",
        },
        &ask.level.to_string(),
        &threshold,
        &wanted.decision,
    ];
    run(folder.path(), PREDICT, &arguments)
}

/// What R prints of it.
pub fn show(model: &Bytes) -> Result<(), Failure> {
    let folder = folder(model)?;
    let text = run(folder.path(), SHOW, &[])?;
    Ok(crate::output::bytes(&text)?)
}

fn folder(model: &Bytes) -> Result<tempfile::TempDir, Failure> {
    let folder = tempfile::tempdir().context("cannot make a folder for R")?;
    let file = std::fs::File::create(folder.path().join("model.rds"));
    let written = file.and_then(|mut file| file.write_all(model));
    written.context("cannot write a file for R")?;
    Ok(folder)
}

fn run(folder: &Path, script: &str, arguments: &[&str]) -> Result<Vec<u8>, Failure> {
    let file = folder.join("script.R");
    std::fs::write(&file, script).context("cannot write a file for R")?;
    let mut command = Command::new(PROGRAM);
    command
        .args(["--vanilla", "script.R", "model.rds"])
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null());
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().context("cannot run Rscript")?;
    if status.success() {
        return Ok(stdout);
    }
    let said = String::from_utf8_lossy(&stderr);
    let error = anyhow::anyhow!("R: {}", said.trim());
    Err(Failure::new(Kind::Mistake, error))
}
