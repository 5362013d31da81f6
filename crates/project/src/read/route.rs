//! Routes: what one leads to, and the options of that.

use std::collections::BTreeMap;

use super::gateway;
use super::section::Section;
use crate::check::Report;
use crate::model::{Bucket, BucketRef, ObjectRef, Route, RouteTarget};
use crate::objects;
use crate::spec::{self, MODEL_OPTIONS};
use crate::tree::{Node, Table, Value};

/// Of these a route has one.
const TARGETS: [&str; 7] = [
    "function", "map", "model", "models", "redirect", "site", "route",
];
const PERMANENT: u32 = 308;
pub const INDEX: &str = "index.html";

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
            [] => Some("a route needs something that it leads to, such as function = ..."),
            _ => Some("a route leads to one thing, not to several"),
        };
        if let Some(problem) = problem {
            let hint = format!("it has one of {}", TARGETS.join(", "));
            report.at(self.at, &["routes"], problem.to_owned(), Some(hint));
            return Vec::new();
        }
        self.only_of("status", "redirect", said[0], report);
        self.only_of("stream", "function", said[0], report);
        gateway::check(self.table, &self.section, report);
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
            "redirect" => one(self.section.owned("redirect").map(|location| {
                let status = self.section.number("status").unwrap_or(PERMANENT);
                RouteTarget::Redirect {
                    location,
                    status: u16::try_from(status).expect("the check has seen which it is"),
                }
            })),
            "site" => one(self.section.text("site").and_then(|text| self.site(text))),
            "route" => one(self
                .section
                .owned("route")
                .map(|path| RouteTarget::Route { path })),
            _ => self.models(&path, &options, report),
        }
    }

    /// A field that means something for one kind of target alone.
    fn only_of(&self, field: &'static str, kind: &str, target: &str, report: &mut Report<'_>) {
        if let Some(entry) = self.table.get(field).filter(|_| kind != target) {
            let problem = format!("only a {kind} has {field}, and this route leads to a {target}");
            report.at(entry.key_at, &["routes", field], problem, None);
        }
    }

    /// Index and error page are those of the bucket's own site, if it is one.
    fn site(&self, text: &str) -> Option<RouteTarget> {
        let mut objects = objects::parse_site(text)?;
        let buckets = self.buckets.iter();
        let buckets = buckets.map(|(key, bucket)| (key.as_str(), bucket.name.as_deref()));
        objects.bucket = objects::bucket_of_project(objects.bucket, buckets);
        let own = match &objects.bucket {
            BucketRef::Project(key) => self.buckets.get(key),
            BucketRef::Foreign(_) => None,
        };
        let site = own.and_then(|bucket| bucket.site.as_ref());
        Some(RouteTarget::Site {
            objects,
            index: site.map_or_else(|| INDEX.to_owned(), |site| site.index.clone()),
            error: site.and_then(|site| site.error.clone()),
        })
    }

    fn route(&self, path: String, target: RouteTarget) -> Route {
        Route {
            place: self.place,
            path,
            methods: self.section.texts("methods").unwrap_or_default(),
            target,
            who: gateway::who(&self.section),
            cors: gateway::cors(&self.section),
            handling: gateway::handling(&self.section),
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
            "map" => ("a map", |name| !MODEL_OPTIONS.contains(&name)),
            "model" | "models" => ("a model", |name| MODEL_OPTIONS.contains(&name)),
            _ => {
                let problem = "only a map or a model has options".to_owned();
                report.at(entry.key_at, &["routes", "options"], problem, None);
                return BTreeMap::new();
            }
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
