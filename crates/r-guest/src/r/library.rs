//! `libR.so` as it is on the machine, loaded when it is needed: nothing of R is needed
//! to build this program.

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::libc;

use super::RError;

/// A value of R's. What it points to is R's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(super) struct Sexp(*mut c_void);

/// R's number for vectors of bytes, of texts, and for lists.
pub(super) const RAW: c_uint = 24;
pub(super) const TEXTS: c_uint = 16;
pub(super) const LIST: c_uint = 19;

/// Writes to the console: text, its length, and 0 for output or 1 for errors.
pub(super) type WriteConsole = extern "C" fn(*const c_char, c_int, c_int);
/// What R calls back inside [`Library::toplevel_exec`].
pub(super) type Callback = unsafe extern "C-unwind" fn(*mut c_void);

macro_rules! library {
    (
        functions: { $($function:ident = $name:literal : fn($($argument:ty),*) $(-> $result:ty)?;)* }
        variables: { $($variable:ident = $symbol:literal : $kind:ty;)* }
    ) => {
        /// Functions and variables of `libR.so`, under plain names.
        #[derive(Clone, Copy)]
        pub(super) struct Library {
            $(pub(super) $function: unsafe extern "C-unwind" fn($($argument),*) $(-> $result)?,)*
            $(pub(super) $variable: *mut $kind,)*
        }

        impl Library {
            fn of(handle: *mut c_void) -> Result<Self, RError> {
                Ok(Self {
                    $($function: {
                        let address = symbol(handle, $name)?;
                        // SAFETY: R's headers declare the function with this signature,
                        // and the library is never unloaded.
                        unsafe {
                            std::mem::transmute::<
                                *mut c_void,
                                unsafe extern "C-unwind" fn($($argument),*) $(-> $result)?,
                            >(address)
                        }
                    },)*
                    $($variable: symbol(handle, $symbol)?.cast(),)*
                })
            }
        }
    };
}

library! {
    functions: {
        initialize = c"Rf_initialize_R": fn(c_int, *mut *mut c_char) -> c_int;
        setup_main_loop = c"setup_Rmainloop": fn();
        toplevel_exec = c"R_ToplevelExec": fn(Callback, *mut c_void) -> c_int;
        allocate = c"Rf_allocVector": fn(c_uint, isize) -> Sexp;
        protect = c"Rf_protect": fn(Sexp) -> Sexp;
        unprotect = c"Rf_unprotect": fn(c_int);
        preserve = c"R_PreserveObject": fn(Sexp);
        install = c"Rf_install": fn(*const c_char) -> Sexp;
        call_with_one = c"Rf_lang2": fn(Sexp, Sexp) -> Sexp;
        evaluate = c"Rf_eval": fn(Sexp, Sexp) -> Sexp;
        type_of = c"TYPEOF": fn(Sexp) -> c_int;
        length = c"Rf_xlength": fn(Sexp) -> isize;
        raw = c"RAW": fn(Sexp) -> *mut u8;
        element = c"VECTOR_ELT": fn(Sexp, isize) -> Sexp;
        text = c"STRING_ELT": fn(Sexp, isize) -> Sexp;
        bytes_of = c"R_CHAR": fn(Sexp) -> *const c_char;
        texts_of = c"Rf_mkCharLenCE": fn(*const c_char, c_int, c_int) -> Sexp;
        one_text = c"Rf_ScalarString": fn(Sexp) -> Sexp;
        pointer = c"R_MakeExternalPtrFn": fn(*mut c_void, Sexp, Sexp) -> Sexp;
    }
    variables: {
        global = c"R_GlobalEnv": Sexp;
        nil = c"R_NilValue": Sexp;
        signal_handlers = c"R_SignalHandlers": c_int;
        interactive = c"R_Interactive": c_int;
        output_file = c"R_Outputfile": *mut libc::FILE;
        console_file = c"R_Consolefile": *mut libc::FILE;
        write_console = c"ptr_R_WriteConsole": Option<WriteConsole>;
        write_console_ex = c"ptr_R_WriteConsoleEx": Option<WriteConsole>;
        temporary = c"R_TempDir": *mut c_char;
    }
}

/// Libraries of R's own that `libR.so` may need, where they are no system's.
const BEFORE: &[&str] = &["libRblas.so", "libRlapack.so"];

// SAFETY: what it points to is the same in every thread, and it is used in one only:
// the process has no other.
unsafe impl Send for Library {}

impl Library {
    /// Loads it for the rest of the process' life.
    pub(super) fn load(home: &Path) -> Result<Self, RError> {
        let folder = home.join("lib");
        for name in BEFORE {
            let path = folder.join(name);
            if path.exists() {
                open(&path)?;
            }
        }
        Self::of(open(&folder.join("libR.so"))?)
    }
}

fn open(path: &Path) -> Result<*mut c_void, RError> {
    let name = CString::new(path.as_os_str().as_bytes())
        .map_err(|_| RError::Load("its path has a zero".to_owned()))?;
    // SAFETY: the name lives through the call. Packages of R look for R's symbols
    // among the global ones.
    let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
    if handle.is_null() {
        return Err(RError::Load(last_error()));
    }
    Ok(handle)
}

fn symbol(handle: *mut c_void, name: &CStr) -> Result<*mut c_void, RError> {
    // SAFETY: the handle is an open library's, and the name lives through the call.
    let address = unsafe { libc::dlsym(handle, name.as_ptr()) };
    if address.is_null() {
        return Err(RError::Load(last_error()));
    }
    Ok(address)
}

fn last_error() -> String {
    // SAFETY: the text belongs to the C library until its next call in this thread.
    let text = unsafe { libc::dlerror() };
    if text.is_null() {
        return "for no reason that is told".to_owned();
    }
    // SAFETY: it ends with a zero, as it is a text of C's.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_string_lossy().into_owned()
}
