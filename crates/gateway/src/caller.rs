//! Who called, as far as a route wanted to know it, and as functions are told.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_wire::sigv4::Identity;
use serde_json::{Map, Value};

/// Besides API keys, which functions are not told of.
#[derive(Debug, Clone, Default)]
pub(crate) enum Caller {
    #[default]
    Anybody,
    /// Who signed.
    Signer(Arc<Identity>),
    /// Whose token it is.
    Bearer(Arc<Claims>),
    /// Whom a function let in.
    Admitted(Arc<Admitted>),
}

/// What a token says.
#[derive(Debug)]
pub(crate) struct Claims {
    pub issuer: String,
    pub subject: Option<String>,
    /// As text, whatever they were.
    pub texts: BTreeMap<String, String>,
    /// None if the route asks for none.
    pub scopes: Option<Vec<String>>,
}

/// What a function says of whom it lets in.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub principal: Option<String>,
    pub context: Map<String, Value>,
}

impl Caller {
    /// By what name a caller is known to who watches.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Anybody => None,
            Self::Signer(identity) => Some(&identity.principal.arn),
            Self::Bearer(claims) => claims.subject.as_deref(),
            Self::Admitted(admitted) => admitted.principal.as_deref(),
        }
    }

    pub fn signer(&self) -> Option<&Identity> {
        match self {
            Self::Signer(identity) => Some(identity),
            _ => None,
        }
    }
}
