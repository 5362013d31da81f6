//! The environment that R wants before it is loaded, which its start script would set.

use std::env;
use std::fs;
use std::path::Path;

use crate::r::set_variable;

/// R's folders that may lie elsewhere than in its home.
const FOLDERS: [(&str, &str); 3] = [
    ("R_SHARE_DIR", "share"),
    ("R_INCLUDE_DIR", "include"),
    ("R_DOC_DIR", "doc"),
];
/// Ours, which says what R's own means, in words that a function's settings may have.
const PACKAGES: (&str, &str) = ("SQUALL_R_PACKAGES", "R_DEFAULT_PACKAGES");

pub(crate) fn prepare(home: &Path) {
    set_variable("R_HOME", home);
    let script = fs::read_to_string(home.join("bin/R")).unwrap_or_default();
    for (variable, folder) in FOLDERS {
        if is_set(variable) {
            continue;
        }
        let said = told(&script, variable).filter(|place| Path::new(place).is_dir());
        match said {
            Some(place) => set_variable(variable, place),
            None => set_variable(variable, home.join(folder)),
        }
    }
    if let Some(packages) = env::var_os(PACKAGES.0) {
        set_variable(PACKAGES.1, packages);
    }
    // Texts are UTF-8, whatever locales there are; the only folder to write to is /tmp.
    if !is_set("LC_ALL") {
        set_variable("LC_ALL", "C.UTF-8");
        set_variable("LANG", "C.UTF-8");
    }
    for variable in ["HOME", "TMPDIR"] {
        if !is_set(variable) {
            set_variable(variable, "/tmp");
        }
    }
    let zone = env::var("TZ").unwrap_or_default();
    let zone = zone.trim_start_matches(':');
    set_variable("TZ", if zone.is_empty() { "UTC" } else { zone });
}

fn is_set(variable: &str) -> bool {
    env::var_os(variable).is_some_and(|value| !value.is_empty())
}

/// What R's start script sets a variable to.
fn told<'a>(script: &'a str, variable: &str) -> Option<&'a str> {
    script.lines().find_map(|line| {
        let value = line.strip_prefix(variable)?.strip_prefix('=')?;
        Some(value.trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_script_tells_where_its_folders_are() {
        let script = "R_HOME_DIR=/usr/lib/R\nR_SHARE_DIR=/usr/share/R/share\nexport R_SHARE_DIR\n\
                      R_DOC_DIR=\"/doc\"\n";
        assert_eq!(told(script, "R_SHARE_DIR"), Some("/usr/share/R/share"));
        assert_eq!(told(script, "R_DOC_DIR"), Some("/doc"));
        assert_eq!(told(script, "R_INCLUDE_DIR"), None);
    }
}
