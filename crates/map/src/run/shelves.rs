//! Brings a shelf into memory, with what is known of it.

use std::sync::Arc;

use science::items::{Collected, Shelf};
use serde_json::value::RawValue;

use crate::core::Item;
use crate::journal::Journal;
use crate::payload::{self, Shape};

use super::RunError;

/// A shelf that was loaded.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) shelf: Arc<Shelf>,
    /// What has to be run.
    pub(super) items: Vec<Item>,
    /// What need not, by rank.
    pub(super) known: Vec<(u32, Box<RawValue>)>,
}

/// Reads files and hashes items: not for async threads. `wanted` says by rank which
/// items may be run, all if None.
pub(super) fn load(
    data: &Collected,
    journal: &Journal,
    index: usize,
    shape: Shape,
    wanted: Option<&[bool]>,
) -> Result<Loaded, RunError> {
    let shelf = data.shelf(index)?;
    let results = journal.known(data, &shelf).map_err(RunError::Journal)?;
    let mut items = Vec::with_capacity(shelf.ranks.len());
    let mut known = Vec::new();
    let mut results = results.into_iter();
    for (place, rank) in (0..).zip(&shelf.ranks) {
        if let Some(result) = results.next().flatten() {
            known.push((*rank, result));
        } else if wanted.is_none_or(|wanted| wanted[*rank as usize]) {
            let bytes = payload::encoded_size(data, &shelf, place, shape);
            items.push(Item::new(place, bytes));
        }
    }
    Ok(Loaded {
        shelf,
        items,
        known,
    })
}
