//! Factors: levels from values, other levels, other names for them.

use std::borrow::Cow;
use std::sync::Arc;

use super::node::{Data, Evaluated, FactorOf, Node};
use super::vector::{Labels, Levels, Vector, code};
use crate::frame::Codes;

impl FactorOf {
    pub(super) fn eval<'a>(&self, data: Data<'a>) -> Evaluated<'a> {
        let of = self.of.eval(data)?;
        let was = match &of {
            Vector::Factor(_, levels) => Some(levels.ordered),
            _ => None,
        };
        let ordered = self.ordered.or(was).unwrap_or(false);
        // The levels of what is no factor are sorted, those of a factor stay.
        let sort = matches!(of, Vector::Text(_));
        let mut labels = of.labels(true).ok_or("a matrix as a factor")?;
        match &self.levels {
            Some(levels) => labels = matched(&labels, levels),
            None if sort => labels = sorted(labels),
            None => {}
        }
        if let Some(names) = &self.labels {
            labels = renamed(&labels, names);
        }
        Ok(Vector::Factor(labels, Levels { ordered }))
    }
}

/// By the levels that are asked for.
fn matched(labels: &Labels<'_>, values: &[Arc<str>]) -> Labels<'static> {
    let places = labels.values.iter().map(|own| {
        let place = values.iter().position(|level| level == own);
        place.map_or(Codes::NA, code)
    });
    let places: Vec<u32> = places.collect();
    let of_rows = labels.of_rows.iter();
    let of_rows = of_rows.map(|own| places.get(*own as usize).copied().unwrap_or(Codes::NA));
    Labels {
        of_rows: Cow::Owned(of_rows.collect()),
        values: Cow::Owned(values.to_vec()),
    }
}

/// Values in the order of their letters, and only those that are there.
fn sorted(labels: Labels<'_>) -> Labels<'_> {
    if labels.values.is_sorted() {
        return labels;
    }
    let mut order: Vec<usize> = (0..labels.values.len()).collect();
    order.sort_by_key(|place| &labels.values[*place]);
    let mut places = vec![0; order.len()];
    for (at, place) in order.iter().enumerate() {
        places[*place] = code(at);
    }
    let of_rows = labels.of_rows.iter();
    let of_rows = of_rows.map(|own| places.get(*own as usize).copied().unwrap_or(Codes::NA));
    Labels {
        of_rows: Cow::Owned(of_rows.collect()),
        values: Cow::Owned(order.iter().map(|at| labels.values[*at].clone()).collect()),
    }
}

/// Levels get other names; those that get the same become one.
fn renamed(labels: &Labels<'_>, names: &[Arc<str>]) -> Labels<'static> {
    let mut values: Vec<Arc<str>> = vec![];
    let mut places = vec![];
    for name in names {
        let known = values.iter().position(|own| own == name);
        places.push(code(known.unwrap_or(values.len())));
        if known.is_none() {
            values.push(name.clone());
        }
    }
    let of_rows = labels.of_rows.iter();
    let of_rows = of_rows.map(|own| places.get(*own as usize).copied().unwrap_or(Codes::NA));
    Labels {
        of_rows: Cow::Owned(of_rows.collect()),
        values: Cow::Owned(values),
    }
}

/// Text stands for the factor that the data of the fit had there.
pub(super) fn released<'a>(of: Vector<'a>, first: &Arc<str>) -> Evaluated<'a> {
    let (labels, levels) = match of {
        Vector::Factor(labels, levels) => (labels, levels),
        Vector::Text(labels) => (sorted(labels), Levels { ordered: false }),
        _ => return Err("'relevel' only for (unordered) factors"),
    };
    let Some(place) = labels.values.iter().position(|own| own == first) else {
        // The data at hand may not have it: labels are what counts.
        return Ok(Vector::Factor(labels, levels));
    };
    let mut values = labels.values.to_vec();
    values[..=place].rotate_right(1);
    let place = code(place);
    let of_rows = labels.of_rows.iter().map(|own| match *own {
        own if own == place => 0,
        own if own < place => own + 1,
        own => own,
    });
    Ok(Vector::Factor(
        Labels {
            of_rows: Cow::Owned(of_rows.collect()),
            values: Cow::Owned(values),
        },
        levels,
    ))
}

/// Levels that an interaction may have.
const MAX_COMBINATIONS: usize = 1 << 16;

pub(super) fn interaction(of: &[Node], separator: &str, data: Data<'_>) -> Evaluated<'static> {
    let mut parts = vec![];
    for node in of {
        let vector = node.eval(data)?;
        let sort = matches!(vector, Vector::Text(_));
        let labels = vector.labels(true).ok_or("a matrix as a factor")?;
        parts.push(if sort { sorted(labels) } else { labels });
    }
    let Some((first, others)) = parts.split_first() else {
        return Err("no factors specified");
    };
    let mut values: Vec<String> = first.values.iter().map(ToString::to_string).collect();
    let mut of_rows: Vec<u32> = (0..data.rows).map(|row| at_row(first, row)).collect();
    for part in others {
        let width = code(values.len());
        if values.len() * part.values.len() > MAX_COMBINATIONS {
            return Err("interaction() of too many levels");
        }
        let combined = part.values.iter().flat_map(|own| {
            let join = move |before: &String| format!("{before}{separator}{own}");
            values.iter().map(join)
        });
        values = combined.collect();
        for (row, own) in of_rows.iter_mut().enumerate() {
            let next = at_row(part, row);
            *own = match (*own, next) {
                (Codes::NA, _) | (_, Codes::NA) => Codes::NA,
                (own, next) => own + next * width,
            };
        }
    }
    let labels = Labels {
        values: Cow::Owned(values.into_iter().map(Into::into).collect()),
        of_rows: Cow::Owned(of_rows),
    };
    Ok(Vector::Factor(labels, Levels { ordered: false }))
}

fn at_row(labels: &Labels<'_>, row: usize) -> u32 {
    labels.of_rows[if labels.of_rows.len() == 1 { 0 } else { row }]
}
