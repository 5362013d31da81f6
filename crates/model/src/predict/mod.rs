//! Predictions of a fitted model for new data, equal to R's `predict`.
//!
//! A [`Predictor`] is made once of a model and then used for any number of rows.

mod ask;
mod compile;
mod errors;
mod run;

use std::sync::Arc;

pub use ask::{Ask, Interval, Prediction, RowPrediction, Scale};

use crate::design::inputs::Input;
use crate::design::plan::{Computed, Plan};
use crate::error::DataError;
use crate::eval::{Node, Vector};
use crate::frame::Frame;
use crate::input::{Cell, Field};
use crate::model::Model;

/// A model, ready to predict: names are places, constants are folded, levels are looked
/// up by hash.
#[derive(Debug, Clone)]
pub struct Predictor {
    model: Arc<Model>,
    plan: Plan,
    inputs: Vec<Input>,
    fields: Vec<Field>,
    /// Of the formula and of the call, with the column that errors name.
    offsets: Vec<(Node, Arc<str>)>,
    /// For each response: columns and their coefficients, in the order of the pivot.
    taken: Vec<usize>,
    betas: Vec<Vec<f64>>,
    /// Of the triangle; columns one behind the other.
    inverse: Option<Vec<f64>>,
}

impl Predictor {
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// The columns of the data that are needed, in the order in which the formula has
    /// them.
    pub fn inputs(&self) -> &[Field] {
        &self.fields
    }

    /// For each row of the data, NA where something is missing that the model needs.
    /// Columns that it does not need are passed over.
    pub fn predict(&self, data: &Frame, ask: &Ask) -> Result<Prediction, DataError> {
        let mut columns = Vec::with_capacity(self.inputs.len());
        for input in &self.inputs {
            columns.push(input.of(data, ask.coerce)?);
        }
        self.run(&columns, data.rows(), ask)
    }

    pub(crate) fn variables_of_plan(&self) -> &[crate::design::plan::Ready] {
        &self.plan.variables
    }

    /// A column of the model matrix.
    pub(crate) fn column<'a>(
        &'a self,
        at: usize,
        variables: &'a [Computed<'a>],
        rows: usize,
        buffer: &'a mut Vec<f64>,
    ) -> &'a [f64] {
        self.plan.products[at].column(variables, rows, buffer)
    }

    /// One row, its cells in the order of [`Self::inputs`].
    pub fn predict_row(&self, cells: &[Cell<'_>], ask: &Ask) -> Result<RowPrediction, DataError> {
        if cells.len() != self.inputs.len() {
            let (given, needed) = (cells.len(), self.inputs.len());
            return Err(DataError::other(format!(
                "a row has {given} cells where {needed} are needed"
            )));
        }
        let mut columns: Vec<Vector<'_>> = Vec::with_capacity(cells.len());
        for (input, cell) in self.inputs.iter().zip(cells) {
            columns.push(input.bind(Vector::of_cell(*cell), ask.coerce)?);
        }
        let prediction = self.run(&columns, 1, ask)?;
        Ok(RowPrediction::of(prediction))
    }
}
