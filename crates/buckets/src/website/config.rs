//! How a website is configured.

use serde::{Deserialize, Serialize};

use crate::error::BucketError;

/// `WebsiteConfiguration` of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Website {
    /// `RedirectAllRequestsTo`: the bucket has no pages of its own.
    RedirectAll {
        host: String,
        /// `None`: that of the request.
        protocol: Option<Protocol>,
    },
    Pages(Pages),
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pages {
    /// `IndexDocument`'s suffix, such as `index.html`.
    pub index: String,
    /// `ErrorDocument`'s key.
    pub error: Option<String>,
    pub rules: Vec<RoutingRule>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    Http,
    Https,
}

/// Redirects what fits all of its conditions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RoutingRule {
    pub key_prefix_equals: Option<String>,
    /// The status that the request would have had otherwise.
    pub error_code_equals: Option<u16>,
    pub redirect: Redirect,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Redirect {
    pub host: Option<String>,
    pub protocol: Option<Protocol>,
    /// 301 unless something else is said.
    pub status: Option<u16>,
    pub replace_key: Option<String>,
    pub replace_key_prefix: Option<String>,
}

/// As many rules as S3 takes.
const MOST_RULES: usize = 50;

impl Website {
    /// Refuses what S3 refuses.
    pub fn redirect_all(host: String, protocol: Option<Protocol>) -> Result<Self, BucketError> {
        if host.is_empty() {
            return Err(BucketError::MalformedXml);
        }
        Ok(Self::RedirectAll { host, protocol })
    }

    /// Refuses what S3 refuses.
    pub fn pages(pages: Pages) -> Result<Self, BucketError> {
        if pages.index.is_empty() || pages.index.contains('/') {
            return Err(BucketError::argument(
                "The IndexDocument Suffix is not well formed",
            ));
        }
        if pages.error.as_ref().is_some_and(String::is_empty) {
            return Err(BucketError::argument(
                "The ErrorDocument Key is not well formed",
            ));
        }
        if pages.rules.len() > MOST_RULES {
            let count = pages.rules.len();
            return Err(BucketError::request(format!(
                "{count} routing rules provided, the number of routing rules in a website configuration is limited to {MOST_RULES}."
            )));
        }
        pages.rules.iter().try_for_each(check)?;
        Ok(Self::Pages(pages))
    }
}

impl Protocol {
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

fn check(rule: &RoutingRule) -> Result<(), BucketError> {
    let redirect = &rule.redirect;
    if *redirect == Redirect::default() {
        return Err(BucketError::MalformedXml);
    }
    if redirect.replace_key.is_some() && redirect.replace_key_prefix.is_some() {
        return Err(BucketError::request(
            "You can only define ReplaceKeyPrefix or ReplaceKey but not both.",
        ));
    }
    if let Some(code) = rule.error_code_equals
        && !(400..600).contains(&code)
    {
        return Err(BucketError::request(format!(
            "The provided HTTP error code ({code}) is not valid. Valid codes are 4XX or 5XX."
        )));
    }
    if let Some(code) = redirect.status
        && !(301..400).contains(&code)
    {
        return Err(BucketError::request(format!(
            "The provided HTTP redirect code ({code}) is not valid. Valid codes are 3XX except 300."
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(rule: RoutingRule) -> String {
        let pages = Pages {
            index: "index.html".to_owned(),
            rules: vec![rule],
            ..Pages::default()
        };
        Website::pages(pages).unwrap_err().to_string()
    }

    #[test]
    fn what_s3_refuses_is_refused() {
        let index = |index: &str| {
            Website::pages(Pages {
                index: index.to_owned(),
                ..Pages::default()
            })
        };
        assert!(index("index.html").is_ok());
        assert!(index("").is_err());
        assert!(index("a/index.html").is_err());
        assert!(Website::redirect_all(String::new(), None).is_err());

        let to = |status, replace_key: Option<&str>| RoutingRule {
            redirect: Redirect {
                status,
                replace_key: replace_key.map(str::to_owned),
                replace_key_prefix: Some("x".to_owned()),
                ..Redirect::default()
            },
            ..RoutingRule::default()
        };
        assert!(refusal(to(Some(200), None)).contains("redirect code (200)"));
        assert!(refusal(to(None, Some("k"))).contains("not both"));
        let found = RoutingRule {
            error_code_equals: Some(200),
            ..to(None, None)
        };
        assert!(refusal(found).contains("error code (200)"));
        assert!(refusal(RoutingRule::default()).contains("XML"));
    }
}
