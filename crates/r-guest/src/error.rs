//! Errors as AWS's runtimes report them.

use nix::unistd;
use serde::Serialize;

/// What the client gets, and the log in words.
#[derive(Debug, Serialize, PartialEq, Eq)]
pub(crate) struct Failure {
    #[serde(rename = "errorMessage")]
    pub(crate) message: String,
    #[serde(rename = "errorType")]
    pub(crate) kind: String,
    #[serde(rename = "stackTrace")]
    pub(crate) trace: Vec<String>,
}

impl Failure {
    pub(crate) fn new(kind: &str, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            kind: kind.to_owned(),
            trace: Vec::new(),
        }
    }

    /// What the glue tells: the class, the message, then the calls.
    pub(crate) fn told(texts: Vec<String>) -> Self {
        let mut texts = texts.into_iter();
        let kind = texts.next().unwrap_or_else(|| "error".to_owned());
        Self {
            message: texts.next().unwrap_or_default(),
            kind,
            trace: texts.collect(),
        }
    }

    pub(crate) fn json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts are plain data")
    }

    /// Writes it where the function's own messages go.
    pub(crate) fn log(&self) {
        let mut text = format!("[ERROR] {}: {}\n", self.kind, self.message);
        for line in &self.trace {
            text.push_str("  ");
            text.push_str(line);
            text.push('\n');
        }
        crate::r::flush();
        let mut rest = text.as_bytes();
        while let Ok(count @ 1..) = unistd::write(std::io::stderr(), rest) {
            rest = &rest[count..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_the_fields_of_aws() {
        let texts = ["simpleError", "no such x", "f(1)", "g(\"ä\")"];
        let failure = Failure::told(texts.map(str::to_owned).to_vec());
        assert_eq!(
            String::from_utf8(failure.json()).unwrap(),
            r#"{"errorMessage":"no such x","errorType":"simpleError","stackTrace":["f(1)","g(\"ä\")"]}"#
        );
        assert_eq!(Failure::told(vec![]).kind, "error");
    }
}
