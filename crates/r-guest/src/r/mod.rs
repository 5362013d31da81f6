//! R inside this process: loading it, and calling closures of our glue with bytes.
//!
//! The only module of this crate with `unsafe`. R leaves an error by a jump over the
//! frames of its callers, so every call into it that may fail happens inside
//! [`Session::guarded`], in functions whose locals need no dropping. Values cross as
//! vectors of bytes; what is in them is made and read by `rdata`, in safe code.

#![allow(unsafe_code)]

mod console;
mod library;
mod native;

use std::ffi::{CStr, CString, OsStr, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use library::{LIST, Library, RAW, Sexp, TEXTS};

pub(crate) use console::flush;
pub(crate) use native::Work;

/// As `Rscript --vanilla` has it: no profiles, which were written for a desk, and
/// nothing restored or saved.
const ARGUMENTS: [&CStr; 4] = [c"R", c"--vanilla", c"--no-echo", c"--no-readline"];
/// Texts in UTF-8, in R's count of encodings.
const UTF_8: c_int = 1;

#[derive(Debug, thiserror::Error)]
pub(crate) enum RError {
    #[error("R cannot be loaded: {0}")]
    Load(String),
    #[error("R did not start")]
    Start,
    #[error("R is out of memory, or was told to give up")]
    Jumped,
    #[error("a function of the glue gave what it must not")]
    Answer,
}

/// What a closure of the glue gives back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Given {
    Bytes(Vec<u8>),
    /// How it failed: the class, the message, the calls.
    Texts(Vec<String>),
}

/// R, started. There is one in a process, and it stays.
pub(crate) struct Session {
    library: Library,
    closures: Vec<Sexp>,
}

/// A call of R's, as it is handed through to the inside of a guard.
struct Call<'a> {
    library: &'a Library,
    function: Sexp,
    argument: Argument<'a>,
    result: Option<Sexp>,
}

#[derive(Clone, Copy)]
enum Argument<'a> {
    Bytes(&'a [u8]),
    /// What R calls by `.Call`.
    Native(*mut c_void),
}

struct Source<'a> {
    library: &'a Library,
    text: &'a [u8],
    result: Option<Sexp>,
}

impl Session {
    /// Loads R and starts it. The environment must be R's already.
    pub(crate) fn start(home: &Path) -> Result<Self, RError> {
        let library = Library::load(home)?;
        let mut arguments = ARGUMENTS.map(|text| text.as_ptr().cast_mut());
        let count = c_int::try_from(arguments.len()).expect("there are four");
        // SAFETY: this is the process' main thread and its only one. R wants its
        // signal handlers refused before it starts, and the console's writers set
        // between the two steps. The arguments are constants, which R only reads. What
        // Rust has put before the signals of crashes is of no use: they are to end the
        // process, and to be told as they are.
        unsafe {
            for signal in [nix::libc::SIGSEGV, nix::libc::SIGBUS] {
                nix::libc::signal(signal, nix::libc::SIG_DFL);
            }
            *library.signal_handlers = 0;
            if (library.initialize)(count, arguments.as_mut_ptr()) < 0 {
                return Err(RError::Start);
            }
            *library.interactive = 0;
            *library.output_file = std::ptr::null_mut();
            *library.console_file = std::ptr::null_mut();
            *library.write_console = None;
            *library.write_console_ex = Some(console::write);
            (library.setup_main_loop)();
            nix::libc::atexit(console::flush_at_end);
        }
        Ok(Self {
            library,
            closures: Vec::new(),
        })
    }

    /// Evaluates the glue, whose last value is a list of closures. Calls go by their
    /// place in it.
    pub(crate) fn source(&mut self, text: &str) -> Result<(), RError> {
        let mut source = Source {
            library: &self.library,
            text: text.as_bytes(),
            result: None,
        };
        self.guarded(evaluate_source, (&raw mut source).cast())?;
        let list = source.result.ok_or(RError::Answer)?;
        let library = &self.library;
        // SAFETY: the value was preserved, and its type is looked at before what is
        // in it.
        self.closures = unsafe {
            if (library.type_of)(list) != LIST.cast_signed() {
                return Err(RError::Answer);
            }
            (0..(library.length)(list))
                .map(|at| (library.element)(list, at))
                .collect()
        };
        Ok(())
    }

    /// Calls a closure with a vector of bytes.
    pub(crate) fn call(&self, closure: usize, bytes: &[u8]) -> Result<Given, RError> {
        self.call_with(closure, Argument::Bytes(bytes))
    }

    /// Calls a closure with a pointer by which R can have work of ours done.
    pub(crate) fn offer(&self, closure: usize, work: Work) -> Result<Given, RError> {
        let native = native::offer(self.library, work);
        self.call_with(closure, Argument::Native(native))
    }

    fn call_with(&self, closure: usize, argument: Argument) -> Result<Given, RError> {
        let mut call = Call {
            library: &self.library,
            function: *self.closures.get(closure).ok_or(RError::Answer)?,
            argument,
            result: None,
        };
        self.guarded(evaluate_call, (&raw mut call).cast())?;
        self.given(call.result.ok_or(RError::Answer)?)
    }

    /// Copies a result. Nothing of R's runs before that is done, so that its collector
    /// cannot take it away.
    fn given(&self, value: Sexp) -> Result<Given, RError> {
        let library = &self.library;
        // SAFETY: the value is alive, and of the type that is looked at first. The
        // glue gives plain vectors, which these functions only read.
        unsafe {
            let length = (library.length)(value);
            let count = usize::try_from(length).map_err(|_| RError::Answer)?;
            match (library.type_of)(value).cast_unsigned() {
                RAW if count == 0 => Ok(Given::Bytes(Vec::new())),
                RAW => {
                    let bytes = std::slice::from_raw_parts((library.raw)(value), count);
                    Ok(Given::Bytes(bytes.to_vec()))
                }
                TEXTS => {
                    let text = |at| {
                        let bytes = (library.bytes_of)((library.text)(value, at));
                        CStr::from_ptr(bytes).to_string_lossy().into_owned()
                    };
                    Ok(Given::Texts((0..length).map(text).collect()))
                }
                _ => Err(RError::Answer),
            }
        }
    }

    /// Runs a function into which R may jump back.
    fn guarded(&self, function: library::Callback, data: *mut c_void) -> Result<(), RError> {
        // SAFETY: the data is what the function takes it for, and lives through the
        // call. The functions have nothing to drop when R jumps over them.
        let whole = unsafe { (self.library.toplevel_exec)(function, data) };
        if whole == 0 {
            return Err(RError::Jumped);
        }
        Ok(())
    }

    /// Where R puts temporary files from now on.
    pub(crate) fn set_temporary(&self, folder: &Path) {
        let Ok(name) = CString::new(folder.as_os_str().as_bytes()) else {
            return;
        };
        set_variable("R_SESSION_TMPDIR", folder.as_os_str());
        // SAFETY: R keeps the pointer, and may free it: so it is of C's allocator.
        unsafe { *self.library.temporary = nix::libc::strdup(name.as_ptr()) };
    }

    /// Where R puts temporary files.
    pub(crate) fn temporary(&self) -> Option<std::path::PathBuf> {
        // SAFETY: R keeps a text of C's there, or nothing.
        let name = unsafe {
            let name = *self.library.temporary;
            if name.is_null() {
                return None;
            }
            CStr::from_ptr(name)
        };
        Some(OsStr::from_bytes(name.to_bytes()).into())
    }
}

unsafe extern "C-unwind" fn evaluate_source(data: *mut c_void) {
    // SAFETY: `Session::source` passes a `Source` that lives through the call. What R
    // makes is protected from its collector until it is used; the result stays.
    unsafe {
        let source = &mut *data.cast::<Source>();
        let library = source.library;
        let length = c_int::try_from(source.text.len()).unwrap_or(c_int::MAX);
        let text = (library.texts_of)(source.text.as_ptr().cast(), length, UTF_8);
        let text = (library.protect)((library.one_text)((library.protect)(text)));
        let parse = (library.install)(c"str2expression".as_ptr());
        let parse = (library.protect)((library.call_with_one)(parse, text));
        let evaluate = (library.install)(c"eval".as_ptr());
        let evaluate = (library.protect)((library.call_with_one)(evaluate, parse));
        let value = (library.evaluate)(evaluate, *library.global);
        (library.preserve)(value);
        (library.unprotect)(4);
        source.result = Some(value);
    }
}

unsafe extern "C-unwind" fn evaluate_call(data: *mut c_void) {
    // SAFETY: `Session::call_with` passes a `Call` that lives through the call. The
    // vector has as many bytes as are copied into it. The tag is the one by which R
    // knows a function of C's.
    unsafe {
        let call = &mut *data.cast::<Call>();
        let library = call.library;
        let argument = match call.argument {
            Argument::Bytes(bytes) => {
                let length = bytes.len();
                let raw = (library.allocate)(RAW, length.cast_signed());
                std::ptr::copy_nonoverlapping(bytes.as_ptr(), (library.raw)(raw), length);
                raw
            }
            Argument::Native(function) => {
                let tag = (library.install)(c"native symbol".as_ptr());
                (library.pointer)(function, tag, *library.nil)
            }
        };
        let argument = (library.protect)(argument);
        let expression = (library.protect)((library.call_with_one)(call.function, argument));
        call.result = Some((library.evaluate)(expression, *library.global));
        (library.unprotect)(2);
    }
}

/// Sets a variable of the environment, which R and its packages read as C does.
pub(crate) fn set_variable(name: &str, value: impl AsRef<OsStr>) {
    // SAFETY: no thread of ours reads the environment; there is only this one.
    unsafe { std::env::set_var(name, value) };
}

/// Makes C's own random numbers different from those of other forks.
pub(crate) fn seed_c(seed: u32) {
    // SAFETY: the call takes a number.
    unsafe { nix::libc::srand(seed) };
}
