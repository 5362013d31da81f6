//! The numbers of a fit: model matrix, response, offset and weights of some rows.

use std::ops::Range;

use super::learn::{columns, mark};
use super::plan::{Computed, Part, Product, Shape};
use super::{Design, DesignError, ResponseKind};
use crate::error::DataError;
use crate::eval::{Data, Node, Vector};
use crate::frame::{Column, Frame};

/// Rows without those that miss something.
#[derive(Debug)]
pub struct Rows<'a> {
    /// Rows that are left.
    pub count: usize,
    /// Of the model matrix.
    pub columns: Vec<&'a [f64]>,
    pub responses: Vec<&'a [f64]>,
    /// The sum of all offsets.
    pub offset: Option<&'a [f64]>,
    pub weights: Option<&'a [f64]>,
    /// Places of the rows in the frame; none if all are there.
    pub kept: Option<&'a [usize]>,
}

/// Memory that is used again for the next rows.
#[derive(Debug, Default)]
pub struct Scratch {
    columns: Vec<Vec<f64>>,
    responses: Vec<Vec<f64>>,
    offset: Vec<f64>,
    weights: Vec<f64>,
    kept: Vec<usize>,
    buffer: Vec<f64>,
}

impl Design {
    pub fn rows<'a>(
        &'a self,
        frame: &'a Frame,
        range: Range<usize>,
        scratch: &'a mut Scratch,
    ) -> Result<Rows<'a>, DesignError> {
        let inputs = columns(&self.inputs, frame, range.clone())?;
        let data = Data {
            inputs: &inputs,
            rows: range.len(),
        };
        let mut complete = vec![true; range.len()];
        let mut variables = Vec::with_capacity(self.plan.variables.len());
        for variable in &self.plan.variables {
            let Some(node) = &variable.node else {
                variables.push(Computed::Unused);
                continue;
            };
            let vector = node.column(data).map_err(DataError::other)?;
            mark(&mut complete, &vector);
            variables.push(match (&variable.shape, vector) {
                (Shape::Coded(coded), Vector::Text(labels) | Vector::Factor(labels, _)) => {
                    Computed::Codes(coded.codes_or_na(labels))
                }
                (_, vector) => variable.fit(vector)?,
            });
        }
        let answer = self.evaluate(self.answer.as_ref(), data, &mut complete)?;
        let weights = self.evaluate(self.weights.as_ref(), data, &mut complete)?;
        let mut offsets = vec![];
        for node in &self.offsets {
            offsets.extend(self.evaluate(Some(node), data, &mut complete)?);
        }
        let all = complete.iter().all(|complete| *complete);
        scratch.kept.clear();
        if !all {
            let kept = complete
                .iter()
                .enumerate()
                .filter(|(_, complete)| **complete);
            scratch.kept.extend(kept.map(|(row, _)| range.start + row));
        }
        let keep = Keep {
            complete: &complete,
            all,
        };
        self.fill(scratch, &variables, &inputs, keep);
        self.respond(scratch, answer, keep)?;
        scratch.weights.clear();
        if let Some(weights) = weights {
            keep.copy(
                &numbers(weights, "invalid type for weights")?,
                &mut scratch.weights,
            );
        }
        scratch.offset.clear();
        for (nth, offset) in offsets.into_iter().enumerate() {
            let offset = numbers(offset, "invalid type for an offset")?;
            if nth == 0 {
                keep.copy(&offset, &mut scratch.offset);
                continue;
            }
            keep.copy(&offset, &mut scratch.buffer);
            for (sum, more) in scratch.offset.iter_mut().zip(&scratch.buffer) {
                *sum += more;
            }
        }
        Ok(self.look(frame, range, scratch, all))
    }

    #[expect(clippy::unused_self, reason = "as its neighbours are called")]
    fn evaluate<'a>(
        &self,
        node: Option<&Node>,
        data: Data<'a>,
        complete: &mut [bool],
    ) -> Result<Option<Vector<'a>>, DesignError> {
        let Some(node) = node else {
            return Ok(None);
        };
        let vector = node.column(data).map_err(DataError::other)?;
        mark(complete, &vector);
        Ok(Some(vector))
    }

    /// The columns that have to be computed.
    fn fill(
        &self,
        scratch: &mut Scratch,
        variables: &[Computed<'_>],
        inputs: &[Vector<'_>],
        keep: Keep<'_>,
    ) {
        scratch
            .columns
            .resize_with(self.plan.products.len(), Vec::new);
        for (product, column) in self.plan.products.iter().zip(&mut scratch.columns) {
            if keep.all
                && self
                    .borrowed(product)
                    .is_some_and(|at| is_number(&inputs[at]))
            {
                column.clear();
                continue;
            }
            if keep.all {
                let values = product.column(variables, keep.complete.len(), &mut scratch.buffer);
                column.clear();
                column.extend_from_slice(values);
                continue;
            }
            let values = product.column(variables, keep.complete.len(), &mut scratch.buffer);
            keep.copy(values, column);
        }
    }

    /// The input that a column of the model matrix simply is.
    fn borrowed(&self, product: &Product) -> Option<usize> {
        match &product.parts[..] {
            [Part::Number(at)] => match &self.plan.variables[*at].node {
                Some(Node::Input(input)) => Some(*input),
                _ => None,
            },
            _ => None,
        }
    }

    fn respond(
        &self,
        scratch: &mut Scratch,
        answer: Option<Vector<'_>>,
        keep: Keep<'_>,
    ) -> Result<(), DesignError> {
        let (Some(kind), Some(answer)) = (&self.response, answer) else {
            scratch.responses.clear();
            return Ok(());
        };
        scratch.responses.resize_with(kind.columns(), Vec::new);
        match (kind, answer) {
            (ResponseKind::Factor(levels), Vector::Text(labels) | Vector::Factor(labels, _)) => {
                let first = levels.first();
                let codes: Vec<f64> = labels
                    .values
                    .iter()
                    .map(|own| f64::from(u8::from(Some(own) != first)))
                    .collect();
                let value = |code: &u32| codes.get(*code as usize).copied().unwrap_or(f64::NAN);
                let values: Vec<f64> = labels.of_rows.iter().map(value).collect();
                keep.copy(&values, &mut scratch.responses[0]);
            }
            (ResponseKind::Matrix(_), Vector::Matrix(matrix)) => {
                for (own, column) in scratch.responses.iter_mut().zip(&matrix.columns) {
                    keep.copy(column, own);
                }
            }
            (_, other) => {
                let values = numbers(other, "invalid type for the response")?;
                keep.copy(&values, &mut scratch.responses[0]);
            }
        }
        Ok(())
    }

    fn look<'a>(
        &'a self,
        frame: &'a Frame,
        range: Range<usize>,
        scratch: &'a Scratch,
        all: bool,
    ) -> Rows<'a> {
        let count = if all { range.len() } else { scratch.kept.len() };
        let column = |(product, own): (&Product, &'a Vec<f64>)| -> &'a [f64] {
            if own.len() == count {
                return own;
            }
            let input = self.borrowed(product).map(|at| &self.inputs[at].name);
            match input.and_then(|name| frame.get(name)) {
                Some(Column::Number(numbers)) => &numbers[range.clone()],
                _ => own,
            }
        };
        let columns = self.plan.products.iter().zip(&scratch.columns);
        let some = |values: &'a Vec<f64>, wanted: bool| wanted.then_some(&values[..]);
        Rows {
            count,
            columns: columns.map(column).collect(),
            responses: scratch.responses.iter().map(|own| &own[..]).collect(),
            offset: some(&scratch.offset, !self.offsets.is_empty()),
            weights: some(&scratch.weights, self.weights.is_some()),
            kept: (!all).then_some(&scratch.kept[..]),
        }
    }
}

/// Which rows stay.
#[derive(Clone, Copy)]
struct Keep<'a> {
    complete: &'a [bool],
    all: bool,
}

impl Keep<'_> {
    fn copy(self, from: &[f64], to: &mut Vec<f64>) {
        to.clear();
        if self.all {
            to.extend_from_slice(from);
            return;
        }
        let kept = from
            .iter()
            .zip(self.complete)
            .filter(|(_, complete)| **complete);
        to.extend(kept.map(|(value, _)| *value));
    }
}

fn is_number(vector: &Vector<'_>) -> bool {
    matches!(vector, Vector::Number(_))
}

fn numbers<'a>(
    vector: Vector<'a>,
    why: &'static str,
) -> Result<std::borrow::Cow<'a, [f64]>, DataError> {
    vector.into_numbers().ok_or_else(|| DataError::other(why))
}
