//! Data sets in every format and from every place give the same items.

use std::io::Write;
use std::num::NonZeroUsize;
use std::sync::atomic::AtomicUsize;

use columnar::Field;
use science::{Aggregate, Ids, Plan, Spelling};
use types::table::{Texts, Values};

use super::*;

const CSV: &[u8] = b"id,value,name\n2,1.5,a\n1,2.5,\n2,,c\n";

fn wanted(columns: Columns) -> Wanted {
    Wanted {
        by: Some("id".to_owned()),
        columns,
        threads: NonZeroUsize::MIN,
        memory: 1 << 20,
        scratch: std::env::temp_dir(),
    }
}

fn value() -> Wanted {
    wanted(Columns::Value("value".to_owned()))
}

fn collect(input: &Input, wanted: &Wanted) -> Result<Collected, InputError> {
    input.collect(wanted, &|_| {})
}

/// Ids, and of each the rows of all columns.
fn shown(data: &Collected) -> String {
    let shelf = data.shelf(0).unwrap();
    let columns = shelf.columns.iter();
    let columns = columns.map(|column| (&column.name, &column.values));
    format!(
        "{} {:?} {:?} {:?}",
        data.by,
        data.ids,
        data.lengths,
        columns.collect::<Vec<_>>()
    )
}

fn file(write: impl Fn(&[Field], &mut Vec<u8>) -> Result<(), columnar::Error>) -> Bytes {
    let texts: Texts = [Some("a"), None, Some("c")].into_iter().collect();
    let columns = [
        ("id", Values::Integers(vec![2, 1, 2])),
        ("value", Values::Floats(vec![1.5, 2.5, f64::NAN])),
        ("name", Values::Texts(texts)),
    ];
    let field = |(name, values)| Field {
        name,
        values,
        missing: &[],
    };
    let fields: Vec<_> = columns
        .iter()
        .map(|(name, values)| field((*name, values)))
        .collect();
    let mut out = Vec::new();
    write(&fields, &mut out).unwrap();
    out.into()
}

fn packed_by_gzip(bytes: &[u8]) -> Bytes {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap().into()
}

fn packed_by_zstd(bytes: &[u8]) -> Bytes {
    zstd::encode_all(bytes, 0).unwrap().into()
}

/// A reader that says how often it was opened.
fn reader(bytes: &Bytes) -> (Input, Arc<AtomicUsize>) {
    let opened = Arc::new(AtomicUsize::new(0));
    let (count, bytes) = (opened.clone(), bytes.clone());
    let input = Input::reader(move || {
        count.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(Cursor::new(bytes.clone())))
    });
    (input, opened)
}

#[test]
fn every_format_from_every_place_gives_the_same_items() {
    let csv = Bytes::from_static(CSV);
    let parquet = file(|fields, out| columnar::write_parquet(fields, out));
    let arrow = file(|fields, out| columnar::write_arrow(fields, out));
    let folder = tempfile::tempdir().unwrap();
    for columns in [Columns::Value("value".to_owned()), Columns::All] {
        let wanted = wanted(columns);
        let expected = shown(&collect(&Input::memory(csv.clone()), &wanted).unwrap());
        for (name, bytes) in [
            ("x.csv", &csv),
            ("x.parquet", &parquet),
            ("x.arrow", &arrow),
        ] {
            for bytes in [bytes.clone(), packed_by_gzip(bytes), packed_by_zstd(bytes)] {
                let path = folder.path().join(name);
                std::fs::write(&path, &bytes).unwrap();
                let (read, opened) = reader(&bytes);
                let inputs = [
                    Input::file(&path),
                    Input::memory(bytes.clone()).named(name),
                    read.named(name),
                ];
                for input in inputs {
                    let collected = collect(&input, &wanted).unwrap();
                    assert_eq!(shown(&collected), expected, "{name} {input:?}");
                }
                assert_eq!(opened.load(Ordering::Relaxed), 1);
            }
        }
        // They tell themselves what they are.
        for bytes in [parquet.clone(), arrow.clone()] {
            let collected = collect(&Input::memory(bytes), &wanted).unwrap();
            assert_eq!(shown(&collected), expected);
        }
    }
}

#[test]
fn what_is_said_goes_before_what_it_looks_like() {
    let input = Input::memory(Bytes::from_static(CSV));
    let parquet = input.clone().media_type("application/vnd.apache.parquet");
    assert!(matches!(
        collect(&parquet, &value()),
        Err(InputError::Columnar(columnar::Error::NotIt { .. }))
    ));
    let csv = parquet.format(FileFormat::Csv);
    assert_eq!(collect(&csv, &value()).unwrap().len(), 2);
    let unknown = input.named("x.txt").media_type("application/octet-stream");
    assert_eq!(collect(&unknown, &value()).unwrap().len(), 2);
}

#[test]
fn ids_written_in_two_ways_are_read_twice() {
    let (input, opened) = reader(&Bytes::from_static(b"id,value\n1,2\n01,3\nx,4\n"));
    collect(&input, &value()).unwrap();
    assert_eq!(opened.load(Ordering::Relaxed), 1);
    let (input, opened) = reader(&Bytes::from_static(b"id,value\n1,2\n01,3\n"));
    let collected = collect(&input, &value()).unwrap();
    assert_eq!(collected.ids, Ids::Integers(vec![1]));
    assert_eq!(collected.lengths, [2]);
    assert_eq!(opened.load(Ordering::Relaxed), 2);
}

#[test]
fn columns_that_are_not_there_are_told_alike() {
    let parquet = file(|fields, out| columnar::write_parquet(fields, out));
    for bytes in [Bytes::from_static(CSV), parquet] {
        let wanted = wanted(Columns::Value("x".to_owned()));
        let error = collect(&Input::memory(bytes), &wanted).unwrap_err();
        let InputError::Data(science::Error::NoColumn { name, there }) = error else {
            panic!("{error}")
        };
        assert_eq!((name.as_str(), there.len()), ("x", 3));
    }
}

#[test]
fn what_is_broken_is_told() {
    let parquet = file(|fields, out| columnar::write_parquet(fields, out));
    let mut broken = parquet.to_vec();
    broken[5..60].fill(0xff);
    let error = collect(&Input::memory(broken.into()), &value()).unwrap_err();
    assert!(matches!(error, InputError::Columnar(_)), "{error}");
    let mut cut = packed_by_gzip(CSV);
    cut.truncate(cut.len() - 10);
    let error = collect(&Input::memory(cut), &value()).unwrap_err();
    assert!(matches!(error, InputError::Read(_)), "{error}");
    let error = collect(&Input::file("/nowhere/x.csv"), &value()).unwrap_err();
    assert!(matches!(error, InputError::Read(_)), "{error}");
    let error = collect(&Input::memory(Bytes::new()), &value()).unwrap_err();
    assert!(
        matches!(error, InputError::Data(science::Error::Empty)),
        "{error}"
    );
}

#[test]
fn lines_are_wanted_only_of_lines() {
    let parquet = file(|fields, out| columnar::write_parquet(fields, out));
    let error = collect(&Input::memory(parquet), &wanted(Columns::Lines)).unwrap_err();
    assert!(matches!(
        error,
        InputError::NotLines {
            format: FileFormat::Parquet
        }
    ));
}

#[test]
fn every_format_is_aggregated_alike() {
    let lines: &[u8] = b"{\"id\":2,\"value\":1.5}\n{\"id\":1,\"value\":2.5}\n{\"id\":2}\n";
    let files = [
        Bytes::from_static(CSV),
        packed_by_gzip(CSV),
        file(|fields, out| columnar::write_parquet(fields, out)),
        file(|fields, out| columnar::write_arrow(fields, out)),
        Bytes::from_static(lines),
    ];
    for (aggregate, expected) in [
        (Aggregate::Sum, "id,value\n1,2.5\n2,1.5\n"),
        (Aggregate::Count, "id,value\n1,1\n2,1\n"),
        (Aggregate::Median, "id,value\n1,2.5\n2,1.5\n"),
    ] {
        let plan = Plan {
            by: "id".to_owned(),
            value: "value".to_owned(),
            aggregate,
            spelling: Spelling::Unknown,
            threads: NonZeroUsize::MIN,
            memory: 1 << 20,
            scratch: std::env::temp_dir(),
        };
        for bytes in &files {
            let mut input = Input::memory(bytes.clone());
            if bytes == lines {
                input = input.named("x.jsonl");
            }
            let groups = input.aggregate(&plan, &|_| {}).unwrap();
            let mut out = Vec::new();
            groups.write(&mut out).unwrap();
            assert_eq!(String::from_utf8_lossy(&out), expected, "{aggregate:?}");
            let table = crate::results::Table::of_groups(groups);
            let mut out = Vec::new();
            table.write(FileFormat::Csv, &mut out).unwrap();
            assert_eq!(String::from_utf8_lossy(&out), expected, "{aggregate:?}");
        }
    }
}

#[test]
fn integers_stay_integers() {
    let lines = Bytes::from_static(b"{\"id\":\"b\",\"value\":1}\n{\"id\":\"a\",\"value\":2}\n");
    let plan = Plan {
        by: "id".to_owned(),
        value: "value".to_owned(),
        aggregate: Aggregate::Sum,
        spelling: Spelling::Unknown,
        threads: NonZeroUsize::MIN,
        memory: 1 << 20,
        scratch: std::env::temp_dir(),
    };
    let input = Input::memory(lines).format(FileFormat::JsonLines);
    let groups = input.aggregate(&plan, &|_| {}).unwrap();
    assert_eq!(groups.results, science::Results::Integers(vec![2, 1]));
}

#[test]
fn progress_is_along_what_is_read() {
    let packed = packed_by_gzip(CSV);
    for bytes in [Bytes::from_static(CSV), packed] {
        let heard = AtomicU64::new(0);
        let length = bytes.len() as u64;
        let progress = |bytes| {
            heard.fetch_add(bytes, Ordering::Relaxed);
        };
        Input::memory(bytes).collect(&value(), &progress).unwrap();
        assert_eq!(heard.into_inner(), length);
    }
}

/// Packed, this is a few kilobytes; a service must be able to end it.
#[test]
fn what_unpacks_to_more_than_is_wanted_is_ended() {
    const MOST: u64 = 1 << 20;
    let rows = b",1\n".repeat(1 << 20);
    let csv = [b"id,value\n".as_slice(), &rows].concat();
    let gzip = {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(&csv).unwrap();
        out.finish().unwrap()
    };
    let zstd = zstd::encode_all(csv.as_slice(), 1).unwrap();
    for (bytes, format) in [
        (gzip.clone(), FileFormat::Csv),
        (zstd, FileFormat::Csv),
        (csv, FileFormat::Csv),
        // It would be copied before it is looked at.
        (gzip, FileFormat::Parquet),
    ] {
        let input = Input::memory(bytes.into()).format(format);
        let ended = input.watched(|unpacked| {
            if unpacked > MOST {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            Ok(())
        });
        let error = collect(&ended, &value()).unwrap_err();
        assert!(
            matches!(&error, InputError::Read(error) if error.kind() == io::ErrorKind::FileTooLarge),
            "{format}: {error:?}"
        );
    }
}
