//! Paths of routes in OpenAPI's words. OpenAPI has variables for one segment only, so a
//! greedy one becomes such a variable that says of itself that it takes slashes, and paths
//! that differ by no more than that share a place.

use std::collections::BTreeMap;

use engine::http_apis::RouteKey;
use serde_json::{Map, Value, json};

/// What the variable of `$default` is called.
const REST: &str = "path";

/// A path as a document has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PathForm {
    /// `/pets/{id}`
    pub text: String,
    /// The variable at its end that takes all that is left.
    pub greedy: Option<String>,
}

impl PathForm {
    fn plain(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            greedy: None,
        }
    }

    /// The paths that a route is for.
    pub fn of(key: &RouteKey) -> Vec<Self> {
        let RouteKey::Path { path, .. } = key else {
            let rest = Self {
                text: format!("/{{{REST}}}"),
                greedy: Some(REST.to_owned()),
            };
            return vec![Self::plain("/"), rest];
        };
        let text = path.as_str();
        let greedy = text
            .strip_suffix("+}")
            .and_then(|text| Some(text.rsplit_once('{')?.1.to_owned()));
        let Some(name) = greedy else {
            return vec![Self::plain(text)];
        };
        vec![Self {
            text: text.replace("+}", "}"),
            greedy: Some(name),
        }]
    }

    /// What stands before the greedy variable, without a slash at its end; of other paths
    /// all of it.
    pub fn base(&self) -> &str {
        match &self.greedy {
            Some(_) => self.text.rsplit_once('/').map_or("", |(base, _)| base),
            None => self.text.strip_suffix('/').unwrap_or(&self.text),
        }
    }

    /// Something below the base that is said by name.
    pub fn below(&self, text: &str) -> Self {
        let path = format!("{}{text}", self.base());
        Self::plain(if path.is_empty() { "/" } else { &path })
    }

    /// The variables in it, in their order.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        let segments = self.text.split('/');
        segments.filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
    }

    fn parameters(&self) -> Vec<Value> {
        let parameter = |name: &str| {
            let mut shown = json!({
                "name": name,
                "in": "path",
                "required": true,
                "schema": { "type": "string", "minLength": 1 },
            });
            if self.greedy.as_deref() == Some(name) {
                let text = "All that is left of the path; slashes may stand in it as they are.";
                shown["description"] = text.into();
                shown["x-squall-greedy"] = true.into();
            }
            shown
        };
        self.variables().map(parameter).collect()
    }

    /// The same for all paths that a client cannot tell apart.
    fn shape(&self) -> String {
        let segments = self.text.split('/');
        let shown = segments.map(|segment| {
            if segment.starts_with('{') {
                "{}"
            } else {
                segment
            }
        });
        shown.collect::<Vec<_>>().join("/")
    }

    /// `pets-id`, for names.
    pub fn words(&self) -> String {
        let plain = |letter: char| {
            if letter.is_ascii_alphanumeric() {
                letter
            } else {
                ' '
            }
        };
        let text: String = self.text.chars().map(plain).collect();
        text.split_whitespace().collect::<Vec<_>>().join("-")
    }
}

/// The operations of a document by their paths. What is put first stays: routes come in
/// the order in which they are tried.
#[derive(Debug, Default)]
pub(super) struct Paths {
    places: BTreeMap<String, Place>,
}

#[derive(Debug)]
struct Place {
    form: PathForm,
    operations: Map<String, Value>,
}

impl Paths {
    /// Whether requests of this kind are for another route already.
    pub fn is_taken(&self, form: &PathForm, method: &str) -> bool {
        let place = self.places.get(&form.shape());
        place.is_some_and(|place| place.operations.contains_key(method))
    }

    pub fn put(&mut self, form: &PathForm, method: &str, operation: Value) {
        let place = self.places.entry(form.shape()).or_insert_with(|| Place {
            form: form.clone(),
            operations: Map::new(),
        });
        // Routes that are tried in any order must not make another document each time.
        let rank = |form: &PathForm| (form.greedy.is_some(), form.text.clone());
        if rank(form) < rank(&place.form) {
            place.form = form.clone();
        }
        place.operations.insert(method.to_owned(), operation);
    }

    /// The operation of that kind at this path, if there is one.
    pub fn get(&mut self, form: &PathForm, method: &str) -> Option<&mut Value> {
        self.places
            .get_mut(&form.shape())?
            .operations
            .get_mut(method)
    }

    pub fn finish(self) -> Value {
        let shown = self.places.into_values().map(|place| {
            let mut item = place.operations;
            let parameters = place.form.parameters();
            if !parameters.is_empty() {
                item.insert("parameters".to_owned(), parameters.into());
            }
            (place.form.text, Value::Object(item))
        });
        Value::Object(shown.collect())
    }
}
