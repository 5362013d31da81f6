//! Reading fields of a table that was checked: what is there has the right kind, so a
//! getter answers a value or that nothing is said.

use crate::spec;
use crate::tree::{self, Node, Table, Value};

/// A table, and where it stands.
#[derive(Debug, Clone)]
pub struct Section<'a> {
    pub path: Vec<&'a str>,
    table: &'a Table,
}

impl<'a> Section<'a> {
    pub fn new(path: Vec<&'a str>, table: &'a Table) -> Self {
        Self { path, table }
    }

    pub fn has(&self, name: &str) -> bool {
        self.table.contains_key(name)
    }

    pub fn value(&self, name: &str) -> Option<&'a Value> {
        self.table.get(name).map(|entry| &entry.node.value)
    }

    pub fn node(&self, name: &str) -> Option<&'a Node> {
        self.table.get(name).map(|entry| &entry.node)
    }

    pub fn text(&self, name: &str) -> Option<&'a str> {
        match self.value(name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn owned(&self, name: &str) -> Option<String> {
        self.text(name).map(str::to_owned)
    }

    /// The check has seen that it is in its range.
    pub fn number(&self, name: &str) -> Option<u32> {
        match self.value(name)? {
            Value::Integer(number) => u32::try_from(*number).ok(),
            _ => None,
        }
    }

    /// A size as a number or a text: `2MB`.
    pub fn bytes(&self, name: &str) -> Option<u64> {
        match self.value(name)? {
            Value::Integer(number) => u64::try_from(*number).ok(),
            Value::Text(text) => spec::size(text),
            _ => None,
        }
    }

    pub fn truth(&self, name: &str) -> Option<bool> {
        match self.value(name)? {
            Value::Truth(truth) => Some(*truth),
            _ => None,
        }
    }

    pub fn texts(&self, name: &str) -> Option<Vec<String>> {
        match self.value(name)? {
            Value::List(items) => Some(items.iter().filter_map(text).collect()),
            _ => None,
        }
    }

    pub fn items(&self, name: &str) -> &'a [Node] {
        match self.value(name) {
            Some(Value::List(items)) => items,
            _ => &[],
        }
    }

    /// A table in this one.
    pub fn section(&self, name: &'a str) -> Option<Section<'a>> {
        match self.value(name)? {
            Value::Table(table) => Some(Section::new(self.below(name), table)),
            _ => None,
        }
    }

    /// The tables of a table of tables, by their names.
    pub fn sections(
        &self,
        name: &'a str,
    ) -> impl Iterator<Item = (&'a str, Section<'a>)> + use<'a> {
        let outer = self.section(name);
        let inner = outer.into_iter().flat_map(|outer| {
            let path = outer.path.clone();
            outer.table.keys().filter_map(move |name| {
                let section = Section::new(path.clone(), outer.table).section(name)?;
                Some((name.as_str(), section))
            })
        });
        inner.collect::<Vec<_>>().into_iter()
    }

    /// Numbers, texts and truths as texts: variables and options are nothing else.
    pub fn plain(&self) -> impl Iterator<Item = (&'a str, String)> + use<'a> {
        let entries = self.table.iter();
        entries.map(|(name, entry)| {
            let value = match tree::to_json(&entry.node) {
                serde_json::Value::String(text) => text,
                other => other.to_string(),
            };
            (name.as_str(), value)
        })
    }

    pub fn below(&self, name: &'a str) -> Vec<&'a str> {
        let mut path = self.path.clone();
        path.push(name);
        path
    }
}

fn text(node: &Node) -> Option<String> {
    match &node.value {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    }
}
