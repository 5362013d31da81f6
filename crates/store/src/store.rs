//! The store as a whole: opening it in the right order, and closing it.

use std::fmt;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::blobs::Blobs;
use crate::database::{self, Reader};
use crate::deliveries::Deliveries;
use crate::documents::Documents;
use crate::error::{OpenError, StoreError};
use crate::events::Events;
use crate::files::{Root, blocking, make_dir, make_private};
use crate::ledger::Ledger;
use crate::lock;
use crate::logs::Logs;
use crate::meters::Meters;
use crate::objects::{Objects, Shelf};
use crate::packages::Packages;
use crate::records::{Pruner, Records};
use crate::writer::{Commits, Writer};

/// What an acknowledged write has survived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// A loss of power: every acknowledged write is synced to the disk.
    #[default]
    Full,
    /// The end of the process, `kill -9` included, but not a loss of power.
    Relaxed,
}

/// An open data directory. One process at a time has it.
pub struct Store {
    root: Arc<Root>,
    writer: Arc<Writer>,
    documents: Documents,
    blobs: Arc<Blobs>,
    packages: Packages,
    events: Events,
    objects: Objects,
    deliveries: Deliveries,
    meters: Meters,
    records: Records,
    logs: Logs,
    shelf: Arc<Shelf>,
    lock: Mutex<Option<File>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("dir", &self.root.dir())
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the directory, made if it is not there, and clears away what an
    /// earlier process left half-made.
    pub fn open(dir: &Path, durability: Durability) -> Result<Store, OpenError> {
        make_dir(dir)?;
        let dir = dir.canonicalize().map_err(StoreError::io("find", dir))?;
        make_private(&dir)?;
        let lock = lock::take(&dir)?;
        let root = Arc::new(Root::new(dir.clone(), durability));
        root.empty_scratch()?;

        let connection = database::open_writer(&dir)?;
        let reader = Reader::open(Arc::clone(&root))?;
        let pruner = Pruner::new(&connection).map_err(StoreError::from)?;
        let keep = pruner.keep();
        let blobs = Arc::new(Blobs::open(Arc::clone(&root))?);
        let packages = Packages::open(Arc::clone(&root), Arc::clone(&blobs))?;
        let logs = Logs::open(Arc::clone(&root))?;
        let shelf = Shelf::open(Arc::clone(&root), &connection)?;
        let ledger = Ledger::load(&connection, Arc::clone(&shelf))?;
        let writer = Writer::start(connection, durability, pruner, ledger)
            .map_err(StoreError::io("start a thread for", &dir))?;
        let events = Events::load(reader.clone(), Arc::clone(&writer))?;
        let objects = Objects::new(
            reader.clone(),
            Arc::clone(&writer),
            Arc::clone(&shelf),
            events.clone(),
        );
        Ok(Self {
            documents: Documents::new(reader.clone(), Arc::clone(&writer)),
            blobs,
            packages,
            events,
            objects,
            deliveries: Deliveries::new(reader.clone(), Arc::clone(&writer)),
            meters: Meters::open(&root, reader.clone(), Arc::clone(&writer))?,
            records: Records::new(reader, Arc::clone(&writer), keep),
            logs,
            shelf,
            root,
            writer,
            lock: Mutex::new(Some(lock)),
        })
    }

    /// Where it is, as an absolute path.
    pub fn dir(&self) -> &Path {
        self.root.dir()
    }

    /// What writing to the database has taken so far.
    pub fn commits(&self) -> Commits {
        self.writer.commits()
    }

    pub fn documents(&self) -> &Documents {
        &self.documents
    }

    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    pub fn packages(&self) -> &Packages {
        &self.packages
    }

    pub fn events(&self) -> &Events {
        &self.events
    }

    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    pub fn deliveries(&self) -> &Deliveries {
        &self.deliveries
    }

    pub fn meters(&self) -> &Meters {
        &self.meters
    }

    pub fn records(&self) -> &Records {
        &self.records
    }

    pub fn logs(&self) -> &Logs {
        &self.logs
    }

    /// Writes what is buffered and lets go of the directory. Later calls fail.
    pub async fn close(&self) {
        self.root.close();
        self.writer.close().await;
        self.logs.close().await;
        let shelf = Arc::clone(&self.shelf);
        let closed = blocking(move || {
            shelf.close();
            Ok::<_, StoreError>(())
        });
        // Without a runtime that can do it, dropping the store does.
        let _ = closed.await;
        self.lock.lock().take();
    }
}

impl Drop for Store {
    /// As `close`, for who forgot it.
    fn drop(&mut self) {
        self.root.close();
        self.writer.close_now();
        self.logs.close_now();
        self.shelf.close();
    }
}
