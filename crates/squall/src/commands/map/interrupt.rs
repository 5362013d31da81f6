//! Ctrl-C: the first ends a job in order, the second ends it at once.

use tokio_util::sync::CancellationToken;

use crate::failure::Kind;

/// Before there is a job to end in order, Ctrl-C does what it always does. From here
/// on it triggers the token.
pub fn watch() -> CancellationToken {
    let cancel = CancellationToken::new();
    let asked = cancel.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            asked.cancel();
            let _ = tokio::signal::ctrl_c().await;
            std::process::exit(Kind::Interrupted.code().into());
        }
    });
    cancel
}
