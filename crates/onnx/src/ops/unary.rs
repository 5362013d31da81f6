//! One number becomes another, wherever it stands.

use super::{Inputs, Operator, Steps};
use crate::attributes::Attributes;
use crate::error::Fault;
use crate::tensor::{Data, Tensor};

/// Functions of numbers, reckoned with 64 bits and brought back to the kind that came
/// in.
#[derive(Debug)]
pub(crate) struct Unary(pub fn(f64) -> f64);

/// Those that need a number or two of their node.
#[derive(Debug)]
pub(crate) enum Bent {
    LeakyRelu(f64),
    Elu(f64),
    Selu { alpha: f64, gamma: f64 },
    HardSigmoid { alpha: f64, beta: f64 },
}

#[derive(Debug)]
pub(crate) struct Clip {
    /// As early versions of the operator have them; later ones have inputs.
    low: Option<f64>,
    high: Option<f64>,
}

#[derive(Debug)]
pub(crate) enum Is {
    NaN,
    Infinite,
}

pub(crate) fn named(operator: &str) -> Option<Unary> {
    Some(Unary(match operator {
        "Abs" => f64::abs,
        "Acos" => f64::acos,
        "Asin" => f64::asin,
        "Atan" => f64::atan,
        "Ceil" => f64::ceil,
        "Cos" => f64::cos,
        "Cosh" => f64::cosh,
        "Erf" => erf,
        "Exp" => f64::exp,
        "Floor" => f64::floor,
        "Log" => f64::ln,
        "Neg" => |x| -x,
        "Reciprocal" => f64::recip,
        "Relu" => |x| if x < 0.0 { 0.0 } else { x },
        "Round" => f64::round_ties_even,
        "Sigmoid" => sigmoid,
        "Sign" => |x| if x == 0.0 { 0.0 } else { x.signum() },
        "Sin" => f64::sin,
        "Sinh" => f64::sinh,
        "Softplus" => |x| x.max(0.0) + (-x.abs()).exp().ln_1p(),
        "Softsign" => |x| x / (1.0 + x.abs()),
        "Sqrt" => f64::sqrt,
        "Tan" => f64::tan,
        "Tanh" => f64::tanh,
        _ => return None,
    }))
}

pub(crate) fn sigmoid(x: f64) -> f64 {
    let positive = 1.0 / (1.0 + (-x.abs()).exp());
    if x < 0.0 { 1.0 - positive } else { positive }
}

/// By its series where that is short, else by the continued fraction of its
/// complement: to the last digits of f64, more than any model needs.
fn erf(x: f64) -> f64 {
    const ROOT_PI: f64 = 1.772_453_850_905_516;
    let size = x.abs();
    if size.is_nan() {
        return x;
    }
    let value = if size < 2.5 {
        let (mut term, mut sum) = (size, size);
        for n in 1..100 {
            let n = f64::from(n);
            term *= -size * size / n;
            let part = term / (2.0 * n + 1.0);
            sum += part;
            if part.abs() < 1e-17 * sum.abs() {
                break;
            }
        }
        2.0 / ROOT_PI * sum
    } else if size < 6.0 {
        let mut fraction = 0.0;
        for n in (1..=60).rev() {
            fraction = f64::from(n) / 2.0 / (size + fraction);
        }
        1.0 - (-size * size).exp() / (ROOT_PI * (size + fraction))
    } else {
        1.0
    };
    value.copysign(x)
}

impl Operator for Unary {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        each(inputs.at(0)?, self.0)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "narrower by intention")]
fn each(tensor: &Tensor, function: impl Fn(f64) -> f64) -> Result<Vec<Tensor>, Fault> {
    let data = match &tensor.data {
        Data::Single(values) => Data::Single(
            values
                .iter()
                .map(|n| function(f64::from(*n)) as f32)
                .collect(),
        ),
        Data::Double(values) => Data::Double(values.iter().map(|n| function(*n)).collect()),
        other => {
            let values = other.doubles()?.into_iter().map(function).collect();
            Data::of_doubles(values, other.kind())?
        }
    };
    Ok(vec![Tensor::new(tensor.shape.clone(), data)?])
}

impl Bent {
    pub(crate) fn named(operator: &str, attributes: &Attributes) -> Result<Option<Self>, Fault> {
        let number = |name, default| attributes.float(name, default).map(f64::from);
        Ok(Some(match operator {
            "LeakyRelu" => Self::LeakyRelu(number("alpha", 0.01)?),
            "Elu" => Self::Elu(number("alpha", 1.0)?),
            "Selu" => Self::Selu {
                alpha: number("alpha", 1.673_263_2)?,
                gamma: number("gamma", 1.050_701)?,
            },
            "HardSigmoid" => Self::HardSigmoid {
                alpha: number("alpha", 0.2)?,
                beta: number("beta", 0.5)?,
            },
            _ => return Ok(None),
        }))
    }
}

impl Operator for Bent {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let tensor = inputs.at(0)?;
        match *self {
            Self::LeakyRelu(alpha) => each(tensor, |x| if x < 0.0 { alpha * x } else { x }),
            Self::Elu(alpha) => each(tensor, |x| if x < 0.0 { alpha * x.exp_m1() } else { x }),
            Self::Selu { alpha, gamma } => each(tensor, |x| {
                gamma * if x > 0.0 { x } else { alpha * x.exp_m1() }
            }),
            Self::HardSigmoid { alpha, beta } => {
                each(tensor, |x| (alpha * x + beta).clamp(0.0, 1.0))
            }
        }
    }
}

impl Clip {
    pub(crate) fn new(attributes: &Attributes) -> Result<Self, Fault> {
        let bound = |name| -> Result<Option<f64>, Fault> {
            Ok(if attributes.has(name) {
                Some(attributes.float(name, 0.0)?.into())
            } else {
                None
            })
        };
        Ok(Self {
            low: bound("min")?,
            high: bound("max")?,
        })
    }
}

impl Operator for Clip {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let bound = |own: Option<f64>, at| -> Result<Option<f64>, Fault> {
            let given = inputs.maybe(at).map(|tensor| tensor.data.doubles());
            let given = given.transpose()?;
            Ok(given.map_or(own, |values| values.first().copied()))
        };
        let (low, high) = (bound(self.low, 1)?, bound(self.high, 2)?);
        each(inputs.at(0)?, |mut x| {
            if let Some(low) = low.filter(|low| x < *low) {
                x = low;
            }
            if let Some(high) = high.filter(|high| x > *high) {
                x = high;
            }
            x
        })
    }
}

impl Operator for Is {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let tensor = inputs.at(0)?;
        let flags = tensor.data.doubles()?.into_iter().map(|n| match self {
            Self::NaN => n.is_nan(),
            Self::Infinite => n.is_infinite(),
        });
        let data = Data::Flag(flags.collect());
        Ok(vec![Tensor::new(tensor.shape.clone(), data)?])
    }
}

#[cfg(test)]
mod tests {
    use super::erf;

    #[test]
    fn erf_is_as_in_tables() {
        for (x, value) in [
            (0.0, 0.0),
            (0.5, 0.520_499_877_813_046_5),
            (-1.0, -0.842_700_792_949_714_9),
            (2.4, 0.999_311_486_103_354_9),
            (2.6, 0.999_763_965_583_470_7),
            (9.0, 1.0),
        ] {
            assert!((erf(x) - value).abs() < 1e-14, "{x}: {}", erf(x));
        }
    }
}
