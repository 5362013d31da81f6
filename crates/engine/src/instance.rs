//! One instance: a process, and the conversation with it. An instance serves one
//! invocation at a time and belongs to whoever holds it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use sandbox::{Exit, Process};
use serde::Serialize;
use store::Logs;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio_util::sync::DropGuard;
use types::{Invocation, Timestamp};

use crate::failure::Failure;
use crate::invocation_log::{InvocationLog, LogTarget, keep_init_log};
use crate::invoke::StreamEvent;
use crate::runtime_api::RuntimeApi;

/// When a running invocation's memory is first looked at, and its log sent on;
/// then less and less often, so that a thousand sleepers cost little.
const WATCH_FIRST: Duration = Duration::from_millis(100);
const WATCH_MOST: Duration = Duration::from_secs(1);
/// How long the end of a process may take to be known after its channel closed.
const EXIT_PATIENCE: Duration = Duration::from_secs(2);
/// Most answers and most log lines fit; larger ones grow what they need.
const READ_BYTES: usize = 8 * 1024;
/// Payloads up to this are sent together with their head.
const JOINED_BYTES: usize = 64 * 1024;
const ANSWER_HEADER: usize = 9;

/// How an instance came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StartKind {
    Fork,
    Spawn,
}

impl StartKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Fork => "fork",
            Self::Spawn => "spawn",
        }
    }
}

#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) process: Process,
    pub(crate) channel: Channel,
    pub(crate) log: LogTarget,
    pub(crate) start: StartKind,
    /// Ways to the API from a network of its own, open as long as it lives.
    pub(crate) _doors: Vec<DropGuard>,
    /// How long it took to make, told with its first invocation.
    pub(crate) init: Duration,
    pub(crate) born: Timestamp,
    pub(crate) served: u64,
    /// What the function wrote while it was loaded, for the first invocation's log.
    pub(crate) init_log: Vec<u8>,
}

/// The way to the runtime inside.
#[derive(Debug)]
pub(crate) enum Channel {
    /// Our own client, over a socket pair.
    Direct {
        stream: UnixStream,
        buffer: BytesMut,
    },
    /// Anybody's client, over HTTP.
    Http(RuntimeApi),
}

impl Channel {
    pub(crate) fn direct(stream: UnixStream) -> Self {
        Self::Direct {
            stream,
            buffer: BytesMut::new(),
        }
    }
}

/// One invocation as the instance needs it.
#[derive(Debug)]
pub(crate) struct Task<'a> {
    pub(crate) invocation: &'a Invocation,
    pub(crate) arn: &'a str,
    pub(crate) timeout_seconds: u32,
    pub(crate) memory_mb: u32,
    pub(crate) response_limit: u64,
    /// Set where the client takes the answer as it comes.
    pub(crate) stream: Option<&'a mpsc::Sender<StreamEvent>>,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) result: Result<Bytes, Failure>,
    pub(crate) peak_mb: u32,
    /// Whether the instance can serve again.
    pub(crate) alive: bool,
}

/// What our own client answers with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Response(Bytes),
    Error(Bytes),
    InitError(Bytes),
    Ready,
}

#[derive(Serialize)]
struct Meta<'a> {
    id: &'a str,
    deadline: i64,
    arn: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_context: Option<&'a str>,
}

impl Instance {
    /// Runs one invocation to its end, whatever that is.
    pub(crate) async fn run(
        &mut self,
        task: &Task<'_>,
        log: &mut InvocationLog,
        logs: &Logs,
    ) -> Answer {
        self.served += 1;
        let started = Instant::now();
        let deadline = started + Duration::from_secs(task.timeout_seconds.into());
        let deadline_ms = Timestamp::now().plus_millis(i64::from(task.timeout_seconds) * 1000);
        let mut watch = Watch::new(deadline);
        let mut peak_mb = 0;
        let outcome = {
            let Self {
                process, channel, ..
            } = self;
            let conversation = converse(channel, task, deadline_ms, &mut peak_mb);
            tokio::pin!(conversation);
            let mut log_open = true;
            let mut chunk = [0; READ_BYTES];
            loop {
                tokio::select! {
                    biased;
                    outcome = &mut conversation => break outcome,
                    // Before the log: a flood of it must not hide the deadline.
                    event = watch.next() => {
                        log.flush_if_due(logs).await;
                        if event == Due::Deadline {
                            break Err(Failure::TimedOut { seconds: task.timeout_seconds });
                        }
                        if process.memory_bytes() > u64::from(task.memory_mb) << 20 {
                            break Err(Failure::OutOfMemory);
                        }
                    }
                    read = process.logs.read(&mut chunk), if log_open => match read {
                        Ok(count) if count > 0 => {
                            log.write(&chunk[..count]);
                            log.flush_if_due(logs).await;
                        }
                        // Closed: by the function itself, or by its end, of which
                        // the process tells.
                        _ => log_open = false,
                    },
                    exit = process.exited() => break Err(Failure::Exited(exit)),
                }
            }
        };
        self.finish(outcome, peak_mb, log).await
    }

    async fn finish(
        &mut self,
        outcome: Result<Bytes, Failure>,
        peak_mb: u32,
        log: &mut InvocationLog,
    ) -> Answer {
        let outcome = match outcome {
            // The channel closed: only the process can say why.
            Err(Failure::Exited(Exit::Killed)) => Err(ended(&self.process).await),
            Err(Failure::Exited(exit)) => Err(known_end(&self.process, exit)),
            other => other,
        };
        let alive = match &outcome {
            Ok(_) | Err(Failure::Raised(_) | Failure::ResponseTooLarge { .. }) => true,
            Err(_) => false,
        };
        let peak_mb = match peak_mb {
            0 => u32::try_from(self.process.memory_bytes() >> 20).unwrap_or(u32::MAX),
            known => known,
        };
        if !alive {
            self.process.kill();
        }
        self.drain(log);
        Answer {
            result: outcome,
            peak_mb,
            alive,
        }
    }

    /// Takes what was written before the answer and is still in the pipe.
    fn drain(&self, log: &mut InvocationLog) {
        self.process.logs.drain(|bytes| log.write(bytes));
    }
}

/// Why a process ended. Its channel closed first, so the news may be on its way.
async fn ended(process: &Process) -> Failure {
    let exit = tokio::time::timeout(EXIT_PATIENCE, process.exited()).await;
    known_end(process, exit.unwrap_or(Exit::Killed))
}

fn known_end(process: &Process, exit: Exit) -> Failure {
    if process.out_of_memory() {
        Failure::OutOfMemory
    } else {
        Failure::Exited(exit)
    }
}

/// Waits until a started instance has loaded its function; also returns what it
/// wrote meanwhile.
pub(crate) async fn loaded(
    process: &Process,
    channel: &mut Channel,
    limit: Duration,
) -> (Result<(), Failure>, Vec<u8>) {
    let load = first_word(channel);
    tokio::pin!(load);
    let deadline = tokio::time::sleep(limit);
    tokio::pin!(deadline);
    let mut log = Vec::new();
    let mut chunk = [0; READ_BYTES];
    let mut log_open = true;
    let result = loop {
        tokio::select! {
            biased;
            result = &mut load => break match result {
                Err(Failure::Exited(Exit::Killed)) => Err(ended(process).await),
                other => other,
            },
            // Before the log: a flood of it must not hide the deadline.
            () = &mut deadline => {
                break Err(Failure::InitTimeout { seconds: limit.as_secs_f64() });
            }
            read = process.logs.read(&mut chunk), if log_open => match read {
                Ok(count) if count > 0 => keep_init_log(&mut log, &chunk[..count]),
                _ => log_open = false,
            },
            // A program that speaks HTTP ends without closing any channel.
            exit = process.exited() => break Err(known_end(process, exit)),
        }
    };
    process.logs.drain(|bytes| keep_init_log(&mut log, bytes));
    (result, log)
}

async fn first_word(channel: &mut Channel) -> Result<(), Failure> {
    match channel {
        Channel::Direct { stream, buffer } => {
            match receive(stream, buffer, u64::MAX, &mut 0).await? {
                Frame::Ready => Ok(()),
                Frame::InitError(error) => Err(init_error(&error)),
                Frame::Response(_) | Frame::Error(_) => Err(Failure::Exited(Exit::Killed)),
            }
        }
        Channel::Http(api) => api.first_poll().await,
    }
}

fn init_error(payload: &[u8]) -> Failure {
    match serde_json::from_slice(payload) {
        Ok(error) => Failure::Init(error),
        Err(_) => Failure::Exited(Exit::Killed),
    }
}

async fn converse(
    channel: &mut Channel,
    task: &Task<'_>,
    deadline: Timestamp,
    peak_mb: &mut u32,
) -> Result<Bytes, Failure> {
    match channel {
        Channel::Direct { stream, buffer } => {
            send(stream, task, deadline)
                .await
                .map_err(|_| Failure::Exited(Exit::Killed))?;
            match receive(stream, buffer, task.response_limit, peak_mb).await? {
                Frame::Response(payload) => Ok(payload),
                Frame::Error(payload) => Err(Failure::Raised(payload)),
                Frame::InitError(_) | Frame::Ready => Err(Failure::Exited(Exit::Killed)),
            }
        }
        Channel::Http(api) => api.run(task, deadline).await,
    }
}

async fn send(
    stream: &mut UnixStream,
    task: &Task<'_>,
    deadline: Timestamp,
) -> std::io::Result<()> {
    let invocation = task.invocation;
    let meta = serde_json::to_vec(&Meta {
        id: &invocation.request_id.to_string(),
        deadline: deadline.0,
        arn: task.arn,
        trace: invocation.trace_id.as_deref(),
        client_context: invocation.client_context.as_deref(),
    })?;
    let payload: &[u8] = if invocation.payload.is_empty() {
        b"{}"
    } else {
        &invocation.payload
    };
    let mut head = BytesMut::with_capacity(8 + meta.len() + JOINED_BYTES.min(payload.len()));
    head.extend_from_slice(&length(meta.len()).to_le_bytes());
    head.extend_from_slice(&length(payload.len()).to_le_bytes());
    head.extend_from_slice(&meta);
    if payload.len() < JOINED_BYTES {
        head.extend_from_slice(payload);
        return stream.write_all(&head).await;
    }
    stream.write_all(&head).await?;
    stream.write_all(payload).await
}

/// Payloads are limited to megabytes long before they come here.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("payloads are below 4 GB")
}

/// Reads one frame. A closed or broken channel is `Exited`: the process' own
/// story comes from elsewhere.
async fn receive(
    stream: &mut UnixStream,
    buffer: &mut BytesMut,
    limit: u64,
    peak_mb: &mut u32,
) -> Result<Frame, Failure> {
    while buffer.len() < ANSWER_HEADER {
        buffer.reserve(READ_BYTES);
        read_some(stream, buffer).await?;
    }
    let kind = buffer.get_u8();
    let size = buffer.get_u32_le();
    *peak_mb = buffer.get_u32_le() / 1024;
    let wanted = size as usize;
    if u64::from(size) > limit {
        skip(stream, buffer, wanted).await?;
        return Err(Failure::ResponseTooLarge { limit });
    }
    buffer.reserve(wanted.saturating_sub(buffer.len()));
    while buffer.len() < wanted {
        read_some(stream, buffer).await?;
    }
    let payload = buffer.split_to(wanted).freeze();
    // An instance speaks only when asked: more than one answer is a forgery.
    buffer.clear();
    match kind {
        0 => Ok(Frame::Response(payload)),
        1 => Ok(Frame::Error(payload)),
        2 => Ok(Frame::InitError(payload)),
        3 => Ok(Frame::Ready),
        _ => Err(Failure::Exited(Exit::Killed)),
    }
}

async fn read_some(stream: &mut UnixStream, buffer: &mut BytesMut) -> Result<(), Failure> {
    match stream.read_buf(buffer).await {
        Ok(count) if count > 0 => Ok(()),
        _ => Err(Failure::Exited(Exit::Killed)),
    }
}

/// Reads past an answer that is too large, so that the next one can be read.
async fn skip(
    stream: &mut UnixStream,
    buffer: &mut BytesMut,
    mut size: usize,
) -> Result<(), Failure> {
    loop {
        let known = size.min(buffer.len());
        buffer.advance(known);
        size -= known;
        if size == 0 {
            return Ok(());
        }
        buffer.reserve(READ_BYTES);
        read_some(stream, buffer).await?;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    Look,
    Deadline,
}

/// Wakes at intervals, and at the deadline.
struct Watch {
    deadline: Instant,
    next: Instant,
    pause: Duration,
}

impl Watch {
    fn new(deadline: Instant) -> Self {
        Self {
            deadline,
            next: deadline.min(Instant::now() + WATCH_FIRST),
            pause: WATCH_FIRST,
        }
    }

    async fn next(&mut self) -> Due {
        tokio::time::sleep_until(self.next.into()).await;
        if self.next >= self.deadline {
            return Due::Deadline;
        }
        self.pause = WATCH_MOST.min(self.pause * 2);
        self.next = self.deadline.min(Instant::now() + self.pause);
        Due::Look
    }
}

/// A name for the log stream of a new instance.
pub(crate) fn log_stream(version: types::Version) -> Arc<str> {
    let mut id = [0; 16];
    // Without entropy the name is merely less unique.
    let _ = getrandom::fill(&mut id);
    let day = Timestamp::now().day_path();
    format!("{day}/[{version}]{}", hex::encode(id)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn frame(bytes: &[u8], limit: u64) -> Result<Frame, Failure> {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(bytes).await.unwrap();
        drop(theirs);
        receive(&mut ours, &mut BytesMut::new(), limit, &mut 0).await
    }

    #[tokio::test]
    async fn frames_are_read_and_forgeries_are_not() {
        let hello = b"\x00\x05\x00\x00\x00\x00\x04\x00\x00hello";
        let read = frame(hello, 100).await.unwrap();
        assert_eq!(read, Frame::Response(Bytes::from_static(b"hello")));
        assert!(matches!(
            frame(hello, 4).await,
            Err(Failure::ResponseTooLarge { limit: 4 })
        ));
        assert!(matches!(
            frame(&hello[..12], 100).await,
            Err(Failure::Exited(_))
        ));
        let unknown = b"\x63\x00\x00\x00\x00\x00\x00\x00\x00";
        assert!(matches!(frame(unknown, 100).await, Err(Failure::Exited(_))));
    }
}
