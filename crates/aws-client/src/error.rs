//! Why a call has no result, and the error that an answer is.

use std::fmt;

use http::StatusCode;
use serde_json::Value;

use crate::client::Answer;
use crate::pool::TransportError;
use crate::xml::Xml;

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Settings, keys or profile files.
    #[error("{message}")]
    Config {
        message: String,
        hint: Option<String>,
    },
    /// Nobody answers there, or the connection broke off, whatever was tried.
    #[error("{call} got no answer")]
    Transport {
        /// Such as `ssm PutParameter`.
        call: String,
        #[source]
        source: TransportError,
    },
    /// It succeeded, but what came is not what such a call is answered with.
    #[error("the answer to {call} is not as expected: {detail}")]
    Garbled { call: String, detail: String },
    /// The service said no.
    #[error("{}", Said(code, message))]
    Api {
        /// `ssm PutParameter`, or `lambda POST /2015-03-31/functions`.
        call: String,
        status: u16,
        code: String,
        message: String,
    },
}

struct Said<'a>(&'a str, &'a str);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(code, "") => f.write_str(code),
            Self(code, message) => write!(f, "{code}: {message}"),
        }
    }
}

impl ClientError {
    /// Something that the user can put right.
    pub fn config(message: impl fmt::Display) -> Self {
        Self::Config {
            message: message.to_string(),
            hint: None,
        }
    }

    /// What to do about a [`ClientError::Config`].
    #[must_use]
    pub fn with_hint(self, text: impl Into<String>) -> Self {
        match self {
            Self::Config { message, .. } => Self::Config {
                message,
                hint: Some(text.into()),
            },
            other => other,
        }
    }

    /// The code of the service's refusal; empty where it was no refusal.
    pub fn code(&self) -> &str {
        match self {
            Self::Api { code, .. } => code,
            _ => "",
        }
    }

    /// Whether what was asked for is not there, in any service's words.
    pub fn is_missing(&self) -> bool {
        matches!(
            self.code(),
            "ResourceNotFoundException"
                | "NoSuchEntity"
                | "NotFoundException"
                | "NotFound"
                | "NoSuchBucket"
                | "NoSuchKey"
                | "NoSuchBucketPolicy"
                | "NoSuchTagSet"
                | "NoSuchCORSConfiguration"
                | "NoSuchWebsiteConfiguration"
                | "NoSuchLifecycleConfiguration"
                | "NoSuchPublicAccessBlockConfiguration"
                | "ParameterNotFound"
        )
    }

    /// Whether what was to be made is there already. After a connection that broke, it
    /// may have been made by the attempt before.
    pub fn is_conflict(&self) -> bool {
        matches!(
            self.code(),
            "ResourceConflictException"
                | "ResourceAlreadyExistsException"
                | "ConflictException"
                | "EntityAlreadyExists"
                | "BucketAlreadyOwnedByYou"
                | "ParameterAlreadyExists"
        )
    }

    /// Whether it may have been done, although no answer came.
    pub fn is_unsure(&self) -> bool {
        match self {
            Self::Transport { source, .. } => !matches!(source, TransportError::Connect { .. }),
            Self::Garbled { .. } => true,
            Self::Api { status, .. } => *status >= 500,
            Self::Config { .. } => false,
        }
    }

    /// What one may do about it, if there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Config { hint, .. } => hint.clone(),
            Self::Transport { source, .. } => source.hint().map(str::to_owned),
            Self::Garbled { .. } => None,
            Self::Api { code, .. } => hint_for(code).map(str::to_owned),
        }
    }

    /// With its causes, on one line.
    pub fn line(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

fn hint_for(code: &str) -> Option<&'static str> {
    Some(match code {
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch" => {
            "the keys are not of this account or engine: aws configure list shows AWS's, \
             eval \"$(squall env)\" sets those of a running engine"
        }
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => {
            "the keys have expired: sign in again"
        }
        "RequestTimeTooSkewed" => "the clock of this machine is wrong",
        "AuthorizationHeaderMalformed" | "PermanentRedirect" => {
            "it is in another region: --region or AWS_REGION says which"
        }
        _ => return None,
    })
}

/// The error that an answer is, in the words of whatever protocol it has.
pub(crate) fn refusal(call: String, answer: &Answer) -> ClientError {
    let Refusal { code, message } = read(answer);
    ClientError::Api {
        call,
        status: answer.status.as_u16(),
        code,
        message,
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Refusal {
    code: String,
    message: String,
}

fn read(answer: &Answer) -> Refusal {
    let body = answer.body.trim_ascii_start();
    let found = if body.is_empty() {
        bare(answer)
    } else if body.starts_with(b"<") {
        of_xml(body)
    } else {
        of_json(answer)
    };
    let code = if found.code.is_empty() {
        answer.status.to_string()
    } else {
        found.code
    };
    Refusal {
        code,
        message: found.message,
    }
}

fn of_json(answer: &Answer) -> Refusal {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let text = |names: &[&str]| {
        let value = names.iter().find_map(|name| body[*name].as_str());
        value.map(str::to_owned)
    };
    let code = answer.header("x-amzn-errortype").map(str::to_owned);
    let code = code.or_else(|| text(&["__type", "code", "Code"]));
    // Services put a namespace before it and a URL behind it.
    let code = code.unwrap_or_default();
    let code = code.split(':').next().unwrap_or_default();
    let code = code.rsplit('#').next().unwrap_or_default();
    Refusal {
        code: code.to_owned(),
        message: text(&["message", "Message"]).unwrap_or_default(),
    }
}

/// `ErrorResponse` around `Error`, or `Error` alone.
fn of_xml(body: &[u8]) -> Refusal {
    let Ok(document) = Xml::parse(body) else {
        return Refusal::default();
    };
    let error = document.child("Error").unwrap_or(&document);
    let mut message = error.at(&["Message"]).trim().to_owned();
    let region = error.at(&["Region"]);
    if !region.is_empty() {
        message.extend([" (it is in ", region, ")"]);
    }
    Refusal {
        code: error.at(&["Code"]).trim().to_owned(),
        message,
    }
}

/// S3 answers a HEAD without a document.
fn bare(answer: &Answer) -> Refusal {
    let (code, message) = match answer.status {
        StatusCode::NOT_FOUND => ("NotFound", "it does not exist"),
        StatusCode::FORBIDDEN => ("AccessDenied", "it is forbidden"),
        StatusCode::MOVED_PERMANENTLY => ("PermanentRedirect", "it is in another region"),
        _ => ("", ""),
    };
    Refusal {
        code: code.to_owned(),
        message: message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn answer(status: u16, header: Option<&str>, body: &str) -> Answer {
        let mut headers = HeaderMap::new();
        if let Some(code) = header {
            headers.insert("x-amzn-errortype", code.parse().unwrap());
        }
        Answer::new(
            StatusCode::from_u16(status).unwrap(),
            headers,
            body.to_owned().into(),
        )
    }

    #[test]
    fn refusals_are_read_in_the_words_of_each_protocol() {
        const QUERY: &str = r#"<ErrorResponse xmlns="x"><Error><Type>Sender</Type><Code>NoSuchEntity</Code>
            <Message>no &lt;role&gt;</Message></Error><RequestId>1</RequestId></ErrorResponse>"#;
        const S3: &str = r#"<?xml version="1.0"?><Error><Code>AuthorizationHeaderMalformed</Code>
            <Message>wrong</Message><Region>eu-west-1</Region></Error>"#;
        for (answer, text) in [
            (
                answer(
                    404,
                    Some("ResourceNotFoundException"),
                    r#"{"Message":"gone"}"#,
                ),
                "ResourceNotFoundException: gone",
            ),
            (
                answer(
                    429,
                    Some("TooManyRequestsException:http://x"),
                    r#"{"message":"slow"}"#,
                ),
                "TooManyRequestsException: slow",
            ),
            (
                answer(400, None, r#"{"__type":"com.amazonaws#Odd","message":"m"}"#),
                "Odd: m",
            ),
            (answer(404, None, QUERY), "NoSuchEntity: no <role>"),
            (
                answer(400, None, S3),
                "AuthorizationHeaderMalformed: wrong (it is in eu-west-1)",
            ),
            (answer(404, None, ""), "NotFound: it does not exist"),
            (answer(500, None, "<html>"), "500 Internal Server Error"),
            (answer(502, None, "gateway"), "502 Bad Gateway"),
            (answer(503, None, ""), "503 Service Unavailable"),
        ] {
            assert_eq!(refusal(String::new(), &answer).to_string(), text);
        }
    }

    #[test]
    fn what_is_missing_or_there_already_is_known_by_its_code() {
        let missing = refusal(
            String::new(),
            &answer(404, Some("NoSuchEntity"), "{\"a\":1}"),
        );
        assert!(missing.is_missing() && !missing.is_conflict());
        let there = answer(409, Some("ResourceConflictException"), "{}");
        assert!(refusal(String::new(), &there).is_conflict());
    }
}
