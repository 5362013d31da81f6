//! What the object says of how it was fitted.

use std::sync::Arc;

use rdata::Value;

use crate::eval::basis::sum;
use crate::model::{Family, Fit, Kind, Sums};

/// With so few degrees of freedom summaries show all residuals.
const FEW: f64 = 5.0;

pub(super) fn fit(value: &Value, kind: &Kind) -> Fit {
    let numbers = |name: &str| value.get(name).and_then(Value::numbers);
    let number = |name: &str| {
        let numbers = numbers(name);
        numbers
            .and_then(|own| own.first().copied())
            .unwrap_or(f64::NAN)
    };
    let residuals = numbers("residuals").unwrap_or_default();
    let weights = numbers("weights");
    let df = number("df.residual");
    let weight = |at: usize| weights.as_ref().and_then(|own| own.get(at)).copied();
    let known = matches!(
        kind,
        Kind::Glm {
            family: Family::Binomial | Family::Poisson,
            ..
        }
    ) || value.inherits("negbin");
    // As R's summaries have it: of a `glm` nothing is said where no degrees are left.
    let squares = match kind {
        Kind::Glm { .. } => sum((0..residuals.len()).filter_map(|at| {
            let own = weight(at).unwrap_or(1.0);
            (own > 0.0).then(|| own * (residuals[at] * residuals[at]))
        })),
        _ => sum((0..residuals.len()).map(|at| {
            let square = residuals[at] * residuals[at];
            weight(at).map_or(square, |own| square * own)
        })),
    };
    let is_glm = matches!(kind, Kind::Glm { .. });
    let dispersion = match () {
        () if known => 1.0,
        () if is_glm && df <= 0.0 => f64::NAN,
        () => squares / df,
    };
    let shown = match kind {
        Kind::Glm { family, .. } => deviance_residuals(value, *family),
        _ => Some(
            (0..residuals.len())
                .map(|at| weight(at).map_or(residuals[at], |own| own.sqrt() * residuals[at]))
                .collect(),
        ),
    };
    let dropped = value.get("na.action").map_or(0, Value::length);
    let counts = |at: &usize| weight(*at) != Some(0.0);
    let iterations = number("iter");
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast from a float keeps to the range"
    )]
    Fit {
        rows: (0..residuals.len()).filter(counts).count(),
        rows_dropped: usize::try_from(dropped).unwrap_or(0),
        df_residual: df,
        df_null: number("df.null"),
        dispersion,
        deviance: if is_glm { number("deviance") } else { squares },
        null_deviance: number("null.deviance"),
        aic: number("aic"),
        iterations: if iterations.is_nan() {
            0
        } else {
            iterations as u32
        },
        converged: numbers("converged").is_none_or(|own| own.first() != Some(&0.0)),
        residual_quantiles: shown.as_deref().filter(|_| df > FEW).and_then(quantiles),
        few_residuals: shown
            .filter(|_| df <= FEW)
            .map_or(vec![], |own| named(value, own)),
        weights_vary: weights.as_ref().is_some_and(|own| vary(own)),
        sums: (!is_glm)
            .then(|| sums(value, squares, weights.as_deref()))
            .flatten(),
        ..Fit::default()
    }
}

#[expect(clippy::float_cmp, reason = "R compares so")]
fn vary(weights: &[f64]) -> bool {
    weights.windows(2).any(|two| two[0] != two[1])
}

/// Sums of squares as the summary of an `lm` has them.
fn sums(value: &Value, residual: f64, weights: Option<&[f64]>) -> Option<Sums> {
    let fitted = value.get("fitted.values")?.numbers()?;
    let terms = value.get("terms")?;
    let intercept = terms.attribute("intercept")?.integers()?.first() == Some(&1);
    let weight = |at: usize| weights.and_then(|own| own.get(at)).copied().unwrap_or(1.0);
    let all = 0..fitted.len();
    let total = sum(all.clone().map(weight));
    let mean = if intercept {
        sum(all.clone().map(|at| weight(at) * fitted[at])) / total
    } else {
        0.0
    };
    let squares = all.map(|at| weight(at) * ((fitted[at] - mean) * (fitted[at] - mean)));
    Some(Sums {
        model: sum(squares),
        residual,
    })
}

/// `residuals(m, type = "deviance")`, where the object has its response.
fn deviance_residuals(value: &Value, family: Family) -> Option<Vec<f64>> {
    let numbers = |name: &str| value.get(name).and_then(Value::numbers);
    let (y, means) = (numbers("y")?, numbers("fitted.values")?);
    let weights = numbers("prior.weights")?;
    if y.len() != means.len() || y.len() != weights.len() {
        return None;
    }
    let of_row = |at: usize| {
        let size = family
            .deviance(y[at], means[at], weights[at])
            .max(0.0)
            .sqrt();
        if y[at] > means[at] { size } else { -size }
    };
    let residuals: Vec<f64> = (0..y.len()).map(of_row).collect();
    Some(residuals).filter(|own| !own.iter().any(|own| own.is_nan()))
}

/// With the names of the rows.
fn named(value: &Value, residuals: Vec<f64>) -> Vec<(Arc<str>, f64)> {
    let names = value
        .get("residuals")
        .and_then(Value::names)
        .unwrap_or_default();
    let numbered = (names.len() + 1..).map(|at| Arc::from(at.to_string()));
    names.into_iter().chain(numbered).zip(residuals).collect()
}

/// The least, the quartiles, the largest.
fn quantiles(residuals: &[f64]) -> Option<[f64; 5]> {
    let mut own: Vec<f64> = residuals.to_vec();
    own.retain(|own| !own.is_nan());
    own.sort_by(f64::total_cmp);
    let last = own.len().checked_sub(1)?;
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "places of elements"
    )]
    let quantile = |part: f64| {
        let place = last as f64 * part;
        let (low, high) = (own[place.floor() as usize], own[place.ceil() as usize]);
        let share = place - place.floor();
        (1.0 - share) * low + share * high
    };
    Some([0.0, 0.25, 0.5, 0.75, 1.0].map(quantile))
}
