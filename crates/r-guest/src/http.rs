//! As much of HTTP as a client of the Runtime API needs: one connection that is kept,
//! one request at a time, each sent in one piece.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// A line of a head, and lines of it.
const LINE_BYTES: u64 = 64 * 1024;
const HEAD_LINES: usize = 200;
/// Payloads are megabytes; nothing may claim more than this.
const BODY_BYTES: u64 = 1 << 30;
/// A connection that ended while it rested is made anew, once.
const TRIES: usize = 2;

#[derive(Debug)]
pub(crate) struct Client {
    /// `host:port`
    address: String,
    /// What is asked for there, if that has another name.
    host: Option<String>,
    connection: Option<BufReader<TcpStream>>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl Client {
    pub(crate) fn new(address: String) -> Self {
        Self {
            address,
            host: None,
            connection: None,
        }
    }

    pub(crate) fn of_host(mut self, host: &str) -> Self {
        self.host = Some(host.to_owned());
        self
    }

    pub(crate) fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: &[u8],
    ) -> io::Result<Answer> {
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: {length}\r\n{headers}\r\n",
            self.host.as_ref().unwrap_or(&self.address)
        );
        let mut request = head.into_bytes();
        request.extend_from_slice(body);
        let mut last = io::Error::other("no try was made");
        for _ in 0..TRIES {
            let is_old = self.connection.is_some();
            match self.exchange(&request) {
                Ok(answer) => return Ok(answer),
                Err(error) => last = error,
            }
            self.connection = None;
            if !is_old {
                break;
            }
        }
        Err(last)
    }

    fn exchange(&mut self, request: &[u8]) -> io::Result<Answer> {
        if self.connection.is_none() {
            let stream = TcpStream::connect(&self.address)?;
            stream.set_nodelay(true)?;
            self.connection = Some(BufReader::new(stream));
        }
        let connection = self.connection.as_mut().expect("it was made just now");
        connection.get_mut().write_all(request)?;
        let answer = read(connection)?;
        if answer
            .header("connection")
            .is_some_and(|word| word.eq_ignore_ascii_case("close"))
        {
            self.connection = None;
        }
        Ok(answer)
    }
}

fn read(from: &mut impl BufRead) -> io::Result<Answer> {
    let status = line(from)?;
    let status = status.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| broken("there is no status"))?;
    let mut headers = Vec::new();
    loop {
        let line = line(from)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| broken("a header has no colon"))?;
        headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        if headers.len() > HEAD_LINES {
            return Err(broken("its head is too long"));
        }
    }
    let mut answer = Answer {
        status,
        headers,
        body: Vec::new(),
    };
    answer.body = body(from, &answer)?;
    Ok(answer)
}

fn body(from: &mut impl BufRead, answer: &Answer) -> io::Result<Vec<u8>> {
    let is_chunked = |value: &str| value.eq_ignore_ascii_case("chunked");
    if answer.header("transfer-encoding").is_some_and(is_chunked) {
        return chunks(from);
    }
    let length = answer.header("content-length").map_or(Ok(0), str::parse);
    let length = length.map_err(|_| broken("its length is no number"))?;
    let mut body = Vec::new();
    take(from, length, &mut body)?;
    Ok(body)
}

fn chunks(from: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = line(from)?;
        let size = size.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(size, 16).map_err(|_| broken("a chunk has no size"))?;
        if size == 0 {
            // What may follow is of no use here.
            while !line(from)?.is_empty() {}
            return Ok(body);
        }
        take(from, size, &mut body)?;
        line(from)?;
    }
}

/// Exactly so many bytes, if all together are not too many.
fn take(from: &mut impl BufRead, count: u64, body: &mut Vec<u8>) -> io::Result<()> {
    if body.len() as u64 + count > BODY_BYTES {
        return Err(broken("it is too large"));
    }
    let read = from.take(count).read_to_end(body)?;
    if read as u64 == count {
        Ok(())
    } else {
        Err(broken("it ends too early"))
    }
}

fn line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    from.take(LINE_BYTES).read_until(b'\n', &mut line)?;
    if line.pop() != Some(b'\n') {
        return Err(broken("it ends too early"));
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    String::from_utf8(line).map_err(|_| broken("its head is no text"))
}

fn broken(what: &'static str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the answer is broken: {what}"),
    )
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn bodies_come_by_length_and_in_chunks() {
        let by_length = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-A: b: c\r\n\r\nabcHTTP";
        let answer = read(&mut &by_length[..]).unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (200, &b"abc"[..]));
        assert_eq!(answer.header("x-a"), Some("b: c"));
        let in_chunks =
            b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n";
        let answer = read(&mut &in_chunks[..]).unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (202, &b"abc"[..]));
    }

    #[test]
    fn what_is_broken_is_an_error() {
        for bad in [
            &b""[..],
            b"HTTP/1.1",
            b"HTTP/1.1 abc\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc",
            b"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\nabc",
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\nabc",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        ] {
            assert!(
                read(&mut &*bad).is_err(),
                "{}",
                String::from_utf8_lossy(bad)
            );
        }
    }

    #[test]
    fn a_connection_is_kept_and_made_anew_when_it_ended() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = Client::new(listener.local_addr().unwrap().to_string());
        let server = std::thread::spawn(move || {
            let mut accepted = 0;
            for count in [2, 1] {
                let (stream, _) = listener.accept().unwrap();
                accepted += 1;
                let mut stream = BufReader::new(stream);
                for _ in 0..count {
                    let mut length = 0;
                    loop {
                        let line = line(&mut stream).unwrap();
                        if let Some(value) = line.strip_prefix("Content-Length: ") {
                            length = value.parse().unwrap();
                        }
                        if line.is_empty() {
                            break;
                        }
                    }
                    let mut body = vec![0; length];
                    stream.read_exact(&mut body).unwrap();
                    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
                    stream.get_mut().write_all(head.as_bytes()).unwrap();
                    stream.get_mut().write_all(&body).unwrap();
                }
            }
            accepted
        });
        for body in [&b"one"[..], b"", b"three"] {
            assert_eq!(
                client.request("POST", "/x", "A: b\r\n", body).unwrap().body,
                body
            );
        }
        assert_eq!(server.join().unwrap(), 2);
    }
}
