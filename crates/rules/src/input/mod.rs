//! What a target gets of an event: the whole, a part, a constant, or a text with
//! parts of the event put in.

mod path;
mod template;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use types::Timestamp;

use path::Path;
use template::{Piece, Template};

/// A target's input as clients write it. At most one of the three is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputText {
    pub constant: Option<String>,
    pub path: Option<String>,
    pub transformer: Option<Transformer>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transformer {
    pub paths: BTreeMap<String, String>,
    pub template: String,
}

/// Why an input was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadInput {
    #[error("only one of a constant, a path and a transformer may be given")]
    TooMany,
    #[error("the constant is not JSON")]
    NotJson,
    #[error("{0:?} is not a path into an event")]
    BadPath(String),
    #[error("the template uses <{0}>, which is not defined")]
    Undefined(String),
    #[error("{0:?} is not a name for a variable")]
    BadVariable(String),
}

/// What came of a template is not JSON, and a function takes nothing else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the input template made a text that is not JSON")]
pub struct NotJson;

/// An input, checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "InputText", into = "InputText")]
pub struct Input {
    text: InputText,
    shape: Shape,
}

#[derive(Debug, Clone, PartialEq)]
enum Shape {
    Whole,
    Constant,
    Part(Path),
    Text {
        variables: BTreeMap<String, Path>,
        template: Template,
    },
}

/// What a template can name beside the event's own parts.
#[derive(Debug, Clone, Copy)]
pub struct Occasion<'a> {
    pub event: &'a Value,
    pub rule_arn: &'a str,
    pub rule_name: &'a str,
    pub ingested: Timestamp,
}

impl Input {
    pub fn new(text: InputText) -> Result<Self, BadInput> {
        let shape = match (&text.constant, &text.path, &text.transformer) {
            (None, None, None) => Shape::Whole,
            (Some(constant), None, None) => {
                let json: Result<&serde_json::value::RawValue, _> = serde_json::from_str(constant);
                json.map_err(|_| BadInput::NotJson)?;
                Shape::Constant
            }
            (None, Some(path), None) => Shape::Part(path.parse()?),
            (None, None, Some(transformer)) => {
                let mut variables = BTreeMap::new();
                for (name, path) in &transformer.paths {
                    if !is_variable(name) {
                        return Err(BadInput::BadVariable(name.chars().take(256).collect()));
                    }
                    variables.insert(name.clone(), path.parse()?);
                }
                let template = Template::parse(&transformer.template);
                let undefined = template
                    .variables()
                    .find(|name| !variables.contains_key(*name) && !PREDEFINED.contains(name));
                if let Some(name) = undefined {
                    return Err(BadInput::Undefined(name.to_owned()));
                }
                Shape::Text {
                    variables,
                    template,
                }
            }
            _ => return Err(BadInput::TooMany),
        };
        Ok(Self { text, shape })
    }

    /// As it was written.
    pub fn text(&self) -> &InputText {
        &self.text
    }

    /// The payload for the target.
    pub fn payload(&self, occasion: &Occasion<'_>) -> Result<String, NotJson> {
        match &self.shape {
            Shape::Whole => Ok(occasion.event.to_string()),
            Shape::Constant => Ok(self.text.constant.clone().unwrap_or_default()),
            Shape::Part(path) => Ok(path.find(occasion.event).unwrap_or_default().to_string()),
            Shape::Text {
                variables,
                template,
            } => {
                let text = fill(template, variables, occasion);
                let json: Result<&serde_json::value::RawValue, _> = serde_json::from_str(&text);
                json.map_err(|_| NotJson)?;
                Ok(text)
            }
        }
    }
}

const PREDEFINED: [&str; 5] = [
    "aws.events.rule-arn",
    "aws.events.rule-name",
    "aws.events.event.ingestion-time",
    "aws.events.event",
    "aws.events.event.json",
];

/// AWS keeps the names that begin with its own for itself.
fn is_variable(name: &str) -> bool {
    (1..=256).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        && !name.to_ascii_lowercase().starts_with("aws")
}

fn fill(
    template: &Template,
    variables: &BTreeMap<String, Path>,
    occasion: &Occasion<'_>,
) -> String {
    let mut text = String::new();
    for piece in template.pieces() {
        let (name, quoted) = match piece {
            Piece::Plain(plain) => {
                text.push_str(plain);
                continue;
            }
            Piece::Variable { name, quoted } => (name, *quoted),
        };
        let value = match variables.get(name) {
            Some(path) => path.find(occasion.event),
            None => Some(predefined(name, occasion)),
        };
        match value {
            // What the event does not have is an empty text.
            None if quoted => {}
            None => text.push_str("\"\""),
            Some(value) if !quoted => text.push_str(&value.to_string()),
            Some(Value::String(inner)) => {
                let escaped = Value::String(inner).to_string();
                text.push_str(&escaped[1..escaped.len() - 1]);
            }
            // In a text, AWS writes lists and objects without their quotes. In a
            // text within JSON it leaves them, and what comes of it is not JSON.
            Some(value) if template.is_text() => text.extend(
                value
                    .to_string()
                    .chars()
                    .filter(|c| !matches!(c, '"' | '\\')),
            ),
            Some(value) => text.push_str(&value.to_string()),
        }
    }
    text
}

fn predefined(name: &str, occasion: &Occasion<'_>) -> Value {
    match name {
        "aws.events.rule-arn" => occasion.rule_arn.into(),
        "aws.events.rule-name" => occasion.rule_name.into(),
        "aws.events.event.ingestion-time" => crate::wire_time(occasion.ingested).into(),
        "aws.events.event" => {
            let mut event = occasion.event.clone();
            if let Value::Object(event) = &mut event {
                event.remove("detail");
                // AWS spells it so, and only here.
                if let Some(kind) = event.remove("detail-type") {
                    event.insert("detailType".to_owned(), kind);
                }
            }
            event
        }
        "aws.events.event.json" => occasion.event.clone(),
        _ => json!(""),
    }
}

impl Default for Input {
    fn default() -> Self {
        Self {
            text: InputText::default(),
            shape: Shape::Whole,
        }
    }
}

impl TryFrom<InputText> for Input {
    type Error = BadInput;

    fn try_from(text: InputText) -> Result<Self, BadInput> {
        Self::new(text)
    }
}

impl From<Input> for InputText {
    fn from(input: Input) -> InputText {
        input.text
    }
}

#[cfg(test)]
mod tests;
