//! Numbers as R formats them: `format`, `formatC`, `signif`, `round`, `format.pval`.

#![expect(clippy::float_cmp, reason = "ties are exact, or none")]

/// How numbers of a vector are written so that they look alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layout {
    width: usize,
    decimals: usize,
    /// Digits of the exponent, if there is one.
    exponent: Option<usize>,
}

/// A number to so many significant digits.
struct Digits {
    negative: bool,
    /// The power of ten of the first digit.
    power: i32,
    /// So many digits are left when trailing zeros are dropped.
    significant: i32,
    /// The rounded number has a digit more before the point than the number itself.
    widened: bool,
}

fn int(count: usize) -> i32 {
    i32::try_from(count).expect("numbers are written in a few characters")
}

fn size(count: i32) -> usize {
    usize::try_from(count.max(0)).expect("not negative")
}

/// Mantissa and exponent of `%.*e`.
fn scientific(number: f64, decimals: usize) -> (String, i32) {
    let text = format!("{number:.decimals$e}");
    let (mantissa, power) = text.split_once('e').expect("the format has an exponent");
    let power = power.parse().expect("exponents are whole numbers");
    (mantissa.into(), power)
}

fn digits(number: f64, digits: usize) -> Digits {
    if number == 0.0 {
        return Digits {
            negative: false,
            power: 0,
            significant: 1,
            widened: false,
        };
    }
    let (mantissa, power) = scientific(number.abs(), digits - 1);
    let kept = mantissa.trim_end_matches('0').trim_end_matches('.');
    let significant = kept.bytes().filter(u8::is_ascii_digit).count();
    Digits {
        negative: number < 0.0,
        power,
        significant: int(significant),
        widened: power > 0 && number.abs() < 10_f64.powi(power),
    }
}

fn layout(numbers: &[f64], wanted: usize) -> Layout {
    let (mut right, mut left, mut signs, mut most) = (0, 1, 0, 1);
    let (mut largest, mut least) = (i32::MIN, i32::MAX);
    let mut others = 0;
    for number in numbers {
        if !number.is_finite() {
            let infinite = if *number > 0.0 { 3 } else { 4 };
            let missing = if rdata::value::is_na(*number) { 2 } else { 3 };
            others = others.max(if number.is_nan() { missing } else { infinite });
            continue;
        }
        let own = digits(*number, wanted);
        let before = own.power + 1 - i32::from(own.widened);
        let sign = i32::from(own.negative);
        right = right.max(own.significant - own.power - 1);
        left = left.max(sign + before.max(1));
        signs = signs.max(sign);
        most = most.max(own.significant);
        largest = largest.max(own.power + 1);
        least = least.min(own.power + 1);
    }
    let fixed = left + right + i32::from(right > 0);
    let exponent = if largest > 100 || least <= -99 { 2 } else { 1 };
    let decimals = most - 1;
    let scientific = signs + i32::from(decimals > 0) + decimals + 4 + exponent;
    if fixed <= scientific {
        return Layout {
            width: size(fixed).max(others),
            decimals: size(right),
            exponent: None,
        };
    }
    Layout {
        width: size(scientific).max(others),
        decimals: size(decimals),
        exponent: Some(size(exponent) + 1),
    }
}

fn write(number: f64, layout: Layout) -> String {
    let (decimals, width) = (layout.decimals, layout.width);
    let text = if rdata::value::is_na(number) {
        "NA".into()
    } else if number.is_nan() {
        "NaN".into()
    } else if number.is_infinite() {
        if number > 0.0 { "Inf" } else { "-Inf" }.into()
    } else if let Some(exponent) = layout.exponent {
        let (mantissa, power) = scientific(number, decimals);
        let sign = if power < 0 { '-' } else { '+' };
        format!("{mantissa}e{sign}{:0exponent$}", power.abs())
    } else {
        // R does not write a negative zero.
        format!("{:.decimals$}", if number == 0.0 { 0.0 } else { number })
    };
    format!("{text:>width$}")
}

/// `format(numbers, digits = wanted)`
pub fn format(numbers: &[f64], wanted: usize) -> Vec<String> {
    let layout = layout(numbers, wanted);
    numbers.iter().map(|own| write(*own, layout)).collect()
}

pub fn format_one(number: f64, wanted: usize) -> String {
    write(number, layout(&[number], wanted))
}

/// `formatC(number, digits = wanted)`, which is `%*.*g` of C.
pub fn format_c(number: f64, wanted: usize) -> String {
    let width = wanted + 1;
    format!("{:>width$}", general(number, wanted))
}

fn general(number: f64, wanted: usize) -> String {
    if !number.is_finite() {
        return write(number, layout(&[number], wanted));
    }
    if number == 0.0 {
        return "0".into();
    }
    let (mantissa, power) = scientific(number, wanted - 1);
    let trimmed = |text: &str| {
        if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_string()
        } else {
            text.to_string()
        }
    };
    if power < -4 || power >= int(wanted) {
        let sign = if power < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trimmed(&mantissa), power.abs());
    }
    let decimals = size(int(wanted) - 1 - power);
    trimmed(&format!("{number:.decimals$}"))
}

/// R's `signif`.
pub fn signif(number: f64, wanted: i32) -> f64 {
    if number == 0.0 || !number.is_finite() {
        return number;
    }
    let size = number.abs();
    let power = wanted - 1 - floor(size.log10());
    let rounded = if power > 0 {
        let by = 10_f64.powi(power);
        (size * by).round_ties_even() / by
    } else {
        let by = 10_f64.powi(-power);
        (size / by).round_ties_even() * by
    };
    rounded.copysign(number)
}

/// The whole part of a logarithm.
#[expect(clippy::cast_possible_truncation, reason = "logarithms are small")]
pub fn floor(number: f64) -> i32 {
    number.floor() as i32
}

/// R's `round` since 4.0: of the two nearest numbers with so many decimals, the nearer.
pub fn round(number: f64, decimals: i32) -> f64 {
    const MOST_DIGITS: i32 = 15;
    if !number.is_finite() || number == 0.0 {
        return number;
    }
    let size = number.abs();
    let before = -floor(-size.log10());
    if decimals > MOST_DIGITS - before {
        return number;
    }
    if decimals <= 0 {
        let by = 10_f64.powi(-decimals);
        return ((size / by).round_ties_even() * by).copysign(number);
    }
    let by = 10_f64.powi(decimals);
    let moved = size * by;
    let whole = moved.floor();
    let (below, above) = (whole / by, moved.ceil() / by);
    let (down, up) = (size - below, above - size);
    let even = whole % 2.0 == 0.0;
    let rounded = if down < up || (down == up && even) {
        below
    } else {
        above
    };
    rounded.copysign(number)
}

/// R's `zapsmall`, as it was before 4.4.
pub fn zapsmall(numbers: &[f64], digits: f64) -> Vec<f64> {
    let known = numbers.iter().filter(|number| !number.is_nan());
    let largest = known.fold(0.0_f64, |most, own| most.max(own.abs()));
    let decimals = if largest > 0.0 {
        (digits - largest.log10()).max(0.0)
    } else {
        digits
    };
    // `round` takes the nearest whole number of digits.
    let decimals = floor(decimals + 0.5);
    numbers.iter().map(|own| round(*own, decimals)).collect()
}

/// R's `format.pval`; none of them may be missing.
pub fn format_p(values: &[f64], wanted: usize) -> Vec<String> {
    const LEAST: f64 = f64::EPSILON;
    let mut texts = vec![String::new(); values.len()];
    let fixed = |p: f64| {
        let power = floor(if p > 0.0 { p } else { 1e-50 }.log10());
        power >= -3 || (power == -4 && wanted > 1)
    };
    for group in [true, false] {
        let own = |p: &f64| *p >= LEAST && fixed(*p) == group;
        let numbers: Vec<f64> = values.iter().copied().filter(own).collect();
        let mut formatted = format(&numbers, wanted).into_iter();
        for (text, _) in texts.iter_mut().zip(values).filter(|(_, p)| own(p)) {
            *text = formatted.next().expect("one for each");
        }
    }
    let widest = texts.iter().map(String::len).max().unwrap_or(0);
    let mut digits = wanted.saturating_sub(2).max(1);
    let blank = if widest > 0 {
        if digits > 1 && digits + 6 > widest {
            digits = widest.saturating_sub(7).max(1);
        }
        !(digits == 1 && widest <= 6)
    } else {
        digits != 1
    };
    let least = format_one(LEAST, digits);
    for (text, _) in texts.iter_mut().zip(values).filter(|(_, p)| **p < LEAST) {
        *text = format!("<{}{least}", if blank { " " } else { "" });
    }
    texts
}
