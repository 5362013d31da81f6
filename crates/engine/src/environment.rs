//! The environment variables of an instance: AWS's, then the function's own.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use sandbox::{Client, FunctionFiles, Sandbox};
use types::FunctionVersion;

use crate::settings::EngineSettings;

/// What every instance of a version has in common.
pub(crate) fn of_version(
    version: &FunctionVersion,
    settings: &EngineSettings,
    sandbox: &Sandbox,
    files: &FunctionFiles,
    client: Option<Client<'_>>,
) -> BTreeMap<String, String> {
    let region = settings.scope.region.to_string();
    let programs = client
        .and_then(|client| client.programs())
        .map_or(String::new(), |folder| format!("{}:", folder.display()));
    // Where layers of R packages have the libraries that those need.
    let more_libraries = match client {
        Some(Client::R(_)) => ":/opt/r/lib",
        Some(Client::Python(_)) | None => "",
    };
    let fixed = [
        ("AWS_DEFAULT_REGION", region.clone()),
        ("AWS_ENDPOINT_URL", endpoint(settings.api)),
        (
            "AWS_EXECUTION_ENV",
            format!("AWS_Lambda_{}", version.runtime),
        ),
        (
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
            version.memory_mb.to_string(),
        ),
        ("AWS_LAMBDA_FUNCTION_NAME", version.name.to_string()),
        ("AWS_LAMBDA_FUNCTION_VERSION", version.version.to_string()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", version.log_group()),
        ("AWS_REGION", region),
        ("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR".to_owned()),
        (
            "LAMBDA_RUNTIME_DIR",
            sandbox.directory_of(client).display().to_string(),
        ),
        (
            "LAMBDA_TASK_ROOT",
            sandbox.task_root(files).display().to_string(),
        ),
        ("LANG", "en_US.UTF-8".to_owned()),
        (
            "LD_LIBRARY_PATH",
            format!("/var/task:/var/task/lib:/opt/lib{more_libraries}"),
        ),
        (
            "PATH",
            format!("{programs}/usr/local/bin:/usr/bin:/bin:/opt/bin"),
        ),
        ("TZ", ":UTC".to_owned()),
        ("_HANDLER", version.handler.clone()),
    ];
    let mut environment: BTreeMap<String, String> = fixed
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    environment.extend(version.environment.clone());
    environment
}

/// Where a function finds the engine: an address to connect to, also where the
/// engine listens on all of them.
fn endpoint(api: SocketAddr) -> String {
    if api.ip().is_unspecified() {
        format!("http://127.0.0.1:{}", api.port())
    } else {
        format!("http://{api}")
    }
}

/// What an instance has of its own.
pub(crate) fn of_instance(log_stream: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(
        "AWS_LAMBDA_LOG_STREAM_NAME".to_owned(),
        log_stream.to_owned(),
    )])
}
