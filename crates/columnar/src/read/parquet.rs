//! Parquet files by the library, after what it takes on trust was looked at.

use arrow_schema::Schema;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::{ColumnChunkMetaData, PageIndexPolicy, ParquetMetaData};

use super::plan::{self, Plan};
use super::{ROWS, Records, Wanted, pages};
use crate::{Error, Format, Source};

/// What a Parquet file begins and ends with.
const MAGIC: &[u8; 4] = b"PAR1";
/// Of a file that nobody but its owner can read.
const ENCRYPTED: &[u8; 4] = b"PARE";
/// The last bytes: the length of the description before them, and the mark.
const TAIL: usize = 8;

/// A file whose description was read.
pub struct Opened {
    source: Source,
    limit: u64,
    metadata: ArrowReaderMetadata,
}

impl Opened {
    pub fn new(source: &Source, wanted: &Wanted) -> Result<Self, Error> {
        let format = Format::Parquet;
        let length = source.length();
        if length < (TAIL + MAGIC.len()) as u64 {
            let why = "is too short";
            return Err(Error::NotIt { format, why });
        }
        let mut tail = [0; TAIL];
        source
            .read_at(length - TAIL as u64, &mut tail)
            .map_err(Error::Read)?;
        let (size, mark) = tail.split_at(4);
        if mark == ENCRYPTED {
            let why = "is encrypted";
            return Err(Error::NotIt { format, why });
        }
        if mark != MAGIC {
            let why = "does not end as one";
            return Err(Error::NotIt { format, why });
        }
        let size = u32::from_le_bytes(size.try_into().expect("it was cut to four bytes"));
        limited(u64::from(size), wanted.limit)?;
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Skip);
        let metadata =
            ArrowReaderMetadata::load(source, options).map_err(Error::reading_parquet)?;
        check(metadata.metadata(), length)?;
        Ok(Self {
            source: source.clone(),
            limit: wanted.limit,
            metadata,
        })
    }

    pub fn schema(&self) -> &Schema {
        self.metadata.schema()
    }

    /// Finds out whether values are missing: from the statistics in the file, or, where
    /// they do not tell, from the values.
    pub fn settle(&self, plans: &mut [Plan]) -> Result<(), Error> {
        let groups = self.metadata.metadata().row_groups();
        let schema = self.metadata.parquet_schema();
        for plan in plans.iter_mut().filter(|plan| plan.doubtful && !plan.large) {
            let leaf = (0..schema.num_columns())
                .find(|leaf| schema.get_column_root_idx(*leaf) == plan.index);
            let Some(leaf) = leaf else { continue };
            let missing = |group: &parquet::file::metadata::RowGroupMetaData| {
                group.column(leaf).statistics()?.null_count_opt()
            };
            let missing: Option<Vec<u64>> = groups.iter().map(missing).collect();
            if let Some(missing) = missing {
                plan.doubtful = false;
                if missing.iter().any(|missing| *missing > 0) {
                    plan.with_missing();
                }
            }
        }
        let doubtful = plan::doubtful(plans);
        if doubtful.is_empty() {
            return Ok(());
        }
        plan::settle(plans, &doubtful, self.records(&doubtful)?)
    }

    /// Columns by their places in the file, in that order.
    pub fn records(&self, roots: &[usize]) -> Result<Records, Error> {
        self.look_at_pages(roots)?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(
            self.source.clone(),
            self.metadata.clone(),
        );
        let mask = ProjectionMask::roots(builder.parquet_schema(), roots.iter().copied());
        let reader = builder.with_projection(mask).with_batch_size(ROWS);
        let reader = reader.build().map_err(Error::reading_parquet)?;
        // The library has them in the order of the file.
        let mut sorted = roots.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let places: Vec<_> = roots
            .iter()
            .map(|root| sorted.partition_point(|other| other < root))
            .collect();
        Ok(Box::new(reader.map(move |batch| {
            let batch = batch.and_then(|batch| batch.project(&places));
            batch.map_err(|error| Error::reading_parquet(error.into()))
        })))
    }
}

impl Opened {
    /// Refuses pages that are larger than what may be in memory.
    fn look_at_pages(&self, roots: &[usize]) -> Result<(), Error> {
        let schema = self.metadata.parquet_schema();
        let leaves = (0..schema.num_columns())
            .filter(|leaf| roots.contains(&schema.get_column_root_idx(*leaf)));
        for leaf in leaves {
            for group in self.metadata.metadata().row_groups() {
                let (start, length) = group.column(leaf).byte_range();
                let largest = pages::largest(&self.source, start, start + length);
                limited(largest, self.limit)?;
            }
        }
        Ok(())
    }
}

fn limited(bytes: u64, limit: u64) -> Result<(), Error> {
    let format = Format::Parquet;
    if bytes <= limit {
        return Ok(());
    }
    Err(Error::TooLarge {
        format,
        bytes,
        limit,
    })
}

/// The library adds up what the file says of its parts, and asserts that it is sane.
fn check(metadata: &ParquetMetaData, length: u64) -> Result<(), Error> {
    let format = Format::Parquet;
    let damaged = |detail| Err(Error::Damaged { format, detail });
    let mut rows = 0_i64;
    for group in metadata.row_groups() {
        let sum = rows.checked_add(group.num_rows());
        let Some(sum) = sum.filter(|_| group.num_rows() >= 0) else {
            return damaged("the number of its rows is impossible");
        };
        rows = sum;
        if !group.columns().iter().all(|column| lies_in(column, length)) {
            return damaged("a column is said to lie outside of it");
        }
    }
    Ok(())
}

fn lies_in(column: &ColumnChunkMetaData, length: u64) -> bool {
    let start = column.dictionary_page_offset();
    let start = start.unwrap_or_else(|| column.data_page_offset());
    let end = u64::try_from(start)
        .and_then(|start| Ok(start.checked_add(u64::try_from(column.compressed_size())?)));
    column.num_values() >= 0 && matches!(end, Ok(Some(end)) if end <= length)
}
