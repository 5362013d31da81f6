//! How a request is to be done: what it asks for, together with what its function
//! says of itself; and how the data it brings becomes items.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use map::input::{Input, InputError};
use map::options::{Format, ItemKind, Options, Width};
use map::payload::Description;
use science::Problem;
use science::items::{Collected, Columns, Wanted};

use super::asked::Asked;
use super::functions::{Facts, Target};
use super::refusal::Refusal;

/// A chunk that takes this many times the median is sent a second time.
const BACKUP_AFTER: f64 = 5.0;

/// All that is decided before the data comes.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub asked: Asked,
    pub target: Target,
    pub facts: Facts,
    pub item: ItemKind,
    pub format: Format,
}

/// What data may take while its items are collected.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    pub threads: NonZeroUsize,
    pub memory: u64,
    pub scratch: PathBuf,
}

impl Plan {
    /// `described` is None where the request leaves nothing to be asked.
    pub fn new(
        asked: Asked,
        target: Target,
        facts: Facts,
        described: Option<&Description>,
    ) -> Result<Self, Refusal> {
        let said = described.map(|said| said.item.parse());
        let item = match (asked.item, said) {
            (Some(item), _) | (None, Some(Ok(item))) => item,
            (None, said) => {
                let why = said.and_then(Result::err);
                let why = why.map_or_else(String::new, |error| format!(": {error}"));
                return Err(Refusal::NoFunction {
                    message: format!(
                        "the function {} does not say what items it takes{why}; name a kind: item=series",
                        target.function
                    ),
                });
            }
        };
        let format = asked.format.unwrap_or_else(|| {
            let reads = described.is_some_and(|said| said.reads(Format::Columns));
            if reads && item != ItemKind::Json {
                Format::Columns
            } else {
                Format::Json
            }
        });
        Ok(Self {
            asked,
            target,
            facts,
            item,
            format,
        })
    }

    pub fn options(&self) -> Options {
        let asked = &self.asked;
        let one = Width::Fixed(NonZeroUsize::MIN);
        Options {
            function: self.target.function.clone(),
            qualifier: self.target.qualifier.clone(),
            item: self.item,
            format: self.format,
            chunk: asked.chunk,
            width: if asked.spread { self.facts.width } else { one },
            retries: asked.retries,
            backup_after: asked.spread.then_some(BACKUP_AFTER),
            on_error: asked.on_error,
            max_time: asked.max_time,
            max_cost: None,
        }
    }

    fn wanted(&self, room: &Room) -> Wanted {
        let column = self.asked.id_column.clone();
        // Lines of JSON are items by themselves, unless someone says by what they go
        // together.
        let by = match self.item {
            ItemKind::Json => column,
            _ => Some(column.unwrap_or_else(|| Asked::ID_COLUMN.to_owned())),
        };
        let columns = match self.item {
            ItemKind::Frame => Columns::All,
            ItemKind::Json => Columns::Lines,
            _ => Columns::Value(self.asked.value_column.clone()),
        };
        Wanted {
            by,
            columns,
            threads: room.threads,
            memory: room.memory,
            scratch: room.scratch.clone(),
        }
    }

    /// Brings rows together. Reads and computes, for as long as the data comes.
    pub fn collect(&self, input: &Input, room: &Room) -> Result<Collected, Refusal> {
        let wanted = self.wanted(room);
        input
            .collect(&wanted, &|_| ())
            .map_err(|error| refuse(error, &wanted))
    }
}

/// What is wrong with a data set, so that its owner can mend it.
fn refuse(error: InputError, wanted: &Wanted) -> Refusal {
    use science::Error;
    let message = error.to_string();
    match error {
        InputError::Data(Error::Empty) => Refusal::Empty,
        InputError::Data(Error::NoColumn { there, .. }) => {
            let value = match &wanted.columns {
                Columns::Value(name) => Some(name),
                Columns::All | Columns::Lines => None,
            };
            let named = wanted.by.iter().chain(value);
            Refusal::Columns {
                missing: named
                    .filter(|name| !there.contains(name))
                    .cloned()
                    .collect(),
                there,
            }
        }
        InputError::Data(Error::Row { row, problem }) => Refusal::Data {
            message,
            row: (row > 0).then_some(row),
            column: column(&problem),
        },
        InputError::Data(Error::Line { line, problem }) => Refusal::Data {
            message,
            row: Some(line),
            column: column(&problem),
        },
        InputError::Data(Error::LongLine { line, .. }) => Refusal::Data {
            message,
            row: Some(line),
            column: None,
        },
        InputError::Data(Error::TooLong { row, .. }) => Refusal::Data {
            message,
            row: Some(row + 1),
            column: None,
        },
        InputError::Data(Error::TooMuch { .. } | Error::ItemTooLarge { .. }) => {
            Refusal::DataTooLarge { message }
        }
        InputError::Data(Error::Scratch { source, .. }) => not_kept(&source),
        InputError::Lines | InputError::NotLines { .. } | InputError::Data(Error::NotLines) => {
            Refusal::MediaTypeOf { message }
        }
        InputError::Data(Error::Read(error)) | InputError::Read(error) => unread(&error),
        InputError::Data(_) | InputError::Columnar(_) => Refusal::Data {
            message,
            row: None,
            column: None,
        },
    }
}

fn column(problem: &Problem) -> Option<String> {
    match problem {
        Problem::NotANumber { column, .. }
        | Problem::WideInteger { column }
        | Problem::NotUtf8 { column } => Some(column.clone()),
        _ => None,
    }
}

/// The body broke off, is not what it was packed as, or cannot be kept.
fn unread(error: &std::io::Error) -> Refusal {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::UnexpectedEof => Refusal::Broken,
        ErrorKind::ConnectionAborted => Refusal::Cancelled,
        ErrorKind::TimedOut => Refusal::LongData,
        ErrorKind::FileTooLarge => Refusal::DataTooLarge {
            message: format!("the body unpacks to too much: {error}"),
        },
        ErrorKind::InvalidData | ErrorKind::InvalidInput => Refusal::Data {
            message: format!("the body cannot be unpacked: {error}"),
            row: None,
            column: None,
        },
        _ => not_kept(error),
    }
}

/// What is done to the disk went wrong.
pub(super) fn not_kept(error: &std::io::Error) -> Refusal {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            tracing::error!(%error, "there is no room for what a map request brings");
            Refusal::NoRoom
        }
        _ => Refusal::internal("its data could not be kept", error),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use map::journal::FunctionFacts;
    use science::Error;

    use super::super::asked::Pairs;
    use super::*;

    fn facts() -> Facts {
        Facts {
            memory_mb: 512,
            arm: false,
            width: Width::Learned {
                cores: NonZeroUsize::MIN,
                most: NonZeroUsize::new(10).expect("ten is not zero"),
            },
            most_payload: 6 << 20,
            revision: "1".to_owned(),
            identity: FunctionFacts::default(),
        }
    }

    fn plan(query: &str, item: &str, formats: &[&str]) -> Result<Plan, Refusal> {
        let pairs = super::super::asked::overlaid(&Pairs::default(), query).unwrap();
        let target = Target {
            function: "f".parse().unwrap(),
            qualifier: None,
        };
        let said = Description {
            item: item.to_owned(),
            formats: formats.iter().map(|&name| name.to_owned()).collect(),
            numpy: true,
            pandas: true,
        };
        Plan::new(Asked::read(&pairs).unwrap(), target, facts(), Some(&said))
    }

    #[test]
    fn the_function_decides_what_the_request_leaves_open() {
        let all = ["json", "zlib", "columns"];
        for (query, item, formats, expected) in [
            ("", "series", &all[..], (ItemKind::Series, Format::Columns)),
            ("", "json", &all[..], (ItemKind::Json, Format::Json)),
            ("", "array", &all[..1], (ItemKind::Array, Format::Json)),
            (
                "item=dict",
                "series",
                &all[..],
                (ItemKind::Dict, Format::Columns),
            ),
            (
                "compression=True",
                "series",
                &all[..],
                (ItemKind::Series, Format::Zlib),
            ),
        ] {
            let plan = plan(query, item, formats).unwrap();
            assert_eq!((plan.item, plan.format), expected, "{query} {item}");
        }
        assert!(plan("", "tuple", &all).is_err());
        assert!(plan("item=list", "tuple", &all).is_ok());
    }

    #[test]
    fn without_spreading_one_instance_does_it_all() {
        let options = plan("invoke_lambda=False", "list", &[]).unwrap().options();
        assert_eq!(options.width, Width::Fixed(NonZeroUsize::MIN));
        assert_eq!(options.backup_after, None);
        assert_ne!(
            plan("", "list", &[]).unwrap().options().width,
            options.width
        );
    }

    #[test]
    fn what_is_wrong_with_data_is_told_to_its_owner() {
        let room = Room {
            threads: NonZeroUsize::MIN,
            memory: 1,
            scratch: "/".into(),
        };
        let wanted = plan("id_column=user", "list", &[]).unwrap().wanted(&room);
        let no_column = Error::NoColumn {
            name: "user".to_owned(),
            there: vec!["a".to_owned()],
        };
        let Refusal::Columns { missing, there } = refuse(no_column.into(), &wanted) else {
            panic!("a missing column is told as such");
        };
        assert_eq!(
            (missing, there),
            (vec!["user".into(), "value".into()], vec!["a".into()])
        );
        let row = Error::Row {
            row: 7,
            problem: Problem::NotANumber {
                column: "value".to_owned(),
                found: "x".to_owned(),
            },
        };
        let refusal = refuse(row.into(), &wanted);
        assert!(
            matches!(&refusal, Refusal::Data { row: Some(7), column: Some(column), .. } if column == "value")
        );
        for (kind, status) in [
            (io::ErrorKind::UnexpectedEof, 400),
            (io::ErrorKind::InvalidData, 400),
            (io::ErrorKind::StorageFull, 507),
            (io::ErrorKind::PermissionDenied, 500),
        ] {
            let refusal = refuse(InputError::Read(kind.into()), &wanted);
            assert_eq!(refusal.status().as_u16(), status);
        }
    }
}
