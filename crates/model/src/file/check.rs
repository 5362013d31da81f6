//! Whether the parts of a model fit together.

use crate::model::{Contrast, Model};
use crate::terms::{Class, Terms};

/// Columns of a model matrix, responses, levels of a factor: more cannot be meant.
const MOST: usize = 1 << 20;

/// Says what is wrong.
pub fn check(model: &Model) -> Result<(), String> {
    terms(&model.terms)?;
    for (variable, contrast) in &model.contrasts {
        contrasts(model, variable, contrast)?;
    }
    for (variable, levels) in &model.levels {
        if levels.len() > MOST {
            return Err(format!("{variable} has {} levels", levels.len()));
        }
    }
    coefficients(model)
}

fn terms(terms: &Terms) -> Result<(), String> {
    let count = terms.variables.len();
    let inside = |place: usize, what: &str| {
        if place < count {
            return Ok(());
        }
        Err(format!("{what} variable {place} of {count}"))
    };
    if terms.response && count == 0 {
        return Err("a response without variables".into());
    }
    for offset in &terms.offsets {
        inside(*offset, "an offset is")?;
    }
    for term in &terms.terms {
        for (variable, _) in &term.factors {
            inside(*variable, &format!("term {:?} has", term.label))?;
        }
    }
    for variable in &terms.variables {
        if matches!(variable.class, Class::Matrix(columns) if columns > MOST) {
            return Err(format!("variable {:?} has too many columns", variable.name));
        }
    }
    Ok(())
}

fn contrasts(model: &Model, variable: &str, contrast: &Contrast) -> Result<(), String> {
    let levels = model.levels.iter().find(|(name, _)| **name == *variable);
    let (columns, values) = (contrast.columns.len(), contrast.values.len());
    let rows = match levels {
        Some((_, levels)) => levels.len(),
        // A logical variable has no levels, and two rows.
        None => 2,
    };
    if rows.checked_mul(columns) != Some(values) {
        return Err(format!(
            "contrasts of {variable:?} have {values} numbers for {rows} levels and {columns} columns"
        ));
    }
    Ok(())
}

fn coefficients(model: &Model) -> Result<(), String> {
    let columns = model.coefficients.names.len();
    let responses = model.coefficients.values.len();
    if columns > MOST || responses > MOST {
        return Err("too many coefficients".into());
    }
    if responses == 0 {
        return Err("no coefficients".into());
    }
    for values in &model.coefficients.values {
        if values.len() != columns {
            return Err(format!("{} coefficients for {columns} names", values.len()));
        }
    }
    if model.rank > columns {
        return Err(format!("rank {} of {columns} columns", model.rank));
    }
    let mut seen = vec![false; columns];
    for place in &model.pivot {
        match seen.get_mut(*place) {
            Some(seen) if !*seen => *seen = true,
            _ => return Err(format!("column {place} in the pivot of {columns} columns")),
        }
    }
    if seen.contains(&false) {
        return Err(format!(
            "a pivot of {} columns for {columns}",
            model.pivot.len()
        ));
    }
    if let Some(triangle) = &model.triangle
        && model.rank.checked_mul(model.rank) != Some(triangle.len())
    {
        return Err(format!(
            "a triangle of {} numbers for rank {}",
            triangle.len(),
            model.rank
        ));
    }
    match &model.means {
        Some(means) if means.len() != columns => {
            Err(format!("{} means of {columns} columns", means.len()))
        }
        _ => Ok(()),
    }
}
