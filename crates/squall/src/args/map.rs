//! Arguments of the map.

use std::num::NonZeroUsize;

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  squall map sum data.csv --by id --value value --to inline
  squall map median data.csv --by id --value value --to inline -o medians.csv
  squall map q0.9 - --by id --value value --to inline < data.csv

Built-in functions: sum, mean, min, max, std, count, median, and q0.9 or the like for
quantiles. Rows of an id may be anywhere in the file. The output is, byte for byte, what
pandas writes: df.groupby(\"id\")[\"value\"].sum().to_csv()")]
pub struct MapArgs {
    /// What is computed of the values of each id
    #[arg(value_name = "FUNCTION")]
    pub function: String,
    /// A CSV file with a header, or - for stdin
    #[arg(value_name = "INPUT")]
    pub input: String,
    /// Where the result goes; without it, or as -, to stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<String>,
    /// The column of ids
    #[arg(long, value_name = "COLUMN")]
    pub by: String,
    /// The column of values
    #[arg(long, value_name = "COLUMN")]
    pub value: String,
    /// Where the work is done
    #[arg(long, value_enum)]
    pub to: Option<MapTarget>,
    /// Threads [default: one for each core]
    #[arg(long, value_name = "N")]
    pub parallel: Option<NonZeroUsize>,
    /// What groups may take of memory, such as 512MB or 4GB
    #[arg(long, value_name = "SIZE", default_value = "2GB", value_parser = memory)]
    pub memory: u64,
    /// Say nothing but errors
    #[arg(short, long)]
    pub quiet: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MapTarget {
    /// By built-in functions in this process, on all cores
    Inline,
}

/// A number of bytes, with a unit counted in 1,024s.
fn memory(text: &str) -> Result<u64, String> {
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
        assert_eq!(memory("512"), Ok(512));
        assert_eq!(memory("512MB"), Ok(512 << 20));
        assert_eq!(memory("4g"), Ok(4 << 30));
        for bad in ["", "MB", "1.5GB", "5XB", "99999999999GB", "-1"] {
            assert!(memory(bad).is_err(), "{bad}");
        }
    }
}
