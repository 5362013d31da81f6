//! Who may call a route: anybody, who signs as AWS's clients do, who has a token of an
//! issuer, or whom a function lets in. API keys come on top of any of these.

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
