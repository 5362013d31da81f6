//! R's arithmetic on doubles, special cases included.

use rdata::value::NA_INTEGER;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arith {
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
    /// `%%`
    Modulo,
    /// `%/%`
    Quotient,
}

impl Arith {
    pub fn of(name: &str) -> Option<Self> {
        Some(match name {
            "+" => Self::Add,
            "-" => Self::Subtract,
            "*" => Self::Multiply,
            "/" => Self::Divide,
            "^" => Self::Power,
            "%%" => Self::Modulo,
            "%/%" => Self::Quotient,
            _ => return None,
        })
    }

    pub fn apply(self) -> fn(f64, f64) -> f64 {
        match self {
            Self::Add => |a, b| a + b,
            Self::Subtract => |a, b| a - b,
            Self::Multiply => |a, b| a * b,
            Self::Divide => |a, b| a / b,
            Self::Power => power,
            Self::Modulo => modulo,
            Self::Quotient => quotient,
        }
    }
}

/// Functions of one number.
pub(crate) fn function(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "exp" => f64::exp,
        "expm1" => f64::exp_m1,
        "log1p" => f64::ln_1p,
        "log" | "logb" => log,
        "log2" => log2,
        "log10" => log10,
        "sqrt" => f64::sqrt,
        "abs" => f64::abs,
        "sign" => sign,
        "floor" => f64::floor,
        "ceiling" => f64::ceil,
        "trunc" => f64::trunc,
        "sin" => f64::sin,
        "cos" => f64::cos,
        "tan" => f64::tan,
        "asin" => f64::asin,
        "acos" => f64::acos,
        "atan" => f64::atan,
        "sinh" => f64::sinh,
        "cosh" => f64::cosh,
        "tanh" => f64::tanh,
        "asinh" => asinh,
        "acosh" => acosh,
        "atanh" => atanh,
        _ => return None,
    })
}

fn sign(x: f64) -> f64 {
    if x.is_nan() {
        x
    } else if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else {
        0.0
    }
}

pub(crate) fn log(x: f64) -> f64 {
    logarithm(x, f64::ln)
}

pub(crate) fn log2(x: f64) -> f64 {
    logarithm(x, f64::log2)
}

pub(crate) fn log10(x: f64) -> f64 {
    logarithm(x, f64::log10)
}

fn logarithm(x: f64, of: fn(f64) -> f64) -> f64 {
    if x.is_nan() {
        x
    } else if x > 0.0 {
        of(x)
    } else if x == 0.0 {
        f64::NEG_INFINITY
    } else {
        f64::NAN
    }
}

#[expect(clippy::float_cmp, reason = "R asks for exactly these bases")]
pub(crate) fn log_base(x: f64, base: f64) -> f64 {
    if x.is_nan() || base.is_nan() {
        x + base
    } else if base == 10.0 {
        log10(x)
    } else if base == 2.0 {
        log2(x)
    } else {
        log(x) / log(base)
    }
}

/// `R_pow`, which squares by multiplication.
#[expect(clippy::float_cmp, reason = "the special cases are exact numbers")]
pub(crate) fn power(x: f64, y: f64) -> f64 {
    if y == 2.0 {
        return x * x;
    }
    if x == 1.0 || y == 0.0 {
        return 1.0;
    }
    if x == 0.0 {
        return match y {
            _ if y > 0.0 => 0.0,
            _ if y < 0.0 => f64::INFINITY,
            _ => y,
        };
    }
    if x.is_nan() || y.is_nan() {
        return x + y;
    }
    if x.is_finite() && y.is_finite() {
        return x.powf(y);
    }
    infinite_power(x, y)
}

/// Where one of the two is infinite.
#[expect(clippy::float_cmp, reason = "the special cases are exact numbers")]
fn infinite_power(x: f64, y: f64) -> f64 {
    let grows = if y > 0.0 { f64::INFINITY } else { 0.0 };
    if x == f64::INFINITY {
        return grows;
    }
    if x == f64::NEG_INFINITY {
        let whole = y.is_finite() && y == y.floor();
        return match y {
            _ if !whole => f64::NAN,
            _ if y < 0.0 => 0.0,
            _ if modulo(y, 2.0) != 0.0 => x,
            _ => -x,
        };
    }
    if x < 0.0 {
        return f64::NAN;
    }
    if x >= 1.0 {
        return grows;
    }
    if y > 0.0 { 0.0 } else { f64::INFINITY }
}

/// Of these three Rust has formulas of its own; the C library's are followed here.
const LARGE: f64 = 268_435_456.0;

fn asinh(x: f64) -> f64 {
    let size = x.abs();
    if !x.is_finite() || size < 1.0 / LARGE {
        return x;
    }
    let value = if size > LARGE {
        size.ln() + std::f64::consts::LN_2
    } else if size > 2.0 {
        (2.0 * size + 1.0 / ((x * x + 1.0).sqrt() + size)).ln()
    } else {
        let square = x * x;
        (size + square / (1.0 + (1.0 + square).sqrt())).ln_1p()
    };
    value.copysign(x)
}

fn acosh(x: f64) -> f64 {
    if x.is_nan() || x == f64::INFINITY {
        return x;
    }
    if x < 1.0 {
        return f64::NAN;
    }
    if x > LARGE {
        x.ln() + std::f64::consts::LN_2
    } else if x > 2.0 {
        (2.0 * x - 1.0 / (x + (x * x - 1.0).sqrt())).ln()
    } else {
        let above = x - 1.0;
        (above + (2.0 * above + above * above).sqrt()).ln_1p()
    }
}

fn atanh(x: f64) -> f64 {
    let size = x.abs();
    if x.is_nan() || size < 1.0 / LARGE {
        return x;
    }
    if size > 1.0 {
        return f64::NAN;
    }
    let value = if size < 0.5 {
        let twice = size + size;
        0.5 * (twice + twice * size / (1.0 - size)).ln_1p()
    } else {
        0.5 * ((size + size) / (1.0 - size)).ln_1p()
    };
    value.copysign(x)
}

/// Beyond it, whole numbers are not exact any more.
const LARGEST_EXACT: f64 = 1.0 / f64::EPSILON;

fn modulo(x: f64, y: f64) -> f64 {
    if y == 0.0 {
        return f64::NAN;
    }
    if x.is_nan() || y.is_nan() {
        return x + y;
    }
    if y.is_infinite() && x.is_finite() {
        let other_side = (x < 0.0) != (y < 0.0) && x != 0.0;
        return if other_side { y } else { x };
    }
    let rest = x % y;
    if rest != 0.0 && (rest < 0.0) != (y < 0.0) {
        return rest + y;
    }
    // R gives a zero without a sign.
    rest + 0.0
}

fn quotient(x: f64, y: f64) -> f64 {
    let ratio = x / y;
    if y == 0.0 || !ratio.is_finite() || ratio.abs() > LARGEST_EXACT {
        return ratio;
    }
    let below = ratio.floor();
    let rest = below.mul_add(-y, x);
    below + (rest / y).floor()
}

/// `round(x, digits)` of R 4: the nearer of the two candidates, the even one on a tie.
pub(crate) fn round(x: f64, digits: f64) -> f64 {
    if x.is_nan() || digits.is_nan() {
        return x + digits;
    }
    if !x.is_finite() || digits > 323.0 || x == 0.0 {
        return x;
    }
    if digits < -308.0 {
        return 0.0;
    }
    #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
    let digits = (digits + 0.5).floor() as i32;
    match digits {
        0 => x.round_ties_even(),
        _ if x < 0.0 => -round_positive(-x, digits),
        _ => round_positive(x, digits),
    }
}

fn round_positive(x: f64, digits: i32) -> f64 {
    // All digits that a double has are left of the place.
    const DIGITS: f64 = 15.0;
    if f64::from(digits) > DIGITS - x.log10().ceil() {
        return x;
    }
    let scale = 10_f64.powi(digits.abs());
    let scaled = if digits > 0 { x * scale } else { x / scale };
    let back = |whole: f64| {
        if digits > 0 {
            whole / scale
        } else {
            whole * scale
        }
    };
    let (below, above) = (back(scaled.floor()), back(scaled.ceil()));
    let (to_below, to_above) = (x - below, above - x);
    let even = scaled.floor() % 2.0 == 0.0;
    #[expect(clippy::float_cmp, reason = "a tie is exact")]
    let tie = to_below == to_above;
    if to_below < to_above || (tie && even) {
        below
    } else {
        above
    }
}

/// `signif`, of which R does it by decimal text for what matters here.
pub(crate) fn signif(x: f64, digits: f64) -> f64 {
    if !x.is_finite() || digits.is_nan() || x == 0.0 {
        return x + if digits.is_nan() { digits } else { 0.0 };
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped"
    )]
    let digits = digits.round().clamp(1.0, 22.0) as usize;
    format!("{x:.*e}", digits - 1).parse().unwrap_or(x)
}

/// `&` of 0, 1 and NA.
pub(crate) fn and(a: i32, b: i32) -> i32 {
    if a == 0 || b == 0 {
        0
    } else if a == NA_INTEGER || b == NA_INTEGER {
        NA_INTEGER
    } else {
        1
    }
}

pub(crate) fn or(a: i32, b: i32) -> i32 {
    let is_true = |value: i32| value != 0 && value != NA_INTEGER;
    if is_true(a) || is_true(b) {
        1
    } else if a == NA_INTEGER || b == NA_INTEGER {
        NA_INTEGER
    } else {
        0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compare {
    Equal,
    NotEqual,
    Less,
    Greater,
    LessEqual,
    GreaterEqual,
}

impl Compare {
    pub fn of(name: &str) -> Option<Self> {
        Some(match name {
            "==" => Self::Equal,
            "!=" => Self::NotEqual,
            "<" => Self::Less,
            ">" => Self::Greater,
            "<=" => Self::LessEqual,
            ">=" => Self::GreaterEqual,
            _ => return None,
        })
    }

    /// With NA where one of them is not a number.
    #[expect(clippy::float_cmp, reason = "so R compares")]
    pub fn numbers(self, a: f64, b: f64) -> i32 {
        if a.is_nan() || b.is_nan() {
            return NA_INTEGER;
        }
        i32::from(match self {
            Self::Equal => a == b,
            Self::NotEqual => a != b,
            Self::Less => a < b,
            Self::Greater => a > b,
            Self::LessEqual => a <= b,
            Self::GreaterEqual => a >= b,
        })
    }

    /// As it reads from the other side.
    pub fn mirrored(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::Greater => Self::Less,
            Self::LessEqual => Self::GreaterEqual,
            Self::GreaterEqual => Self::LessEqual,
            same => same,
        }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "equal to the last bit")]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_that_of_r_4() {
        // round(c(0.15, 0.25, 0.35, 2.675, 5.015, -1.005), c(1, 1, 1, 2, 2, 2)); round(1234.5678, -2)
        assert_eq!(round(0.15, 1.0), 0.1);
        assert_eq!(round(0.25, 1.0), 0.2);
        assert_eq!(round(0.35, 1.0), 0.3);
        assert_eq!(round(2.675, 2.0), 2.67);
        assert_eq!(round(5.015, 2.0), 5.02);
        assert_eq!(round(-1.005, 2.0), -1.0);
        assert_eq!(round(1234.5678, -2.0), 1200.0);
        assert_eq!(round(2.5, 0.0), 2.0);
    }

    #[test]
    fn remainders_have_the_sign_of_the_divisor() {
        assert_eq!(modulo(-5.0, 3.0), 1.0);
        assert_eq!(modulo(5.0, -3.0), -1.0);
        assert_eq!(quotient(-5.0, 3.0), -2.0);
        assert_eq!(quotient(1.0, 0.1), 9.0);
        assert!(modulo(1.0, 0.0).is_nan());
    }
}
