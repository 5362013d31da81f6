//! The options of a prediction: those of a route, and those of a query over them.

use model::any::{Ask, Interval, Scale};

use super::refusal::Refusal;
use crate::map_service::{Pairs, shortened};

/// Rows of one request, where the route says nothing.
const MAX_ROWS: u64 = 100_000;
/// What a route may let come.
const MOST_ROWS: u64 = 10_000_000;
const LEVEL: f64 = 0.95;
const LONGEST_NAME: usize = 100;

/// All options there are, in the order in which they are told.
pub(crate) const NAMES: [&str; 8] = [
    "type",
    "se",
    "interval",
    "level",
    "threshold",
    "decision",
    "coerce",
    "max_rows",
];

/// What is wanted, with the defaults of who said nothing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Asked {
    pub scale: Scale,
    pub se: bool,
    pub interval: Option<Interval>,
    pub level: f64,
    /// Above it the decision is yes.
    pub threshold: Option<f64>,
    /// What the decision is called.
    pub decision: String,
    /// Whether numbers in text are numbers, and numbers are levels, in JSON.
    pub coerce: bool,
    pub max_rows: u64,
}

impl Default for Asked {
    fn default() -> Self {
        Self {
            scale: Scale::Response,
            se: false,
            interval: None,
            level: LEVEL,
            threshold: None,
            decision: "decision".to_owned(),
            coerce: false,
            max_rows: MAX_ROWS,
        }
    }
}

impl Asked {
    /// What the model is asked. What comes has been made to fit before.
    pub fn ask(&self) -> Ask {
        Ask {
            scale: self.scale,
            se: self.se,
            interval: self.interval,
            level: self.level,
            coerce: false,
        }
    }

    /// With options over its own.
    pub fn with(mut self, options: &Pairs) -> Result<Self, Refusal> {
        for (name, value) in options {
            self.set(name, value)?;
        }
        Ok(self)
    }

    /// Sets one option. What a route bounds a query cannot widen: see the service.
    pub fn set(&mut self, name: &str, text: &str) -> Result<(), Refusal> {
        let Some(name) = NAMES.into_iter().find(|known| *known == name) else {
            return Err(Refusal::UnknownOption {
                name: shortened(name),
            });
        };
        let given = Given { name, text };
        match name {
            "type" => {
                self.scale = given.one_of(&[
                    ("response", Scale::Response),
                    ("link", Scale::Link),
                    ("terms", Scale::Terms),
                ])?;
            }
            "se" => self.se = given.truth()?,
            "interval" => {
                self.interval = given.one_of(&[
                    ("none", None),
                    ("confidence", Some(Interval::Confidence)),
                    ("prediction", Some(Interval::Prediction)),
                ])?;
            }
            "level" => {
                let inside = |level: &f64| *level > 0.0 && *level < 1.0;
                let level = text.parse().ok().filter(inside);
                self.level = level.ok_or_else(|| given.bad("a number between 0 and 1"))?;
            }
            "threshold" => {
                let number = text.parse().ok().filter(|number: &f64| number.is_finite());
                let number = number.ok_or_else(|| given.bad("a number"))?;
                self.threshold = Some(number);
            }
            "decision" => {
                let fits = !text.is_empty() && text.len() <= LONGEST_NAME;
                let own = ["fit", "se_fit", "lwr", "upr"].contains(&text);
                if !fits || own {
                    return Err(given.bad("a name of up to 100 bytes that no other column has"));
                }
                text.clone_into(&mut self.decision);
            }
            "coerce" => self.coerce = given.truth()?,
            _ => {
                let bounds = 1..=MOST_ROWS;
                let rows = text.parse().ok().filter(|rows| bounds.contains(rows));
                let rows = rows.ok_or_else(|| given.bad(&format!("1 to {MOST_ROWS}")))?;
                self.max_rows = rows;
            }
        }
        Ok(())
    }
}

/// One option as it was given.
#[derive(Debug, Clone, Copy)]
struct Given<'a> {
    name: &'static str,
    text: &'a str,
}

impl Given<'_> {
    fn bad(self, may_be: &str) -> Refusal {
        Refusal::BadOption {
            name: self.name,
            given: shortened(self.text),
            may_be: may_be.to_owned(),
        }
    }

    fn truth(self) -> Result<bool, Refusal> {
        match self.text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err(self.bad("true or false")),
        }
    }

    fn one_of<T: Copy>(self, all: &[(&str, T)]) -> Result<T, Refusal> {
        let found = all.iter().find(|(name, _)| *name == self.text);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let names: Vec<_> = all.iter().map(|(name, _)| *name).collect();
            self.bad(&format!("one of {}", names.join(", ")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Asked, String> {
        let pairs = pairs.iter();
        let pairs = pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let asked = Asked::default().with(&pairs.collect());
        asked.map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn options_are_read_and_others_named() {
        let asked = read(&[
            ("type", "link"),
            ("se", "True"),
            ("interval", "confidence"),
            ("level", "0.9"),
            ("threshold", "0.5"),
            ("decision", "admitted"),
            ("coerce", "1"),
            ("max_rows", "5"),
        ])
        .unwrap();
        assert_eq!(
            (asked.scale, asked.se, asked.coerce),
            (Scale::Link, true, true)
        );
        let ask = asked.ask();
        assert_eq!((ask.interval, ask.level), (Some(Interval::Confidence), 0.9));
        assert_eq!((asked.threshold, asked.max_rows), (Some(0.5), 5));
        assert_eq!(asked.decision, "admitted");
        for (name, value, words) in [
            ("type", "class", "one of response, link, terms"),
            ("level", "95", "between 0 and 1"),
            ("level", "NaN", "between 0 and 1"),
            ("threshold", "half", "a number"),
            ("threshold", "inf", "a number"),
            ("se", "maybe", "true or false"),
            ("decision", "fit", "no other column"),
            ("max_rows", "0", "1 to 10000000"),
            ("treshold", "0.5", "there is no option \"treshold\""),
        ] {
            let said = read(&[(name, value)]).unwrap_err();
            assert!(said.contains(words), "{name}={value}: {said}");
        }
    }
}
