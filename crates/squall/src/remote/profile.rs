//! Keys and region as other AWS clients find them: the environment first, then the
//! profile files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use aws_wire::sigv4::Credentials;

use crate::failure::Failure;

/// Reads a variable; an empty one is none.
pub type Variable<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// What one profile holds, of both files.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Profile {
    name: String,
    values: BTreeMap<String, String>,
}

/// The variable of this process.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Profile {
    /// The one that `AWS_PROFILE` names, else `default`. A profile that nobody asked
    /// for need not be there.
    pub fn read(variable: &Variable<'_>) -> Result<Self, Failure> {
        let asked = variable("AWS_PROFILE").or_else(|| variable("AWS_DEFAULT_PROFILE"));
        let name = asked.clone().unwrap_or_else(|| "default".to_owned());
        let file = |named: &str, usual: &str| {
            let home = || variable("HOME").map(|home| Path::new(&home).join(".aws").join(usual));
            variable(named).map(PathBuf::from).or_else(home)
        };
        let mut values = BTreeMap::new();
        let mut found = false;
        // What the file of credentials says counts more, as with other clients.
        for (path, section) in [
            (
                file("AWS_CONFIG_FILE", "config"),
                if name == "default" {
                    name.clone()
                } else {
                    format!("profile {name}")
                },
            ),
            (
                file("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
                name.clone(),
            ),
        ] {
            let Some(text) = path.map(|path| text_of(&path)).transpose()?.flatten() else {
                continue;
            };
            if let Some(section) = sections(&text).remove(&section) {
                found = true;
                values.extend(section);
            }
        }
        match asked {
            Some(asked) if !found => Err(Failure::mistake(format!(
                "AWS_PROFILE names the profile {asked:?}, and neither ~/.aws/credentials nor ~/.aws/config has it"
            ))),
            _ => Ok(Self { name, values }),
        }
    }

    fn get(&self, key: &str) -> Option<String> {
        self.values
            .get(key)
            .filter(|value| !value.is_empty())
            .cloned()
    }

    fn keys(&self) -> Option<Credentials> {
        Some(Credentials {
            access_key: self.get("aws_access_key_id")?,
            secret: self.get("aws_secret_access_key")?,
            session_token: self.get("aws_session_token"),
        })
    }
}

/// Whose requests these are; `url` is where they go, for the message.
pub fn credentials(
    variable: &Variable<'_>,
    profile: &Profile,
    url: &str,
) -> Result<Credentials, Failure> {
    let pair = variable("AWS_ACCESS_KEY_ID").zip(variable("AWS_SECRET_ACCESS_KEY"));
    if let Some((access_key, secret)) = pair {
        return Ok(Credentials {
            access_key,
            secret,
            session_token: variable("AWS_SESSION_TOKEN"),
        });
    }
    if let Some(keys) = profile.keys() {
        return Ok(keys);
    }
    let name = &profile.name;
    let elsewhere = [
        "sso_session",
        "sso_start_url",
        "role_arn",
        "credential_process",
    ]
    .into_iter()
    .find(|key| profile.values.contains_key(*key));
    Err(match elsewhere {
        Some(key) => Failure::mistake(format!(
            "the profile {name:?} has no keys but {key}, which only the aws CLI can follow"
        ))
        .hint("eval \"$(aws configure export-credentials --format env)\" puts its keys into the environment"),
        None => Failure::mistake(format!(
            "there are no keys for {url}: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not both set, and the profile {name:?} has none"
        ))
        .hint("eval \"$(squall env)\" sets endpoint and keys of a running engine; aws configure keeps those of AWS"),
    })
}

pub fn region(variable: &Variable<'_>, profile: &Profile) -> Option<String> {
    variable("AWS_REGION")
        .or_else(|| variable("AWS_DEFAULT_REGION"))
        .or_else(|| profile.get("region"))
}

/// None if there is no such file.
fn text_of(path: &Path) -> Result<Option<String>, Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::mistake(format!(
            "cannot read {}: {error}",
            path.display()
        ))),
    }
}

/// The sections of an INI file. Lines that are indented belong to the setting before
/// them, and none of those matters here.
fn sections(text: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut sections: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut current = None;
    for line in text.lines() {
        if line.starts_with([' ', '\t', '#', ';']) {
            continue;
        }
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[') {
            let name = name.split(']').next().unwrap_or_default();
            let words: Vec<&str> = name.split_whitespace().collect();
            let name = words.join(" ");
            sections.entry(name.clone()).or_default();
            current = Some(name);
        } else if let (Some(section), Some((key, value))) = (&current, line.split_once('=')) {
            let values = sections.entry(section.clone()).or_default();
            // A comment behind a value begins with a blank.
            let value = value.split(" #").next().unwrap_or_default().trim();
            values.insert(key.trim().to_ascii_lowercase(), value.to_owned());
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREDENTIALS: &str = "\
# comment
[default]
aws_access_key_id = AKID
aws_secret_access_key=se/cr+et=

[lab]
AWS_ACCESS_KEY_ID = LAB
aws_secret_access_key = s # mine
aws_session_token = token
";
    const CONFIG: &str = "\
[default]
region = eu-west-1
s3 =
  max_concurrent_requests = 20
[profile  lab]
region = us-west-2
[profile sso]
sso_session = x
";

    fn with(more: &[(&str, &str)]) -> (tempfile::TempDir, BTreeMap<String, String>) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(".aws")).unwrap();
        std::fs::write(folder.path().join(".aws/credentials"), CREDENTIALS).unwrap();
        std::fs::write(folder.path().join(".aws/config"), CONFIG).unwrap();
        let home = folder.path().to_str().unwrap().to_owned();
        let mut set: BTreeMap<String, String> = more
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        set.insert("HOME".to_owned(), home);
        (folder, set)
    }

    fn found(more: &[(&str, &str)]) -> Result<(Credentials, Option<String>), Failure> {
        let (_folder, set) = with(more);
        let variable = |name: &str| set.get(name).cloned();
        let profile = Profile::read(&variable)?;
        let keys = credentials(&variable, &profile, "https://x")?;
        Ok((keys, region(&variable, &profile)))
    }

    #[test]
    fn keys_come_from_the_environment_or_a_profile() {
        let (keys, region) = found(&[]).unwrap();
        assert_eq!(
            (keys.access_key.as_str(), keys.secret.as_str()),
            ("AKID", "se/cr+et=")
        );
        assert_eq!(region.as_deref(), Some("eu-west-1"));
        let (keys, region) = found(&[("AWS_PROFILE", "lab")]).unwrap();
        assert_eq!(
            (keys.access_key.as_str(), keys.secret.as_str()),
            ("LAB", "s")
        );
        assert_eq!(keys.session_token.as_deref(), Some("token"));
        assert_eq!(region.as_deref(), Some("us-west-2"));
        let (keys, region) = found(&[
            ("AWS_ACCESS_KEY_ID", "E"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
            ("AWS_REGION", "r"),
        ])
        .unwrap();
        assert_eq!(keys.access_key, "E");
        assert_eq!(region.as_deref(), Some("r"));
    }

    #[test]
    fn what_is_not_there_is_said() {
        for (more, words) in [
            (vec![("AWS_PROFILE", "no")], "names the profile \"no\""),
            (vec![("AWS_PROFILE", "sso")], "has no keys but sso_session"),
            (
                vec![("AWS_SHARED_CREDENTIALS_FILE", "/no/such/file")],
                "there are no keys for https://x",
            ),
        ] {
            let said = found(&more).unwrap_err().to_string();
            assert!(said.contains(words), "{said}");
        }
    }
}
