//! Expressions become nodes: names become places of columns, and what cannot be done
//! without R is found before there are data.

use std::sync::Arc;

use super::call::Matched;
use super::constant::Constant;
use super::math::{self, Compare};
use super::node::{Node, Set, To, arith};
use crate::expr::{Call, Expr};
use crate::needs_r::NeedsR;

/// A column of the data that expressions use.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wanted {
    pub name: Arc<str>,
    pub need: Need,
}

/// What a column must hold, as far as its use says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Any,
    /// `log(x)`
    Mathematical,
    /// `x + 1`
    Binary,
    /// `x == "a"`
    Text,
}

/// Makes expressions ready, and collects the columns that they use.
#[derive(Debug, Default)]
pub(crate) struct Compiler {
    pub inputs: Vec<Wanted>,
    /// Names that are columns for sure: where `T` may be the temperature.
    pub columns: Vec<Arc<str>>,
    /// All columns of the data that the model was fitted to, where they are known: other
    /// names were found elsewhere by R.
    pub all_columns: Option<Vec<Arc<str>>>,
}

pub(super) type Compiled = Result<Node, NeedsR>;

impl Compiler {
    pub fn compile(&mut self, expr: &Expr) -> Compiled {
        match expr {
            Expr::Name(name) => self.name(name),
            Expr::Call(call) => {
                if !self.has_columns(expr)
                    && let Some(constant) = Constant::of(expr)
                {
                    return scalar(&constant, expr);
                }
                self.call(call)
            }
            _ => match Constant::of(expr) {
                Some(constant) => scalar(&constant, expr),
                None => Err(odd(expr)),
            },
        }
    }

    fn name(&mut self, name: &Arc<str>) -> Compiled {
        let known = self.columns.contains(name);
        if &**name == "pi" && !known && !self.is_in_data(name) {
            return Ok(Node::Number(std::f64::consts::PI));
        }
        let outside = self.all_columns.is_some() && !known && !self.is_in_data(name);
        if outside {
            return match &**name {
                "T" => Ok(Node::Logical(1)),
                "F" => Ok(Node::Logical(0)),
                _ => {
                    let what = "is not a column of the data, and its value is not in the file";
                    Err(NeedsR::new(format!("`{name}` {what}")))
                }
            };
        }
        let place = self.inputs.iter().position(|own| own.name == *name);
        let place = place.unwrap_or_else(|| {
            self.inputs.push(Wanted {
                name: name.clone(),
                need: Need::Any,
            });
            self.inputs.len() - 1
        });
        Ok(Node::Input(place))
    }

    fn is_in_data(&self, name: &Arc<str>) -> bool {
        let all = self.all_columns.as_ref();
        all.is_some_and(|all| all.contains(name))
    }

    /// Whether any name in it is a column; `pi` may be none.
    fn has_columns(&self, expr: &Expr) -> bool {
        let mut found = false;
        expr.each_name(&mut |name| {
            let constant =
                &**name == "pi" && !self.columns.contains(name) && !self.is_in_data(name);
            found |= !constant;
        });
        found
    }

    fn call(&mut self, call: &Call) -> Compiled {
        if let Some(package) = call.package()
            && !matches!(package.trim_end_matches(':'), "base" | "stats" | "splines")
        {
            return Err(unknown(call));
        }
        let name = call.short_name();
        if let [only] = &call.arguments[..]
            && only.name.is_none()
        {
            match name {
                "(" | "I" | "offset" | "identity" | "as.vector" | "drop" | "droplevels" => {
                    return self.compile(&only.value);
                }
                "+" => return self.compile(&only.value),
                "-" => {
                    let of = self.number(&only.value, Need::Binary)?;
                    return Ok(Node::Math(|x| -x, of));
                }
                "!" => return Ok(Node::Not(Box::new(self.compile(&only.value)?))),
                "is.na" => return Ok(Node::IsNa(Box::new(self.compile(&only.value)?))),
                _ => {}
            }
            if let Some(function) = math::function(name) {
                let of = self.number(&only.value, Need::Mathematical)?;
                return Ok(Node::Math(function, of));
            }
        }
        if let [one, other] = &call.arguments[..]
            && one.name.is_none()
            && other.name.is_none()
            && let Some(node) = self.operator(name, &one.value, &other.value)?
        {
            return Ok(node);
        }
        self.function(name, call)
    }

    fn operator(&mut self, name: &str, one: &Expr, other: &Expr) -> Result<Option<Node>, NeedsR> {
        if let Some(compare) = Compare::of(name) {
            return self.comparison(compare, one, other).map(Some);
        }
        if let Some(function) = math::Arith::of(name).map(math::Arith::apply) {
            let one = self.number(one, Need::Binary)?;
            let other = self.number(other, Need::Binary)?;
            return Ok(Some(Node::Arith(function, one, other)));
        }
        let logic: fn(i32, i32) -> i32 = match name {
            "&" => math::and,
            "|" => math::or,
            "%in%" => return self.contained(one, other).map(Some),
            _ => return Ok(None),
        };
        let one = Box::new(self.truth_or(one)?);
        let other = Box::new(self.truth_or(other)?);
        Ok(Some(Node::Logic(logic, one, other)))
    }

    /// Where truth values are at home, `T` is one: elsewhere it may be the temperature.
    fn truth_or(&mut self, expr: &Expr) -> Compiled {
        let free = |name: &Arc<str>| !self.columns.contains(name) && !self.is_in_data(name);
        match expr {
            Expr::Name(name) if &**name == "T" && free(name) => Ok(Node::Logical(1)),
            Expr::Name(name) if &**name == "F" && free(name) => Ok(Node::Logical(0)),
            _ => self.compile(expr),
        }
    }

    fn function(&mut self, name: &str, call: &Call) -> Compiled {
        match name {
            "log" | "logb" => self.with_number(call, &["x", "base"], std::f64::consts::E),
            "round" => self.with_number(call, &["x", "digits"], 0.0),
            "signif" => self.with_number(call, &["x", "digits"], 6.0),
            "ifelse" => {
                let matched = Matched::new(call, &["test", "yes", "no"])?;
                let test = self.compile(matched.required("test")?)?;
                let yes = self.truth_or(matched.required("yes")?)?;
                let no = self.truth_or(matched.required("no")?)?;
                Ok(Node::IfElse(Box::new([test, yes, no])))
            }
            "pmin" | "pmax" => self.extreme(name == "pmax", call),
            "factor" | "as.factor" | "ordered" | "as.ordered" => self.factor(name, call),
            "relevel" => {
                let matched = Matched::new(call, &["x", "ref"])?;
                let of = self.compile(matched.required("x")?)?;
                let first = matched.constant("ref")?;
                let first = first.as_ref().and_then(Constant::text).cloned();
                let first = first.ok_or_else(|| matched.odd("ref"))?;
                Ok(Node::First(Box::new(of), first))
            }
            "C" => match call.arguments.first() {
                Some(first) if first.name.is_none() => self.compile(&first.value),
                _ => Err(unknown(call)),
            },
            "as.numeric" | "as.double" | "unclass" => self.convert(To::Number, call),
            "as.integer" => self.convert(To::Integer, call),
            "as.character" => self.convert(To::Text, call),
            "as.logical" => self.convert(To::Logical, call),
            "cut" | "cut.default" => self.cut(call),
            "interaction" => self.interaction(call),
            "poly" | "polym" => self.poly(call),
            "ns" | "bs" => self.spline(name == "ns", call),
            "scale" | "scale.default" => self.scale(call),
            "cbind" => self.bind(call),
            _ => Err(unknown(call)),
        }
    }

    /// What arithmetic takes: no matrix.
    pub(super) fn number(&mut self, expr: &Expr, need: Need) -> Result<Box<Node>, NeedsR> {
        let node = self.compile(expr)?;
        if node.is_matrix() {
            let reason = format!("arithmetic on the columns of `{expr}` is not known without R");
            return Err(NeedsR::new(reason));
        }
        self.need(&node, need);
        Ok(Box::new(node))
    }

    pub(super) fn need(&mut self, node: &Node, need: Need) {
        if let Node::Input(place) = node
            && self.inputs[*place].need == Need::Any
        {
            self.inputs[*place].need = need;
        }
    }

    fn comparison(&mut self, compare: Compare, one: &Expr, other: &Expr) -> Compiled {
        let (one, other) = (self.truth_or(one)?, self.truth_or(other)?);
        let ordering = !matches!(compare, Compare::Equal | Compare::NotEqual);
        for (node, against) in [(&one, &other), (&other, &one)] {
            match against {
                Node::Text(_) => self.need(node, Need::Text),
                Node::Number(_) => self.need(node, Need::Binary),
                _ => {}
            }
        }
        let ordered = |node: &Node| matches!(node, Node::Factor(of) if of.ordered == Some(true));
        let text = matches!(one, Node::Text(_)) || matches!(other, Node::Text(_));
        if ordering && text && !ordered(&one) && !ordered(&other) {
            let reason = "text is compared by its order, which depends on the language of R";
            return Err(NeedsR::new(reason));
        }
        Ok(Node::Compare(compare, Box::new(one), Box::new(other)))
    }

    fn contained(&mut self, one: &Expr, other: &Expr) -> Compiled {
        let of = self.compile(one)?;
        let set = Constant::of(other).ok_or_else(|| odd(other))?;
        let texts = set.texts().ok_or_else(|| odd(other))?;
        let mut numbers = match &set {
            Constant::Texts(_) => vec![],
            other => other.clone().into_numbers().unwrap_or_default(),
        };
        let has_na = match &set {
            Constant::Texts(own) => own.iter().any(Option::is_none),
            _ => numbers.iter().any(|number| number.is_nan()),
        };
        numbers.retain(|number| !number.is_nan());
        self.need(
            &of,
            match &set {
                Constant::Texts(_) => Need::Text,
                _ => Need::Binary,
            },
        );
        let set = Set {
            numbers,
            texts,
            has_na,
        };
        Ok(Node::In(Box::new(of), set))
    }

    fn with_number(
        &mut self,
        call: &Call,
        parameters: &'static [&'static str],
        default: f64,
    ) -> Compiled {
        let matched = Matched::new(call, parameters)?;
        let x = self.number(matched.required(parameters[0])?, Need::Mathematical)?;
        let function = call.short_name();
        let Some(by) = matched.given(parameters[1]) else {
            if let Some(function) = math::function(function) {
                return Ok(Node::Math(function, x));
            }
            let function = arith(function).expect("round and signif are known");
            return Ok(Node::Arith(function, x, Box::new(Node::Number(default))));
        };
        let by = self.number(by, Need::Mathematical)?;
        let function = arith(function.trim_end_matches('b')).expect("these three are known");
        Ok(Node::Arith(function, x, by))
    }

    fn extreme(&mut self, largest: bool, call: &Call) -> Compiled {
        let (mut of, mut skip_na) = (vec![], false);
        for argument in &call.arguments {
            if argument.name.as_deref() == Some("na.rm") {
                let constant = Constant::of(&argument.value);
                let value = constant.and_then(|constant| constant.logical());
                skip_na = value.ok_or_else(|| odd(&argument.value))?;
                continue;
            }
            of.push(*self.number(&argument.value, Need::Binary)?);
        }
        if of.is_empty() {
            return Err(unknown(call));
        }
        Ok(Node::Extreme {
            largest,
            skip_na,
            of,
        })
    }
}

fn scalar(constant: &Constant, expr: &Expr) -> Compiled {
    match constant {
        Constant::Numbers(numbers) if numbers.len() == 1 => Ok(Node::Number(numbers[0])),
        Constant::Logicals(values) if values.len() == 1 => Ok(Node::Logical(values[0])),
        Constant::Texts(texts) if texts.len() == 1 => match &texts[0] {
            Some(text) => Ok(Node::Text(text.clone())),
            None => Err(odd(expr)),
        },
        _ => Err(odd(expr)),
    }
}

pub(super) fn odd(expr: &Expr) -> NeedsR {
    NeedsR::new(format!("`{expr}` is not known without R"))
}

pub(super) fn unknown(call: &Call) -> NeedsR {
    let function = &call.function;
    NeedsR::new(format!(
        "`{function}` is not a function that is known without R"
    ))
}
