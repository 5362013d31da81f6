//! Files as pandas, pyarrow, polars and DuckDB make them: see `files/make.py`.

use std::fs::File;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use columnar::{Batches, Error, Format, Names, Source, Wanted};
use types::table::{Column, Values};

const LIMIT: u64 = 1 << 20;

fn path(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    folder.join("tests/files").join(name)
}

fn source(name: &str) -> Source {
    let file = File::open(path(name)).expect("it lies there");
    Source::file(file).expect("it is a file")
}

fn open(name: &str, source: &Source, wanted: &Wanted) -> Result<Batches, Error> {
    match name.rsplit('.').next() {
        Some("parquet") => Batches::parquet(source, wanted),
        _ => Batches::arrow(source, wanted),
    }
}

fn read(name: &str, source: &Source, wanted: &Wanted) -> Result<Vec<Column>, Error> {
    let mut batches = open(name, source, wanted)?;
    let mut all = batches.next().expect("there is one batch at least")?;
    for batch in batches {
        for (column, more) in all.iter_mut().zip(batch?) {
            assert_eq!(column.name, more.name);
            column.values.extend(&more.values, 0..more.values.len());
        }
    }
    Ok(all)
}

fn names<'a>(names: &'a [&'a str]) -> Wanted<'a> {
    Wanted {
        by: None,
        columns: Names::These(names),
        limit: LIMIT,
    }
}

const ALL: Wanted<'static> = Wanted {
    by: None,
    columns: Names::All,
    limit: LIMIT,
};

/// `name kind: values`, a column a line.
fn shown(columns: &[Column]) -> String {
    let line = |column: &Column| {
        let values = match &column.values {
            Values::Integers(values) => format!("integers {values:?}"),
            Values::Floats(values) => format!("floats {values:?}"),
            Values::Booleans(values) => format!("booleans {values:?}"),
            Values::Texts(texts) => {
                let text = |text: Option<&str>| text.map_or("-".to_owned(), |it| format!("{it:?}"));
                let texts: Vec<_> = texts.iter().map(text).collect();
                format!("texts [{}]", texts.join(", "))
            }
        };
        format!("{} {values}\n", column.name)
    };
    columns.iter().map(line).collect()
}

const COMMON: &str = r#"id integers [3, 1, 2, 1, 3]
value floats [1.5, NaN, -2.25, 1e300, 0.1]
name texts ["a", "ü,\"x\"", -, "", "line\nbreak"]
flag booleans [true, false, true, true, false]
gap floats [1.0, NaN, 3.0, 4.0, 5.0]
"#;

#[test]
fn every_library_means_the_same() {
    let files = std::fs::read_dir(path("")).unwrap();
    let mut count = 0;
    for file in files {
        let name = file.unwrap().file_name().into_string().unwrap();
        let stem = name.split(['.', '-']).next().unwrap();
        let other = ["category", "nested", "index"];
        if !["pandas", "polars", "pyarrow", "duckdb"].contains(&stem)
            || other.iter().any(|other| name.contains(other))
        {
            continue;
        }
        count += 1;
        let columns = read(&name, &source(&name), &ALL).unwrap();
        assert_eq!(shown(&columns), COMMON, "{name} from disk");
        let memory = Source::memory(Bytes::from(std::fs::read(path(&name)).unwrap()));
        let columns = read(&name, &memory, &ALL).unwrap();
        assert_eq!(shown(&columns), COMMON, "{name} from memory");
        let some = read(&name, &source(&name), &names(&["gap", "id"])).unwrap();
        let lines: Vec<_> = COMMON.lines().collect();
        let expected = format!("{}\n{}\n", lines[4], lines[0]);
        assert_eq!(
            shown(&some),
            expected,
            "{name}, some columns in another order"
        );
    }
    assert_eq!(count, 16);
}

#[test]
fn the_index_of_pandas() {
    // One with a name is a column as any other.
    let columns = read(
        "pandas-index.parquet",
        &source("pandas-index.parquet"),
        &ALL,
    )
    .unwrap();
    assert!(shown(&columns).ends_with("\nid integers [3, 1, 2, 1, 3]\n"));
    // One without is nobody's, unless it is asked for.
    let name = "pandas-unnamed-index.parquet";
    let columns = read(name, &source(name), &ALL).unwrap();
    assert!(!shown(&columns).contains("__index_level_0__"));
    let wanted = Wanted {
        by: Some("__index_level_0__"),
        ..ALL
    };
    let columns = read(name, &source(name), &wanted).unwrap();
    assert!(shown(&columns).ends_with("\n__index_level_0__ integers [0, 3, 4]\n"));
}

const TYPES: &str = r#"int8 integers [1, -128]
uint16 integers [1, 65535]
uint64 integers [1, 9223372036854775807]
large floats [1.0, 1.8446744073709552e19]
int_gap floats [7.0, NaN]
half floats [0.5, 2.0]
float floats [0.10000000149011612, NaN]
none floats [NaN, NaN]
bool_gap texts ["True", -]
text texts ["x", -]
large_text texts ["x", "y"]
category texts ["b", -]
number_category integers [20, 10]
decimal floats [1.1, -123456789012345.67]
wide_decimal floats [0.3, NaN]
date texts ["2024-02-29", "1969-12-31"]
date64 texts ["2024-02-29", -]
second texts ["2024-01-02T03:04:05", -]
milli texts ["2024-01-02T03:04:05.006", -]
micro texts ["2024-01-02T03:04:05.000006", -]
nano texts ["1970-01-01T00:00:00.000000001", "1969-12-31T23:59:59.999999999"]
zoned texts ["2024-07-01T12:00:00.000000+00:00", -]
time texts ["01:02:03.000004", -]
time32 texts ["23:59:59", -]
"#;

#[test]
fn every_type_that_can_be_used() {
    let columns = read("types.arrow", &source("types.arrow"), &ALL).unwrap();
    assert_eq!(shown(&columns), TYPES);
    // Parquet has no seconds.
    let parquet = TYPES.replace("04:05\", -", "04:05.000\", -");
    let parquet = parquet.replace("23:59:59\"", "23:59:59.000\"");
    let columns = read("types.parquet", &source("types.parquet"), &ALL).unwrap();
    assert_eq!(shown(&columns), parquet);
    let columns = read("int96.parquet", &source("int96.parquet"), &ALL).unwrap();
    assert_eq!(
        shown(&columns),
        "old texts [\"2024-01-02T03:04:05.000000000\"]\n"
    );
    for name in ["polars-category.arrow", "polars-category.parquet"] {
        let columns = read(name, &source(name), &ALL).unwrap();
        assert_eq!(
            shown(&columns),
            "c texts [\"x\", \"y\", -, \"x\"]\n",
            "{name}"
        );
    }
}

#[test]
fn ids_are_never_rounded() {
    for name in ["types.arrow", "types.parquet"] {
        let by = |by| Wanted {
            by: Some(by),
            ..names(std::slice::from_ref(Box::leak(Box::new(by))))
        };
        let columns = read(name, &source(name), &by("large")).unwrap();
        assert_eq!(
            shown(&columns),
            "large texts [\"1\", \"18446744073709551615\"]\n"
        );
        let columns = read(name, &source(name), &by("decimal")).unwrap();
        assert_eq!(
            shown(&columns),
            "decimal texts [\"1.10\", \"-123456789012345.67\"]\n"
        );
    }
}

#[test]
fn types_that_cannot_be_used_are_named_with_their_column() {
    for name in ["refused.arrow", "refused.parquet"] {
        for column in ["list", "struct", "map", "bytes", "fixed", "duration"] {
            let error = read(name, &source(name), &names(&[column])).unwrap_err();
            let text = error.to_string();
            let start = format!("column {column:?}: values of type ");
            assert!(text.starts_with(&start), "{name}: {text}");
        }
        // They do no harm where they are not wanted.
        let columns = read(name, &source(name), &names(&["ok"])).unwrap();
        assert_eq!(shown(&columns), "ok integers [1, 2]\n");
    }
    let error = read("refused.arrow", &source("refused.arrow"), &ALL).unwrap_err();
    assert!(matches!(error, Error::Unsupported { column, .. } if column == "list"));
    let name = "duckdb-nested.parquet";
    let columns = read(name, &source(name), &names(&["ok"])).unwrap();
    assert_eq!(shown(&columns), "ok integers [1]\n");
}

#[test]
fn columns_that_are_not_there() {
    for name in ["no-rows.parquet", "no-batches.arrow"] {
        let error = read(name, &source(name), &names(&["id", "x"])).unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"there is no column "x"; there are "id", "name""#
        );
    }
}

#[test]
fn files_without_rows_have_columns() {
    for name in [
        "no-rows.parquet",
        "no-groups.parquet",
        "no-batches.arrow",
        "no-batches.arrows",
    ] {
        let batches = open(name, &source(name), &ALL).unwrap();
        let batches: Vec<_> = batches.map(Result::unwrap).collect();
        assert_eq!(batches.len(), 1, "{name}");
        assert_eq!(
            shown(&batches[0]),
            "id integers []\nname texts []\n",
            "{name}"
        );
    }
    let columns = read("no-columns.parquet", &source("no-columns.parquet"), &ALL).unwrap();
    assert!(columns.is_empty());
}

#[test]
fn what_is_no_such_file() {
    for bytes in [&b""[..], b"id,value\n1,2\n", b"PAR1", b"ARROW1\0\0"] {
        let source = Source::memory(Bytes::from_static(bytes));
        for (name, format) in [("x.parquet", Format::Parquet), ("x.arrow", Format::Arrow)] {
            let error = read(name, &source, &ALL).unwrap_err();
            assert!(matches!(error, Error::NotIt { format: of, .. } if of == format));
        }
    }
}

#[test]
fn a_page_that_unpacks_to_more_than_the_limit_is_refused() {
    let name = "large-page.parquet";
    let wanted = Wanted {
        limit: 32 << 10,
        ..ALL
    };
    let error = read(name, &self::source(name), &wanted).unwrap_err();
    let Error::TooLarge { bytes, .. } = error else {
        panic!("{error}")
    };
    // The values, and which of them are missing.
    assert_eq!(bytes, 800_008);
    let columns = read(name, &self::source(name), &ALL).unwrap();
    assert_eq!(columns[0].values.len(), 100_000);
}

#[test]
fn nothing_larger_than_the_limit_is_brought_into_memory() {
    for name in ["pandas.parquet", "pandas.feather", "pyarrow.arrows"] {
        let wanted = Wanted { limit: 64, ..ALL };
        let error = read(name, &source(name), &wanted).unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }), "{name}: {error}");
    }
}
