//! From a request and its source to rows of numbers: what the formula means for the data
//! is learned in a first pass, and evaluated in each pass after it.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use super::model::{Fitted, Traits};
use super::rows::{Batch, Matrix, Places, Rows, Worker, batches, segments};
use super::{FitError, Method, Request, Source};
use crate::design::{Asked, Design, Learner, ResponseKind, Scratch, Seen};
use crate::frame::Frame;
use crate::model::{Coefficients, Family, Fit, Kept, Kind, Model};
use crate::terms::Terms;

/// Up to here the model matrix is kept, and evaluated only once.
const SMALL_BYTES: usize = 16 << 20;
/// What a model may keep of its rows.
const MOST_KEPT_BYTES: usize = 4 << 30;

/// What the first pass has learned.
#[derive(Debug)]
pub struct Learned {
    design: Design,
    seen: Seen,
    names: Vec<Arc<str>>,
}

impl Learned {
    pub fn new(request: &Request, source: &dyn Source) -> Result<Self, FitError> {
        let all = source.columns()?;
        let names = needed(request, all);
        let mut learner = Learner::new(Asked {
            formula: request.formula.clone(),
            weights: request.weights.clone(),
            offset: request.offset.clone(),
            contrasts: request.contrasts.clone(),
            ..Asked::default()
        })?;
        source.blocks(&names, &mut |frame| Ok(learner.observe(frame)?))?;
        let (design, seen) = learner.finish()?;
        check_response(request, &design)?;
        check_contrasts(request, &design)?;
        if seen.rows == 0 {
            return Err(FitError::NoRows);
        }
        Ok(Self {
            design,
            seen,
            names,
        })
    }

    pub fn columns(&self) -> usize {
        self.design.columns.len()
    }

    pub fn traits(&self, request: &Request) -> Traits {
        Traits {
            intercept: self.design.terms.intercept,
            offset: request.offset.is_some() || !self.design.terms.offsets.is_empty(),
            weights: request.weights.is_some(),
            rows_dropped: self.seen.dropped,
        }
    }

    /// The rows, evaluated now if they are few or shall be kept.
    pub fn rows<'a>(&'a self, source: &'a dyn Source, keep: bool) -> Result<Rows<'a>, FitError> {
        let data = Data {
            design: &self.design,
            names: &self.names,
            source,
        };
        // Responses, offset, weights and place.
        let width = self.columns() + data.responses() + 3;
        let bytes = width.saturating_mul(self.seen.rows).saturating_mul(8);
        if keep && bytes > MOST_KEPT_BYTES {
            return Err(FitError::TooMuchToKeep {
                rows: self.seen.rows,
                columns: self.columns(),
            });
        }
        if keep || bytes <= SMALL_BYTES {
            return Ok(Rows::Matrix(data.matrix()?));
        }
        Ok(Rows::Data(data))
    }

    pub fn model(
        self,
        request: &Request,
        call: String,
        fitted: Fitted,
        kept: Option<Kept>,
    ) -> Model {
        let Design {
            terms,
            levels,
            contrasts,
            columns,
            ..
        } = self.design;
        let mut warnings = absent(request, &terms);
        warnings.extend(fitted.fit.warnings);
        let aliased: Vec<usize> = fitted.pivot[fitted.rank..].to_vec();
        let values = fitted.coefficients.into_iter().map(|mut values| {
            for column in &aliased {
                values[*column] = rdata::value::NA_REAL;
            }
            values
        });
        Model {
            kind: match request.method {
                Method::Lm => Kind::Lm,
                Method::Glm { family, link } => Kind::Glm { family, link },
            },
            call: call.into(),
            terms,
            levels,
            contrasts,
            coefficients: Coefficients {
                names: columns,
                responses: vec![],
                values: values.collect(),
            },
            pivot: fitted.pivot,
            rank: fitted.rank,
            triangle: Some(fitted.triangle),
            offset: request.offset.clone(),
            means: Some(fitted.means),
            weighted: request.weights.is_some(),
            fit: Fit {
                kept: kept.map(Arc::new),
                warnings,
                ..fitted.fit
            },
        }
    }
}

/// Only a binomial response may have levels.
fn check_response(request: &Request, design: &Design) -> Result<(), FitError> {
    let (name, binomial) = match request.method {
        Method::Lm => ("lm", false),
        Method::Glm { family, .. } => {
            let binomial = matches!(family, Family::Binomial | Family::QuasiBinomial);
            (family.name(), binomial)
        }
    };
    match &design.response {
        None => Err(FitError::NoResponse),
        Some(ResponseKind::Factor(_)) if !binomial => {
            let response = design.terms.variables.first();
            let response = response.map_or_else(|| "".into(), |own| own.name.clone());
            Err(FitError::ResponseClass(response, name))
        }
        Some(ResponseKind::Matrix(columns)) if !binomial => {
            Err(FitError::ResponseColumns(*columns, name))
        }
        Some(_) => Ok(()),
    }
}

/// Those for a variable that is not in the formula are left alone, as R does it.
fn check_contrasts(request: &Request, design: &Design) -> Result<(), FitError> {
    for (name, _) in &request.contrasts {
        let named = |own: &Arc<str>| own == name;
        let used = design.terms.variables.iter().any(|own| named(&own.name));
        if used && !design.contrasts.iter().any(|(own, _)| named(own)) {
            return Err(FitError::Contrasts(name.clone()));
        }
    }
    Ok(())
}

/// What R warns of contrasts for variables that there are none of.
fn absent(request: &Request, terms: &Terms) -> Vec<String> {
    let there = |name: &Arc<str>| terms.variables.iter().any(|own| own.name == *name);
    let absent = request.contrasts.iter().filter(|(name, _)| !there(name));
    absent
        .map(|(name, _)| format!("variable '{name}' is absent, its contrast will be ignored"))
        .collect()
}

/// The columns that the request names; all of them, if it says `.`.
fn needed(request: &Request, all: Vec<Arc<str>>) -> Vec<Arc<str>> {
    let mut named = BTreeSet::new();
    let expressions = [
        Some(&request.formula),
        request.weights.as_ref(),
        request.offset.as_ref(),
    ];
    for expression in expressions.into_iter().flatten() {
        expression.each_name(&mut |name| {
            named.insert(&**name);
        });
    }
    if named.contains(".") {
        return all;
    }
    all.into_iter()
        .filter(|name| named.contains(&**name))
        .collect()
}

/// Rows that are evaluated in each pass.
#[derive(Debug)]
pub struct Data<'a> {
    design: &'a Design,
    names: &'a [Arc<str>],
    source: &'a dyn Source,
}

impl Data<'_> {
    pub fn columns(&self) -> usize {
        self.design.columns.len()
    }

    pub fn responses(&self) -> usize {
        let response = self.design.response.as_ref();
        response.map_or(0, ResponseKind::columns)
    }

    pub fn pass<W: Worker>(
        &self,
        make: &(impl Fn() -> W + Sync),
        merge: &mut impl FnMut(W),
    ) -> Result<(), FitError> {
        let columns = self.columns();
        self.source.blocks(self.names, &mut |frame| {
            let work = |worker: &mut W, range: Range<usize>| {
                let mut scratch = Scratch::default();
                for part in batches(range) {
                    self.batch(frame, part, &mut scratch, |batch| worker.work(batch))?;
                }
                Ok(())
            };
            segments(frame.rows(), columns, make, merge, &work)
        })
    }

    fn batch(
        &self,
        frame: &Frame,
        range: Range<usize>,
        scratch: &mut Scratch,
        each: impl FnOnce(&Batch<'_>) -> Result<(), FitError>,
    ) -> Result<(), FitError> {
        let rows = self.design.rows(frame, range.clone(), scratch)?;
        each(&Batch {
            count: rows.count,
            columns: rows.columns,
            responses: rows.responses,
            offset: rows.offset,
            weights: rows.weights,
            places: match rows.kept {
                Some(kept) => Places::Some(kept),
                None => Places::All(range),
            },
        })
    }

    /// All rows, evaluated.
    fn matrix(&self) -> Result<Matrix, FitError> {
        let mut matrix = Matrix {
            columns: vec![vec![]; self.columns()],
            responses: vec![vec![]; self.responses()],
            ..Matrix::default()
        };
        let mut before = 0;
        let mut scratch = Scratch::default();
        self.source.blocks(self.names, &mut |frame| {
            for part in batches(0..frame.rows()) {
                self.batch(frame, part, &mut scratch, |batch| {
                    matrix.add(batch, before);
                    Ok(())
                })?;
            }
            before += frame.rows();
            Ok(())
        })?;
        Ok(matrix)
    }
}

impl Matrix {
    fn add(&mut self, batch: &Batch<'_>, before: usize) {
        self.rows += batch.count;
        for (all, more) in self.columns.iter_mut().zip(&batch.columns) {
            all.extend_from_slice(more);
        }
        for (all, more) in self.responses.iter_mut().zip(&batch.responses) {
            all.extend_from_slice(more);
        }
        for (all, more) in [
            (&mut self.offset, batch.offset),
            (&mut self.weights, batch.weights),
        ] {
            if let Some(more) = more {
                all.get_or_insert_default().extend_from_slice(more);
            }
        }
        match &batch.places {
            Places::All(range) => self.places.extend(range.clone().map(|row| before + row)),
            Places::Some(places) => self.places.extend(places.iter().map(|row| before + row)),
        }
    }
}
