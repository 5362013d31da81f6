//! What a compiled function was compiled from: the first of the constants. There, the
//! parts of language are written once, and referred to by numbers of their own.

use std::collections::HashMap;
use std::sync::Arc;

use super::item::{Flags, kind};
use super::{ReadError, Reader};
use crate::value::{Data, Member, Value};

/// A cell of the language, as R has it in memory.
#[derive(Debug)]
struct Cell {
    call: bool,
    attributes: Vec<(Arc<str>, Value)>,
    /// What the attributes took.
    cost: u64,
    tag: Option<Arc<str>>,
    first: Node,
    rest: Node,
}

#[derive(Debug, Clone, Copy)]
enum Node {
    Cell(usize),
    Item(usize),
}

/// Cells in the order in which they came; they can be used many times.
#[derive(Debug, Default)]
struct Cells {
    all: Vec<Cell>,
    /// With what each took.
    items: Vec<(Value, u64)>,
    defined: HashMap<i32, usize>,
}

impl Reader<'_> {
    /// The expression that byte code stands for, behind its flags.
    pub(super) fn code(&mut self, flags: Flags) -> Result<Value, ReadError> {
        self.input.integer()?;
        self.skip(1)?;
        let count = self.input.count()? as u64;
        let mut body = Data::Null.into();
        if count > 0 {
            let kind = self.input.integer()?;
            if kind == i32::from(kind::BYTE_CODE) {
                self.skip_code()?;
                body = Data::Opaque("byte code").into();
            } else {
                let mut cells = Cells::default();
                let node = self.language(kind, &mut cells)?;
                body = self.grown(node, &cells)?;
            }
            self.skip_constants(count - 1)?;
        }
        if flags.has_attributes() {
            self.skip(1)?;
        }
        Ok(body)
    }

    /// A part whose kind was read; the chain of a call is walked by a loop.
    fn language(&mut self, kind: i32, cells: &mut Cells) -> Result<Node, ReadError> {
        let before = cells.all.len();
        let start = match self.cell(kind, cells)? {
            // Not one that was there already: it has its rest.
            Node::Cell(cell) if cell >= before => cell,
            other => return Ok(other),
        };
        let mut last = start;
        loop {
            let kind = self.input.integer()?;
            self.enter()?;
            let first = self.language(kind, cells)?;
            self.depth -= 1;
            cells.all[last].first = first;
            let kind = self.input.integer()?;
            let before = cells.all.len();
            let rest = self.cell(kind, cells)?;
            cells.all[last].rest = rest;
            match rest {
                Node::Cell(cell) if cell >= before => last = cell,
                _ => return Ok(Node::Cell(start)),
            }
        }
    }

    /// A cell up to its tag, or something that is complete.
    fn cell(&mut self, kind: i32, cells: &mut Cells) -> Result<Node, ReadError> {
        let mut kind = u8::try_from(kind).unwrap_or(0);
        let mut number = None;
        if kind == kind::CODE_REFERENCE {
            let number = self.input.integer()?;
            return match cells.defined.get(&number) {
                Some(cell) => Ok(Node::Cell(*cell)),
                None => self.broken("byte code refers to what is not there"),
            };
        }
        if kind == kind::CODE_DEFINITION {
            number = Some(self.input.integer()?);
            kind = u8::try_from(self.input.integer()?).unwrap_or(0);
        }
        let (call, attributed) = match kind {
            kind::LANGUAGE => (true, false),
            kind::LIST => (false, false),
            kind::ATTRIBUTED_LANGUAGE => (true, true),
            kind::ATTRIBUTED_LIST => (false, true),
            _ => {
                let before = self.memory_left;
                let value = self.item()?;
                let cost = before - self.memory_left + size_of::<(Value, u64)>() as u64;
                self.charge(size_of::<(Value, u64)>() as u64)?;
                cells.items.push((value, cost));
                return Ok(Node::Item(cells.items.len() - 1));
            }
        };
        self.charge(2 * size_of::<Cell>() as u64)?;
        let cell = cells.all.len();
        if let Some(number) = number {
            cells.defined.insert(number, cell);
        }
        let before = self.memory_left;
        let attributes = if attributed {
            let flags = self.flags()?;
            self.attribute_list(flags)?
        } else {
            vec![]
        };
        let cost = before - self.memory_left;
        let tag = self.tag_item()?;
        // What is complete is put in by those who asked.
        let open = Node::Item(usize::MAX);
        cells.all.push(Cell {
            call,
            attributes,
            cost,
            tag,
            first: open,
            rest: open,
        });
        Ok(Node::Cell(cell))
    }

    /// The value of a part. It costs again each time that it is used, which also ends
    /// those that contain themselves.
    fn grown(&mut self, node: Node, cells: &Cells) -> Result<Value, ReadError> {
        let Node::Cell(start) = node else {
            return self.grown_item(node, cells);
        };
        let mut members = vec![];
        let mut next = Node::Cell(start);
        while let Node::Cell(at) = next {
            let cell = &cells.all[at];
            self.charge(size_of::<Member>() as u64)?;
            self.enter()?;
            let value = self.grown(cell.first, cells)?;
            self.depth -= 1;
            members.push(Member {
                tag: cell.tag.clone(),
                value,
            });
            next = cell.rest;
        }
        let tail = self.grown_item(next, cells)?;
        if tail.data != Data::Null {
            members.push(tail.into());
        }
        let first = &cells.all[start];
        self.charge(first.cost)?;
        let data = if first.call {
            Data::Call(members)
        } else {
            Data::Pairs(members)
        };
        Ok(Value {
            data,
            attributes: first.attributes.clone(),
        })
    }

    fn grown_item(&mut self, node: Node, cells: &Cells) -> Result<Value, ReadError> {
        let item = match node {
            Node::Item(at) => cells.items.get(at),
            Node::Cell(_) => None,
        };
        let Some((value, cost)) = item else {
            return self.broken("byte code contains itself");
        };
        self.charge(*cost)?;
        Ok(value.clone())
    }
}
