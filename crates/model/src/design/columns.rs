//! The columns of the model matrix, computed for some rows.

use rdata::value::NA_REAL;

use super::plan::{Computed, Part, Product};
use crate::frame::Codes;

impl Product {
    /// The column itself where it is a variable of the data, else computed into `buffer`.
    pub fn column<'a>(
        &self,
        variables: &'a [Computed<'a>],
        rows: usize,
        buffer: &'a mut Vec<f64>,
    ) -> &'a [f64] {
        if let [Part::Number(at)] = &self.parts[..]
            && let Computed::Number(numbers) = &variables[*at]
        {
            return numbers;
        }
        if let [Part::Cell(at, column)] = &self.parts[..]
            && let Computed::Matrix(matrix) = &variables[*at]
        {
            return &matrix.columns[*column];
        }
        buffer.clear();
        buffer.resize(rows, 1.0);
        for (nth, part) in self.parts.iter().enumerate() {
            part.multiply(variables, buffer, nth == 0);
        }
        buffer
    }
}

impl Part {
    fn multiply(&self, variables: &[Computed<'_>], product: &mut [f64], first: bool) {
        let numbers = match self {
            Self::Number(at) => match &variables[*at] {
                Computed::Number(numbers) => Some(&numbers[..]),
                _ => None,
            },
            Self::Cell(at, column) => match &variables[*at] {
                Computed::Matrix(matrix) => Some(&matrix.columns[*column][..]),
                _ => None,
            },
            _ => None,
        };
        if let Some(numbers) = numbers {
            for (product, number) in product.iter_mut().zip(numbers) {
                *product = if first { *number } else { *product * number };
            }
            return;
        }
        let (Self::Table(at, _) | Self::Level(at, _) | Self::Number(at) | Self::Cell(at, _)) = self;
        let Computed::Codes(codes) = &variables[*at] else {
            unreachable!("a plan's parts fit its variables");
        };
        for (product, code) in product.iter_mut().zip(codes.iter()) {
            *product = match (self, *code) {
                (_, Codes::NA) => NA_REAL,
                (Self::Table(_, values), code) => values[code as usize] * *product,
                (Self::Level(_, level), code) if *level == code => *product,
                // What is missing stays so.
                _ => 0.0 * *product,
            };
        }
    }
}
