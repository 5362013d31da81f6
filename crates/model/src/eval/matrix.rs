//! Expressions that give several columns.

use std::sync::Arc;

use rdata::value::NA_REAL;

use super::basis::Basis;
use super::node::{Data, Evaluated, NOT_NUMERIC, Node, stretched};
use super::vector::{Matrix, Vector};
use crate::frame::Codes;

pub(super) fn surface(
    of: &[(Node, Basis)],
    powers: &[Vec<usize>],
    data: Data<'_>,
) -> Evaluated<'static> {
    let mut parts = vec![];
    for (node, basis) in of {
        let x = stretched(node.numbers(data, NOT_NUMERIC)?, data.rows);
        parts.push(basis.columns(&x));
    }
    let column = |powers: &Vec<usize>| -> Vec<f64> {
        let factors = powers.iter().zip(&parts);
        let used = factors.filter(|(power, _)| **power > 0);
        let mut product = vec![1.0; data.rows];
        for (power, part) in used {
            let values = product.iter_mut().zip(&part[power - 1]);
            values.for_each(|(product, value)| *product *= value);
        }
        product
    };
    let name = |powers: &Vec<usize>| -> Arc<str> {
        let digits: Vec<String> = powers.iter().map(usize::to_string).collect();
        digits.join(".").into()
    };
    Ok(Vector::Matrix(Matrix {
        columns: powers.iter().map(column).collect(),
        names: Some(powers.iter().map(name).collect()),
    }))
}

pub(super) fn scaled(of: Vector<'_>, centre: &[f64], scale: &[f64]) -> Evaluated<'static> {
    let mut matrix = match of {
        Vector::Matrix(matrix) => matrix,
        other => Matrix {
            columns: vec![
                other
                    .into_numbers()
                    .ok_or("'x' must be numeric")?
                    .into_owned(),
            ],
            names: None,
        },
    };
    for (at, column) in matrix.columns.iter_mut().enumerate() {
        if let Some(centre) = centre.get(at) {
            for value in column.iter_mut() {
                *value -= centre;
            }
        }
        if let Some(scale) = scale.get(at) {
            for value in column.iter_mut() {
                *value /= scale;
            }
        }
    }
    Ok(Vector::Matrix(matrix))
}

pub(super) fn bound(of: &[(Arc<str>, Node)], data: Data<'_>) -> Evaluated<'static> {
    let (mut columns, mut names) = (vec![], vec![]);
    for (name, node) in of {
        match node.column(data)? {
            Vector::Matrix(matrix) => {
                let own = matrix
                    .names
                    .unwrap_or_else(|| numbered(matrix.columns.len()));
                names.extend(own);
                columns.extend(matrix.columns);
            }
            Vector::Factor(labels, _) => {
                let codes = labels.of_rows.iter().map(|own| match *own {
                    Codes::NA => NA_REAL,
                    own => f64::from(own) + 1.0,
                });
                columns.push(codes.collect());
                names.push(name.clone());
            }
            other => {
                columns.push(other.into_numbers().ok_or(NOT_NUMERIC)?.into_owned());
                names.push(name.clone());
            }
        }
    }
    Ok(Vector::Matrix(Matrix {
        columns,
        names: Some(names),
    }))
}

fn numbered(count: usize) -> Vec<Arc<str>> {
    (1..=count).map(|at| at.to_string().into()).collect()
}
