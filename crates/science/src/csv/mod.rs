//! CSV as pandas' `read_csv` understands it with its default options: commas, double
//! quotes that are special only at the beginning of a field, lines that end in LF,
//! CRLF or CR, empty lines skipped, short rows filled up with missing values.

mod blocks;
mod header;
mod marks;
mod number;
mod record;

pub use blocks::{Block, Blocks};
pub use header::{Header, names, record, skip_blank};
pub use marks::mark;
pub use number::{Number, flag, float, integer, is_missing, load, number, short_number};
pub use record::{End, field};
