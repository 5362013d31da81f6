//! The document of a stage: all that is served, in the order in which requests are tried.

use std::collections::{BTreeSet, HashSet};

use engine::http_apis::{Api, Endpoint, IntegrationTarget, RouteKey, RouteTarget, Served};
use http::Method;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use types::Region;

use super::answer::Models;
use super::components;
use super::functions;
use super::maps::{self, Part};
use super::models;
use super::operation::{self, Draft, Place};
use super::paths::{PathForm, Paths};
use super::security::Schemes;

/// How often one route may lead to another before it is not followed any further.
const STEPS: usize = 8;

/// What a document is made of.
pub(super) struct Facts<'a> {
    pub api: &'a Api,
    pub served: &'a Served,
    pub region: &'a Region,
    pub models: &'a Models,
}

/// Everything but the version of OpenAPI and the addresses.
pub(super) fn make(facts: &Facts<'_>) -> Value {
    let mut walk = Walk {
        facts,
        paths: Paths::default(),
        schemes: Schemes::default(),
        schemas: components::schemas(),
        ids: HashSet::new(),
        tags: BTreeSet::new(),
        tables: Vec::new(),
    };
    for endpoint in facts.served.endpoints() {
        walk.endpoint(endpoint);
    }
    walk.finish()
}

struct Walk<'a> {
    facts: &'a Facts<'a>,
    paths: Paths,
    schemes: Schemes,
    schemas: Map<String, Value>,
    ids: HashSet<String>,
    tags: BTreeSet<String>,
    /// Where tables go to maps.
    tables: Vec<PathForm>,
}

impl Walk<'_> {
    fn endpoint(&mut self, endpoint: &Endpoint) {
        let method = match &endpoint.route.key {
            RouteKey::Default => None,
            RouteKey::Path { method, .. } => method.as_ref(),
        };
        let (target, doors) = self.target(endpoint, method);
        let own = method.map(|method| method.as_str().to_ascii_lowercase());
        let methods = match &own {
            Some(method) => vec![method.clone()],
            None => functions::ANY.map(str::to_owned).to_vec(),
        };
        for form in PathForm::of(&endpoint.route.key) {
            for draft in self.drafts(target.as_deref().unwrap_or(endpoint), &form, &methods) {
                if own.as_ref().is_none_or(|own| *own == draft.method) {
                    self.put((endpoint, &doors), &form, draft, own.is_none());
                }
            }
        }
    }

    /// What a route leads to by way of others, if it leads to another; and all whose doors
    /// are on the way besides its own.
    fn target(
        &self,
        endpoint: &Endpoint,
        method: Option<&Method>,
    ) -> (Option<Arc<Endpoint>>, Vec<Arc<Endpoint>>) {
        let mut doors = Vec::new();
        let Some(first) = led_to(endpoint) else {
            return (None, doors);
        };
        let mut at = first.path.clone();
        let methods = match method {
            Some(method) => vec![method.as_str()],
            None => vec!["GET", "POST", "PUT"],
        };
        for _ in 0..STEPS {
            let mut tried = methods.iter();
            let found = tried.find_map(|method| self.facts.served.find(method, &at));
            let Some(found) = found else {
                break;
            };
            doors.push(Arc::clone(&found.endpoint));
            match led_to(&found.endpoint) {
                Some(next) => at.clone_from(&next.path),
                None => return (Some(found.endpoint), doors),
            }
        }
        (None, doors)
    }

    fn drafts(&mut self, endpoint: &Endpoint, form: &PathForm, methods: &[String]) -> Vec<Draft> {
        let Some(integration) = &endpoint.integration else {
            return functions::nowhere(methods);
        };
        match &integration.target {
            IntegrationTarget::Function(_) => functions::function(methods),
            IntegrationTarget::Redirect(redirect) => functions::redirect(methods, redirect),
            IntegrationTarget::Site(_) => functions::site(),
            IntegrationTarget::Map(map) => {
                let part = if form.greedy.is_some() {
                    Part::Jobs
                } else {
                    Part::Table
                };
                maps::drafts(map, part, &mut self.schemas)
            }
            IntegrationTarget::Model(model) => {
                let current = self.facts.models.get(&integration.id);
                let words = form.words();
                let name = if words.is_empty() { "root" } else { &words };
                models::drafts(model, current, name, &mut self.schemas)
            }
            // It leads in a circle.
            IntegrationTarget::Route(_) => functions::nowhere(methods),
        }
    }

    fn put(
        &mut self,
        (endpoint, doors): (&Endpoint, &[Arc<Endpoint>]),
        form: &PathForm,
        draft: Draft,
        is_any: bool,
    ) {
        let form = if draft.is_main() {
            form.clone()
        } else {
            form.below(draft.below)
        };
        if self.paths.is_taken(&form, &draft.method) {
            return;
        }
        let id = self.id(endpoint, &form, &draft);
        let tag = tag(&form, draft.below);
        self.tags.insert(tag.clone());
        let place = Place {
            id,
            tag,
            security: self
                .schemes
                .wanted_by_all(endpoint, doors, self.facts.region),
            is_any: is_any && draft.kind != "map" && draft.kind != "model",
        };
        if draft.kind == "map" && draft.is_main() {
            self.tables.push(form.clone());
        }
        let method = draft.method.clone();
        let operation = operation::finish(draft, endpoint, place);
        self.paths.put(&form, &method, operation);
    }

    /// A name that no other operation has: the one that the route has of its owner goes to
    /// its first.
    fn id(&mut self, endpoint: &Endpoint, form: &PathForm, draft: &Draft) -> String {
        let own = endpoint.route.operation_name.clone();
        if let Some(own) = own.filter(|own| draft.is_main() && !own.is_empty())
            && self.ids.insert(own.clone())
        {
            return own;
        }
        let words = form.words().replace('-', "_");
        let words = if words.is_empty() { "root" } else { &words };
        let name = format!("{}_{words}", draft.method);
        let mut own = name.clone();
        let mut count = 1;
        while !self.ids.insert(own.clone()) {
            count += 1;
            own = format!("{name}_{count}");
        }
        own
    }

    /// From the answer that accepts a job to what is told of the job later.
    fn link_jobs(&mut self, form: &PathForm) {
        let own = form.variables();
        let own = own.map(|name| (name.to_owned(), format!("$request.path.{name}").into()));
        let mut parameters: Map<String, Value> = own.collect();
        parameters.insert("job".to_owned(), "$response.body#/job".into());
        let mut links = Map::new();
        for (name, below, method) in maps::OF_JOB {
            if let Some(operation) = self.paths.get(&form.below(below), method) {
                let id = &operation["operationId"];
                let link = json!({ "operationId": id, "parameters": parameters });
                links.insert(name.to_owned(), link);
            }
        }
        for method in ["put", "post"] {
            if let Some(operation) = self.paths.get(form, method) {
                operation["responses"]["202"]["links"] = links.clone().into();
            }
        }
    }

    fn finish(mut self) -> Value {
        for form in std::mem::take(&mut self.tables) {
            self.link_jobs(&form);
        }
        let api = self.facts.api;
        let mut info = json!({
            "title": api.name,
            "version": api.version.as_deref().unwrap_or("1"),
        });
        if let Some(description) = &api.description {
            info["description"] = description.as_str().into();
        }
        let mut components = json!({
            "headers": components::headers(),
            "schemas": self.schemas,
        });
        let schemes = self.schemes.finish();
        if !schemes.is_empty() {
            components["securitySchemes"] = schemes.into();
        }
        let tags = self.tags.iter().map(|tag| json!({ "name": tag }));
        json!({
            "info": info,
            "tags": tags.collect::<Value>(),
            "paths": self.paths.finish(),
            "components": components,
        })
    }
}

fn led_to(endpoint: &Endpoint) -> Option<&RouteTarget> {
    match &endpoint.integration.as_ref()?.target {
        IntegrationTarget::Route(target) => Some(target),
        _ => None,
    }
}

/// Operations are grouped by the first word of their paths; what belongs to a map stands
/// with it.
fn tag(form: &PathForm, below: &str) -> String {
    let own = form.text.strip_suffix(below).unwrap_or(&form.text);
    let first = own.split('/').find(|segment| !segment.is_empty());
    first
        .filter(|first| !first.starts_with('{'))
        .unwrap_or("/")
        .to_owned()
}
