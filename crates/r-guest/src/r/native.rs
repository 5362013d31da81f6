//! What R code can call of ours: bytes in, bytes out.
//!
//! R may jump away whenever it is asked for memory. So the work is done first, its
//! result kept where no jump reaches it, and nothing that needs dropping is held while
//! R makes the vector for it.

use std::ffi::c_void;
use std::sync::Mutex;

use super::library::{Library, RAW, Sexp};

/// What is done with the bytes.
pub(crate) type Work = fn(&[u8]) -> Result<Vec<u8>, String>;

struct Native {
    library: Library,
    work: Work,
    result: Vec<u8>,
}

/// R's calls carry no state of ours. There is one thread, and one R.
static NATIVE: Mutex<Option<Native>> = Mutex::new(None);

/// The first byte of an answer: whether the rest is the result, or why there is none.
const DONE: u8 = 0;
const FAILED: u8 = 1;

/// Has `.Call` of the pointer that is returned do this work.
pub(super) fn offer(library: Library, work: Work) -> *mut c_void {
    *lock() = Some(Native {
        library,
        work,
        result: Vec::new(),
    });
    call as unsafe extern "C-unwind" fn(Sexp) -> Sexp as *mut c_void
}

fn lock() -> std::sync::MutexGuard<'static, Option<Native>> {
    NATIVE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

unsafe extern "C-unwind" fn call(bytes: Sexp) -> Sexp {
    // SAFETY: our glue calls this with a vector of bytes. `finish` copies as many bytes
    // as the vector has that was made for them.
    unsafe {
        let Some((library, length)) = start(bytes) else {
            return bytes;
        };
        let answer = (library.allocate)(RAW, length);
        finish((library.raw)(answer));
        answer
    }
}

/// Does the work; gives how long its answer is.
unsafe fn start(bytes: Sexp) -> Option<(Library, isize)> {
    let mut native = lock();
    let native = native.as_mut()?;
    let library = native.library;
    // SAFETY: the value is alive through R's call, and a vector of bytes.
    let bytes = unsafe {
        let length = usize::try_from((library.length)(bytes)).ok()?;
        if length == 0 {
            return None;
        }
        std::slice::from_raw_parts((library.raw)(bytes), length)
    };
    let (mark, result) = match (native.work)(bytes) {
        Ok(result) => (DONE, result),
        Err(why) => (FAILED, why.into_bytes()),
    };
    native.result = result;
    native.result.insert(0, mark);
    Some((library, native.result.len().cast_signed()))
}

/// Copies the answer to where there is room for it.
unsafe fn finish(room: *mut u8) {
    if let Some(native) = lock().as_mut() {
        let result = std::mem::take(&mut native.result);
        // SAFETY: the caller made room for exactly this result.
        unsafe { std::ptr::copy_nonoverlapping(result.as_ptr(), room, result.len()) };
    }
}
