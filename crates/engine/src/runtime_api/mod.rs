//! The AWS Lambda Runtime API: HTTP between the engine and runtime clients that
//! are not ours. Each instance has a listener of its own, which only its own
//! processes may use.

mod peer;
mod serve;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use sandbox::Exit;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use types::Timestamp;

pub(crate) use peer::PeerCheck;

use crate::failure::Failure;
use crate::instance::Task;
use crate::invoke::StreamEvent;

/// An invocation on its way to the runtime.
#[derive(Debug)]
struct Work {
    request_id: String,
    deadline: Timestamp,
    arn: String,
    trace: Option<String>,
    client_context: Option<String>,
    payload: Bytes,
    response_limit: u64,
}

/// What the runtime has to say.
#[derive(Debug)]
enum Said {
    /// It asked for work.
    Polled,
    InitError(Bytes),
    Response(Bytes),
    Error(Bytes),
    TooLarge {
        limit: u64,
    },
    StreamHead {
        content_type: Option<String>,
    },
    StreamChunk(Bytes),
    StreamEnd {
        error: Option<(String, String)>,
    },
}

/// Pieces of a streamed answer that may wait for the client.
const STREAM_PIECES: usize = 16;

/// The engine's side of one instance's Runtime API.
#[derive(Debug)]
pub(crate) struct RuntimeApi {
    work: mpsc::Sender<Work>,
    said: mpsc::Receiver<Said>,
    server: JoinHandle<()>,
}

impl RuntimeApi {
    /// Listens on a port of its own, on the machine's loopback.
    pub(crate) async fn bind() -> std::io::Result<(TcpListener, SocketAddr)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    }

    /// Serves the processes that `check` lets in.
    pub(crate) fn serve(listener: TcpListener, check: PeerCheck) -> Self {
        let (work, work_queue) = mpsc::channel(1);
        let (says, said) = mpsc::channel(STREAM_PIECES);
        let server = tokio::spawn(serve::accept(listener, check, work_queue, says));
        Self { work, said, server }
    }

    /// Waits until the runtime asks for its first work.
    pub(crate) async fn first_poll(&mut self) -> Result<(), Failure> {
        loop {
            match self.said.recv().await {
                Some(Said::Polled) => return Ok(()),
                Some(Said::InitError(error)) => {
                    return Err(serde_json::from_slice(&error)
                        .map_or(Failure::Exited(Exit::Killed), Failure::Init));
                }
                Some(_) => {}
                None => return Err(Failure::Exited(Exit::Killed)),
            }
        }
    }

    /// One invocation, from handing it over to its answer.
    pub(crate) async fn run(
        &mut self,
        task: &Task<'_>,
        deadline: Timestamp,
    ) -> Result<Bytes, Failure> {
        let invocation = task.invocation;
        let gone = |_| Failure::Exited(Exit::Killed);
        let payload = if invocation.payload.is_empty() {
            Bytes::from_static(b"{}")
        } else {
            invocation.payload.clone()
        };
        let work = Work {
            request_id: invocation.request_id.to_string(),
            deadline,
            arn: task.arn.to_owned(),
            trace: invocation.trace_id.clone(),
            client_context: invocation.client_context.clone(),
            payload,
            response_limit: task.response_limit,
        };
        self.work.send(work).await.map_err(gone)?;
        loop {
            match self.said.recv().await {
                Some(Said::Response(payload)) => return Ok(payload),
                Some(Said::Error(payload)) => return Err(Failure::Raised(payload)),
                Some(Said::TooLarge { limit }) => {
                    return Err(Failure::ResponseTooLarge { limit });
                }
                Some(Said::StreamHead { content_type }) => {
                    return self.stream(task, content_type).await;
                }
                // Polls come between invocations; whatever else is out of turn.
                Some(_) => {}
                None => return Err(Failure::Exited(Exit::Killed)),
            }
        }
    }

    /// A streamed answer: passed on piece by piece, or collected for a client
    /// that wants it whole.
    async fn stream(
        &mut self,
        task: &Task<'_>,
        content_type: Option<String>,
    ) -> Result<Bytes, Failure> {
        let mut whole = Vec::new();
        if let Some(client) = task.stream {
            let _ = client.send(StreamEvent::Head { content_type }).await;
        }
        loop {
            match self.said.recv().await {
                Some(Said::StreamChunk(chunk)) => match task.stream {
                    // A client that left does not stop the function.
                    Some(client) => {
                        let _ = client.send(StreamEvent::Chunk(chunk)).await;
                    }
                    None if (whole.len() + chunk.len()) as u64 > task.response_limit => {
                        return Err(Failure::ResponseTooLarge {
                            limit: task.response_limit,
                        });
                    }
                    None => whole.extend_from_slice(&chunk),
                },
                Some(Said::StreamEnd { error: None }) => return Ok(whole.into()),
                Some(Said::StreamEnd {
                    error: Some((kind, message)),
                }) => {
                    let error = serde_json::json!({ "errorType": kind, "errorMessage": message });
                    return Err(Failure::Raised(error.to_string().into()));
                }
                Some(Said::TooLarge { limit }) => {
                    return Err(Failure::ResponseTooLarge { limit });
                }
                Some(_) => {}
                None => return Err(Failure::Exited(Exit::Killed)),
            }
        }
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// How long a connection may take to send a request's head.
const HEAD_PATIENCE: Duration = Duration::from_secs(30);
