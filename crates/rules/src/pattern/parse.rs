//! From JSON to a checked pattern. The reasons for refusing one are AWS's.

use serde_json::{Map, Value};

use super::cidr::Cidr;
use super::matcher::{Bounds, Matcher, TextTest};
use super::wildcard::Wildcard;
use super::{BadPattern, Node, Want};

/// How long a pattern may be: AWS's quota.
const LONGEST: usize = 4096;
/// Beyond these, numbers are not compared.
const NUMERIC_MOST: f64 = 5e9;
const OR: &str = "$or";
/// Where an alternative uses one of these as a name, `$or` is a field like others.
const KEYWORDS: [&str; 9] = [
    "exists",
    "prefix",
    "suffix",
    "anything-but",
    "equals-ignore-case",
    "numeric",
    "cidr",
    "wildcard",
    "version",
];

pub(super) fn parse(text: &str) -> Result<Node, BadPattern> {
    if text.len() > LONGEST {
        return Err(bad(format!(
            "Event pattern is longer than {LONGEST} characters"
        )));
    }
    let value: Value = serde_json::from_str(text).map_err(|error| bad(error.to_string()))?;
    let Value::Object(object) = value else {
        return Err(bad("Filter is not an object"));
    };
    node(&object, &mut Vec::new())
}

fn node(object: &Map<String, Value>, path: &mut Vec<String>) -> Result<Node, BadPattern> {
    if object.is_empty() {
        return Err(bad("Empty objects are not allowed"));
    }
    let mut node = Node::default();
    for (name, value) in object {
        if let Some(alternatives) = alternatives(name, value) {
            let nodes = alternatives
                .into_iter()
                .map(|object| self::node(object, path));
            node.either.push(nodes.collect::<Result<_, _>>()?);
            continue;
        }
        let depth = path.len();
        path.extend(name.split('.').map(str::to_owned));
        let want = want(name, value, path)?;
        path.truncate(depth);
        // `a.b` is the field `b` of the object `a`.
        let mut parts = name.rsplit('.');
        let last = parts.next().unwrap_or_default().to_owned();
        let (mut name, mut want) = (last, want);
        for outer in parts {
            let inner = Node {
                fields: vec![(name, want)],
                either: Vec::new(),
            };
            (name, want) = (outer.to_owned(), Want::Object(inner));
        }
        node.fields.push((name, want));
    }
    Ok(node)
}

fn alternatives<'a>(name: &str, value: &'a Value) -> Option<Vec<&'a Map<String, Value>>> {
    let list = value
        .as_array()
        .filter(|list| name == OR && list.len() > 1)?;
    let objects: Option<Vec<_>> = list.iter().map(Value::as_object).collect();
    objects.filter(|objects| {
        objects.iter().all(|object| {
            !object.is_empty() && !object.keys().any(|key| KEYWORDS.contains(&key.as_str()))
        })
    })
}

fn want(name: &str, value: &Value, path: &mut Vec<String>) -> Result<Want, BadPattern> {
    match value {
        Value::Object(object) => node(object, path).map(Want::Object),
        Value::Array(list) if list.is_empty() => Err(bad("Empty arrays are not allowed")),
        Value::Array(list) => {
            let any = list.iter().map(matcher).collect::<Result<_, _>>()?;
            let path = path.clone();
            Ok(Want::Values { path, any })
        }
        _ => Err(bad(format!("\"{name}\" must be an object or an array"))),
    }
}

fn matcher(value: &Value) -> Result<Matcher, BadPattern> {
    match value {
        Value::Object(object) => {
            let mut entries = object.iter();
            match (entries.next(), entries.next()) {
                (Some((operator, operand)), None) => operation(operator, operand),
                _ => Err(bad("Only one key allowed in match expression")),
            }
        }
        Value::Array(_) => Err(bad(
            "Match value must be String, number, true, false, or null",
        )),
        value => Ok(Matcher::Exactly(value.clone())),
    }
}

fn operation(operator: &str, operand: &Value) -> Result<Matcher, BadPattern> {
    match (operator, operand) {
        ("exists", Value::Bool(true)) => Ok(Matcher::Present),
        ("exists", Value::Bool(false)) => Ok(Matcher::Absent),
        ("exists", _) => Err(bad("exists match pattern must be either true or false.")),
        ("prefix" | "suffix", Value::Object(inner)) => {
            match (inner.len(), inner.get("equals-ignore-case")) {
                (1, Some(Value::String(text))) => {
                    let text = text.to_lowercase();
                    Ok(Matcher::Text(if operator == "prefix" {
                        TextTest::PrefixIgnoringCase(text)
                    } else {
                        TextTest::SuffixIgnoringCase(text)
                    }))
                }
                _ => Err(must_be_text(operator)),
            }
        }
        ("prefix" | "suffix" | "equals-ignore-case" | "wildcard", operand) => {
            text_test(operator, operand, operator).map(Matcher::Text)
        }
        ("anything-but", operand) => anything_but(operand),
        ("numeric", Value::Array(list)) => numeric(list).map(Matcher::Numeric),
        ("numeric", _) => Err(bad("Value of numeric must be an array.")),
        ("cidr", Value::String(text)) => Cidr::parse(text).map(Matcher::Cidr).map_err(bad),
        // AWS calls it so.
        ("cidr", _) => Err(must_be_text("prefix")),
        (operator, _) => Err(bad(format!("Unrecognized match type {operator}"))),
    }
}

fn text_test(operator: &str, operand: &Value, shown: &str) -> Result<TextTest, BadPattern> {
    let Value::String(text) = operand else {
        return Err(must_be_text(shown));
    };
    match operator {
        "prefix" => Ok(TextTest::Prefix(text.clone())),
        "suffix" => Ok(TextTest::Suffix(text.clone())),
        "equals-ignore-case" => Ok(TextTest::EqualIgnoringCase(text.to_lowercase())),
        _ => Wildcard::parse(text).map(TextTest::Wildcard).map_err(bad),
    }
}

fn anything_but(operand: &Value) -> Result<Matcher, BadPattern> {
    const KINDS: &str = "Value of anything-but must be an array or single string/number value.";
    match operand {
        Value::String(_) | Value::Number(_) => Ok(Matcher::AnythingBut(vec![operand.clone()])),
        Value::Array(list) if list.is_empty() => Err(bad("Empty arrays are not allowed")),
        Value::Array(list) => {
            if !list
                .iter()
                .all(|value| value.is_string() || value.is_number())
            {
                return Err(bad(
                    "Inside anything but list, start|null|boolean is not supported.",
                ));
            }
            if list.iter().any(Value::is_string) && list.iter().any(Value::is_number) {
                return Err(bad(
                    "Inside anything but list, either all values are number or string, mixed type is not supported",
                ));
            }
            Ok(Matcher::AnythingBut(list.clone()))
        }
        Value::Object(inner) if inner.len() == 1 => {
            let tests = inner.iter().map(|(operator, operand)| {
                if operand.is_object() {
                    return Err(bad(KINDS));
                }
                let operands = match operand {
                    Value::Array(list) => list.as_slice(),
                    operand => std::slice::from_ref(operand),
                };
                if operands.is_empty() {
                    return Err(bad("Empty arrays are not allowed"));
                }
                operands
                    .iter()
                    .map(|operand| excluded(operator, operand))
                    .collect()
            });
            let tests: Vec<Vec<TextTest>> = tests.collect::<Result<_, _>>()?;
            Ok(Matcher::NoneOf(tests.concat()))
        }
        _ => Err(bad(KINDS)),
    }
}

fn excluded(operator: &str, operand: &Value) -> Result<TextTest, BadPattern> {
    match operator {
        "prefix" | "suffix" => match text_test(operator, operand, "prefix/suffix")? {
            TextTest::Prefix(text) | TextTest::Suffix(text) if text.is_empty() => {
                Err(bad("Null prefix/suffix not allowed"))
            }
            test => Ok(test),
        },
        "equals-ignore-case" if !operand.is_string() => Err(bad(
            "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.",
        )),
        "equals-ignore-case" | "wildcard" => text_test(operator, operand, operator),
        operator => Err(bad(format!("Unsupported anything-but pattern: {operator}"))),
    }
}

/// `["=", 5]`, `[">", 0]` or `[">", 0, "<=", 5]`.
fn numeric(list: &[Value]) -> Result<Bounds, BadPattern> {
    let mut bounds = Bounds::default();
    let mut rest = list.iter();
    while let Some(operator) = rest.next() {
        let Some(operator) = operator.as_str() else {
            return Err(bad("Invalid member in numeric match: expected an operator"));
        };
        let number = rest.next().and_then(Value::as_f64);
        let number = number.ok_or_else(|| bad(format!("Value of {operator} must be numeric")))?;
        if number.abs() > NUMERIC_MOST {
            return Err(bad(format!(
                "Value must be between {} and {NUMERIC_MOST}, inclusive",
                -NUMERIC_MOST
            )));
        }
        let free = match operator {
            "=" => bounds == Bounds::default(),
            ">" | ">=" => bounds.low.is_none() && bounds.high.is_none(),
            "<" | "<=" => bounds.high.is_none(),
            _ => {
                return Err(bad(format!(
                    "Unrecognized numeric range operator: {operator}"
                )));
            }
        };
        if !free {
            return Err(bad(format!("Bad numeric range operator: {operator}")));
        }
        match operator {
            "=" => (bounds.low, bounds.high) = (Some((number, true)), Some((number, true))),
            ">" | ">=" => bounds.low = Some((number, operator == ">=")),
            _ => bounds.high = Some((number, operator == "<=")),
        }
    }
    match (bounds.low, bounds.high) {
        (None, None) => Err(bad("Invalid member in numeric match: expected an operator")),
        (Some((low, _)), Some((high, _))) if low > high => Err(bad("Bottom must be less than top")),
        _ => Ok(bounds),
    }
}

fn must_be_text(operator: &str) -> BadPattern {
    bad(format!("{operator} match pattern must be a string"))
}

fn bad(reason: impl Into<String>) -> BadPattern {
    BadPattern(reason.into())
}
