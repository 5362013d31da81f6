//! A table as the source of a fit, which goes over it several times: what fits into
//! memory is kept there, what does not is read again.

use std::ops::ControlFlow;
use std::sync::Arc;

use parking_lot::Mutex;

use super::error::InputError;
use super::table::{Data, Table};
use crate::fit::{FitError, Source};
use crate::frame::{Column, Frame};

/// A table whose columns were looked at as far as they were asked for.
#[derive(Debug)]
pub struct Rows {
    table: Table,
    /// Bytes of columns that may be kept.
    budget: u64,
    last: Mutex<Option<Arc<Looked>>>,
}

/// Some columns, and all of their rows if there is room.
#[derive(Debug)]
struct Looked {
    names: Vec<Arc<str>>,
    data: Data,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
enum Kept {
    /// Nobody has gone over them.
    #[default]
    Nothing,
    All(Arc<Vec<Frame>>),
    /// They are too many.
    TooMuch,
}

impl Rows {
    pub fn new(table: Table, budget: u64) -> Self {
        Self {
            table,
            budget,
            last: Mutex::default(),
        }
    }

    fn look(&self, names: &[Arc<str>]) -> Result<Arc<Looked>, InputError> {
        let mut last = self.last.lock();
        if let Some(looked) = &*last
            && looked.names == names
        {
            return Ok(Arc::clone(looked));
        }
        // Both at once would be more than there is room for.
        *last = None;
        let looked = Arc::new(Looked {
            names: names.to_vec(),
            data: self.table.survey(names)?,
            kept: Mutex::default(),
        });
        Ok(Arc::clone(last.insert(looked)))
    }
}

impl Source for Rows {
    fn columns(&self) -> Result<Vec<Arc<str>>, FitError> {
        self.table.names().map_err(|error| read(&error))
    }

    fn blocks(
        &self,
        names: &[Arc<str>],
        each: &mut dyn FnMut(&Frame) -> Result<(), FitError>,
    ) -> Result<(), FitError> {
        let looked = self.look(names).map_err(|error| read(&error))?;
        let known = match &*looked.kept.lock() {
            Kept::All(frames) => Some(Arc::clone(frames)),
            Kept::Nothing | Kept::TooMuch => None,
        };
        if let Some(frames) = known {
            return frames.iter().try_for_each(each);
        }
        let mut keeping = match &*looked.kept.lock() {
            Kept::Nothing => ControlFlow::Continue((0, Vec::new())),
            Kept::All(_) | Kept::TooMuch => ControlFlow::Break(()),
        };
        if looked.data.rows() == 0 {
            return each(&looked.data.none());
        }
        for frame in looked.data.blocks().map_err(|error| read(&error))? {
            let frame = frame.map_err(|error| read(&error))?;
            each(&frame)?;
            if let ControlFlow::Continue((bytes, frames)) = &mut keeping {
                *bytes += bytes_of(&frame);
                frames.push(frame);
                if *bytes > self.budget {
                    keeping = ControlFlow::Break(());
                }
            }
        }
        *looked.kept.lock() = match keeping {
            ControlFlow::Continue((_, frames)) => Kept::All(Arc::new(frames)),
            ControlFlow::Break(()) => Kept::TooMuch,
        };
        Ok(())
    }
}

/// Data that cannot be read, with the cause.
fn read(error: &InputError) -> FitError {
    let mut told = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        let next_told = next.to_string();
        if !told.contains(&next_told) {
            told = format!("{told}: {next_told}");
        }
        cause = next.source();
    }
    FitError::Read(told)
}

fn bytes_of(frame: &Frame) -> u64 {
    let column = |column: &Column| match column {
        Column::Number(values) => size_of_val(&**values),
        Column::Logical(values) => size_of_val(&**values),
        Column::Text(codes) | Column::Factor { codes, .. } => {
            size_of_val(&*codes.of_rows) + size_of_val(&*codes.values)
        }
    };
    let columns = frame.columns().iter();
    columns.map(|(_, values)| column(values) as u64).sum()
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn what_fits_into_memory_is_read_no_more_than_it_must_be() {
        for (budget, opened) in [(1 << 20, 3), (10, 6)] {
            let opens = Arc::new(AtomicU32::new(0));
            let count = Arc::clone(&opens);
            let rows = Rows::new(
                Table::csv(move || {
                    count.fetch_add(1, Ordering::Relaxed);
                    let text: &'static [u8] = b"x,f\n1,a\n2,b\n3,a\n";
                    let reader: Box<dyn Read + Send> = Box::new(text);
                    Ok(reader)
                }),
                budget,
            );
            for _ in 0..4 {
                let mut seen = 0;
                let names = ["f".into(), "x".into()];
                rows.blocks(&names, &mut |frame| {
                    seen += frame.rows();
                    assert!(matches!(frame.get("f"), Some(Column::Text(codes)) if codes.values.len() == 2));
                    Ok(())
                })
                .unwrap();
                assert_eq!(seen, 3);
            }
            // Names, a look, and either one pass or all four.
            assert_eq!(opens.load(Ordering::Relaxed), opened);
        }
        let table = Table::csv(|| Ok(Box::new(&b"x,f\n"[..])));
        let rows = Rows::new(table, 0);
        let mut seen = 0;
        rows.blocks(&["x".into()], &mut |frame| {
            seen += frame.columns().len();
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, 1);
        let table = Table::csv(|| Err(std::io::Error::other("gone")));
        let error = Rows::new(table, 0).columns().unwrap_err();
        assert_eq!(error.to_string(), "cannot read the data: gone");
    }
}
