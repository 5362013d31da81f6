//! Routes: what one leads to, a function, a map or a model, and the options of these.

use std::collections::BTreeMap;

use super::section::Section;
use crate::check::Report;
use crate::model::{Bucket, ObjectRef, Route, RouteTarget};
use crate::objects;
use crate::spec::{self, MODEL_OPTIONS};
use crate::tree::{Node, Table, Value};

/// Of these a route has one.
const TARGETS: [&str; 4] = ["function", "map", "model", "models"];

/// One entry of the file: one route, or one for each of its models.
pub fn read(
    place: usize,
    item: &Node,
    buckets: &BTreeMap<String, Bucket>,
    report: &mut Report<'_>,
) -> Vec<Route> {
    let Value::Table(table) = &item.value else {
        return Vec::new();
    };
    let reader = Reader {
        place,
        at: item.at,
        table,
        section: Section::new(Vec::new(), table),
        buckets,
    };
    reader.routes(report)
}

struct Reader<'a> {
    place: usize,
    /// Where it stands in the file.
    at: usize,
    table: &'a Table,
    section: Section<'a>,
    buckets: &'a BTreeMap<String, Bucket>,
}

impl Reader<'_> {
    fn routes(&self, report: &mut Report<'_>) -> Vec<Route> {
        let said: Vec<&str> = TARGETS
            .into_iter()
            .filter(|name| self.section.has(name))
            .collect();
        let problem = match said.as_slice() {
            [_] => None,
            [] => Some("a route needs a function, a map or a model"),
            _ => Some("a route has a function, a map or a model, and only one of them"),
        };
        if let Some(problem) = problem {
            report.at(self.at, &["routes"], problem.to_owned(), None);
            return Vec::new();
        }
        let Some(path) = self.section.owned("path") else {
            return Vec::new();
        };
        let options = self.options(said[0], report);
        let one = |target: Option<RouteTarget>| {
            let route = target.map(|target| self.route(path.clone(), target));
            route.into_iter().collect()
        };
        match said[0] {
            "function" => one(self.section.owned("function").map(RouteTarget::Function)),
            "map" => one(self
                .section
                .owned("map")
                .map(|function| RouteTarget::Map { function, options })),
            "model" => one(self
                .section
                .text("model")
                .and_then(|text| self.object(text))
                .map(|model| RouteTarget::Model { model, options })),
            _ => self.models(&path, &options, report),
        }
    }

    fn route(&self, path: String, target: RouteTarget) -> Route {
        Route {
            place: self.place,
            path,
            methods: self.section.texts("methods").unwrap_or_default(),
            target,
            cors: self.section.texts("cors").unwrap_or_default(),
            key: self.section.truth("key").unwrap_or(false),
        }
    }

    /// Options by their names, as texts. What the target has not is told.
    fn options(&self, target: &str, report: &mut Report<'_>) -> BTreeMap<String, String> {
        let Some(options) = self.section.section("options") else {
            return BTreeMap::new();
        };
        let Some(entry) = self.table.get("options") else {
            return BTreeMap::new();
        };
        let (whose, fits): (&str, fn(&str) -> bool) = match target {
            "function" => {
                let problem = "only a map or a model has options".to_owned();
                report.at(entry.key_at, &["routes", "options"], problem, None);
                return BTreeMap::new();
            }
            "map" => ("a map", |name| !MODEL_OPTIONS.contains(&name)),
            _ => ("a model", |name| MODEL_OPTIONS.contains(&name)),
        };
        let mut read = BTreeMap::new();
        for (name, value) in options.plain() {
            if fits(name) {
                read.insert(name.to_owned(), value);
            } else {
                let problem = format!("{whose} has no option {name}");
                report.at(entry.key_at, &["routes", "options", name], problem, None);
            }
        }
        read
    }

    fn object(&self, text: &str) -> Option<ObjectRef> {
        let buckets = self.buckets.iter();
        let buckets = buckets.map(|(key, bucket)| (key.as_str(), bucket.name.as_deref()));
        Some(objects::of_project(objects::parse_one(text)?, buckets))
    }

    /// Each below the path under the name of its file; one alone also at the path.
    fn models(
        &self,
        path: &str,
        options: &BTreeMap<String, String>,
        report: &mut Report<'_>,
    ) -> Vec<Route> {
        let texts = self.section.texts("models").unwrap_or_default();
        let models: Vec<ObjectRef> = texts.iter().filter_map(|text| self.object(text)).collect();
        if texts.is_empty() {
            let problem = "there is no model in the list".to_owned();
            report.at(self.at, &["routes", "models"], problem, None);
        }
        let mut routes = Vec::new();
        let mut put = |path: String, model: &ObjectRef| {
            let (model, options) = (model.clone(), options.clone());
            routes.push(self.route(path, RouteTarget::Model { model, options }));
        };
        if let ([model], false) = (models.as_slice(), path.contains('{')) {
            put(path.to_owned(), model);
        }
        for model in &models {
            let below = format!("{}/{}", path.trim_end_matches('/'), model.stem());
            if !path.starts_with('/') || path.contains('{') || !(spec::ROUTE.fits)(&below) {
                let problem = format!("{below} is no path for the model {}", model.key);
                let hint = "model = \"...\" serves one model at any path";
                report.at(
                    self.at,
                    &["routes", "models"],
                    problem,
                    Some(hint.to_owned()),
                );
            } else {
                put(below, model);
            }
        }
        routes
    }
}
