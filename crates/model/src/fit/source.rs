//! Where the rows of a fit come from: blocks of them, as often as the fit needs them.

use std::sync::Arc;

use super::FitError;
use crate::frame::Frame;

/// Data that can be read several times.
pub trait Source: Sync + std::fmt::Debug {
    /// Names of all columns, in their order.
    fn columns(&self) -> Result<Vec<Arc<str>>, FitError>;

    /// Gives these columns to `each`, block by block in the order of the rows. The blocks
    /// of a text share one list of values.
    fn blocks(
        &self,
        names: &[Arc<str>],
        each: &mut dyn FnMut(&Frame) -> Result<(), FitError>,
    ) -> Result<(), FitError>;

    /// All of the data, if they are in memory.
    fn frame(&self) -> Option<&Frame> {
        None
    }
}

impl Source for Frame {
    fn columns(&self) -> Result<Vec<Arc<str>>, FitError> {
        Ok(Frame::columns(self)
            .iter()
            .map(|(name, _)| name.clone())
            .collect())
    }

    fn blocks(
        &self,
        _: &[Arc<str>],
        each: &mut dyn FnMut(&Frame) -> Result<(), FitError>,
    ) -> Result<(), FitError> {
        each(self)
    }

    fn frame(&self) -> Option<&Frame> {
        Some(self)
    }
}
