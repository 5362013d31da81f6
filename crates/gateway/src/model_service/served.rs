//! A model that is served while its object may be replaced: the old one answers until
//! the new one has been read and has predicted a row.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::RwLock;
use tokio::sync::Semaphore;

use super::loaded::{Current, Loaded, Unfit};
use super::refusal::Refusal;
use super::source::ModelSource;
use super::state::{State, Step};

/// What the object of a model may have.
const MOST_BYTES: u64 = 256 * 1024 * 1024;
/// Models that are read at one time, by all routes: reading takes memory.
const LOADS: usize = 2;
static LOADING: Semaphore = Semaphore::const_new(LOADS);

/// How closely an object is followed.
#[derive(Debug, Clone, Copy)]
pub struct Freshness {
    /// A request that comes so long after the last look looks again.
    pub every: Duration,
    /// How long a request waits for a new object before the old one answers it.
    pub patience: Duration,
    /// How long the first requests wait, for which there is no old one.
    pub first: Duration,
}

/// One model, served from wherever it lies.
#[derive(Debug)]
pub struct ServedModel<S> {
    source: S,
    place: String,
    freshness: Freshness,
    state: RwLock<State>,
    /// Held by who looks and loads; one at a time.
    looking: Arc<tokio::sync::Mutex<()>>,
}

impl<S: ModelSource> ServedModel<S> {
    pub fn new(source: S, freshness: Freshness) -> Self {
        Self {
            place: source.place(),
            source,
            freshness,
            state: RwLock::default(),
            looking: Arc::default(),
        }
    }

    pub fn place(&self) -> &str {
        &self.place
    }

    /// Loads the model, if it can be loaded.
    pub async fn ready(self: &Arc<Self>) -> Result<(), String> {
        let current = self.current().await;
        current.map(|_| ()).map_err(|refusal| refusal.to_string())
    }

    /// The model that answers now. It may be that it is loaded first.
    pub(crate) async fn current(self: &Arc<Self>) -> Result<Current, Refusal> {
        let is_loaded = {
            let state = self.state.read();
            if state.is_fresh(Instant::now(), self.freshness.every) {
                return state.current(&self.place);
            }
            state.is_loaded()
        };
        let (turn, patience) = if is_loaded {
            // Somebody else looks: what is there serves.
            let Ok(turn) = Arc::clone(&self.looking).try_lock_owned() else {
                return self.state.read().current(&self.place);
            };
            (turn, self.freshness.patience)
        } else {
            let turn = Arc::clone(&self.looking).lock_owned();
            let turn = tokio::time::timeout(self.freshness.first, turn).await;
            let turn = turn.map_err(|_| Refusal::Busy)?;
            let state = self.state.read();
            if state.is_fresh(Instant::now(), self.freshness.every) {
                return state.current(&self.place);
            }
            (turn, self.freshness.first)
        };
        // A task of its own: a client that goes away does not end what others wait for.
        let served = Arc::clone(self);
        let task = tokio::spawn(async move {
            served.refresh().await;
            drop(turn);
        });
        let done = tokio::time::timeout(patience, task).await;
        if done.is_err() && !is_loaded {
            return Err(Refusal::Busy);
        }
        self.state.read().current(&self.place)
    }

    /// Looks at the object, and loads it if it is another one.
    async fn refresh(&self) {
        let found = self.source.look().await;
        let step = self.state.write().looked(found, Instant::now());
        if step == Step::Serve {
            return;
        }
        let _permit = LOADING.acquire().await;
        let (mark, bytes) = match self.source.fetch(MOST_BYTES).await {
            Ok(Some(fetched)) => fetched,
            Ok(None) => return self.state.write().lost(None, Instant::now()),
            Err(error) => {
                tracing::warn!(model = self.place, %error, "a model cannot be fetched");
                return self.state.write().lost(Some(&error), Instant::now());
            }
        };
        let size = bytes.len();
        let own = mark.clone();
        let read = tokio::task::spawn_blocking(move || Loaded::read(&bytes, own)).await;
        let read = read.unwrap_or_else(|_| Err(Unfit::Bad("reading it did not end".to_owned())));
        match &read {
            Ok(_) => tracing::info!(
                model = self.place,
                version = &*mark.version,
                size,
                "a model is served"
            ),
            Err(unfit) => tracing::warn!(
                model = self.place,
                version = &*mark.version,
                why = unfit.why(),
                "an object cannot be served as a model"
            ),
        }
        self.state.write().read(mark, read, Instant::now());
    }
}
