//! Plans and what came of them, for people and for programs.

use std::collections::BTreeMap;

use deploy::site::Known;
use deploy::{Action, Cloud, Plan, Step, Target};
use serde_json::{Value, json};

use super::Prepared;
use crate::output;

/// A deployment as its first line says it.
#[derive(Debug)]
pub struct Shown<'a> {
    pub cloud: &'a Cloud,
}

impl<'a> Shown<'a> {
    pub fn of(prepared: &'a Prepared) -> Self {
        let cloud = &prepared.site.cloud;
        Self { cloud }
    }

    /// `features-dev on the engine at http://127.0.0.1:4566 (us-east-1)`
    pub fn title(&self) -> String {
        let (names, client) = (&self.cloud.names, &self.cloud.client);
        let place = match self.cloud.target {
            Target::Engine => format!("the engine at {}", client.endpoint("lambda").url()),
            Target::Aws => format!("AWS account {}, {}", names.account, names.region),
        };
        format!("{} on {place}", names.whole())
    }

    /// The members that all answers for programs share.
    pub fn json(&self) -> Value {
        let names = &self.cloud.names;
        json!({
            "project": names.project,
            "stage": names.stage,
            "account": names.account,
            "region": names.region,
            "target": match self.cloud.target {
                Target::Engine => "local",
                Target::Aws => "aws",
            },
        })
    }

    /// The plan on stderr, a line for each step, more for one with much to say.
    pub fn plan(&self, plan: &Plan) {
        output::note(&self.title());
        for line in lines(&plan.steps) {
            output::note(&line);
        }
    }
}

/// What of details is one line; more than that stands one under the other.
const LINE: usize = 72;

/// Kinds and names stand under each other, details behind them.
fn lines(steps: &[Step]) -> Vec<String> {
    let width = |text: fn(&Step) -> usize| steps.iter().map(text).max().unwrap_or(0);
    let (kinds, names) = (width(|it| it.kind.len()), width(|it| it.name.len()));
    let line = |step: &Step| {
        let sign = match step.action {
            Action::Create => '+',
            Action::Update => '~',
            Action::Remove => '-',
        };
        let details = step.details.join("; ");
        let details = if details.chars().count() > LINE {
            step.details.clone()
        } else {
            vec![details]
        };
        let mut details = details.iter();
        let first = details.next().map_or("", String::as_str);
        let first = format!(
            "  {sign} {:kinds$}  {:names$}  {first}",
            step.kind, step.name
        );
        let indent = 4 + kinds + 2 + names + 2;
        let others = details.map(|detail| format!("{:indent$}{detail}", ""));
        let lines = std::iter::once(first.trim_end().to_owned()).chain(others);
        lines.collect::<Vec<_>>()
    };
    steps.iter().flat_map(line).collect()
}

pub fn steps_json(steps: &[Step]) -> Value {
    let steps = steps.iter().map(|step| {
        json!({
            "action": step.action.name(),
            "kind": step.kind,
            "name": step.name,
            "details": step.details,
        })
    });
    steps.collect()
}

/// Puts the members of one object into another.
pub fn extend(document: &mut Value, more: Value) {
    if let (Value::Object(document), Value::Object(more)) = (document, more) {
        document.extend(more);
    }
}

/// What one would open: the API, else the first function with an address. And all
/// addresses, by the names of functions in the project.
pub fn urls_json(cloud: &Cloud, known: &Known) -> (Option<String>, BTreeMap<String, String>) {
    let host = cloud.client.endpoint("lambda").host;
    let urls = known.urls.iter();
    let urls: BTreeMap<String, String> = urls
        .map(|(name, url)| (cloud.names.short(name).to_owned(), by_path(&host, url)))
        .collect();
    let api = known.api.as_ref().map(|(_, url)| by_path(&host, url));
    let first = api.or_else(|| urls.values().next().cloned());
    (first, urls)
}

/// The address of an engine by path: not every resolver knows `x.localhost`. Addresses
/// of others are as they are.
pub fn by_path(host: &str, url: &str) -> String {
    let moved = || {
        let (scheme, rest) = url.split_once("://")?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (name, port) = authority.rsplit_once(':')?;
        let labels: Vec<_> = name.split('.').collect();
        let [id, service @ ("execute-api" | "lambda-url"), _, "localhost"] = labels.as_slice()
        else {
            return None;
        };
        Some(format!("{scheme}://{host}:{port}/{service}/{id}{path}"))
    };
    moved().unwrap_or_else(|| url.to_owned())
}

#[cfg(test)]
mod tests {
    use deploy::Phase;
    use deploy::kinds::log_group;

    use super::*;

    #[test]
    fn only_addresses_of_an_engine_are_given_by_path() {
        let host = "127.0.0.1";
        for (url, expected) in [
            (
                "http://shop.execute-api.eu-west-1.localhost:8080",
                "http://127.0.0.1:8080/execute-api/shop",
            ),
            (
                "http://abc.lambda-url.us-east-1.localhost:8080/",
                "http://127.0.0.1:8080/lambda-url/abc/",
            ),
        ] {
            assert_eq!(by_path(host, url), expected);
        }
        for other in [
            "https://abc.execute-api.eu-west-1.amazonaws.com",
            "http://abc.execute-api.localhost:4566",
            "",
        ] {
            assert_eq!(by_path(host, other), other);
        }
    }

    #[test]
    fn a_step_is_a_line() {
        let work = || log_group::Work::Remove("x".to_owned());
        let steps = [
            Step::draft(Action::Create, Phase::Role, "role", "p-dev-fit")
                .details(["a".to_owned(), "b".to_owned()])
                .work(work()),
            Step::draft(Action::Remove, Phase::LogGroup, "log group", "p-dev-f").work(work()),
        ];
        assert_eq!(
            lines(&steps),
            ["  + role       p-dev-fit  a; b", "  - log group  p-dev-f"]
        );
    }

    #[test]
    fn details_that_make_no_line_stand_under_each_other() {
        let work = log_group::Work::Remove("x".to_owned());
        let (one, two) = ("a".repeat(40), "b".repeat(40));
        let step = Step::draft(Action::Create, Phase::Role, "routes", "p")
            .details([one.clone(), two.clone()])
            .work(work);
        assert_eq!(
            lines(&[step]),
            [
                format!("  + routes  p  {one}"),
                format!("               {two}")
            ]
        );
    }
}
