//! Who may call a route: anybody, who signs as AWS's clients do, who has a token of an
//! issuer, or whom a function lets in. API keys come on top of any of these.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use types::{FunctionName, Qualifier};

use super::ids::PartId;
use super::model::PayloadFormat;

/// What a route asks of its callers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Authorization {
    #[default]
    Open,
    /// A signature (SigV4) of somebody who may `execute-api:Invoke` it.
    Iam,
    /// What one of the API's authorizers wants.
    By {
        authorizer: PartId,
        /// Of a token: one of these at least. None: any token of the issuer will do.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        scopes: Vec<String>,
    },
}

impl Authorization {
    pub fn is_open(&self) -> bool {
        *self == Self::Open
    }
}

/// Looks at what calls bring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authorizer {
    pub id: PartId,
    pub name: String,
    pub kind: AuthorizerKind,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthorizerKind {
    Jwt(JwtAuthorizer),
    Function(FunctionAuthorizer),
}

/// Takes tokens that an issuer signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JwtAuthorizer {
    /// Where the token stands, such as `$request.header.Authorization`.
    pub source: String,
    pub issuer: String,
    /// A token is for one of these at least.
    pub audience: Vec<String>,
    /// Where the issuer's keys are: an address, or `data:` and the keys themselves.
    /// None: where the issuer's `.well-known/openid-configuration` says. AWS knows only
    /// that; there is no member for it there, so it travels as the authorizer's URI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<String>,
}

/// Asks a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionAuthorizer {
    /// As the client named it.
    pub uri: String,
    pub function: FunctionName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qualifier: Option<Qualifier>,
    /// The role that invokes it. Without one, the function's policy must let API
    /// Gateway in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What must be there before the function is asked, and by what its answers are kept.
    pub sources: Vec<String>,
    pub payload: PayloadFormat,
    /// Whether it answers `{"isAuthorized": true}` instead of a policy.
    pub simple: bool,
    /// For how long an answer holds; 0 asks each time.
    pub ttl_seconds: u32,
}

const MOST_SOURCES: usize = 20;
const MOST_AUDIENCES: usize = 50;
const LONGEST_TTL: u32 = 3600;
const LONGEST_TEXT: usize = 2048;
/// A set of keys that stands in an authorizer itself, in base64.
const LONGEST_KEYS: usize = 96 * 1024;
const DATA: &str = "data:application/json;base64,";

impl Authorizer {
    /// Refuses what could let in nobody, or others than it says.
    pub(super) fn check(&self) -> Result<(), String> {
        match &self.kind {
            AuthorizerKind::Jwt(jwt) => jwt.check(),
            AuthorizerKind::Function(function) => function.check(),
        }
    }
}

impl JwtAuthorizer {
    fn check(&self) -> Result<(), String> {
        let places = ["$request.header.", "$request.querystring."];
        check_source(&self.source, &places)?;
        let issuer = self.issuer.as_str();
        if issuer.is_empty() || issuer.len() > LONGEST_TEXT || !is_plain(issuer) {
            return Err("Invalid issuer: it is plain text without spaces".to_owned());
        }
        if self.keys.is_none() && !is_address(issuer) {
            let issuer: String = issuer.chars().take(100).collect();
            return Err(format!(
                "Invalid issuer {issuer}: it begins with https:// or http://, or authorizerUri says where its keys are"
            ));
        }
        let odd = |text: &String| text.is_empty() || text.len() > LONGEST_TEXT;
        if self.audience.len() > MOST_AUDIENCES || self.audience.iter().any(odd) {
            return Err(format!(
                "jwtConfiguration.audience has at most {MOST_AUDIENCES} texts, none of them empty"
            ));
        }
        self.keys.as_deref().map_or(Ok(()), check_keys)
    }
}

impl FunctionAuthorizer {
    fn check(&self) -> Result<(), String> {
        let places = [
            "$request.header.",
            "$request.querystring.",
            "$context.",
            "$stageVariables.",
        ];
        if self.sources.len() > MOST_SOURCES {
            return Err(format!(
                "An authorizer has at most {MOST_SOURCES} identity sources"
            ));
        }
        for source in &self.sources {
            check_source(source, &places)?;
        }
        if self.ttl_seconds > LONGEST_TTL {
            return Err(format!(
                "AuthorizerResultTtlInSeconds is from 0 to {LONGEST_TTL}"
            ));
        }
        // One caller would else get what was answered to another.
        if self.ttl_seconds > 0 && self.sources.is_empty() {
            return Err(
                "AuthorizerResultTtlInSeconds needs an identity source: answers are kept by it"
                    .to_owned(),
            );
        }
        if self.simple && self.payload == PayloadFormat::V1 {
            return Err(
                "EnableSimpleResponses needs an AuthorizerPayloadFormatVersion of 2.0".to_owned(),
            );
        }
        Ok(())
    }
}

fn check_source(source: &str, places: &[&str]) -> Result<(), String> {
    let name = places.iter().find_map(|place| source.strip_prefix(place));
    let named = name.is_some_and(|name| !name.is_empty() && name.len() <= 256 && is_plain(name));
    if named {
        return Ok(());
    }
    let forms: Vec<String> = places.iter().map(|place| format!("{place}NAME")).collect();
    let source: String = source.chars().take(100).collect();
    Err(format!(
        "Invalid identity source {source}: use {}",
        forms.join(", ")
    ))
}

/// A set of keys (JWKS), or its address.
fn check_keys(uri: &str) -> Result<(), String> {
    let form = || {
        format!(
            "authorizerUri of a JWT authorizer is the https:// address of a JWKS, or {DATA} and one"
        )
    };
    let Some(data) = uri.strip_prefix(DATA) else {
        let plain = uri.len() <= LONGEST_TEXT && is_plain(uri) && is_address(uri);
        return if plain { Ok(()) } else { Err(form()) };
    };
    if data.len() > LONGEST_KEYS {
        return Err(format!(
            "the JWKS in authorizerUri has more than {LONGEST_KEYS} characters"
        ));
    }
    let bytes = STANDARD.decode(data).map_err(|_| form())?;
    let set: serde_json::Value = serde_json::from_slice(&bytes).map_err(|_| form())?;
    let keys = set["keys"].as_array();
    if keys.is_none_or(|keys| keys.is_empty() || !keys.iter().all(serde_json::Value::is_object)) {
        return Err("the JWKS in authorizerUri has no keys: it is {\"keys\": [...]}".to_owned());
    }
    Ok(())
}

fn is_address(text: &str) -> bool {
    let rest = text.strip_prefix("https://");
    let rest = rest.or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', '?', '#']))
}

fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}
