//! A model becomes a predictor, or a reason why it cannot.

use std::sync::Arc;

use super::Predictor;
use crate::design::inputs::Input;
use crate::design::plan::{Plan, Ready, key, shape};
use crate::error::{DataError, Problem};
use crate::eval::{Compiler, Node, Vector};
use crate::expr::Expr;
use crate::frame::{Codes, Frame};
use crate::input::Cell;
use crate::linalg::Pivoted;
use crate::model::Model;
use crate::needs_r::NeedsR;
use crate::terms::Variable;

impl Predictor {
    pub fn new(model: impl Into<Arc<Model>>) -> Result<Self, NeedsR> {
        Self::among(model, None)
    }

    /// `columns` are those of the data that the model was fitted to, where they are
    /// known: any other name stands for something that is not in the file.
    pub fn among(
        model: impl Into<Arc<Model>>,
        columns: Option<Vec<Arc<str>>>,
    ) -> Result<Self, NeedsR> {
        let model = model.into();
        let terms = &model.terms;
        let right = |at: &usize| !(terms.response && *at == 0);
        let mut compiler = Compiler {
            all_columns: columns,
            ..Compiler::default()
        };
        for at in (0..terms.variables.len()).filter(right) {
            if let Expr::Name(name) = &terms.variables[at].expr {
                compiler.columns.push(name.clone());
            }
        }
        let mut variables = vec![];
        let mut offsets = vec![];
        for (at, variable) in terms.variables.iter().enumerate() {
            let is_offset = terms.offsets.contains(&at);
            let node = if right(&at) {
                Some(compiler.compile(&variable.expr)?)
            } else {
                None
            };
            let field = field_of(variable);
            if is_offset && let Some(node) = &node {
                offsets.push((node.clone(), field.clone()));
            }
            variables.push(ready(&model, variable, node, is_offset || !right(&at))?);
        }
        if let Some(offset) = &model.offset {
            offsets.push((compiler.compile(offset)?, offset.to_string().into()));
        }
        let plan = Plan::new(terms, variables)?;
        agrees(&model, &plan)?;
        let inputs = inputs(&model, &compiler);
        let fields = inputs.iter().map(|input| input.field.clone()).collect();
        let taken = model.pivot[..model.rank].to_vec();
        let betas = model.coefficients.values.iter();
        let betas = betas.map(|own| taken.iter().map(|column| own[*column]).collect());
        let inverse = model.triangle.as_deref();
        Ok(Self {
            plan,
            inputs,
            fields,
            offsets,
            betas: betas.collect(),
            inverse: inverse.map(|triangle| inverted(triangle, model.rank)),
            taken,
            model,
        })
    }
}

fn ready(
    model: &Model,
    variable: &Variable,
    node: Option<Node>,
    unused: bool,
) -> Result<Ready, NeedsR> {
    let shape = if unused {
        crate::design::plan::Shape::Number
    } else {
        shape(variable, node.as_ref(), &model.levels, &model.contrasts)?
    };
    Ok(Ready {
        node: node.filter(|_| !unused),
        shape,
        name: key(variable),
        field: field_of(variable),
    })
}

/// The column that a variable is made of, if it is only one.
fn field_of(variable: &Variable) -> Arc<str> {
    let mut names: Vec<&Arc<str>> = vec![];
    variable.expr.each_name(&mut |name| {
        if !names.contains(&name) {
            names.push(name);
        }
    });
    match names[..] {
        [only] => only.clone(),
        _ => variable.name.clone(),
    }
}

/// The columns that come out must be those that have coefficients.
fn agrees(model: &Model, plan: &Plan) -> Result<(), NeedsR> {
    let names = &model.coefficients.names;
    let odd = |reason: String| Err(NeedsR::new(reason));
    if let Some(at) =
        (0..plan.names.len().max(names.len())).find(|at| plan.names.get(*at) != names.get(*at))
    {
        let name = |names: &[Arc<str>]| names.get(at).map_or("none".into(), ToString::to_string);
        return odd(format!(
            "its coefficient {} is `{}`, where `{}` was expected",
            at + 1,
            name(names),
            name(&plan.names)
        ));
    }
    let count = names.len();
    let complete = model
        .coefficients
        .values
        .iter()
        .all(|own| own.len() == count);
    let mut seen = vec![false; count];
    let pivot = model.pivot.len() == count && model.rank <= count;
    let pivot = pivot
        && model.pivot.iter().all(|at| {
            let new = seen.get(*at) == Some(&false);
            if new {
                seen[*at] = true;
            }
            new
        });
    let triangle = model.triangle.as_ref().map(Vec::len);
    if names.is_empty() && model.rank > 0 || model.coefficients.values.is_empty() {
        return odd("it has no coefficients".to_owned());
    }
    if !complete || !pivot || triangle.is_some_and(|size| size != model.rank * model.rank) {
        return odd("its parts do not fit each other".to_owned());
    }
    Ok(())
}

fn inputs(model: &Model, compiler: &Compiler) -> Vec<Input> {
    let terms = &model.terms;
    let levels_of = |variable: &Variable| {
        let own = key(variable);
        let found = model.levels.iter().find(|(name, _)| *name == own);
        found.map(|(_, levels)| levels.clone()).unwrap_or_default()
    };
    let make = |wanted: &crate::eval::Wanted| {
        let variables = || {
            let right = usize::from(terms.response);
            terms.variables[right.min(terms.variables.len())..].iter()
        };
        let direct =
            variables().find(|own| matches!(&own.expr, Expr::Name(name) if *name == wanted.name));
        if let Some(direct) = direct {
            return Input::new(wanted, Some(&direct.class), levels_of(direct));
        }
        let wraps = |own: &&Variable| relabels_nothing(&own.expr, &wanted.name);
        let levels = variables().find(wraps).map(levels_of);
        Input::new(wanted, None, levels.unwrap_or_default())
    };
    compiler.inputs.iter().map(make).collect()
}

/// `factor(rank)` has the levels that `rank` may have; with labels it has others.
fn relabels_nothing(expr: &Expr, name: &Arc<str>) -> bool {
    match expr {
        Expr::Name(own) => own == name,
        Expr::Call(call) => {
            let keeps = matches!(
                call.short_name(),
                "factor"
                    | "as.factor"
                    | "ordered"
                    | "as.ordered"
                    | "relevel"
                    | "C"
                    | "("
                    | "I"
                    | "as.character"
            );
            let labels =
                |own: &Option<Arc<str>>| own.as_deref().is_some_and(|own| own.starts_with("lab"));
            let plain = !call.arguments.iter().any(|own| labels(&own.name));
            let few = call
                .arguments
                .iter()
                .filter(|own| own.name.is_none())
                .count()
                < 3;
            let first = call.arguments.first();
            keeps && plain && few && first.is_some_and(|own| relabels_nothing(&own.value, name))
        }
        _ => false,
    }
}

/// R's tolerance of `qr`.
const TOLERANCE: f64 = 1e-7;

/// Of an upper triangle, column by column, as R's `qr.solve` does it: by a decomposition
/// of the triangle, which turns signs and rounds a little.
fn inverted(triangle: &[f64], size: usize) -> Vec<f64> {
    let qr = Pivoted::new(triangle.to_vec(), size, size, TOLERANCE);
    let mut inverse = vec![0.0; size * size];
    for (column, own) in inverse.chunks_exact_mut(size.max(1)).enumerate() {
        let mut unit = vec![0.0; size];
        unit[column] = 1.0;
        qr.rotate(&mut unit);
        // Where the triangle is singular R stops; there is no error without a bound then.
        if qr.rank < size {
            own.fill(f64::NAN);
            continue;
        }
        for (place, value) in qr.pivot.iter().zip(qr.solve(&unit)) {
            own[*place] = value;
        }
    }
    inverse
}

impl Input {
    pub(super) fn of<'a>(&self, data: &'a Frame, coerce: bool) -> Result<Vector<'a>, DataError> {
        let column = data.get(&self.field.name);
        let column =
            column.ok_or_else(|| DataError::of_field(&self.field.name, Problem::Absent))?;
        self.bind(Vector::of(column, 0..data.rows()), coerce)
    }
}

impl<'a> Vector<'a> {
    pub(super) fn of_cell(cell: Cell<'a>) -> Self {
        use std::borrow::Cow;
        match cell {
            Cell::Number(number) => Self::numbers(vec![number]),
            Cell::Logical(value) => Self::logicals(vec![i32::from(value)]),
            Cell::Text(text) => Self::Text(crate::eval::Labels {
                values: Cow::Owned(vec![text.into()]),
                of_rows: Cow::Borrowed(&[0]),
            }),
            Cell::Missing => Self::Text(crate::eval::Labels {
                values: Cow::Borrowed(&[]),
                of_rows: Cow::Borrowed(&[Codes::NA]),
            }),
        }
    }
}
