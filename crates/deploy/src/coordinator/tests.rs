//! What stands on AWS for routes of every kind.

use project::model::{Gateway, Handling, Who};
use project::text;

use super::*;

pub(crate) fn route(path: &str, target: RouteTarget) -> Route {
    Route {
        place: 0,
        path: path.to_owned(),
        methods: vec![],
        target,
        who: Who::default(),
        cors: None,
        handling: Handling::default(),
    }
}

fn map(path: &str, function: &str, options: &[(&str, &str)]) -> Route {
    let options = options.iter();
    let target = RouteTarget::Map {
        function: function.to_owned(),
        options: options
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    };
    route(path, target)
}

pub(crate) fn project(routes: Vec<Route>) -> Project {
    Project {
        root: PathBuf::from("/p"),
        name: "p".to_owned(),
        stage: "dev".to_owned(),
        region: None,
        functions: BTreeMap::new(),
        buckets: BTreeMap::new(),
        routes,
        auth: BTreeMap::new(),
        gateway: Gateway::default(),
        schedules: BTreeMap::new(),
        triggers: vec![],
        log_days: 14,
        assumed: vec![],
    }
}

fn names() -> Names {
    Names {
        project: "p".to_owned(),
        stage: "dev".to_owned(),
        account: "1".to_owned(),
        region: "us-east-1".to_owned(),
    }
}

#[test]
fn routes_of_maps_lead_to_coordinators() {
    let mut project = project(vec![
        map("/", "f", &[]),
        map("/again", "f", &[]),
        map("/other", "f", &[("item", "a b")]),
        map("/g", "g", &[]),
    ]);
    expand(&mut project, &names(), Path::new("/cache")).unwrap();
    let targets: Vec<_> = project
        .routes
        .iter()
        .map(|route| match &route.target {
            RouteTarget::Function(key) => key.as_str(),
            _ => "not led anywhere",
        })
        .collect();
    assert_eq!(targets, ["map-f", "map-f", "map-f-2", "map-g"]);
    let other = &project.functions["map-f-2"];
    let value = |name: &str| other.environment[name].fill(|_| String::new());
    assert_eq!(value("SQUALL_MAP_FUNCTION"), "p-dev-f:live");
    assert_eq!(value("SQUALL_MAP_OPTIONS"), "item=a%20b");
    assert_eq!(other.calls, ["f"]);
}

fn model(path: &str, bucket: BucketRef, key: &str) -> Route {
    Route {
        target: RouteTarget::Model {
            model: ObjectRef {
                bucket,
                key: key.to_owned(),
            },
            options: BTreeMap::from([("threshold".to_owned(), "0.5".to_owned())]),
        },
        ..map(path, "", &[])
    }
}

#[test]
fn a_model_is_served_by_a_function_that_may_read_it_alone() {
    let own = || BucketRef::Project("models".to_owned());
    let foreign = BucketRef::Foreign("theirs".to_owned());
    let mut project = project(vec![
        model("/a", own(), "2026/admission rate.rds"),
        model("/again", own(), "2026/admission rate.rds"),
        model("/b", foreign, "b.json"),
    ]);
    expand(&mut project, &names(), Path::new("/cache")).unwrap();
    let made: Vec<_> = project.functions.keys().map(String::as_str).collect();
    assert_eq!(made, ["model-admission-rate", "model-b"]);
    let fill = |_: &text::Reference| "p-dev-models-1".to_owned();
    let function = &project.functions["model-admission-rate"];
    assert_eq!(
        function.environment["SQUALL_MODEL"].fill(fill),
        "s3://p-dev-models-1/2026/admission rate.rds"
    );
    assert_eq!(
        function.environment["SQUALL_MODEL_OPTIONS"].fill(fill),
        "threshold=0.5"
    );
    let permissions = function.permissions.iter();
    let permissions: Vec<_> = permissions
        .map(|statement| text::fill_value(statement, &mut |it| fill(it)))
        .collect();
    assert_eq!(
        permissions[0]["Resource"],
        "arn:aws:s3:::p-dev-models-1/2026/admission rate.rds"
    );
    assert_eq!(
        permissions[1]["Condition"]["StringEquals"]["s3:prefix"],
        "2026/admission rate.rds"
    );
    let other = &project.functions["model-b"];
    assert_eq!(
        other.environment["SQUALL_MODEL"].fill(fill),
        "s3://theirs/b.json"
    );
}

#[test]
fn what_an_api_does_not_look_at_its_function_does() {
    let redirect = |path: &str| {
        let target = RouteTarget::Redirect {
            location: "https://example.com/${x}".to_owned(),
            status: 307,
        };
        let mut route = route(path, target);
        route.who.allow = vec!["10.0.0.0/8".to_owned(), "::1".to_owned()];
        route.handling.body_bytes = Some(7);
        route.handling.concurrency = Some(2);
        route
    };
    let open = Route {
        who: Who::default(),
        ..redirect("/open")
    };
    let mut project = project(vec![redirect("/a"), redirect("/b"), open]);
    expand(&mut project, &names(), Path::new("/cache")).unwrap();
    let made: Vec<_> = project.functions.keys().map(String::as_str).collect();
    assert_eq!(made, ["redirect", "redirect-2"]);
    let function = &project.functions["redirect"];
    let value = |name: &str| function.environment[name].fill(|_| String::new());
    assert_eq!(value("SQUALL_REDIRECT"), "https://example.com/${x}");
    assert_eq!(value("SQUALL_REDIRECT_STATUS"), "307");
    assert_eq!(value("SQUALL_ALLOW"), "10.0.0.0/8,::1");
    assert_eq!(value("SQUALL_BODY_BYTES"), "7");
    assert_eq!(function.concurrency, Some(2));
    assert!(function.permissions.is_empty() && function.reads.is_empty());
}

#[test]
fn a_site_is_served_with_all_below_it() {
    let site = |path: &str| {
        let target = RouteTarget::Site {
            objects: Objects {
                bucket: BucketRef::Project("site".to_owned()),
                prefix: "pages/".to_owned(),
            },
            index: "index.html".to_owned(),
            error: Some("404.html".to_owned()),
        };
        route(path, target)
    };
    let mut project = project(vec![site("/"), site("/files/{path+}")]);
    expand(&mut project, &names(), Path::new("/cache")).unwrap();
    let paths: Vec<_> = project.routes.iter().map(|it| it.path.as_str()).collect();
    assert_eq!(paths, ["/", "/files/{path+}", "/{proxy+}"]);
    assert_eq!(project.functions.len(), 1);
    let function = &project.functions["site-site"];
    let bucket = |_: &text::Reference| "b".to_owned();
    assert_eq!(
        function.environment["SQUALL_SITE"].fill(bucket),
        "s3://b/pages/"
    );
    assert_eq!(function.reads[0].prefix, "pages/");
}

#[test]
fn the_binary_is_staged_once() {
    let cache = tempfile::tempdir().unwrap();
    let binary = cache.path().join("squall");
    fs::write(&binary, "one").unwrap();
    let first = stage(cache.path(), &binary).unwrap();
    assert_eq!(fs::read(first.join("bootstrap")).unwrap(), b"one");
    assert_eq!(stage(cache.path(), &binary).unwrap(), first);
    fs::write(&binary, "another").unwrap();
    let second = stage(cache.path(), &binary).unwrap();
    assert_eq!(fs::read(second.join("bootstrap")).unwrap(), b"another");
    assert!(!first.exists());
}
