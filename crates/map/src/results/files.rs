//! Tables as Parquet and Arrow.

use std::borrow::Cow;
use std::io::Write;

use columnar::{Error, Field};
use types::table::{Texts, Values};

use super::cells::Cells;
use super::text::shown;
use super::{Table, WriteError};
use crate::format::FileFormat;

pub fn write(
    table: &Table,
    format: FileFormat,
    out: &mut (impl Write + Send),
) -> Result<(), WriteError> {
    let plain: Vec<_> = table.columns.iter().map(|it| plain(&it.cells)).collect();
    let fields = table.columns.iter().zip(&plain);
    let fields: Vec<_> = fields
        .map(|(column, (values, missing))| Field {
            name: &column.name,
            values,
            missing,
        })
        .collect();
    let written = match format {
        FileFormat::Parquet => columnar::write_parquet(&fields, out),
        _ => columnar::write_arrow(&fields, out),
    };
    written.map_err(|error| match error {
        Error::Write(error) => WriteError::Write(error),
        error => WriteError::Columnar(error),
    })
}

/// Values, and which of them are missing. What has no one type is text, as in CSV.
fn plain(cells: &Cells) -> (Cow<'_, Values>, Vec<bool>) {
    match cells {
        Cells::Plain(values) => (Cow::Borrowed(values), Vec::new()),
        Cells::Flags(values) => {
            let missing = values.iter().map(Option::is_none).collect();
            let values = values.iter().map(|value| value.unwrap_or_default());
            (Cow::Owned(Values::Booleans(values.collect())), missing)
        }
        Cells::Mixed(texts) => {
            let mut plain = Texts::default();
            for row in 0..texts.len() {
                plain.push(shown(cells.cell(row)).as_deref());
            }
            (Cow::Owned(Values::Texts(plain)), Vec::new())
        }
    }
}
