//! What stands in a model file.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::real::{Real, numbers, reals};
use super::{FileError, VERSION, expr, text};
use crate::family::UnknownFamily;
use crate::model;
use crate::terms;

#[derive(Debug, Deserialize)]
pub struct Version {
    pub squall_model: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
#[expect(
    clippy::struct_field_names,
    reason = "the name is the mark of such a file"
)]
pub struct Model {
    squall_model: u64,
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    family: Option<Family>,
    call: Arc<str>,
    formula: Arc<str>,
    variables: Vec<Variable>,
    terms: Vec<Term>,
    intercept: bool,
    response: bool,
    offsets: Vec<usize>,
    offset: Option<String>,
    levels: Vec<Levels>,
    contrasts: Vec<Contrast>,
    coefficients: Coefficients,
    pivot: Vec<usize>,
    rank: usize,
    triangle: Option<Vec<Real>>,
    means: Option<Vec<Real>>,
    weighted: bool,
    fit: Fit,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Lm,
    Mlm,
    Aov,
    Glm,
}

#[derive(Debug, Serialize, Deserialize)]
struct Family {
    name: String,
    link: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    power: Option<Real>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    variance: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    theta: Option<Real>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Variable {
    name: Arc<str>,
    expr: String,
    class: Arc<str>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Term {
    label: Arc<str>,
    factors: Vec<(usize, Coding)>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Coding {
    Contrasts,
    Dummies,
}

#[derive(Debug, Serialize, Deserialize)]
struct Levels {
    variable: Arc<str>,
    levels: Vec<Arc<str>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Contrast {
    variable: Arc<str>,
    kind: Option<Arc<str>>,
    columns: Vec<Arc<str>>,
    values: Vec<Real>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Coefficients {
    names: Vec<Arc<str>>,
    responses: Vec<Arc<str>>,
    values: Vec<Vec<Real>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Fit {
    rows: usize,
    rows_dropped: usize,
    df_residual: Real,
    df_null: Real,
    dispersion: Real,
    deviance: Real,
    null_deviance: Real,
    aic: Real,
    iterations: u32,
    converged: bool,
    residual_quantiles: Option<[Real; 5]>,
    few_residuals: Vec<(Arc<str>, Real)>,
    weights_vary: bool,
    sums: Option<Sums>,
    warnings: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Sums {
    model: Real,
    residual: Real,
}

impl Model {
    pub fn new(model: &model::Model) -> Result<Self, FileError> {
        let terms = &model.terms;
        let variables = terms.variables.iter().map(|own| {
            Ok(Variable {
                name: own.name.clone(),
                expr: text(&own.expr)?,
                class: class_name(&own.class),
            })
        });
        Ok(Self {
            squall_model: VERSION,
            kind: match model.kind {
                model::Kind::Lm => Kind::Lm,
                model::Kind::Mlm => Kind::Mlm,
                model::Kind::Aov => Kind::Aov,
                model::Kind::Glm { .. } => Kind::Glm,
            },
            family: match model.kind {
                model::Kind::Glm { family, link } => Some(Family::new(family, link)),
                _ => None,
            },
            call: model.call.clone(),
            formula: terms.formula.clone(),
            variables: variables.collect::<Result<_, FileError>>()?,
            terms: terms.terms.iter().map(Term::new).collect(),
            intercept: terms.intercept,
            response: terms.response,
            offsets: terms.offsets.clone(),
            offset: model.offset.as_ref().map(text).transpose()?,
            levels: model.levels.iter().map(Levels::new).collect(),
            contrasts: model.contrasts.iter().map(Contrast::new).collect(),
            coefficients: Coefficients {
                names: model.coefficients.names.clone(),
                responses: model.coefficients.responses.clone(),
                values: model
                    .coefficients
                    .values
                    .iter()
                    .map(|own| reals(own))
                    .collect(),
            },
            pivot: model.pivot.clone(),
            rank: model.rank,
            triangle: model.triangle.as_deref().map(reals),
            means: model.means.as_deref().map(reals),
            weighted: model.weighted,
            fit: Fit::new(&model.fit),
        })
    }

    pub fn model(self) -> Result<model::Model, FileError> {
        let variables = self.variables.into_iter().map(|own| {
            Ok(terms::Variable {
                class: class(&own.class)?,
                expr: expr(&own.expr)?,
                name: own.name,
            })
        });
        let terms = terms::Terms {
            formula: self.formula,
            variables: variables.collect::<Result<_, FileError>>()?,
            terms: self.terms.into_iter().map(Term::term).collect(),
            intercept: self.intercept,
            response: self.response,
            offsets: self.offsets,
        };
        let family = self.family.map(Family::family).transpose();
        let family = family.map_err(|error| FileError::Wrong(error.to_string()))?;
        let kind = match (self.kind, family) {
            (Kind::Lm, None) => model::Kind::Lm,
            (Kind::Mlm, None) => model::Kind::Mlm,
            (Kind::Aov, None) => model::Kind::Aov,
            (Kind::Glm, Some((family, link))) => model::Kind::Glm { family, link },
            (Kind::Glm, None) => return Err(FileError::Wrong("a glm without family".into())),
            (_, Some(_)) => return Err(FileError::Wrong("a family that is not of a glm".into())),
        };
        Ok(model::Model {
            kind,
            call: self.call,
            terms,
            levels: self
                .levels
                .into_iter()
                .map(|own| (own.variable, own.levels))
                .collect(),
            contrasts: self.contrasts.into_iter().map(Contrast::contrast).collect(),
            coefficients: model::Coefficients {
                names: self.coefficients.names,
                responses: self.coefficients.responses,
                values: self.coefficients.values.into_iter().map(numbers).collect(),
            },
            pivot: self.pivot,
            rank: self.rank,
            triangle: self.triangle.map(numbers),
            offset: self.offset.as_deref().map(expr).transpose()?,
            means: self.means.map(numbers),
            weighted: self.weighted,
            fit: self.fit.fit(),
        })
    }
}

impl Family {
    fn new(family: model::Family, link: model::Link) -> Self {
        Self {
            name: family.name().into(),
            link: match link {
                model::Link::Power(_) => "power".into(),
                link => link.name(),
            },
            power: match link {
                model::Link::Power(lambda) => Some(Real(lambda)),
                _ => None,
            },
            variance: match family {
                model::Family::Quasi(variance) => Some(variance.name().into()),
                _ => None,
            },
            theta: match family {
                model::Family::NegativeBinomial(theta) => Some(Real(theta)),
                _ => None,
            },
        }
    }

    fn family(self) -> Result<(model::Family, model::Link), UnknownFamily> {
        let family = match (&*self.name, self.variance, self.theta) {
            ("quasi", Some(variance), _) => model::Family::Quasi(variance.parse()?),
            ("Negative Binomial", _, Some(theta)) => model::Family::NegativeBinomial(theta.0),
            ("other", ..) => model::Family::Other,
            (name, ..) => name.parse()?,
        };
        let link = match (&*self.link, self.power) {
            ("power", Some(lambda)) => model::Link::Power(lambda.0),
            (name, _) => name.parse()?,
        };
        Ok((family, link))
    }
}

/// As R's `dataClasses` has it.
fn class_name(class: &terms::Class) -> Arc<str> {
    match class {
        terms::Class::Numeric => "numeric".into(),
        terms::Class::Logical => "logical".into(),
        terms::Class::Factor => "factor".into(),
        terms::Class::Ordered => "ordered".into(),
        terms::Class::Character => "character".into(),
        terms::Class::Matrix(columns) => format!("nmatrix.{columns}").into(),
        terms::Class::Other(name) => name.clone(),
    }
}

fn class(name: &str) -> Result<terms::Class, FileError> {
    Ok(match name {
        "numeric" => terms::Class::Numeric,
        "logical" => terms::Class::Logical,
        "factor" => terms::Class::Factor,
        "ordered" => terms::Class::Ordered,
        "character" => terms::Class::Character,
        _ => match name.strip_prefix("nmatrix.") {
            Some(columns) => {
                let columns = columns.parse();
                terms::Class::Matrix(
                    columns
                        .map_err(|_| FileError::Wrong(format!("a variable of class {name:?}")))?,
                )
            }
            None => terms::Class::Other(name.into()),
        },
    })
}

impl Term {
    fn new(term: &terms::Term) -> Self {
        let factors = term.factors.iter().map(|(variable, coding)| {
            let coding = match coding {
                terms::Coding::Contrasts => Coding::Contrasts,
                terms::Coding::Dummies => Coding::Dummies,
            };
            (*variable, coding)
        });
        Self {
            label: term.label.clone(),
            factors: factors.collect(),
        }
    }

    fn term(self) -> terms::Term {
        let factors = self.factors.into_iter().map(|(variable, coding)| {
            let coding = match coding {
                Coding::Contrasts => terms::Coding::Contrasts,
                Coding::Dummies => terms::Coding::Dummies,
            };
            (variable, coding)
        });
        terms::Term {
            label: self.label,
            factors: factors.collect(),
        }
    }
}

impl Levels {
    fn new((variable, levels): &(Arc<str>, Vec<Arc<str>>)) -> Self {
        Self {
            variable: variable.clone(),
            levels: levels.clone(),
        }
    }
}

impl Contrast {
    fn new((variable, contrast): &(Arc<str>, model::Contrast)) -> Self {
        Self {
            variable: variable.clone(),
            kind: contrast.kind.clone(),
            columns: contrast.columns.clone(),
            values: reals(&contrast.values),
        }
    }

    fn contrast(self) -> (Arc<str>, model::Contrast) {
        let contrast = model::Contrast {
            kind: self.kind,
            columns: self.columns,
            values: numbers(self.values),
        };
        (self.variable, contrast)
    }
}

impl Fit {
    fn new(fit: &model::Fit) -> Self {
        let few = fit.few_residuals.iter();
        Self {
            rows: fit.rows,
            rows_dropped: fit.rows_dropped,
            df_residual: Real(fit.df_residual),
            df_null: Real(fit.df_null),
            dispersion: Real(fit.dispersion),
            deviance: Real(fit.deviance),
            null_deviance: Real(fit.null_deviance),
            aic: Real(fit.aic),
            iterations: fit.iterations,
            converged: fit.converged,
            residual_quantiles: fit.residual_quantiles.map(|own| own.map(Real)),
            few_residuals: few.map(|(name, own)| (name.clone(), Real(*own))).collect(),
            weights_vary: fit.weights_vary,
            sums: fit.sums.map(|own| Sums {
                model: Real(own.model),
                residual: Real(own.residual),
            }),
            warnings: fit.warnings.clone(),
        }
    }

    fn fit(self) -> model::Fit {
        let few = self.few_residuals.into_iter();
        model::Fit {
            rows: self.rows,
            rows_dropped: self.rows_dropped,
            df_residual: self.df_residual.0,
            df_null: self.df_null.0,
            dispersion: self.dispersion.0,
            deviance: self.deviance.0,
            null_deviance: self.null_deviance.0,
            aic: self.aic.0,
            iterations: self.iterations,
            converged: self.converged,
            residual_quantiles: self.residual_quantiles.map(|own| own.map(|real| real.0)),
            few_residuals: few.map(|(name, own)| (name, own.0)).collect(),
            weights_vary: self.weights_vary,
            sums: self.sums.map(|own| model::Sums {
                model: own.model.0,
                residual: own.residual.0,
            }),
            warnings: self.warnings,
            ..model::Fit::default()
        }
    }
}
