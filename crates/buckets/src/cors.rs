//! Which pages of other origins may use a bucket from a browser.

use serde::{Deserialize, Serialize};

use crate::error::BucketError;

const MOST_RULES: usize = 100;
const METHODS: [&str; 5] = ["GET", "PUT", "HEAD", "POST", "DELETE"];

/// The CORS rules of a bucket; the first that fits a request applies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cors {
    rules: Vec<CorsRule>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CorsRule {
    pub id: Option<String>,
    /// With at most one `*` each.
    pub allowed_origins: Vec<String>,
    pub allowed_methods: Vec<String>,
    /// With at most one `*` each; in any case.
    pub allowed_headers: Vec<String>,
    pub expose_headers: Vec<String>,
    pub max_age_seconds: Option<u32>,
}

/// What a browser asks, by a preflight or along with a request.
#[derive(Debug, Clone, Copy)]
pub struct CorsRequest<'a> {
    pub origin: &'a str,
    /// That of the request itself, or `Access-Control-Request-Method`.
    pub method: &'a str,
    /// The names in `Access-Control-Request-Headers`; none for a request itself.
    pub headers: &'a [&'a str],
}

/// What to tell the browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorsAnswer {
    /// `*` or the request's origin.
    pub allow_origin: String,
    /// `Access-Control-Allow-Credentials: true` unless the origin is `*`.
    pub allow_credentials: bool,
    pub allow_methods: Vec<String>,
    /// Those that were asked for.
    pub allow_headers: Vec<String>,
    pub expose_headers: Vec<String>,
    pub max_age_seconds: Option<u32>,
}

impl Cors {
    /// Refuses what S3 refuses.
    pub fn new(rules: Vec<CorsRule>) -> Result<Self, BucketError> {
        if rules.is_empty() || rules.len() > MOST_RULES {
            return Err(BucketError::MalformedXml);
        }
        rules.iter().try_for_each(check)?;
        Ok(Self { rules })
    }

    pub fn rules(&self) -> &[CorsRule] {
        &self.rules
    }

    /// `None` when no rule allows it.
    pub fn answer(&self, request: &CorsRequest<'_>) -> Option<CorsAnswer> {
        let rule = self.rules.iter().find(|rule| rule.fits(request))?;
        let any_origin = rule.allowed_origins.iter().any(|origin| origin == "*");
        Some(CorsAnswer {
            allow_origin: if any_origin { "*" } else { request.origin }.to_owned(),
            allow_credentials: !any_origin,
            allow_methods: rule.allowed_methods.clone(),
            allow_headers: request
                .headers
                .iter()
                .map(|name| name.trim().to_ascii_lowercase())
                .collect(),
            expose_headers: rule.expose_headers.clone(),
            max_age_seconds: rule.max_age_seconds,
        })
    }
}

impl CorsRule {
    fn fits(&self, request: &CorsRequest<'_>) -> bool {
        let origins = &mut self.allowed_origins.iter();
        let methods = &mut self.allowed_methods.iter();
        origins.any(|origin| policy::matches(origin, request.origin))
            && methods.any(|method| method == request.method)
            && request.headers.iter().all(|name| {
                let allowed = &mut self.allowed_headers.iter();
                allowed.any(|pattern| policy::matches_ignoring_case(pattern, name.trim()))
            })
    }
}

fn check(rule: &CorsRule) -> Result<(), BucketError> {
    if rule.allowed_origins.is_empty() || rule.allowed_methods.is_empty() {
        return Err(BucketError::MalformedXml);
    }
    if rule.id.as_ref().is_some_and(|id| id.chars().count() > 255) {
        return Err(BucketError::argument(
            "The ID of a CORS rule can have at most 255 characters.",
        ));
    }
    for method in &rule.allowed_methods {
        if !METHODS.contains(&method.as_str()) {
            return Err(BucketError::request(format!(
                "Found unsupported HTTP method in CORS config. Unsupported method is {method}"
            )));
        }
    }
    let several = |text: &&String| text.matches('*').count() > 1;
    if let Some(origin) = rule.allowed_origins.iter().find(several) {
        return Err(BucketError::request(format!(
            "AllowedOrigin \"{origin}\" can not have more than one wildcard."
        )));
    }
    if let Some(header) = rule.allowed_headers.iter().find(several) {
        return Err(BucketError::request(format!(
            "AllowedHeader \"{header}\" can not have more than one wildcard."
        )));
    }
    if let Some(header) = rule.expose_headers.iter().find(|h| h.contains('*')) {
        return Err(BucketError::request(format!(
            "ExposeHeader \"{header}\" contains wildcard. We currently do not support wildcard for ExposeHeader."
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn rule(origins: &[&str], methods: &[&str], headers: &[&str]) -> CorsRule {
        CorsRule {
            allowed_origins: texts(origins),
            allowed_methods: texts(methods),
            allowed_headers: texts(headers),
            ..CorsRule::default()
        }
    }

    fn ask(cors: &Cors, origin: &str, method: &str, headers: &[&str]) -> Option<CorsAnswer> {
        cors.answer(&CorsRequest {
            origin,
            method,
            headers,
        })
    }

    #[test]
    fn the_first_rule_that_fits_answers() {
        let cors = Cors::new(vec![
            rule(&["https://*.example.org"], &["PUT"], &["x-amz-*"]),
            rule(&["*"], &["GET"], &[]),
        ])
        .unwrap();
        let put = ask(&cors, "https://a.example.org", "PUT", &["X-Amz-Date"]).unwrap();
        assert_eq!(put.allow_origin, "https://a.example.org");
        assert!(put.allow_credentials);
        assert_eq!(put.allow_headers, ["x-amz-date"]);
        let get = ask(&cors, "http://other", "GET", &[]).unwrap();
        assert_eq!(get.allow_origin, "*");
        assert!(!get.allow_credentials);
        assert_eq!(ask(&cors, "http://other", "PUT", &[]), None);
        assert_eq!(ask(&cors, "https://a.example.org", "PUT", &["etag"]), None);
        assert_eq!(ask(&cors, "http://other", "GET", &["x-any"]), None);
    }

    #[test]
    fn what_s3_refuses_is_refused() {
        let message = |rule| Cors::new(vec![rule]).unwrap_err().to_string();
        assert!(message(rule(&["*"], &["PATCH"], &[])).contains("Unsupported method is PATCH"));
        assert!(message(rule(&["*.*"], &["GET"], &[])).contains("more than one wildcard"));
        assert!(message(rule(&["*"], &["GET"], &["*-*"])).contains("AllowedHeader"));
        let exposing = CorsRule {
            expose_headers: texts(&["x-*"]),
            ..rule(&["*"], &["GET"], &[])
        };
        assert!(message(exposing).contains("ExposeHeader"));
        assert!(Cors::new(vec![]).is_err());
        assert!(Cors::new(vec![rule(&["*"], &["GET"], &[]); 101]).is_err());
    }
}
