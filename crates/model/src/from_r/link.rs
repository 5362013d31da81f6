//! Family and link of a `glm`, by their names: R's closures are never needed.

use rdata::{Data, Value};

use super::lacks;
use crate::eval::Constant;
use crate::expr::Expr;
use crate::model::{Family, Kind, Link, Variance};
use crate::needs_r::NeedsR;

/// How far means may be from what the power makes of the linear predictors.
const CLOSE: f64 = 1e-10;
/// Denominators that powers are tried with.
const MOST_PARTS: u8 = 12;

pub(super) fn kind(value: &Value) -> Result<Kind, NeedsR> {
    let family = value.get("family").ok_or_else(|| lacks("family"))?;
    let text = |name: &str| {
        let texts = family.get(name).and_then(Value::texts)?;
        texts.into_iter().next()
    };
    let name = text("family").ok_or_else(|| lacks("family"))?;
    let link = text("link").ok_or_else(|| lacks("link"))?;
    Ok(Kind::Glm {
        family: family_of(&name, text("varfun").as_deref()),
        link: link_of(&link, value)?,
    })
}

fn family_of(name: &str, variance: Option<&str>) -> Family {
    match name {
        "gaussian" => Family::Gaussian,
        "binomial" => Family::Binomial,
        "poisson" => Family::Poisson,
        "Gamma" => Family::Gamma,
        "inverse.gaussian" => Family::InverseGaussian,
        "quasibinomial" => Family::QuasiBinomial,
        "quasipoisson" => Family::QuasiPoisson,
        "quasi" => match variance {
            Some("constant") => Family::Quasi(Variance::Constant),
            Some("mu(1-mu)") => Family::Quasi(Variance::MuOneMinusMu),
            Some("mu") => Family::Quasi(Variance::Mu),
            Some("mu^2") => Family::Quasi(Variance::MuSquared),
            Some("mu^3") => Family::Quasi(Variance::MuCubed),
            _ => Family::Other,
        },
        _ => {
            let theta = name
                .strip_prefix("Negative Binomial(")
                .and_then(|name| name.strip_suffix(')'));
            let theta = theta.and_then(|theta| theta.parse().ok());
            theta.map_or(Family::Other, Family::NegativeBinomial)
        }
    }
}

fn link_of(name: &str, value: &Value) -> Result<Link, NeedsR> {
    Ok(match name {
        "identity" => Link::Identity,
        "log" => Link::Log,
        "logit" => Link::Logit,
        "probit" => Link::Probit,
        "cauchit" => Link::Cauchit,
        "cloglog" => Link::CLogLog,
        "inverse" => Link::Inverse,
        "1/mu^2" => Link::InverseSquare,
        "sqrt" => Link::Sqrt,
        _ => {
            let rounded = name.strip_prefix("mu^").and_then(|own| own.parse().ok());
            let rounded = rounded.ok_or_else(|| {
                NeedsR::new(format!("`{name}` is no link that is known without R"))
            })?;
            Link::Power(power(rounded, value)?)
        }
    })
}

/// The name of the link has three digits of it; the call and the means tell the rest.
fn power(rounded: f64, value: &Value) -> Result<f64, NeedsR> {
    let call = value.get("call").map(Expr::of).and_then(Result::ok);
    let mut tried = vec![];
    if let Some(call) = &call {
        written(call, &mut tried);
    }
    tried.push(rounded);
    for parts in 1..=MOST_PARTS {
        let parts = f64::from(parts);
        tried.push((rounded * parts).round() / parts);
    }
    let near = |own: &f64| (own - rounded).abs() <= 5.1e-4;
    let found = tried
        .into_iter()
        .filter(near)
        .find(|own| agrees(*own, value));
    found.ok_or_else(|| {
        NeedsR::new(format!(
            "the power of its link is about {rounded}; all digits are not in the file"
        ))
    })
}

/// What `power(...)` is called with.
fn written(expr: &Expr, tried: &mut Vec<f64>) {
    let Some(call) = expr.as_call() else {
        return;
    };
    for argument in &call.arguments {
        if call.short_name() == "power"
            && let Some(number) = Constant::of(&argument.value).and_then(|own| own.number())
        {
            tried.push(number);
        }
        written(&argument.value, tried);
    }
}

fn agrees(power: f64, value: &Value) -> bool {
    let numbers = |name: &str| match value.get(name) {
        Some(own) if !matches!(own.data, Data::Null) => own.numbers(),
        _ => None,
    };
    let (Some(etas), Some(means)) = (numbers("linear.predictors"), numbers("fitted.values")) else {
        return false;
    };
    let link = Link::Power(power);
    etas.iter().zip(&means).all(|(eta, mean)| {
        let own = link.inverse(*eta);
        (own - mean).abs() <= CLOSE * mean.abs().max(f64::MIN_POSITIVE)
    })
}
