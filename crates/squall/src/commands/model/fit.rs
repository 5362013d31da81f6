//! `squall model fit`: a formula and a data set in, a model out.

use std::sync::Arc;

use model::expr::Expr;
use model::fit::{FitError, Method, Request};
use model::input::Rows;
use model::model::{Family, Link, Model, Variance};
use model::{file, formula, summary, to_r};

use super::place;
use crate::args::{FitArgs, Global};
use crate::failure::Failure;
use crate::output;

/// Bytes of columns that are kept in memory between the steps of a fit; what has more is
/// read again for each.
const KEPT: u64 = 2 * 1024 * 1024 * 1024;

pub async fn run(global: &Global, args: FitArgs) -> Result<(), Failure> {
    let request = request(&args)?;
    let quiet = args.quiet || global.json;
    let data = place::data(global, &args.data, &place::silent()).await?;
    let spinner = place::spinner(&format!("fitting {}", args.formula), quiet);
    let own = data.clone();
    let fitted = place::aside(move || {
        let rows = Rows::new(own.table()?, KEPT);
        let fitted = model::fit::fit(&request, &rows);
        fitted.map_err(|error| refused(&error))
    })
    .await;
    drop(spinner);
    let model = fitted?;
    for warning in &model.fit.warnings {
        output::note(&format!("warning: {warning}"));
    }
    let written = file::write(&model).map_err(Failure::mistake)?;
    if let Some(target) = &args.rds {
        place::put(global, target, rds(&model)?).await?;
    }
    let to_stdout = args.output.as_deref() == Some("-");
    if global.json && !to_stdout {
        output::bytes(&written)?;
    } else if !args.quiet && !to_stdout {
        output::bytes(summary::text(&model).as_bytes())?;
    }
    if let Some(target) = &args.output {
        place::put(global, target, written).await?;
    }
    Ok(())
}

fn refused(error: &FitError) -> Failure {
    Failure::mistake(error)
}

fn rds(model: &Model) -> Result<Vec<u8>, Failure> {
    let value = to_r::value(model).map_err(Failure::mistake)?;
    rdata::write_rds(&value).map_err(Failure::mistake)
}

fn request(args: &FitArgs) -> Result<Request, Failure> {
    let formula = expression("the formula", &args.formula)?;
    let method = match &args.family {
        None => Method::Lm,
        Some(family) => method(family, args.link.as_deref())?,
    };
    let mut request = Request::new(method, formula);
    let option = |name, text: &Option<String>| {
        let text = text.as_deref();
        text.map(|text| expression(name, text)).transpose()
    };
    request.weights = option("--weights", &args.weights)?;
    request.offset = option("--offset", &args.offset)?;
    let contrasts = args.contrasts.iter();
    let contrasts =
        contrasts.map(|(name, kind)| (Arc::from(name.as_str()), Arc::from(kind.as_str())));
    request.contrasts = contrasts.collect();
    request.keep = args.rds.is_some();
    Ok(request)
}

fn expression(what: &str, text: &str) -> Result<Expr, Failure> {
    let parsed = formula::parse(text);
    parsed.map_err(|error| Failure::mistake(format!("{what} {text:?}: {error}")))
}

/// `binomial`, `binomial(probit)`, `quasi(link = "log", variance = "mu^2")`.
fn method(text: &str, link: Option<&str>) -> Result<Method, Failure> {
    let bad = |error: &dyn std::fmt::Display| Failure::mistake(format!("--family {text}: {error}"));
    let (name, arguments) = match expression("--family", text)? {
        Expr::Name(name) | Expr::Text(name) => (name, vec![]),
        Expr::Call(call) => (Arc::clone(&call.function), call.arguments.clone()),
        _ => return Err(bad(&"it is a name, such as binomial")),
    };
    let mut family: Family = name.parse().map_err(|error| bad(&error))?;
    let mut own = link.map(str::to_owned);
    for (at, argument) in arguments.into_iter().enumerate() {
        let value = match &argument.value {
            Expr::Name(text) | Expr::Text(text) => text.to_string(),
            other => other.to_string(),
        };
        match (argument.name.as_deref(), at) {
            (Some("link"), _) | (None, 0) => own = Some(value),
            (Some("variance"), _) | (None, 1) if matches!(family, Family::Quasi(_)) => {
                let variance: Variance = value.parse().map_err(|error| bad(&error))?;
                family = Family::Quasi(variance);
            }
            _ => return Err(bad(&"it takes a link, and quasi a variance")),
        }
    }
    let link = match own {
        None => family.default_link(),
        Some(own) => own
            .parse::<Link>()
            .map_err(|error: model::family::UnknownFamily| bad(&error))?,
    };
    Ok(Method::Glm { family, link })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_written_as_in_r() {
        let read = |text: &str, link| method(text, link).map_err(|failure| failure.message());
        let glm = |family, link| Ok(Method::Glm { family, link });
        assert_eq!(read("binomial", None), glm(Family::Binomial, Link::Logit));
        assert_eq!(
            read("binomial", Some("probit")),
            glm(Family::Binomial, Link::Probit)
        );
        assert_eq!(
            read("binomial(link = \"cloglog\")", None),
            glm(Family::Binomial, Link::CLogLog)
        );
        assert_eq!(
            read("binomial(cauchit)", None),
            glm(Family::Binomial, Link::Cauchit)
        );
        assert_eq!(
            read("quasi(link = log, variance = \"mu^2\")", None),
            glm(Family::Quasi(Variance::MuSquared), Link::Log)
        );
        assert_eq!(
            read("Gamma(link = power(1))", None),
            glm(Family::Gamma, Link::Identity)
        );
        for (text, words) in [
            ("bionmial", "unknown family"),
            ("binomial(link = \"logitt\")", "unknown link"),
            ("binomial(a)", "unknown link"),
            ("binomial(logit, b)", "it takes a link"),
            ("1 + 2", "unknown family"),
        ] {
            let said = read(text, None).unwrap_err();
            assert!(said.contains(words), "{text}: {said}");
        }
    }
}
