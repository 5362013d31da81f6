//! Which client a command uses, and what its errors are to who typed the command.

use std::future::Future;
use std::path::{Path, PathBuf};

use anyhow::Context;
use aws_client::{Asked, ClientError, Endpoint, Origin, TransportError};
use aws_wire::sigv4::Credentials;
use server::files::{self, Address};

use crate::args::Global;
use crate::failure::{Failure, Kind};

pub use aws_client::{Answer, Call, Client};

/// Whose services are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// Those of the engine of the data directory.
    Engine,
    Aws,
}

/// Runs a command that moves bytes: over more than one processor.
pub fn block_on_threads(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let done = runtime.block_on(command);
    // A thread that waits for stdin may wait for ever.
    runtime.shutdown_background();
    done
}

/// Runs a command that talks to an engine.
pub fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(command)
}

/// By `--endpoint`, or, unless `--data` names a directory, `AWS_ENDPOINT_URL`, with the keys
/// of the environment; else the engine that runs on the data directory.
pub fn find(global: &Global) -> Result<Client, Failure> {
    of(Whose::Engine, global.endpoint.as_deref(), Some(global))
}

/// An endpoint that is named goes before all others, whoever is meant. Without `global`
/// there is no data directory to look into.
pub fn of(
    whose: Whose,
    endpoint: Option<&str>,
    global: Option<&Global>,
) -> Result<Client, Failure> {
    let named = endpoint.map(str::to_owned);
    let named = named.or_else(|| match global {
        Some(global) if whose == Whose::Engine => endpoint_variable(global),
        _ => variable("AWS_ENDPOINT_URL"),
    });
    let asked = match (&named, whose, global) {
        (None, Whose::Engine, Some(global)) => return of_data_directory(global),
        (Some(url), Whose::Engine, _) => Asked {
            endpoint: Some(url),
            ..Asked::default()
        },
        _ => Asked {
            endpoint,
            ..Asked::default()
        },
    };
    Ok(Client::find(&variable, asked)?)
}

/// The endpoint that the environment names, unless the command line names another engine.
pub fn endpoint_variable(global: &Global) -> Option<String> {
    variable("AWS_ENDPOINT_URL").filter(|_| !global.data_named)
}

/// AWS's services, or those of the endpoints that stand for them, as the aws CLI finds
/// them.
pub fn aws(asked: Asked<'_>) -> Result<Client, Failure> {
    Ok(Client::find(&variable, asked)?)
}

/// The variable of this process; an empty one is none.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The engine of the data directory, whatever the environment says.
pub fn of_data_directory(global: &Global) -> Result<Client, Failure> {
    let (address, credentials) = running(global)?;
    let endpoint = Endpoint {
        origin: Origin::Engine,
        ..Endpoint::parse(&address.api)?
    };
    Ok(Client::at(endpoint, address.region, credentials))
}

/// Address and keys of the engine that runs on the data directory.
pub fn running(global: &Global) -> Result<(Address, Credentials), Failure> {
    let here = std::env::current_dir().unwrap_or_default();
    let none = || {
        let shown = here.join(&global.data);
        let failure = Failure::mistake(format!("no engine runs on {}", shown.display()));
        failure.hint(match above(&here) {
            Some(data) if !global.data_named => {
                format!("one runs on {0}: --data {0}", data.display())
            }
            _ => "start one: squall up; or name its data directory: --data DIR".to_owned(),
        })
    };
    let unreadable = |error: files::FileError| Failure::new(Kind::Mistake, error);
    let address = Address::read(&global.data).map_err(unreadable)?;
    let credentials = files::read_credentials(&global.data).map_err(unreadable)?;
    address.zip(credentials).ok_or_else(none)
}

/// The data directory of an engine that was started in a folder above.
fn above(folder: &Path) -> Option<PathBuf> {
    let all = folder.ancestors().skip(1);
    let mut all = all.map(|folder| folder.join(server::DEFAULT_DATA));
    all.find(|data| matches!(Address::read(data), Ok(Some(_))))
}

impl From<TransportError> for Failure {
    fn from(error: TransportError) -> Self {
        let hint = error.hint().map(str::to_owned);
        let kind = match error {
            TransportError::Connect { .. } => Kind::Mistake,
            _ => Kind::Bug,
        };
        hinted(Self::new(kind, error), hint)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let hint = hint_for(error.code()).map(str::to_owned);
        let hint = hint.or_else(|| error.hint());
        let kind = match &error {
            ClientError::Config { .. } => Kind::Mistake,
            ClientError::Transport { .. } => match error {
                // What was asked for does not matter where nobody is.
                ClientError::Transport {
                    source: source @ TransportError::Connect { .. },
                    ..
                } => return source.into(),
                _ => Kind::Bug,
            },
            ClientError::Garbled { .. } => Kind::Bug,
            ClientError::Api { status, code, .. } => kind_of(*status, code),
        };
        hinted(Self::new(kind, error), hint)
    }
}

fn hinted(failure: Failure, hint: Option<String>) -> Failure {
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn kind_of(status: u16, code: &str) -> Kind {
    match (status, code) {
        (413 | 429, _) | (_, "ThrottlingException" | "Throttling" | "SlowDown") => Kind::Refused,
        (400..=499, _) => Kind::Mistake,
        _ => Kind::Bug,
    }
}

fn hint_for(code: &str) -> Option<&'static str> {
    Some(match code {
        "ResourceNotFoundException" => "squall functions lists what is there",
        "TooManyRequestsException" => "squall ps shows what is running; try again later",
        "UnrecognizedClientException" | "InvalidSignatureException" => {
            "the keys are not this engine's: eval \"$(squall env)\" sets them"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(status: u16, code: &str, message: &str) -> ClientError {
        ClientError::Api {
            call: "lambda GET /".to_owned(),
            status,
            code: code.to_owned(),
            message: message.to_owned(),
        }
    }

    #[test]
    fn an_engine_of_a_folder_above_is_found() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("lab/src");
        let data = root.path().join(server::DEFAULT_DATA);
        std::fs::create_dir_all(&inner).unwrap();
        std::fs::create_dir(&data).unwrap();
        assert_eq!(above(&inner), None);
        let any = "127.0.0.1:1".parse().unwrap();
        let scope = types::Scope {
            region: "us-east-1".parse().unwrap(),
            account: "000000000000".parse().unwrap(),
        };
        Address::new(any, any, &scope).write(&data).unwrap();
        assert_eq!(above(&inner), Some(data));
        assert_eq!(above(root.path()), None, "that is looked at before");
    }

    #[test]
    fn refusals_become_failures_with_their_exit_codes_and_hints() {
        for (error, code, text) in [
            (
                api(404, "ResourceNotFoundException", "gone"),
                2,
                "error: ResourceNotFoundException: gone\nhint: squall functions lists what is there",
            ),
            (
                api(429, "TooManyRequestsException", "slow"),
                3,
                "error: TooManyRequestsException: slow\nhint: squall ps shows what is running; try again later",
            ),
            (
                api(400, "ThrottlingException", "slow"),
                3,
                "error: ThrottlingException: slow",
            ),
            (api(400, "Odd", "m"), 2, "error: Odd: m"),
            (
                api(500, "500 Internal Server Error", ""),
                70,
                "error: 500 Internal Server Error",
            ),
        ] {
            let failure = Failure::from(error);
            assert_eq!(failure.kind.code(), code);
            assert_eq!(failure.to_string(), text);
        }
    }

    #[test]
    fn an_endpoint_that_is_not_there_is_a_mistake_and_silence_is_none() {
        let failure = |source| {
            let call = "ssm PutParameter".to_owned();
            Failure::from(ClientError::Transport { call, source })
        };
        let absent = failure(TransportError::Connect {
            message: "nobody".to_owned(),
            hint: Some("look".to_owned()),
        });
        assert_eq!(absent.to_string(), "error: nobody\nhint: look");
        assert_eq!(absent.kind, Kind::Mistake);
        let silent = failure(TransportError::Silent);
        assert_eq!(
            silent.to_string(),
            "error: ssm PutParameter got no answer: the endpoint went silent"
        );
        assert_eq!(silent.kind, Kind::Bug);
    }
}
