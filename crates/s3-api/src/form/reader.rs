//! A multipart form, taken apart as it comes: first the fields, then the file in
//! pieces. What comes after the file is passed over, as on AWS.

use std::error::Error;

use bytes::{Buf, Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt;
use s3s::{S3Error, S3Result};

use crate::error::{fault, fault_with};
use crate::form::Fields;
use crate::wire::framing::Faults;
use crate::wire::small::broken_off;

/// All that comes before the file, as on AWS.
const MOST_BEFORE_FILE: usize = 20 * 1024;

pub(super) struct Reader<B> {
    body: B,
    faults: Faults,
    buffer: BytesMut,
    /// `\r\n--BOUNDARY`
    mark: Vec<u8>,
    ended: bool,
}

/// The headers of a part.
struct Head {
    name: String,
    file_name: Option<String>,
}

impl<B> Reader<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    pub fn new(body: B, boundary: &str, faults: Faults) -> Self {
        // As if there were a line before the first mark: then all are alike.
        let buffer = BytesMut::from(&b"\r\n"[..]);
        Self {
            body,
            faults,
            buffer,
            mark: format!("\r\n--{boundary}").into_bytes(),
            ended: false,
        }
    }

    /// Everything up to the file; and the file's name.
    pub async fn fields(&mut self) -> S3Result<(Fields, String)> {
        let mut fields = Fields::new();
        let mut taken = 0;
        loop {
            let mark = self.mark.clone();
            let before = self.take_until(&mark, &mut taken).await?;
            if !before.is_empty() {
                return Err(malformed());
            }
            let rest = self.take_until(b"\r\n", &mut taken).await?;
            if rest.starts_with(b"--") {
                return Err(fault_with(
                    "InvalidArgument",
                    "POST requires exactly one file upload per request.",
                ));
            }
            let head = self.take_until(b"\r\n\r\n", &mut taken).await?;
            let head = Head::read(&head).ok_or_else(malformed)?;
            if head.name.eq_ignore_ascii_case("file") {
                return Ok((fields, head.file_name.unwrap_or_default()));
            }
            let value = self.peek_until(&mark, taken).await?;
            let value = self.buffer.split_to(value);
            taken += value.len();
            let value = String::from_utf8(value.to_vec()).map_err(|_| malformed())?;
            fields.insert(head.name.to_ascii_lowercase(), value);
        }
    }

    /// The next piece of the file; `None` at its end.
    pub async fn piece(&mut self) -> S3Result<Option<Bytes>> {
        loop {
            if self.ended {
                return Ok(None);
            }
            let (sure, found) = scan(&self.buffer, &self.mark);
            self.ended = found;
            if sure > 0 {
                return Ok(Some(self.buffer.split_to(sure).freeze()));
            }
            if !found {
                self.more().await?;
            }
        }
    }

    /// Takes what is before `mark`, and the mark.
    async fn take_until(&mut self, mark: &[u8], taken: &mut usize) -> S3Result<Bytes> {
        let length = self.peek_until(mark, *taken).await?;
        let before = self.buffer.split_to(length).freeze();
        self.buffer.advance(mark.len());
        *taken += length + mark.len();
        Ok(before)
    }

    /// Where `mark` is in the buffer, which is filled until it is there.
    async fn peek_until(&mut self, mark: &[u8], taken: usize) -> S3Result<usize> {
        loop {
            let (at, found) = scan(&self.buffer, mark);
            if found && taken + at <= MOST_BEFORE_FILE {
                return Ok(at);
            }
            if taken + at > MOST_BEFORE_FILE {
                return Err(fault_with(
                    "MaxPostPreDataLengthExceeded",
                    "Your POST request fields preceding the upload file were too large.",
                ));
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> S3Result {
        loop {
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                        return Ok(());
                    }
                }
                Some(Err(_)) => return Err(broken_off(&self.faults)),
                None => return Err(malformed()),
            }
        }
    }
}

/// How many bytes surely come before the mark, and whether it is there.
fn scan(buffer: &[u8], mark: &[u8]) -> (usize, bool) {
    let mut from = 0;
    while let Some(step) = buffer[from..].iter().position(|b| *b == mark[0]) {
        let at = from + step;
        let rest = &buffer[at..];
        if rest.starts_with(mark) {
            return (at, true);
        }
        if mark.starts_with(rest) {
            return (at, false);
        }
        from = at + 1;
    }
    (buffer.len(), false)
}

impl Head {
    fn read(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let disposition = text.split("\r\n").find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let fits = name.trim().eq_ignore_ascii_case("content-disposition");
            fits.then(|| value.trim())
        })?;
        let rest = disposition.strip_prefix("form-data")?;
        Some(Self {
            name: parameter(rest, "name")?,
            file_name: parameter(rest, "filename"),
        })
    }
}

/// `; name="value"`, where the value may have `\"` and `%22` for a quote.
fn parameter(text: &str, name: &str) -> Option<String> {
    let mut rest = text;
    loop {
        rest = rest.trim_start().strip_prefix(';')?.trim_start();
        let (found, after) = rest.split_once('=')?;
        let (value, left) = if let Some(quoted) = after.strip_prefix('"') {
            quoted_value(quoted)?
        } else {
            let end = after.find(';').unwrap_or(after.len());
            (after[..end].trim().to_owned(), &after[end..])
        };
        if found.trim().eq_ignore_ascii_case(name) {
            return Some(value);
        }
        rest = left;
    }
}

fn quoted_value(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            // A backslash is a backslash but before a quote: paths of Windows.
            '\\' if text[at + 1..].starts_with('"') => {
                characters.next();
                value.push('"');
            }
            other => value.push(other),
        }
    }
    None
}

fn malformed() -> S3Error {
    fault("MalformedPOSTRequest")
}

#[cfg(test)]
mod tests {
    use http_body_util::Channel;

    use super::*;

    const FORM: &str = "--b\r\nContent-Disposition: form-data; name=\"Key\"\r\n\r\nup/${filename}\r\n--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a \\\"b\\\".csv\"\r\nContent-Type: text/csv\r\n\r\nid\r\n1\r\n--\r\n\r\n--b--\r\n";

    async fn read(pieces: Vec<&[u8]>) -> Result<(Fields, String, String), String> {
        let (mut sender, body) = Channel::<Bytes, std::io::Error>::new(1024);
        for piece in pieces {
            sender
                .send_data(Bytes::copy_from_slice(piece))
                .await
                .unwrap();
        }
        drop(sender);
        let code = |error: S3Error| error.code().as_str().to_owned();
        let mut reader = Reader::new(body, "b", Faults::default());
        let (fields, name) = reader.fields().await.map_err(code)?;
        let mut file = Vec::new();
        while let Some(piece) = reader.piece().await.map_err(code)? {
            file.extend_from_slice(&piece);
        }
        Ok((fields, name, String::from_utf8(file).unwrap()))
    }

    #[tokio::test]
    async fn a_form_is_read_however_it_is_cut() {
        for size in [1, 2, 3, 7, 50, 1000] {
            let pieces = FORM.as_bytes().chunks(size).collect();
            let (fields, name, file) = read(pieces).await.unwrap();
            assert_eq!(fields["key"], "up/${filename}");
            assert_eq!(name, "a \"b\".csv");
            assert_eq!(file, "id\r\n1\r\n--\r\n", "cut at {size}");
        }
    }

    #[tokio::test]
    async fn what_is_no_form_is_refused() {
        let code = async |text: String| read(vec![text.as_bytes()]).await.err().unwrap();
        assert_eq!(code(String::new()).await, "MalformedPOSTRequest");
        assert_eq!(code("--c\r\n\r\n".to_owned()).await, "MalformedPOSTRequest");
        assert_eq!(code("--b--\r\n".to_owned()).await, "InvalidArgument");
        assert_eq!(
            code(FORM.replace("\r\n--b--\r\n", "")).await,
            "MalformedPOSTRequest"
        );
        let large = "x".repeat(MOST_BEFORE_FILE);
        assert_eq!(
            code(FORM.replace("up/", &large)).await,
            "MaxPostPreDataLengthExceeded"
        );
    }
}
