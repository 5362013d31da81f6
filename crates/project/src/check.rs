//! A tree against the tables of [`crate::spec`]: unknown fields, wrong kinds, numbers
//! out of range, texts without their form. What is told here holds for a value by
//! itself; what must fit together is told by [`crate::refer`].

use crate::error::Mistake;
use crate::nearest;
use crate::spec::{Kind, Needed, Table as Spec};
use crate::tree::{self, Document, Entry, Node, Table, Value};

/// As much of a wrong value is shown.
const SHOWN: usize = 60;

/// No project has more of anything, and what is compared pair by pair stays quick.
const MOST: usize = 300;
/// More mistakes are not looked at: nobody reads them.
const MOST_MISTAKES: usize = 100;

/// Mistakes of one file, as they are found.
#[derive(Debug)]
pub struct Report<'a> {
    document: &'a Document,
    mistakes: Vec<Mistake>,
}

impl<'a> Report<'a> {
    pub fn new(document: &'a Document) -> Self {
        Self {
            document,
            mistakes: Vec::new(),
        }
    }

    /// Whether there are so many that it is not worth looking for more.
    pub fn is_full(&self) -> bool {
        self.mistakes.len() >= MOST_MISTAKES
    }

    /// At a byte of the file.
    pub fn at(&mut self, at: usize, path: &[&str], problem: String, hint: Option<String>) {
        if self.is_full() {
            return;
        }
        let mut mistake = Mistake::new(&self.document.text, at, &path.join("."), problem);
        mistake.hint = hint;
        self.add(mistake);
    }

    /// At a field of the project as a stage sees it: where the stage says it, if it does.
    pub fn of(&mut self, root: &Table, path: &[&str], problem: String, hint: Option<String>) {
        match tree::locate(root, path) {
            Some(at) => self.at(at, path, problem, hint),
            // What is assumed stands nowhere.
            None => self.add(Mistake {
                line: 0,
                column: 0,
                field: path.join("."),
                problem,
                hint,
            }),
        }
    }

    fn add(&mut self, mistake: Mistake) {
        if !self.is_full() && !self.mistakes.contains(&mistake) {
            self.mistakes.push(mistake);
        }
    }

    /// In the order of the file.
    pub fn into_mistakes(mut self) -> Vec<Mistake> {
        self.mistakes
            .sort_by_key(|mistake| (mistake.line, mistake.column));
        self.mistakes
    }
}

/// A whole table. Fields that are needed may come from elsewhere: see [`missing`].
pub fn table<'a>(spec: &Spec, found: &'a Table, path: &mut Vec<&'a str>, report: &mut Report<'_>) {
    for (name, Entry { key_at, node }) in found {
        if report.is_full() {
            return;
        }
        path.push(name);
        if let Some(field) = spec.field(name) {
            value(&field.kind, node, path, report);
        } else {
            let known = spec.fields.iter().map(|field| field.name);
            let problem = format!("{} has no such field", spec.name);
            report.at(*key_at, path, problem, nearest::meant(name, known));
        }
        path.pop();
    }
}

fn value<'a>(kind: &Kind, node: &'a Node, path: &mut Vec<&'a str>, report: &mut Report<'_>) {
    match (kind, &node.value) {
        (Kind::Either(kinds), _) => match kinds.iter().find(|kind| takes(kind, &node.value)) {
            Some(kind) => value(kind, node, path, report),
            None => wrong(kind, node, path, report),
        },
        (Kind::Table(spec), Value::Table(found)) => table(spec, found, path, report),
        (Kind::Named(..), Value::Table(found)) if found.len() > MOST => {
            too_many(found.len(), node, path, report);
        }
        (Kind::List(_), Value::List(items)) if items.len() > MOST => {
            too_many(items.len(), node, path, report);
        }
        (Kind::Named(form, kind), Value::Table(found)) => {
            for (name, Entry { key_at, node }) in found {
                path.push(name);
                if (form.fits)(name) {
                    value(kind, node, path, report);
                } else {
                    let problem = format!("a name here must be {}", form.is);
                    report.at(*key_at, path, problem, None);
                }
                path.pop();
            }
        }
        (Kind::List(kind), Value::List(items)) => {
            for item in items {
                // Places are told by line and column; a number would be a field's name.
                value(kind, item, path, report);
            }
        }
        _ if takes(kind, &node.value) && fits(kind, &node.value) => {}
        _ => wrong(kind, node, path, report),
    }
}

fn too_many(count: usize, node: &Node, path: &[&str], report: &mut Report<'_>) {
    let problem = format!("there are {count}; a project has up to {MOST} of them");
    report.at(node.at, path, problem, None);
}

/// Whether the kind of TOML value is right.
fn takes(kind: &Kind, value: &Value) -> bool {
    match kind {
        Kind::Text(_) | Kind::OneOf(_) => matches!(value, Value::Text(_)),
        Kind::Number(..) | Kind::OneNumberOf(_) => matches!(value, Value::Integer(_)),
        Kind::Truth => matches!(value, Value::Truth(_)),
        Kind::Off => matches!(value, Value::Truth(false)),
        Kind::Plain => !matches!(value, Value::List(_) | Value::Table(_) | Value::Moment(_)),
        Kind::List(_) => matches!(value, Value::List(_)),
        Kind::Named(..) | Kind::Table(_) | Kind::AnyTable => matches!(value, Value::Table(_)),
        Kind::Any => true,
        Kind::Either(kinds) => kinds.iter().any(|kind| takes(kind, value)),
    }
}

/// Whether a value of the right kind is a right value.
fn fits(kind: &Kind, value: &Value) -> bool {
    match (kind, value) {
        (Kind::Text(form), Value::Text(text)) => (form.fits)(text),
        (Kind::OneOf(words), Value::Text(text)) => words.contains(&text.as_str()),
        (Kind::Number(least, most), Value::Integer(number)) => (least..=most).contains(&number),
        (Kind::OneNumberOf(numbers), Value::Integer(number)) => numbers.contains(number),
        _ => true,
    }
}

fn wrong(kind: &Kind, node: &Node, path: &[&str], report: &mut Report<'_>) {
    let right = expected(kind);
    let problem = if takes(kind, &node.value) {
        format!("{} is not right: it must be {right}", shown(&node.value))
    } else {
        format!("it must be {right}, not {}", node.value.kind())
    };
    let hint = match (kind, &node.value) {
        (Kind::OneOf(words), Value::Text(text)) => nearest::nearest(text, words.iter().copied())
            .map(|near| format!("did you mean {near}?")),
        (kind, Value::Text(_)) if lists(kind, &node.value) => Some(format!(
            "a list stands in brackets: [{}]",
            shown(&node.value)
        )),
        _ => None,
    };
    report.at(node.at, path, problem, hint);
}

/// Whether it may be a list of such values.
fn lists(kind: &Kind, value: &Value) -> bool {
    match kind {
        Kind::List(one) => takes(one, value),
        Kind::Either(kinds) => kinds.iter().any(|kind| lists(kind, value)),
        _ => false,
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) => {
            let mut short: String = text.chars().take(SHOWN).collect();
            if short.len() < text.len() {
                short.push_str("...");
            }
            format!("{short:?}")
        }
        Value::Integer(number) => number.to_string(),
        other => other.kind().to_owned(),
    }
}

fn expected(kind: &Kind) -> String {
    match kind {
        Kind::Text(form) => form.is.to_owned(),
        Kind::Number(least, most) => format!("a whole number from {least} to {most}"),
        Kind::OneOf(words) => alternatives(words.iter().map(ToString::to_string)),
        Kind::OneNumberOf(numbers) => alternatives(numbers.iter().map(ToString::to_string)),
        Kind::Truth => "true or false".to_owned(),
        Kind::Off => "false".to_owned(),
        Kind::Plain => "a text, a number, true or false".to_owned(),
        Kind::List(kind) => format!("a list (each {})", expected(kind)),
        Kind::Named(..) | Kind::Table(_) | Kind::AnyTable => "a table".to_owned(),
        Kind::Any => "any value".to_owned(),
        Kind::Either(kinds) => alternatives(kinds.iter().map(expected)),
    }
}

fn alternatives(words: impl Iterator<Item = String>) -> String {
    let words: Vec<String> = words.collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

/// Fields that must be there, in a project as a stage sees it.
pub fn missing<'a>(
    spec: &Spec,
    root: &Table,
    found: &'a Table,
    path: &mut Vec<&'a str>,
    report: &mut Report<'_>,
) {
    for field in spec.fields {
        match found.get(field.name) {
            Some(entry) => {
                path.push(field.name);
                missing_in(&field.kind, root, &entry.node, path, report);
                path.pop();
            }
            None if field.needed == Needed::Yes => {
                let problem = format!("{} needs the field {}", spec.name, field.name);
                report.of(root, path, problem, None);
            }
            None => {}
        }
    }
}

fn missing_in<'a>(
    kind: &Kind,
    root: &Table,
    node: &'a Node,
    path: &mut Vec<&'a str>,
    report: &mut Report<'_>,
) {
    match (kind, &node.value) {
        (Kind::Table(spec), Value::Table(found)) => missing(spec, root, found, path, report),
        (Kind::Named(_, kind), Value::Table(found)) => {
            for (name, entry) in found {
                path.push(name);
                missing_in(kind, root, &entry.node, path, report);
                path.pop();
            }
        }
        (Kind::List(kind), Value::List(items)) => {
            for item in items {
                if let (Kind::Table(spec), Value::Table(found)) = (kind, &item.value) {
                    missing_of_item(spec, item.at, found, path, report);
                }
            }
        }
        _ => {}
    }
}

/// An item of a list has no name, but a place.
fn missing_of_item(spec: &Spec, at: usize, found: &Table, path: &[&str], report: &mut Report<'_>) {
    for field in spec.fields {
        if field.needed == Needed::Yes && !found.contains_key(field.name) {
            let problem = format!("{} needs the field {}", spec.name, field.name);
            report.at(at, path, problem, None);
        }
    }
}
