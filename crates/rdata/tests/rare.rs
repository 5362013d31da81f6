//! What the R of this machine does not write: streams made by hand.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use rdata::{Data, Limits, Value};

fn stream(form: u8, words: &[i32], order: fn(i32) -> [u8; 4]) -> Vec<u8> {
    let head = [2, 0x0004_0202, 0x0002_0300];
    let mut bytes = vec![form, b'\n'];
    bytes.extend(head.iter().chain(words).flat_map(|word| order(*word)));
    bytes
}

fn read(bytes: &[u8]) -> Value {
    rdata::read(bytes, &Limits::default()).unwrap()
}

fn words(words: &[i32]) -> Value {
    read(&stream(b'X', words, i32::to_be_bytes))
}

#[test]
fn native_streams_of_both_orders() {
    let own = [13, 3, 1, -2, i32::MIN];
    let expected = Value::from(Data::Integer(vec![1, -2, i32::MIN]));
    assert_eq!(read(&stream(b'B', &own, i32::to_be_bytes)), expected);
    assert_eq!(read(&stream(b'B', &own, i32::to_le_bytes)), expected);
    assert_eq!(words(&own), expected);
}

/// A text that does not say its encoding, in a session of this encoding.
fn native_text(encoding: &str, text: &[u8]) -> Value {
    let mut bytes = b"X\n".to_vec();
    let length = |bytes: &[u8]| i32::try_from(bytes.len()).unwrap().to_be_bytes();
    for word in [3, 0x0004_0202, 0x0003_0500_i32] {
        bytes.extend(word.to_be_bytes());
    }
    bytes.extend(length(encoding.as_bytes()));
    bytes.extend(encoding.as_bytes());
    for word in [16, 1, 9_i32] {
        bytes.extend(word.to_be_bytes());
    }
    bytes.extend(length(text));
    bytes.extend(text);
    read(&bytes)
}

#[test]
fn texts_are_in_the_encoding_of_their_session() {
    for encoding in ["ISO-8859-1", "latin1", "CP1252"] {
        assert_eq!(native_text(encoding, b"caf\xE9"), Value::strings(["café"]));
    }
    let utf8 = "café".as_bytes();
    assert_eq!(native_text("UTF-8", utf8), Value::strings(["café"]));
    assert_eq!(
        native_text("UTF-8", b"caf\xE9"),
        Value::strings(["caf\u{FFFD}"])
    );
}

#[test]
fn kinds_that_r_seldom_saves() {
    assert_eq!(words(&[23]).data, Data::Opaque("a weak reference"));
    // It can be referred to.
    let twice = words(&[19, 2, 23, 0x1FF]).data;
    let weak = || Value::from(Data::Opaque("a weak reference"));
    assert_eq!(twice, Data::List(vec![weak(), weak()]));
    assert_eq!(words(&[252]).data, Data::Opaque("unbound"));
    // A promise: its value, and the expression that it came from.
    assert_eq!(words(&[5, 254, 254]).data, Data::Opaque("a promise"));
    // The dots of a call.
    assert_eq!(words(&[17, 254, 254]).data, Data::Opaque("..."));
    // An index that does not fit into the flags.
    assert_eq!(words(&[19, 2, 23, 0xFF, 1]).data, twice);
}

#[test]
fn sequences_of_no_length_are_vectors() {
    let value = Value::from(Data::Sequence {
        first: 1,
        step: 1,
        length: 0,
    });
    let written = rdata::write(&value, rdata::Version::Three).unwrap();
    assert_eq!(read(&written).data, Data::Integer(vec![]));
}

#[test]
fn the_text_form_can_come_from_windows() {
    let text = b"A\r\n2\r\n262146\r\n131840\r\n16\r\n1\r\n262153\r\n3\r\na\\040b\r\n";
    assert_eq!(read(text), Value::strings(["a b"]));
}
