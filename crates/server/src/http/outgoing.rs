//! A connection that is broken off when its client does not take what is sent: it
//! would keep its slot, and what is being read for it, for as long as it likes. What
//! was read too early is read again, and what happens is told to the meter.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_rustls::server::TlsStream;

use super::meter::Meter;

/// What HTTP may be spoken over.
pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    fn tcp(&self) -> &TcpStream;
}

impl Wire for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Wire for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

#[derive(Debug)]
pub(super) struct Impatient<S> {
    stream: S,
    /// Comes before what the stream brings.
    early: Bytes,
    meter: Arc<Meter>,
    stall: Duration,
    /// Made when the client is first waited for, and kept for the next times.
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl<S: Wire> Impatient<S> {
    pub fn new(stream: S, meter: Arc<Meter>, stall: Duration) -> Self {
        Self {
            stream,
            early: Bytes::new(),
            meter,
            stall,
            timer: None,
            waiting: false,
        }
    }

    /// Lets these bytes be read once more.
    pub fn rewind(&mut self, early: Bytes) {
        self.early = early;
    }

    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// Turns a wait into an error when it has been too long.
    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting = false;
            return written;
        }
        self.meter.sent(false);
        let until = Instant::now() + self.stall;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(until)));
        if !self.waiting {
            self.waiting = true;
            timer.as_mut().reset(until);
        }
        timer.as_mut().poll(cx).map(|()| {
            let what = "the client does not take its answer";
            Err(io::Error::new(io::ErrorKind::TimedOut, what))
        })
    }
}

impl<S: Wire> AsyncRead for Impatient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.early.is_empty() {
            let count = this.early.len().min(buffer.remaining());
            buffer.put_slice(&this.early[..count]);
            this.early.advance(count);
            this.meter.came();
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            this.meter.came();
        }
        read
    }
}

impl<S: Wire> AsyncWrite for Impatient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.meter.sent(false);
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.meter.sent(false);
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if flushed.is_ready() {
            // HTTP flushes only what it has written to its end.
            self.meter.sent(true);
        }
        self.watch(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
