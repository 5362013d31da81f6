//! How the levels of a factor become columns.

use std::sync::Arc;

use crate::linalg::Pivoted;
use crate::model::Contrast;
use crate::needs_r::NeedsR;

/// R's tolerance of `qr`.
const TOLERANCE: f64 = 1e-7;
/// R refuses polynomials of more levels.
const MOST_POLYNOMIAL: usize = 95;
/// Elements of the matrix of a factor.
const MAX_ELEMENTS: usize = 1 << 24;

/// The contrasts that R brings. `base` is the place of the level that the others are
/// compared with.
pub(crate) fn contrast(
    kind: &str,
    levels: &[Arc<str>],
    base: Option<usize>,
) -> Result<Contrast, NeedsR> {
    let count = levels.len();
    if count < 2 {
        let reason = "contrasts can be applied only to factors with 2 or more levels";
        return Err(NeedsR::new(reason));
    }
    if count * (count - 1) > MAX_ELEMENTS {
        return Err(NeedsR::new(format!("a factor has {count} levels")));
    }
    let short = kind.rsplit(':').next().unwrap_or(kind);
    let (columns, values) = match short {
        "contr.treatment" => treatment(levels, base.unwrap_or(0)),
        "contr.SAS" => treatment(levels, count - 1),
        "contr.sum" => (numbered(count - 1), sum(count)),
        "contr.helmert" => (numbered(count - 1), helmert(count)),
        "contr.poly" if count <= MOST_POLYNOMIAL => (powers(count), polynomial(count)),
        _ => {
            return Err(NeedsR::new(format!(
                "`{kind}` are no contrasts that are known without R"
            )));
        }
    };
    Ok(Contrast {
        kind: Some(short.into()),
        columns,
        values,
    })
}

fn numbered(count: usize) -> Vec<Arc<str>> {
    (1..=count).map(|at| at.to_string().into()).collect()
}

fn treatment(levels: &[Arc<str>], base: usize) -> (Vec<Arc<str>>, Vec<f64>) {
    let others = (0..levels.len()).filter(|at| *at != base);
    let values = others
        .clone()
        .flat_map(|column| (0..levels.len()).map(move |row| f64::from(u8::from(row == column))));
    let values = values.collect();
    (others.map(|at| levels[at].clone()).collect(), values)
}

fn sum(count: usize) -> Vec<f64> {
    let column = |column: usize| {
        (0..count).map(move |row| match row {
            row if row == column => 1.0,
            row if row == count - 1 => -1.0,
            _ => 0.0,
        })
    };
    (0..count - 1).flat_map(column).collect()
}

#[expect(clippy::cast_precision_loss, reason = "levels are fewer than 2^53")]
fn helmert(count: usize) -> Vec<f64> {
    let column = |column: usize| {
        (0..count).map(move |row| match row {
            row if row <= column => -1.0,
            row if row == column + 1 => (column + 1) as f64,
            _ => 0.0,
        })
    };
    (0..count - 1).flat_map(column).collect()
}

fn powers(count: usize) -> Vec<Arc<str>> {
    let name = |power: usize| match power {
        1 => ".L".into(),
        2 => ".Q".into(),
        3 => ".C".into(),
        power => format!("^{power}").into(),
    };
    (1..count).map(name).collect()
}

/// Orthogonal polynomials of 1 .. count.
#[expect(clippy::cast_precision_loss, reason = "at most 95 levels")]
fn polynomial(count: usize) -> Vec<f64> {
    let mean = f64::midpoint(1.0, count as f64);
    let scores: Vec<f64> = (1..=count).map(|at| at as f64 - mean).collect();
    let matrix = (0..count).flat_map(|power| {
        let power = power as f64;
        scores
            .iter()
            .map(move |score| crate::eval::math::power(*score, power))
    });
    let qr = Pivoted::new(matrix.collect(), count, count, TOLERANCE);
    let mut values = Vec::with_capacity(count * (count - 1));
    for power in 1..count {
        let mut column = vec![0.0; count];
        column[power] = qr.values[power * count + power];
        qr.rotate_back(&mut column);
        let length = crate::eval::basis::sum(column.iter().map(|own| own * own)).sqrt();
        values.extend(column.iter().map(|own| own / length));
    }
    values
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "equal to the last bit")]
mod tests {
    use super::*;

    fn levels(count: usize) -> Vec<Arc<str>> {
        numbered(count)
    }

    /// Nothing to do where there is no R.
    #[test]
    fn polynomials_are_those_of_r() {
        let script = "for (n in 2:12) cat(sprintf('%.17g', contr.poly(n)), '\n')";
        let done = std::process::Command::new("Rscript")
            .args(["--vanilla", "-e", script])
            .output();
        let Ok(done) = done else {
            return;
        };
        let expected = String::from_utf8(done.stdout).expect("text");
        for (count, expected) in (2..=12).zip(expected.lines()) {
            let made = contrast("contr.poly", &levels(count), None).expect("contrasts");
            assert_eq!(&*made.columns[0], ".L");
            let expected = expected.split_whitespace();
            let expected: Vec<f64> = expected.map(|own| own.parse().expect("a number")).collect();
            assert_eq!(made.values.len(), expected.len());
            for (at, (own, expected)) in made.values.iter().zip(expected).enumerate() {
                assert_eq!(*own, expected, "element {at} of contr.poly({count})");
            }
        }
    }

    #[test]
    fn contrasts_have_their_shapes() {
        let of = |kind| contrast(kind, &levels(3), None).unwrap().values;
        assert_eq!(of("contr.treatment"), [0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
        assert_eq!(of("contr.SAS"), [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        assert_eq!(of("contr.sum"), [1.0, 0.0, -1.0, 0.0, 1.0, -1.0]);
        assert_eq!(of("contr.helmert"), [-1.0, 1.0, 0.0, -1.0, -1.0, 2.0]);
        assert!(contrast("contr.mine", &levels(3), None).is_err());
        assert!(contrast("contr.sum", &levels(1), None).is_err());
    }
}
