//! What R prints for `summary(model)`, character by character as R 4.2 does it. (Since
//! 4.3, R leaves out the deviance residuals of a `glm`.)

mod coefficients;
mod numbers;
mod page;

use std::fmt::Write as _;

use crate::distribution::pf_upper;
use crate::model::{Family, Kind, Model, Sums};

pub use coefficients::{Coefficient, Estimate, coefficients, known_dispersion};
use numbers::{format, format_c, format_one, format_p, signif, zapsmall};

/// `max(3, getOption("digits") - 3)`
const DIGITS: usize = 4;
const PLAIN_DIGITS: usize = 7;
/// With more degrees of freedom, quartiles of the residuals stand for all of them.
const FEW: f64 = 5.0;
const QUARTILES: [&str; 5] = ["Min", "1Q", "Median", "3Q", "Max"];

/// `print(summary(model))`
pub fn text(model: &Model) -> String {
    match model.kind {
        Kind::Glm { family, .. } => generalised(model, family),
        Kind::Lm | Kind::Mlm | Kind::Aov => linear(model),
    }
}

/// R squared, as it is and adjusted, and F.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Explained {
    pub r_squared: f64,
    pub adjusted: f64,
    /// None, if there is only an intercept.
    pub f: Option<F>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct F {
    pub value: f64,
    pub numerator: f64,
    pub denominator: f64,
    pub p: f64,
}

/// Of an `lm`.
pub fn explained(model: &Model) -> Option<Explained> {
    let Sums {
        model: explained,
        residual,
    } = model.fit.sums?;
    let df = model.fit.df_residual;
    let intercept = f64::from(u8::from(model.terms.intercept));
    let rank = crate::fit::count(model.rank);
    if model.rank == usize::from(model.terms.intercept) || model.rank == 0 {
        return Some(Explained {
            r_squared: 0.0,
            adjusted: 0.0,
            f: None,
        });
    }
    let r_squared = explained / (explained + residual);
    let rows = crate::fit::count(model.fit.rows);
    let numerator = rank - intercept;
    let value = (explained / numerator) / (residual / df);
    Some(Explained {
        r_squared,
        adjusted: 1.0 - (1.0 - r_squared) * ((rows - intercept) / df),
        f: Some(F {
            value,
            numerator,
            denominator: df,
            p: pf_upper(value, numerator, df),
        }),
    })
}

fn begin(model: &Model) -> String {
    format!("\nCall:\n{}\n\n", model.call)
}

/// Residuals, or their quartiles.
fn residuals(model: &Model, gap: usize) -> String {
    const ZAP: f64 = 5.0;
    if model.fit.df_residual > FEW {
        let quartiles = model.fit.residual_quantiles.unwrap_or([f64::NAN; 5]);
        return page::named(&QUARTILES, &zapsmall(&quartiles, ZAP), DIGITS, gap);
    }
    let (names, values): (Vec<&str>, Vec<f64>) = model
        .fit
        .few_residuals
        .iter()
        .map(|(name, value)| (&**name, *value))
        .unzip();
    let values = match model.kind {
        Kind::Glm { .. } => zapsmall(&values, ZAP),
        _ => values,
    };
    page::named(&names, &values, DIGITS, gap)
}

fn coefficient_part(model: &Model) -> String {
    let columns = model.coefficients.names.len();
    if columns == 0 {
        return "\nNo Coefficients\n".into();
    }
    let head = match columns - model.rank {
        0 => "\nCoefficients:\n".into(),
        aliased => {
            format!("\nCoefficients: ({aliased} not defined because of singularities)\n")
        }
    };
    head + &coefficients::table(model, DIGITS)
}

/// What R says of rows that were omitted.
fn omitted(model: &Model) -> String {
    match model.fit.rows_dropped {
        0 => String::new(),
        1 => "  (1 observation deleted due to missingness)\n".into(),
        rows => format!("  ({rows} observations deleted due to missingness)\n"),
    }
}

fn generalised(model: &Model, family: Family) -> String {
    let fit = &model.fit;
    let mut text = begin(model) + "Deviance Residuals: \n";
    text += &residuals(model, 2);
    text += &coefficient_part(model);
    let name = match family {
        Family::NegativeBinomial(theta) => {
            format!("Negative Binomial({})", format_one(theta, 4).trim())
        }
        family => family.name().into(),
    };
    let deviances = format(&[fit.null_deviance, fit.deviance], DIGITS + 1);
    let degrees = format(&[fit.df_null, fit.df_residual], PLAIN_DIGITS);
    let _ = write!(
        text,
        "\n(Dispersion parameter for {name} family taken to be {})\n\n",
        format_one(fit.dispersion, PLAIN_DIGITS)
    );
    for (what, (deviance, degrees)) in ["    Null", "Residual"]
        .iter()
        .zip(deviances.iter().zip(&degrees))
    {
        let _ = writeln!(
            text,
            "{what} deviance: {deviance}  on {degrees}  degrees of freedom"
        );
    }
    text += &omitted(model);
    let _ = write!(
        text,
        "AIC: {}\n\nNumber of Fisher Scoring iterations: {}\n\n",
        format_one(fit.aic, DIGITS + 1),
        fit.iterations
    );
    text
}

fn linear(model: &Model) -> String {
    let fit = &model.fit;
    let df = fit.df_residual;
    let weighted = if fit.weights_vary { "Weighted " } else { "" };
    let mut text = begin(model);
    let _ = writeln!(text, "{weighted}Residuals:");
    if df > 0.0 {
        text += &residuals(model, 1);
    } else {
        let rank = model.rank;
        let _ = writeln!(
            text,
            "ALL {rank} residuals are 0: no residual degrees of freedom!"
        );
    }
    text += &coefficient_part(model);
    let sigma = signif(fit.dispersion.sqrt(), 4);
    let _ = writeln!(
        text,
        "\nResidual standard error: {} on {} degrees of freedom",
        format_one(sigma, PLAIN_DIGITS),
        format_one(df, PLAIN_DIGITS)
    );
    text += &omitted(model);
    if let Some(Explained {
        r_squared,
        adjusted,
        f: Some(f),
    }) = explained(model)
    {
        let _ = writeln!(
            text,
            "Multiple R-squared:  {},\tAdjusted R-squared:  {} \nF-statistic: {} on {} and {} DF,  \
             p-value: {}",
            format_c(r_squared, DIGITS),
            format_c(adjusted, DIGITS),
            format_c(f.value, DIGITS),
            format_one(f.numerator, PLAIN_DIGITS),
            format_one(f.denominator, PLAIN_DIGITS),
            p_value(f.p),
        );
    }
    text.push('\n');
    text
}

fn p_value(p: f64) -> String {
    if p.is_nan() {
        return "NA".into();
    }
    format_p(&[p], DIGITS).swap_remove(0)
}
