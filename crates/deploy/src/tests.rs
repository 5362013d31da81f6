//! Whole projects: from what squall.toml says to the steps of a deployment.

use std::collections::BTreeMap;
use std::fs;

use aws_client::Client;
use aws_wire::sigv4::Credentials;
use package::{Artifact, LayerKind, LayerPackage, Package};
use project::Project;
use serde_json::{Value, json};

use crate::kinds::bucket::Data;
use crate::kinds::function::tests::{artifact, names};
use crate::kinds::policy;
use crate::plan::order;
use crate::site::{self, DIRECT_ZIP_BYTES, Site};
use crate::step::{Action, Phase};
use crate::{Cloud, Found, Plan, Target};

const SHOP: &str = r#"
[project]
name = "p"

[functions.web]
handler = "app.web"
reads = ["lake/clean/"]
secrets = ["TOKEN"]
calls = ["clean"]
url = true
environment = { LAKE = "${bucket.lake}" }

[functions.clean]
handler = "app.clean"
writes = ["lake"]
on_failure = "web"

[buckets.lake]

[[triggers]]
bucket = "lake"
function = "clean"

[[routes]]
path = "/web"
function = "web"

[schedules.nightly]
when = "rate(1 day)"
function = "clean"
"#;

fn package(code: Artifact) -> Package {
    Package {
        code,
        layers: Vec::new(),
        runtime: "python3.11".to_owned(),
        handler: "app.web".to_owned(),
        environment: BTreeMap::new(),
        rest: None,
        notes: Vec::new(),
        report: package::Report {
            function: String::new(),
            code: BTreeMap::new(),
            distributions: Vec::new(),
            plain_bytes: 0,
            library_bytes: 0,
            has_bytecode: false,
            dropped: BTreeMap::new(),
            rest: Vec::new(),
        },
    }
}

/// A project whose functions all have the same small package. Nobody answers at its cloud.
fn site(toml: &str) -> Site {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("app.py"),
        "def web(e, c): ...\ndef clean(e, c): ...\n",
    )
    .unwrap();
    fs::write(folder.path().join("squall.toml"), toml).unwrap();
    let project = Project::load(folder.path(), None).unwrap();
    let credentials = Credentials {
        access_key: "AKIA".to_owned(),
        secret: "secret".to_owned(),
        session_token: None,
    };
    let names = names();
    let client = Client::new("http://127.0.0.1:9", names.region.clone(), credentials).unwrap();
    let keys = project.functions.keys();
    Site {
        packages: keys
            .map(|key| (key.clone(), package(artifact("code"))))
            .collect(),
        cloud: Cloud {
            client,
            target: Target::Engine,
            bucket_names: site::bucket_names(&project, &names),
            authorizer_names: std::collections::BTreeSet::new(),
            names,
        },
        project,
        secrets: [("TOKEN".to_owned(), 7)].into(),
    }
}

fn statements(policy: &Value) -> Vec<(Value, Value)> {
    let statements = policy["Statement"].as_array().unwrap();
    let parts = statements
        .iter()
        .map(|it| (it["Action"].clone(), it["Resource"].clone()));
    parts.collect()
}

#[test]
fn a_role_may_what_its_function_needs_and_nothing_else() {
    let site = site(SHOP);
    let lake = "arn:aws:s3:::p-dev-lake-000000000000";
    let lambda = "arn:aws:lambda:eu-west-1:000000000000:function";
    let log = |function: &str| {
        let group =
            format!("arn:aws:logs:eu-west-1:000000000000:log-group:/aws/lambda/{function}:*");
        (
            json!(["logs:CreateLogStream", "logs:PutLogEvents"]),
            json!([group]),
        )
    };
    let web = policy::of_function(&site, "web");
    assert_eq!(
        statements(&web),
        [
            log("p-dev-web"),
            (json!(["s3:ListBucket"]), json!([lake])),
            (json!(["s3:GetObject"]), json!([format!("{lake}/clean/*")])),
            (
                json!(["lambda:InvokeFunction"]),
                json!([
                    format!("{lambda}:p-dev-clean:*"),
                    format!("{lambda}:p-dev-clean")
                ])
            ),
            (
                json!(["ssm:GetParameters"]),
                json!(["arn:aws:ssm:eu-west-1:000000000000:parameter/squall/p/dev/TOKEN"])
            ),
        ]
    );
    let listing = &web["Statement"][1]["Condition"];
    assert_eq!(
        listing,
        &json!({ "StringLike": { "s3:prefix": "clean/*" } })
    );
    let clean = statements(&policy::of_function(&site, "clean"));
    assert_eq!(clean.len(), 3, "its log, its bucket, its destination");
    assert_eq!(clean[1].1, json!([format!("{lake}/*")]));
}

#[test]
fn everything_is_made_before_what_needs_it_and_the_alias_last() {
    let plan = Plan::of(&site(SHOP), &Found::default(), Data::Keep).unwrap();
    assert!(plan.steps.iter().all(|step| step.action == Action::Create));
    let at = |kind: &str, name: &str| {
        let mut steps = plan.steps.iter();
        let found = steps.position(|step| step.kind == kind && step.name.contains(name));
        found.unwrap_or_else(|| panic!("{kind} {name} in {:#?}", plan.steps))
    };
    let web = [
        at("log group", "web"),
        at("role", "web"),
        at("function", "web"),
        at("version", "web"),
        at("alias", "web"),
        at("url", "web"),
        at("permission", "web"),
        at("routes", ""),
        at("schedule", "nightly"),
    ];
    assert!(web.is_sorted(), "{web:?}");
    assert!(at("permission", "clean") < at("trigger", "lake"));
    assert_eq!(plan.release, Some(1));
}

#[test]
fn what_was_made_last_goes_first() {
    let step = |action, phase| {
        let step = crate::Step::draft(action, phase, "x", "x");
        step.work(crate::kinds::log_group::Work::Remove("x".to_owned()))
    };
    let order = |action, phase| order(&step(action, phase));
    let alias = order(Action::Update, Phase::Alias);
    let function = order(Action::Remove, Phase::Function);
    assert!(order(Action::Create, Phase::Role) < order(Action::Create, Phase::Function));
    assert!(alias < order(Action::Remove, Phase::Prune));
    assert!(order(Action::Remove, Phase::Api) < function);
    assert!(function < order(Action::Remove, Phase::Role));
    assert!(order(Action::Remove, Phase::Role) < order(Action::Remove, Phase::LogGroup));
}

#[test]
fn a_new_value_of_a_secret_is_another_configuration() {
    let mut site = site(SHOP);
    let environment = |site: &Site| {
        let mut functions = crate::kinds::function::wanted(site).into_iter();
        let web = functions.find(|it| it.name == "p-dev-web");
        web.expect("it is wanted").config.environment
    };
    let before = environment(&site);
    assert_eq!(before["LAKE"], "p-dev-lake-000000000000");
    assert_eq!(before["SQUALL_SECRETS"], "/squall/p/dev/TOKEN");
    site.secrets.insert("TOKEN".to_owned(), 8);
    assert_ne!(before, environment(&site));
}

#[test]
fn what_is_too_large_for_a_call_goes_through_a_bucket() {
    let mut site = site(SHOP);
    assert!(site.stored_artifacts().is_empty());
    let large = Artifact {
        zip_bytes: DIRECT_ZIP_BYTES + 1,
        sha256: "+/a=".to_owned(),
        ..artifact("large")
    };
    let web = site.packages.get_mut("web").unwrap();
    web.layers = vec![LayerPackage {
        kind: LayerKind::Libraries,
        hash: "h".to_owned(),
        artifact: large,
    }];
    web.rest = Some(artifact("rest"));
    let stored: Vec<_> = site.stored_artifacts().into_keys().collect();
    assert_eq!(stored, ["packages/-_a.zip", "packages/rest.zip"]);
    let plan = Plan::of(&site, &Found::default(), Data::Keep).unwrap();
    let uploads = plan.steps.iter().filter(|step| step.phase == Phase::Upload);
    assert_eq!(uploads.count(), 2);
    let bucket = site.package_bucket();
    assert!(plan.steps.iter().any(|step| step.name == bucket));
}

#[test]
fn a_project_of_nothing_wants_nothing() {
    let mut site = site(SHOP);
    site.project = site::nothing_of(&site.project);
    site.packages.clear();
    let plan = Plan::of(&site, &Found::default(), Data::Remove).unwrap();
    assert!(plan.is_empty(), "{:?}", plan.steps);
}
