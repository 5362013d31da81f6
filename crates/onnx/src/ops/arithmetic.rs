//! Two numbers become one: element by element, smaller shapes spread over larger ones.

use super::{Inputs, Operator, Steps};
use crate::error::Fault;
use crate::tensor::{Data, Tensor, broadcast, spread, walk};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Arithmetic {
    Add,
    Sub,
    Mul,
    Div,
    Pow,
    Mod,
    Min,
    Max,
}

/// Sum, Mean, Min and Max take any number of inputs.
#[derive(Debug)]
pub(crate) struct Fold {
    pub with: Arithmetic,
    pub mean: bool,
}

impl Operator for Arithmetic {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        Ok(vec![self.of(inputs.at(0)?, inputs.at(1)?)?])
    }
}

impl Operator for Fold {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let mut folded = inputs.at(0)?.clone();
        let mut count = 1;
        for tensor in inputs.all().skip(1) {
            folded = self.with.of(&folded, tensor)?;
            count += 1;
        }
        if self.mean {
            let kind = folded.data.kind();
            let by = Data::of_doubles(vec![f64::from(count)], kind)?;
            folded = Arithmetic::Div.of(&folded, &Tensor::new(vec![], by)?)?;
        }
        Ok(vec![folded])
    }
}

impl Arithmetic {
    fn of(self, left: &Tensor, right: &Tensor) -> Result<Tensor, Fault> {
        let shape = broadcast(&left.shape, &right.shape)?;
        let pairs = Pairs {
            left: &left.shape,
            right: &right.shape,
            shape: &shape,
        };
        let data = match (&left.data, &right.data) {
            (Data::Single(a), Data::Single(b)) => Data::Single(self.floats(&pairs, a, b)),
            (Data::Double(a), Data::Double(b)) => Data::Double(self.floats(&pairs, a, b)),
            (Data::Whole(a), Data::Whole(b)) => Data::Whole(self.wholes(&pairs, a, b)?),
            // Only the exponent may be of another kind than the base.
            (_, exponent) if matches!(self, Self::Pow) => {
                let exponent = Data::of_doubles(exponent.doubles()?, left.data.kind())?;
                let exponent = Tensor::new(right.shape.clone(), exponent)?;
                return self.of(left, &exponent);
            }
            _ => return Err(Fault::Kind),
        };
        Tensor::new(shape, data)
    }

    fn floats<T: Float>(self, pairs: &Pairs<'_>, a: &[T], b: &[T]) -> Vec<T> {
        match self {
            Self::Add => pairs.map(a, b, |a, b| *a + *b),
            Self::Sub => pairs.map(a, b, |a, b| *a - *b),
            Self::Mul => pairs.map(a, b, |a, b| *a * *b),
            Self::Div => pairs.map(a, b, |a, b| *a / *b),
            Self::Pow => pairs.map(a, b, |a, b| a.pow(*b)),
            Self::Mod => pairs.map(a, b, |a, b| *a % *b),
            Self::Min => pairs.map(a, b, |a, b| a.best(*b, *b < *a)),
            Self::Max => pairs.map(a, b, |a, b| a.best(*b, *b > *a)),
        }
    }

    fn wholes(self, pairs: &Pairs<'_>, a: &[i64], b: &[i64]) -> Result<Vec<i64>, Fault> {
        if matches!(self, Self::Div | Self::Mod) && b.contains(&0) {
            return Err(Fault::Malformed("a whole number is divided by zero"));
        }
        Ok(match self {
            Self::Add => pairs.map(a, b, |a, b| a.wrapping_add(*b)),
            Self::Sub => pairs.map(a, b, |a, b| a.wrapping_sub(*b)),
            Self::Mul => pairs.map(a, b, |a, b| a.wrapping_mul(*b)),
            Self::Div => pairs.map(a, b, |a, b| a.wrapping_div(*b)),
            Self::Pow => pairs.map(a, b, |a, b| {
                u32::try_from(*b).map_or(0, |exponent| a.wrapping_pow(exponent))
            }),
            // The sign is that of the divisor, as in Python.
            Self::Mod => pairs.map(a, b, |a, b| {
                let rest = a.wrapping_rem(*b);
                if rest != 0 && (rest < 0) != (*b < 0) {
                    rest + b
                } else {
                    rest
                }
            }),
            Self::Min => pairs.map(a, b, |a, b| *a.min(b)),
            Self::Max => pairs.map(a, b, |a, b| *a.max(b)),
        })
    }
}

/// Two shapes, and the one over which both are spread.
pub(crate) struct Pairs<'a> {
    pub left: &'a [usize],
    pub right: &'a [usize],
    pub shape: &'a [usize],
}

impl Pairs<'_> {
    pub(crate) fn map<A, B, R>(
        &self,
        left: &[A],
        right: &[B],
        pair: impl Fn(&A, &B) -> R,
    ) -> Vec<R> {
        if self.left == self.right {
            return left.iter().zip(right).map(|(a, b)| pair(a, b)).collect();
        }
        if right.len() == 1 && self.left == self.shape {
            return left.iter().map(|a| pair(a, &right[0])).collect();
        }
        let mut made = Vec::with_capacity(self.shape.iter().product());
        let (a, b) = (
            spread(self.left, self.shape),
            spread(self.right, self.shape),
        );
        walk(self.shape, &[&a, &b], &[0, 0], |at, length, steps| {
            let (mut a, mut b) = (at[0], at[1]);
            for _ in 0..length {
                made.push(pair(&left[a.cast_unsigned()], &right[b.cast_unsigned()]));
                a += steps[0];
                b += steps[1];
            }
        });
        made
    }
}

pub(crate) trait Float:
    Copy
    + PartialOrd
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
    + std::ops::Rem<Output = Self>
{
    fn pow(self, exponent: Self) -> Self;
    /// The other if it is better, or no number at all.
    fn best(self, other: Self, better: bool) -> Self;
}

impl Float for f32 {
    fn pow(self, exponent: Self) -> Self {
        self.powf(exponent)
    }

    fn best(self, other: Self, better: bool) -> Self {
        if better || other.is_nan() {
            other
        } else {
            self
        }
    }
}

impl Float for f64 {
    fn pow(self, exponent: Self) -> Self {
        self.powf(exponent)
    }

    fn best(self, other: Self, better: bool) -> Self {
        if better || other.is_nan() {
            other
        } else {
            self
        }
    }
}
