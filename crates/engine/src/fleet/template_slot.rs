//! The place of a fleet's template: made once, in the background or when first
//! needed, and made anew after it has failed or gone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sandbox::spec::Network;
use sandbox::{Client, Exit, FunctionFiles, Readiness, Template};
use serde::Serialize;
use tokio::sync::OnceCell;
use tokio_util::sync::DropGuard;
use types::{FunctionVersion, InstanceOptions, NetworkMode, StartMode};

use super::start::client;
use crate::context::Context;
use crate::failure::{Failure, StartFailure};
use crate::iam::FunctionSession;
use crate::invocation_log::keep_init_log;

const LOG_CHUNK: usize = 16 * 1024;

/// How instances are made.
#[derive(Debug, Clone)]
pub(super) enum Start {
    Fork(Arc<Template>),
    Spawn,
}

/// What a listing says of a template.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case", tag = "state")]
pub(crate) enum TemplateState {
    /// None is there now; the next start makes one.
    None,
    /// The runtime has no templates, or the function's setting forbids them.
    NotUsed {
        reason: String,
    },
    Loading,
    Ready {
        pid: i32,
        memory_bytes: u64,
        load_ms: u64,
    },
    Failed {
        error: String,
    },
}

#[derive(Debug)]
pub(super) struct TemplateSlot {
    options: InstanceOptions,
    /// One for the template and all instances: a client that is made while the
    /// function is loaded keeps its keys in every fork.
    session: FunctionSession,
    files: OnceCell<FunctionFiles>,
    /// Held while a template is made: others wait for it.
    making: tokio::sync::Mutex<()>,
    /// Counts makings, so that who waited through a failed one takes its result.
    attempts: AtomicU64,
    known: Mutex<Known>,
    /// What the function wrote while it was loaded, for the first instance's log.
    log: Mutex<Vec<u8>>,
}

#[derive(Debug)]
enum Known {
    Nothing,
    Loading,
    Template {
        template: Arc<Template>,
        load: Duration,
        /// Open as long as the network of the template and its forks is there.
        _doors: Vec<DropGuard>,
    },
    Spawn {
        reason: String,
    },
    Failed(StartFailure),
}

impl TemplateSlot {
    pub(super) fn new(version: &FunctionVersion, session: FunctionSession) -> Self {
        let options = version.options;
        let known = if version.runtime.is_ours() && options.start != StartMode::Spawn {
            Known::Nothing
        } else {
            Known::Spawn {
                reason: "started one by one".to_owned(),
            }
        };
        Self {
            options,
            session,
            files: OnceCell::new(),
            making: tokio::sync::Mutex::new(()),
            attempts: AtomicU64::new(0),
            known: Mutex::new(known),
            log: Mutex::new(Vec::new()),
        }
    }

    /// The function's unpacked packages.
    pub(super) async fn files(
        &self,
        version: &FunctionVersion,
        context: &Context,
    ) -> Result<FunctionFiles, Failure> {
        self.files
            .get_or_try_init(|| context.files(version))
            .await
            .cloned()
    }

    /// The environment that all instances share, keys included.
    pub(super) fn environment(
        &self,
        version: &FunctionVersion,
        context: &Context,
        files: &FunctionFiles,
        client: Option<Client<'_>>,
    ) -> BTreeMap<String, String> {
        let mut environment = context.environment(version, files, client);
        environment.extend(self.session.variables());
        environment
    }

    /// Whether the function has a network of its own.
    pub(super) fn is_isolated(&self) -> bool {
        self.options.network == NetworkMode::None
    }

    /// The network of the function's instances; without a way out it still
    /// reaches the engine, at the address it is told everywhere.
    pub(super) fn network(&self, context: &Context, more: &[u16]) -> Network {
        if !self.is_isolated() {
            return Network::Host;
        }
        let mut ports = vec![context.settings.api.port()];
        ports.extend(more);
        Network::Isolated { ports }
    }

    /// How to start an instance now; makes the template if there is none.
    pub(super) async fn get(
        &self,
        version: &FunctionVersion,
        context: &Arc<Context>,
    ) -> Result<Start, StartFailure> {
        if let Some(start) = self.ready() {
            return Ok(start);
        }
        let seen = self.attempts.load(Ordering::Acquire);
        let _making = self.making.lock().await;
        if let Some(start) = self.ready() {
            return Ok(start);
        }
        if let Known::Failed(failure) = &*self.known.lock()
            && self.attempts.load(Ordering::Acquire) != seen
        {
            return Err(failure.clone());
        }
        *self.known.lock() = Known::Loading;
        let begun = Instant::now();
        let made = self.make(version, context).await;
        self.attempts.fetch_add(1, Ordering::AcqRel);
        let (known, result) = match made {
            Ok(Made::Template(template, doors)) => (
                Known::Template {
                    _doors: doors,
                    template: Arc::clone(&template),
                    load: begun.elapsed(),
                },
                Ok(Start::Fork(template)),
            ),
            Ok(Made::Unsafe(reason)) => {
                tracing::info!(function = %version.name, reason, "does not survive a fork: started one by one");
                (Known::Spawn { reason }, Ok(Start::Spawn))
            }
            Err(failure) => (Known::Failed(failure.clone()), Err(failure)),
        };
        *self.known.lock() = known;
        result
    }

    /// Lets go of a template that does not work any more.
    pub(super) fn discard(&self, template: &Arc<Template>) {
        let mut known = self.known.lock();
        if matches!(&*known, Known::Template { template: own, .. } if Arc::ptr_eq(own, template)) {
            *known = Known::Nothing;
        }
    }

    pub(super) fn clear(&self) {
        let mut known = self.known.lock();
        if matches!(&*known, Known::Template { .. } | Known::Failed(_)) {
            *known = Known::Nothing;
        }
    }

    pub(super) fn take_log(&self) -> Vec<u8> {
        std::mem::take(&mut self.log.lock())
    }

    pub(super) fn state(&self) -> TemplateState {
        match &*self.known.lock() {
            Known::Nothing => TemplateState::None,
            Known::Loading => TemplateState::Loading,
            Known::Template { template, load, .. } => TemplateState::Ready {
                pid: template.pid(),
                memory_bytes: template.memory_bytes(),
                load_ms: u64::try_from(load.as_millis()).unwrap_or(u64::MAX),
            },
            Known::Spawn { reason } => TemplateState::NotUsed {
                reason: reason.clone(),
            },
            Known::Failed(failure) => TemplateState::Failed {
                error: failure.failure.kind().as_str().to_owned(),
            },
        }
    }

    fn ready(&self) -> Option<Start> {
        match &*self.known.lock() {
            Known::Template { template, .. } => Some(Start::Fork(Arc::clone(template))),
            Known::Spawn { .. } => Some(Start::Spawn),
            Known::Nothing | Known::Loading | Known::Failed(_) => None,
        }
    }

    async fn make(
        &self,
        version: &FunctionVersion,
        context: &Arc<Context>,
    ) -> Result<Made, StartFailure> {
        let files = self.files(version, context).await?;
        let client = client(version, context)?;
        if !client.is_direct() {
            return Ok(Made::Unsafe(
                "this R is no library that can be loaded".to_owned(),
            ));
        }
        let _load = context.loads.acquire().await;
        let environment = self.environment(version, context, &files, Some(client));
        let template = context
            .sandbox
            .start_template(
                client,
                &files,
                environment.into_iter().collect(),
                self.network(context, &[]),
            )
            .await
            .map_err(Failure::from)?;
        let doors = context.open_doors(template.take_listeners()).await;
        let mut log = Vec::new();
        let readiness = readiness(&template, context.settings.init_timeout, &mut log).await;
        match readiness {
            Ok(Readiness::Ready { unsafe_to_fork }) => {
                *self.log.lock() = log;
                Ok(match unsafe_to_fork {
                    Some(reason) if self.options.start != StartMode::Fork => Made::Unsafe(reason),
                    _ => Made::Template(Arc::new(template), doors),
                })
            }
            Ok(Readiness::InitError { error }) => Err(StartFailure {
                failure: Failure::Init(error),
                log: log.into(),
            }),
            Err(failure) => Err(StartFailure {
                failure,
                log: log.into(),
            }),
        }
    }
}

enum Made {
    Template(Arc<Template>, Vec<DropGuard>),
    Unsafe(String),
}

/// Waits for the template's word, taking its log meanwhile.
async fn readiness(
    template: &Template,
    limit: Duration,
    log: &mut Vec<u8>,
) -> Result<Readiness, Failure> {
    let ready = template.ready();
    tokio::pin!(ready);
    let deadline = tokio::time::sleep(limit);
    tokio::pin!(deadline);
    let mut chunk = vec![0; LOG_CHUNK];
    let mut open = true;
    let result = loop {
        tokio::select! {
            biased;
            word = &mut ready => break match word {
                Ok(word) => Ok(word),
                Err(_) => Err(died(template).await),
            },
            // Before the log: a flood of it must not hide the deadline.
            () = &mut deadline => {
                break Err(Failure::InitTimeout { seconds: limit.as_secs_f64() });
            }
            read = template.logs.read(&mut chunk), if open => match read {
                Ok(count) if count > 0 => keep_init_log(log, &chunk[..count]),
                _ => open = false,
            },
        }
    };
    template.logs.drain(|bytes| keep_init_log(log, bytes));
    result
}

async fn died(template: &Template) -> Failure {
    let exit = match template.exit_code().await {
        Some(code) => Exit::Code(code),
        None => Exit::Killed,
    };
    if template.out_of_memory() {
        Failure::OutOfMemory
    } else {
        Failure::Exited(exit)
    }
}
