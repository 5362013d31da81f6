//! What a route of type map says: which function gets what its requests bring, and
//! the options of those who name none.

use serde::{Deserialize, Serialize};
use types::{FunctionName, Qualifier};

use super::asked::{Asked, Pairs};
use super::functions::Target;

/// A function, and options by the names that they have in a query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapRoute {
    pub function: FunctionName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qualifier: Option<Qualifier>,
    #[serde(default, skip_serializing_if = "Pairs::is_empty")]
    pub options: Pairs,
}

impl MapRoute {
    /// What is wrong with it, for who makes it.
    pub fn check(&self) -> Result<(), String> {
        let read = Asked::read(&self.options);
        read.map(|_| ()).map_err(|refusal| refusal.to_string())
    }

    pub(crate) fn target(&self) -> Target {
        Target {
            function: self.function.clone(),
            qualifier: self.qualifier.clone(),
        }
    }
}
