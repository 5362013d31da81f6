//! The files of profiles, `~/.aws/config` and `~/.aws/credentials`, as other AWS clients
//! read them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::ClientError;

/// Reads a variable of the environment; an empty one is none.
pub type Variable<'a> = dyn Fn(&str) -> Option<String> + 'a;

type Section = BTreeMap<String, String>;

/// Both files, read.
#[derive(Debug, Default)]
pub(crate) struct Files {
    config: BTreeMap<String, Section>,
    credentials: BTreeMap<String, Section>,
    /// `~/.aws`, where the aws CLI keeps the tokens of sign-ons.
    pub folder: Option<PathBuf>,
}

/// What one profile holds, of both files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Profile {
    pub name: String,
    values: Section,
}

impl Files {
    pub fn read(variable: &Variable<'_>) -> Result<Self, ClientError> {
        let folder = variable("HOME").map(|home| Path::new(&home).join(".aws"));
        let file = |named: &str, usual: &str| -> Result<BTreeMap<String, Section>, ClientError> {
            let usual = || folder.as_ref().map(|folder| folder.join(usual));
            let path = variable(named).map(PathBuf::from).or_else(usual);
            let text = path.map(|path| text_of(&path)).transpose()?.flatten();
            Ok(text.map(|text| sections(&text)).unwrap_or_default())
        };
        Ok(Self {
            config: file("AWS_CONFIG_FILE", "config")?,
            credentials: file("AWS_SHARED_CREDENTIALS_FILE", "credentials")?,
            folder,
        })
    }

    /// A profile by its name, if either file has it.
    pub fn profile(&self, name: &str) -> Option<Profile> {
        let mut found = false;
        let mut values = Section::new();
        // What the file of credentials says counts more, as with other clients.
        let long = format!("profile {name}");
        let plain = self.config.get(name).filter(|_| name == "default");
        let sections = [plain, self.config.get(&long), self.credentials.get(name)];
        for section in sections.into_iter().flatten() {
            found = true;
            values.extend(section.clone());
        }
        found.then(|| Profile {
            name: name.to_owned(),
            values,
        })
    }

    /// A section of another kind: `sso-session`, `services`.
    pub fn section(&self, kind: &str, name: &str) -> Option<&Section> {
        self.config.get(&format!("{kind} {name}"))
    }
}

impl Profile {
    pub fn empty(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            values: Section::new(),
        }
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        let value = self.values.get(key)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }

    /// What else a profile must say for what it says.
    pub fn need(&self, key: &str, with: &str) -> Result<&str, ClientError> {
        self.get(key).ok_or_else(|| {
            let name = &self.name;
            ClientError::config(format!("the profile {name:?} has {with}, but no {key}"))
        })
    }
}

/// None if there is no such file.
fn text_of(path: &Path) -> Result<Option<String>, ClientError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ClientError::config(format!(
            "cannot read {}: {error}",
            path.display()
        ))),
    }
}

/// The sections of an INI file. Settings below a setting are indented; they are known by
/// both names: `s3.endpoint_url`.
fn sections(text: &str) -> BTreeMap<String, Section> {
    let mut sections: BTreeMap<String, Section> = BTreeMap::new();
    let mut current = None;
    let mut above = String::new();
    for line in text.lines() {
        let indented = line.starts_with([' ', '\t']);
        let line = line.trim();
        if line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').filter(|_| !indented) {
            let name = section_name(name);
            sections.entry(name.clone()).or_default();
            current = Some(name);
        } else if let (Some(section), Some((key, value))) = (&current, line.split_once('=')) {
            let values = sections.entry(section.clone()).or_default();
            let mut key = key.trim().to_ascii_lowercase();
            if indented {
                key = format!("{above}.{key}");
            } else {
                above.clone_from(&key);
            }
            values.insert(key, without_comment(value).to_owned());
        }
    }
    sections
}

/// `profile "my name"]` and its like: one blank between words, no quotes.
fn section_name(text: &str) -> String {
    let name = text.split(']').next().unwrap_or_default();
    let words: Vec<&str> = name
        .split_whitespace()
        .map(|word| word.trim_matches(['"', '\'']))
        .collect();
    words.join(" ")
}

/// A comment behind a value begins with a blank.
fn without_comment(value: &str) -> &str {
    let end = [" #", " ;", "\t#", "\t;"]
        .iter()
        .filter_map(|mark| value.find(mark))
        .min();
    value[..end.unwrap_or(value.len())].trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "\
# comment
[default]
region = eu-west-1
s3 =
  max_concurrent_requests = 20
  # no setting
[profile  lab]
REGION = us-west-2 # mine
credential_process = /bin/x --a=b
[profile \"my own\"]
role_arn=arn
[services dev]
lambda =
    endpoint_url = http://127.0.0.1:1
nothing
";

    #[test]
    fn profile_files_are_read_as_other_clients_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(path("config"), CONFIG).unwrap();
        std::fs::write(path("credentials"), "[lab]\nregion=x\n[other]\n").unwrap();
        let variable = |name: &str| match name {
            "AWS_CONFIG_FILE" => Some(path("config")),
            "AWS_SHARED_CREDENTIALS_FILE" => Some(path("credentials")),
            _ => None,
        };
        let files = Files::read(&variable).unwrap();
        let default = files.profile("default").unwrap();
        assert_eq!(default.get("region"), Some("eu-west-1"));
        assert_eq!(default.get("s3.max_concurrent_requests"), Some("20"));
        let lab = files.profile("lab").unwrap();
        assert_eq!(lab.get("region"), Some("x"));
        assert_eq!(lab.get("credential_process"), Some("/bin/x --a=b"));
        let own = files.profile("my own").unwrap();
        assert_eq!(own.get("role_arn"), Some("arn"));
        assert!(files.profile("other").is_some());
        assert!(files.profile("none").is_none());
        assert!(files.profile("services dev").is_none());
        let services = files.section("services", "dev").unwrap();
        assert_eq!(services["lambda.endpoint_url"], "http://127.0.0.1:1");
        let said = own.need("source_profile", "role_arn").unwrap_err();
        assert!(said.to_string().contains("but no source_profile"), "{said}");
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap().to_owned();
        let variable = |name: &str| (name == "AWS_CONFIG_FILE").then(|| path.clone());
        let said = Files::read(&variable).unwrap_err().to_string();
        assert!(said.starts_with("cannot read"), "{said}");
    }
}
