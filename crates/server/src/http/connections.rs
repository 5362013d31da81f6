//! Listeners and connections: how many there may be, how long they may idle, and
//! how they come to an end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::outgoing::Impatient;
use super::{BodyRules, Port, answer};

/// How long to wait when the system has no descriptor left for a connection.
const BREATHER: Duration = Duration::from_millis(50);

#[derive(Debug, Clone)]
pub struct Rules {
    /// On both ports together.
    pub max_connections: usize,
    /// How long a connection may wait for the head of its next request.
    pub head: Duration,
    /// How long a client may take nothing of its answer.
    pub answer_stall: Duration,
    pub bodies: BodyRules,
}

/// Everything that is open on the network. Clones share it.
#[derive(Debug, Clone)]
pub struct Connections {
    rules: Rules,
    slots: Arc<Semaphore>,
    tasks: TaskTracker,
    /// No new connections or requests; what runs may end.
    drain: CancellationToken,
    /// What still runs is cut off.
    kill: CancellationToken,
}

impl Connections {
    pub fn new(rules: Rules) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(
                rules.max_connections.min(Semaphore::MAX_PERMITS),
            )),
            rules,
            tasks: TaskTracker::new(),
            drain: CancellationToken::new(),
            kill: CancellationToken::new(),
        }
    }

    /// Cancelled when the end begins.
    pub fn end(&self) -> CancellationToken {
        self.drain.child_token()
    }

    /// Serves a port on a listener until the end.
    pub fn serve<P: Port>(&self, listener: TcpListener, port: Arc<P>) {
        self.serve_until(&self.end(), listener, port);
    }

    /// Serves a port on a listener until it is `closed`, or until the end.
    pub fn serve_until<P: Port>(
        &self,
        closed: &CancellationToken,
        listener: TcpListener,
        port: Arc<P>,
    ) {
        let (this, closed) = (self.clone(), closed.clone());
        self.tasks.spawn(async move {
            tokio::select! {
                () = this.drain.cancelled() => {}
                () = closed.cancelled() => {}
                () = this.accept(&listener, &port) => {}
            }
        });
    }

    /// Runs a task of the server's own until the end.
    pub fn run<F: Future<Output = ()> + Send + 'static>(&self, task: F) {
        let drain = self.drain.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = drain.cancelled() => {}
                () = task => {}
            }
        });
    }

    /// Lets no one in any more, waits for running requests, cuts the rest off.
    pub async fn close(&self, patience: Duration) {
        self.drain.cancel();
        self.tasks.close();
        if tokio::time::timeout(patience, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                connections = self.tasks.len(),
                "cutting off requests that did not end in time"
            );
            self.kill.cancel();
            self.tasks.wait().await;
        }
    }

    async fn accept<P: Port>(&self, listener: &TcpListener, port: &Arc<P>) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    // After the accept: a listener on which nothing happens must
                    // not keep a slot from the others.
                    let Ok(slot) = self.slots.clone().acquire_owned().await else {
                        return;
                    };
                    let connection = self.clone().connection(stream, peer, port.clone(), slot);
                    self.tasks.spawn(connection);
                }
                Err(error) if is_clients_fault(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(BREATHER).await;
                }
            }
        }
    }

    async fn connection<P: Port>(
        self,
        stream: TcpStream,
        peer: SocketAddr,
        port: Arc<P>,
        _slot: OwnedSemaphorePermit,
    ) {
        // Answers are small and written at once: waiting for more costs 40 ms.
        let _ = stream.set_nodelay(true);
        let stream = Impatient::new(stream, self.rules.answer_stall);
        let bodies = &self.rules.bodies;
        let service = service_fn(|request| {
            let port = &port;
            async move { Ok::<_, Infallible>(answer(&**port, bodies, peer, request).await) }
        });
        let mut connection = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(self.rules.head)
                .serve_connection(TokioIo::new(stream), service)
        );
        let mut draining = false;
        loop {
            tokio::select! {
                result = connection.as_mut() => {
                    if let Err(error) = result {
                        tracing::debug!(%peer, %error, "connection ended early");
                    }
                    return;
                }
                () = self.drain.cancelled(), if !draining => {
                    draining = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = self.kill.cancelled() => return,
            }
        }
    }
}

/// The client left before it was let in.
fn is_clients_fault(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}
