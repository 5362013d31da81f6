//! One connection, from its first byte to its end: HTTP/1.1 or HTTP/2, told apart by
//! how it begins or by what TLS agreed on.
//!
//! A connection of HTTP/1.1 on which nothing happens gives up its buffers and waits as
//! a bare socket: thousands of those cost little more than what the system keeps of them.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tokio_util::task::TaskTracker;

use super::connections::{Connections, Listening};
use super::meter::{Meter, Metered};
use super::outgoing::{Impatient, Wire};
use super::{Port, answer, heads, turned_away};

/// How every connection of HTTP/2 begins, and no request of HTTP/1 may.
const PREFACE: &[u8; 4] = b"PRI ";

/// The protocol's name where TLS agrees on it.
pub(crate) const ALPN_HTTP2: &[u8] = b"h2";

/// How often a connection is looked at, and where there are more than a few of them, so
/// that those that do nothing soon take no memory.
const LOOK: Duration = Duration::from_secs(1);
const MANY_LOOK: Duration = Duration::from_millis(100);
const MANY: usize = 1024;
const SOONEST_LOOK: Duration = Duration::from_millis(10);

/// The most bytes of a head, and of a line of it (hyper's own bound: 65,534).
const HEAD_BYTES: usize = 64 * 1024;

/// Requests that one connection of HTTP/2 may have under way.
const STREAMS: u32 = 128;
/// What of one request's body, and of all of a connection's, may come unasked for.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// What of one answer is kept until its client takes it.
const SEND_BUFFER: usize = 128 * 1024;
const FRAME: u32 = 16 * 1024;
/// Streams that were reset before anybody saw them, and that we reset ourselves.
const RESETS: usize = 20;
const OWN_RESETS: usize = 256;
/// Is someone still there?
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_WAIT: Duration = Duration::from_secs(20);
/// How long a client has to let a connection without requests end.
const GOODBYE: Duration = Duration::from_secs(5);

/// How long the two sides may take to agree on keys.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// What all requests of a connection have in common.
#[derive(Debug)]
pub(super) struct Talk<P> {
    pub port: Arc<P>,
    pub listening: Arc<Listening>,
    pub connections: Connections,
    pub peer: SocketAddr,
    pub secure: bool,
    meter: Arc<Meter>,
}

impl<P: Port> Talk<P> {
    async fn answer(&self, request: Request<Incoming>, paced: bool) -> Response<Metered> {
        let busy = self.meter.begin();
        let _turn = if paced {
            self.connections.stream().await
        } else {
            None
        };
        answer(self, request)
            .await
            .map(|body| Metered::new(body, busy, paced))
    }
}

/// Serves a connection until it ends.
pub(super) async fn serve<P: Port>(
    connections: Connections,
    listening: Arc<Listening>,
    port: Arc<P>,
    stream: TcpStream,
    peer: SocketAddr,
) {
    // Answers are small and written at once: waiting for more costs 40 ms.
    let _ = stream.set_nodelay(true);
    let until = Instant::now() + connections.rules().head;
    // Nothing is made for a connection that says nothing.
    if !wait(&connections, &stream, until, false).await {
        return;
    }
    let talk = Talk {
        port,
        secure: listening.tls.is_some(),
        listening: listening.clone(),
        connections,
        peer,
        meter: Arc::new(Meter::default()),
    };
    if listening.tls.is_some() {
        return Box::pin(secure(talk, stream, until)).await;
    }
    if let Ok(Ok((http2, early))) = timeout_at(until, sniff(&stream)).await {
        speak(talk, stream, early, http2).await;
    }
}

/// Agrees on keys first.
async fn secure<P: Port>(talk: Talk<P>, stream: TcpStream, until: Instant) {
    let Some(tls) = talk.listening.tls.clone() else {
        return;
    };
    let until = until.min(Instant::now() + HANDSHAKE);
    let kill = talk.connections.kill().clone();
    let accepted = tokio::select! {
        accepted = timeout_at(until, tls.accept(stream)) => accepted,
        () = kill.cancelled() => return,
    };
    match accepted {
        Ok(Ok(stream)) => {
            let http2 = stream.get_ref().1.alpn_protocol() == Some(ALPN_HTTP2);
            speak(talk, stream, Bytes::new(), http2).await;
        }
        Ok(Err(error)) => tracing::debug!(peer = %talk.peer, %error, "no agreement on keys"),
        Err(_) => tracing::debug!(peer = %talk.peer, "agreeing on keys took too long"),
    }
}

async fn speak<P: Port, S: Wire>(talk: Talk<P>, stream: S, early: Bytes, http2: bool) {
    let stall = talk.connections.rules().answer_stall;
    let mut stream = Impatient::new(stream, talk.meter.clone(), stall);
    stream.rewind(early);
    let talk = Arc::new(talk);
    if http2 {
        Box::pin(speak_http2(talk, stream)).await;
    } else {
        speak_http1(talk, stream).await;
    }
}

/// Waits for bytes; `false` if the connection is to end instead. One that has served
/// its client makes room where there are too many.
async fn wait(connections: &Connections, stream: &TcpStream, until: Instant, served: bool) -> bool {
    tokio::select! {
        biased;
        ready = stream.readable() => ready.is_ok(),
        () = connections.kill().cancelled() => false,
        () = connections.draining().cancelled() => false,
        () = connections.crowded().notified(), if served => false,
        () = sleep_until(until) => false,
    }
}

/// Whether HTTP/2 is spoken, and what was read to find out. Nearly always nothing is:
/// looking is enough.
async fn sniff(stream: &TcpStream) -> io::Result<(bool, Bytes)> {
    let mut seen = [0; PREFACE.len()];
    let mut count = stream.peek(&mut seen).await?;
    let undecided = |seen: &[u8]| seen.len() < PREFACE.len() && PREFACE.starts_with(seen);
    if count == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if !undecided(&seen[..count]) {
        return Ok((seen == *PREFACE, Bytes::new()));
    }
    // What was looked at stays, and so would be looked at again at once.
    count = 0;
    while count == 0 || undecided(&seen[..count]) {
        stream.readable().await?;
        match stream.try_read(&mut seen[count..]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => count += read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    let early = Bytes::copy_from_slice(&seen[..count]);
    Ok((count == PREFACE.len() && seen == *PREFACE, early))
}

async fn speak_http1<P: Port, S: Wire>(talk: Arc<Talk<P>>, mut stream: Impatient<S>) {
    let connections = &talk.connections;
    let mut idle = Idle::new(&talk.meter);
    let mut awake = connections.awake();
    let mut builder = http1::Builder::new();
    // Its timer would be made anew for each request; we look at all of them at once.
    builder
        .header_read_timeout(None)
        .max_header_size(HEAD_BYTES);
    loop {
        let each = talk.clone();
        let service = service_fn(move |request| {
            let talk = each.clone();
            async move { Ok::<_, Infallible>(talk.answer(request, false).await) }
        });
        let served = builder.serve_connection(TokioIo::new(stream), service);
        let mut served = Box::new(served);
        let mut bell = Bell::new(connections, &talk.meter, false);
        loop {
            let event = tokio::select! {
                biased;
                result = Pin::new(&mut *served) => {
                    if let Err(error) = result {
                        tracing::debug!(peer = %talk.peer, %error, "connection ended early");
                        if error.is_parse() {
                            turned_away::unread(&talk, &served.into_parts().read_buf, &error);
                        }
                    }
                    return;
                }
                event = bell.next() => event,
            };
            match event {
                Event::Kill => return,
                Event::Drain => Pin::new(&mut *served).graceful_shutdown(),
                Event::Flood => {}
                Event::Look => {
                    let quiet = idle.look(&talk.meter);
                    if quiet >= connections.rules().head {
                        return;
                    }
                    if !quiet.is_zero() && !talk.meter.is_partial() && !bell.draining {
                        break;
                    }
                }
            }
        }
        // All that was asked is answered, and sent; what came besides is kept.
        let parts = served.into_parts();
        stream = parts.io.into_inner();
        if !parts.read_buf.is_empty() {
            stream.rewind(parts.read_buf);
            talk.meter.came();
            continue;
        }
        // An empty buffer keeps its memory, too.
        drop((parts.read_buf, parts.service, bell, awake));
        let until = idle.since + connections.rules().head;
        if !wait(connections, stream.stream().tcp(), until, true).await {
            return;
        }
        awake = connections.awake();
    }
}

async fn speak_http2<P: Port, S: Wire>(talk: Arc<Talk<P>>, stream: Impatient<S>) {
    let connections = &talk.connections;
    let rules = connections.rules();
    let _awake = connections.awake();
    let each = talk.clone();
    let service = service_fn(move |request| {
        let talk = each.clone();
        async move { Ok::<_, Infallible>(talk.answer(request, true).await) }
    });
    let served = http2::Builder::new(Tracked(connections.tasks().clone()))
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_frame_size(FRAME)
        .max_header_list_size(heads::LIST_BYTES)
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(OWN_RESETS)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_WAIT)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = Box::pin(served);
    let mut bell = Bell::new(connections, &talk.meter, true);
    let mut idle = Idle::new(&talk.meter);
    let mut leaving: Option<Instant> = None;
    loop {
        let event = tokio::select! {
            biased;
            result = served.as_mut() => {
                if let Err(error) = result {
                    tracing::debug!(peer = %talk.peer, %error, "connection ended early");
                }
                return;
            }
            event = bell.next() => event,
        };
        let leave = match event {
            Event::Kill => return,
            Event::Flood => {
                tracing::debug!(peer = %talk.peer, "too many requests were given up");
                return;
            }
            Event::Drain => true,
            Event::Look => {
                let quiet = idle.look(&talk.meter);
                if talk.meter.is_stalled(rules.answer_stall) {
                    return;
                }
                let goodbye = GOODBYE.min(rules.head);
                if leaving.is_some_and(|since| since.elapsed() >= goodbye && !quiet.is_zero()) {
                    return;
                }
                quiet >= rules.head
            }
        };
        if leave && leaving.is_none() {
            leaving = Some(Instant::now());
            served.as_mut().graceful_shutdown();
        }
    }
}

/// Since when nothing happens on a connection, as coarse as it is looked at.
#[derive(Debug)]
struct Idle {
    since: Instant,
    begun: u64,
}

impl Idle {
    fn new(meter: &Meter) -> Self {
        Self {
            since: Instant::now(),
            begun: meter.begun(),
        }
    }

    /// How long nothing was asked; nothing, if there was something to do a moment ago.
    fn look(&mut self, meter: &Meter) -> Duration {
        let begun = meter.begun();
        if begun != self.begun || !meter.is_idle() {
            self.begun = begun;
            self.since = Instant::now();
            return Duration::ZERO;
        }
        self.since.elapsed()
    }
}

/// What may happen to a connection beside what its client does.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// It is time to look at it.
    Look,
    Drain,
    Kill,
    Flood,
}

/// Tells of these events. It is woken only by them: a request that goes by asks for
/// none of their locks.
#[derive(Debug)]
struct Bell {
    ringing: FuturesUnordered<Pin<Box<dyn Future<Output = Event> + Send>>>,
    connections: Connections,
    meter: Arc<Meter>,
    flooding: bool,
    draining: bool,
}

impl Bell {
    fn new(connections: &Connections, meter: &Arc<Meter>, flooding: bool) -> Self {
        Self {
            ringing: FuturesUnordered::new(),
            connections: connections.clone(),
            meter: meter.clone(),
            flooding,
            draining: false,
        }
    }

    async fn next(&mut self) -> Event {
        if self.ringing.is_empty() {
            self.ringing.push(self.wind());
        }
        let event = self.ringing.next().await.unwrap_or(Event::Look);
        self.draining |= matches!(event, Event::Drain);
        event
    }

    fn wind(&self) -> Pin<Box<dyn Future<Output = Event> + Send>> {
        let (connections, meter) = (self.connections.clone(), self.meter.clone());
        let (flooding, draining) = (self.flooding, self.draining);
        let many = connections.count_awake() > MANY;
        let latest = if many { MANY_LOOK } else { LOOK };
        let soon = (connections.rules().head / 4).clamp(SOONEST_LOOK, latest);
        Box::pin(async move {
            tokio::select! {
                () = connections.kill().cancelled() => Event::Kill,
                () = connections.draining().cancelled(), if !draining => Event::Drain,
                () = meter.flooded.notified(), if flooding => Event::Flood,
                () = sleep(soon) => Event::Look,
            }
        })
    }
}

/// Runs the requests of HTTP/2, each a task, so that a stop waits for them.
#[derive(Debug, Clone)]
struct Tracked(TaskTracker);

impl<F> hyper::rt::Executor<F> for Tracked
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, task: F) {
        self.0.spawn(task);
    }
}
