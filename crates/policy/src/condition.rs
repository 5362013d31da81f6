//! What a statement demands of a request besides who, what and where.

use std::net::IpAddr;

use crate::parse::{PolicyError, short};
use crate::question::Context;
use crate::variables;
use crate::wildcard::{Token, tokens_match};

/// One operator applied to one key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Condition {
    key: String,
    test: Test,
    /// `Not...`: none of the values may fit.
    negated: bool,
    quantifier: Quantifier,
    /// `...IfExists`: it holds for requests without the key.
    if_exists: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantifier {
    Single,
    /// `ForAnyValue:`
    Any,
    /// `ForAllValues:`
    All,
}

/// What a value of the request is compared with; one of these is enough.
#[derive(Debug, Clone, PartialEq)]
enum Test {
    Equals(Vec<String>),
    EqualsIgnoringCase(Vec<String>),
    Like(Vec<String>),
    Arn(Vec<String>),
    Number(Order, Vec<f64>),
    Date(Order, Vec<jiff::Timestamp>),
    Bool(Vec<bool>),
    Address(Vec<Network>),
    /// Whether the key must be missing.
    Null(Vec<bool>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Equal,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

/// Addresses that share their first bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u8,
}

/// Refuses an operator that there is not.
pub(crate) fn known(operator: &str) -> Result<(), PolicyError> {
    read(operator, "", &[]).map(|_| ())
}

/// `operator` as documents write it, such as `ForAnyValue:StringLikeIfExists`.
pub(crate) fn read(operator: &str, key: &str, values: &[String]) -> Result<Condition, PolicyError> {
    let unknown = || PolicyError::BadOperator(short(operator));
    let (quantifier, rest) = match operator.split_once(':') {
        None => (Quantifier::Single, operator),
        Some(("ForAnyValue", rest)) => (Quantifier::Any, rest),
        Some(("ForAllValues", rest)) => (Quantifier::All, rest),
        Some(_) => return Err(unknown()),
    };
    let (name, if_exists) = match rest.strip_suffix("IfExists") {
        Some(name) => (name, true),
        None => (rest, false),
    };
    if name == "Null" && if_exists {
        return Err(unknown());
    }
    let (test, negated) = test(name, values).map_err(|bad| match bad {
        Bad::Operator => unknown(),
        Bad::Value(value) => PolicyError::BadValue {
            key: short(key),
            value: short(value),
        },
    })?;
    Ok(Condition {
        key: key.to_owned(),
        test,
        negated,
        quantifier,
        if_exists,
    })
}

enum Bad<'a> {
    Operator,
    Value(&'a str),
}

fn test<'a>(name: &str, values: &'a [String]) -> Result<(Test, bool), Bad<'a>> {
    if let Some(order) = name.strip_prefix("Numeric") {
        let (order, negated) = self::order(order).ok_or(Bad::Operator)?;
        let numbers = each(values, |text| {
            text.parse().ok().filter(|n: &f64| n.is_finite())
        })?;
        return Ok((Test::Number(order, numbers), negated));
    }
    if let Some(order) = name.strip_prefix("Date") {
        let (order, negated) = self::order(order).ok_or(Bad::Operator)?;
        return Ok((Test::Date(order, each(values, date)?), negated));
    }
    let texts = || values.to_vec();
    Ok(match name {
        "StringEquals" | "BinaryEquals" => (Test::Equals(texts()), false),
        "StringNotEquals" => (Test::Equals(texts()), true),
        "StringEqualsIgnoreCase" => (Test::EqualsIgnoringCase(texts()), false),
        "StringNotEqualsIgnoreCase" => (Test::EqualsIgnoringCase(texts()), true),
        "StringLike" => (Test::Like(texts()), false),
        "StringNotLike" => (Test::Like(texts()), true),
        "ArnEquals" | "ArnLike" => (Test::Arn(texts()), false),
        "ArnNotEquals" | "ArnNotLike" => (Test::Arn(texts()), true),
        "Bool" => (Test::Bool(each(values, truth)?), false),
        "IpAddress" => (Test::Address(each(values, Network::parse)?), false),
        "NotIpAddress" => (Test::Address(each(values, Network::parse)?), true),
        "Null" => (Test::Null(each(values, truth)?), false),
        _ => return Err(Bad::Operator),
    })
}

fn order(name: &str) -> Option<(Order, bool)> {
    Some(match name {
        "Equals" => (Order::Equal, false),
        "NotEquals" => (Order::Equal, true),
        "LessThan" => (Order::Less, false),
        "LessThanEquals" => (Order::AtMost, false),
        "GreaterThan" => (Order::Greater, false),
        "GreaterThanEquals" => (Order::AtLeast, false),
        _ => return None,
    })
}

fn each<'a, T>(values: &'a [String], read: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, Bad<'a>> {
    let read = |text: &'a String| read(text).ok_or(Bad::Value(text));
    values.iter().map(read).collect()
}

fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// As ISO 8601, or as seconds since 1970.
fn date(text: &str) -> Option<jiff::Timestamp> {
    if let Ok(seconds) = text.parse() {
        return jiff::Timestamp::from_second(seconds).ok();
    }
    if let Ok(moment) = text.parse() {
        return Some(moment);
    }
    let day: jiff::civil::Date = text.parse().ok()?;
    let midnight = day.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(midnight.timestamp())
}

impl Condition {
    pub fn holds(&self, context: &Context) -> bool {
        let values = context.get(&self.key);
        if let Test::Null(missing) = &self.test {
            return missing.contains(&values.is_none());
        }
        let Some(values) = values else {
            // What is not there differs from everything, and every one of no
            // values is as it should be.
            return self.if_exists
                || match self.quantifier {
                    Quantifier::Single => self.negated,
                    Quantifier::Any => false,
                    Quantifier::All => true,
                };
        };
        let good = |value: &String| self.test.fits(value, context) != self.negated;
        match (self.quantifier, self.negated) {
            (Quantifier::Any, _) | (Quantifier::Single, false) => values.iter().any(good),
            (Quantifier::All, _) | (Quantifier::Single, true) => values.iter().all(good),
        }
    }

    /// Does it ask for a key that begins so?
    pub fn mentions(&self, prefix: &str) -> bool {
        let values = match &self.test {
            Test::Equals(values)
            | Test::EqualsIgnoringCase(values)
            | Test::Like(values)
            | Test::Arn(values) => values.as_slice(),
            _ => &[],
        };
        variables::begins(&self.key, prefix)
            || values.iter().any(|v| variables::mentions(v, prefix))
    }

    /// Does it let in only who S3 takes for known, however the rest of the
    /// statement reads? Only fixed values of keys that callers cannot make up do.
    pub fn narrows(&self) -> bool {
        const TRUSTED: [&str; 12] = [
            "aws:principalaccount",
            "aws:principalarn",
            "aws:principalorgid",
            "aws:principalorgpaths",
            "aws:sourceaccount",
            "aws:sourcearn",
            "aws:sourceowner",
            "aws:sourcevpc",
            "aws:sourcevpce",
            "aws:userid",
            "s3:dataaccesspointaccount",
            "s3:dataaccesspointarn",
        ];
        if self.negated || self.if_exists || self.quantifier == Quantifier::All {
            return false;
        }
        let key = self.key.to_ascii_lowercase();
        match &self.test {
            Test::Equals(values) | Test::EqualsIgnoringCase(values) => {
                TRUSTED.contains(&key.as_str()) && values.iter().all(|value| is_fixed(value, false))
            }
            Test::Like(values) | Test::Arn(values) => {
                TRUSTED.contains(&key.as_str()) && values.iter().all(|value| is_fixed(value, true))
            }
            Test::Address(networks) => {
                key == "aws:sourceip" && networks.iter().all(|network| !network.is_broad())
            }
            Test::Number(..) | Test::Date(..) | Test::Bool(_) | Test::Null(_) => false,
        }
    }
}

/// Without variables and wildcards; in an ARN that names an account, wildcards
/// may stand in what belongs to the account.
fn is_fixed(value: &str, wild: bool) -> bool {
    if value.contains("${") {
        return false;
    }
    if !wild || !value.contains(['*', '?']) {
        return true;
    }
    let account = value.split(':').nth(4).unwrap_or_default();
    account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit())
}

impl Test {
    fn fits(&self, value: &str, context: &Context) -> bool {
        let like = |pattern: &String| {
            let pattern = variables::fill(pattern, context);
            pattern.is_some_and(|pattern| tokens_match(&pattern, value))
        };
        let text = |pattern: &String| variables::fill_text(pattern, context);
        match self {
            Self::Equals(wanted) => wanted.iter().any(|w| text(w).is_some_and(|w| w == value)),
            Self::EqualsIgnoringCase(wanted) => wanted
                .iter()
                .any(|w| text(w).is_some_and(|w| w.eq_ignore_ascii_case(value))),
            Self::Like(patterns) => patterns.iter().any(like),
            Self::Arn(patterns) => patterns.iter().any(|pattern| {
                let pattern = variables::fill(pattern, context);
                pattern.is_some_and(|pattern| arn_matches(&pattern, value))
            }),
            Self::Number(order, wanted) => value
                .parse()
                .is_ok_and(|value: f64| wanted.iter().any(|w| order.holds(&value, w))),
            Self::Date(order, wanted) => {
                date(value).is_some_and(|value| wanted.iter().any(|w| order.holds(&value, w)))
            }
            Self::Bool(wanted) => truth(value).is_some_and(|value| wanted.contains(&value)),
            // A listener on `::` sees addresses of version 4 as `::ffff:10.0.0.1`.
            Self::Address(networks) => value.parse().is_ok_and(|address: IpAddr| {
                let address = address.to_canonical();
                networks.iter().any(|network| network.has(address))
            }),
            // Answered where it is known whether the key is there.
            Self::Null(_) => false,
        }
    }
}

/// The six parts of an ARN are compared one by one, so that a wildcard in one
/// cannot reach into the next.
fn arn_matches(pattern: &[Token], value: &str) -> bool {
    let patterns: Vec<&[Token]> = pattern.splitn(6, |t| *t == Token::Just(':')).collect();
    let values: Vec<&str> = value.splitn(6, ':').collect();
    patterns.len() == values.len() && patterns.iter().zip(values).all(|(p, v)| tokens_match(p, v))
}

impl Order {
    fn holds<T: PartialOrd>(self, value: &T, wanted: &T) -> bool {
        match self {
            Self::Equal => value == wanted,
            Self::Less => value < wanted,
            Self::AtMost => value <= wanted,
            Self::Greater => value > wanted,
            Self::AtLeast => value >= wanted,
        }
    }
}

impl Network {
    /// An address, or `ADDRESS/BITS`.
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(width);
        (bits <= width).then_some(Self { address, bits })
    }

    fn has(self, address: IpAddr) -> bool {
        let (ours, theirs) = match (self.address, address) {
            // To the left, so that both kinds are compared from the first bit.
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                (u128::from(a.to_bits()) << 96, u128::from(b.to_bits()) << 96)
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits()),
            _ => return false,
        };
        let differing = (ours ^ theirs).leading_zeros();
        differing >= u32::from(self.bits)
    }

    /// So wide that S3 takes it for the whole world.
    fn is_broad(self) -> bool {
        let least = if self.address.is_ipv4() { 8 } else { 32 };
        self.bits < least
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(operator: &str, values: &[&str], request: &[&str]) -> bool {
        let values: Vec<String> = values.iter().map(|&v| v.to_owned()).collect();
        let condition = read(operator, "aws:Key", &values).unwrap();
        let mut context = Context::new().with("aws:username", "a*");
        for value in request {
            context.add("AWS:KEY", *value);
        }
        condition.holds(&context)
    }

    #[test]
    fn each_operator_compares_in_its_way() {
        for (operator, value, fitting, other) in [
            ("StringEquals", "a", "a", "A"),
            ("StringNotEquals", "a", "b", "a"),
            ("StringEqualsIgnoreCase", "a", "A", "b"),
            ("StringNotEqualsIgnoreCase", "a", "b", "A"),
            ("StringLike", "a*c", "abbc", "abb"),
            ("StringNotLike", "a*c", "abb", "abbc"),
            ("StringLike", "${aws:username}", "a*", "ab"),
            ("BinaryEquals", "QQ==", "QQ==", "QQ"),
            ("NumericEquals", "10", "10.0", "11"),
            ("NumericNotEquals", "10", "11", "10"),
            ("NumericLessThan", "10", "9.5", "10"),
            ("NumericLessThanEquals", "10", "10", "10.5"),
            ("NumericGreaterThan", "10", "11", "10"),
            ("NumericGreaterThanEquals", "10", "10", "ten"),
            (
                "DateLessThan",
                "2026-01-01T00:00:00Z",
                "2025-12-31T23:59:59Z",
                "2026-01-01",
            ),
            (
                "DateGreaterThanEquals",
                "2026-01-01",
                "1767225600",
                "1767225599",
            ),
            ("DateEquals", "1767225600", "2026-01-01T01:00:00+01:00", "x"),
            ("Bool", "true", "True", "false"),
            ("IpAddress", "10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("IpAddress", "0.0.0.0/0", "8.8.8.8", "::1"),
            ("IpAddress", "2001:db8::/32", "2001:db8:1::1", "2001:db9::1"),
            (
                "IpAddress",
                "10.0.0.0/8",
                "::ffff:10.1.2.3",
                "::ffff:11.0.0.1",
            ),
            ("NotIpAddress", "10.0.0.1", "10.0.0.2", "::ffff:10.0.0.1"),
            (
                "ArnLike",
                "arn:aws:s3:::b*",
                "arn:aws:s3:::bucket",
                "arn:aws:s3::1:bucket",
            ),
            (
                "ArnEquals",
                "arn:aws:*:::x",
                "arn:aws:s3:::x",
                "arn:aws:s3:y::x",
            ),
            (
                "ArnNotLike",
                "arn:aws:s3:::b",
                "arn:aws:s3:::c",
                "arn:aws:s3:::b",
            ),
        ] {
            assert!(
                holds(operator, &[value], &[fitting]),
                "{operator} {value} {fitting}"
            );
            assert!(
                !holds(operator, &[value], &[other]),
                "{operator} {value} {other}"
            );
        }
    }

    #[test]
    fn one_of_several_values_is_enough() {
        assert!(holds("StringEquals", &["a", "b"], &["b"]));
        assert!(!holds("StringNotEquals", &["a", "b"], &["b"]));
        assert!(holds("StringNotEquals", &["a", "b"], &["c"]));
    }

    #[test]
    fn a_key_that_is_missing_equals_nothing() {
        assert!(!holds("StringEquals", &["a"], &[]));
        assert!(holds("StringNotEquals", &["a"], &[]));
        assert!(holds("StringEqualsIfExists", &["a"], &[]));
        assert!(!holds("StringEqualsIfExists", &["a"], &["b"]));
        assert!(holds("Null", &["true"], &[]));
        assert!(!holds("Null", &["false"], &[]));
        assert!(holds("Null", &["false"], &["a"]));
        assert!(!holds("Bool", &["false"], &[]));
    }

    #[test]
    fn sets_are_compared_member_by_member() {
        assert!(holds("ForAllValues:StringEquals", &["a", "b"], &["a", "b"]));
        assert!(!holds("ForAllValues:StringEquals", &["a"], &["a", "c"]));
        assert!(holds("ForAllValues:StringEquals", &["a"], &[]));
        assert!(holds("ForAnyValue:StringLike", &["a*"], &["x", "ab"]));
        assert!(!holds("ForAnyValue:StringLike", &["a*"], &[]));
        assert!(holds("ForAnyValue:StringNotEquals", &["a"], &["a", "c"]));
        assert!(!holds("ForAllValues:StringNotEquals", &["a"], &["a", "c"]));
    }

    #[test]
    fn operators_that_there_are_not_are_refused() {
        for bad in [
            "",
            "Equals",
            "stringequals",
            "NullIfExists",
            "ForSome:StringEquals",
            "NumericLike",
            "DateLike",
            "StringEqualsIfExistsIfExists",
            "ForAnyValue:",
        ] {
            assert!(read(bad, "k", &[]).is_err(), "{bad}");
        }
        for (operator, value) in [
            ("NumericEquals", "ten"),
            ("NumericEquals", "NaN"),
            ("DateEquals", "soon"),
            ("Bool", "yes"),
            ("IpAddress", "10.0.0.0/33"),
            ("IpAddress", "host"),
        ] {
            assert!(
                read(operator, "k", &[value.to_owned()]).is_err(),
                "{operator} {value}"
            );
        }
    }
}
