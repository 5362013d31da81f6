//! A program of the user's that says keys (`credential_process`).

use std::process::Stdio;
use std::time::Duration;

use aws_wire::sigv4::Credentials;
use serde::Deserialize;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

use super::{Fetched, end};
use crate::error::ClientError;

/// It may ask its user for something.
const PATIENCE: Duration = Duration::from_mins(2);
const SAID_BYTES: u64 = 64 << 10;

/// A program and its arguments.
pub(super) struct Process {
    words: Vec<String>,
    profile: String,
}

impl std::fmt::Debug for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Its arguments may be secret.
        f.debug_struct("Process")
            .field("program", &self.words.first())
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Said {
    version: u32,
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    #[serde(default)]
    expiration: Option<String>,
}

impl Process {
    pub fn new(command: &str, profile: &str) -> Result<Self, ClientError> {
        let words = words(command).filter(|words| !words.is_empty());
        let words = words.ok_or_else(|| {
            ClientError::config(format!(
                "credential_process of the profile {profile:?} has a quote that does not end"
            ))
        })?;
        Ok(Self {
            words,
            profile: profile.to_owned(),
        })
    }

    pub async fn fetch(&self) -> Result<Fetched, ClientError> {
        let failed = |why: String| {
            ClientError::config(format!(
                "credential_process of the profile {:?} {why}",
                self.profile
            ))
        };
        let mut child = Command::new(&self.words[0])
            .args(&self.words[1..])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(format!("cannot be started: {error}")))?;
        let stdout = child.stdout.take().expect("it was asked for");
        let mut said = Vec::new();
        let run = async {
            stdout.take(SAID_BYTES).read_to_end(&mut said).await?;
            child.wait().await
        };
        let status = tokio::time::timeout(PATIENCE, run)
            .await
            .map_err(|_| failed("does not end".to_owned()))?
            .map_err(|error| failed(format!("cannot be read: {error}")))?;
        if !status.success() {
            return Err(failed(format!("failed: {status}")));
        }
        read(&said).map_err(failed)
    }
}

fn read(said: &[u8]) -> Result<Fetched, String> {
    // The text may hold a secret, which the error must not repeat.
    let said: Said = serde_json::from_slice(said)
        .map_err(|error| format!("does not say keys (line {})", error.line()))?;
    if said.version != 1 {
        return Err(format!("speaks version {}, and not 1", said.version));
    }
    Ok(Fetched {
        credentials: Credentials {
            access_key: said.access_key_id,
            secret: said.secret_access_key,
            session_token: said.session_token,
        },
        expires: end(said.expiration.as_deref().unwrap_or_default())?,
    })
}

/// The words of a command line as a shell parts them, without anything else that shells
/// do; `None` if a quote does not end.
fn words(line: &str) -> Option<Vec<String>> {
    let mut words = vec![];
    let mut word: Option<String> = None;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' | '\t' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        '\'' => break,
                        other => word.push(other),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        '"' => break,
                        '\\' => match letters.next()? {
                            escaped @ ('"' | '\\' | '$' | '`') => word.push(escaped),
                            other => word.extend(['\\', other]),
                        },
                        other => word.push(other),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(letters.next()?),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_are_parted_as_shells_do() {
        let parted = |line: &str| words(line).map(|words| words.join("|"));
        assert_eq!(
            parted(r#"/bin/x  --a="b c" 'd "e' f\ g "h\"i\n" "" j'k'"#),
            Some(r#"/bin/x|--a=b c|d "e|f g|h"i\n||jk"#.to_owned())
        );
        assert_eq!(parted(""), Some(String::new()));
        for open in ["a 'b", "a \"b", "a\\"] {
            assert_eq!(parted(open), None, "{open}");
        }
    }

    #[tokio::test]
    async fn a_program_says_keys_or_why_not_and_no_secret_is_repeated() {
        let keys = r#"{"Version":1,"AccessKeyId":"A","SecretAccessKey":"s","SessionToken":"t","Expiration":"2026-11-21T12:00:00Z"}"#;
        let run = async |line: String| Process::new(&line, "p").unwrap().fetch().await;
        let fetched = run(format!("printf %s '{keys}'")).await.unwrap();
        assert_eq!(fetched.credentials.secret, "s");
        assert_eq!(
            fetched.expires.unwrap().rfc3339(),
            "2026-11-21T12:00:00.000Z"
        );
        for (line, words) in [
            ("false".to_owned(), "failed: exit status: 1"),
            ("/no/such/program".to_owned(), "cannot be started"),
            (
                "echo '{\"SecretAccessKey\": \"hidden\"'".to_owned(),
                "does not say keys",
            ),
            (
                format!(
                    "printf %s '{}'",
                    keys.replace("\"Version\":1", "\"Version\":2")
                ),
                "speaks version 2",
            ),
        ] {
            let said = run(line).await.unwrap_err().to_string();
            assert!(said.contains(words) && !said.contains("hidden"), "{said}");
        }
    }
}
