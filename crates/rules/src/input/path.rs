//! Paths into an event: `$.detail.items[0].name`, `$.detail.items[*].name`.

use std::str::FromStr;

use serde_json::Value;

use super::BadInput;

/// AWS's quota for a path.
const LONGEST: usize = 256;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Field(String),
    Index(usize),
    All,
}

impl FromStr for Path {
    type Err = BadInput;

    fn from_str(text: &str) -> Result<Self, BadInput> {
        let bad = || BadInput::BadPath(text.chars().take(LONGEST).collect());
        let mut rest = text
            .strip_prefix('$')
            .filter(|_| text.len() <= LONGEST)
            .ok_or_else(bad)?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('.') {
                let end = after.find(['.', '[']).unwrap_or(after.len());
                let (name, after) = after.split_at(end);
                let is_name = |b: u8| b.is_ascii_alphanumeric() || b"_-/ :".contains(&b);
                steps.push(match name {
                    "" => return Err(bad()),
                    "*" => Step::All,
                    name if name.bytes().all(is_name) || !name.is_ascii() => {
                        Step::Field(name.to_owned())
                    }
                    _ => return Err(bad()),
                });
                rest = after;
            } else {
                let inner = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
                let (index, after) = inner.ok_or_else(bad)?;
                steps.push(match index {
                    "*" => Step::All,
                    index => Step::Index(index.parse().map_err(|_| bad())?),
                });
                rest = after;
            }
        }
        Ok(Self { steps })
    }
}

impl Path {
    pub fn find(&self, event: &Value) -> Option<Value> {
        find(&self.steps, event)
    }
}

fn find(steps: &[Step], value: &Value) -> Option<Value> {
    let Some((step, rest)) = steps.split_first() else {
        return Some(value.clone());
    };
    match step {
        Step::Field(name) => find(rest, value.get(name)?),
        Step::Index(index) => find(rest, value.get(index)?),
        Step::All => {
            let found: Vec<Value> = match value {
                Value::Array(list) => list.iter().filter_map(|value| find(rest, value)).collect(),
                Value::Object(fields) => fields
                    .values()
                    .filter_map(|value| find(rest, value))
                    .collect(),
                _ => return None,
            };
            Some(Value::Array(found))
        }
    }
}
