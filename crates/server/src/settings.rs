//! Settings: command line over environment over `engine.toml` over defaults,
//! read once at start and checked as a whole.

mod collector;
mod config;
mod sources;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use aws_client::web::Web;
use types::{Scope, limits::Limits};

pub use collector::{Collector, Headers};
pub(crate) use config::base64_len;
pub use config::{
    ClockKind, Config, Durability, Isolation, Switch, parse_address, parse_perhaps_address,
};

/// The file in the data directory that settings may be written to.
pub const FILE: &str = "engine.toml";
/// The data directory when nobody names another.
pub const DEFAULT_DATA: &str = ".squall";
/// What the names of environment variables begin with.
pub const PREFIX: &str = "SQUALL_";

/// Everything a server needs to know to start. Valid by construction.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub data: PathBuf,
    pub scope: Scope,
    pub config: Config,
    /// The name that this machine has for others, or nothing.
    pub machine_name: String,
    /// By which way the web is asked, as far as the engine asks: the proxy and the
    /// certificates of the environment.
    pub web: Web,
    /// Who gets the spans of traces, if anybody.
    pub collector: Option<Collector>,
    /// Variables that begin with `SQUALL_` and mean nothing: worth a warning.
    pub ignored: Vec<String>,
}

/// What the command line says; `None` leaves it to the other sources.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    pub data: Option<PathBuf>,
    pub api: Option<SocketAddr>,
    pub gateway: Option<SocketAddr>,
    pub gateway_tls: Option<Option<SocketAddr>>,
    pub region: Option<types::Region>,
    pub account: Option<types::AccountId>,
    pub isolation: Option<Isolation>,
    pub durability: Option<Durability>,
    pub clock: Option<ClockKind>,
    /// Where this machine keeps Python interpreters; searched after the configured folders.
    pub machine_python_folders: Vec<PathBuf>,
    /// The same for R.
    pub machine_r_folders: Vec<PathBuf>,
    /// The name that this machine has for others.
    pub machine_name: String,
    /// The files that this process may have open; 0 is not known.
    pub open_files: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("cannot read {}", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{} is not valid:\n{detail}", path.display())]
    BadFile { path: PathBuf, detail: String },
    #[error("{variable}={value:?} is not valid: {detail}")]
    BadVariable {
        variable: String,
        value: String,
        detail: String,
    },
    #[error("setting {setting}: {problem}")]
    Refused {
        setting: &'static str,
        problem: String,
    },
}

impl Settings {
    /// Brings the sources together. `environment` is the process's own, or a
    /// test's; the file is read from the data directory, and may be missing.
    pub fn resolve(
        flags: Flags,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let all: Vec<(String, String)> = environment.into_iter().collect();
        let web = web(&all)?;
        let (variables, others): (Vec<_>, Vec<_>) = all
            .into_iter()
            .partition(|(name, _)| name.starts_with(PREFIX));
        let data = flags.data.clone().unwrap_or_else(|| data_from(&variables));
        let file = sources::read_file(&data.join(FILE))?;
        let (table, ignored) = sources::environment_table(&variables)?;
        let mut config = sources::merge(file, table)?;
        let machine_name = flags.machine_name.clone();
        apply(&mut config, flags);
        check(&config)?;
        let collector = collector::find(&config, &others)?;
        let scope = Scope {
            account: config.account.clone(),
            region: config.region.clone(),
        };
        Ok(Self {
            data,
            scope,
            config,
            machine_name,
            web,
            collector,
            ignored,
        })
    }

    pub fn limits(&self) -> &Limits {
        &self.config.limits
    }

    pub fn shutdown_patience(&self) -> Duration {
        Duration::from_secs(self.config.shutdown_seconds)
    }
}

fn web(environment: &[(String, String)]) -> Result<Web, SettingsError> {
    let variable = |wanted: &str| {
        let found = environment.iter().find(|(name, _)| name == wanted);
        let value = found.map(|(_, value)| value.clone());
        value.filter(|value| !value.is_empty())
    };
    Web::find(&variable).map_err(|error| SettingsError::Refused {
        setting: "HTTPS_PROXY",
        problem: error.to_string(),
    })
}

/// The data directory by environment, or the default.
fn data_from(variables: &[(String, String)]) -> PathBuf {
    variables
        .iter()
        .find(|(name, value)| name == "SQUALL_DATA" && !value.is_empty())
        .map_or_else(|| PathBuf::from(DEFAULT_DATA), |(_, value)| value.into())
}

fn apply(config: &mut Config, flags: Flags) {
    fn set<T>(place: &mut T, value: Option<T>) {
        if let Some(value) = value {
            *place = value;
        }
    }
    set(&mut config.api, flags.api);
    set(&mut config.gateway, flags.gateway);
    set(&mut config.gateway_tls, flags.gateway_tls);
    set(&mut config.region, flags.region);
    set(&mut config.account, flags.account);
    set(&mut config.isolation, flags.isolation);
    set(&mut config.durability, flags.durability);
    set(&mut config.clock, flags.clock);
    config.python_folders.extend(flags.machine_python_folders);
    config.r_folders.extend(flags.machine_r_folders);
    config.max_connections = affordable(config.max_connections, flags.open_files);
}

/// What of the files that may be open is left to functions and to what is stored.
const OTHER_FILES: u64 = 4;

/// As many connections as were asked for, if this process may have them open.
fn affordable(asked: usize, open_files: u64) -> usize {
    let most = usize::try_from(open_files - open_files / OTHER_FILES).unwrap_or(usize::MAX);
    if open_files == 0 || asked <= most {
        return asked;
    }
    most.max(1)
}

/// What single values cannot show to be wrong.
fn check(config: &Config) -> Result<(), SettingsError> {
    let refuse = |setting, problem: &str| {
        Err(SettingsError::Refused {
            setting,
            problem: problem.to_owned(),
        })
    };
    let limits = &config.limits;
    if config.api == config.gateway && config.api.port() != 0 {
        return refuse("gateway", "API and gateway cannot share an address");
    }
    check_names(config)?;
    check_watching(config)?;
    if config.max_connections == 0 {
        return refuse("max_connections", "at least one connection is needed");
    }
    for (setting, seconds) in [
        ("body_stall_seconds", config.body_stall_seconds),
        ("answer_stall_seconds", config.answer_stall_seconds),
        ("header_seconds", config.header_seconds),
        ("init_seconds", config.init_seconds),
    ] {
        if seconds == 0 {
            return refuse(setting, "a second is the least");
        }
    }
    for (setting, number) in [
        ("map_requests", config.map_requests),
        ("map_jobs", config.map_jobs),
    ] {
        if number == 0 || number > tokio::sync::Semaphore::MAX_PERMITS {
            return refuse(setting, "one is the least");
        }
    }
    for (setting, number) in [
        ("map_memory_mb", config.map_memory_mb),
        ("map_seconds", config.map_seconds),
    ] {
        if number == 0 {
            return refuse(setting, "one is the least");
        }
    }
    if config.event_workers == 0 {
        return refuse("event_workers", "events need at least one");
    }
    if config.function_uid == 0 || config.function_gid == 0 {
        return refuse(
            "function_uid",
            "functions never run as root, nor in its group",
        );
    }
    if config.request_memory_mb * 1024 * 1024 < config::largest_body(limits) {
        return refuse(
            "request_memory_mb",
            "the largest request that the limits allow does not fit",
        );
    }
    if limits.memory_mb_min > limits.memory_mb_max || limits.memory_mb_min == 0 {
        return refuse(
            "limits.memory_mb_min",
            "it must lie between 1 and the maximum",
        );
    }
    if limits.tmp_mb_min > limits.tmp_mb_max || limits.tmp_mb_min == 0 {
        return refuse("limits.tmp_mb_min", "it must lie between 1 and the maximum");
    }
    if limits.timeout_seconds_max == 0 {
        return refuse("limits.timeout_seconds_max", "a second is the least");
    }
    if limits.account_concurrency == 0 {
        return refuse("limits.account_concurrency", "nothing could run");
    }
    Ok(())
}

/// Where the ports listen over TLS, and under which names.
fn check_names(config: &Config) -> Result<(), SettingsError> {
    let refuse = |setting, problem: &str| {
        Err(SettingsError::Refused {
            setting,
            problem: problem.to_owned(),
        })
    };
    for (setting, address) in [
        ("gateway_tls", config.gateway_tls),
        ("api_tls", config.api_tls),
    ] {
        let others = [Some(config.api), Some(config.gateway)];
        if address.is_some_and(|address| address.port() != 0 && others.contains(&Some(address))) {
            return refuse(setting, "an address is for TLS or for what is in the clear");
        }
    }
    if config
        .gateway_tls
        .is_some_and(|address| address.port() != 0)
        && config.gateway_tls == config.api_tls
    {
        return refuse("api_tls", "API and gateway cannot share an address");
    }
    if config.tls_certificate.as_os_str().is_empty() && !config.tls_key.as_os_str().is_empty() {
        return refuse("tls_key", "a key without tls_certificate");
    }
    for given in &config.hosts {
        if let Err(problem) = crate::http::check_given(given) {
            return refuse("hosts", &problem);
        }
    }
    for given in &config.tls_hosts {
        if given == "*" || crate::http::check_given(given).is_err() {
            return refuse(
                "tls_hosts",
                &format!("{given:?} is not a name or an address"),
            );
        }
    }
    Ok(())
}

/// What is told of requests, and to whom.
fn check_watching(config: &Config) -> Result<(), SettingsError> {
    let refuse = |setting, problem: &str| {
        Err(SettingsError::Refused {
            setting,
            problem: problem.to_owned(),
        })
    };
    if config.access_log_files == 0 || config.access_log_file_mb == 0 {
        return refuse(
            "access_log_files",
            "one file of 1 MB is the least; access_log = \"off\" keeps none",
        );
    }
    if !(0.0..=1.0).contains(&config.trace_sample) {
        return refuse("trace_sample", "it is a part, from 0 to 1");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    /// Resolves with this text in `engine.toml`.
    fn resolve(
        text: &str,
        environment: &[(&str, &str)],
        flags: Flags,
    ) -> Result<Settings, SettingsError> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), text).unwrap();
        let flags = Flags {
            data: Some(folder.path().into()),
            ..flags
        };
        Settings::resolve(flags, variables(environment))
    }

    #[test]
    fn without_sources_the_defaults_hold() {
        let settings = Settings::resolve(
            Flags {
                data: Some("/nowhere/at/all".into()),
                ..Flags::default()
            },
            [],
        )
        .unwrap();
        assert_eq!(settings.config, Config::default());
        assert_eq!(settings.config.api.to_string(), "127.0.0.1:4566");
        assert_eq!(settings.config.gateway.to_string(), "127.0.0.1:8080");
    }

    #[test]
    fn flags_beat_environment_beats_file_beats_defaults() {
        let file = "api = '127.0.0.1:1'\nregion = 'eu-west-1'\naccount = '111111111111'\n\
                    [limits]\nlayers = 7\nzip_entries = 9\n";
        let environment = [
            ("SQUALL_API", "localhost:2"),
            ("SQUALL_REGION", "eu-west-2"),
            ("SQUALL_LIMITS_LAYERS", "8"),
        ];
        let flags = Flags {
            api: Some("127.0.0.1:3".parse().unwrap()),
            ..Flags::default()
        };
        let settings = resolve(file, &environment, flags).unwrap();
        assert_eq!(settings.config.api.port(), 3);
        assert_eq!(settings.scope.region.as_str(), "eu-west-2");
        assert_eq!(settings.scope.account.as_str(), "111111111111");
        assert_eq!(settings.limits().layers, 8);
        assert_eq!(settings.limits().zip_entries, 9);
        assert_eq!(settings.limits().memory_mb_min, 128);
    }

    #[test]
    fn a_mistake_in_the_file_is_named_with_its_line() {
        for (text, words) in [
            ("\nregoin = 'us-east-1'\n", ["line 2", "regoin"]),
            ("region = 'nowhere'", ["line 1", "nowhere"]),
            ("\n\n[limits]\nlayer = 5", ["line 4", "layer"]),
            ("idle_seconds = -1", ["line 1", "-1"]),
            ("api = ", ["line 1", "api"]),
        ] {
            let error = resolve(text, &[], Flags::default()).unwrap_err();
            let message = error.to_string();
            assert!(matches!(error, SettingsError::BadFile { .. }), "{message}");
            for word in words {
                assert!(message.contains(word), "{text:?}: {message}");
            }
        }
    }

    #[test]
    fn a_mistake_in_the_environment_is_named_with_its_variable() {
        let environment = [("SQUALL_MAX_CONNECTIONS", "many")];
        let message = resolve("", &environment, Flags::default())
            .unwrap_err()
            .to_string();
        assert!(
            message.starts_with("SQUALL_MAX_CONNECTIONS=\"many\" is not valid"),
            "{message}"
        );
    }

    #[test]
    fn digits_in_the_environment_stay_text_where_text_is_meant() {
        let environment = [
            ("SQUALL_ACCOUNT", "000000000042"),
            ("SQUALL_TYPO", "1"),
            ("SQUALL_PYTHON_FOLDERS", "/a:/b"),
        ];
        let flags = Flags {
            machine_python_folders: vec!["/usr/bin".into()],
            ..Flags::default()
        };
        let settings = resolve("", &environment, flags).unwrap();
        let folders = settings.config.python_folders;
        assert_eq!(folders, ["/a", "/b", "/usr/bin"].map(PathBuf::from));
        assert_eq!(settings.scope.account.as_str(), "000000000042");
        assert_eq!(settings.ignored, ["SQUALL_TYPO"]);
    }

    #[test]
    fn values_that_cannot_work_together_are_refused() {
        for text in [
            "gateway = '127.0.0.1:4566'",
            "max_connections = 0",
            "request_memory_mb = 1",
            "function_gid = 0",
            "[limits]\nmemory_mb_min = 20000",
            "[limits]\naccount_concurrency = 0",
        ] {
            let error = resolve(text, &[], Flags::default()).unwrap_err();
            assert!(
                matches!(error, SettingsError::Refused { .. }),
                "{text}: {error}"
            );
        }
        let free = "api = '127.0.0.1:0'\ngateway = '127.0.0.1:0'";
        assert!(resolve(free, &[], Flags::default()).is_ok());
    }

    #[test]
    fn what_is_served_over_tls_has_an_address_of_its_own() {
        for text in [
            "gateway_tls = '127.0.0.1:8080'",
            "api_tls = '127.0.0.1:1'\ngateway_tls = '127.0.0.1:1'",
            "tls_key = 'key.pem'",
            "hosts = ['https://api.example.com']",
            "tls_hosts = ['*']",
        ] {
            let error = resolve(text, &[], Flags::default()).unwrap_err();
            assert!(
                matches!(error, SettingsError::Refused { .. }),
                "{text}: {error}"
            );
        }
        let off = resolve("gateway_tls = 'off'", &[], Flags::default()).unwrap();
        assert_eq!(off.config.gateway_tls, None);
        let flags = Flags {
            gateway_tls: Some(Some("127.0.0.1:0".parse().unwrap())),
            ..Flags::default()
        };
        let on = resolve("api_tls = 'localhost:0'", &[], flags).unwrap();
        assert!(on.config.gateway_tls.is_some() && on.config.api_tls.is_some());
    }

    #[test]
    fn lists_whose_items_have_colons_are_separated_by_commas() {
        let environment = [
            ("SQUALL_TRUSTED_PROXIES", "10.0.0.0/8, 2001:db8::/32"),
            ("SQUALL_HOSTS", "a.example.com,*.b.example.com"),
        ];
        let settings = resolve("", &environment, Flags::default()).unwrap();
        assert_eq!(settings.config.trusted_proxies.len(), 2);
        assert_eq!(settings.config.hosts, ["a.example.com", "*.b.example.com"]);
    }

    #[test]
    fn connections_fit_into_the_files_that_may_be_open() {
        for (asked, open_files, connections) in [
            (16_384, 0, 16_384),
            (16_384, 20_000, 15_000),
            (16_384, 1_000_000, 16_384),
            (100, 1024, 100),
            (4096, 1, 1),
        ] {
            let text = format!("max_connections = {asked}");
            let flags = Flags {
                open_files,
                ..Flags::default()
            };
            let settings = resolve(&text, &[], flags).unwrap();
            assert_eq!(settings.config.max_connections, connections);
        }
    }

    #[test]
    fn every_setting_is_documented() {
        let page = include_str!("../../../docs/settings.md");
        for key in sources::known_keys() {
            assert!(
                page.contains(&format!("`{key}`")),
                "docs/settings.md lacks {key}"
            );
        }
    }
}
