//! Comparisons, logic, and the choice between two values.

use std::cmp::Ordering;

use super::arithmetic::Pairs;
use super::{Inputs, Operator, Steps};
use crate::error::Fault;
use crate::tensor::{Data, Tensor, broadcast, each_kind, spread, strided};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Compare {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Logic {
    And,
    Or,
    Xor,
}

#[derive(Debug)]
pub(crate) struct Not;

#[derive(Debug)]
pub(crate) struct Where;

impl Compare {
    fn holds(self, order: Option<Ordering>) -> bool {
        match self {
            Self::Equal => order == Some(Ordering::Equal),
            Self::Less => order == Some(Ordering::Less),
            Self::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Self::Greater => order == Some(Ordering::Greater),
            Self::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        }
    }
}

impl Operator for Compare {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let (left, right) = (inputs.at(0)?, inputs.at(1)?);
        let shape = broadcast(&left.shape, &right.shape)?;
        let pairs = Pairs {
            left: &left.shape,
            right: &right.shape,
            shape: &shape,
        };
        let flags = match (&left.data, &right.data) {
            (Data::Single(a), Data::Single(b)) => {
                pairs.map(a, b, |a, b| self.holds(a.partial_cmp(b)))
            }
            (Data::Double(a), Data::Double(b)) => {
                pairs.map(a, b, |a, b| self.holds(a.partial_cmp(b)))
            }
            (Data::Whole(a), Data::Whole(b)) => pairs.map(a, b, |a, b| self.holds(Some(a.cmp(b)))),
            (Data::Flag(a), Data::Flag(b)) => pairs.map(a, b, |a, b| self.holds(Some(a.cmp(b)))),
            (Data::Text(a), Data::Text(b)) => pairs.map(a, b, |a, b| self.holds(Some(a.cmp(b)))),
            _ => return Err(Fault::Kind),
        };
        Ok(vec![Tensor::new(shape, Data::Flag(flags))?])
    }
}

impl Operator for Logic {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let (left, right) = (inputs.at(0)?, inputs.at(1)?);
        let shape = broadcast(&left.shape, &right.shape)?;
        let pairs = Pairs {
            left: &left.shape,
            right: &right.shape,
            shape: &shape,
        };
        let flags = pairs.map(left.flags()?, right.flags()?, |a, b| match self {
            Self::And => *a && *b,
            Self::Or => *a || *b,
            Self::Xor => a != b,
        });
        Ok(vec![Tensor::new(shape, Data::Flag(flags))?])
    }
}

impl Operator for Not {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let tensor = inputs.at(0)?;
        let flags = tensor.flags()?.iter().map(|flag| !flag).collect();
        Ok(vec![Tensor::new(tensor.shape.clone(), Data::Flag(flags))?])
    }
}

impl Operator for Where {
    fn run(&self, inputs: &Inputs<'_>, _: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let (condition, yes, no) = (inputs.at(0)?, inputs.at(1)?, inputs.at(2)?);
        let shape = broadcast(&broadcast(&condition.shape, &yes.shape)?, &no.shape)?;
        let over = spread(&condition.shape, &shape);
        let flags = strided(condition.flags()?, &shape, 0, &over);
        let mut yes = spread_over(yes, &shape);
        let no = spread_over(no, &shape);
        match (&mut yes, no) {
            (Data::Single(yes), Data::Single(no)) => choose(&flags, yes, no),
            (Data::Double(yes), Data::Double(no)) => choose(&flags, yes, no),
            (Data::Whole(yes), Data::Whole(no)) => choose(&flags, yes, no),
            (Data::Flag(yes), Data::Flag(no)) => choose(&flags, yes, no),
            (Data::Text(yes), Data::Text(no)) => choose(&flags, yes, no),
            _ => return Err(Fault::Kind),
        }
        Ok(vec![Tensor::new(shape, yes)?])
    }
}

pub(crate) fn spread_over(tensor: &Tensor, shape: &[usize]) -> Data {
    let strides = spread(&tensor.shape, shape);
    each_kind!(&tensor.data, values => strided(values, shape, 0, &strides))
}

fn choose<T>(flags: &[bool], yes: &mut [T], no: Vec<T>) {
    for ((flag, yes), no) in flags.iter().zip(yes).zip(no) {
        if !flag {
            *yes = no;
        }
    }
}
