//! Files on their way in: whole when small, else in parts, several at once. What
//! does not come to its end leaves nothing behind.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::stream::{self, Stream, StreamExt, TryStreamExt};
use http::Method;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::api::Headers;
use super::call::{Ask, S3};
use super::checksum;
use super::error::S3Error;
use super::payload::{Payload, Slice, aside};
use super::xml::{self, Part};
use crate::progress::Progress;

/// Files up to here go in one request; above, this is the size of a part.
pub const PART: u64 = 8 << 20;
/// An upload has no more parts than this.
const MOST_PARTS: u64 = 10_000;
/// Of a stream, whose size is not known, so many parts are held in memory at once.
const STREAM_PARTS: usize = 4;
/// After so many parts of a stream their size doubles, up to 64 MiB: 500 GB fit.
const STREAM_STEP: u64 = 1_000;
const STREAM_DOUBLINGS: u64 = 3;
/// How long the removal of an unfinished upload may hold up the end.
const ABORT_PATIENCE: Duration = Duration::from_secs(10);

/// The size of the parts of a file: 8 MiB, or what it takes to make no more than
/// 10,000, in whole MiB.
pub fn part_size(size: u64) -> u64 {
    size.div_ceil(MOST_PARTS)
        .next_multiple_of(1 << 20)
        .max(PART)
}

/// Where an upload goes, as what.
#[derive(Debug, Clone, Copy)]
struct Target<'a> {
    bucket: &'a str,
    key: &'a str,
    headers: &'a Headers,
}

/// A part that was taken in, with what the sum of the whole is made of.
#[derive(Debug)]
struct Sent {
    part: Part,
    sum: u64,
    len: u64,
}

impl S3 {
    /// Sends a file, and says how many bytes it had.
    pub async fn upload_file(
        &self,
        path: &Path,
        to: (&str, &str),
        headers: &Headers,
        progress: &Arc<Progress>,
    ) -> Result<u64, S3Error> {
        let opened = path.to_owned();
        let (file, size) = aside(move || open(&opened))
            .await
            .map_err(|error| S3Error::local(format!("cannot read {}", path.display()), error))?;
        let slice = move |start: u64, len: u64| {
            Payload::File(Slice {
                file: Arc::clone(&file),
                start,
                len,
            })
        };
        let target = Target::new(to, headers);
        if size <= PART {
            self.put(target, &slice(0, size), progress).await?;
            return Ok(size);
        }
        let part = part_size(size);
        let parts = (0..size.div_ceil(part)).map(|index| {
            let start = index * part;
            Ok(slice(start, part.min(size - start)))
        });
        self.in_parts(target, stream::iter(parts), self.parallel(), progress)
            .await?;
        Ok(size)
    }

    /// Sends what comes until it ends, and says how many bytes there were.
    pub async fn upload_stream(
        &self,
        mut source: impl AsyncRead + Unpin,
        to: (&str, &str),
        headers: &Headers,
        progress: &Arc<Progress>,
    ) -> Result<u64, S3Error> {
        let target = Target::new(to, headers);
        let first = fill(&mut source, PART).await?;
        if (first.len() as u64) < PART {
            let size = first.len() as u64;
            self.put(target, &Payload::Bytes(first), progress).await?;
            return Ok(size);
        }
        let rest = stream::try_unfold((source, 1), |(mut source, index)| async move {
            let part = fill(&mut source, stream_part(index)).await?;
            let next = (!part.is_empty()).then(|| (Payload::Bytes(part), (source, index + 1)));
            Ok::<_, S3Error>(next)
        });
        let parts = stream::once(async { Ok(Payload::Bytes(first)) }).chain(rest);
        self.in_parts(target, parts, STREAM_PARTS.min(self.parallel()), progress)
            .await
    }

    async fn put(
        &self,
        target: Target<'_>,
        payload: &Payload,
        progress: &Arc<Progress>,
    ) -> Result<(), S3Error> {
        let put = async {
            let _turn = self.turn().await?;
            let sum = payload.crc().await?;
            let ask = Ask::object(Method::PUT, target.bucket, target.key)
                .header(checksum::HEADER, checksum::spelled(sum))
                .payload(payload.clone());
            let mut reply = self.call_watched(&target.headers.on(ask), progress).await?;
            Ok(reply.document().await.map(drop)?)
        };
        self.unless_cancelled(put).await
    }

    /// Sends parts, `parallel` at once, and puts them together.
    async fn in_parts(
        &self,
        target: Target<'_>,
        parts: impl Stream<Item = Result<Payload, S3Error>>,
        parallel: usize,
        progress: &Arc<Progress>,
    ) -> Result<u64, S3Error> {
        let to = (target.bucket, target.key);
        // Not to be interrupted: an upload whose id is lost stays for ever.
        let id = self.create_upload(target).await?;
        let ended = async {
            let sent = self.send_parts(to, &id, parts, parallel, progress);
            let sent = self.unless_cancelled(sent).await?;
            let sums: Vec<(u64, u64)> = sent.iter().map(|sent| (sent.sum, sent.len)).collect();
            let size = sums.iter().map(|(_, len)| len).sum();
            let parts: Vec<Part> = sent.into_iter().map(|sent| sent.part).collect();
            let whole = checksum::combined(&sums);
            self.complete_upload(to, &id, &parts, Some(whole)).await?;
            Ok(size)
        };
        let ended = ended.await;
        if ended.is_err() {
            let abort = self.without_cancel();
            let abort = abort.abort_upload(to, &id);
            let _ = tokio::time::timeout(ABORT_PATIENCE, abort).await;
        }
        ended
    }

    async fn create_upload(&self, target: Target<'_>) -> Result<String, S3Error> {
        let ask = Ask::object(Method::POST, target.bucket, target.key)
            .query("uploads", "")
            .header("x-amz-checksum-algorithm", "CRC64NVME")
            .header("x-amz-checksum-type", "FULL_OBJECT");
        xml::upload_id(&self.finish(&target.headers.on(ask)).await?)
    }

    async fn send_parts(
        &self,
        to: (&str, &str),
        id: &str,
        parts: impl Stream<Item = Result<Payload, S3Error>>,
        parallel: usize,
        progress: &Arc<Progress>,
    ) -> Result<Vec<Sent>, S3Error> {
        let numbered = parts.enumerate().map(|(index, part)| async move {
            let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
            if u64::from(number) > MOST_PARTS {
                return Err(S3Error::Refused(
                    "the stream is too long for one object".to_owned(),
                ));
            }
            let _turn = self.turn().await?;
            self.send_part(to, id, number, part?, progress).await
        });
        let mut sent: Vec<Sent> = numbered.buffer_unordered(parallel).try_collect().await?;
        sent.sort_by_key(|sent| sent.part.number);
        Ok(sent)
    }

    async fn send_part(
        &self,
        to: (&str, &str),
        id: &str,
        number: u32,
        payload: Payload,
        progress: &Arc<Progress>,
    ) -> Result<Sent, S3Error> {
        let sum = payload.crc().await?;
        let checksum = checksum::spelled(sum);
        let len = payload.len();
        let ask = Ask::object(Method::PUT, to.0, to.1)
            .query("partNumber", number.to_string())
            .query("uploadId", id)
            .header(checksum::HEADER, checksum.clone())
            .payload(payload);
        let mut reply = self.call_watched(&ask, progress).await?;
        reply.document().await?;
        let etag = reply.header("etag").unwrap_or_default().to_owned();
        Ok(Sent {
            part: Part {
                number,
                etag,
                checksum: Some(checksum),
            },
            sum,
            len,
        })
    }
}

impl<'a> Target<'a> {
    fn new(to: (&'a str, &'a str), headers: &'a Headers) -> Self {
        Self {
            bucket: to.0,
            key: to.1,
            headers,
        }
    }
}

fn open(path: &Path) -> io::Result<(Arc<File>, u64)> {
    let file = File::open(path)?;
    let about = file.metadata()?;
    // A device has no size, and a folder no bytes.
    if !about.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    Ok((Arc::new(file), about.len()))
}

fn stream_part(index: u64) -> u64 {
    PART << (index / STREAM_STEP).min(STREAM_DOUBLINGS)
}

/// Reads until it has so much, or there is no more.
async fn fill(source: &mut (impl AsyncRead + Unpin), size: u64) -> Result<Bytes, S3Error> {
    let mut buffer = BytesMut::new();
    let mut limited = source.take(size);
    while limited
        .read_buf(&mut buffer)
        .await
        .map_err(|error| S3Error::local("cannot read the input", error))?
        > 0
    {}
    Ok(buffer.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_grow_when_there_would_be_too_many() {
        const MIB: u64 = 1 << 20;
        for (size, part) in [
            (PART + 1, 8 * MIB),
            (80_000 * MIB, 8 * MIB),
            (80_000 * MIB + 1, 9 * MIB),
            (5 << 40, 525 * MIB),
        ] {
            assert_eq!(part_size(size), part, "{size}");
            assert!(size.div_ceil(part_size(size)) <= MOST_PARTS, "{size}");
        }
    }

    #[test]
    fn parts_of_a_stream_grow_up_to_a_bound() {
        let mib = |index| stream_part(index) >> 20;
        assert_eq!([mib(0), mib(999), mib(1_000), mib(9_999)], [8, 8, 16, 64]);
    }

    #[tokio::test]
    async fn a_stream_is_cut_where_a_part_is_full() {
        let mut source = &b"abcdefg"[..];
        assert_eq!(fill(&mut source, 4).await.unwrap(), "abcd");
        assert_eq!(fill(&mut source, 4).await.unwrap(), "efg");
        assert_eq!(fill(&mut source, 4).await.unwrap(), "");
    }
}
