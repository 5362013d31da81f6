//! Tables as text: CSV as pandas' `to_csv` writes it, and lines of JSON.

use std::io::{self, Write};

use science::csv_text::{FloatText, write_text};

use super::Table;
use super::cells::{Cell, Cells, Shown, unquoted};

/// Text is put together in memory until there is so much of it.
const PIECE: usize = 64 * 1024;

/// Puts text into a writer, a piece at a time.
struct Pieces<'w, W> {
    out: &'w mut W,
    text: Vec<u8>,
    floats: FloatText,
}

impl<'w, W: Write> Pieces<'w, W> {
    fn new(out: &'w mut W) -> Self {
        Self {
            out,
            text: Vec::with_capacity(2 * PIECE),
            floats: FloatText::default(),
        }
    }

    fn end_of_row(&mut self) -> io::Result<()> {
        self.text.push(b'\n');
        if self.text.len() < PIECE {
            return Ok(());
        }
        self.out.write_all(&self.text)?;
        self.text.clear();
        Ok(())
    }

    fn finish(self) -> io::Result<()> {
        self.out.write_all(&self.text)?;
        self.out.flush()
    }
}

pub fn csv(table: &Table, out: &mut impl Write) -> io::Result<()> {
    let mut pieces = Pieces::new(out);
    for (at, column) in table.columns.iter().enumerate() {
        if at > 0 {
            pieces.text.push(b',');
        }
        write_text(&mut pieces.text, column.name.as_bytes())?;
    }
    pieces.end_of_row()?;
    for row in 0..table.rows {
        for (at, column) in table.columns.iter().enumerate() {
            if at > 0 {
                pieces.text.push(b',');
            }
            pieces.csv_cell(column.cells.cell(row))?;
        }
        // Else the line would be empty, and readers would not count it.
        if let [only] = table.columns.as_slice()
            && is_blank(only.cells.cell(row))
        {
            pieces.text.extend_from_slice(b"\"\"");
        }
        pieces.end_of_row()?;
    }
    pieces.finish()
}

fn is_blank(cell: Shown) -> bool {
    matches!(cell, Shown::Missing | Shown::Text("") | Shown::Json("\"\""))
}

impl<W: Write> Pieces<'_, W> {
    fn csv_cell(&mut self, cell: Shown) -> io::Result<()> {
        match cell {
            Shown::Missing => Ok(()),
            Shown::Integer(value) => write!(self.text, "{value}"),
            Shown::Float(value) => {
                self.text.extend_from_slice(self.floats.of(value));
                Ok(())
            }
            Shown::Boolean(value) => self.text.write_all(if value { b"True" } else { b"False" }),
            Shown::Text(text) => write_text(&mut self.text, text.as_bytes()),
            Shown::Json(json) => match Cell::of(json) {
                Cell::Missing => Ok(()),
                Cell::Integer(value) => self.csv_cell(Shown::Integer(value)),
                Cell::Float(value) => self.csv_cell(Shown::Float(value)),
                Cell::Boolean(value) => self.csv_cell(Shown::Boolean(value)),
                Cell::Text(json) => self.csv_cell(Shown::Text(&unquoted(json))),
                Cell::Wide(json) | Cell::Nested(json) => self.csv_cell(Shown::Text(json)),
            },
        }
    }

    fn json_cell(&mut self, cell: Shown) -> io::Result<()> {
        match cell {
            Shown::Integer(value) => write!(self.text, "{value}"),
            Shown::Float(value) if value.is_finite() => {
                self.text.extend_from_slice(self.floats.of(value));
                Ok(())
            }
            Shown::Boolean(value) => self.text.write_all(if value { b"true" } else { b"false" }),
            Shown::Text(text) => Ok(serde_json::to_writer(&mut self.text, text)?),
            Shown::Json(json) => match Cell::of(json) {
                Cell::Float(value) if !value.is_finite() => self.text.write_all(b"null"),
                _ => self.text.write_all(json.as_bytes()),
            },
            Shown::Missing | Shown::Float(_) => self.text.write_all(b"null"),
        }
    }
}

/// As pandas' `to_json(orient="records", lines=True)`: every line has all keys, and what
/// is missing, or no finite number, is null.
pub fn json_lines(table: &Table, out: &mut impl Write) -> io::Result<()> {
    let columns = table.columns.iter().enumerate().map(|(at, column)| {
        let mut key = vec![if at == 0 { b'{' } else { b',' }];
        serde_json::to_writer(&mut key, &column.name)?;
        key.push(b':');
        Ok((key, &column.cells))
    });
    let columns: Vec<(Vec<u8>, &Cells)> = columns.collect::<io::Result<_>>()?;
    let mut pieces = Pieces::new(out);
    for row in 0..table.rows {
        for (key, cells) in &columns {
            pieces.text.extend_from_slice(key);
            pieces.json_cell(cells.cell(row))?;
        }
        pieces.text.push(b'}');
        pieces.end_of_row()?;
    }
    pieces.finish()
}

/// What CSV shows of a cell, without quotes.
pub fn shown(cell: Shown) -> Option<String> {
    let text = match cell {
        Shown::Missing => return None,
        Shown::Integer(value) => value.to_string(),
        Shown::Float(value) => {
            let mut floats = FloatText::default();
            String::from_utf8_lossy(floats.of(value)).into_owned()
        }
        Shown::Boolean(value) => (if value { "True" } else { "False" }).to_owned(),
        Shown::Text(text) => text.to_owned(),
        Shown::Json(json) => match Cell::of(json) {
            Cell::Missing => return None,
            Cell::Integer(value) => value.to_string(),
            Cell::Float(value) => return shown(Shown::Float(value)),
            Cell::Boolean(value) => return shown(Shown::Boolean(value)),
            Cell::Text(json) => unquoted(json).into_owned(),
            Cell::Wide(json) | Cell::Nested(json) => json.to_owned(),
        },
    };
    Some(text)
}
