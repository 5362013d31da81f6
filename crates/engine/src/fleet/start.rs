//! Making one instance: a fork of the template, or a start of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sandbox::spec::Network;
use sandbox::{Client, FunctionFiles, Process};
use serde_json::json;
use tokio_util::sync::DropGuard;
use types::{FunctionVersion, Timestamp};

use super::template_slot::{Start, TemplateSlot};
use crate::context::Context;
use crate::environment;
use crate::failure::{Failure, StartFailure};
use crate::instance::{self, Channel, Instance, StartKind, log_stream};
use crate::invocation_log::LogTarget;
use crate::runtime_api::{PeerCheck, RuntimeApi};

/// Where a runtime finds its API inside a network of its own.
const ISOLATED_RUNTIME_PORT: u16 = 9001;

pub(super) async fn instance(
    version: &FunctionVersion,
    slot: &TemplateSlot,
    context: &Arc<Context>,
) -> Result<Instance, StartFailure> {
    let begun = Instant::now();
    let stream = log_stream(version.version);
    let made = if version.runtime.is_ours() {
        ours(version, slot, context, &stream).await?
    } else {
        program(version, slot, context, &stream).await?
    };
    Ok(Instance {
        process: made.process,
        channel: made.channel,
        log: LogTarget {
            group: version.log_group().into(),
            stream,
        },
        start: made.start,
        _doors: made.doors,
        init: begun.elapsed(),
        born: Timestamp::now(),
        served: 0,
        init_log: made.init_log,
    })
}

struct Made {
    process: Process,
    channel: Channel,
    start: StartKind,
    doors: Vec<DropGuard>,
    init_log: Vec<u8>,
}

async fn ours(
    version: &FunctionVersion,
    slot: &TemplateSlot,
    context: &Arc<Context>,
    stream: &str,
) -> Result<Made, StartFailure> {
    // A template may have died since it was made, ended by the kernel or by the
    // function's own hand: once more with a new one.
    for attempt in 0..2 {
        let Start::Fork(template) = slot.get(version, context).await? else {
            let client = client(version, context)?;
            return if client.is_direct() {
                spawned(client, version, slot, context, stream).await
            } else {
                program(version, slot, context, stream).await
            };
        };
        match template.fork(&environment::of_instance(stream)).await {
            Ok(mut process) => {
                let runtime = process.runtime.take().expect("a fork brings its channel");
                return Ok(Made {
                    process,
                    channel: Channel::direct(runtime),
                    start: StartKind::Fork,
                    doors: vec![],
                    init_log: slot.take_log(),
                });
            }
            Err(error) if attempt == 1 => return Err(Failure::from(error).into()),
            Err(error) => {
                tracing::warn!(function = %version.name, %error, "a template is replaced");
                slot.discard(&template);
            }
        }
    }
    unreachable!("the second attempt returns")
}

async fn spawned(
    client: Client<'_>,
    version: &FunctionVersion,
    slot: &TemplateSlot,
    context: &Arc<Context>,
    stream: &str,
) -> Result<Made, StartFailure> {
    let files = slot.files(version, context).await?;
    let _load = context.loads.acquire().await;
    let environment = whole_environment(version, slot, context, &files, Some(client), stream);
    let network = slot.network(context, &[]);
    let mut process = context
        .sandbox
        .spawn_client(client, &files, environment, network)
        .await
        .map_err(Failure::from)?;
    let doors = context.open_doors(process.listeners.drain(..)).await;
    let runtime = process
        .runtime
        .take()
        .expect("a started client brings its channel");
    loaded(
        process,
        Channel::direct(runtime),
        doors,
        context.settings.init_timeout,
    )
    .await
}

/// A package with a `bootstrap` that speaks the Runtime API itself, or a client of ours
/// that does.
async fn program(
    version: &FunctionVersion,
    slot: &TemplateSlot,
    context: &Arc<Context>,
    stream: &str,
) -> Result<Made, StartFailure> {
    let files = slot.files(version, context).await?;
    let start = match context.client(version.runtime) {
        Some(client) => Program::Client(client),
        None => Program::Bootstrap(bootstrap(context, &files)?),
    };
    let _load = context.loads.acquire().await;
    let mut environment = whole_environment(version, slot, context, &files, start.client(), stream);
    if slot.is_isolated() && context.sandbox.isolation() == sandbox::Isolation::Namespaces {
        environment.push((
            "AWS_LAMBDA_RUNTIME_API".to_owned(),
            format!("127.0.0.1:{ISOLATED_RUNTIME_PORT}"),
        ));
        let network = slot.network(context, &[ISOLATED_RUNTIME_PORT]);
        let mut process = start.spawn(context, &files, environment, network).await?;
        let runtime = process
            .listeners
            .pop()
            .ok_or_else(|| lost("its runtime listener"))?;
        let doors = context.open_doors(process.listeners.drain(..)).await;
        runtime
            .set_nonblocking(true)
            .map_err(|error| io_failure(&error))?;
        let listener =
            tokio::net::TcpListener::from_std(runtime).map_err(|error| io_failure(&error))?;
        let api = RuntimeApi::serve(listener, PeerCheck::OwnNetwork);
        let limit = context.settings.init_timeout;
        return loaded(process, Channel::Http(api), doors, limit).await;
    }
    let (listener, address) = RuntimeApi::bind()
        .await
        .map_err(|error| io_failure(&error))?;
    environment.push(("AWS_LAMBDA_RUNTIME_API".to_owned(), address.to_string()));
    let (check, root) = PeerCheck::tree();
    let api = RuntimeApi::serve(listener, check);
    let process = start
        .spawn(context, &files, environment, Network::Host)
        .await?;
    let _ = root.send(Some(process.pid()));
    let limit = context.settings.init_timeout;
    loaded(process, Channel::Http(api), vec![], limit).await
}

/// Waits until a started instance is ready for its first event.
async fn loaded(
    process: Process,
    mut channel: Channel,
    doors: Vec<DropGuard>,
    limit: Duration,
) -> Result<Made, StartFailure> {
    let (result, init_log) = instance::loaded(&process, &mut channel, limit).await;
    match result {
        Ok(()) => Ok(Made {
            process,
            channel,
            start: StartKind::Spawn,
            doors,
            init_log,
        }),
        Err(failure) => Err(StartFailure {
            failure,
            log: init_log.into(),
        }),
    }
}

/// What speaks the Runtime API.
enum Program<'a> {
    /// Of the package, or of a layer.
    Bootstrap(String),
    Client(Client<'a>),
}

impl<'a> Program<'a> {
    fn client(&self) -> Option<Client<'a>> {
        match self {
            Self::Bootstrap(_) => None,
            Self::Client(client) => Some(*client),
        }
    }

    async fn spawn(
        self,
        context: &Context,
        files: &FunctionFiles,
        environment: Vec<(String, String)>,
        network: Network,
    ) -> Result<Process, Failure> {
        let sandbox = &context.sandbox;
        let spawned = match self {
            Self::Bootstrap(program) => {
                let program = vec![program];
                sandbox
                    .spawn_program(program, files, environment, network)
                    .await
            }
            Self::Client(client) => {
                sandbox
                    .spawn_client(client, files, environment, network)
                    .await
            }
        };
        spawned.map_err(Failure::from)
    }
}

pub(super) fn client<'a>(
    version: &FunctionVersion,
    context: &'a Context,
) -> Result<Client<'a>, Failure> {
    context.client(version.runtime).ok_or_else(|| {
        let reason = context
            .check_runtime(version.runtime)
            .err()
            .unwrap_or_default();
        Failure::Sandbox(reason)
    })
}

fn whole_environment(
    version: &FunctionVersion,
    slot: &TemplateSlot,
    context: &Context,
    files: &FunctionFiles,
    client: Option<Client<'_>>,
    stream: &str,
) -> Vec<(String, String)> {
    let mut environment: BTreeMap<String, String> =
        slot.environment(version, context, files, client);
    environment.extend(environment::of_instance(stream));
    environment.into_iter().collect()
}

/// AWS looks in the package, then in the layers.
fn bootstrap(context: &Context, files: &FunctionFiles) -> Result<String, Failure> {
    let in_package = files.code.join("bootstrap").exists();
    if in_package {
        let root = context.sandbox.task_root(files);
        return Ok(root.join("bootstrap").display().to_string());
    }
    let roots = context.sandbox.layer_roots(files);
    for (index, layer) in files.layers.iter().rev().enumerate() {
        if layer.join("bootstrap").exists() {
            // With walls all layers are one folder.
            let root = roots.get(index).or(roots.first());
            return root
                .map(|root| root.join("bootstrap").display().to_string())
                .ok_or_else(|| lost("its layers"));
        }
    }
    Err(Failure::Init(json!({
        "errorType": "Runtime.InvalidEntrypoint",
        "errorMessage": "Error: Couldn't find valid bootstrap(s): \
                         [/var/task/bootstrap /opt/bootstrap]",
    })))
}

fn lost(what: &str) -> Failure {
    Failure::Sandbox(format!("the instance came without {what}"))
}

fn io_failure(error: &std::io::Error) -> Failure {
    Failure::Sandbox(error.to_string())
}
