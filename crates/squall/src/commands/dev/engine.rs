//! The engine to work on: the one that runs on the data directory, else one in this
//! process.

use server::{Flags, Running, Server};
use tokio::net::TcpStream;

use crate::args::{DevArgs, Global};
use crate::client::{self, Client};
use crate::commands::up;
use crate::failure::Failure;

#[derive(Debug)]
pub enum Engine {
    /// Somebody else's, who ends it.
    Theirs,
    Ours(Box<Running>),
}

impl Engine {
    pub async fn find_or_start(global: &Global, args: &DevArgs) -> Result<Self, Failure> {
        if global.endpoint.is_some() || runs(global).await {
            return Ok(Self::Theirs);
        }
        let settings = up::settings(Flags {
            api: args.api,
            gateway: args.gateway,
            ..up::flags(global)
        })?;
        let running = Server::start(settings).await.map_err(up::why_not_started)?;
        Ok(Self::Ours(Box::new(running)))
    }

    pub fn is_ours(&self) -> bool {
        matches!(self, Self::Ours(_))
    }

    pub async fn stop(self) {
        if let Self::Ours(running) = self {
            running.shutdown().await;
        }
    }
}

/// A client of that engine. Variables that name another place do not count: what is saved
/// is deployed without asking, so nothing may lead it elsewhere but what was said here.
pub fn client(global: &Global) -> Result<Client, Failure> {
    if global.endpoint.is_some() {
        return client::find(global);
    }
    client::of_data_directory(global)
}

/// Whether somebody answers: an engine that was killed leaves its address behind.
async fn runs(global: &Global) -> bool {
    let Ok((address, _)) = client::running(global) else {
        return false;
    };
    let place = address.api.trim_start_matches("http://");
    TcpStream::connect(place).await.is_ok()
}
