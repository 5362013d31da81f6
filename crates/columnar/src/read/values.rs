//! Arrays of the library as plain values.

use arrow_array::cast::AsArray;
use arrow_array::types as arrow;
use arrow_array::{Array, ArrowPrimitiveType, PrimitiveArray, StringArrayType};
use arrow_schema::{DataType, TimeUnit};
use types::table::{Texts, Values};

use super::plan::Kind;
use super::times;

pub fn none(kind: Kind) -> Values {
    match kind {
        Kind::Integers => Values::Integers(Vec::new()),
        Kind::Floats => Values::Floats(Vec::new()),
        Kind::Booleans => Values::Booleans(Vec::new()),
        Kind::Texts => Values::Texts(Texts::default()),
    }
}

/// Appends an array. The error is the type that cannot be used, or not so.
pub fn append(array: &dyn Array, into: &mut Values) -> Result<(), DataType> {
    let of = array.data_type();
    match of {
        DataType::Null => nothing(array.len(), into),
        DataType::Boolean => booleans(array, into),
        DataType::Int8 => integers::<arrow::Int8Type>(array, into),
        DataType::Int16 => integers::<arrow::Int16Type>(array, into),
        DataType::Int32 => integers::<arrow::Int32Type>(array, into),
        DataType::Int64 => integers::<arrow::Int64Type>(array, into),
        DataType::UInt8 => integers::<arrow::UInt8Type>(array, into),
        DataType::UInt16 => integers::<arrow::UInt16Type>(array, into),
        DataType::UInt32 => integers::<arrow::UInt32Type>(array, into),
        DataType::UInt64 => large_integers(array, into),
        DataType::Float16 => floats::<arrow::Float16Type>(array, into, f64::from),
        DataType::Float32 => floats::<arrow::Float32Type>(array, into, f64::from),
        DataType::Float64 => floats::<arrow::Float64Type>(array, into, |value| value),
        DataType::Decimal32(..) => decimals::<arrow::Decimal32Type>(array, into),
        DataType::Decimal64(..) => decimals::<arrow::Decimal64Type>(array, into),
        DataType::Decimal128(..) => decimals::<arrow::Decimal128Type>(array, into),
        DataType::Decimal256(..) => decimals::<arrow::Decimal256Type>(array, into),
        DataType::Utf8 => texts(array.as_string::<i32>().iter(), into),
        DataType::LargeUtf8 => texts(array.as_string::<i64>().iter(), into),
        DataType::Utf8View => texts(array.as_string_view().iter(), into),
        DataType::Dictionary(..) => return dictionary(array, into),
        _ => moments(array, into),
    }
    .ok_or_else(|| of.clone())
}

fn nothing(length: usize, into: &mut Values) -> Option<()> {
    match into {
        Values::Floats(into) => into.extend((0..length).map(|_| f64::NAN)),
        Values::Texts(into) => (0..length).for_each(|_| into.push(None)),
        Values::Integers(_) | Values::Booleans(_) if length == 0 => {}
        Values::Integers(_) | Values::Booleans(_) => return None,
    }
    Some(())
}

fn booleans(array: &dyn Array, into: &mut Values) -> Option<()> {
    let array = array.as_boolean();
    match into {
        Values::Booleans(into) if array.null_count() == 0 => into.extend(array.values()),
        // As pandas has them, and writes them.
        Values::Texts(into) => {
            let text = |value| if value { "True" } else { "False" };
            array.iter().for_each(|value| into.push(value.map(text)));
        }
        _ => return None,
    }
    Some(())
}

/// Of a type that fits into 64 bits with a sign.
fn integers<T>(array: &dyn Array, into: &mut Values) -> Option<()>
where
    T: ArrowPrimitiveType<Native: Into<i64>>,
{
    let array = array.as_primitive::<T>();
    match into {
        Values::Integers(into) if array.null_count() == 0 => {
            into.extend(array.values().iter().map(|value| (*value).into()));
        }
        Values::Floats(into) => {
            #[expect(clippy::cast_precision_loss, reason = "pandas does the same")]
            let float = |value: T::Native| value.into() as f64;
            extend(array, into, float);
        }
        _ => return None,
    }
    Some(())
}

fn large_integers(array: &dyn Array, into: &mut Values) -> Option<()> {
    let array = array.as_primitive::<arrow::UInt64Type>();
    match into {
        Values::Integers(into) if array.null_count() == 0 => {
            for value in array.values() {
                into.push(i64::try_from(*value).ok()?);
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "pandas does the same")]
        Values::Floats(into) => extend(array, into, |value| value as f64),
        Values::Texts(into) => {
            let digits = |value: Option<u64>| value.map(|value| value.to_string());
            let texts = array.iter().map(digits);
            texts.for_each(|text| into.push(text.as_deref()));
        }
        _ => return None,
    }
    Some(())
}

fn floats<T: ArrowPrimitiveType>(
    array: &dyn Array,
    into: &mut Values,
    float: impl Fn(T::Native) -> f64,
) -> Option<()> {
    let Values::Floats(into) = into else {
        return None;
    };
    extend(array.as_primitive::<T>(), into, float);
    Some(())
}

fn extend<T: ArrowPrimitiveType>(
    array: &PrimitiveArray<T>,
    into: &mut Vec<f64>,
    float: impl Fn(T::Native) -> f64,
) {
    if array.null_count() == 0 {
        into.extend(array.values().iter().map(|value| float(*value)));
    } else {
        into.extend(array.iter().map(|value| value.map_or(f64::NAN, &float)));
    }
}

fn decimals<T: arrow::DecimalType>(array: &dyn Array, into: &mut Values) -> Option<()> {
    let array = array.as_primitive::<T>();
    let text = |at: usize| array.is_valid(at).then(|| array.value_as_string(at));
    for at in 0..array.len() {
        let text = text(at);
        match into {
            // The nearest one, which a quotient of two floats need not be.
            Values::Floats(into) => {
                let float = text.and_then(|text| text.parse().ok());
                into.push(float.unwrap_or(f64::NAN));
            }
            Values::Integers(into) => into.push(text?.parse().ok()?),
            Values::Texts(into) => into.push(text.as_deref()),
            Values::Booleans(_) => return None,
        }
    }
    Some(())
}

fn texts<'a>(values: impl Iterator<Item = Option<&'a str>>, into: &mut Values) -> Option<()> {
    let Values::Texts(into) = into else {
        return None;
    };
    values.for_each(|value| into.push(value));
    Some(())
}

/// Dates and times.
fn moments(array: &dyn Array, into: &mut Values) -> Option<()> {
    use TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};
    let Values::Texts(into) = into else {
        return None;
    };
    match array.data_type() {
        DataType::Date32 => write::<arrow::Date32Type>(array, into, times::date),
        // Milliseconds, of which those within a day do not count.
        DataType::Date64 => write::<arrow::Date64Type>(array, into, |out, ticks| {
            times::date(out, ticks.div_euclid(86_400_000));
        }),
        DataType::Time32(Second) => write::<arrow::Time32SecondType>(array, into, in_day(Second)),
        DataType::Time32(Millisecond) => {
            write::<arrow::Time32MillisecondType>(array, into, in_day(Millisecond));
        }
        DataType::Time64(Microsecond) => {
            write::<arrow::Time64MicrosecondType>(array, into, in_day(Microsecond));
        }
        DataType::Time64(Nanosecond) => {
            write::<arrow::Time64NanosecondType>(array, into, in_day(Nanosecond));
        }
        DataType::Timestamp(unit, zone) => {
            let zone = zone.is_some();
            let moment = |out: &mut String, ticks| times::moment(out, ticks, *unit, zone);
            match unit {
                Second => write::<arrow::TimestampSecondType>(array, into, moment),
                Millisecond => write::<arrow::TimestampMillisecondType>(array, into, moment),
                Microsecond => write::<arrow::TimestampMicrosecondType>(array, into, moment),
                Nanosecond => write::<arrow::TimestampNanosecondType>(array, into, moment),
            }
        }
        _ => return None,
    }
    Some(())
}

fn in_day(unit: TimeUnit) -> impl Fn(&mut String, i64) {
    move |out, ticks| times::time(out, ticks, unit)
}

fn write<T>(array: &dyn Array, into: &mut Texts, text: impl Fn(&mut String, i64))
where
    T: ArrowPrimitiveType<Native: Into<i64>>,
{
    let mut buffer = String::new();
    for value in array.as_primitive::<T>() {
        buffer.clear();
        let value = value.map(|value| text(&mut buffer, value.into()));
        into.push(value.map(|()| buffer.as_str()));
    }
}

/// Keys into other values, some of which may be missing themselves.
fn dictionary(array: &dyn Array, into: &mut Values) -> Result<(), DataType> {
    let unsupported = || array.data_type().clone();
    let array = array.as_any_dictionary();
    let values = array.values();
    if values.is_empty() {
        return nothing(array.len(), into).ok_or_else(unsupported);
    }
    let nulls = array.keys().nulls();
    let key = |(at, key): (usize, usize)| nulls.is_none_or(|n| n.is_valid(at)).then_some(key);
    let keys = array.normalized_keys();
    let mut keys = keys.into_iter().enumerate().map(key);
    // A dictionary of text may be far larger than the rows at hand: only what they
    // refer to is looked at.
    match values.data_type() {
        DataType::Utf8 => return looked_up(keys, values.as_string::<i32>(), into),
        DataType::LargeUtf8 => return looked_up(keys, values.as_string::<i64>(), into),
        DataType::Utf8View => return looked_up(keys, values.as_string_view(), into),
        _ => {}
    }
    let mut plain = match into {
        Values::Integers(_) => Values::Integers(Vec::new()),
        Values::Floats(_) => Values::Floats(Vec::new()),
        Values::Booleans(_) => Values::Booleans(Vec::new()),
        Values::Texts(_) => Values::Texts(Texts::default()),
    };
    append(values.as_ref(), &mut plain).map_err(|_| unsupported())?;
    match (plain, into) {
        (Values::Integers(plain), Values::Integers(into)) => {
            keys.try_for_each(|key| key.map(|key| into.push(plain[key])))
        }
        (Values::Booleans(plain), Values::Booleans(into)) => {
            keys.try_for_each(|key| key.map(|key| into.push(plain[key])))
        }
        (Values::Floats(plain), Values::Floats(into)) => {
            into.extend(keys.map(|key| key.map_or(f64::NAN, |key| plain[key])));
            Some(())
        }
        (Values::Texts(plain), Values::Texts(into)) => {
            keys.for_each(|key| into.push(key.and_then(|key| plain.get(key))));
            Some(())
        }
        _ => None,
    }
    .ok_or_else(unsupported)
}

fn looked_up<'a>(
    keys: impl Iterator<Item = Option<usize>>,
    values: impl StringArrayType<'a> + Copy,
    into: &mut Values,
) -> Result<(), DataType> {
    let value = |key| values.is_valid(key).then(|| values.value(key));
    let found = keys.map(|key| key.and_then(value));
    texts(found, into).ok_or_else(|| values.data_type().clone())
}
