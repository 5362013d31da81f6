//! Short questions to programs of this machine.

use std::io;
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

/// How often a start is tried that fails for a reason which passes: for 0.6 s in all.
const TRIES: u32 = 8;
const FIRST_WAIT: Duration = Duration::from_millis(5);

/// Runs a program to its end, and gives what it wrote.
pub(crate) fn ask(command: &mut Command) -> io::Result<Output> {
    patiently(|| command.output())
}

fn patiently<T>(mut start: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let mut wait = FIRST_WAIT;
    for _ in 1..TRIES {
        match start() {
            Err(error) if passes(&error) => thread::sleep(wait),
            ended => return ended,
        }
        wait *= 2;
    }
    start()
}

/// A program just installed may still be open for writing, in a process that was forked
/// meanwhile; processes, memory and descriptors may be short for a moment.
fn passes(error: &io::Error) -> bool {
    let passing = [
        libc::ETXTBSY,
        libc::EAGAIN,
        libc::ENOMEM,
        libc::EMFILE,
        libc::ENFILE,
    ];
    error
        .raw_os_error()
        .is_some_and(|code| passing.contains(&code))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_program_that_is_still_being_written_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        fs::write(&program, "#!/bin/sh\necho here\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let mut writer = Some(fs::File::options().write(true).open(&program).unwrap());
        let mut seen = Vec::new();
        let output = patiently(|| {
            let output = Command::new(&program).output();
            seen.push(output.as_ref().err().and_then(io::Error::raw_os_error));
            drop(writer.take());
            output
        });
        assert_eq!(output.unwrap().stdout, b"here\n");
        // A fork of another test's may hold it longer than this one.
        assert_eq!(seen[0], Some(libc::ETXTBSY));
        assert_eq!(*seen.last().unwrap(), None);
    }

    #[test]
    fn what_does_not_pass_is_tried_once_and_what_stays_is_told() {
        for (code, tries) in [(libc::ENOENT, 1), (libc::EACCES, 1), (libc::EAGAIN, TRIES)] {
            let mut count = 0;
            let never = patiently(|| -> io::Result<()> {
                count += 1;
                Err(io::Error::from_raw_os_error(code))
            });
            assert_eq!(never.unwrap_err().raw_os_error(), Some(code));
            assert_eq!(count, tries, "{code}");
        }
    }
}
