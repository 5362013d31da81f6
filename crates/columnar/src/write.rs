//! Columns into Parquet and Arrow files.

use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array};
use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_buffer::NullBuffer;
use arrow_ipc::writer::FileWriter;
use arrow_schema::{DataType, Field as ArrowField, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use types::table::{Texts, Values};

use crate::{Error, Format};

/// Rows that are handed to the library at once, at most.
const ROWS: usize = 64 * 1024;
/// Bytes of text that are handed to it at once in one column, if they are in more
/// than one row. Far below the 2 GB that it has numbers for.
const TEXT: usize = 64 * 1024 * 1024;

/// A column to be written.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    pub name: &'a str,
    pub values: &'a Values,
    /// Which values are missing, beside the floats that are not numbers and text that
    /// is missing by itself. Empty if none are; else one for each row.
    pub missing: &'a [bool],
}

/// Writes a Parquet file, packed by zstd. All columns must have the same length, and
/// names of their own. Memory for a group of rows, packed, is taken in between.
pub fn write_parquet(fields: &[Field], out: impl Write + Send) -> Result<(), Error> {
    let packed = Compression::ZSTD(ZstdLevel::default());
    let properties = WriterProperties::builder()
        .set_compression(packed)
        .set_created_by(concat!("squall ", env!("CARGO_PKG_VERSION")).to_owned())
        .build();
    let schema = schema(fields);
    let mut writer = ArrowWriter::try_new(out, schema.clone(), Some(properties))
        .map_err(Error::writing_parquet)?;
    for rows in cuts(fields) {
        let batch = batch(fields, rows, &schema, Format::Parquet)?;
        writer.write(&batch).map_err(Error::writing_parquet)?;
    }
    writer.close().map_err(Error::writing_parquet)?;
    Ok(())
}

/// Writes a file of Arrow IPC, not packed, so that every reader knows it and can map it
/// into memory.
pub fn write_arrow(fields: &[Field], out: impl Write) -> Result<(), Error> {
    let schema = schema(fields);
    let mut writer = FileWriter::try_new(out, &schema).map_err(Error::writing_arrow)?;
    for rows in cuts(fields) {
        let batch = batch(fields, rows, &schema, Format::Arrow)?;
        writer.write(&batch).map_err(Error::writing_arrow)?;
    }
    writer.finish().map_err(Error::writing_arrow)
}

fn schema(fields: &[Field]) -> SchemaRef {
    let field = |field: &Field| {
        let kind = match field.values {
            Values::Integers(_) => DataType::Int64,
            Values::Floats(_) => DataType::Float64,
            Values::Booleans(_) => DataType::Boolean,
            Values::Texts(_) => DataType::Utf8,
        };
        ArrowField::new(field.name, kind, true)
    };
    Arc::new(Schema::new(fields.iter().map(field).collect::<Vec<_>>()))
}

/// The rows, in parts that are not too large.
fn cuts<'a>(fields: &[Field<'a>]) -> impl Iterator<Item = Range<usize>> + use<'a> {
    let rows = fields.first().map_or(0, |field| field.values.len());
    let texts = fields.iter().filter_map(|field| match field.values {
        Values::Texts(texts) => Some(texts),
        _ => None,
    });
    let texts: Vec<&Texts> = texts.collect();
    let mut start = 0;
    std::iter::from_fn(move || {
        let most = rows.min(start + ROWS);
        let mut sizes = vec![0; texts.len()];
        let mut end = start;
        while end < most {
            for (size, texts) in sizes.iter_mut().zip(&texts) {
                *size += texts.get(end).map_or(0, str::len);
            }
            if end > start && sizes.iter().any(|size| *size > TEXT) {
                break;
            }
            end += 1;
        }
        let cut = start..end;
        start = end;
        (!cut.is_empty()).then_some(cut)
    })
}

fn batch(
    fields: &[Field],
    rows: Range<usize>,
    schema: &SchemaRef,
    format: Format,
) -> Result<RecordBatch, Error> {
    let arrays = fields
        .iter()
        .map(|field| array(field, rows.clone(), format));
    let arrays = arrays.collect::<Result<_, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(schema.clone(), arrays, &options).map_err(
        |error| match format {
            Format::Parquet => Error::writing_parquet(error.into()),
            Format::Arrow => Error::writing_arrow(error),
        },
    )
}

fn array(field: &Field, rows: Range<usize>, format: Format) -> Result<ArrayRef, Error> {
    let missing = |row: usize| field.missing.get(row).is_some_and(|missing| *missing);
    let valid = rows.clone().map(|row| !missing(row));
    let nulls = (!field.missing.is_empty()).then(|| valid.collect::<NullBuffer>());
    Ok(match field.values {
        Values::Integers(values) => Arc::new(Int64Array::new(values[rows].to_vec().into(), nulls)),
        Values::Floats(values) => {
            let valid = |row: usize| !values[row].is_nan() && !missing(row);
            // As pandas writes them: what is not a number is missing.
            let nulls = rows.clone().map(valid).collect::<NullBuffer>();
            Arc::new(Float64Array::new(
                values[rows].to_vec().into(),
                (nulls.null_count() > 0).then_some(nulls),
            ))
        }
        Values::Booleans(values) => Arc::new(BooleanArray::new(values[rows].into(), nulls)),
        Values::Texts(texts) => {
            let value = |row| texts.get(row).filter(|_| !missing(row));
            let bytes: usize = rows.clone().filter_map(value).map(str::len).sum();
            if i32::try_from(bytes).is_err() {
                return Err(Error::TooLarge {
                    format,
                    bytes: bytes as u64,
                    limit: u64::from(i32::MAX.unsigned_abs()),
                });
            }
            let mut builder = StringBuilder::with_capacity(rows.len(), bytes);
            rows.map(value).for_each(|text| builder.append_option(text));
            Arc::new(builder.finish())
        }
    })
}
