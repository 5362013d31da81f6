//! How packages are built on this machine: where its tools are, and where what was
//! built is kept.

use std::env;
use std::path::PathBuf;

use package::{Options, Place, Say, Test};
use types::Limits;

use crate::args::Global;
use crate::failure::Failure;
use crate::machine;
use crate::output;
use crate::progress::Spinner;

/// Where pip and uv look for packages, beside their files.
const ORIGIN_VARIABLES: &[&str] = &[
    "PIP_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS",
    "PIP_INDEX_URL",
    "PIP_NO_INDEX",
    "UV_DEFAULT_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_NO_INDEX",
];

/// With everything tried out, and told while it is done where someone looks.
pub fn options(global: &Global, place: Place) -> Result<Options, Failure> {
    Ok(Options {
        cache: cache()?,
        python_folders: machine::python_folders(),
        programs: machine::program_folders(),
        // Without a name for itself it cannot enter jails: then nothing is tried out.
        helper: env::current_exe().ok(),
        origin: origin(),
        place,
        slim: false,
        test: Test::Always,
        unpacked_bytes_max: Limits::default().unzipped_bytes,
        fresh: false,
        say: say(global.json),
    })
}

/// `~/.cache/squall`, or where the user keeps caches.
pub fn cache() -> Result<PathBuf, Failure> {
    let variable = |name| {
        let value = env::var_os(name).filter(|value| !value.is_empty());
        value.map(PathBuf::from).filter(|path| path.is_absolute())
    };
    let folder =
        variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")));
    let folder = folder.ok_or_else(|| {
        Failure::mistake("there is no place for a cache: neither XDG_CACHE_HOME nor HOME is set")
            .hint("set XDG_CACHE_HOME to a folder that may be written")
    })?;
    Ok(folder.join("squall"))
}

/// Settings of pip and uv that say where libraries come from.
fn origin() -> String {
    let mut all = String::new();
    for name in ORIGIN_VARIABLES {
        if let Some(value) = env::var_os(name) {
            all.extend([name, "=", &value.to_string_lossy(), "\n"]);
        }
    }
    let variable = |name| env::var_os(name).map(PathBuf::from);
    let home = variable("HOME").unwrap_or_default();
    let settings = variable("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"));
    let files = [
        PathBuf::from("/etc/pip.conf"),
        PathBuf::from("/etc/uv/uv.toml"),
        home.join(".pip/pip.conf"),
        settings.join("pip/pip.conf"),
        settings.join("uv/uv.toml"),
    ];
    let named = ["PIP_CONFIG_FILE", "UV_CONFIG_FILE"].into_iter();
    for path in named.filter_map(variable).chain(files) {
        // What is not there says nothing.
        all.push_str(&std::fs::read_to_string(path).unwrap_or_default());
    }
    all
}

fn say(quiet: bool) -> Say {
    // Shown from the first word on: most of the time there is nothing to say.
    let spinner: std::sync::OnceLock<Spinner> = std::sync::OnceLock::new();
    Say::new(move |text| {
        let spinner = spinner.get_or_init(|| Spinner::new("", quiet));
        spinner.set(text.to_owned());
        // In a log, a line says why nothing happens for a while.
        if !quiet && !spinner.is_seen() {
            output::note(text);
        }
    })
}
