//! What a function is sent, and what it answers. Described for authors of guests in
//! `docs/map-protocol.md`.

mod columns;
mod decode;
mod json;
#[cfg(test)]
mod reader;
#[cfg(test)]
mod tests;
mod words;
mod write;

use bytes::Bytes;
use science::items::{Collected, Shelf};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::options::{Format, ItemKind};

pub use decode::{BadAnswer, untag};

/// How chunks of a job are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    pub item: ItemKind,
    pub format: Format,
}

/// What a function says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Description {
    /// The name of the kind, such as `series`.
    pub item: String,
    /// The names of the formats that its guest reads; every guest reads JSON.
    #[serde(default)]
    pub formats: Vec<String>,
    #[serde(default)]
    pub numpy: bool,
    #[serde(default)]
    pub pandas: bool,
}

/// What an invocation with a chunk brought.
#[derive(Debug)]
pub enum Reply {
    Items(Answer),
    /// The answer lies where the chunk's loan said that it might be put.
    Put,
}

/// What a function answered for a chunk.
#[derive(Debug)]
pub struct Answer {
    /// One for each item of the chunk, in their order.
    pub items: Vec<ItemAnswer>,
    /// Seconds, by the guest's clock.
    pub took: Took,
}

/// What became of one item.
#[derive(Debug, Clone)]
pub enum ItemAnswer {
    /// As the function's JSON has it.
    Value(Box<RawValue>),
    /// The function raised: AWS's error object.
    Raised(ItemError),
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemError {
    pub error_type: String,
    pub error_message: String,
    #[serde(default)]
    pub stack_trace: Vec<String>,
}

/// Bytes of a type, a message, or a line of a stack that are kept.
const KEPT_TEXT: usize = 4 * 1024;
/// Lines of a stack that are kept.
const KEPT_LINES: usize = 50;

impl ItemError {
    /// Of a bounded size, as there may be one for each item.
    pub(crate) fn bounded(mut self) -> Self {
        self.stack_trace.truncate(KEPT_LINES);
        let lines = self.stack_trace.iter_mut();
        for text in [&mut self.error_type, &mut self.error_message]
            .into_iter()
            .chain(lines)
        {
            if text.len() > KEPT_TEXT {
                text.truncate(text.floor_char_boundary(KEPT_TEXT));
                text.push_str("...");
            }
        }
        self
    }
}

/// Seconds that a chunk took inside the guest.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct Took {
    /// In the user's function, by the clock on the wall.
    pub wall: f64,
    /// In the user's function, on a processor.
    pub cpu: f64,
    /// For reading the payload and writing the answer.
    pub codec: f64,
}

/// What a chunk has beside its items, roughly, in bytes.
pub const HEADER: u64 = 512;

/// The event that asks a function how it wants its items.
pub fn describe() -> Bytes {
    Bytes::from_static(br#"{"squall":{"map":"describe"}}"#)
}

/// Reads the answer to [`describe`].
pub fn description(answer: &[u8]) -> Result<Description, BadAnswer> {
    decode::description(answer)
}

impl Description {
    pub fn reads(&self, format: Format) -> bool {
        let named = |name: &str| self.formats.iter().any(|format| format == name);
        match format {
            Format::Json => true,
            Format::Zlib => named("zlib"),
            Format::Columns => named("columns"),
        }
    }
}

/// Writes the items at `places` of a shelf.
pub fn encode(all: &Collected, shelf: &Shelf, places: &[u32], shape: Shape) -> Bytes {
    write::chunk(of(all, shelf), places, shape)
}

/// How many bytes an item adds to a chunk: seldom fewer than it then does, and known
/// without writing it.
pub fn encoded_size(all: &Collected, shelf: &Shelf, place: u32, shape: Shape) -> u64 {
    write::size(of(all, shelf), place, shape)
}

fn of<'a>(all: &'a Collected, shelf: &'a Shelf) -> write::Of<'a> {
    let Collected { by, ids, .. } = all;
    write::Of { by, ids, shelf }
}

/// The event of a chunk that was put down elsewhere.
pub fn by_reference(get: &str, put: &str) -> Bytes {
    write::by_reference(get, put)
}

/// Reads the answer to a chunk of so many items.
pub fn decode(answer: &[u8], items: usize) -> Result<Reply, BadAnswer> {
    decode::reply(answer, items)
}

/// The error of a guest that cannot give its function items of the kind that is asked for.
pub const ITEM_KIND: &str = "Squall.ItemKind";

/// Whether an error of a whole chunk says that no chunk of its form can be served, so
/// that neither a second try nor a smaller chunk would help.
pub fn is_refusal(error_type: &str) -> bool {
    error_type.starts_with("Squall.") && error_type != "Squall.Exchange"
}
