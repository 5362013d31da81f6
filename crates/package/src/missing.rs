//! A module that is not there: which distribution has it, and what to do.

use std::collections::BTreeSet;
use std::path::Path;

use project::model::{Function, Requirements};
use serde::Deserialize;

use crate::archive::Member;
use crate::installed::normal;
use crate::layer::Manifest;
use crate::machine::{Machine, Run};
use crate::prune::Reason;

/// Modules whose distribution has another name, of those that people import most.
const KNOWN: &[(&str, &str)] = &[
    ("Crypto", "pycryptodome"),
    ("Levenshtein", "levenshtein"),
    ("MySQLdb", "mysqlclient"),
    ("OpenSSL", "pyOpenSSL"),
    ("PIL", "pillow"),
    ("attr", "attrs"),
    ("bs4", "beautifulsoup4"),
    ("bson", "pymongo"),
    ("cv2", "opencv-python-headless"),
    ("dateutil", "python-dateutil"),
    ("dns", "dnspython"),
    ("docx", "python-docx"),
    ("dotenv", "python-dotenv"),
    ("fitz", "pymupdf"),
    ("git", "GitPython"),
    ("google.cloud.storage", "google-cloud-storage"),
    ("googleapiclient", "google-api-python-client"),
    ("grpc", "grpcio"),
    ("igraph", "igraph"),
    ("jose", "python-jose"),
    ("jwt", "PyJWT"),
    ("lxml", "lxml"),
    ("magic", "python-magic"),
    ("mpl_toolkits", "matplotlib"),
    ("multipart", "python-multipart"),
    ("osgeo", "gdal"),
    ("pkg_resources", "setuptools"),
    ("psycopg2", "psycopg2-binary"),
    ("pylab", "matplotlib"),
    ("pytz", "pytz"),
    ("serial", "pyserial"),
    ("skimage", "scikit-image"),
    ("sklearn", "scikit-learn"),
    ("slugify", "python-slugify"),
    ("usb", "pyusb"),
    ("win32api", "pywin32"),
    ("xgboost", "xgboost"),
    ("yaml", "pyyaml"),
    ("zmq", "pyzmq"),
];

/// Modules of the code that are compared with a name.
const OWN_MAX: usize = 500;

/// Asks an interpreter which distribution brought a module, and what is called nearly
/// the same: modules of Python's own, of this machine, and those in the package.
const ASK: &str = "\
import sys, json, difflib
from importlib import metadata
known = metadata.packages_distributions() if hasattr(metadata, 'packages_distributions') else {}
name, own = sys.argv[1], sys.argv[2].split(',')
names = set(known) | set(getattr(sys, 'stdlib_module_names', ())) | set(own)
near = difflib.get_close_matches(name, sorted(names - {name}), 1, 0.75)
print(json.dumps({'distributions': known.get(name, []), 'near': near}))
";

/// What an interpreter of this machine knows.
#[derive(Debug, Default, Deserialize)]
struct Answer {
    distributions: Vec<String>,
    near: Vec<String>,
}

/// What to do about it.
pub(crate) async fn hint(
    module: &str,
    function: &Function,
    members: &[Member],
    layer: Option<&Manifest>,
    machine: &Machine,
    minor: u8,
) -> String {
    let top = module.split('.').next().unwrap_or(module);
    if let Some(path) = left_out(&function.source, top) {
        return format!(
            "{path} is in its folder, but left out: add include = [\"{path}\"] to the function in \
             squall.toml"
        );
    }
    let distribution = if let Some(name) = known(module) {
        name.to_owned()
    } else {
        let answer = ask(top, members, machine, minor).await;
        match (answer.distributions.first(), answer.near.first()) {
            (Some(name), _) => name.clone(),
            (None, Some(near)) => return format!("did you mean {near}?"),
            (None, None) if is_packed(top, layer) => top.to_owned(),
            // Whoever has that name on the index may be anyone.
            (None, None) => {
                return format!(
                    "is {top} spelled right? the distribution that has it belongs into the \
                     requirements"
                );
            }
        }
    };
    let packed = layer.and_then(|layer| {
        let name = normal(&distribution);
        let mut found = layer.distributions.iter();
        found.find(|found| normal(&found.name) == name)
    });
    match packed {
        // It is there, and this part of it is not.
        Some(found) if layer.is_some_and(|layer| layer.dropped.contains_key(&Reason::Unused)) => {
            format!(
                "{} {} is there, but slimmed: a test or a sample event that uses {module} keeps it",
                found.name, found.version
            )
        }
        Some(found) => format!(
            "{} {} is there, and has no {module}: is it another version that is needed?",
            found.name, found.version
        ),
        None => format!(
            "{module} is in {distribution}: {}",
            add(&function.requirements, &distribution)
        ),
    }
}

fn add(requirements: &Requirements, distribution: &str) -> String {
    match requirements {
        Requirements::None => {
            format!("write it into a requirements.txt: echo {distribution} >> requirements.txt")
        }
        Requirements::File(path) => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            format!("add it to {name}")
        }
        Requirements::List(_) => {
            "add it to the requirements of the function in squall.toml".to_owned()
        }
    }
}

/// A file or folder beside the code that was not taken.
fn left_out(source: &Path, top: &str) -> Option<String> {
    let file = format!("{top}.py");
    [file, top.to_owned()]
        .into_iter()
        .find(|name| source.join(name).exists())
}

fn known(module: &str) -> Option<&'static str> {
    let top = module.split('.').next()?;
    let find = |name: &str| KNOWN.iter().find(|(module, _)| *module == name);
    find(module).or_else(|| find(top)).map(|(_, name)| *name)
}

fn is_packed(name: &str, layer: Option<&Manifest>) -> bool {
    let name = normal(name);
    layer.is_some_and(|layer| {
        let mut all = layer.distributions.iter();
        all.any(|found| normal(&found.name) == name)
    })
}

/// Whoever wrote the code has the library installed, often enough.
async fn ask(top: &str, members: &[Member], machine: &Machine, minor: u8) -> Answer {
    let Some(python) = machine.python(minor).await else {
        return Answer::default();
    };
    let own = members.iter().filter_map(|member| {
        let name = member.path.split('/').next()?;
        let is_code = member.path.ends_with(".py");
        is_code.then(|| name.trim_end_matches(".py"))
    });
    let own: BTreeSet<&str> = own.collect();
    let own: Vec<&str> = own.into_iter().take(OWN_MAX).collect();
    let mut run = Run::new(&python.executable);
    run.args(["-c", ASK, top]).arg(own.join(","));
    let ended = run.run().await;
    let output = ended.map(|ended| ended.output).unwrap_or_default();
    let last = output.lines().last().unwrap_or_default();
    serde_json::from_str(last).unwrap_or_default()
}

/// `handler.py, line 3`: where the code imports it first.
pub(crate) fn place(module: &str, members: &[Member]) -> Option<String> {
    let top = module.split('.').next()?;
    let imports = |line: &str| {
        let line = line.trim_start();
        let rest = line
            .strip_prefix("import ")
            .or_else(|| line.strip_prefix("from "));
        rest.is_some_and(|rest| {
            let mut names = rest.split([',', ' ', ';']).map(str::trim);
            names.any(|name| name == top || name.starts_with(&format!("{top}.")))
        })
    };
    let code = members.iter().filter(|member| member.path.ends_with(".py"));
    for member in code.filter(|member| !member.path.starts_with("squall/")) {
        let text = member.read().unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        if let Some(line) = text.lines().position(imports) {
            return Some(format!("{}, line {}", member.path, line + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_an_import_is_found() {
        let members = [
            Member::text("a.py", "import os\n", false),
            Member::text("b.py", "x = 1\ntry:\n    from skl.linear import y\n", false),
            Member::text("c.py", "import os, oss\n", false),
        ];
        assert_eq!(
            place("skl.linear.z", &members).as_deref(),
            Some("b.py, line 3")
        );
        assert_eq!(place("oss", &members).as_deref(), Some("c.py, line 1"));
        assert_eq!(place("inside_a_library", &members), None);
    }

    #[test]
    fn known_names_are_found_by_their_first_part() {
        assert_eq!(known("sklearn.linear_model"), Some("scikit-learn"));
        assert_eq!(known("google.cloud.storage"), Some("google-cloud-storage"));
        assert_eq!(known("pandas"), None);
        let mut names: Vec<&str> = KNOWN.iter().map(|(module, _)| *module).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), KNOWN.len());
    }
}
