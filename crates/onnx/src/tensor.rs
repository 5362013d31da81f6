//! Values on their way through a model: numbers, flags or texts in any shape.

use std::sync::Arc;

use crate::error::Fault;

/// The largest tensor. Rows go through in blocks, so this is far from what a table's
/// model needs; it is there for files that were made to take memory.
pub(crate) const MAX_ELEMENTS: usize = 1 << 24;
const MAX_RANK: usize = 8;

/// What lies in an input, as far as it makes a difference here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Single,
    Double,
    Whole,
    Flag,
    Text,
}

#[derive(Debug, Clone)]
pub(crate) struct Tensor {
    pub shape: Vec<usize>,
    pub data: Data,
}

/// All whole numbers are 64 bits wide here: no operator of a table's model depends on
/// how they overflow.
#[derive(Debug, Clone)]
pub(crate) enum Data {
    Single(Vec<f32>),
    Double(Vec<f64>),
    Whole(Vec<i64>),
    Flag(Vec<bool>),
    Text(Vec<Arc<str>>),
}

/// The same expression for values of every kind.
macro_rules! each_kind {
    ($data:expr, $values:ident => $made:expr) => {
        match $data {
            Data::Single($values) => Data::Single($made),
            Data::Double($values) => Data::Double($made),
            Data::Whole($values) => Data::Whole($made),
            Data::Flag($values) => Data::Flag($made),
            Data::Text($values) => Data::Text($made),
        }
    };
}
pub(crate) use each_kind;

impl Kind {
    /// From the numbers of TensorProto.DataType.
    pub(crate) fn of(number: i64) -> Option<Self> {
        match number {
            1 => Some(Self::Single),
            2..=7 | 12 | 13 => Some(Self::Whole),
            8 => Some(Self::Text),
            9 => Some(Self::Flag),
            11 => Some(Self::Double),
            _ => None,
        }
    }
}

impl Data {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Single(values) => values.len(),
            Self::Double(values) => values.len(),
            Self::Whole(values) => values.len(),
            Self::Flag(values) => values.len(),
            Self::Text(values) => values.len(),
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Single(_) => Kind::Single,
            Self::Double(_) => Kind::Double,
            Self::Whole(_) => Kind::Whole,
            Self::Flag(_) => Kind::Flag,
            Self::Text(_) => Kind::Text,
        }
    }

    pub(crate) fn empty(kind: Kind) -> Self {
        match kind {
            Kind::Single => Self::Single(vec![]),
            Kind::Double => Self::Double(vec![]),
            Kind::Whole => Self::Whole(vec![]),
            Kind::Flag => Self::Flag(vec![]),
            Kind::Text => Self::Text(vec![]),
        }
    }

    /// Adds `other`, whose kind is the same, or says that it is not.
    pub(crate) fn append(&mut self, other: Self) -> Result<(), Fault> {
        match (self, other) {
            (Self::Single(values), Self::Single(more)) => values.extend(more),
            (Self::Double(values), Self::Double(more)) => values.extend(more),
            (Self::Whole(values), Self::Whole(more)) => values.extend(more),
            (Self::Flag(values), Self::Flag(more)) => values.extend(more),
            (Self::Text(values), Self::Text(more)) => values.extend(more),
            _ => return Err(Fault::Kind),
        }
        Ok(())
    }

    /// Numbers as f64; texts are none.
    pub(crate) fn doubles(&self) -> Result<Vec<f64>, Fault> {
        Ok(match self {
            Self::Single(values) => values.iter().map(|n| f64::from(*n)).collect(),
            Self::Double(values) => values.clone(),
            #[expect(clippy::cast_precision_loss, reason = "as the format defines it")]
            Self::Whole(values) => values.iter().map(|n| *n as f64).collect(),
            Self::Flag(values) => values.iter().map(|f| f64::from(u8::from(*f))).collect(),
            Self::Text(_) => return Err(Fault::Kind),
        })
    }

    /// Back into numbers of the kind that `like` has.
    #[expect(clippy::cast_possible_truncation, reason = "narrower by intention")]
    pub(crate) fn of_doubles(values: Vec<f64>, like: Kind) -> Result<Self, Fault> {
        Ok(match like {
            Kind::Single => Self::Single(values.into_iter().map(|n| n as f32).collect()),
            Kind::Double => Self::Double(values),
            Kind::Whole => Self::Whole(values.into_iter().map(|n| n as i64).collect()),
            Kind::Flag | Kind::Text => return Err(Fault::Kind),
        })
    }
}

impl Tensor {
    pub(crate) fn new(shape: Vec<usize>, data: Data) -> Result<Self, Fault> {
        if count(&shape)? == data.len() {
            Ok(Self { shape, data })
        } else {
            Err(Fault::Shape(shape))
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.data.len()
    }

    pub(crate) fn wholes(&self) -> Result<&[i64], Fault> {
        match &self.data {
            Data::Whole(values) => Ok(values),
            _ => Err(Fault::Kind),
        }
    }

    pub(crate) fn flags(&self) -> Result<&[bool], Fault> {
        match &self.data {
            Data::Flag(values) => Ok(values),
            _ => Err(Fault::Kind),
        }
    }

    /// The rows of a table: their number, and how long each is. One dimension alone is
    /// one row.
    pub(crate) fn table(&self) -> Result<(usize, usize), Fault> {
        match self.shape[..] {
            [width] => Ok((1, width)),
            [rows, width] => Ok((rows, width)),
            _ => Err(Fault::Shape(self.shape.clone())),
        }
    }

    /// Sizes before, at and after an axis.
    pub(crate) fn around(&self, axis: i64) -> Result<(usize, usize, usize), Fault> {
        let axis = axis_of(axis, self.shape.len())?;
        let outer = self.shape[..axis].iter().product();
        let inner = self.shape[axis + 1..].iter().product();
        Ok((outer, self.shape[axis], inner))
    }
}

/// How many values a shape has, if that is not too many.
pub(crate) fn count(shape: &[usize]) -> Result<usize, Fault> {
    if shape.len() > MAX_RANK {
        return Err(Fault::TooLarge);
    }
    // Also where a size is zero the others must not overflow in later products.
    let mut bounded = 1_usize;
    for size in shape {
        bounded = bounded
            .checked_mul((*size).max(1))
            .filter(|product| *product <= MAX_ELEMENTS)
            .ok_or(Fault::TooLarge)?;
    }
    Ok(shape.iter().product())
}

/// Negative axes count from the end.
pub(crate) fn axis_of(axis: i64, rank: usize) -> Result<usize, Fault> {
    let signed = i64::try_from(rank).map_err(|_| Fault::TooLarge)?;
    let from_start = if axis < 0 {
        axis.checked_add(signed)
    } else {
        Some(axis)
    };
    from_start
        .and_then(|axis| usize::try_from(axis).ok())
        .filter(|axis| *axis < rank)
        .ok_or(Fault::Axis(axis))
}

/// Like axes, for the places along one.
pub(crate) fn index_of(index: i64, size: usize) -> Result<usize, Fault> {
    axis_of(index, size).map_err(|_| Fault::Index(index))
}

pub(crate) fn strides(shape: &[usize]) -> Vec<isize> {
    let mut stride = 1;
    let mut strides: Vec<isize> = shape
        .iter()
        .rev()
        .map(|size| {
            let own = stride;
            stride *= size.cast_signed();
            own
        })
        .collect();
    strides.reverse();
    strides
}

pub(crate) fn picked<T: Clone>(values: &[T], places: &[usize]) -> Vec<T> {
    places.iter().map(|at| values[*at].clone()).collect()
}

/// Values picked from `values`: one for each place in `shape`, going `strides[i]`
/// onwards for a step along axis i. Callers have made sure that all lie within.
pub(crate) fn strided<T: Clone>(
    values: &[T],
    shape: &[usize],
    offset: isize,
    strides: &[isize],
) -> Vec<T> {
    let total: usize = shape.iter().product();
    let mut picked = Vec::with_capacity(total);
    walk(shape, &[strides], &[offset], |starts, length, steps| {
        let (mut at, step) = (starts[0], steps[0]);
        for _ in 0..length {
            picked.push(values[at.cast_unsigned()].clone());
            at += step;
        }
    });
    picked
}

/// Calls `run` for each run along the last axis with where each of several walks
/// starts and how far it steps.
pub(crate) fn walk<const N: usize>(
    shape: &[usize],
    strides: &[&[isize]; N],
    offsets: &[isize; N],
    mut run: impl FnMut([isize; N], usize, [isize; N]),
) {
    if shape.contains(&0) {
        return;
    }
    let Some((length, outer)) = shape.split_last() else {
        return run(*offsets, 1, [0; N]);
    };
    let steps = strides.map(|strides| strides[outer.len()]);
    let mut places = vec![0; outer.len()];
    let mut at = *offsets;
    loop {
        run(at, *length, steps);
        let mut axis = outer.len();
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            places[axis] += 1;
            for (at, strides) in at.iter_mut().zip(strides) {
                *at += strides[axis];
            }
            if places[axis] < outer[axis] {
                break;
            }
            for (at, strides) in at.iter_mut().zip(strides) {
                *at -= strides[axis] * outer[axis].cast_signed();
            }
            places[axis] = 0;
        }
    }
}

/// The shape of what comes out of two shapes, each size of which is the same or one.
pub(crate) fn broadcast(left: &[usize], right: &[usize]) -> Result<Vec<usize>, Fault> {
    let rank = left.len().max(right.len());
    let size = |shape: &[usize], axis: usize| {
        (axis + shape.len())
            .checked_sub(rank)
            .map_or(1, |at| shape[at])
    };
    let shape: Option<Vec<usize>> = (0..rank)
        .map(|axis| match (size(left, axis), size(right, axis)) {
            (a, b) if a == b => Some(a),
            (1, b) => Some(b),
            (a, 1) => Some(a),
            _ => None,
        })
        .collect();
    let shape = shape.ok_or_else(|| Fault::Shapes(left.to_vec(), right.to_vec()))?;
    count(&shape)?;
    Ok(shape)
}

/// Strides with which a tensor of shape `from` is walked as if it had shape `to`.
pub(crate) fn spread(from: &[usize], to: &[usize]) -> Vec<isize> {
    let own = strides(from);
    let missing = to.len() - from.len();
    (0..to.len())
        .map(|axis| match axis.checked_sub(missing) {
            Some(at) if from[at] != 1 => own[at],
            _ => 0,
        })
        .collect()
}
