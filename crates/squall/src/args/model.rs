//! Arguments of `squall model`.

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  squall model fit 'admit ~ gre + gpa + factor(rank)' data.csv --family binomial -o admission.json
  squall model show admission.rds                    what R's saveRDS wrote, without R
  squall model predict admission.rds new.csv -o -    a column `fit`, one row per row
  squall model serve admission.rds                   an address that answers, for a try
  squall model compare old.rds new.rds data.csv      what a new model would change
  squall model linregress data.csv --x dose --y size

MODEL is a file or s3://BUCKET/KEY: what R's saveRDS() wrote of an lm or glm, what
squall model fit made, or ONNX. DATA is CSV (as R and pandas write it), Parquet or Arrow:
a file, s3://BUCKET/KEY, or - for stdin. docs/models.md has the whole story; a route of
the gateway is made by: squall routes add /admission --model s3://models/admission.rds")]
pub struct ModelArgs {
    #[command(subcommand)]
    pub action: ModelAction,
}

#[derive(Debug, Subcommand)]
pub enum ModelAction {
    /// Fit a linear or generalised linear model, as R's lm and glm do
    Fit(FitArgs),
    /// Show what a model is, and its summary as R prints it
    Show(ShowArgs),
    /// Predict each row of a data set
    Predict(PredictArgs),
    /// Answer requests to a model on an address of this machine
    Serve(ServeArgs),
    /// Tell two models apart: coefficients, and predictions of a data set
    Compare(CompareArgs),
    /// Fit a line through points, as scipy's linregress does
    Linregress(LinregressArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  squall model fit 'dist ~ speed' cars.csv
  squall model fit 'admit ~ .' data.csv --family binomial -o admission.json
  squall model fit 'n ~ log(dose) * strain' data.csv --family 'poisson(link = \"log\")'
  squall model fit 'y ~ poly(x, 2) + offset(log(area))' s3://lake/y.parquet --family poisson
  squall model fit 'size ~ tension' warp.csv --contrasts tension=contr.sum --rds size.rds
  squall model fit 'admit ~ gre' data.csv --family binomial -o s3://models/admission.json

Without --family it is an lm, with it a glm: binomial, poisson, Gamma, inverse.gaussian,
gaussian, quasi, quasibinomial, quasipoisson, each with R's links. Formulas are R's: + : *
^ %in% - . I() log() exp() sqrt() factor() poly() scale() ns() bs() cut() offset(), ...

The summary goes to stdout as R prints it; with --json the model file does. Larger data
than memory are fine: they are read again for each step.")]
pub struct FitArgs {
    /// R's formula, such as 'admit ~ gre + gpa + factor(rank)'
    pub formula: String,
    /// A file, s3://BUCKET/KEY, or - for stdin: CSV, Parquet or Arrow
    // Not `data`: that is the directory of the engine.
    #[arg(id = "table", value_name = "DATA")]
    pub data: String,
    /// glm of this family: binomial, 'binomial(link = "probit")', poisson, Gamma, ...
    #[arg(long, value_name = "FAMILY")]
    pub family: Option<String>,
    /// The link, where it is not named with the family
    #[arg(long, value_name = "LINK", requires = "family")]
    pub link: Option<String>,
    /// A column of prior weights, or an expression of columns
    #[arg(long, value_name = "COLUMN")]
    pub weights: Option<String>,
    /// A column that is added to the linear predictor as it is, or an expression
    #[arg(long, value_name = "COLUMN")]
    pub offset: Option<String>,
    /// How a factor becomes columns: contr.treatment, contr.sum, contr.helmert, contr.poly
    #[arg(long, value_name = "VARIABLE=CONTRASTS", value_parser = pair)]
    pub contrasts: Vec<(String, String)>,
    /// Where the model goes: a file, s3://BUCKET/KEY, or - for stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<String>,
    /// Where an object goes that R reads by readRDS()
    #[arg(long, value_name = "FILE")]
    pub rds: Option<String>,
    /// Show no progress, and no summary
    #[arg(short, long)]
    pub quiet: bool,
}

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// A file or s3://BUCKET/KEY
    pub model: String,
    /// Do not ask R for what only R can tell
    #[arg(long)]
    pub no_r: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScaleArg {
    /// The response: probabilities, counts
    Response,
    /// The linear predictor
    Link,
    /// What each term adds
    Terms,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum IntervalArg {
    /// Of the mean
    Confidence,
    /// Of a new observation
    Prediction,
}

#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  squall model predict admission.rds new.csv -o -
  squall model predict admission.rds new.csv --threshold 0.5 -o decisions.csv
  squall model predict cars.json new.csv --interval prediction --level 0.9
  squall model predict s3://models/admission.rds s3://lake/new.parquet -o s3://lake/fit.csv

The output is CSV with a column `fit`, and beside it `se_fit`, `lwr` and `upr` where asked:
one row for each row of DATA, NA where R gives NA. With several responses the columns are
`fit.NAME`. A cell of CSV is what the model wants of its column: 1 is a number or a level.

What cannot be computed without R is run by the Rscript of this machine, with a note on
stderr; --no-r refuses it instead.")]
pub struct PredictArgs {
    /// A file or s3://BUCKET/KEY
    pub model: String,
    /// A file, s3://BUCKET/KEY, or - for stdin: CSV, Parquet or Arrow
    // Not `data`: that is the directory of the engine.
    #[arg(id = "table", value_name = "DATA")]
    pub data: String,
    /// What is predicted
    #[arg(
        long = "type",
        value_enum,
        default_value = "response",
        value_name = "TYPE"
    )]
    pub scale: ScaleArg,
    /// Standard errors beside the predictions
    #[arg(long)]
    pub se: bool,
    /// Bounds beside the predictions
    #[arg(long, value_enum)]
    pub interval: Option<IntervalArg>,
    /// How sure the bounds are
    #[arg(long, default_value_t = 0.95, value_parser = level)]
    pub level: f64,
    /// Put a column beside the predictions that tells whether they are above this
    #[arg(long, value_name = "NUMBER")]
    pub threshold: Option<f64>,
    /// What that column is called
    #[arg(
        long,
        value_name = "NAME",
        default_value = "decision",
        requires = "threshold"
    )]
    pub decision: String,
    /// Take numbers for levels and text for numbers. Cells of CSV have no types: they are
    /// read as the model wants them with or without it
    #[arg(long)]
    pub coerce: bool,
    /// Refuse what cannot be computed without R, even if R is there
    #[arg(long)]
    pub no_r: bool,
    /// Where the predictions go: a file, s3://BUCKET/KEY, or - for stdout
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub output: String,
    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  squall model serve admission.rds
  curl 'http://127.0.0.1:8000/?gre=800&gpa=4&rank=1'
  squall model serve admission.rds --port 0 --set threshold=0.5 --set decision=admitted
  curl -T new.csv http://127.0.0.1:8000/

The same answers as a route of the gateway. The file is looked at with every request: a
new model takes over as soon as it has been read and has predicted a row.")]
pub struct ServeArgs {
    /// A file or s3://BUCKET/KEY
    pub model: String,
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 8000)]
    pub port: u16,
    /// An option of requests that do not name it: type, se, interval, level, threshold,
    /// decision, coerce, max_rows
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub set: Vec<(String, String)>,
    /// Let pages of this origin ask; * is any
    #[arg(long, value_name = "ORIGIN")]
    pub cors: Vec<String>,
}

#[derive(Debug, Args)]
pub struct CompareArgs {
    /// A file or s3://BUCKET/KEY
    pub one: String,
    /// A file or s3://BUCKET/KEY
    pub other: String,
    /// Rows that both predict: a file, s3://BUCKET/KEY, or - for stdin
    // Not `data`: that is the directory of the engine.
    #[arg(id = "table", value_name = "DATA")]
    pub data: Option<String>,
}

#[derive(Debug, Args)]
pub struct LinregressArgs {
    /// A file, s3://BUCKET/KEY, or - for stdin: CSV, Parquet or Arrow
    // Not `data`: that is the directory of the engine.
    #[arg(id = "table", value_name = "DATA")]
    pub data: String,
    /// The column that explains
    #[arg(long, value_name = "COLUMN")]
    pub x: String,
    /// The column that is explained
    #[arg(long, value_name = "COLUMN")]
    pub y: String,
}

pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| "it is NAME=VALUE".to_owned())?;
    Ok((name.to_owned(), value.to_owned()))
}

fn level(text: &str) -> Result<f64, String> {
    let level = text.parse().ok();
    let level = level.filter(|level: &f64| *level > 0.0 && *level < 1.0);
    level.ok_or_else(|| "it is a number between 0 and 1".to_owned())
}
