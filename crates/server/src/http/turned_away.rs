//! Requests that come to no port, and what who watches is told of them: those that are
//! refused for their heads, and bytes that are none. The latter hyper answers by itself,
//! so what it answered is read off its error and what it left unread.

use http::request::Parts;
use http::uri::Scheme;
use http::{Method, Request, Response, StatusCode};

use super::Port;
use super::connection::Talk;
use super::heads::LONGEST_METHOD;

/// Hyper's own bound for the address of a request.
const LONGEST_TARGET: usize = 65_534;
/// What stands for what cannot be read.
const NO_METHOD: &[u8] = b"-";
const NO_PATH: &str = "*";

/// Tells of bytes that hyper answered because they are no request.
pub(super) fn unread<P: Port>(talk: &Talk<P>, bytes: &[u8], error: &hyper::Error) {
    let (status, why) = answered(bytes, error);
    let mut response = Response::new(aws_wire::body::empty());
    *response.status_mut() = status;
    let mut head = head(bytes);
    head.extensions.insert(talk.peer);
    let scheme = if talk.secure {
        Scheme::HTTPS
    } else {
        Scheme::HTTP
    };
    head.extensions.insert(scheme);
    talk.port.turn_away(head, why, response);
}

fn answered(bytes: &[u8], error: &hyper::Error) -> (StatusCode, &'static str) {
    if !error.is_parse_too_large() {
        return (StatusCode::BAD_REQUEST, "head");
    }
    let is_whole = bytes.windows(4).any(|end| end == b"\r\n\r\n");
    let target = first_line(bytes).nth(1).unwrap_or_default();
    if is_whole && target.len() > LONGEST_TARGET {
        (StatusCode::URI_TOO_LONG, "address size")
    } else {
        (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "head size")
    }
}

/// As much of a head as can be read, which may be nothing.
fn head(bytes: &[u8]) -> Parts {
    let mut words = first_line(bytes);
    let method = words.next().unwrap_or_default();
    let method = Some(method).filter(|method| (1..=LONGEST_METHOD).contains(&method.len()));
    let method = Method::from_bytes(method.unwrap_or(NO_METHOD));
    // Of the query nothing is told, be it read or not.
    let path = words.next().unwrap_or_default().split(|byte| *byte == b'?');
    let path = path.take(1).flatten().copied().collect::<Vec<u8>>();
    let path = Some(path).filter(|path| path.starts_with(b"/"));
    let request = |path: &[u8]| Request::builder().uri(path).body(());
    let read = path.and_then(|path| request(&path).ok());
    let request = read.unwrap_or_else(|| {
        Request::builder()
            .uri(NO_PATH)
            .body(())
            .expect("it is a target")
    });
    let (mut head, ()) = request.into_parts();
    head.method = method.unwrap_or_else(|_| Method::from_bytes(NO_METHOD).expect("it is a token"));
    head
}

fn first_line(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let line = bytes.split(|byte| b"\r\n".contains(byte)).next();
    let words = line.unwrap_or_default().split(|byte| *byte == b' ');
    words.filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_head_it_is_told_what_can_be_read() {
        for (bytes, method, path) in [
            (
                &b"GET /a?secret=1 HTTP/1.1\r\nbad header\r\n"[..],
                "GET",
                "/a",
            ),
            (b"GET /a", "GET", "/a"),
            (b"BREW  /pot HTCPCP/1.0\r\n", "BREW", "/pot"),
            (b"GET /\x00\xff HTTP/1.1", "GET", "*"),
            (b"GET http://user:word@host/ HTTP/9", "GET", "*"),
            (b"\x16\x03\x01\x02\x00\x01", "-", "*"),
            (b"", "-", "*"),
            (b"\r\n\r\n", "-", "*"),
            (&[b'G'; 1000], "-", "*"),
        ] {
            let head = head(bytes);
            let told = (head.method.as_str(), head.uri.path());
            assert_eq!(told, (method, path), "{}", bytes.escape_ascii());
        }
    }
}
