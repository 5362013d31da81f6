//! Parameters: values by name, among them the secrets of functions. What is secret is
//! sealed before it goes to the store, and opened only for who asks for it.
//!
//! All of it is in memory, sealed as it is stored, and written through: a change is
//! committed first and visible afterwards.

mod error;
mod model;
mod seal;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use store::{Store, StoreError};
use types::{Scope, Timestamp};

pub use error::ParameterError;
pub use model::{Kind, NewParameter, Parameter, ParameterName};
pub use seal::{KEY_BYTES, Sealer};

use crate::book::{Book, Pages};
use model::{Value, check_description, check_tags, check_value};

const KIND: &str = "parameter";
/// What AWS lets an account have.
const MOST: usize = 10_000;

/// All parameters of the account.
pub struct Parameters {
    scope: Scope,
    sealer: Sealer,
    book: Book<Parameter>,
}

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parameters")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl Parameters {
    /// Reads what is stored. It blocks: call it at the start.
    pub fn open(store: Arc<Store>, scope: Scope, sealer: Sealer) -> Result<Self, StoreError> {
        let book = Book::open(store, KIND)?;
        if let Some(sealed) = foreign(&sealer, &book.read(), None) {
            let name = sealed.name.as_str();
            tracing::warn!(
                name,
                "secrets were sealed with another key than that in secrets-key.json: put the \
                 file back, or remove these secrets; until then no others can be set"
            );
        }
        Ok(Self {
            scope,
            sealer,
            book,
        })
    }

    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// `arn:aws:ssm:REGION:ACCOUNT:parameter/NAME`
    pub fn arn(&self, name: &str) -> String {
        let Scope { account, region } = &self.scope;
        let name = name.trim_start_matches('/');
        format!("arn:aws:ssm:{region}:{account}:parameter/{name}")
    }

    /// Waits for commits under way; call it before the store is closed.
    pub async fn drain(&self) {
        self.book.drain().await;
    }

    pub fn get(&self, name: &str) -> Result<Arc<Parameter>, ParameterError> {
        let parsed = name.parse::<ParameterName>().ok();
        let found = parsed.and_then(|name| self.book.get(name.as_str()));
        found.ok_or_else(|| ParameterError::NotFound(name.to_owned()))
    }

    /// Sorted by name.
    pub fn all(&self) -> Vec<Arc<Parameter>> {
        self.book.read().values().cloned().collect()
    }

    /// The text of a parameter; of a secret that is not to be opened, its sealed form.
    pub fn value(&self, parameter: &Parameter, open: bool) -> Result<String, ParameterError> {
        match &parameter.value {
            Value::Plain(text) => Ok(text.clone()),
            Value::Sealed(sealed) if !open => Ok(sealed.clone()),
            Value::Sealed(sealed) => self
                .sealer
                .open(parameter.name.as_str(), parameter.version, sealed)
                .ok_or(ParameterError::Unsealable),
        }
    }

    /// Makes a parameter or, if that is allowed, gives it another value; `caller` is who
    /// does. Returns its version.
    pub async fn put(&self, new: NewParameter, caller: &str) -> Result<u64, ParameterError> {
        check_value(&new.value)?;
        check_description(new.description.as_deref())?;
        check_tags(&new.tags)?;
        if new.overwrite && !new.tags.is_empty() {
            return Err(ParameterError::Invalid(
                "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or RemoveTagsFromResource.".to_owned(),
            ));
        }
        self.book
            .change(|draft| {
                let parameter = self.successor(draft.pages(), new, caller)?;
                let version = parameter.version;
                draft.put(parameter.name.to_string(), parameter);
                Ok(version)
            })
            .await
    }

    fn successor(
        &self,
        book: &Pages<Parameter>,
        new: NewParameter,
        caller: &str,
    ) -> Result<Parameter, ParameterError> {
        let old = book.get(new.name.as_str());
        if old.is_some() && !new.overwrite {
            return Err(ParameterError::AlreadyExists);
        }
        if old.is_none() && book.len() >= MOST {
            return Err(ParameterError::TooMany);
        }
        let kind = new.kind.or(old.map(|old| old.kind)).ok_or_else(|| {
            ParameterError::Invalid(
                "A parameter type is required when you create a parameter.".to_owned(),
            )
        })?;
        // With two keys at work, whichever file is there, some would not open.
        if kind == Kind::SecureString && foreign(&self.sealer, book, Some(&new.name)).is_some() {
            return Err(ParameterError::Unsealable);
        }
        let version = old.map_or(1, |old| old.version + 1);
        let value = match kind {
            Kind::String | Kind::StringList => Value::Plain(new.value),
            Kind::SecureString => {
                Value::Sealed(self.sealer.seal(new.name.as_str(), version, &new.value))
            }
        };
        Ok(Parameter {
            value,
            version,
            kind,
            modified: Timestamp::now(),
            modified_by: caller.to_owned(),
            description: new
                .description
                .or_else(|| old.and_then(|old| old.description.clone())),
            key_id: (kind == Kind::SecureString).then(|| {
                new.key_id
                    .or_else(|| old.and_then(|old| old.key_id.clone()))
                    .unwrap_or_else(|| "alias/aws/ssm".to_owned())
            }),
            tags: old.map_or(new.tags, |old| old.tags.clone()),
            name: new.name,
        })
    }

    /// Removes those that are there, and says which they were.
    pub async fn remove(
        &self,
        names: &[ParameterName],
    ) -> Result<Vec<ParameterName>, ParameterError> {
        self.book
            .change(|draft| {
                let there = names.iter().filter(|name| draft.remove(name.as_str()));
                Ok(there.cloned().collect())
            })
            .await
    }

    /// Changes the tags of a parameter.
    pub async fn tag(
        &self,
        name: &str,
        change: impl FnOnce(&mut BTreeMap<String, String>),
    ) -> Result<(), ParameterError> {
        let name = self.get(name)?.name.clone();
        self.book
            .change(|draft| {
                let old = draft.pages().get(name.as_str());
                let old = old.ok_or_else(|| ParameterError::NotFound(name.to_string()))?;
                let mut parameter = Parameter::clone(old);
                change(&mut parameter.tags);
                check_tags(&parameter.tags)?;
                draft.put(name.to_string(), parameter);
                Ok(())
            })
            .await
    }
}

/// A secret that is sealed with another key, if there is one but for `replaced`. All are
/// sealed with the same, so the first is as good as any.
fn foreign<'a>(
    sealer: &Sealer,
    book: &'a Pages<Parameter>,
    replaced: Option<&ParameterName>,
) -> Option<&'a Parameter> {
    let mut others = book
        .values()
        .filter(|parameter| replaced != Some(&parameter.name));
    let (first, sealed) = others.find_map(|parameter| match &parameter.value {
        Value::Sealed(sealed) => Some((parameter, sealed)),
        Value::Plain(_) => None,
    })?;
    let opened = sealer.open(first.name.as_str(), first.version, sealed);
    opened.is_none().then_some(&**first)
}

#[cfg(test)]
mod tests;
