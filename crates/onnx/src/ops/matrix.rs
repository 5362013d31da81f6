//! Products of matrices.

use super::{Inputs, Operator, Steps};
use crate::attributes::Attributes;
use crate::error::Fault;
use crate::tensor::{Data, Tensor, broadcast, count, spread, walk};

#[derive(Debug)]
pub(crate) struct MatMul;

#[derive(Debug)]
pub(crate) struct Gemm {
    alpha: f32,
    beta: f32,
    left_transposed: bool,
    right_transposed: bool,
}

/// Rows of `left` times columns of `right`, added to `into`. In this order the inner
/// loop runs along rows of both, which the compiler makes wide.
fn multiply<T>(left: &[T], right: &[T], into: &mut [T], inner: usize, columns: usize)
where
    T: Copy + std::ops::Mul<Output = T> + std::ops::AddAssign,
{
    if inner == 0 || columns == 0 {
        return;
    }
    for (row, into) in left.chunks_exact(inner).zip(into.chunks_exact_mut(columns)) {
        for (factor, other) in row.iter().zip(right.chunks_exact(columns)) {
            for (sum, value) in into.iter_mut().zip(other) {
                *sum += *factor * *value;
            }
        }
    }
}

impl Operator for MatMul {
    fn run(&self, inputs: &Inputs<'_>, steps: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let (left, right) = (inputs.at(0)?, inputs.at(1)?);
        // Vectors are rows on the left and columns on the right.
        let (mut a, mut b) = (left.shape.clone(), right.shape.clone());
        let (row, column) = (a.len() == 1, b.len() == 1);
        if row {
            a.insert(0, 1);
        }
        if column {
            b.push(1);
        }
        let misfit = || Fault::Shapes(left.shape.clone(), right.shape.clone());
        let ([a_outer @ .., rows, inner], [b_outer @ .., height, columns]) = (&a[..], &b[..])
        else {
            return Err(misfit());
        };
        if inner != height {
            return Err(misfit());
        }
        let mut shape = broadcast(a_outer, b_outer)?;
        let blocks = shape.clone();
        shape.extend([*rows, *columns]);
        steps.take(&[count(&shape)?, *inner])?;
        let block = rows * columns;
        let (a_steps, b_steps) = (spread(a_outer, &blocks), spread(b_outer, &blocks));
        let mut places = vec![];
        walk(
            &blocks,
            &[&a_steps, &b_steps],
            &[0, 0],
            |at, length, step| {
                let mut at = at.map(isize::cast_unsigned);
                for _ in 0..length {
                    places.push((at[0] * rows * inner, at[1] * inner * columns));
                    at[0] = at[0].wrapping_add_signed(step[0]);
                    at[1] = at[1].wrapping_add_signed(step[1]);
                }
            },
        );
        macro_rules! blocks {
            ($left:expr, $right:expr, $zero:expr) => {{
                let mut made = vec![$zero; places.len() * block];
                for ((a, b), into) in places.iter().zip(made.chunks_exact_mut(block.max(1))) {
                    let left = &$left[*a..a + rows * inner];
                    let right = &$right[*b..b + inner * columns];
                    multiply(left, right, into, *inner, *columns);
                }
                made
            }};
        }
        let data = match (&left.data, &right.data) {
            (Data::Single(a), Data::Single(b)) => Data::Single(blocks!(a, b, 0.0)),
            (Data::Double(a), Data::Double(b)) => Data::Double(blocks!(a, b, 0.0)),
            _ => return Err(Fault::Kind),
        };
        if column {
            shape.pop();
        }
        if row {
            shape.remove(blocks.len());
        }
        Ok(vec![Tensor::new(shape, data)?])
    }
}

impl Gemm {
    pub(crate) fn new(attributes: &Attributes) -> Result<Self, Fault> {
        Ok(Self {
            alpha: attributes.float("alpha", 1.0)?,
            beta: attributes.float("beta", 1.0)?,
            left_transposed: attributes.flag("transA", false)?,
            right_transposed: attributes.flag("transB", false)?,
        })
    }
}

/// Rows, columns and values of a matrix, the other way round if asked.
fn matrix(tensor: &Tensor, transposed: bool) -> Result<(usize, usize, Vec<f64>), Fault> {
    let (rows, columns) = tensor.table()?;
    let values = tensor.data.doubles()?;
    if !transposed {
        return Ok((rows, columns, values));
    }
    let places = (0..columns).flat_map(|column| (0..rows).map(move |row| (row, column)));
    let turned = places.map(|(row, column)| values[row * columns + column]);
    Ok((columns, rows, turned.collect()))
}

impl Operator for Gemm {
    fn run(&self, inputs: &Inputs<'_>, steps: &mut Steps) -> Result<Vec<Tensor>, Fault> {
        let (left, right) = (inputs.at(0)?, inputs.at(1)?);
        let (rows, inner, a) = matrix(left, self.left_transposed)?;
        let (height, columns, b) = matrix(right, self.right_transposed)?;
        if inner != height {
            return Err(Fault::Shapes(left.shape.clone(), right.shape.clone()));
        }
        let shape = vec![rows, columns];
        let mut made = vec![0.0; count(&shape)?];
        steps.take(&[rows, columns, inner])?;
        multiply(&a, &b, &mut made, inner, columns);
        for value in &mut made {
            *value *= f64::from(self.alpha);
        }
        if let Some(offset) = inputs.maybe(2) {
            if broadcast(&offset.shape, &shape)? != shape {
                return Err(Fault::Shapes(offset.shape.clone(), shape));
            }
            let offsets = offset.data.doubles()?;
            let strides = spread(&offset.shape, &shape);
            let offsets = crate::tensor::strided(&offsets, &shape, 0, &strides);
            for (value, offset) in made.iter_mut().zip(offsets) {
                *value += f64::from(self.beta) * offset;
            }
        }
        let data = Data::of_doubles(made, left.data.kind())?;
        Ok(vec![Tensor::new(shape, data)?])
    }
}
