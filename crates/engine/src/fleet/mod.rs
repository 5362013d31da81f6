//! The instances of one function version. [`core`] decides; this module does
//! what it decides: starts, hands out and ends instances.

mod core;
mod start;
mod template_slot;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::oneshot;
use types::{FunctionVersion, Timestamp};
use watch::metrics::FunctionMeter;

use self::core::{Core, Effect, Event, InstanceId, Ticket};
use self::template_slot::TemplateSlot;
use crate::context::Context;
use crate::failure::{Failure, StartFailure};
use crate::instance::{Instance, StartKind};

pub(crate) use template_slot::TemplateState;

/// What a listing says of one instance.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) pid: i32,
    pub(crate) start: StartKind,
    pub(crate) born: Timestamp,
    pub(crate) log_stream: Arc<str>,
    pub(crate) busy: bool,
    pub(crate) served: u64,
}

/// The instances of one state of one version, and the template they come from.
#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) version: Arc<FunctionVersion>,
    /// Without account and region this cannot be written; so it is kept.
    pub(crate) arn: String,
    /// On which its invocations are counted.
    pub(crate) meter: Arc<FunctionMeter>,
    context: Arc<Context>,
    template: TemplateSlot,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    core: Core,
    idle: HashMap<InstanceId, Box<Instance>>,
    waiting: HashMap<Ticket, oneshot::Sender<Result<Given, StartFailure>>>,
    facts: HashMap<InstanceId, Facts>,
    next_ticket: Ticket,
    last_used: Instant,
}

type Given = (InstanceId, Box<Instance>);

impl Fleet {
    pub(crate) fn new(version: Arc<FunctionVersion>, arn: String, context: Arc<Context>) -> Self {
        let session = context.iam.function_session(&version.role, &version.name);
        let template = TemplateSlot::new(&version, session);
        let meter = context.settings.watch.metrics().function(&version.name);
        Self {
            meter,
            version,
            arn,
            context,
            template,
            state: Mutex::new(State {
                core: Core::default(),
                idle: HashMap::new(),
                waiting: HashMap::new(),
                facts: HashMap::new(),
                next_ticket: 0,
                last_used: Instant::now(),
            }),
        }
    }

    /// An instance for one invocation: a warm one, or the first that gets free.
    pub(crate) async fn checkout(self: &Arc<Self>) -> Result<Lease, StartFailure> {
        loop {
            let mut lease = self.next_lease().await?;
            // One that ended while it rested is not the invocation's fault.
            if lease.instance().process.is_alive() {
                return Ok(lease);
            }
        }
    }

    async fn next_lease(self: &Arc<Self>) -> Result<Lease, StartFailure> {
        let (receiver, effects) = {
            let mut state = self.state.lock();
            state.last_used = Instant::now();
            let ticket = state.next_ticket;
            state.next_ticket += 1;
            let effects = state.core.step(Event::Arrive(ticket), Instant::now());
            if let [Effect::Give(_, id)] = effects[..] {
                let instance = state.take(id);
                drop(state);
                return Ok(Lease::new(self, (id, instance)));
            }
            let (sender, receiver) = oneshot::channel();
            state.waiting.insert(ticket, sender);
            (
                Waiting {
                    fleet: self,
                    ticket,
                    receiver,
                },
                effects,
            )
        };
        self.perform(effects, None);
        receiver.given().await.map(|given| Lease::new(self, given))
    }

    /// Makes ready what the first invocation will need.
    pub(crate) async fn prepare(self: Arc<Self>) {
        if let Err(failure) = self.template.get(&self.version, &self.context).await {
            tracing::debug!(function = %self.version.name, ?failure, "no template");
        }
    }

    pub(crate) fn set_minimum(self: &Arc<Self>, count: u32) {
        self.step(Event::Minimum(count));
    }

    pub(crate) fn tick(self: &Arc<Self>, idle: Duration) {
        self.step(Event::Tick { idle });
    }

    /// No new work comes: what rests is ended, what is busy may finish.
    pub(crate) fn close(self: &Arc<Self>) {
        self.step(Event::Close);
        if self.is_empty() {
            self.template.clear();
        }
    }

    /// Whether no instance lives or is on its way.
    pub(crate) fn is_empty(&self) -> bool {
        self.state.lock().core.is_empty()
    }

    /// Alive and not being started: what provisioned concurrency counts.
    pub(crate) fn ready_count(&self) -> u32 {
        let counts = self.state.lock().core.counts();
        u32::try_from(counts.idle + counts.busy).unwrap_or(u32::MAX)
    }

    pub(crate) fn last_used(&self) -> Instant {
        self.state.lock().last_used
    }

    /// Whether the template and everything forked from it can go unnoticed.
    pub(crate) fn is_resting(&self) -> bool {
        let counts = self.state.lock().core.counts();
        counts.busy == 0 && counts.starting == 0
    }

    /// Ends the template and the resting instances; the next invocation makes
    /// them anew.
    pub(crate) fn evict(self: &Arc<Self>) {
        self.step(Event::Tick {
            idle: Duration::ZERO,
        });
        if self.is_empty() {
            self.template.clear();
        }
    }

    pub(crate) fn facts(&self) -> Vec<Facts> {
        self.state.lock().facts.values().cloned().collect()
    }

    pub(crate) fn template_state(&self) -> TemplateState {
        self.template.state()
    }

    fn step(self: &Arc<Self>, event: Event) {
        let effects = self.state.lock().core.step(event, Instant::now());
        self.perform(effects, None);
    }

    /// Carries out decisions; `failure` is what a failed start has to say.
    fn perform(self: &Arc<Self>, effects: Vec<Effect>, failure: Option<&StartFailure>) {
        let mut effects = std::collections::VecDeque::from(effects);
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Start(id) => {
                    let fleet = Arc::clone(self);
                    self.context
                        .tasks
                        .spawn(async move { fleet.start(id).await });
                }
                Effect::Give(ticket, id) => effects.extend(self.give(ticket, id)),
                Effect::Fail(ticket) => {
                    let sender = self.state.lock().waiting.remove(&ticket);
                    let failure = failure.cloned().unwrap_or_else(|| {
                        Failure::Sandbox("an instance could not be started".to_owned()).into()
                    });
                    // Who has left does not mind.
                    let _ = sender.map(|sender| sender.send(Err(failure)));
                }
                Effect::End(id) => {
                    let mut state = self.state.lock();
                    state.facts.remove(&id);
                    let instance = state.idle.remove(&id);
                    drop(state);
                    // Its process ends with it.
                    drop(instance);
                }
            }
        }
    }

    /// Hands an instance to who waits; where nobody does any more it is free again.
    fn give(&self, ticket: Ticket, id: InstanceId) -> Vec<Effect> {
        let mut state = self.state.lock();
        let instance = state.take(id);
        let Some(sender) = state.waiting.remove(&ticket) else {
            state.put(id, instance);
            return state.core.step(Event::Released(id), Instant::now());
        };
        if let Err(Ok((id, instance))) = sender.send(Ok((id, instance))) {
            state.put(id, instance);
            return state.core.step(Event::Released(id), Instant::now());
        }
        vec![]
    }

    async fn start(self: Arc<Self>, id: InstanceId) {
        let made = start::instance(&self.version, &self.template, &self.context).await;
        let (effects, failure) = {
            let mut state = self.state.lock();
            match made {
                Ok(instance) => {
                    state.facts.insert(id, facts(&instance));
                    state.put(id, Box::new(instance));
                    (state.core.step(Event::Started(id), Instant::now()), None)
                }
                Err(failure) => {
                    let effects = state.core.step(Event::StartFailed(id), Instant::now());
                    (effects, Some(failure))
                }
            }
        };
        self.perform(effects, failure.as_ref());
    }

    fn release(self: &Arc<Self>, id: InstanceId, instance: Option<Box<Instance>>) {
        let effects = {
            let mut state = self.state.lock();
            if let Some(instance) = instance {
                state.put(id, instance);
                state.core.step(Event::Released(id), Instant::now())
            } else {
                state.facts.remove(&id);
                state.core.step(Event::Gone(id), Instant::now())
            }
        };
        self.perform(effects, None);
    }
}

impl State {
    fn take(&mut self, id: InstanceId) -> Box<Instance> {
        if let Some(facts) = self.facts.get_mut(&id) {
            facts.busy = true;
            facts.served += 1;
        }
        self.idle
            .remove(&id)
            .expect("the core gives only instances that rest here")
    }

    fn put(&mut self, id: InstanceId, instance: Box<Instance>) {
        if let Some(facts) = self.facts.get_mut(&id) {
            facts.busy = false;
        }
        self.idle.insert(id, instance);
    }
}

fn facts(instance: &Instance) -> Facts {
    Facts {
        pid: instance.process.pid(),
        start: instance.start,
        born: instance.born,
        log_stream: Arc::clone(&instance.log.stream),
        busy: false,
        served: 0,
    }
}

/// A place in the queue; given up when its invocation is dropped.
struct Waiting<'a> {
    fleet: &'a Arc<Fleet>,
    ticket: Ticket,
    receiver: oneshot::Receiver<Result<Given, StartFailure>>,
}

impl Waiting<'_> {
    async fn given(mut self) -> Result<Given, StartFailure> {
        match (&mut self.receiver).await {
            Ok(given) => given,
            Err(_) => Err(Failure::Sandbox("the engine is shutting down".to_owned()).into()),
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.fleet.state.lock();
        if state.waiting.remove(&self.ticket).is_some() {
            state.core.step(Event::Leave(self.ticket), Instant::now());
        }
    }
}

/// An instance on loan. Given back alive it serves again; dropped, it ends.
#[derive(Debug)]
pub(crate) struct Lease {
    fleet: Arc<Fleet>,
    id: InstanceId,
    instance: Option<Box<Instance>>,
}

impl Lease {
    fn new(fleet: &Arc<Fleet>, (id, instance): Given) -> Self {
        Self {
            fleet: Arc::clone(fleet),
            id,
            instance: Some(instance),
        }
    }

    pub(crate) fn instance(&mut self) -> &mut Instance {
        self.instance
            .as_mut()
            .expect("a lease holds its instance until it is given back")
    }

    pub(crate) fn give_back(mut self) {
        let instance = self.instance.take();
        self.fleet.release(self.id, instance);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(instance) = self.instance.take() {
            drop(instance);
            self.fleet.release(self.id, None);
        }
    }
}
