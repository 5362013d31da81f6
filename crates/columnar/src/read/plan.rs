//! What each wanted column becomes, known before the first row is handed out.

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{AnyDictionaryArray, Array, RecordBatch};
use arrow_schema::{DataType, Schema};

use super::{Names, Wanted};
use crate::Error;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub name: String,
    /// Its place in the file.
    pub index: usize,
    pub kind: Kind,
    by: bool,
    /// Whether the kind depends on values: if one is missing, or too large.
    pub doubtful: bool,
    /// Whether one may be too large.
    pub large: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Integers,
    Floats,
    Booleans,
    Texts,
}

impl Plan {
    pub fn unsupported(&self, kind: DataType) -> Error {
        let column = self.name.clone();
        Error::Unsupported { column, kind }
    }

    /// A value is missing.
    pub fn with_missing(&mut self) {
        self.kind = match self.kind {
            Kind::Integers => Kind::Floats,
            Kind::Booleans => Kind::Texts,
            other => other,
        };
    }

    /// A value does not fit into 64 bits with a sign.
    fn with_large(&mut self) {
        self.kind = if self.by { Kind::Texts } else { Kind::Floats };
    }
}

/// What pandas calls the index when it has no name, and must become a column.
fn is_index(name: &str) -> bool {
    let level = name.strip_prefix("__index_level_");
    level.is_some_and(|level| level.trim_start_matches(|c: char| c.is_ascii_digit()) == "__")
}

pub fn choose(schema: &Schema, wanted: &Wanted) -> Result<Vec<Plan>, Error> {
    let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, field) in schema.fields().iter().enumerate() {
        places.entry(field.name()).or_default().push(index);
    }
    let find = |name: &str| match places.get(name).map(Vec::as_slice) {
        Some([index]) => Ok(*index),
        Some(_) => Err(Error::Twice { name: name.into() }),
        None => Err(Error::NoColumn {
            name: name.into(),
            there: schema.fields().iter().map(|f| f.name().clone()).collect(),
        }),
    };
    if let Some(by) = wanted.by {
        find(by)?;
    }
    let all = schema.fields().iter().map(|field| field.name().as_str());
    let used = |name: &&str| !is_index(name) || wanted.by == Some(name);
    let names: Vec<&str> = match wanted.columns {
        Names::All => all.filter(used).collect(),
        Names::These(names) => names.to_vec(),
    };
    let plan = |name: &&str| {
        let index = find(name)?;
        let field = schema.field(index);
        let by = wanted.by == Some(*name);
        let kind = kind(field.data_type(), by).ok_or_else(|| Error::Unsupported {
            column: (*name).to_owned(),
            kind: field.data_type().clone(),
        })?;
        let large = field.data_type() == &DataType::UInt64;
        let may_change = matches!(kind, Kind::Integers | Kind::Booleans);
        // Values of a dictionary may be missing even if its keys may not.
        let dictionary = matches!(field.data_type(), DataType::Dictionary(..));
        Ok(Plan {
            name: (*name).to_owned(),
            index,
            kind,
            by,
            large,
            doubtful: may_change && (field.is_nullable() || large || dictionary),
        })
    };
    names.iter().map(plan).collect()
}

/// What a type becomes if no value is missing or too large. None: it cannot be used.
fn kind(of: &DataType, by: bool) -> Option<Kind> {
    use DataType as T;
    /// Decimal digits that fit into 64 bits with a sign, and those that a float holds.
    const INTEGER: u8 = 18;
    const FLOAT: u8 = 15;
    let decimal = match of {
        T::Decimal32(digits, scale)
        | T::Decimal64(digits, scale)
        | T::Decimal128(digits, scale)
        | T::Decimal256(digits, scale) => Some((*digits, *scale)),
        _ => None,
    };
    match (of, decimal) {
        (_, Some((digits, 0))) if by && digits <= INTEGER => Some(Kind::Integers),
        (_, Some((digits, _))) if by && digits > FLOAT => Some(Kind::Texts),
        (_, Some(_)) | (T::Null, _) => Some(Kind::Floats),
        (T::Boolean, _) => Some(Kind::Booleans),
        (T::Utf8 | T::LargeUtf8 | T::Utf8View | T::Timestamp(..), _) => Some(Kind::Texts),
        (T::Dictionary(_, values), _) if !matches!(**values, T::Dictionary(..)) => kind(values, by),
        _ if of.is_integer() => Some(Kind::Integers),
        _ if of.is_floating() => Some(Kind::Floats),
        // What is left is dates and times of the day.
        _ if of.is_temporal() && !matches!(of, T::Duration(_) | T::Interval(_)) => {
            Some(Kind::Texts)
        }
        _ => None,
    }
}

/// Places in the file of the columns whose values must be looked at.
pub fn doubtful(plans: &[Plan]) -> Vec<usize> {
    let doubtful = plans.iter().filter(|plan| plan.doubtful);
    doubtful.map(|plan| plan.index).collect()
}

/// Looks at the values of columns: those at `indices` in the file, which `records` have.
pub fn settle(
    plans: &mut [Plan],
    indices: &[usize],
    records: impl Iterator<Item = Result<RecordBatch, Error>>,
) -> Result<(), Error> {
    for batch in records {
        let batch = batch?;
        for (column, index) in batch.columns().iter().zip(indices) {
            let plans = plans.iter_mut().filter(|plan| plan.index == *index);
            for plan in plans {
                if has_missing(column.as_ref()) {
                    plan.with_missing();
                }
                if has_large(column.as_ref()) {
                    plan.with_large();
                }
            }
        }
    }
    Ok(())
}

fn has_missing(column: &dyn Array) -> bool {
    let values = column
        .as_any_dictionary_opt()
        .map(AnyDictionaryArray::values);
    column.null_count() > 0 || values.is_some_and(|values| values.null_count() > 0)
}

fn has_large(column: &dyn Array) -> bool {
    if let Some(dictionary) = column.as_any_dictionary_opt() {
        return has_large(dictionary.values().as_ref());
    }
    column
        .as_primitive_opt::<UInt64Type>()
        .is_some_and(|column| column.iter().flatten().any(|value| value > i64::MAX as u64))
}
