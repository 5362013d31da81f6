//! What is kept of a group's values, by aggregation, and the formulas.
//!
//! pandas sums in two ways. If the rows come in the order of the sorted ids and no
//! value is missing, it lets numpy sum each stretch: by pairs. Else it goes through
//! the rows with Kahan's compensation. Which way it will be is known only at the end,
//! so both are done; bits would differ otherwise.

use super::Results;
use crate::parse::to_float;

/// How results are to be read out of states.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// The column of values is one of integers.
    pub integers: bool,
    /// No value was written as a float.
    pub whole_numbers: bool,
    /// pandas sums stretches here.
    pub stretches: bool,
}

impl Reading {
    /// Integers have no negative zero, whatever was written, and they have none either
    /// if they are floats just because some are missing.
    fn signed(self, value: f64) -> f64 {
        if self.whole_numbers {
            value + 0.0
        } else {
            value
        }
    }
}

pub trait State: Default + Send {
    /// Whether [`State::stretch`] wants to hear of sums by pairs.
    const STRETCHES: bool = false;

    /// Values of a column that has been one of integers so far.
    fn integers(&mut self, values: &[u64]);
    /// Values as bits of floats; NaN is missing.
    fn floats(&mut self, values: &[u64]);
    fn stretch(&mut self, _sum: f64) {}
    fn results(states: impl Iterator<Item = Self>, reading: Reading) -> Results;
}

fn present(values: &[u64]) -> impl Iterator<Item = f64> {
    let floats = values.iter().map(|bits| f64::from_bits(*bits));
    floats.filter(|value| !value.is_nan())
}

fn as_floats(values: &[u64]) -> impl Iterator<Item = f64> {
    values.iter().map(|value| to_float(value.cast_signed()))
}

fn as_integers(values: &[u64]) -> impl Iterator<Item = i64> {
    let zero = |value: i64| if value == i64::MIN { 0 } else { value };
    values.iter().map(move |value| zero(value.cast_signed()))
}

/// Kahan's compensated sum, as pandas has it. Its sums and means differ in what ends
/// a compensation that went wrong: one that is NaN, or one that is infinite as well,
/// which a finite sum that is too large makes.
#[derive(Debug, Default)]
struct Kahan<const FINITE: bool> {
    sum: f64,
    compensation: f64,
}

impl<const FINITE: bool> Kahan<FINITE> {
    fn add(&mut self, values: impl Iterator<Item = f64>) {
        let Self {
            mut sum,
            mut compensation,
        } = *self;
        for value in values {
            let corrected = value - compensation;
            let next = sum + corrected;
            compensation = next - sum - corrected;
            if compensation.is_nan() || (FINITE && compensation.is_infinite()) {
                compensation = 0.0;
            }
            sum = next;
        }
        *self = Self { sum, compensation };
    }
}

/// The sum of all values by pairs, unless they were too many to keep.
#[derive(Debug, Default)]
struct Stretch(Option<f64>);

impl Stretch {
    fn or<const FINITE: bool>(&self, compensated: &Kahan<FINITE>, reading: Reading) -> f64 {
        let whole = self.0.filter(|_| reading.stretches);
        whole.unwrap_or(compensated.sum)
    }
}

/// The sum of a stretch as numpy's `add.reduceat` makes it.
pub fn by_pairs(values: &[f64]) -> f64 {
    match values {
        [] => 0.0,
        [only] => *only,
        [first, rest @ ..] => first + pairs(rest),
    }
}

/// Up to this many are summed in eight columns, more are halved.
const HALVED: usize = 128;

fn pairs(values: &[f64]) -> f64 {
    let count = values.len();
    if count < 8 {
        return values.iter().fold(-0.0, |sum, value| sum + value);
    }
    if count <= HALVED {
        let (eights, rest) = values.as_chunks::<8>();
        let mut columns = eights[0];
        for eight in &eights[1..] {
            for (column, value) in columns.iter_mut().zip(eight) {
                *column += value;
            }
        }
        let quarter =
            |at: usize| (columns[at] + columns[at + 1]) + (columns[at + 2] + columns[at + 3]);
        let sum = quarter(0) + quarter(4);
        return rest.iter().fold(sum, |sum, value| sum + value);
    }
    let half = count / 2 - count / 2 % 8;
    pairs(&values[..half]) + pairs(&values[half..])
}

#[derive(Debug, Default)]
pub struct Sum {
    integer: i64,
    float: Kahan<true>,
    stretch: Stretch,
}

impl State for Sum {
    const STRETCHES: bool = true;

    fn integers(&mut self, values: &[u64]) {
        for value in as_integers(values) {
            self.integer = self.integer.wrapping_add(value);
        }
        self.float.add(as_floats(values));
    }

    fn floats(&mut self, values: &[u64]) {
        self.float.add(present(values));
    }

    fn stretch(&mut self, sum: f64) {
        self.stretch = Stretch(Some(sum));
    }

    fn results(states: impl Iterator<Item = Self>, reading: Reading) -> Results {
        if reading.integers {
            return Results::Integers(states.map(|state| state.integer).collect());
        }
        let sum = |state: Self| state.stretch.or(&state.float, reading);
        Results::Floats(states.map(sum).collect())
    }
}

#[derive(Debug, Default)]
pub struct Mean {
    count: u64,
    sum: Kahan<false>,
    stretch: Stretch,
}

impl State for Mean {
    const STRETCHES: bool = true;

    fn integers(&mut self, values: &[u64]) {
        self.count += values.len() as u64;
        self.sum.add(as_floats(values));
    }

    fn floats(&mut self, values: &[u64]) {
        self.sum.add(present(values).inspect(|_| self.count += 1));
    }

    fn stretch(&mut self, sum: f64) {
        self.stretch = Stretch(Some(sum));
    }

    #[expect(clippy::cast_precision_loss, reason = "no group has 2^53 rows")]
    fn results(states: impl Iterator<Item = Self>, reading: Reading) -> Results {
        let mean = |state: Self| match state.count {
            0 => f64::NAN,
            count => reading.signed(state.stretch.or(&state.sum, reading) / count as f64),
        };
        Results::Floats(states.map(mean).collect())
    }
}

/// The least, or else the greatest.
#[derive(Debug, Default)]
pub struct Extreme<const LEAST: bool> {
    float: Option<f64>,
    integer: Option<i64>,
}

impl<const LEAST: bool> Extreme<LEAST> {
    fn take(&mut self, value: f64) {
        let beats = |held| if LEAST { value < held } else { value > held };
        if self.float.is_none_or(beats) {
            self.float = Some(value);
        }
    }
}

impl<const LEAST: bool> State for Extreme<LEAST> {
    fn integers(&mut self, values: &[u64]) {
        as_floats(values).for_each(|value| self.take(value));
        for value in as_integers(values) {
            let held = self.integer.unwrap_or(value);
            self.integer = Some(if LEAST {
                held.min(value)
            } else {
                held.max(value)
            });
        }
    }

    fn floats(&mut self, values: &[u64]) {
        present(values).for_each(|value| self.take(value));
    }

    fn results(states: impl Iterator<Item = Self>, reading: Reading) -> Results {
        if reading.integers {
            let integer = |state: Self| state.integer.expect("no integer is missing");
            return Results::Integers(states.map(integer).collect());
        }
        let float = |state: Self| reading.signed(state.float.unwrap_or(f64::NAN));
        Results::Floats(states.map(float).collect())
    }
}

/// Welford's running mean and sum of squares.
#[derive(Debug, Default)]
pub struct Spread {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Spread {
    fn add(&mut self, values: impl Iterator<Item = f64>) {
        for value in values {
            self.count += 1.0;
            let before = self.mean;
            self.mean += (value - before) / self.count;
            self.squares += (value - self.mean) * (value - before);
        }
    }
}

impl State for Spread {
    fn integers(&mut self, values: &[u64]) {
        self.add(as_floats(values));
    }

    fn floats(&mut self, values: &[u64]) {
        self.add(present(values));
    }

    fn results(states: impl Iterator<Item = Self>, _reading: Reading) -> Results {
        let deviation = |state: Self| {
            if state.count > 1.0 {
                (state.squares / (state.count - 1.0)).sqrt()
            } else {
                f64::NAN
            }
        };
        Results::Floats(states.map(deviation).collect())
    }
}

#[derive(Debug, Default)]
pub struct Count(u64);

impl State for Count {
    fn integers(&mut self, values: &[u64]) {
        self.0 += values.len() as u64;
    }

    fn floats(&mut self, values: &[u64]) {
        self.0 += present(values).count() as u64;
    }

    fn results(states: impl Iterator<Item = Self>, _reading: Reading) -> Results {
        Results::Integers(states.map(|state| state.0.cast_signed()).collect())
    }
}
