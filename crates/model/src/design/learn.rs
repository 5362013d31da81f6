//! The first pass over the data of a fit: levels, contrasts, knots.

use std::sync::Arc;

use super::contrast::contrast;
use super::knots::Pupil;
use super::levels::Levels;
use super::plan::{Plan, Ready, Shape, key, shape};
use super::{Design, DesignError, ResponseKind, algebra};
use crate::error::DataError;
use crate::eval::call::Matched;
use crate::eval::{Compiler, Constant, Data, Node, Vector, Wanted};
use crate::expr::Expr;
use crate::frame::Frame;
use crate::model::Contrast;
use crate::needs_r::NeedsR;
use crate::terms::{Class, Terms};

/// What is asked of the data.
#[derive(Debug, Clone)]
pub struct Asked {
    pub formula: Expr,
    pub weights: Option<Expr>,
    pub offset: Option<Expr>,
    /// Of variables, by the names that R gives them: `contr.sum`.
    pub contrasts: Vec<(Arc<str>, Arc<str>)>,
    /// R's `options("contrasts")`, for factors and for ordered ones.
    pub unordered: Arc<str>,
    pub ordered: Arc<str>,
}

impl Default for Asked {
    fn default() -> Self {
        Self {
            formula: Expr::Null,
            weights: None,
            offset: None,
            contrasts: vec![],
            unordered: "contr.treatment".into(),
            ordered: "contr.poly".into(),
        }
    }
}

/// Rows that can be used, and those that miss something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    pub rows: usize,
    pub dropped: usize,
}

/// Looks at the data once, block by block.
#[derive(Debug)]
pub struct Learner {
    asked: Asked,
    begun: Option<Begun>,
    seen: Seen,
}

/// Once the columns are known.
#[derive(Debug)]
struct Begun {
    terms: Terms,
    inputs: Vec<Wanted>,
    variables: Vec<Learning>,
    /// Weights and offset of the request.
    extra: Vec<Node>,
}

#[derive(Debug)]
struct Learning {
    how: How,
    class: Option<Class>,
    levels: Levels,
}

#[derive(Debug)]
enum How {
    Node(Node),
    Pupil(Pupil),
}

impl Learner {
    pub fn new(asked: Asked) -> Result<Self, DesignError> {
        if asked.formula.as_call_of("~").is_none() {
            return Err(NeedsR::new(format!("`{}` is no formula", asked.formula)).into());
        }
        Ok(Self {
            asked,
            begun: None,
            seen: Seen::default(),
        })
    }

    pub fn observe(&mut self, block: &Frame) -> Result<(), DesignError> {
        if self.begun.is_none() {
            self.begun = Some(Begun::new(&self.asked, block)?);
        }
        if let Some(begun) = &mut self.begun {
            begun.observe(block, &mut self.seen)?;
        }
        Ok(())
    }

    pub fn finish(mut self) -> Result<(Design, Seen), DesignError> {
        let begun = match self.begun.take() {
            Some(begun) => begun,
            None => Begun::new(&self.asked, &Frame::default())?,
        };
        Ok((begun.finish(&self.asked)?, self.seen))
    }
}

impl Begun {
    fn new(asked: &Asked, block: &Frame) -> Result<Self, DesignError> {
        let columns: Vec<Arc<str>> = block
            .columns()
            .iter()
            .map(|(name, _)| name.clone())
            .collect();
        let terms = algebra::terms(&asked.formula, &columns)?;
        let mut compiler = Compiler {
            all_columns: Some(columns),
            ..Compiler::default()
        };
        let mut variables = vec![];
        for variable in &terms.variables {
            let how = match Pupil::of(&variable.expr, &mut compiler)? {
                Some(pupil) => How::Pupil(pupil),
                None => How::Node(compiler.compile(&variable.expr)?),
            };
            variables.push(Learning {
                how,
                class: None,
                levels: Levels::default(),
            });
        }
        let mut extra = vec![];
        for expr in asked.weights.iter().chain(&asked.offset) {
            extra.push(compiler.compile(expr)?);
        }
        Ok(Self {
            terms,
            inputs: compiler.inputs,
            variables,
            extra,
        })
    }

    fn observe(&mut self, block: &Frame, seen: &mut Seen) -> Result<(), DesignError> {
        let rows = block.rows();
        let columns = columns(&self.inputs, block, 0..rows)?;
        let data = Data {
            inputs: &columns,
            rows,
        };
        let mut complete = vec![true; rows];
        let mut vectors = vec![];
        for variable in &mut self.variables {
            let vector = variable.observe(data)?;
            if let Some(vector) = &vector {
                mark(&mut complete, vector);
            } else if let How::Pupil(pupil) = &mut variable.how {
                for column in pupil.observe(data)? {
                    mark(&mut complete, &Vector::numbers(column));
                }
            }
            vectors.push(vector);
        }
        for node in &self.extra {
            mark(&mut complete, &node.column(data).map_err(DataError::other)?);
        }
        for (variable, vector) in self.variables.iter_mut().zip(vectors) {
            if let (How::Node(node), Some(Vector::Text(labels) | Vector::Factor(labels, _))) =
                (&variable.how, &vector)
            {
                variable.levels.observe(node, data, labels, &complete)?;
            }
        }
        let kept = complete.iter().filter(|complete| **complete).count();
        seen.rows += kept;
        seen.dropped += rows - kept;
        Ok(())
    }

    fn finish(self, asked: &Asked) -> Result<Design, DesignError> {
        let mut terms = self.terms;
        let mut levels = vec![];
        let mut answer_levels = vec![];
        for (at, learning) in self.variables.into_iter().enumerate() {
            let variable = &mut terms.variables[at];
            if let Some(class) = learning.class {
                variable.class = class;
            }
            if let How::Pupil(pupil) = learning.how {
                variable.expr = pupil.finish()?;
            }
            let coded = matches!(
                variable.class,
                Class::Factor | Class::Ordered | Class::Character
            );
            if coded && terms.response && at == 0 {
                answer_levels = learning.levels.finish();
            } else if coded {
                levels.push((key(variable), learning.levels.finish()));
            }
        }
        assemble(asked, terms, levels, answer_levels)
    }
}

impl Learning {
    /// None where the values are for a pupil.
    fn observe<'a>(&mut self, data: Data<'a>) -> Result<Option<Vector<'a>>, DesignError> {
        let How::Node(node) = &self.how else {
            return Ok(None);
        };
        let vector = node.column(data).map_err(DataError::other)?;
        let class = match &vector {
            Vector::Number(_) => Class::Numeric,
            Vector::Logical(_) => Class::Logical,
            Vector::Text(_) => Class::Character,
            Vector::Factor(_, levels) if levels.ordered => Class::Ordered,
            Vector::Factor(..) => Class::Factor,
            Vector::Matrix(matrix) => Class::Matrix(matrix.columns.len()),
        };
        match &self.class {
            Some(known) if *known != class => {
                let why = "a column changes its type between blocks of rows";
                return Err(DataError::other(why).into());
            }
            _ => self.class = Some(class),
        }
        Ok(Some(vector))
    }
}

/// The columns that expressions use, in their order.
pub(super) fn columns<'a>(
    inputs: &[Wanted],
    frame: &'a Frame,
    rows: std::ops::Range<usize>,
) -> Result<Vec<Vector<'a>>, DataError> {
    let column = |wanted: &Wanted| {
        let column = frame
            .get(&wanted.name)
            .ok_or_else(|| DataError::of_field(&wanted.name, crate::error::Problem::Absent))?;
        Ok(Vector::of(column, rows.clone()))
    };
    inputs.iter().map(column).collect()
}

/// Rows that miss something are not complete.
pub(super) fn mark(complete: &mut [bool], vector: &Vector<'_>) {
    if let Vector::Number(numbers) = vector {
        // Mostly nothing is missing, and looking for that alone is several times faster.
        if !numbers
            .iter()
            .fold(false, |any, number| any | number.is_nan())
        {
            return;
        }
        for (complete, number) in complete.iter_mut().zip(numbers.iter()) {
            *complete &= !number.is_nan();
        }
        return;
    }
    for (row, complete) in complete.iter_mut().enumerate() {
        *complete &= !vector.is_missing(row);
    }
}

fn assemble(
    asked: &Asked,
    mut terms: Terms,
    levels: Vec<(Arc<str>, Vec<Arc<str>>)>,
    answer_levels: Vec<Arc<str>>,
) -> Result<Design, DesignError> {
    let mut compiler = Compiler::default();
    for variable in &terms.variables {
        if let Expr::Name(name) = &variable.expr {
            compiler.columns.push(name.clone());
        }
    }
    let mut nodes = vec![];
    for variable in &terms.variables {
        nodes.push(compiler.compile(&variable.expr)?);
    }
    // What was learned has its columns only now.
    for (variable, node) in terms.variables.iter_mut().zip(&nodes) {
        if let Some(width) = super::plan::width(node) {
            variable.class = Class::Matrix(width);
        }
    }
    let contrasts = contrasts(asked, &terms, &levels)?;
    let is_used = |at: usize| (!terms.response || at != 0) && !terms.offsets.contains(&at);
    let mut variables = vec![];
    for (at, variable) in terms.variables.iter().enumerate() {
        let node = Some(&nodes[at]).filter(|_| is_used(at));
        variables.push(Ready {
            shape: match node {
                Some(_) => shape(variable, node, &levels, &contrasts)?,
                None => Shape::Number,
            },
            node: node.cloned(),
            name: key(variable),
            field: variable.name.clone(),
        });
    }
    let plan = Plan::new(&terms, variables)?;
    let mut offsets: Vec<Node> = terms.offsets.iter().map(|at| nodes[*at].clone()).collect();
    if let Some(offset) = &asked.offset {
        offsets.push(compiler.compile(offset)?);
    }
    let weights = asked.weights.as_ref().map(|own| compiler.compile(own));
    let response = terms.response.then(|| match &terms.variables[0].class {
        Class::Logical => ResponseKind::Logical,
        Class::Factor | Class::Ordered | Class::Character => ResponseKind::Factor(answer_levels),
        Class::Matrix(columns) => ResponseKind::Matrix(*columns),
        Class::Numeric | Class::Other(_) => ResponseKind::Number,
    });
    Ok(Design {
        columns: plan.names.clone(),
        assign: plan.assign.clone(),
        answer: nodes.first().filter(|_| terms.response).cloned(),
        offsets,
        weights: weights.transpose()?,
        inputs: compiler.inputs,
        terms,
        levels,
        contrasts,
        response,
        plan,
    })
}

/// Of each factor: those that were asked for, in the request or by `C()`, or R's own.
fn contrasts(
    asked: &Asked,
    terms: &Terms,
    levels: &[(Arc<str>, Vec<Arc<str>>)],
) -> Result<Vec<(Arc<str>, Contrast)>, NeedsR> {
    let truth: [Arc<str>; 2] = ["FALSE".into(), "TRUE".into()];
    let mut contrasts = vec![];
    for (at, variable) in terms.variables.iter().enumerate() {
        let used = terms
            .terms
            .iter()
            .any(|term| term.factors.iter().any(|(own, _)| *own == at));
        let (own_levels, default) = match &variable.class {
            _ if !used => continue,
            Class::Logical => (&truth[..], &asked.unordered),
            Class::Factor | Class::Character | Class::Ordered => {
                let name = key(variable);
                let found = levels.iter().find(|(own, _)| *own == name);
                let own = found.map_or(&[][..], |(_, levels)| &levels[..]);
                let default = match variable.class {
                    Class::Ordered => &asked.ordered,
                    _ => &asked.unordered,
                };
                (own, default)
            }
            Class::Numeric | Class::Matrix(_) | Class::Other(_) => continue,
        };
        let name = key(variable);
        let named = asked.contrasts.iter().find(|(own, _)| *own == name);
        let own = match (named, variable.expr.as_call_of("C")) {
            (Some((_, kind)), _) => contrast(kind, own_levels, None)?,
            (None, Some(call)) => called(call, own_levels, default)?,
            (None, None) => contrast(default, own_levels, None)?,
        };
        contrasts.push((name, own));
    }
    Ok(contrasts)
}

/// `C(f, sum)`, `C(f, contr.treatment, base = 2)`, `C(f, poly, 1)`.
fn called(
    call: &crate::expr::Call,
    levels: &[Arc<str>],
    default: &Arc<str>,
) -> Result<Contrast, NeedsR> {
    let matched = Matched::new(call, &["object", "contr", "how.many", "base"])?;
    let kind: Arc<str> = match matched.given("contr") {
        None => default.clone(),
        Some(Expr::Name(name)) => match &**name {
            short @ ("poly" | "helmert" | "sum" | "treatment" | "SAS") => {
                format!("contr.{short}").into()
            }
            name => name.into(),
        },
        Some(Expr::Text(name)) => name.clone(),
        Some(_) => return Err(matched.odd("contr")),
    };
    let many = matched.constant("how.many")?.and_then(|own| own.number());
    let base = matched
        .constant("base")?
        .and_then(|own: Constant| own.number());
    if many.is_none() && base.is_none() {
        return contrast(&kind, levels, None);
    }
    // R calls the function with the number of levels then: their names are lost.
    let numbered: Vec<Arc<str>> = (1..=levels.len()).map(|at| at.to_string().into()).collect();
    let place = |number: f64| crate::eval::call::small(number).and_then(|own| own.checked_sub(1));
    let base = match base {
        Some(base) => {
            let place = place(base).filter(|at| *at < levels.len());
            Some(place.ok_or_else(|| matched.odd("base"))?)
        }
        None => None,
    };
    let mut made = contrast(&kind, &numbered, base)?;
    made.kind = None;
    if let Some(many) = many {
        let many = place(many)
            .map(|own| own + 1)
            .filter(|own| *own <= made.columns.len());
        let many = many.ok_or_else(|| matched.odd("how.many"))?;
        made.columns.truncate(many);
        made.values.truncate(many * levels.len());
    }
    Ok(made)
}
