//! Resource limits of the guest, the backstop beneath cgroups.

use nix::sys::resource::{Resource, setrlimit};

use crate::spec::JailSpec;

/// What a guest may lock into memory: enough for small crypto buffers.
const LOCKED_BYTES: u64 = 64 * 1024;

pub(crate) fn apply(spec: &JailSpec) -> nix::Result<()> {
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    setrlimit(Resource::RLIMIT_NOFILE, spec.open_files, spec.open_files)?;
    setrlimit(Resource::RLIMIT_MEMLOCK, LOCKED_BYTES, LOCKED_BYTES)?;
    let Some(backstop) = spec.backstop else {
        return Ok(());
    };
    setrlimit(
        Resource::RLIMIT_DATA,
        backstop.data_bytes,
        backstop.data_bytes,
    )?;
    if spec.root.is_some() {
        // Without a user namespace this would count everything else that runs
        // under the engine's user.
        setrlimit(
            Resource::RLIMIT_NPROC,
            backstop.processes,
            backstop.processes,
        )?;
    }
    Ok(())
}
