//! Byte code beside the modules: where a package is read-only, every process would
//! compile what it imports again, and for pandas that takes seconds.

use std::path::Path;

use crate::error::PackageError;
use crate::machine::Run;

const COMPILE: &str = include_str!("compile.py");
/// Processes that compile side by side. A fixed number, as what a process compiled
/// before leaves traces in what it compiles next.
const SHARDS: usize = 4;

/// Compiles all modules below the folder, for the version of this interpreter.
pub(crate) async fn compile(python: &Path, root: &Path) -> Result<(), PackageError> {
    let mut running = tokio::task::JoinSet::new();
    for shard in 0..SHARDS {
        let mut run = Run::new(python);
        // Without the user's settings, and with the same order of hashes every time.
        run.env_clear().env("PYTHONHASHSEED", "0");
        run.args(["-S", "-B", "-c", COMPILE]).arg(root);
        run.arg(shard.to_string()).arg(SHARDS.to_string());
        run.folder(Path::new("/"));
        running.spawn(run.run());
    }
    // A module that does not compile is not our affair, and neither is a whole shard:
    // without byte code it runs as well.
    while let Some(ended) = running.join_next().await {
        match ended {
            Ok(Ok(ended)) if ended.success => {}
            Ok(Err(error)) => return Err(error),
            _ => tracing::warn!("some modules were not compiled"),
        }
    }
    Ok(())
}
