//! `squall up`: the engine in the foreground, until Ctrl-C.

use std::fmt::Write;
use std::io::IsTerminal;

use anyhow::{Context, anyhow};
use serde::Serialize;
use server::files::Address;
use server::{Flags, Running, Server, Settings, StartError};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::args::{Global, UpArgs};
use crate::failure::{Failure, Kind};
use crate::machine;
use crate::output;

/// The first line on stdout with `--json`; scripts read it to find the engine.
#[derive(Debug, Serialize)]
struct Ready<'a> {
    event: &'static str,
    api: &'a str,
    gateway: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_tls: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway_tls: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_authority: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<&'a str>,
    region: &'a str,
    access_key_id: &'a str,
    secret_access_key: &'a str,
}

pub fn run(global: &Global, args: UpArgs) -> Result<(), Failure> {
    start_log(&args.log_level)?;
    let settings = settings(Flags {
        api: args.api,
        gateway: args.gateway,
        gateway_tls: args.gateway_tls.map(Some),
        region: args.region,
        account: args.account,
        isolation: args.isolation.map(Into::into),
        durability: args.durability.map(Into::into),
        clock: args.clock.map(Into::into),
        ..flags(global)
    })?;
    runtime()?.block_on(serve(global, settings))
}

/// What every engine of this machine is told.
pub(super) fn flags(global: &Global) -> Flags {
    Flags {
        data: Some(global.data.clone()),
        machine_python_folders: machine::python_folders(),
        machine_r_folders: machine::r_folders(),
        machine_name: machine::name(),
        // Connections take most of them.
        open_files: machine::raise_open_files(),
        ..Flags::default()
    }
}

/// These, and what environment and `engine.toml` say besides.
pub(super) fn settings(flags: Flags) -> Result<Settings, Failure> {
    // Variables that are not text are none of ours.
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let settings = Settings::resolve(flags, environment).map_err(|error| {
        Failure::new(Kind::Mistake, error).hint("docs/settings.md lists all settings")
    })?;
    for name in &settings.ignored {
        tracing::warn!(%name, "this variable looks like a setting and is none");
    }
    Ok(settings)
}

pub(super) fn runtime() -> Result<Runtime, Failure> {
    let built = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("squall")
        .build();
    Ok(built.context("cannot start the runtime")?)
}

async fn serve(global: &Global, settings: Settings) -> Result<(), Failure> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let running = Server::start(settings).await.map_err(why_not_started)?;
    announce(global, &running)?;
    either(&mut interrupt, &mut terminate).await;
    if !global.json {
        output::note("stopping; once more to stop at once");
    }
    tokio::select! {
        () = running.shutdown() => Ok(()),
        () = either(&mut interrupt, &mut terminate) => Err(Failure::mistake("stopped at once, as asked")),
    }
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

fn announce(global: &Global, running: &Running) -> Result<(), Failure> {
    let address = running.address();
    let credentials = running.credentials();
    if global.json {
        output::json(&Ready {
            event: "ready",
            api: &address.api,
            gateway: &address.gateway,
            api_tls: address.api_tls.as_deref(),
            gateway_tls: address.gateway_tls.as_deref(),
            tls_authority: address.tls_authority.as_deref(),
            metrics: address.metrics.as_deref(),
            region: &address.region,
            access_key_id: &credentials.access_key,
            secret_access_key: &credentials.secret,
        })?;
        return Ok(());
    }
    let data = global.data.display();
    let elsewhere = if global.data.as_os_str() == server::DEFAULT_DATA {
        String::new()
    } else {
        format!(" --data {data}")
    };
    output::bytes(
        format!(
            "squall {version} is ready.\n\n  \
             AWS endpoint   {api}\n  \
             buckets        http://BUCKET.s3.localhost:{api_port}, or {api}/BUCKET\n  \
             gateway        {gateway}\n  \
             websites       http://BUCKET.s3-website.localhost:{gateway_port}\n  \
             {more}region         {region}, account {account}\n  \
             data           {data}\n  \
             isolation      {isolation}\n\n\
             In another terminal:  eval \"$(squall env{elsewhere})\"\n\
             Ctrl-C stops it.\n",
            version = env!("CARGO_PKG_VERSION"),
            api = address.api,
            api_port = port(&address.api),
            gateway = address.gateway,
            gateway_port = port(&address.gateway),
            more = more(address),
            region = address.region,
            account = address.account,
            isolation = running.isolation(),
        )
        .as_bytes(),
    )?;
    Ok(())
}

/// The lines about what not every engine has, ready for what follows them.
fn more(address: &Address) -> String {
    let mut lines = String::new();
    let mut line = |name: &str, text: &Option<String>| {
        if let Some(text) = text {
            let _ = write!(lines, "{name:<15}{text}\n  ");
        }
    };
    line("AWS over TLS", &address.api_tls);
    line("gateway, TLS", &address.gateway_tls);
    line("trust", &address.tls_authority);
    line("metrics", &address.metrics);
    lines
}

/// The port of `http://HOST:PORT`.
fn port(url: &str) -> &str {
    url.rsplit(':').next().unwrap_or_default()
}

pub(super) fn why_not_started(error: StartError) -> Failure {
    let kind = if error.is_users() {
        Kind::Mistake
    } else {
        Kind::Bug
    };
    let hint = error.hint();
    let failure = Failure::new(kind, anyhow!(error).context("cannot start the engine"));
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Logs go to stderr: stdout is for data.
pub(super) fn start_log(filter: &str) -> Result<(), Failure> {
    // The S3 protocol crate takes its clients' mistakes for errors of its own; who
    // wants to see them names it, and a later word wins.
    let filter = EnvFilter::try_new(format!("s3s=off,{filter}")).map_err(|error| {
        Failure::mistake(format!("{filter:?} is not a log filter: {error}"))
            .hint("use error, warn, info, debug or trace")
    })?;
    let ansi = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(ansi)
        .init();
    Ok(())
}
