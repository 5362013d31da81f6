//! What R prints goes to descriptors 1 and 2, line by line.

use std::ffi::{c_char, c_int};
use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::sync::Mutex;

/// Of a line without an end, so much is kept back.
const MOST_KEPT: usize = 8 * 1024;

struct Stream {
    fd: RawFd,
    line: Vec<u8>,
}

/// R's callback has no place for a state of ours. There is one thread; the lock is
/// never waited for.
static STREAMS: [Mutex<Stream>; 2] = [
    Mutex::new(Stream {
        fd: 1,
        line: Vec::new(),
    }),
    Mutex::new(Stream {
        fd: 2,
        line: Vec::new(),
    }),
];

/// R's way to print: `kind` is 0 for output, 1 for messages, warnings and errors.
pub(super) extern "C" fn write(text: *const c_char, length: c_int, kind: c_int) {
    let Ok(length) = usize::try_from(length) else {
        return;
    };
    // SAFETY: R passes a buffer with so many bytes, and keeps it through the call.
    let text = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), length) };
    let other = &STREAMS[usize::from(kind == 0)];
    let own = &STREAMS[usize::from(kind != 0)];
    // The order in which things were printed is kept between the two.
    if let Ok(mut other) = other.try_lock() {
        other.flush();
    }
    if let Ok(mut own) = own.try_lock() {
        own.take(text);
    }
}

/// Writes what is kept back, R's and that of C's own streams.
pub(crate) fn flush() {
    for stream in &STREAMS {
        if let Ok(mut stream) = stream.try_lock() {
            stream.flush();
        }
    }
    // SAFETY: a null pointer means all open streams.
    unsafe { nix::libc::fflush(std::ptr::null_mut()) };
}

/// For an end that R makes by itself, as `quit()` does.
pub(super) extern "C" fn flush_at_end() {
    flush();
}

impl Stream {
    fn take(&mut self, text: &[u8]) {
        self.line.extend_from_slice(text);
        if text.contains(&b'\n') || self.line.len() > MOST_KEPT {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if self.line.is_empty() {
            return;
        }
        // Nobody reads any more: there is nobody to tell.
        let _ = write_all(self.fd, &self.line);
        self.line.clear();
    }
}

fn write_all(fd: RawFd, mut bytes: &[u8]) -> io::Result<()> {
    // SAFETY: both descriptors stay open as long as the process lives, or a write to
    // them fails.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    while !bytes.is_empty() {
        match nix::unistd::write(fd, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
