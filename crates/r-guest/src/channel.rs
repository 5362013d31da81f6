//! The instance's end of its socket to the engine: a request is `u32 meta bytes,
//! u32 payload bytes, meta (JSON), payload`, an answer `u8 kind, u32 payload bytes,
//! u32 peak memory in KB, payload`. One request is under way at a time.

use std::env;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

use nix::sys::resource::{UsageWho, getrusage};

use crate::Places;
use crate::error::Failure;
use crate::function::{Function, Meta};
use crate::r;

const REQUEST_HEADER: usize = 8;
const ANSWER_HEADER: usize = 9;
/// Most requests fit; larger ones grow what they need, and give it back.
const USUAL_BYTES: usize = 64 * 1024;
/// Larger requests than the engine ever makes.
const MOST_BYTES: usize = 1 << 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Response = 0,
    Error = 1,
    InitError = 2,
    Ready = 3,
}

#[derive(Debug)]
pub(crate) struct Channel {
    stream: UnixStream,
    /// The request that is served, or was last.
    buffer: Vec<u8>,
}

/// A request, as it lies in the channel's buffer.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) meta: &'a [u8],
    pub(crate) payload: &'a [u8],
}

impl Channel {
    pub(crate) fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    /// The next request, or nothing when the engine is gone.
    pub(crate) fn receive(&mut self) -> io::Result<Option<Request<'_>>> {
        self.buffer.clear();
        self.buffer.shrink_to(USUAL_BYTES);
        if !self.fill(REQUEST_HEADER)? {
            return Ok(None);
        }
        let size = |at: usize| {
            let bytes = self.buffer[at..at + 4].try_into().expect("four bytes");
            u32::from_le_bytes(bytes) as usize
        };
        let (meta, payload) = (size(0), size(4));
        let total = REQUEST_HEADER + meta + payload;
        if total > MOST_BYTES {
            return Err(io::Error::other("a request is too large"));
        }
        if !self.fill(total)? {
            return Ok(None);
        }
        let (meta, payload) = self.buffer[REQUEST_HEADER..total].split_at(meta);
        Ok(Some(Request { meta, payload }))
    }

    /// Reads until there are so many bytes; `false` where there will never be.
    fn fill(&mut self, wanted: usize) -> io::Result<bool> {
        let mut filled = self.buffer.len();
        while filled < wanted {
            self.buffer.resize(wanted.max(USUAL_BYTES), 0);
            match self.stream.read(&mut self.buffer[filled..]) {
                Ok(0) => return Ok(false),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.buffer.truncate(filled);
        Ok(true)
    }

    pub(crate) fn send(&mut self, kind: Kind, payload: &[u8]) -> io::Result<()> {
        let length = u32::try_from(payload.len()).map_err(io::Error::other)?;
        let mut head = Vec::with_capacity(ANSWER_HEADER + payload.len().min(USUAL_BYTES));
        head.push(kind as u8);
        head.extend_from_slice(&length.to_le_bytes());
        head.extend_from_slice(&peak_kb().to_le_bytes());
        if payload.len() < USUAL_BYTES {
            head.extend_from_slice(payload);
            return self.stream.write_all(&head);
        }
        self.stream.write_all(&head)?;
        self.stream.write_all(payload)
    }

    /// Answers requests until the engine is gone.
    pub(crate) fn serve(&mut self, function: &Function) -> io::Result<()> {
        while let Some(request) = self.receive()? {
            let meta: Meta = serde_json::from_slice(request.meta)?;
            match function.answer(&meta, request.payload) {
                Ok(answer) => self.send(Kind::Response, &answer)?,
                Err(failure) => self.send(Kind::Error, &failure.json())?,
            }
        }
        Ok(())
    }
}

/// The most memory that this process has had.
fn peak_kb() -> u32 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| usage.max_rss());
    u32::try_from(usage).unwrap_or(u32::MAX)
}

/// An instance without a template: loads the function itself, and says so.
pub(crate) fn run(places: &Places) -> i32 {
    let mut channel = Channel::new(sandbox::forks::own_channel());
    let done = match load(places) {
        Ok(function) => channel
            .send(Kind::Ready, &[])
            .and_then(|()| channel.serve(&function)),
        Err(failure) => {
            let _ = channel.send(Kind::InitError, &failure.json());
            return 1;
        }
    };
    ended(&done)
}

pub(crate) fn load(places: &Places) -> Result<Function, Failure> {
    let handler = env::var("_HANDLER").unwrap_or_default();
    let loaded = Function::load(places, &handler);
    if let Err(failure) = &loaded {
        failure.log();
    }
    loaded
}

/// The exit code of an instance that does not serve any more.
pub(crate) fn ended(served: &io::Result<()>) -> i32 {
    r::flush();
    if let Err(error) = served {
        // The log may be gone as well: there is nobody else to tell.
        let _ = writeln!(io::stderr(), "{error}");
    }
    i32::from(served.is_err())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Channel, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Channel::new(ours), theirs)
    }

    fn request(meta: &[u8], payload: &[u8]) -> Vec<u8> {
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap().to_le_bytes();
        [&length(meta), &length(payload), meta, payload].concat()
    }

    #[test]
    fn requests_come_whole_however_they_are_cut() {
        let payload = vec![7; 3 * USUAL_BYTES];
        let bytes = request(b"{}", &payload);
        for cut in [1, 7, 8, 9, 11, USUAL_BYTES, bytes.len()] {
            let (mut channel, mut engine) = pair();
            let (first, rest) = bytes.split_at(cut);
            let (first, rest) = (first.to_vec(), rest.to_vec());
            let writer = std::thread::spawn(move || {
                engine.write_all(&first).unwrap();
                engine.write_all(&rest).unwrap();
                engine.write_all(&request(b"{\"id\":1}", b"")).unwrap();
            });
            let seen = channel.receive().unwrap().unwrap();
            assert_eq!((seen.meta, seen.payload), (&b"{}"[..], &payload[..]));
            writer.join().unwrap();
            // The next request begins where this one ended.
            let seen = channel.receive().unwrap().unwrap();
            assert_eq!((seen.meta, seen.payload), (&b"{\"id\":1}"[..], &b""[..]));
            assert!(channel.receive().unwrap().is_none());
        }
    }

    #[test]
    fn what_is_too_large_is_refused_before_there_is_memory_for_it() {
        let (mut channel, mut engine) = pair();
        engine.write_all(&[0xff; 8]).unwrap();
        assert!(channel.receive().is_err());
    }

    #[test]
    fn answers_say_what_they_are() {
        let (mut channel, mut engine) = pair();
        channel.send(Kind::Error, b"abc").unwrap();
        drop(channel);
        let mut seen = Vec::new();
        engine.read_to_end(&mut seen).unwrap();
        assert_eq!(seen[..5], [1, 3, 0, 0, 0]);
        assert_eq!(seen[9..], *b"abc");
        assert!(u32::from_le_bytes(seen[5..9].try_into().unwrap()) > 0);
    }
}
