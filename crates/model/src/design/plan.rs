//! From variables to the columns of the model matrix, as R's `model.matrix` has them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use rdata::value::NA_INTEGER;

use super::contrast::contrast;
use crate::deparse::without_backticks;
use crate::error::{DataError, Problem};
use crate::eval::{Data, Labels, Matrix, Node, Vector};
use crate::expr::Expr;
use crate::frame::Codes;
use crate::model::Contrast;
use crate::needs_r::NeedsR;
use crate::terms::{Class, Coding, Terms, Variable};

/// More columns than any model has: a factor with too many levels, by mistake.
const MAX_COLUMNS: usize = 20_000;

/// A variable of the formula, ready to be computed.
#[derive(Debug, Clone)]
pub(crate) struct Ready {
    /// None for a response that nobody asks for.
    pub node: Option<Node>,
    pub shape: Shape,
    /// As R names it, without backticks.
    pub name: Arc<str>,
    /// The column of the data that it is, or is made of: what errors name.
    pub field: Arc<str>,
}

#[derive(Debug, Clone)]
pub(crate) enum Shape {
    Number,
    /// Names of the columns; none where they are counted.
    Matrix(usize, Option<Vec<Arc<str>>>),
    Coded(Coded),
}

/// A factor, or what becomes one.
#[derive(Debug, Clone)]
pub(crate) struct Coded {
    pub logical: bool,
    pub levels: Vec<Arc<str>>,
    places: HashMap<Arc<str>, u32>,
    contrast: Option<Contrast>,
}

/// One column of the model matrix: the product of its parts, 1 if there are none.
#[derive(Debug, Clone)]
pub(crate) struct Product {
    pub parts: Vec<Part>,
}

#[derive(Debug, Clone)]
pub(crate) enum Part {
    Number(usize),
    Cell(usize, usize),
    /// A value for each level.
    Table(usize, Vec<f64>),
    Level(usize, u32),
}

/// A variable, computed for some rows.
#[derive(Debug)]
pub(crate) enum Computed<'a> {
    Number(Cow<'a, [f64]>),
    Matrix(Matrix),
    Codes(Cow<'a, [u32]>),
    /// Of no use for the columns: the response, an offset.
    Unused,
}

#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub variables: Vec<Ready>,
    pub products: Vec<Product>,
    pub names: Vec<Arc<str>>,
    /// The term of each column, counted from 1; 0 is the intercept.
    pub assign: Vec<usize>,
}

/// The name of a variable in the data, in `xlevels` and in `contrasts`.
pub(crate) fn key(variable: &Variable) -> Arc<str> {
    match &variable.expr {
        Expr::Name(name) if *without_backticks(&variable.name) == **name => name.clone(),
        _ => variable.name.clone(),
    }
}

impl Coded {
    pub fn new(levels: Vec<Arc<str>>, logical: bool, contrast: Option<Contrast>) -> Self {
        let places = levels
            .iter()
            .zip(0..)
            .map(|(level, at)| (level.clone(), at));
        Self {
            logical,
            places: places.collect(),
            levels,
            contrast,
        }
    }

    /// Places among the levels that were fitted. With `names`, errors can say the row.
    pub fn codes<'a>(
        &self,
        labels: Labels<'a>,
        variable: &Ready,
    ) -> Result<Cow<'a, [u32]>, DataError> {
        const NEW: u32 = Codes::NA - 1;
        let same = labels.values.len() <= self.levels.len()
            && labels.values.iter().zip(&self.levels).all(|(a, b)| a == b);
        if same {
            return Ok(labels.of_rows);
        }
        let place = |label: &Arc<str>| self.places.get(label).copied().unwrap_or(NEW);
        let places: Vec<u32> = labels.values.iter().map(place).collect();
        let of_row = |own: &u32| places.get(*own as usize).copied().unwrap_or(Codes::NA);
        let codes: Vec<u32> = labels.of_rows.iter().map(of_row).collect();
        match codes.iter().position(|own| *own == NEW) {
            None => Ok(Cow::Owned(codes)),
            Some(row) => Err(self.new_level(&labels, &codes, row, variable)),
        }
    }

    /// The same where a level that was not fitted counts as missing.
    pub fn codes_or_na<'a>(&self, labels: Labels<'a>) -> Cow<'a, [u32]> {
        if labels.values[..] == self.levels[..] {
            return labels.of_rows;
        }
        let place = |label: &Arc<str>| self.places.get(label).copied().unwrap_or(Codes::NA);
        let places: Vec<u32> = labels.values.iter().map(place).collect();
        let of_row = |own: &u32| places.get(*own as usize).copied().unwrap_or(Codes::NA);
        labels.of_rows.iter().map(of_row).collect()
    }

    fn new_level(
        &self,
        labels: &Labels<'_>,
        codes: &[u32],
        row: usize,
        variable: &Ready,
    ) -> DataError {
        let new = codes
            .iter()
            .enumerate()
            .filter(|(_, own)| **own == Codes::NA - 1);
        let new = new.filter_map(|(row, _)| labels.get(row));
        let mut levels: Vec<Arc<str>> = vec![];
        for level in new {
            // What is listed is bounded; nobody reads more.
            if levels.len() < 50 && !levels.contains(level) {
                levels.push(level.clone());
            }
        }
        levels.sort();
        let problem = Problem::NewLevel {
            variable: variable.name.clone(),
            level: labels.get(row).cloned().unwrap_or_default(),
            levels,
            allowed: self.levels.clone(),
        };
        let row = (codes.len() > 1).then_some(row + 1);
        DataError::at(row, &variable.field, problem)
    }
}

impl Ready {
    pub fn compute<'a>(&self, data: Data<'a>) -> Result<Computed<'a>, DataError> {
        let Some(node) = &self.node else {
            return Ok(Computed::Unused);
        };
        let refused = |why| DataError::of_field(&self.field, Problem::Other(String::from(why)));
        let vector = node.column(data).map_err(refused)?;
        self.fit(vector)
    }

    /// As the model has it.
    pub fn fit<'a>(&self, vector: Vector<'a>) -> Result<Computed<'a>, DataError> {
        let supplied = class_of(&vector);
        match (&self.shape, vector) {
            (Shape::Coded(coded), Vector::Logical(values)) if coded.logical => {
                let code = |value: &i32| match *value {
                    NA_INTEGER => Codes::NA,
                    value => u32::from(value != 0),
                };
                Ok(Computed::Codes(values.iter().map(code).collect()))
            }
            (Shape::Coded(coded), Vector::Text(labels) | Vector::Factor(labels, _))
                if !coded.logical =>
            {
                Ok(Computed::Codes(coded.codes(labels, self)?))
            }
            (Shape::Number, Vector::Number(numbers)) => Ok(Computed::Number(numbers)),
            (Shape::Number, Vector::Logical(values)) => {
                let numbers = Vector::Logical(values).into_numbers();
                Ok(Computed::Number(numbers.unwrap_or_default()))
            }
            (Shape::Matrix(width, _), Vector::Matrix(matrix)) if matrix.columns.len() == *width => {
                Ok(Computed::Matrix(matrix))
            }
            _ => Err(DataError::of_field(
                &self.name,
                Problem::Class {
                    fitted: self.class(),
                    supplied,
                    example: None,
                },
            )),
        }
    }

    fn class(&self) -> &'static str {
        match &self.shape {
            Shape::Number => "numeric",
            Shape::Matrix(..) => "matrix",
            Shape::Coded(coded) if coded.logical => "logical",
            Shape::Coded(_) => "factor",
        }
    }
}

pub(crate) fn class_of(vector: &Vector<'_>) -> &'static str {
    match vector {
        Vector::Number(_) => "numeric",
        Vector::Logical(_) => "logical",
        Vector::Text(_) => "character",
        Vector::Factor(_, levels) if levels.ordered => "ordered",
        Vector::Factor(..) => "factor",
        Vector::Matrix(_) => "matrix",
    }
}

/// What a variable becomes in the model matrix.
pub(crate) fn shape(
    variable: &Variable,
    node: Option<&Node>,
    levels: &[(Arc<str>, Vec<Arc<str>>)],
    contrasts: &[(Arc<str>, Contrast)],
) -> Result<Shape, NeedsR> {
    let key = key(variable);
    let of = |name: &Arc<str>| contrasts.iter().find(|(own, _)| own == name);
    match &variable.class {
        Class::Numeric => Ok(Shape::Number),
        Class::Logical => {
            let levels: Vec<Arc<str>> = vec!["FALSE".into(), "TRUE".into()];
            let own = match of(&key) {
                Some((_, own)) => own.clone(),
                None => contrast("contr.treatment", &levels, None)?,
            };
            Ok(Shape::Coded(Coded::new(levels, true, Some(own))))
        }
        Class::Factor | Class::Ordered | Class::Character => {
            let found = levels.iter().find(|(own, _)| *own == key);
            let (_, levels) = found
                .ok_or_else(|| NeedsR::new(format!("the levels of `{key}` are not in the file")))?;
            let own = of(&key).map(|(_, own)| own.clone());
            Ok(Shape::Coded(Coded::new(levels.clone(), false, own)))
        }
        Class::Matrix(columns) => {
            let (width, names) = node.and_then(matrix_shape).ok_or_else(|| {
                NeedsR::new(format!(
                    "the variable `{key}` is a matrix with {columns} columns"
                ))
            })?;
            Ok(Shape::Matrix(width, names))
        }
        Class::Other(class) => Err(NeedsR::new(format!(
            "the variable `{key}` is of class {class}"
        ))),
    }
}

/// How many columns a node gives, if it gives several.
pub(crate) fn width(node: &Node) -> Option<usize> {
    matrix_shape(node).map(|(width, _)| width)
}

/// How many columns, and their names.
fn matrix_shape(node: &Node) -> Option<(usize, Option<Vec<Arc<str>>>)> {
    match node {
        Node::Basis(_, basis) => Some((basis.width(), None)),
        Node::Surface(_, powers) => {
            let name = |powers: &Vec<usize>| -> Arc<str> {
                let digits: Vec<String> = powers.iter().map(usize::to_string).collect();
                digits.join(".").into()
            };
            Some((powers.len(), Some(powers.iter().map(name).collect())))
        }
        Node::Scale(of, ..) => match &**of {
            inner if inner.is_matrix() => matrix_shape(inner),
            _ => Some((1, None)),
        },
        Node::Bind(parts) => {
            let mut names: Vec<Arc<str>> = vec![];
            for (name, part) in parts {
                if !part.is_matrix() {
                    names.push(name.clone());
                    continue;
                }
                let (width, own) = matrix_shape(part)?;
                let counted = (1..=width).map(|at| at.to_string().into()).collect();
                names.extend(own.unwrap_or(counted));
            }
            Some((names.len(), Some(names)))
        }
        _ => None,
    }
}

impl Plan {
    pub fn new(terms: &Terms, variables: Vec<Ready>) -> Result<Self, NeedsR> {
        let mut plan = Self {
            variables,
            products: vec![],
            names: vec![],
            assign: vec![],
        };
        if terms.intercept {
            plan.push(Product { parts: vec![] }, "(Intercept)".into(), 0)?;
        }
        let mut whole = plan.takes_all_levels(terms);
        for (at, term) in terms.terms.iter().enumerate() {
            let mut columns: Vec<(Product, String)> =
                vec![(Product { parts: vec![] }, String::new())];
            for (variable, coding) in &term.factors {
                let dummies = whole == Some((at, *variable));
                let coding = if dummies { Coding::Dummies } else { *coding };
                let parts = plan.parts(terms, *variable, coding)?;
                if columns.len() * parts.len() > MAX_COLUMNS {
                    return Err(too_many());
                }
                columns = crossed(&columns, &parts);
            }
            if whole.is_some_and(|(own, _)| own == at) {
                whole = None;
            }
            for (product, name) in columns {
                plan.push(product, name.into(), at + 1)?;
            }
        }
        Ok(plan)
    }

    fn push(&mut self, product: Product, name: Arc<str>, term: usize) -> Result<(), NeedsR> {
        if self.products.len() >= MAX_COLUMNS {
            return Err(too_many());
        }
        self.products.push(product);
        self.names.push(name);
        self.assign.push(term);
        Ok(())
    }

    /// Without an intercept the first factor that is found gets a column for each level.
    fn takes_all_levels(&self, terms: &Terms) -> Option<(usize, usize)> {
        if terms.intercept {
            return None;
        }
        let factors = terms.terms.iter().enumerate().flat_map(|(at, term)| {
            let variables = term.factors.iter().map(|(variable, _)| *variable);
            variables.map(move |variable| (at, variable))
        });
        let is_coded = |(_, variable): &(usize, usize)| {
            matches!(self.variables[*variable].shape, Shape::Coded(_))
        };
        { factors }.find(is_coded)
    }

    /// The columns of one variable, with what they add to the name.
    fn parts(
        &self,
        terms: &Terms,
        variable: usize,
        coding: Coding,
    ) -> Result<Vec<(Part, String)>, NeedsR> {
        let name = &terms.variables[variable].name;
        if self.variables[variable].node.is_none() {
            return Err(NeedsR::new(format!(
                "`{name}` is on both sides of the formula"
            )));
        }
        Ok(match &self.variables[variable].shape {
            Shape::Number => vec![(Part::Number(variable), name.to_string())],
            Shape::Matrix(1, _) => vec![(Part::Cell(variable, 0), name.to_string())],
            Shape::Matrix(width, names) => (0..*width)
                .map(|at| {
                    let own = match names {
                        Some(names) => format!("{name}{}", names[at]),
                        None => format!("{name}{}", at + 1),
                    };
                    (Part::Cell(variable, at), own)
                })
                .collect(),
            Shape::Coded(coded) => coded.parts(variable, name, coding)?,
        })
    }
}

impl Coded {
    fn parts(
        &self,
        variable: usize,
        name: &str,
        coding: Coding,
    ) -> Result<Vec<(Part, String)>, NeedsR> {
        if coding == Coding::Dummies {
            let level = |(level, at): (&Arc<str>, u32)| {
                (Part::Level(variable, at), format!("{name}{level}"))
            };
            return Ok(self.levels.iter().zip(0..).map(level).collect());
        }
        let contrast = self
            .contrast
            .as_ref()
            .ok_or_else(|| NeedsR::new(format!("the contrasts of `{name}` are not in the file")))?;
        let rows = self.levels.len();
        if contrast.values.len() != rows * contrast.columns.len() {
            let reason = format!("the contrasts of `{name}` do not have a row for each level");
            return Err(NeedsR::new(reason));
        }
        let columns = contrast.columns.iter().enumerate().map(|(at, column)| {
            let values = &contrast.values[at * rows..(at + 1) * rows];
            let part = match only_one(values) {
                Some(level) => Part::Level(variable, level),
                None => Part::Table(variable, values.to_vec()),
            };
            (part, format!("{name}{column}"))
        });
        Ok(columns.collect())
    }
}

/// The level that alone has a 1, as with `contr.treatment`.
#[expect(clippy::float_cmp, reason = "zeros and ones are exact")]
fn only_one(values: &[f64]) -> Option<u32> {
    let mut others = values.iter().zip(0..).filter(|(own, _)| **own != 0.0);
    match (others.next(), others.next()) {
        (Some((own, at)), None) if *own == 1.0 => Some(at),
        _ => None,
    }
}

/// The first variable's columns run fastest.
fn crossed(columns: &[(Product, String)], parts: &[(Part, String)]) -> Vec<(Product, String)> {
    let joined = parts.iter().flat_map(|(part, own)| {
        columns.iter().map(move |(product, name)| {
            let mut parts = product.parts.clone();
            parts.push(part.clone());
            let name = if name.is_empty() && product.parts.is_empty() {
                own.clone()
            } else {
                format!("{name}:{own}")
            };
            (Product { parts }, name)
        })
    });
    joined.collect()
}

fn too_many() -> NeedsR {
    NeedsR::new(format!(
        "the model matrix has more than {MAX_COLUMNS} columns"
    ))
}
