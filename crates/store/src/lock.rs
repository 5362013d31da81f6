//! One process at a time has a data directory.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{OpenError, StoreError};

/// A process that was killed leaves the lock for a moment with a child it had
/// just forked, until that has become another program.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(20);

/// Takes the lock, which the kernel frees when the process ends in whatever
/// way, and notes in it who has it.
pub(crate) fn take(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join("lock");
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(StoreError::io("open", &path))?;
    let patience = Instant::now() + PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) => {
                let pid = read_pid(&mut file);
                if is_running(pid) || Instant::now() >= patience {
                    return Err(OpenError::InUse {
                        dir: dir.to_owned(),
                        pid,
                    });
                }
                thread::sleep(PAUSE);
            }
            Err(TryLockError::Error(source)) => {
                return Err(StoreError::io("lock", &path)(source).into());
            }
        }
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(StoreError::io("write", &path))?;
    Ok(file)
}

/// Without a note nobody is known to have ended.
fn is_running(pid: Option<u32>) -> bool {
    pid.is_none_or(|pid| Path::new("/proc").join(pid.to_string()).exists())
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(20).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
