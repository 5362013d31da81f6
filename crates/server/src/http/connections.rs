//! Listeners and connections: how many there may be, how long they may idle, and
//! how they come to an end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use engine::http_apis::IpRange;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::hosts::Hosts;
use super::{BodyRules, Port, connection};
use crate::tls::Tls;

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

/// How a listener is spoken to.
#[derive(Debug, Default)]
pub struct Listening {
    /// `None`: in the clear.
    pub tls: Option<Arc<Tls>>,
    /// The names under which it may be asked.
    pub hosts: Hosts,
    /// Who may speak for others.
    pub proxies: Vec<IpRange>,
}

/// Everything that is open on the network. Clones share it.
#[derive(Debug, Clone)]
pub struct Connections(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    rules: Rules,
    slots: Arc<Semaphore>,
    /// Requests of HTTP/2 under way, of which a connection may have many: as many as if
    /// each had a connection.
    streams: Semaphore,
    /// Someone waits for a slot.
    crowded: Notify,
    /// Connections that are more than bare sockets.
    awake: AtomicUsize,
    tasks: TaskTracker,
    /// No new connections or requests; what runs may end.
    drain: CancellationToken,
    /// What still runs is cut off.
    kill: CancellationToken,
}

impl Connections {
    pub fn new(rules: Rules) -> Self {
        let slots = rules.max_connections.min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Shared {
            slots: Arc::new(Semaphore::new(slots)),
            streams: Semaphore::new(slots),
            rules,
            crowded: Notify::new(),
            awake: AtomicUsize::new(0),
            tasks: TaskTracker::new(),
            drain: CancellationToken::new(),
            kill: CancellationToken::new(),
        }))
    }

    /// How many connections there are.
    pub fn open(&self) -> usize {
        let most = self.0.rules.max_connections.min(Semaphore::MAX_PERMITS);
        most.saturating_sub(self.0.slots.available_permits())
    }

    /// The turn of a request that shares its connection with others.
    pub(super) async fn stream(&self) -> Option<SemaphorePermit<'_>> {
        self.0.streams.acquire().await.ok()
    }

    /// Counts a connection that is more than a bare socket, for as long as this is kept.
    pub(super) fn awake(&self) -> Awake {
        self.0.awake.fetch_add(1, Relaxed);
        Awake(self.clone())
    }

    pub(super) fn count_awake(&self) -> usize {
        self.0.awake.load(Relaxed)
    }

    pub(super) fn rules(&self) -> &Rules {
        &self.0.rules
    }

    pub(super) fn crowded(&self) -> &Notify {
        &self.0.crowded
    }

    pub(super) fn tasks(&self) -> &TaskTracker {
        &self.0.tasks
    }

    pub(super) fn draining(&self) -> &CancellationToken {
        &self.0.drain
    }

    pub(super) fn kill(&self) -> &CancellationToken {
        &self.0.kill
    }

    /// Cancelled when the end begins.
    pub fn end(&self) -> CancellationToken {
        self.0.drain.child_token()
    }

    /// Serves a port on a listener until the end.
    pub fn serve<P: Port>(&self, listener: TcpListener, listening: Listening, port: Arc<P>) {
        self.serve_until(&self.end(), listener, listening, port);
    }

    /// Serves a port on a listener until it is `closed`, or until the end.
    pub fn serve_until<P: Port>(
        &self,
        closed: &CancellationToken,
        listener: TcpListener,
        listening: Listening,
        port: Arc<P>,
    ) {
        let (this, closed) = (self.clone(), closed.clone());
        let listening = Arc::new(listening);
        self.0.tasks.spawn(async move {
            tokio::select! {
                () = this.0.drain.cancelled() => {}
                () = closed.cancelled() => {}
                () = this.accept(&listener, &listening, &port) => {}
            }
        });
    }

    /// Runs a task of the server's own until the end.
    pub fn run<F: Future<Output = ()> + Send + 'static>(&self, task: F) {
        let drain = self.0.drain.clone();
        self.0.tasks.spawn(async move {
            tokio::select! {
                () = drain.cancelled() => {}
                () = task => {}
            }
        });
    }

    /// Lets no one in any more, waits for running requests, cuts the rest off.
    pub async fn close(&self, patience: Duration) {
        self.0.drain.cancel();
        self.0.tasks.close();
        if tokio::time::timeout(patience, self.0.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                connections = self.0.tasks.len(),
                "cutting off requests that did not end in time"
            );
            self.0.kill.cancel();
            self.0.tasks.wait().await;
        }
    }

    async fn accept<P: Port>(
        &self,
        listener: &TcpListener,
        listening: &Arc<Listening>,
        port: &Arc<P>,
    ) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    // After the accept: a listener on which nothing happens must
                    // not keep a slot from the others.
                    let Some(slot) = self.slot().await else {
                        return;
                    };
                    let (listening, port) = (listening.clone(), port.clone());
                    self.0
                        .tasks
                        .spawn(self.clone().hold(slot, stream, peer, listening, port));
                }
                Err(error) if is_clients_fault(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(BREATHER).await;
                }
            }
        }
    }

    /// Waits for a slot; one of the connections that do nothing makes room.
    async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(slot) = self.0.slots.clone().try_acquire_owned() {
            return Some(slot);
        }
        self.0.crowded.notify_one();
        self.0.slots.clone().acquire_owned().await.ok()
    }

    async fn hold<P: Port>(
        self,
        _slot: OwnedSemaphorePermit,
        stream: TcpStream,
        peer: SocketAddr,
        listening: Arc<Listening>,
        port: Arc<P>,
    ) {
        connection::serve(self, listening, port, stream, peer).await;
    }
}

/// A connection that has its buffers.
#[derive(Debug)]
pub(super) struct Awake(Connections);

impl Drop for Awake {
    fn drop(&mut self) {
        self.0.0.awake.fetch_sub(1, Relaxed);
    }
}

/// The client left before it was let in.
fn is_clients_fault(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}
