//! What is known of a request once it is answered.

use std::sync::Arc;

use types::RequestId;

/// Travels in the extensions of a response, from who answers it to who tells of it. What
/// is not known is not there.
#[derive(Debug, Clone, Default)]
pub struct About {
    pub request_id: Option<RequestId>,
    /// Whose route it was: the id of an HTTP API.
    pub api: Option<Arc<str>>,
    pub stage: Option<Arc<str>>,
    /// As the route has it, such as `GET /items/{id}`: there are few of these, and many
    /// paths.
    pub route: Option<Arc<str>>,
    /// What stands behind the route: function, map, model, redirect, site.
    pub target: Option<&'static str>,
    /// Which function, map or model.
    pub name: Option<Arc<str>>,
    /// Who called: a key's id, a token's subject, or who signed.
    pub caller: Option<Arc<str>>,
    /// Why it was refused, in a word or two, if the gateway itself refused it.
    pub refused: Option<&'static str>,
    /// Whether the answer was one that had been kept.
    pub cached: bool,
}
