//! What results depend on beside their items.

use std::collections::BTreeMap;
use std::fmt;

use crate::options::ItemKind;

/// Equal where a function, given an equal item, may be trusted to answer the same.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    pub(super) hash: store::jobs::Identity,
    /// Whether the function sees the ids of items.
    pub(super) ids: bool,
}

/// What is known of a function, as AWS describes its configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FunctionFacts {
    pub code_sha256: String,
    pub handler: String,
    pub runtime: String,
    pub architecture: String,
    /// ARNs of versions, in their order.
    pub layers: Vec<String>,
    pub environment: BTreeMap<String, String>,
}

/// To be changed with everything that makes old results wrong.
const SCHEME: &str = "squall map 1";

impl Identity {
    /// Of a function, and of how it is given its items. Memory and timeout are not
    /// part of it: they decide whether an item succeeds, not what comes out, and
    /// what failed is not kept. Names and aliases are not, for the code is.
    pub fn of(function: &FunctionFacts, item: ItemKind) -> Self {
        let mut text = Text::default();
        text.put(SCHEME);
        text.put(&function.code_sha256);
        text.put(&function.handler);
        text.put(&function.runtime);
        text.put(&function.architecture);
        text.count(function.layers.len());
        for layer in &function.layers {
            text.put(layer);
        }
        text.count(function.environment.len());
        for (name, value) in &function.environment {
            text.put(name);
            text.put(value);
        }
        text.put(item.name());
        Self {
            hash: *blake3::hash(&text.bytes).as_bytes(),
            ids: item == ItemKind::Dict,
        }
    }

    /// As the book has it, to be compared with a job's.
    pub fn hash(&self) -> &store::jobs::Identity {
        &self.hash
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", blake3::Hash::from(self.hash))
    }
}

/// Texts with their lengths, so that two lists of texts are never written alike.
#[derive(Default)]
struct Text {
    bytes: Vec<u8>,
}

impl Text {
    fn put(&mut self, text: &str) {
        self.count(text.len());
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn count(&mut self, count: usize) {
        self.bytes.extend_from_slice(&(count as u64).to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_matters_changes_it() {
        let list = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let map = |pairs: &[(&str, &str)]| {
            let owned = pairs
                .iter()
                .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
            owned.collect::<BTreeMap<_, _>>()
        };
        let facts = FunctionFacts {
            code_sha256: "c".to_owned(),
            handler: "h".to_owned(),
            runtime: "r".to_owned(),
            architecture: "a".to_owned(),
            layers: list(&["l1", "l2"]),
            environment: map(&[("A", "1"), ("B", "2")]),
        };
        let other = |change: &dyn Fn(&mut FunctionFacts)| {
            let mut facts = facts.clone();
            change(&mut facts);
            Identity::of(&facts, ItemKind::List)
        };
        let all = [
            Identity::of(&facts, ItemKind::List),
            Identity::of(&facts, ItemKind::Dict),
            Identity::of(&facts, ItemKind::Series),
            other(&|facts| facts.code_sha256.push('x')),
            other(&|facts| facts.handler.push('x')),
            other(&|facts| facts.runtime.push('x')),
            other(&|facts| facts.architecture.push('x')),
            other(&|facts| facts.layers.reverse()),
            other(&|facts| facts.layers = vec!["l1l2".to_owned()]),
            other(&|facts| facts.environment = map(&[("A", "2"), ("B", "1")])),
            other(&|facts| facts.environment = map(&[("A", "1B"), ("2", "")])),
        ];
        for (index, one) in all.iter().enumerate() {
            assert_eq!(all.iter().position(|other| other == one), Some(index));
        }
        assert_eq!(all[0], Identity::of(&facts, ItemKind::List));
    }
}
