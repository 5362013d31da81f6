//! Text as a source of blocks: CSV, or lines.

use std::io::Read;

use super::work::{Parse, Source, Stop};
use crate::Error;
use crate::csv::{self, Block, Blocks, Header};
use crate::parse::{Batch, Liner, Looker, Take, Walker};

/// Blocks, of which the first was read already for the header.
#[derive(Debug)]
pub struct Csv<R> {
    blocks: Blocks<R>,
    first: Option<Block>,
}

impl<R: Read> Csv<R> {
    /// Reads the header, and the block with the first row, which says how many fields
    /// there are.
    pub fn open(input: R) -> Result<(Self, Header), Error> {
        let mut blocks = Blocks::new(input);
        let mut header = None;
        loop {
            let mut block = Block::default();
            if !blocks.next(&mut block)? {
                let names = csv::names(header.ok_or(Error::Empty)?)?;
                let first = None;
                return Ok((Self { blocks, first }, Header::new(names, 0)));
            }
            let bad = |row| move |problem| Error::Row { row, problem };
            if header.is_none() {
                let record = csv::record(&block.bytes[..block.end], block.start).map_err(bad(0))?;
                let Some((names, next)) = record else {
                    continue;
                };
                header = Some(names);
                block.start = next;
            }
            let text = &block.bytes[..block.end];
            if let Some((fields, _)) = csv::record(text, block.start).map_err(bad(1))? {
                let names = csv::names(header.expect("it was just read"))?;
                let header = Header::new(names, fields.len());
                let first = Some(block);
                return Ok((Self { blocks, first }, header));
            }
        }
    }
}

impl<R> Csv<R> {
    /// The first block that has rows, as long as it was not taken.
    pub fn first(&self) -> Option<&Block> {
        self.first.as_ref()
    }
}

impl<R: Read + Send> Source for Csv<R> {
    type Block = Block;

    fn next(&mut self, block: &mut Block) -> Result<bool, Error> {
        match self.first.take() {
            Some(first) => {
                *block = first;
                Ok(true)
            }
            None => self.blocks.next(block),
        }
    }

    fn read(&self) -> u64 {
        self.blocks.read
    }
}

/// Blocks of lines, of which the first was read already.
#[derive(Debug)]
pub struct Lines<R> {
    blocks: Blocks<R>,
    first: Option<Block>,
}

impl<R: Read> Lines<R> {
    pub fn open(input: R) -> Result<Self, Error> {
        let mut blocks = Blocks::of_lines(input);
        let mut block = Block::default();
        let first = blocks.next(&mut block)?.then_some(block);
        Ok(Self { blocks, first })
    }

    /// The first block, as long as it was not taken.
    pub fn first(&self) -> Option<&Block> {
        self.first.as_ref()
    }
}

impl<R: Read + Send> Source for Lines<R> {
    type Block = Block;

    fn next(&mut self, block: &mut Block) -> Result<bool, Error> {
        match self.first.take() {
            Some(first) => {
                *block = first;
                Ok(true)
            }
            None => self.blocks.next(block),
        }
    }

    fn read(&self) -> u64 {
        self.blocks.read
    }
}

impl Parse for Liner<'_> {
    type Block = Block;

    fn parse(&mut self, block: &Block, batches: Vec<Batch>) -> Result<Vec<Batch>, Stop> {
        Liner::parse(self, block, batches).map_err(Stop::Row)
    }
}

impl Parse for Looker<'_> {
    type Block = Block;

    fn parse(&mut self, block: &Block, batches: Vec<Batch>) -> Result<Vec<Batch>, Stop> {
        Looker::parse(self, block, batches).map_err(Stop::Row)
    }
}

impl<T: Take> Parse for Walker<'_, T> {
    type Block = Block;

    fn parse(&mut self, block: &Block, batches: Vec<Batch>) -> Result<Vec<Batch>, Stop> {
        Walker::parse(self, block, batches).map_err(Stop::Row)
    }
}
