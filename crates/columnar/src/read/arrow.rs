//! Arrow IPC, as a file or as a stream. The library decodes messages; where they lie,
//! and that they hold together, is found out here, because it takes them on trust.

use std::io;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_buffer::{Buffer, MutableBuffer};
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::FileDecoder;
use arrow_ipc::{Block, CompressionType, Message, MessageHeader, MetadataVersion};
use arrow_schema::{Schema, SchemaRef};

use super::{Records, Wanted};
use crate::{Error, Format, Source};

/// What a file begins and ends with.
const MAGIC: &[u8; 6] = b"ARROW1";
/// What a message begins with, since the format's first version.
const CONTINUED: [u8; 4] = [0xff; 4];
/// The mark and the length before a message.
const PREFIX: u64 = 8;
/// The length of the description, and the mark, at the end of a file.
const TAIL: usize = 10;
/// LZ4 cannot make more of a byte.
const LZ4_MOST: u64 = 255;
const LZ4_FRAME: u64 = 64;
/// Rows of a batch: more than anyone has, and few enough to be added up.
const MOST_ROWS: i64 = 1 << 40;

/// A file whose schema was read.
#[derive(Clone)]
pub struct Opened {
    source: Source,
    limit: u64,
    schema: SchemaRef,
    version: MetadataVersion,
    layout: Layout,
}

#[derive(Clone)]
enum Layout {
    /// All messages are known from the end of the file: dictionaries, then batches.
    File(Arc<[Block]>),
    /// One message after the other, from here on.
    Stream(u64),
}

/// The next place that is to be read.
enum Place {
    Block(usize),
    At(u64),
}

impl Opened {
    pub fn new(source: &Source, wanted: &Wanted) -> Result<Self, Error> {
        let mut magic = [0; MAGIC.len()];
        if source.length() < PREFIX {
            return Err(not_it("is too short"));
        }
        source.read_at(0, &mut magic).map_err(Error::Read)?;
        if magic == *MAGIC {
            Self::file(source, wanted.limit)
        } else {
            Self::stream(source, wanted.limit)
        }
    }

    fn file(source: &Source, limit: u64) -> Result<Self, Error> {
        let length = source.length();
        if length < TAIL as u64 + PREFIX {
            return Err(not_it("is too short"));
        }
        let mut tail = [0; TAIL];
        source
            .read_at(length - TAIL as u64, &mut tail)
            .map_err(Error::Read)?;
        let (size, mark) = tail.split_at(4);
        if mark != MAGIC {
            return Err(not_it("does not end as one"));
        }
        let size = u32::from_le_bytes(size.try_into().expect("it was cut to four bytes"));
        let size = u64::from(size);
        limited(size, limit)?;
        let Some(start) = (length - TAIL as u64).checked_sub(size) else {
            return Err(damaged("its description is longer than itself"));
        };
        let footer = source.part(start, size).map_err(part)?;
        let footer = arrow_ipc::root_as_footer(&footer)
            .map_err(|_| damaged("its description cannot be read"))?;
        let schema = footer
            .schema()
            .ok_or_else(|| damaged("it has no schema"))
            .and_then(schema)?;
        let dictionaries = footer.dictionaries().into_iter().flatten();
        let batches = footer.recordBatches().into_iter().flatten();
        let blocks = dictionaries.chain(batches).copied().collect();
        Ok(Self {
            source: source.clone(),
            limit,
            schema,
            version: footer.version(),
            layout: Layout::File(blocks),
        })
    }

    fn stream(source: &Source, limit: u64) -> Result<Self, Error> {
        let wrong = || not_it("neither begins as a file nor as a stream");
        let (block, next) = framed(source, 0).map_err(|_| wrong())?.ok_or_else(wrong)?;
        let message = read(source, &block, limit)?;
        let message = parse(&message)?;
        let schema = message.header_as_schema().ok_or_else(wrong)?;
        Ok(Self {
            source: source.clone(),
            limit,
            schema: self::schema(schema)?,
            version: message.version(),
            layout: Layout::Stream(next),
        })
    }

    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Columns by their places in the file, in that order.
    pub fn records(&self, indices: &[usize]) -> Records {
        let decoder = FileDecoder::new(self.schema.clone(), self.version);
        let place = match self.layout {
            Layout::File(_) => Place::Block(0),
            Layout::Stream(at) => Place::At(at),
        };
        let mut records = Messages {
            file: self.clone(),
            decoder: decoder.with_projection(indices.to_vec()),
            place,
        };
        let mut failed = false;
        Box::new(std::iter::from_fn(move || {
            let next = (!failed)
                .then(|| records.next())
                .and_then(Result::transpose);
            failed = matches!(next, Some(Err(_)));
            next
        }))
    }
}

struct Messages {
    file: Opened,
    decoder: FileDecoder,
    place: Place,
}

impl Messages {
    fn next(&mut self) -> Result<Option<RecordBatch>, Error> {
        while let Some(block) = self.block()? {
            let bytes = read(&self.file.source, &block, self.file.limit)?;
            let message = parse(&bytes)?;
            let head = usize::try_from(block.metaDataLength()).unwrap_or(usize::MAX);
            let body = bytes.get(head..).unwrap_or_default();
            match message.header_type() {
                MessageHeader::DictionaryBatch => {
                    let batch = message.header_as_dictionary_batch();
                    check(batch.and_then(|it| it.data()), body, self.file.limit)?;
                    let read = self.decoder.read_dictionary(&block, &bytes);
                    read.map_err(Error::reading_arrow)?;
                }
                MessageHeader::RecordBatch => {
                    check(message.header_as_record_batch(), body, self.file.limit)?;
                    let batch = self.decoder.read_record_batch(&block, &bytes);
                    return batch.map_err(Error::reading_arrow);
                }
                _ => return Err(damaged("it has a message of an unknown kind")),
            }
        }
        Ok(None)
    }

    fn block(&mut self) -> Result<Option<Block>, Error> {
        match (&mut self.place, &self.file.layout) {
            (Place::Block(next), Layout::File(blocks)) => {
                let block = blocks.get(*next).copied();
                *next += 1;
                Ok(block)
            }
            (Place::At(at), _) => {
                let Some((block, next)) = framed(&self.file.source, *at)? else {
                    return Ok(None);
                };
                *at = next;
                Ok(Some(block))
            }
            (Place::Block(_), Layout::Stream(_)) => Ok(None),
        }
    }
}

/// The message of a stream at some place, and where the next one is. None at the end,
/// which need not be marked.
fn framed(source: &Source, at: u64) -> Result<Option<(Block, u64)>, Error> {
    if at == source.length() {
        return Ok(None);
    }
    let mut word = [0; 4];
    source.read_at(at, &mut word).map_err(part)?;
    let mut prefix = 4;
    if word == CONTINUED {
        source.read_at(at + 4, &mut word).map_err(part)?;
        prefix = PREFIX;
    }
    let size = u32::from_le_bytes(word);
    if size == 0 {
        return Ok(None);
    }
    let head = prefix + u64::from(size);
    let start = at + prefix;
    if start + u64::from(size) > source.length() {
        return Err(damaged("a message is longer than the file"));
    }
    // How long the body is, only the head tells.
    let bytes = source.part(start, u64::from(size)).map_err(part)?;
    let message = arrow_ipc::root_as_message(&bytes)
        .map_err(|_| damaged("a message of it cannot be read"))?;
    let body = u64::try_from(message.bodyLength()).ok();
    let next = body.and_then(|body| at.checked_add(head)?.checked_add(body));
    let (Some(next), Ok(head)) = (next, i32::try_from(head)) else {
        return Err(damaged("a message of it has an impossible length"));
    };
    let offset = i64::try_from(at).map_err(|_| damaged("it has an impossible length"))?;
    Ok(Some((Block::new(offset, head, message.bodyLength()), next)))
}

/// A message and its body.
fn read(source: &Source, block: &Block, limit: u64) -> Result<Buffer, Error> {
    let sizes = (
        u64::try_from(block.offset()),
        u64::try_from(block.metaDataLength()),
        u64::try_from(block.bodyLength()),
    );
    let (Ok(offset), Ok(head), Ok(body)) = sizes else {
        return Err(damaged("a block lies at an impossible place"));
    };
    let end = offset
        .checked_add(head)
        .and_then(|end| end.checked_add(body));
    if end.is_none_or(|end| end > source.length()) || head < PREFIX {
        return Err(damaged("a block lies outside of it"));
    }
    limited(head + body, limit)?;
    let length = usize::try_from(head + body).map_err(|_| damaged("a block is too long"))?;
    let mut bytes =
        MutableBuffer::try_from_len_zeroed(length).map_err(|_| too_large(&[head, body], limit))?;
    source.read_at(offset, bytes.as_slice_mut()).map_err(part)?;
    Ok(bytes.into())
}

fn parse(block: &[u8]) -> Result<Message<'_>, Error> {
    let prefix = if block[..4] == CONTINUED { 8 } else { 4 };
    arrow_ipc::root_as_message(&block[prefix..])
        .map_err(|_| damaged("a message of it cannot be read"))
}

/// What the library does not look at before it takes memory, or cuts a buffer.
fn check(batch: Option<arrow_ipc::RecordBatch>, body: &[u8], limit: u64) -> Result<(), Error> {
    let Some(batch) = batch else {
        return Err(damaged("a message of it is empty"));
    };
    let impossible = || damaged("a batch has an impossible number of rows");
    let rows = |rows: i64| (0..=MOST_ROWS).contains(&rows);
    let nodes = batch.nodes().into_iter().flatten();
    let mut nodes = nodes.map(|node| (node.length(), node.null_count()));
    if !rows(batch.length()) || !nodes.all(|(n, missing)| rows(n) && (0..=n).contains(&missing)) {
        return Err(impossible());
    }
    let codec = batch.compression().map(|compression| compression.codec());
    let mut sum = 0_u64;
    for buffer in batch.buffers().into_iter().flatten() {
        let bytes = cut(body, buffer.offset(), buffer.length())
            .ok_or_else(|| damaged("a buffer lies outside of its message"))?;
        let (Some(codec), false) = (codec, bytes.is_empty()) else {
            continue;
        };
        let Some((size, packed)) = bytes.split_first_chunk() else {
            return Err(damaged("a packed buffer is too short"));
        };
        // -1 says that it was left as it is.
        let size = match i64::from_le_bytes(*size) {
            -1 => 0,
            size => u64::try_from(size).map_err(|_| damaged("a buffer has a negative size"))?,
        };
        let most = packed.len() as u64 * LZ4_MOST + LZ4_FRAME;
        if codec == CompressionType::LZ4_FRAME && size > most {
            return Err(damaged("a packed buffer claims an impossible size"));
        }
        sum = sum.saturating_add(size);
        limited(sum, limit)?;
    }
    Ok(())
}

fn cut(body: &[u8], at: i64, length: i64) -> Option<&[u8]> {
    let (at, length) = (usize::try_from(at).ok()?, usize::try_from(length).ok()?);
    body.get(at..at.checked_add(length)?)
}

fn schema(schema: arrow_ipc::Schema) -> Result<SchemaRef, Error> {
    if schema.endianness() != arrow_ipc::Endianness::Little {
        return Err(damaged(
            "its numbers are big-endian, which is not supported",
        ));
    }
    let schema = try_fb_to_schema(schema).map_err(Error::reading_arrow)?;
    Ok(Arc::new(schema))
}

fn limited(bytes: u64, limit: u64) -> Result<(), Error> {
    if bytes <= limit {
        return Ok(());
    }
    Err(too_large(&[bytes], limit))
}

fn too_large(bytes: &[u64], limit: u64) -> Error {
    Error::TooLarge {
        format: Format::Arrow,
        bytes: bytes.iter().sum(),
        limit,
    }
}

fn part(error: io::Error) -> Error {
    Error::reading_part(Format::Arrow, error)
}

fn not_it(why: &'static str) -> Error {
    let format = Format::Arrow;
    Error::NotIt { format, why }
}

fn damaged(detail: &'static str) -> Error {
    let format = Format::Arrow;
    Error::Damaged { format, detail }
}
