//! Files that are broken, or made to do harm: an error each, little memory, no panic.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::io::Write;
use std::path::Path;

use common::{files, r};
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use rdata::{Data, Limits, ReadError, Value, Version};

/// A stream of version 2 with these words.
fn stream(words: &[i32]) -> Vec<u8> {
    let head = [2, 0x0004_0202, 0x0002_0300];
    let words = head.iter().chain(words);
    let mut bytes = b"X\n".to_vec();
    bytes.extend(words.flat_map(|word| word.to_be_bytes()));
    bytes
}

fn read(bytes: &[u8]) -> Result<Value, ReadError> {
    rdata::read(bytes, &Limits::default())
}

fn said(bytes: &[u8]) -> String {
    read(bytes).unwrap_err().to_string()
}

const NULL: i32 = 254;
const LIST: i32 = 2;
const VECTOR: i32 = 19;

#[test]
fn what_is_no_file_of_r_is_named() {
    assert_eq!(said(b""), "the file is empty");
    assert_eq!(
        said(b"<!DOCTYPE html><title>404"),
        "this is no .rds file: it begins with \"<!DOCTYPE html><\" and seems to be an HTML page"
    );
    assert_eq!(
        said(b"\x80\x04\x95\x10"),
        "this is no .rds file: it begins with \"\\x80\\x04\\x95\\x10\" and seems to be a pickle of Python"
    );
    assert_eq!(
        said(&rdata::gzip(b"a,b\n1,2\n")),
        "this is no .rds file: it begins with \"a,b\\n1,2\\n\""
    );
    assert_eq!(
        said(b"version https://git-lfs.github.com/spec/v1\n"),
        "this is no .rds file: it begins with \"version https://\" and seems to be a pointer of Git LFS, not the file"
    );
}

#[test]
fn errors_say_where() {
    assert_eq!(
        said(&stream(&[VECTOR, 3, NULL])),
        "the file ends too early, at byte 26"
    );
    assert_eq!(said(&stream(&[99])), "byte 18: there is no type 99 in R");
    assert_eq!(
        said(&stream(&[0x1FF])),
        "byte 18: a reference points to nothing"
    );
    assert_eq!(
        said(&stream(&[NULL, NULL])),
        "byte 18: the value ends, but 4 bytes follow"
    );
    assert_eq!(
        said(b"X\n\0\0\0\x09\0\0\0\0\0\0\0\0"),
        "version 9 of R's serialization is not known, only 2 and 3"
    );
    let packed = rdata::gzip(&stream(&[NULL]));
    assert_eq!(
        said(&packed[..packed.len() - 12]),
        "the file ends too early: its gzip is not complete"
    );
}

#[test]
fn promised_lengths_take_no_memory() {
    // 2^31 doubles, texts, elements; then 2^60 of them.
    for kind in [10, 13, 14, 15, 16, 19, 20, 24] {
        for length in [&[i32::MAX][..], &[-1, 1 << 28, 0]] {
            let bytes = stream(&[&[kind], length].concat());
            assert!(
                matches!(read(&bytes), Err(ReadError::Ends { .. })),
                "{kind}"
            );
        }
        // Of something that is dropped: what a pointer protects.
        let bytes = stream(&[22, kind, -1, 1 << 28, 0]);
        assert!(
            matches!(read(&bytes), Err(ReadError::Ends { .. })),
            "{kind}"
        );
    }
}

#[test]
fn compression_is_no_way_around_the_limits() {
    let bomb = |head: &[u8]| {
        let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
        bomb.write_all(head).unwrap();
        bomb.write_all(&vec![0; 64 << 20]).unwrap();
        bomb.finish().unwrap()
    };
    let limits = Limits {
        unpacked: 1 << 20,
        ..Limits::default()
    };
    let error = rdata::read(&bomb(b"X\n"), &limits).unwrap_err();
    assert_eq!(
        error.to_string(),
        "decompressed it is larger than 1048576 bytes"
    );
    // What is no stream of R's at all is not unpacked to find that out.
    let error = rdata::read(&bomb(b""), &Limits::default()).unwrap_err();
    assert!(
        error.to_string().starts_with("this is no .rds file"),
        "{error}"
    );
}

/// A short form: its class, its package, its type; then what it is made of.
fn altrep(class: &str, state: &[u8]) -> Vec<u8> {
    let symbol = |name: &str| {
        let mut bytes: Vec<u8> = [1, 9, i32::try_from(name.len()).unwrap()]
            .iter()
            .flat_map(|word: &i32| word.to_be_bytes())
            .collect();
        bytes.extend_from_slice(name.as_bytes());
        bytes
    };
    let word = |word: i32| word.to_be_bytes().to_vec();
    [
        word(238),
        word(LIST),
        symbol(class),
        word(LIST),
        symbol("base"),
        word(LIST),
        word(13),
        word(1),
        word(13),
        word(NULL),
        state.to_vec(),
        word(NULL),
    ]
    .concat()
}

fn reals(numbers: &[f64]) -> Vec<u8> {
    let mut bytes = [14, i32::try_from(numbers.len()).unwrap()]
        .iter()
        .flat_map(|word: &i32| word.to_be_bytes())
        .collect::<Vec<u8>>();
    bytes.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
    bytes
}

#[test]
fn short_forms_stay_short() {
    let sequence = |numbers: &[f64]| {
        let own = altrep("compact_intseq", &reals(numbers));
        read(&[stream(&[]), own].concat())
    };
    let long = sequence(&[2_147_483_647.0, 1.0, 1.0]).unwrap();
    assert_eq!(
        long.data,
        Data::Sequence {
            first: 1,
            step: 1,
            length: 2_147_483_647
        }
    );
    assert_eq!(long.numbers(), None, "too long to be written out");
    for numbers in [
        &[2_147_483_648.0, 1.0, 1.0][..],
        &[5.0, -2_147_483_647.0, -1.0],
        &[1.5, 1.0, 1.0],
        &[-1.0, 1.0, 1.0],
        &[f64::NAN, 1.0, 1.0],
        &[2.0, f64::INFINITY, 1.0],
        &[2.0, 1.0, 2.0],
        &[2.0, 1.0, f64::NAN],
        &[2.0, 1.0],
    ] {
        assert!(
            matches!(sequence(numbers), Err(ReadError::Broken { .. })),
            "{numbers:?}"
        );
    }
    // A billion texts in two hundred bytes.
    let numbers = altrep("compact_intseq", &reals(&[1e9, 1.0, 1.0]));
    let pair = [
        LIST.to_be_bytes().to_vec(),
        numbers,
        stream(&[13, 1, 0])[14..].to_vec(),
    ]
    .concat();
    let texts = altrep("deferred_string", &pair);
    let error = read(&[stream(&[]), texts].concat()).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("too many numbers should be texts"),
        "{error}"
    );

    let mapped = altrep("mmap_real", &NULL.to_be_bytes());
    let error = read(&[stream(&[]), mapped].concat()).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("a vector that is in another file cannot be read without R"),
        "{error}"
    );
}

/// All ways to nest, each 100,000 deep.
#[test]
fn depth_ends_in_an_error() {
    let many = 100_000;
    let repeated = |words: &[i32]| stream(&words.repeat(many));
    let attributed = 1 << 9;
    for words in [
        &[VECTOR, 1][..],
        &[20, 1],
        // Pairlists and calls in the first place of each other.
        &[LIST],
        &[6],
        // Attributes of attributes.
        &[LIST | attributed],
        // Closures in bodies of closures.
        &[3 | 1 << 10, NULL, NULL],
        // ALTREP as its own class.
        &[238],
    ] {
        let error = read(&repeated(words)).unwrap_err();
        assert!(
            matches!(error, ReadError::TooDeep { .. }),
            "{words:?}: {error}"
        );
    }
    // Byte code whose first constant is language.
    let language = [&[3, NULL, 21, 1, NULL, 1][..], &[6, NULL].repeat(many)].concat();
    let error = read(&stream(&language)).unwrap_err();
    assert!(matches!(error, ReadError::TooDeep { .. }), "{error}");
}

#[test]
fn what_is_dropped_may_be_deep() {
    let many = 100_000;
    // Environments around environments, then no variables and no attributes each.
    let words = [
        [4, 0].repeat(many),
        vec![242],
        [NULL, NULL, NULL].repeat(many),
    ]
    .concat();
    assert_eq!(read(&stream(&words)).unwrap().data, Data::Environment(1));
    let language = [
        &[3, NULL, 21, 1, NULL, 2, 254, 254][..],
        &[6, NULL].repeat(many),
    ]
    .concat();
    assert!(matches!(
        read(&stream(&language)),
        Err(ReadError::Ends { .. })
    ));
}

/// The deepest that is read by default, on the smallest stack that threads have here.
#[test]
fn the_deepest_value_fits_the_stack() {
    let deepest = |words: &[i32], inside: &[i32], after: &[i32]| {
        let many = 500;
        let words = [words.repeat(many), inside.to_vec(), after.repeat(many)].concat();
        let value = read(&stream(&words)).unwrap();
        assert_eq!(value, value.clone());
        let written = rdata::write(&value, Version::Two).unwrap();
        assert_eq!(written, stream(&words));
        let _ = rdata::json::to_json(&value);
        format!("{value:?}").len()
    };
    assert!(deepest(&[VECTOR, 1], &[NULL], &[]) > 5_000);
    assert!(deepest(&[6], &[NULL], &[NULL]) > 5_000);
    assert!(deepest(&[3 | 1 << 10, 253, NULL], &[NULL], &[]) > 5_000);
}

/// Byte code can use a part many times, and parts of parts.
#[test]
fn shared_parts_of_byte_code_cost_each_time() {
    let parts = 64;
    let (definition, reference, language, list) = (244, 243, 6, 2);
    let mut words = vec![3, NULL, 21, parts, NULL, 1];
    // f(), then each holds the one before twice: 2^64 in the end.
    words.extend([language, NULL]);
    for part in 0..parts {
        words.extend([definition, part, language, NULL]);
        if part == 0 {
            words.extend([254, 254, 254, 254]);
        } else {
            words.extend([
                reference,
                part - 1,
                list,
                NULL,
                reference,
                part - 1,
                254,
                254,
            ]);
        }
        words.extend([list, NULL]);
    }
    words.extend([254, 254, 254, 254]);
    let limits = Limits {
        memory: 1 << 20,
        ..Limits::default()
    };
    let error = rdata::read(&stream(&words), &limits).unwrap_err();
    assert!(
        matches!(error, ReadError::TooLarge { .. }),
        "shared: {error}"
    );

    // One that holds itself.
    let words = [
        3, NULL, 21, 1, NULL, 1, definition, 0, language, NULL, reference, 0, 254, 254,
    ];
    let error = read(&stream(&words)).unwrap_err();
    assert!(matches!(error, ReadError::TooDeep { .. }), "{error}");
    let words = [
        3, NULL, 21, 1, NULL, 1, definition, 0, language, NULL, 254, 254, reference, 0,
    ];
    let error = rdata::read(&stream(&words), &limits).unwrap_err();
    assert!(matches!(error, ReadError::TooLarge { .. }), "{error}");
}

/// What is done to a valid file.
#[derive(Debug, Clone)]
enum Change {
    Byte(prop::sample::Index, u8),
    Word(prop::sample::Index, i32),
    Remove(prop::sample::Index, usize),
    Double(prop::sample::Index, usize),
    Cut(prop::sample::Index),
    Splice(prop::sample::Index, prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<prop::sample::Index>;
    let word = prop_oneof![
        -2..300i32,
        any::<i32>(),
        Just(i32::MAX),
        (0..26i32, 0..8i32).prop_map(|(kind, flags)| kind | flags << 8),
    ];
    prop_oneof![
        4 => (at(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        4 => (at(), word).prop_map(|(at, word)| Change::Word(at, word)),
        1 => (at(), 1..16usize).prop_map(|(at, count)| Change::Remove(at, count)),
        1 => (at(), 1..64usize).prop_map(|(at, count)| Change::Double(at, count)),
        1 => at().prop_map(Change::Cut),
        1 => (at(), at()).prop_map(|(from, to)| Change::Splice(from, to)),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    if bytes.is_empty() {
        return;
    }
    let length = bytes.len();
    match change {
        Change::Byte(at, byte) => bytes[at.index(length)] = *byte,
        Change::Word(at, word) => {
            let at = at.index(length);
            let end = length.min(at + 4);
            bytes[at..end].copy_from_slice(&word.to_be_bytes()[..end - at]);
        }
        Change::Remove(at, count) => {
            let at = at.index(length);
            bytes.drain(at..length.min(at + count));
        }
        Change::Double(at, count) => {
            let at = at.index(length);
            let part = bytes[at..length.min(at + count)].to_vec();
            bytes.splice(at..at, part);
        }
        Change::Cut(at) => bytes.truncate(at.index(length)),
        Change::Splice(from, to) => {
            let rest = bytes[from.index(length)..].to_vec();
            bytes.truncate(to.index(length));
            bytes.extend(rest);
        }
    }
}

#[test]
fn changed_files_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let forms = Path::new("plain,old_text,native,gzip,xz,bzip2");
    if !r("corpus.R", &[folder.path(), forms]) {
        return;
    }
    cut_short(folder.path());
    let all = files(folder.path(), "rds");
    let mut seeds: Vec<_> = all
        .iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect();
    seeds.retain(|seed| seed.len() < 100_000);
    let limits = Limits {
        unpacked: 8 << 20,
        memory: 16 << 20,
        depth: 200,
    };
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(2000)
    };
    let changes = prop::collection::vec(change(), 1..6);
    proptest!(config, |(seed in any::<prop::sample::Index>(), changes in changes)| {
        let mut bytes = seeds[seed.index(seeds.len())].clone();
        for change in &changes {
            apply(&mut bytes, change);
        }
        if let Ok(value) = rdata::read(&bytes, &limits) {
            let _ = rdata::json::to_json_within(&value, 1 << 20);
            if let Ok(written) = rdata::write(&value, Version::Three) {
                let again = rdata::read(&written, &Limits::default()).expect("what was written");
                prop_assert_eq!(rdata::write(&again, Version::Three).unwrap(), written);
            }
        }
    });
}

/// Wherever a file ends too early, that is an error.
fn cut_short(folder: &Path) {
    for name in ["glm-binomial.plain", "wrapped-frame.old_text", "r5.native"] {
        let bytes = std::fs::read(folder.join(format!("{name}.rds"))).unwrap();
        read(&bytes).unwrap();
        // The last byte of a text is the end of its line.
        for length in (0..bytes.len() - 1).step_by(bytes.len() / 200 + 1) {
            assert!(
                read(&bytes[..length]).is_err(),
                "{name}: {length} of {}",
                bytes.len()
            );
        }
    }
}
