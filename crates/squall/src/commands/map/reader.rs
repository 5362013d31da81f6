//! From an input to items in memory, or on disk what of them does not fit there.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use map::format::FileFormat;
use science::items::{Collected, Columns, Wanted};

use super::recipe::Recipe;
use super::source::{self, Source};
use super::target;
use crate::args::Global;
use crate::failure::Failure;
use crate::progress::Progress;

const MEMORY: u64 = 2 << 30;

/// Brings the data into memory, or what of it fits there.
pub struct Reader<'a> {
    global: &'a Global,
    recipe: &'a Recipe,
    scratch: PathBuf,
    quiet: bool,
}

impl<'a> Reader<'a> {
    pub fn new(global: &'a Global, recipe: &'a Recipe, quiet: bool) -> Self {
        Self {
            global,
            recipe,
            scratch: source::scratch(global),
            quiet,
        }
    }

    /// Opens the input and reads it.
    pub async fn first(&self, columns: &Columns) -> Result<(Source, Collected), Failure> {
        let progress = Progress::of(1, 0, self.recipe.shown_input(), self.quiet);
        let client = || target::client(self.global, self.recipe);
        let format = self.recipe.choices.input_format.map(FileFormat::from);
        let source = source::open(&self.recipe.input, format, &self.scratch, client, &progress);
        let source = source.await;
        progress.clear();
        let source = source?;
        let data = self.collect(&source, columns).await?;
        Ok((source, data))
    }

    /// Reads what was opened, perhaps not for the first time.
    pub async fn collect(&self, source: &Source, columns: &Columns) -> Result<Collected, Failure> {
        let choices = &self.recipe.choices;
        let wanted = Wanted {
            by: choices.by.clone(),
            columns: columns.clone(),
            threads: choices.parallel.unwrap_or_else(|| {
                std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
            }),
            memory: choices.memory.unwrap_or(MEMORY),
            scratch: self.scratch.clone(),
        };
        let name = self.recipe.shown_input().to_owned();
        let progress = Progress::of(1, source.size.unwrap_or(0), &name, self.quiet);
        let (input, watched) = (source.input.clone(), Arc::clone(&progress));
        let collected = tokio::task::spawn_blocking(move || {
            input.collect(&wanted, &|bytes| watched.add(bytes))
        })
        .await;
        progress.clear();
        let collected = collected.map_err(|error| Failure::from(anyhow::anyhow!(error)))?;
        collected.map_err(|error| source::bad_input(&name, error))
    }
}
