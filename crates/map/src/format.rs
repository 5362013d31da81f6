//! The formats of data sets and of results, and how they are told apart.

use std::fmt;
use std::str::FromStr;

/// What a file, or the body of a request, is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    Csv,
    JsonLines,
    Parquet,
    /// Arrow IPC, also known as Feather. Data sets may be streams of it, too.
    Arrow,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no format {0:?}; there are csv, jsonl, parquet and arrow")]
pub struct UnknownFormat(pub String);

impl FromStr for FileFormat {
    type Err = UnknownFormat;

    /// By its name, which may be that of an extension.
    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        match name.to_ascii_lowercase().as_str() {
            "csv" => Ok(Self::Csv),
            "jsonl" | "ndjson" | "json" => Ok(Self::JsonLines),
            "parquet" | "pq" => Ok(Self::Parquet),
            "arrow" | "arrows" | "feather" | "ipc" => Ok(Self::Arrow),
            _ => Err(UnknownFormat(name.to_owned())),
        }
    }
}

impl fmt::Display for FileFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Csv => "csv",
            Self::JsonLines => "jsonl",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
        })
    }
}

/// Extensions of what packs any file, before which its own stands.
const PACKED: [&str; 4] = [".gz", ".gzip", ".zst", ".zstd"];

impl FileFormat {
    /// By the extension of a path or key: `data.csv.gz` is CSV.
    pub fn of_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let plain = PACKED.iter().find_map(|end| name.strip_suffix(end));
        let (_, extension) = plain.unwrap_or(&name).rsplit_once('.')?;
        extension.parse().ok()
    }

    /// By a media type, such as `text/csv; charset=utf-8`.
    pub fn of_media_type(media_type: &str) -> Option<Self> {
        let (kind, _) = media_type.split_once(';').unwrap_or((media_type, ""));
        Some(match kind.trim().to_ascii_lowercase().as_str() {
            "text/csv" | "application/csv" => Self::Csv,
            "application/json"
            | "application/jsonl"
            | "application/jsonlines"
            | "application/json-lines"
            | "application/ndjson"
            | "application/x-jsonlines"
            | "application/x-ndjson" => Self::JsonLines,
            "application/parquet" | "application/x-parquet" | "application/vnd.apache.parquet" => {
                Self::Parquet
            }
            "application/arrow"
            | "application/feather"
            | "application/vnd.apache.arrow.file"
            | "application/vnd.apache.arrow.stream" => Self::Arrow,
            _ => return None,
        })
    }

    /// What an `Accept` header likes best; CSV where it takes anything. None if it takes
    /// nothing that there is.
    pub fn accepted(accept: &str) -> Option<Self> {
        let mut best: Option<(f32, Self)> = None;
        for range in accept.split(',') {
            let kind = range.split(';').next().unwrap_or_default().trim();
            let format = match kind.to_ascii_lowercase().as_str() {
                "*/*" | "text/*" | "" => Some(Self::Csv),
                "application/*" => Some(Self::JsonLines),
                _ => Self::of_media_type(kind),
            };
            let quality = range.split(';').skip(1).find_map(|parameter| {
                let (name, value) = parameter.split_once('=')?;
                let value = value.trim().parse().ok();
                value.filter(|_| name.trim().eq_ignore_ascii_case("q"))
            });
            let quality = quality.unwrap_or(1.0_f32);
            let better = best.is_none_or(|(other, _)| quality > other);
            if let Some(format) = format
                && quality > 0.0
                && better
            {
                best = Some((quality, format));
            }
        }
        best.map(|(_, format)| format)
    }

    pub fn as_media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::JsonLines => "application/x-ndjson",
            Self::Parquet => "application/vnd.apache.parquet",
            Self::Arrow => "application/vnd.apache.arrow.file",
        }
    }

    /// By the first bytes. Text has no mark by which it could be known.
    pub fn of_magic(head: &[u8]) -> Option<Self> {
        // A header of CSV may begin with the same letters, but not go on like that: the
        // description of a page follows, whose first byte is no letter.
        if let Some(rest) = head.strip_prefix(b"PAR1") {
            let text = rest.first().is_none_or(|byte| *byte >= b' ');
            return (!text && !matches!(rest[0], b'\t' | b'\r' | b'\n')).then_some(Self::Parquet);
        }
        let stream = head.starts_with(&[0xff; 4]);
        (stream || head.starts_with(b"ARROW1\0\0")).then_some(Self::Arrow)
    }
}

#[cfg(test)]
mod tests {
    use super::FileFormat::{Arrow, Csv, JsonLines, Parquet};
    use super::*;

    #[test]
    fn formats_by_name() {
        for (name, format) in [
            ("data.csv", Some(Csv)),
            ("a/b.d/DATA.CSV.GZ", Some(Csv)),
            ("x.jsonl.zst", Some(JsonLines)),
            ("x.json", Some(JsonLines)),
            ("x.parquet", Some(Parquet)),
            ("x.feather", Some(Arrow)),
            ("csv", None),
            ("x.gz", None),
            ("x.txt", None),
        ] {
            assert_eq!(FileFormat::of_name(name), format, "{name}");
        }
    }

    #[test]
    fn formats_by_media_type() {
        for (kind, format) in [
            ("text/csv", Some(Csv)),
            ("Text/CSV; charset=utf-8", Some(Csv)),
            ("application/x-ndjson", Some(JsonLines)),
            ("application/octet-stream", None),
            ("application/x-www-form-urlencoded", None),
        ] {
            assert_eq!(FileFormat::of_media_type(kind), format, "{kind}");
        }
        for format in [Csv, JsonLines, Parquet, Arrow] {
            let kind = format.as_media_type();
            assert_eq!(FileFormat::of_media_type(kind), Some(format));
            assert_eq!(format.to_string().parse(), Ok(format));
        }
    }

    #[test]
    fn what_a_client_accepts() {
        for (accept, format) in [
            ("", Some(Csv)),
            ("*/*", Some(Csv)),
            ("application/json", Some(JsonLines)),
            ("application/json;q=0.5, text/csv", Some(Csv)),
            ("application/json, text/csv;q=0.5", Some(JsonLines)),
            ("text/html, application/xhtml+xml, */*;q=0.8", Some(Csv)),
            ("application/vnd.apache.parquet", Some(Parquet)),
            ("image/png", None),
            ("text/csv;q=0", None),
        ] {
            assert_eq!(FileFormat::accepted(accept), format, "{accept}");
        }
    }

    #[test]
    fn formats_by_their_first_bytes() {
        for (head, format) in [
            (&b"PAR1\x15\x04"[..], Some(Parquet)),
            (b"PAR1,PAR2\n", None),
            (b"PAR1\n1\n", None),
            (b"PAR1", None),
            (b"ARROW1\0\0", Some(Arrow)),
            (b"ARROW1,b\n", None),
            (b"\xff\xff\xff\xff\x10", Some(Arrow)),
            (b"id,value\n", None),
            (b"", None),
        ] {
            assert_eq!(FileFormat::of_magic(head), format, "{head:?}");
        }
    }
}
