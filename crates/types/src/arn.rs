//! Amazon resource names, as far as Squall writes and reads them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::names::{AccountId, BadName, FunctionName, LayerName, Qualifier, Region};

/// The account and region that an engine answers for: the fixed part of every
/// ARN it writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    pub account: AccountId,
    pub region: Region,
}

impl Scope {
    /// `arn:aws:lambda:REGION:ACCOUNT:function:NAME`
    pub fn function_arn(&self, name: &FunctionName) -> String {
        self.lambda_arn("function", name.as_str())
    }

    /// `arn:aws:lambda:REGION:ACCOUNT:function:NAME:QUALIFIER`
    pub fn qualified_arn(&self, name: &FunctionName, qualifier: &Qualifier) -> String {
        format!("{}:{qualifier}", self.function_arn(name))
    }

    /// `arn:aws:lambda:REGION:ACCOUNT:layer:NAME`
    pub fn layer_arn(&self, name: &LayerName) -> String {
        self.lambda_arn("layer", name.as_str())
    }

    /// `arn:aws:iam::ACCOUNT:KIND/NAME`
    pub fn iam_arn(&self, kind: &str, name: &str) -> String {
        format!("arn:aws:iam::{}:{kind}/{name}", self.account)
    }

    /// `arn:aws:logs:REGION:ACCOUNT:log-group:NAME`
    pub fn log_group_arn(&self, group: &str) -> String {
        format!(
            "arn:aws:logs:{}:{}:log-group:{group}",
            self.region, self.account
        )
    }

    fn lambda_arn(&self, kind: &str, name: &str) -> String {
        format!(
            "arn:aws:lambda:{}:{}:{kind}:{name}",
            self.region, self.account
        )
    }
}

/// A function as clients write it: `NAME`, `NAME:QUALIFIER`, `ACCOUNT:function:NAME`
/// or the whole ARN, each with or without qualifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionRef {
    /// Set where the client named one; the caller compares it with its own.
    pub account: Option<AccountId>,
    /// Set where the client named one.
    pub region: Option<Region>,
    pub name: FunctionName,
    pub qualifier: Option<Qualifier>,
}

impl FromStr for FunctionRef {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let bad = |reason| BadName::new("function reference", text, reason);
        if text.len() > 200 {
            return Err(bad("it is longer than 200 characters"));
        }
        let parts: Vec<&str> = text.split(':').collect();
        let (region, account, rest) = match parts.as_slice() {
            [
                "arn",
                partition,
                "lambda",
                region,
                account,
                "function",
                rest @ ..,
            ] => {
                if !(*partition == "aws" || partition.starts_with("aws-")) {
                    return Err(bad("the partition of an ARN is aws or aws-..."));
                }
                (Some(region.parse()?), Some(account.parse()?), rest)
            }
            ["arn", ..] => return Err(bad("this is not the ARN of a function")),
            [account, "function", rest @ ..] => (None, Some(account.parse()?), rest),
            ["function", rest @ ..] | rest => (None, None, rest),
        };
        let (name, qualifier) = match rest {
            [name] => (name.parse()?, None),
            [name, qualifier] => (name.parse()?, Some(qualifier.parse()?)),
            _ => return Err(bad("it has too many or too few parts")),
        };
        Ok(Self {
            account,
            region,
            name,
            qualifier,
        })
    }
}

/// `arn:aws:lambda:REGION:ACCOUNT:layer:NAME:VERSION`
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LayerVersionArn {
    pub region: Region,
    pub account: AccountId,
    pub name: LayerName,
    pub version: u64,
}

impl FromStr for LayerVersionArn {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let bad = || {
            BadName::new(
                "layer version ARN",
                text,
                "use arn:aws:lambda:REGION:ACCOUNT:layer:NAME:VERSION",
            )
        };
        let parts: Vec<&str> = text.split(':').collect();
        let ["arn", _, "lambda", region, account, "layer", name, version] = parts.as_slice() else {
            return Err(bad());
        };
        Ok(Self {
            region: region.parse()?,
            account: account.parse()?,
            name: name.parse()?,
            version: version.parse().map_err(|_| bad())?,
        })
    }
}

impl TryFrom<String> for LayerVersionArn {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, BadName> {
        text.parse()
    }
}

impl From<LayerVersionArn> for String {
    fn from(arn: LayerVersionArn) -> String {
        arn.to_string()
    }
}

impl fmt::Display for LayerVersionArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "arn:aws:lambda:{}:{}:layer:{}:{}",
            self.region, self.account, self.name, self.version
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Option<(String, Option<String>)> {
        let parsed: FunctionRef = text.parse().ok()?;
        Some((
            parsed.name.to_string(),
            parsed.qualifier.map(|q| q.to_string()),
        ))
    }

    #[test]
    fn every_form_of_a_function_reference_is_read() {
        let plain = Some(("f".to_owned(), None));
        let live = Some(("f".to_owned(), Some("live".to_owned())));
        assert_eq!(parts("f"), plain);
        assert_eq!(parts("f:live"), live);
        assert_eq!(parts("123456789012:function:f"), plain);
        assert_eq!(
            parts("arn:aws:lambda:us-east-1:123456789012:function:f"),
            plain
        );
        assert_eq!(
            parts("arn:aws:lambda:us-east-1:123456789012:function:f:live"),
            live
        );
    }

    #[test]
    fn malformed_references_are_refused() {
        for bad in [
            "",
            ":",
            "f:",
            ":f",
            "f:a:b",
            "arn:aws:s3:::bucket",
            "arn:aws:lambda:us-east-1:123456789012:layer:f",
            "arn:aws:lambda:us-east-1:12345:function:f",
            "arn:evil:lambda:us-east-1:123456789012:function:f",
            "../../etc/passwd",
            "f\0",
        ] {
            assert_eq!(parts(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_layer_arn_survives_a_round_trip() {
        let text = "arn:aws:lambda:us-east-1:123456789012:layer:scipy:3";
        assert_eq!(text.parse::<LayerVersionArn>().unwrap().to_string(), text);
        assert!(
            "arn:aws:lambda:us-east-1:123456789012:layer:scipy"
                .parse::<LayerVersionArn>()
                .is_err()
        );
    }
}
