//! An event as patterns see it: values at the ends of paths.

use std::collections::BTreeMap;

use serde_json::Value;

/// The fields of an object. A name with dots is the same as objects in each
/// other, because AWS joins names with dots before it compares.
#[derive(Debug, Default)]
pub struct Fields<'a> {
    values: Vec<&'a Value>,
    named: BTreeMap<&'a str, Fields<'a>>,
    /// Where the field is a list: each of its elements.
    elements: Vec<Fields<'a>>,
}

impl<'a> Fields<'a> {
    pub fn of(value: &'a Value) -> Self {
        let mut fields = Self::default();
        fields.add(value);
        fields
    }

    fn add(&mut self, value: &'a Value) {
        match value {
            Value::Object(object) => {
                for (name, value) in object {
                    let mut place = &mut *self;
                    for part in name.split('.') {
                        place = place.named.entry(part).or_default();
                    }
                    place.add(value);
                }
            }
            Value::Array(list) => self.elements.extend(list.iter().map(Self::of)),
            value => self.values.push(value),
        }
    }

    pub(super) fn field(&self, name: &str) -> Option<&Self> {
        self.named.get(name)
    }

    pub(super) fn elements(&self) -> impl Iterator<Item = &Self> {
        self.elements.iter()
    }

    /// Whether one of the values here, lists in lists included, is as wanted.
    pub(super) fn any_value(&self, wanted: &dyn Fn(&Value) -> bool) -> bool {
        self.values.iter().any(|value| wanted(value))
            || self
                .elements
                .iter()
                .any(|element| element.any_value(wanted))
    }

    /// Objects and empty lists on the way are no values.
    pub(super) fn has_value_at(&self, path: &[String]) -> bool {
        let here = match path {
            [] => !self.values.is_empty(),
            [name, rest @ ..] => self
                .field(name)
                .is_some_and(|field| field.has_value_at(rest)),
        };
        here || self
            .elements
            .iter()
            .any(|element| element.has_value_at(path))
    }
}
