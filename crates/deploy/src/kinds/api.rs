//! The HTTP API of a project: one for each stage, with a route for each of the project's.
//! It is made first and gets its routes later, because functions let in an API by its
//! id, which is known only when it is made.
//!
//! `wanted` is what the project's routes want, `integration` what they lead to,
//! [`authorizer`] who looks at what callers bring, `read` what is there, `work` the API
//! itself, `lead` its routes and how often each may be called.

pub mod authorizer;
mod integration;
mod lead;
mod read;
#[cfg(test)]
mod tests;
mod wanted;
mod work;

use std::collections::{BTreeMap, BTreeSet};

use project::model::{Auth, Rate};
use serde_json::Value;

use crate::site::Known;
use crate::step::{Action, Phase, Step};

pub use integration::{Integration, Own, Target};
pub use read::{items, read};
pub use wanted::{below_paths, permissions, wanted};
pub use work::{Work, call};

const KIND: &str = "api";
const ROUTES: &str = "routes";
const RATES: &str = "rates";
/// The stage without a name in its addresses.
pub const STAGE: &str = "$default";
/// Of an API: to whom it is described. Without it, to all.
const DOCS_TAG: &str = "squall:docs";
const NO_DOCS: &str = "off";

#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    pub name: String,
    /// Rules for pages of other origins, for all routes; the engine has them by route.
    pub cors: Option<Value>,
    /// What its tag says of who may see its description, where that is not all.
    pub docs: Option<String>,
    /// By their keys: `GET /items/{id}`.
    pub routes: BTreeMap<String, WantedRoute>,
    /// How often routes may be called, by their keys.
    pub rates: BTreeMap<String, Rate>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedRoute {
    pub integration: Integration,
    pub guard: Guard,
}

/// What a route asks of its callers. Authorizers are named as they are in the cloud.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guard {
    /// Whether calls must bring an API key.
    pub asks_key: bool,
    pub auth: Auth,
}

/// All APIs with our tags: more than one where the answer to a creation was lost.
pub type Found = Vec<Api>;

#[derive(Debug, Clone, PartialEq)]
pub struct Api {
    pub id: String,
    pub endpoint: String,
    pub cors: Option<Value>,
    /// What its tag says of who may see its description, where that is not all.
    pub docs: Option<String>,
    /// Whether it has the stage by which it answers.
    pub has_stage: bool,
    pub routes: BTreeMap<String, FoundRoute>,
    /// By id.
    pub integrations: BTreeMap<String, Integration>,
    pub authorizers: BTreeMap<String, authorizer::Found>,
    /// Ids of authorizers that have the name of another one.
    pub twins: Vec<String>,
    pub rates: BTreeMap<String, Rate>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundRoute {
    pub id: String,
    /// An integration's id.
    pub integration: String,
    pub guard: Guard,
}

impl Guard {
    /// `, with a key, signed`
    fn told(&self) -> String {
        let mut told = String::new();
        if self.asks_key {
            told.push_str(", with a key");
        }
        match &self.auth {
            Auth::Open => {}
            Auth::Iam => told.push_str(", signed"),
            Auth::By { name, scopes } => {
                told.push_str(", let in by ");
                told.push_str(name);
                if !scopes.is_empty() {
                    told.push_str(" for ");
                    told.push_str(&scopes.join(" "));
                }
            }
        }
        told
    }
}

impl WantedRoute {
    /// The less, the more a route asks of its callers.
    fn openness(&self) -> u8 {
        match (&self.guard.auth, self.guard.asks_key) {
            (Auth::Open, false) if !self.integration.is_guarded() => 2,
            (Auth::Open, _) => 1,
            _ => 0,
        }
    }
}

impl Api {
    fn leads(&self, key: &str, wanted: &WantedRoute) -> bool {
        self.routes.get(key).is_some_and(|route| {
            let there = self.integrations.get(&route.integration);
            there == Some(&wanted.integration) && route.guard == wanted.guard
        })
    }
}

/// What later steps need of the API that stays.
pub fn known(found: &Found, known: &mut Known) {
    if let Some(api) = chosen(found) {
        known.api = Some((api.id.clone(), api.endpoint.clone()));
        let authorizers = api.authorizers.iter();
        known.authorizers = authorizers
            .map(|(name, there)| (name.clone(), there.id.clone()))
            .collect();
    }
}

/// The one that got furthest; the others were made by attempts that nobody heard of.
fn chosen(found: &Found) -> Option<&Api> {
    found.iter().min_by_key(|api| {
        let progress = api.routes.len() + api.integrations.len() + api.authorizers.len();
        (usize::MAX - progress, &api.id)
    })
}

pub fn plan(
    wanted: Option<&Wanted>,
    authorizers: &BTreeMap<String, authorizer::Kind>,
    found: &Found,
) -> Vec<Step> {
    let chosen = chosen(found).filter(|_| wanted.is_some());
    let mut steps = Vec::new();
    if let Some(wanted) = wanted {
        steps.extend(plan_api(wanted, chosen));
        steps.extend(authorizer::plan(authorizers, chosen));
        steps.extend(plan_routes(wanted, chosen));
        steps.extend(plan_rates(wanted, chosen));
    }
    let is_chosen = |api: &&Api| chosen.is_some_and(|chosen| chosen.id == api.id);
    for api in found.iter().filter(|api| !is_chosen(api)) {
        let step = Step::draft(Action::Remove, Phase::Api, KIND, &api.id);
        let details = api.routes.keys().cloned();
        steps.push(step.details(details).work(Work::Remove(api.id.clone())));
    }
    steps
}

fn plan_api(wanted: &Wanted, there: Option<&Api>) -> Option<Step> {
    let mut details = Vec::new();
    let cors = wanted.cors.as_ref().map(told_cors);
    let docs = match wanted.docs.as_deref() {
        None => "described".to_owned(),
        Some(NO_DOCS) => "not described".to_owned(),
        Some(who) => format!("described for {who}"),
    };
    let action = match there {
        None => {
            details.extend(cors);
            details.extend(wanted.docs.is_some().then_some(docs));
            Action::Create
        }
        Some(api) => {
            details.extend(cors.filter(|_| api.cors != wanted.cors));
            details.extend((api.docs != wanted.docs).then_some(docs));
            details.extend((!api.has_stage).then(|| "stage".to_owned()));
            if details.is_empty() {
                return None;
            }
            Action::Update
        }
    };
    let step = Step::draft(action, Phase::Api, KIND, &wanted.name).details(details);
    Some(step.work(Work::Put {
        name: wanted.name.clone(),
        cors: wanted.cors.clone(),
        docs: wanted.docs.clone(),
        id: there.map(|api| api.id.clone()),
        docs_were: there.and_then(|api| api.docs.clone()),
    }))
}

fn told_cors(cors: &Value) -> String {
    let origins = cors["allowOrigins"].as_array().into_iter().flatten();
    let origins: Vec<_> = origins.filter_map(Value::as_str).collect();
    format!("cors {}", origins.join(" "))
}

fn plan_routes(wanted: &Wanted, there: Option<&Api>) -> Option<Step> {
    let mut details = Vec::new();
    for (key, route) in &wanted.routes {
        if !there.is_some_and(|api| api.leads(key, route)) {
            let (to, guard) = (route.integration.told(), route.guard.told());
            details.push(format!("{key} -> {to}{guard}"));
        }
    }
    // Each route has its rules by now.
    let drops_cors = wanted.cors.is_none() && there.is_some_and(|api| api.cors.is_some());
    if let Some(api) = there {
        let old = api.routes.keys();
        let old = old.filter(|key| !wanted.routes.contains_key(*key));
        details.extend(old.map(|key| format!("no more {key}")));
        details.extend(drops_cors.then(|| "no cors for all routes".to_owned()));
        if details.is_empty() && is_littered(api) {
            details.push("integrations that no route has".to_owned());
        }
    }
    if details.is_empty() {
        return None;
    }
    let action = match there {
        Some(api) if !api.routes.is_empty() => Action::Update,
        _ => Action::Create,
    };
    let step = Step::draft(action, Phase::Route, ROUTES, &wanted.name).details(details);
    Some(step.work(Work::Routes {
        routes: wanted.routes.clone(),
        drops_cors,
    }))
}

/// Whether there are integrations that no route has.
fn is_littered(api: &Api) -> bool {
    let used: BTreeSet<&String> = api.routes.values().map(|it| &it.integration).collect();
    api.integrations.keys().any(|id| !used.contains(id))
}

fn plan_rates(wanted: &Wanted, there: Option<&Api>) -> Option<Step> {
    let nothing = BTreeMap::new();
    let found = there.map_or(&nothing, |api| &api.rates);
    let mut details = Vec::new();
    for (key, rate) in &wanted.rates {
        if found.get(key) != Some(rate) {
            let Rate { per_second, burst } = rate;
            details.push(format!("{key} {per_second} a second, {burst} at once"));
        }
    }
    let old = found.keys().filter(|key| !wanted.rates.contains_key(*key));
    let old: Vec<String> = old.cloned().collect();
    details.extend(old.iter().map(|key| format!("{key} as often as one likes")));
    if details.is_empty() {
        return None;
    }
    let action = if found.is_empty() {
        Action::Create
    } else {
        Action::Update
    };
    let step = Step::draft(action, Phase::Rate, RATES, &wanted.name).details(details);
    Some(step.work(Work::Rates {
        rates: wanted.rates.clone(),
        old,
    }))
}
