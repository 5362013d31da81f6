//! The call that R would print: `glm(formula = admit ~ gre, family = binomial, data = d)`,
//! broken into lines where R's `deparse` breaks them.

use super::{Method, Request};
use crate::expr::{Argument, Call, Expr};
use crate::model::{Family, Link};

/// R breaks a line at the next chance when it has more characters than this.
const CUTOFF: usize = 60;
/// Levels of indentation that are four blanks wide; the others have two.
const WIDE_LEVELS: usize = 4;

/// The text of the call.
pub fn text(request: &Request) -> String {
    in_lines(&expr(request))
}

/// Text as R's `deparse` breaks it.
pub fn in_lines(expr: &Expr) -> String {
    let mut lines = Lines::default();
    lines.expr(expr);
    lines.finish()
}

/// The call itself; arguments in the order of R's `match.call`.
pub fn expr(request: &Request) -> Expr {
    let mut arguments = vec![Argument::named("formula", request.formula.clone())];
    if let Method::Glm { family, link } = request.method {
        arguments.push(Argument::named("family", family_expr(family, link)));
    }
    arguments.push(Argument::named("data", Expr::Name(request.data.clone())));
    if let Some(weights) = &request.weights {
        arguments.push(Argument::named("weights", weights.clone()));
    }
    let offset = request
        .offset
        .iter()
        .map(|offset| Argument::named("offset", offset.clone()));
    let contrasts = (!request.contrasts.is_empty()).then(|| {
        let each = request
            .contrasts
            .iter()
            .map(|(variable, kind)| Argument::named(variable, Expr::Text(kind.clone())));
        Argument::named("contrasts", Expr::call("list", each.collect()))
    });
    // `glm` has contrasts last, `lm` the offset.
    match request.method {
        Method::Lm => {
            arguments.extend(contrasts);
            arguments.extend(offset);
        }
        Method::Glm { .. } => {
            arguments.extend(offset);
            arguments.extend(contrasts);
        }
    }
    let function = match request.method {
        Method::Lm => "lm",
        Method::Glm { .. } => "glm",
    };
    Expr::call(function, arguments)
}

/// `binomial`, or `binomial(link = "probit")`.
pub fn family_expr(family: Family, link: Link) -> Expr {
    let mut arguments = vec![];
    if link != family.default_link() {
        let link = match link {
            Link::Power(lambda) => Expr::call("power", vec![exponent(lambda).into()]),
            link => Expr::Text(link.name().into()),
        };
        arguments.push(Argument::named("link", link));
    }
    if let Family::Quasi(variance) = family {
        arguments.push(Argument::named(
            "variance",
            Expr::Text(variance.name().into()),
        ));
    }
    if arguments.is_empty() {
        Expr::Name(family.name().into())
    } else {
        Expr::call(family.name(), arguments)
    }
}

/// `1/3` rather than 0.333333333333333.
fn exponent(lambda: f64) -> Expr {
    let below = (1.0 / lambda).round();
    #[expect(clippy::float_cmp, reason = "only if it comes back bit by bit")]
    let is_part = below > 1.0 && 1.0 / below == lambda;
    if is_part {
        let parts = [1.0, below].map(|number| Expr::Number(number).into());
        Expr::call("/", parts.into())
    } else {
        Expr::Number(lambda)
    }
}

#[derive(Debug, Default)]
struct Lines {
    done: Vec<String>,
    line: String,
    /// Characters of the line.
    width: usize,
    started: bool,
    indent: usize,
}

impl Lines {
    fn put(&mut self, text: &str) {
        if !self.started {
            self.started = true;
            for level in 0..self.indent {
                let blanks = if level < WIDE_LEVELS { "    " } else { "  " };
                self.line.push_str(blanks);
                self.width += blanks.len();
            }
        }
        self.line.push_str(text);
        self.width += text.chars().count();
    }

    /// Ends the line if it is long enough; the first time, what follows goes deeper.
    fn chance(&mut self, broken: &mut bool) {
        if self.width <= CUTOFF {
            return;
        }
        if !*broken {
            *broken = true;
            self.indent += 1;
        }
        self.done.push(std::mem::take(&mut self.line));
        self.width = 0;
        self.started = false;
    }

    fn finish(mut self) -> String {
        self.done.push(self.line);
        self.done.join("\n")
    }

    fn expr(&mut self, expr: &Expr) {
        match expr.as_call() {
            Some(call) => self.call(call, &expr.to_string()),
            None => self.put(&expr.to_string()),
        }
    }

    /// `whole` is the call in one line: it tells where there are parentheses.
    fn call(&mut self, call: &Call, whole: &str) {
        if let [left, right] = &call.arguments[..] {
            let between = format!(" {} ", call.function);
            let (left_text, right_text) = (left.value.to_string(), right.value.to_string());
            for left_closed in [false, true] {
                for right_closed in [false, true] {
                    let closed =
                        |text: &str, is| if is { format!("({text})") } else { text.into() };
                    let start = closed(&left_text, left_closed);
                    let end = closed(&right_text, right_closed);
                    if whole == format!("{start}{between}{end}") {
                        self.operand(&left.value, left_closed);
                        self.put(&between);
                        let mut broken = false;
                        self.chance(&mut broken);
                        self.operand(&right.value, right_closed);
                        self.indent -= usize::from(broken);
                        return;
                    }
                }
            }
        }
        let joined = |argument: &Argument| match &argument.name {
            Some(_) => {
                let text = Expr::call("f", vec![argument.clone()]).to_string();
                text[2..text.len() - 1].to_string()
            }
            None => argument.value.to_string(),
        };
        let texts: Vec<String> = call.arguments.iter().map(joined).collect();
        let Some(head) = whole.strip_suffix(&format!("{})", texts.join(", "))) else {
            return self.put(whole);
        };
        self.put(head);
        self.arguments(&call.arguments, &texts);
        self.put(")");
    }

    fn arguments(&mut self, arguments: &[Argument], texts: &[String]) {
        let mut broken = false;
        for (at, (argument, text)) in arguments.iter().zip(texts).enumerate() {
            if at > 0 {
                self.put(", ");
                self.chance(&mut broken);
            }
            let value = argument.value.to_string();
            self.put(text.strip_suffix(&value).unwrap_or_default());
            self.expr(&argument.value);
        }
        self.indent -= usize::from(broken);
    }

    fn operand(&mut self, expr: &Expr, closed: bool) {
        if closed {
            self.put("(");
        }
        self.expr(expr);
        if closed {
            self.put(")");
        }
    }
}
