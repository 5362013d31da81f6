//! The standard operators that models of tables are made of, each a small type with
//! what its node says, and [`Operator::run`].

pub(crate) mod arithmetic;
pub(crate) mod cast;
pub(crate) mod compare;
pub(crate) mod lanes;
pub(crate) mod layout;
pub(crate) mod matrix;
pub(crate) mod pick;
pub(crate) mod reduce;
pub(crate) mod repeat;
pub(crate) mod unary;

use std::fmt::Debug;

use crate::error::Fault;
use crate::tensor::Tensor;

pub(crate) trait Operator: Debug + Send + Sync {
    fn run(&self, inputs: &Inputs<'_>, steps: &mut Steps) -> Result<Vec<Tensor>, Fault>;
}

/// What comes into a node. Inputs at the end, or named "", may be missing.
pub(crate) struct Inputs<'a>(pub &'a [Option<&'a Tensor>]);

impl<'a> Inputs<'a> {
    pub(crate) fn all(&self) -> impl Iterator<Item = &'a Tensor> {
        self.0.iter().copied().flatten()
    }

    pub(crate) fn maybe(&self, at: usize) -> Option<&'a Tensor> {
        self.0.get(at).copied().flatten()
    }

    pub(crate) fn at(&self, at: usize) -> Result<&'a Tensor, Fault> {
        self.maybe(at).ok_or(Fault::Missing)
    }
}

/// What is left of the steps that one block of rows may take, so that a file that was
/// made for it cannot keep a server busy for hours.
#[derive(Debug)]
pub(crate) struct Steps(u64);

impl Steps {
    const OF_A_BLOCK: u64 = 1 << 33;

    /// For what can be reckoned once for all, when a file is read.
    const OF_CONSTANTS: u64 = 1 << 23;

    pub(crate) fn of_a_block() -> Self {
        Self(Self::OF_A_BLOCK)
    }

    pub(crate) fn of_constants() -> Self {
        Self(Self::OF_CONSTANTS)
    }

    /// The product of `sizes` is taken away.
    pub(crate) fn take(&mut self, sizes: &[usize]) -> Result<(), Fault> {
        let product = sizes
            .iter()
            .try_fold(1_u64, |product, size| product.checked_mul(*size as u64));
        self.0 = product
            .and_then(|product| self.0.checked_sub(product))
            .ok_or(Fault::TooLong)?;
        Ok(())
    }
}
