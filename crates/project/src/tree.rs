//! `squall.toml` as a tree that remembers where everything was written, so that what is
//! wrong with a value can be told with its line and column long after it was parsed.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::Mistake;

/// A value, and the byte of the file at which it begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub at: usize,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Truth(bool),
    /// A date or a time; nothing in a project is one, so its text is enough.
    Moment(String),
    List(Vec<Node>),
    Table(Table),
}

pub type Table = BTreeMap<String, Entry>;

/// A key and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub key_at: usize,
    pub node: Node,
}

/// A file and its tree.
#[derive(Debug)]
pub struct Document {
    pub text: String,
    pub root: Table,
}

impl Document {
    pub fn parse(text: String) -> Result<Self, Mistake> {
        let parsed = match DeTable::parse(&text) {
            Ok(table) => table.into_inner(),
            Err(error) => {
                let at = error.span().map_or(text.len(), |span| span.start);
                let problem = error.message().replace('\n', "; ");
                return Err(Mistake::new(&text, at, "", problem));
            }
        };
        let root = table(parsed, &text)?;
        Ok(Self { text, root })
    }

    /// A project that was never written down.
    pub fn empty() -> Self {
        Self {
            text: String::new(),
            root: Table::new(),
        }
    }
}

impl Value {
    /// What it is, as a sentence has it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a number with a fraction",
            Self::Truth(_) => "true or false",
            Self::Moment(_) => "a date or time",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// Where a field is, by its names and places: `["routes", "0", "path"]`. What is not
/// there is looked for in the nearest table around it that is.
pub fn locate(root: &Table, path: &[&str]) -> Option<usize> {
    let (first, rest) = path.split_first()?;
    let entry = root.get(*first)?;
    Some(within(&entry.node, rest).unwrap_or(entry.key_at))
}

fn within(node: &Node, path: &[&str]) -> Option<usize> {
    let Some((first, rest)) = path.split_first() else {
        return Some(node.at);
    };
    match &node.value {
        Value::Table(table) => locate(table, path),
        Value::List(items) => {
            let item = items.get(first.parse::<usize>().ok()?)?;
            Some(within(item, rest).unwrap_or(item.at))
        }
        _ => None,
    }
}

fn table(parsed: DeTable<'_>, text: &str) -> Result<Table, Mistake> {
    let entries = parsed.into_iter();
    entries
        .map(|(key, value)| {
            let key_at = key.span().start;
            let node = node(value, text)?;
            Ok((key.into_inner().into_owned(), Entry { key_at, node }))
        })
        .collect()
}

fn node(parsed: Spanned<DeValue<'_>>, text: &str) -> Result<Node, Mistake> {
    let at = parsed.span().start;
    let value = match parsed.into_inner() {
        DeValue::String(value) => Value::Text(value.into_owned()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map(Value::Integer)
            .map_err(|_| Mistake::new(text, at, "", "this number is too large".to_owned()))?,
        DeValue::Float(number) => number
            .as_str()
            .parse()
            .map(Value::Float)
            .map_err(|_| Mistake::new(text, at, "", "this is no number".to_owned()))?,
        DeValue::Boolean(value) => Value::Truth(value),
        DeValue::Datetime(moment) => Value::Moment(moment.to_string()),
        DeValue::Array(items) => {
            let items = items.into_iter();
            Value::List(
                items
                    .map(|item| node(item, text))
                    .collect::<Result<_, _>>()?,
            )
        }
        DeValue::Table(inner) => Value::Table(table(inner, text)?),
    };
    Ok(Node { at, value })
}

/// What a stage says, laid over what all stages have in common: tables field by field,
/// everything else as a whole.
pub fn overlay(base: &mut Table, over: &Table) {
    for (key, entry) in over {
        match base.get_mut(key).map(|under| &mut under.node.value) {
            Some(Value::Table(under)) if matches!(entry.node.value, Value::Table(_)) => {
                if let Value::Table(over) = &entry.node.value {
                    overlay(under, over);
                }
            }
            _ => {
                base.insert(key.clone(), entry.clone());
            }
        }
    }
}

/// As JSON, where a value is passed on rather than understood.
pub fn to_json(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Text(text) | Value::Moment(text) => text.as_str().into(),
        Value::Integer(number) => (*number).into(),
        Value::Float(number) => (*number).into(),
        Value::Truth(truth) => (*truth).into(),
        Value::List(items) => items.iter().map(to_json).collect(),
        Value::Table(table) => {
            let entries = table.iter();
            entries
                .map(|(key, entry)| (key.clone(), to_json(&entry.node)))
                .collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(text: &str) -> Table {
        Document::parse(text.to_owned()).unwrap().root
    }

    #[test]
    fn fields_are_found_where_they_were_written() {
        let text = "[functions.a]\nmemory = 5\nlayers = [\"x\", \"y\"]\n[[routes]]\npath = \"/\"\n";
        let root = root(text);
        for (path, expected) in [
            (&["functions", "a", "memory"][..], "5"),
            (&["functions", "a", "layers", "1"], "\"y\""),
            (&["functions", "a", "handler"], "a]"),
            (&["routes", "0", "path"], "\"/\""),
            (&["routes", "0", "function"], "[[routes]]"),
        ] {
            let at = locate(&root, path).unwrap();
            assert!(
                text[at..].starts_with(expected),
                "{path:?}: {}",
                &text[at..]
            );
        }
        assert_eq!(locate(&root, &["buckets"]), None);
    }

    #[test]
    fn a_stage_changes_what_it_names() {
        let mut base = root("a = 1\nl = [1, 2]\n[f.x]\nm = 1\nn = 2\n[f.y]\nm = 3\n");
        overlay(&mut base, &root("l = [3]\n[f.x]\nm = 9\n[f.z]\nm = 4\n"));
        let expected = serde_json::json!({
            "a": 1, "l": [3],
            "f": {"x": {"m": 9, "n": 2}, "y": {"m": 3}, "z": {"m": 4}},
        });
        let node = Node {
            at: 0,
            value: Value::Table(base),
        };
        assert_eq!(to_json(&node), expected);
    }

    #[test]
    fn what_is_no_toml_is_told_with_its_place() {
        for (text, line, column) in [
            ("a = 1\nb = [1, 2\n", 2, 10),
            ("a = \n", 1, 5),
            ("a = 1\na = 2\n", 2, 1),
            ("a = 99999999999999999999\n", 1, 5),
        ] {
            let mistake = Document::parse(text.to_owned()).unwrap_err();
            assert_eq!((mistake.line, mistake.column), (line, column), "{mistake}");
        }
    }
}
