//! How the requests of a route are handled, besides where they go and who may send them.
//! Squall's own: with clients it travels among the parameters of the route's integration,
//! each under a name that begins with `squall:`, so that any client of AWS can say it.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::cors;
use super::ip_range::IpRange;
use crate::catalog::Cors;

/// What is not said is as AWS has it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Handling {
    /// The largest body that is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_bytes: Option<u64>,
    /// Requests that are worked on at one time; more are told to come again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// For how long answers to GET and HEAD are kept and given again. None: they are not;
    /// 0: neither, but clients are told whether theirs still holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_seconds: Option<u32>,
    /// Whether answers are compressed for clients that take it. None: they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compress: Option<bool>,
    /// Whether a function's answer goes out while it is made.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stream: bool,
    /// Whether a signed link of somebody who may call the route lets in whoever has it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub share: bool,
    /// Addresses from which it may be called. None: from all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<IpRange>,
    /// Rules for pages of other origins, in the place of the API's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors: Option<Cors>,
    /// What the route is for, in one line, for its description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("requestParameters.{name}: {why}")]
pub struct BadHandling {
    name: String,
    why: String,
}

/// What begins the names of its parameters.
pub const PREFIX: &str = "squall:";

const BODY_BYTES: &str = "squall:body-bytes";
const CONCURRENCY: &str = "squall:concurrency";
const CACHE_SECONDS: &str = "squall:cache-seconds";
const COMPRESS: &str = "squall:compress";
const STREAM: &str = "squall:stream";
const SHARE: &str = "squall:share";
const ALLOW: &str = "squall:allow";
const CORS: &str = "squall:cors";
const SUMMARY: &str = "squall:summary";
const NAMES: [&str; 9] = [
    BODY_BYTES,
    CONCURRENCY,
    CACHE_SECONDS,
    COMPRESS,
    STREAM,
    SHARE,
    ALLOW,
    CORS,
    SUMMARY,
];

/// The most that a map takes in one request: a limit beyond it would be none.
const MOST_BYTES: u64 = 1 << 40;
const MOST_CONCURRENCY: u32 = 100_000;
/// A year.
const MOST_SECONDS: u32 = 31_536_000;
/// They are compared one by one.
const MOST_RANGES: usize = 256;
const LONGEST_SUMMARY: usize = 300;

impl Handling {
    /// Takes what is its own out of an integration's parameters. As at AWS, an empty text
    /// is no value.
    pub fn take(parameters: &mut BTreeMap<String, String>) -> Result<Self, BadHandling> {
        let rest = parameters.split_off(PREFIX);
        let (own, rest): (BTreeMap<_, _>, BTreeMap<_, _>) = rest
            .into_iter()
            .partition(|(name, _)| name.starts_with(PREFIX));
        parameters.extend(rest);
        let mut handling = Self::default();
        for (name, text) in own {
            let known = NAMES.contains(&name.as_str());
            if !known {
                let why = format!("there is none of this name, there are {}", NAMES.join(", "));
                let name = name.chars().take(60).collect();
                return Err(BadHandling { name, why });
            }
            if !text.is_empty() {
                handling
                    .set(&name, text)
                    .map_err(|why| BadHandling { name, why })?;
            }
        }
        Ok(handling)
    }

    fn set(&mut self, name: &str, text: String) -> Result<(), String> {
        match name {
            BODY_BYTES => self.body_bytes = Some(number(&text, 0..=MOST_BYTES)?),
            CONCURRENCY => self.concurrency = Some(number(&text, 1..=MOST_CONCURRENCY)?),
            CACHE_SECONDS => self.cache_seconds = Some(number(&text, 0..=MOST_SECONDS)?),
            COMPRESS => self.compress = Some(truth(&text)?),
            STREAM => self.stream = truth(&text)?,
            SHARE => self.share = truth(&text)?,
            ALLOW => self.allow = ranges(&text)?,
            CORS => self.cors = Some(cors::read(&text)?),
            SUMMARY => self.summary = Some(line(text)?),
            _ => unreachable!("take has looked at the names"),
        }
        Ok(())
    }

    /// As parameters again.
    pub fn parameters(&self) -> BTreeMap<String, String> {
        let truth = |there: bool| there.then(|| true.to_string());
        let ranges = || {
            let ranges: Vec<String> = self.allow.iter().map(IpRange::to_string).collect();
            ranges.join(",")
        };
        let all = [
            (BODY_BYTES, self.body_bytes.map(|bytes| bytes.to_string())),
            (CONCURRENCY, self.concurrency.map(|most| most.to_string())),
            (
                CACHE_SECONDS,
                self.cache_seconds.map(|time| time.to_string()),
            ),
            (COMPRESS, self.compress.map(|does| does.to_string())),
            (STREAM, truth(self.stream)),
            (SHARE, truth(self.share)),
            (ALLOW, (!self.allow.is_empty()).then(ranges)),
            (CORS, self.cors.as_ref().map(cors::show)),
            (SUMMARY, self.summary.clone()),
        ];
        let given = all
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)));
        given.collect()
    }
}

fn number<T: FromStr + PartialOrd + Display>(
    text: &str,
    range: RangeInclusive<T>,
) -> Result<T, String> {
    // FromStr takes a sign.
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| plain);
    number
        .filter(|number| range.contains(number))
        .ok_or_else(|| {
            format!(
                "{} is no whole number from {} to {}",
                shown(text),
                range.start(),
                range.end()
            )
        })
}

fn truth(text: &str) -> Result<bool, String> {
    text.parse()
        .map_err(|_| format!("{} is neither true nor false", shown(text)))
}

fn ranges(text: &str) -> Result<Vec<IpRange>, String> {
    let ranges = text.split(',').map(|part| part.trim().parse());
    let ranges: Vec<IpRange> = ranges
        .take(MOST_RANGES + 1)
        .collect::<Result<_, super::ip_range::BadIpRange>>()
        .map_err(|error| error.to_string())?;
    if ranges.len() > MOST_RANGES {
        return Err(format!("there are more than {MOST_RANGES} ranges"));
    }
    Ok(ranges)
}

fn line(text: String) -> Result<String, String> {
    if text.chars().any(char::is_control) || text.chars().count() > LONGEST_SUMMARY {
        return Err(format!(
            "it is one line of at most {LONGEST_SUMMARY} characters"
        ));
    }
    Ok(text)
}

fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parameters(all: &[(&str, &str)]) -> BTreeMap<String, String> {
        let all = all.iter();
        all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn range() -> impl Strategy<Value = String> {
        prop_oneof![
            (any::<std::net::Ipv4Addr>(), 0..=32_u8).prop_map(|(at, bits)| format!("{at}/{bits}")),
            any::<std::net::IpAddr>().prop_map(|at| at.to_string()),
        ]
    }

    fn some_cors() -> impl Strategy<Value = Cors> {
        let origins = prop::collection::vec("https?://[a-z]{1,8}(:[0-9]{2,4})?", 1..3);
        let headers = prop::option::of(prop::collection::vec("[a-z*-]{1,9}", 0..3));
        let rest = (any::<Option<bool>>(), prop::option::of(0..=LONGEST));
        (origins, headers, rest).prop_map(|(origins, headers, (credentials, age))| Cors {
            allow_credentials: credentials,
            allow_origins: Some(origins),
            allow_headers: headers.clone(),
            expose_headers: headers,
            max_age: age,
            ..Cors::default()
        })
    }

    const LONGEST: u32 = 86_400;

    proptest! {
        /// Whatever can be said is shown again so that it says the same.
        #[test]
        fn parameters_come_back_as_they_were(
            numbers in (
                prop::option::of(0..=MOST_BYTES),
                prop::option::of(1..=MOST_CONCURRENCY),
                prop::option::of(0..=MOST_SECONDS),
            ),
            truths in any::<(Option<bool>, bool, bool)>(),
            allow in prop::collection::vec(range(), 0..4),
            rules in prop::option::of(some_cors()),
            summary in prop::option::of("[\\PC]{1,50}"),
        ) {
            let handling = Handling {
                body_bytes: numbers.0,
                concurrency: numbers.1,
                cache_seconds: numbers.2,
                compress: truths.0,
                stream: truths.1,
                share: truths.2,
                allow: allow.iter().map(|range| range.parse().unwrap()).collect(),
                cors: rules,
                summary,
            };
            let mut shown = handling.parameters();
            shown.insert("function".to_owned(), "f".to_owned());
            shown.insert("zeta".to_owned(), "1".to_owned());
            prop_assert_eq!(Handling::take(&mut shown).unwrap(), handling);
            // What belongs to others stays.
            prop_assert_eq!(shown, parameters(&[("function", "f"), ("zeta", "1")]));
        }

        #[test]
        fn no_text_breaks_the_reading(at in 0..NAMES.len(), text in "\\PC{0,40}") {
            let mut given = parameters(&[(NAMES[at], &text)]);
            if let Ok(handling) = Handling::take(&mut given) {
                let mut again = handling.parameters();
                prop_assert_eq!(Handling::take(&mut again).unwrap(), handling);
            }
        }
    }

    #[test]
    fn a_refusal_names_the_parameter_and_what_would_be_right() {
        for (name, text, right) in [
            ("squall:body-bytes", "2MB", "whole number from 0"),
            ("squall:body-bytes", "+2", "whole number from 0"),
            ("squall:concurrency", "0", "from 1 to 100000"),
            ("squall:cache-seconds", "-1", "from 0 to 31536000"),
            ("squall:compress", "yes", "neither true nor false"),
            ("squall:stream", "1", "neither true nor false"),
            ("squall:share", "True", "neither true nor false"),
            ("squall:allow", "10.0.0.0/8,x", "such as 10.0.0.0/8"),
            ("squall:allow", ",", "such as 10.0.0.0/8"),
            ("squall:cors", "[]", "use JSON such as"),
            ("squall:cors", "{}", "use JSON such as"),
            ("squall:cors", r#"{"AllowOrigin":["*"]}"#, "AllowOrigins"),
            ("squall:cors", r#"{"AllowOrigins":"*"}"#, "use JSON such as"),
            ("squall:cors", r#"{"AllowOrigins":["a"]}"#, "https://"),
            ("squall:cors", r#"{"AllowHeaders":["a\r\nb"]}"#, "plain"),
            (
                "squall:cors",
                r#"{"AllowOrigins":["*"],"AllowCredentials":true}"#,
                "allowCredentials",
            ),
            ("squall:summary", "a\nb", "one line"),
            ("squall:chunk", "1", "squall:summary"),
        ] {
            let refused = Handling::take(&mut parameters(&[(name, text)])).unwrap_err();
            let refused = refused.to_string();
            assert!(
                refused.starts_with(&format!("requestParameters.{name}: ")),
                "{refused}"
            );
            assert!(refused.contains(right), "{refused}");
        }
        let nothing = &mut parameters(&[("squall:share", ""), ("squall:cors", "")]);
        assert_eq!(Handling::take(nothing).unwrap(), Handling::default());
    }
}
