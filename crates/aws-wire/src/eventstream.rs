//! `application/vnd.amazon.eventstream`: the frames in which a streamed
//! invocation answers.
//!
//! A frame is: total length, header length and the CRC of these two; headers;
//! payload; the CRC of all before it. Numbers are big-endian.

use bytes::{BufMut, Bytes, BytesMut};

const PRELUDE: usize = 12;
const CRC: usize = 4;
/// The type byte of a header whose value is text.
const STRING: u8 = 7;

/// One frame with text headers.
///
/// # Panics
/// If a header name is over 255 bytes, a value over 65,535, or the frame over
/// 4 GB: all are ours to choose.
pub fn encode(headers: &[(&str, &str)], payload: &[u8]) -> Bytes {
    let header_len: usize = headers
        .iter()
        .map(|(name, value)| 1 + name.len() + 1 + 2 + value.len())
        .sum();
    let total = PRELUDE + header_len + payload.len() + CRC;
    let length = |n: usize| u32::try_from(n).expect("a frame is far below 4 GB");

    let mut frame = BytesMut::with_capacity(total);
    frame.put_u32(length(total));
    frame.put_u32(length(header_len));
    frame.put_u32(crc32fast::hash(&frame));
    for (name, value) in headers {
        frame.put_u8(u8::try_from(name.len()).expect("a header name is short"));
        frame.put_slice(name.as_bytes());
        frame.put_u8(STRING);
        frame.put_u16(u16::try_from(value.len()).expect("a header value is short"));
        frame.put_slice(value.as_bytes());
    }
    frame.put_slice(payload);
    frame.put_u32(crc32fast::hash(&frame));
    frame.freeze()
}

/// An event: what the client's SDK turns into a member of the response stream.
pub fn event(kind: &str, content_type: &str, payload: &[u8]) -> Bytes {
    encode(
        &[
            (":event-type", kind),
            (":content-type", content_type),
            (":message-type", "event"),
        ],
        payload,
    )
}

/// A modelled error in the middle of a stream.
pub fn exception(kind: &str, payload: &[u8]) -> Bytes {
    encode(
        &[
            (":exception-type", kind),
            (":content-type", "application/json"),
            (":message-type", "exception"),
        ],
        payload,
    )
}
