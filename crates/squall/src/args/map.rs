//! Arguments of the map.

use std::num::{NonZeroU32, NonZeroUsize};

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::span;

#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  squall map features data.csv --by id --value value -o features.csv
  squall map features data.csv --by id --value value --plan     what will it take?
  squall map features data.csv --by id --value value --on-error collect --failed bad.csv
  squall map fit:live s3://lake/raw.parquet --by site --item frame -o fits.parquet
  squall map score lines.jsonl -o scores.jsonl                  each line is an item
  squall map features data.csv --by id --value value --to aws --max-cost 2
  squall map --resume j-7f3k2m                                  go on where it stopped
  squall map sum data.csv --by id --value value --to inline     no function, no Python

FUNCTION is called once for each id, with the values of that id: a pandas Series, a numpy
array or a list, by its annotations or --item. It returns a number, text, None, or a dict,
whose keys become columns. Rows of an id may be anywhere in the file. Results come in the
order of the ids, as pandas' groupby has them.

Items travel in chunks to many instances at once. What fails is tried again; an item that
kills its instance is found and the others go on. Finished items are kept: a job that ended
early goes on with --resume, and running it again with more data computes only what is new.

Built-in functions for --to inline: sum, mean, min, max, std, count, median, and q0.9 or
the like for quantiles; the output is, byte for byte, what pandas writes:
df.groupby(\"id\")[\"value\"].sum().to_csv()

Exit codes: 0 well; 1 the function cannot be run; 2 a mistake in what was asked; 3 refused
by a limit; 4 some items failed, all others are in the output (--on-error collect); 5 it
stopped early, with what is finished kept (an item failed, --max-time, --max-cost);
130 ended by Ctrl-C.")]
pub struct MapArgs {
    /// What is computed of each id: a function, or NAME:ALIAS; with --to inline a built-in one
    #[arg(value_name = "FUNCTION", required_unless_present = "resume")]
    pub function: Option<String>,
    /// A file, s3://BUCKET/KEY, or - for stdin: CSV, JSON lines, Parquet or Arrow
    #[arg(value_name = "INPUT", required_unless_present = "resume")]
    pub input: Option<String>,
    /// Where the result goes; without it, or as -, to stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<String>,
    #[command(flatten)]
    pub choices: Choices,
    /// A CSV of the items that failed, and why
    #[arg(long, value_name = "FILE")]
    pub failed: Option<String>,
    /// Run some items, and say what all of them will take
    #[arg(long, conflicts_with_all = ["resume", "failed"])]
    pub plan: bool,
    /// Take no results from earlier jobs
    #[arg(long)]
    pub fresh: bool,
    /// Keep nothing for later jobs
    #[arg(long)]
    pub no_journal: bool,
    /// Go on with a job that ended early, with the options it had
    #[arg(long, value_name = "JOB", conflicts_with_all = ["function", "input"])]
    pub resume: Option<String>,
    /// Say nothing but errors
    #[arg(short, long)]
    pub quiet: bool,
}

/// What may be chosen, and what a job that is resumed keeps. None means the default.
#[derive(Debug, Clone, Default, PartialEq, Args, Serialize, Deserialize)]
#[serde(default)]
pub struct Choices {
    /// The column of ids; without it every row is an item, and its id is its number
    #[arg(long, value_name = "COLUMN")]
    pub by: Option<String>,
    /// The column of values; --item frame takes all columns
    #[arg(long, value_name = "COLUMN")]
    pub value: Option<String>,
    /// Where the work is done [default: local]
    #[arg(long, value_enum)]
    pub to: Option<MapTarget>,
    /// How the function wants an item [default: what it says itself]
    #[arg(long, value_enum, value_name = "KIND")]
    pub item: Option<ItemArg>,
    /// Items that are sent at once, or auto [default: auto]
    #[arg(long, value_name = "N|auto", value_parser = chunk_size)]
    pub chunksize: Option<ChunkArg>,
    /// How items are written [default: columns where the function has numpy, else json]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub payload: Option<PayloadArg>,
    /// Chunks under way at once [default: learned, up to what is granted]
    #[arg(long, value_name = "N", value_parser = count)]
    pub concurrency: Option<NonZeroUsize>,
    /// How often an item is tried again whose function raised [default: 1]
    #[arg(long, value_name = "N", value_parser = retries, allow_negative_numbers = true)]
    pub retries: Option<u32>,
    /// Send a chunk again that takes K times as long as usual, or off [default: 4]
    #[arg(long, value_name = "K|off", value_parser = backup)]
    pub backup_after: Option<BackupArg>,
    /// What to do when an item failed [default: stop]
    #[arg(long, value_enum)]
    pub on_error: Option<OnErrorArg>,
    /// Stop when AWS would have asked for so many dollars
    #[arg(long, value_name = "DOLLARS", value_parser = dollars)]
    pub max_cost: Option<f64>,
    /// Stop after such a time, as 90s, 10m or 2h
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pub max_time: Option<u64>,
    /// What data may take of memory, such as 512MB or 4GB; more goes to disk [default: 2GB]
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    pub memory: Option<u64>,
    /// Threads that read the input [default: one for each core]
    #[arg(long, value_name = "N", value_parser = count)]
    pub parallel: Option<NonZeroUsize>,
    /// What INPUT is [default: by its name, else by how it begins]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub input_format: Option<FormatArg>,
    /// What is written [default: by the name of -o, else csv]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub output_format: Option<FormatArg>,
    /// Where payloads over 6 MB wait [default: squall-jobs-ACCOUNT-REGION, made if need be]
    #[arg(long, value_name = "BUCKET")]
    pub bucket: Option<String>,
}

impl Choices {
    /// These, where they were made, else those of `before`.
    #[must_use]
    pub fn or(self, before: Self) -> Self {
        Self {
            by: self.by.or(before.by),
            value: self.value.or(before.value),
            to: self.to.or(before.to),
            item: self.item.or(before.item),
            chunksize: self.chunksize.or(before.chunksize),
            payload: self.payload.or(before.payload),
            concurrency: self.concurrency.or(before.concurrency),
            retries: self.retries.or(before.retries),
            backup_after: self.backup_after.or(before.backup_after),
            on_error: self.on_error.or(before.on_error),
            max_cost: self.max_cost.or(before.max_cost),
            max_time: self.max_time.or(before.max_time),
            memory: self.memory.or(before.memory),
            parallel: self.parallel.or(before.parallel),
            input_format: self.input_format.or(before.input_format),
            output_format: self.output_format.or(before.output_format),
            bucket: self.bucket.or(before.bucket),
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MapTarget {
    /// By functions of the engine of the data directory, or of --endpoint
    #[default]
    Local,
    /// By functions of AWS; AWS_ENDPOINT_URL counts here, too
    Aws,
    /// By built-in functions in this process, on all cores
    Inline,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ItemArg {
    /// A pandas.Series of the values, with the name of their column
    Series,
    /// A numpy.ndarray of the values
    Array,
    /// A list of the values
    List,
    /// A pandas.DataFrame of all columns
    Frame,
    /// {"id": ..., "values": [...], "name": "value"}
    Dict,
    /// The line of a file of JSON lines
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChunkArg {
    Auto,
    Items(NonZeroU32),
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackupArg {
    Off,
    After(f64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PayloadArg {
    /// A JSON list
    Json,
    /// JSON, compressed
    Zlib,
    /// Raw columns of numbers, the fastest
    Columns,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnErrorArg {
    /// Send nothing more; what is finished is kept
    Stop,
    /// Go on with all others, and list what failed
    Collect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FormatArg {
    Csv,
    Jsonl,
    Parquet,
    Arrow,
}

fn chunk_size(text: &str) -> Result<ChunkArg, String> {
    match text {
        "auto" => Ok(ChunkArg::Auto),
        number => number
            .parse()
            .map(ChunkArg::Items)
            .map_err(|_| "use a number from 1 on, or auto".to_owned()),
    }
}

fn count(text: &str) -> Result<NonZeroUsize, String> {
    let number = text.parse();
    number.map_err(|_| "use a number from 1 on".to_owned())
}

fn retries(text: &str) -> Result<u32, String> {
    let number = text.parse();
    number.map_err(|_| "use a number from 0 on".to_owned())
}

fn backup(text: &str) -> Result<BackupArg, String> {
    if text == "off" {
        return Ok(BackupArg::Off);
    }
    let times = text.parse().ok();
    times
        .filter(|times: &f64| times.is_finite() && *times > 1.0)
        .map(BackupArg::After)
        .ok_or_else(|| "use a number above 1, or off".to_owned())
}

fn dollars(text: &str) -> Result<f64, String> {
    let number = text.strip_prefix('$').unwrap_or(text).parse().ok();
    number
        .filter(|number: &f64| number.is_finite() && *number > 0.0)
        .ok_or_else(|| "use a number of dollars, such as 0.50".to_owned())
}

fn seconds(text: &str) -> Result<u64, String> {
    span::seconds(text).ok_or_else(|| "use a time such as 90s, 10m or 1h30m".to_owned())
}

/// Less than this is a unit that was forgotten.
const LEAST_MEMORY: u64 = 1 << 20;

fn memory(text: &str) -> Result<u64, String> {
    let bytes = size(text)?;
    if bytes < LEAST_MEMORY {
        return Err("this is too little; use 1MB or more, such as 512MB".to_owned());
    }
    Ok(bytes)
}

/// A number of bytes, with a unit counted in 1,024s.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" | "B" => 0,
        "K" | "KB" => 10,
        "M" | "MB" => 20,
        "G" | "GB" => 30,
        unit => return Err(format!("{unit} is no unit; there are KB, MB and GB")),
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| format!("{digits:?} is no number"))?;
    number
        .checked_mul(1 << shift)
        .ok_or_else(|| "this is too much".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("512"), Ok(512));
        assert_eq!(size("512MB"), Ok(512 << 20));
        assert_eq!(size("4g"), Ok(4 << 30));
        for bad in ["", "MB", "1.5GB", "5XB", "99999999999GB", "-1"] {
            assert!(size(bad).is_err(), "{bad}");
        }
        assert_eq!(memory("1MB"), Ok(1 << 20));
        assert!(memory("512").unwrap_err().contains("such as 512MB"));
    }

    #[test]
    fn numbers_and_words_are_told_apart() {
        assert_eq!(chunk_size("auto"), Ok(ChunkArg::Auto));
        assert!(chunk_size("0").is_err() && chunk_size("many").is_err());
        assert!(count("0").is_err() && retries("-1").is_err() && retries("0").is_ok());
        assert_eq!(backup("off"), Ok(BackupArg::Off));
        assert_eq!(backup("2.5"), Ok(BackupArg::After(2.5)));
        assert!(backup("1").is_err() && backup("nan").is_err());
        assert_eq!(dollars("$0.5"), Ok(0.5));
        assert!(dollars("0").is_err() && dollars("-1").is_err() && dollars("inf").is_err());
        assert_eq!(seconds("1m30s"), Ok(90));
    }

    #[test]
    fn a_resumed_job_keeps_what_is_not_chosen_anew() {
        let before = Choices {
            by: Some("id".to_owned()),
            max_cost: Some(1.0),
            backup_after: Some(BackupArg::Off),
            ..Choices::default()
        };
        let text = serde_json::to_string(&before).unwrap();
        assert_eq!(serde_json::from_str::<Choices>(&text).unwrap(), before);
        let now = Choices {
            max_cost: Some(2.0),
            ..Choices::default()
        };
        let both = now.or(before.clone());
        assert_eq!((both.by, both.max_cost), (before.by, Some(2.0)));
        assert_eq!(both.backup_after, Some(BackupArg::Off));
    }
}
