//! Goes over items that are dropped: what is in environments, and byte code. There is
//! no recursion here, because environments can hold anything at any depth.

use super::item::{kind, size_of_element};
use super::{ReadError, Reader, Reference};
use crate::read::item::Flags;

/// What is still to be gone over. Each comes from bytes that were read, so that there
/// are not more of them than the stream has words.
#[derive(Debug, Clone, Copy)]
enum Step {
    Items(u64),
    /// Parts of byte code that are language: they have forms of their own.
    Language,
    /// How many constants, then these.
    Pool,
    Constants(u64),
}

impl Reader<'_> {
    /// Goes over so many items.
    pub(super) fn skip(&mut self, items: u64) -> Result<(), ReadError> {
        if items == 0 {
            return Ok(());
        }
        self.run(vec![Step::Items(items)])
    }

    /// Goes over the rest of an item whose flags were read.
    pub(super) fn skip_rest(&mut self, flags: Flags) -> Result<(), ReadError> {
        let mut steps = vec![];
        self.skip_item(flags, &mut steps)?;
        self.run(steps)
    }

    /// Goes over byte code behind its flags.
    pub(super) fn skip_code(&mut self) -> Result<(), ReadError> {
        self.input.integer()?;
        self.run(vec![Step::Pool, Step::Items(1)])
    }

    pub(super) fn skip_constants(&mut self, count: u64) -> Result<(), ReadError> {
        self.run(vec![Step::Constants(count)])
    }

    fn run(&mut self, mut steps: Vec<Step>) -> Result<(), ReadError> {
        while let Some(step) = steps.pop() {
            match step {
                Step::Items(0) | Step::Constants(0) => {}
                Step::Items(count) => {
                    // The last one is not kept, so that a chain takes no room.
                    if count > 1 {
                        steps.push(Step::Items(count - 1));
                    }
                    let flags = self.flags()?;
                    self.skip_item(flags, &mut steps)?;
                }
                Step::Language => {
                    let kind = self.input.integer()?;
                    self.skip_language(kind, &mut steps)?;
                }
                Step::Pool => {
                    let count = self.input.count()?;
                    steps.push(Step::Constants(count as u64));
                }
                Step::Constants(count) => {
                    if count > 1 {
                        steps.push(Step::Constants(count - 1));
                    }
                    let kind = self.input.integer()?;
                    if kind == i32::from(kind::BYTE_CODE) {
                        steps.extend([Step::Pool, Step::Items(1)]);
                    } else {
                        self.skip_language(kind, &mut steps)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// A part of language in byte code, its kind read; anything else is an item.
    fn skip_language(&mut self, kind: i32, steps: &mut Vec<Step>) -> Result<(), ReadError> {
        let mut kind = u8::try_from(kind).unwrap_or(0);
        if kind == kind::CODE_REFERENCE {
            self.input.integer()?;
            return Ok(());
        }
        if kind == kind::CODE_DEFINITION {
            self.input.integer()?;
            kind = u8::try_from(self.input.integer()?).unwrap_or(0);
        }
        match kind {
            kind::LANGUAGE | kind::LIST => {
                steps.extend([Step::Language, Step::Language, Step::Items(1)]);
            }
            kind::ATTRIBUTED_LANGUAGE | kind::ATTRIBUTED_LIST => {
                steps.extend([Step::Language, Step::Language, Step::Items(2)]);
            }
            _ => steps.push(Step::Items(1)),
        }
        Ok(())
    }

    fn skip_item(&mut self, flags: Flags, steps: &mut Vec<Step>) -> Result<(), ReadError> {
        let attributes = u64::from(flags.has_attributes());
        let follow = match flags.kind() {
            kind::LIST | kind::LANGUAGE | kind::DOTS | kind::CLOSURE | kind::PROMISE => {
                attributes + u64::from(flags.has_tag()) + 2
            }
            kind::ENVIRONMENT => {
                self.input.integer()?;
                self.reference(Reference::Environment(None))?;
                4
            }
            kind::ALTREP => 3,
            kind::POINTER => {
                self.reference(Reference::Opaque("an external pointer"))?;
                2 + attributes
            }
            kind::WEAK_REFERENCE => {
                self.reference(Reference::Opaque("a weak reference"))?;
                attributes
            }
            kind::S4 => attributes,
            kind::SPECIAL | kind::BUILTIN => {
                let length = self.input.count()?;
                self.input.text(length)?;
                attributes
            }
            kind::CHARACTERS => {
                let length = self.input.integer()?;
                if length != -1 {
                    let Ok(length) = usize::try_from(length) else {
                        return self.broken("a length is negative");
                    };
                    self.input.text(length)?;
                }
                attributes
            }
            kind @ (kind::LOGICAL | kind::INTEGER | kind::REAL | kind::RAW) => {
                let count = self.input.length()?;
                self.input.skip(count, size_of_element(kind))?;
                attributes
            }
            kind::COMPLEX => {
                let count = self.input.length()?;
                self.input.skip(count.saturating_mul(2), 8)?;
                attributes
            }
            kind::TEXT | kind::VECTOR | kind::EXPRESSION => {
                self.input.length()?.saturating_add(attributes)
            }
            kind::BYTE_CODE => {
                self.input.integer()?;
                steps.extend([Step::Items(attributes), Step::Pool, Step::Items(1)]);
                0
            }
            _ => return self.skip_word(flags),
        };
        if follow > 0 {
            steps.push(Step::Items(follow));
        }
        Ok(())
    }

    fn skip_word(&mut self, flags: Flags) -> Result<(), ReadError> {
        match flags.kind() {
            kind::SYMBOL => {
                self.symbol()?;
            }
            kind::REFERENCE => {
                self.index(flags)?;
            }
            kind @ (kind::PACKAGE | kind::NAMESPACE | kind::PERSISTENT) => {
                self.named(kind)?;
            }
            kind::NULL
            | kind::GLOBAL
            | kind::UNBOUND
            | kind::MISSING
            | kind::BASE_NAMESPACE
            | kind::EMPTY
            | kind::BASE => {}
            kind => {
                return Err(ReadError::Kind {
                    at: self.input.at(),
                    kind,
                });
            }
        }
        Ok(())
    }
}
