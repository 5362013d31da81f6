//! Calls that make factors, and those that unmake them.

use std::sync::Arc;

use super::call::Matched;
use super::compile::{Compiled, Compiler, Need, odd, unknown};
use super::constant::Constant;
use super::cut::{Cut, Naming, Style};
use super::node::{FactorOf, Node, To};
use crate::expr::{Call, Expr};
use crate::needs_r::NeedsR;

impl Compiler {
    pub(super) fn factor(&mut self, name: &str, call: &Call) -> Compiled {
        let parameters: &[&str] = match name {
            "ordered" => &["x", "levels", "labels", "exclude"],
            _ => &["x", "levels", "labels", "exclude", "ordered"],
        };
        let matched = Matched::new(call, parameters)?;
        let of = self.compile(matched.required("x")?)?;
        if of.is_matrix() {
            return Err(matched.odd("x"));
        }
        let texts = |parameter: &str| -> Result<Option<Vec<Arc<str>>>, NeedsR> {
            match matched.constant(parameter)? {
                None => Ok(None),
                Some(constant) => {
                    let texts = constant.texts().ok_or_else(|| matched.odd(parameter))?;
                    Ok(Some(texts))
                }
            }
        };
        let (levels, labels) = (texts("levels")?, texts("labels")?);
        // With anything but NA, NA becomes a level.
        if !matches!(matched.given("exclude"), None | Some(Expr::Logical(None))) {
            return Err(matched.odd("exclude"));
        }
        let labels = match (&levels, labels) {
            (_, None) => None,
            (Some(levels), Some(labels)) if labels.len() == levels.len() => Some(labels),
            (Some(levels), Some(labels)) if labels.len() == 1 => {
                let numbered = (1..=levels.len()).map(|at| format!("{}{at}", labels[0]).into());
                Some(numbered.collect())
            }
            // Which level gets which label would depend on the levels of the new data.
            _ => return Err(matched.odd("labels")),
        };
        let ordered = match name {
            "ordered" | "as.ordered" => Some(true),
            _ if matched.given("ordered").is_some() => Some(matched.logical("ordered", false)?),
            _ => None,
        };
        Ok(Node::Factor(Box::new(FactorOf {
            of,
            levels,
            labels,
            ordered,
        })))
    }

    pub(super) fn convert(&mut self, to: To, call: &Call) -> Compiled {
        let [only] = &call.arguments[..] else {
            return Err(unknown(call));
        };
        let of = self.compile(&only.value)?;
        let depends = matches!(to, To::Number | To::Integer)
            && match &of {
                Node::Factor(own) => own.levels.is_none(),
                Node::First(..) | Node::Interaction(..) => true,
                _ => false,
            };
        if depends {
            let reason = format!(
                "the numbers of `{}` depend on which levels the new data have",
                only.value
            );
            return Err(NeedsR::new(reason));
        }
        if of.is_matrix() {
            return Err(unknown(call));
        }
        Ok(Node::Convert(to, Box::new(of)))
    }

    pub(super) fn cut(&mut self, call: &Call) -> Compiled {
        let matched = Matched::new(
            call,
            &[
                "x",
                "breaks",
                "labels",
                "include.lowest",
                "right",
                "dig.lab",
                "ordered_result",
            ],
        )?;
        let of = self.number(matched.required("x")?, Need::Binary)?;
        matched.required("breaks")?;
        let breaks = matched.constant("breaks")?.and_then(Constant::into_numbers);
        let breaks = breaks.ok_or_else(|| matched.odd("breaks"))?;
        if breaks.len() == 1 {
            let reason = "cut() into a number of intervals takes its breaks from the new data";
            return Err(NeedsR::new(reason));
        }
        let labels = match matched.constant("labels")? {
            None | Some(Constant::Null) => Naming::Intervals,
            Some(constant) if constant.logical() == Some(false) => Naming::None,
            Some(constant) => {
                let texts = constant.texts();
                Naming::Given(texts.ok_or_else(|| matched.odd("labels"))?)
            }
        };
        let style = Style {
            right: matched.logical("right", true)?,
            include_lowest: matched.logical("include.lowest", false)?,
            digits: matched.count("dig.lab", 3)?,
            ordered: matched.logical("ordered_result", false)?,
            labels,
        };
        let cut = Cut::new(breaks, style).ok_or_else(|| matched.odd("breaks"))?;
        Ok(Node::Cut(of, Box::new(cut)))
    }

    pub(super) fn interaction(&mut self, call: &Call) -> Compiled {
        let (mut of, mut separator) = (vec![], Arc::from("."));
        for argument in &call.arguments {
            match argument.name.as_deref() {
                None => of.push(self.compile(&argument.value)?),
                Some("sep") => {
                    let constant = Constant::of(&argument.value);
                    let text = constant.as_ref().and_then(Constant::text);
                    separator = text.ok_or_else(|| odd(&argument.value))?.clone();
                }
                Some(_) => return Err(unknown(call)),
            }
        }
        Ok(Node::Interaction(of, separator))
    }
}
