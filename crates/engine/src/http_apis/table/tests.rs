//! The fast search, beside what is found by definition.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;

use super::super::model::StagePatch;
use super::*;

/// What the search is by definition: all routes in their order, one by one.
fn by_definition(table: &Table, method: &str, path: &str) -> Option<Match> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let segments: Vec<Cow<'_, str>> = path.split('/').map(decode).collect();
    let found = table.all.iter().find_map(|endpoint| {
        let template = path_of(endpoint)?;
        if method_of(endpoint).is_some_and(|own| own != method) {
            return None;
        }
        Some(Match {
            endpoint: Arc::clone(endpoint),
            variables: fit(template.segments(), &segments)?,
        })
    });
    found.or_else(|| table.default.as_ref().map(Match::plain))
}

fn fit(template: &[Segment], segments: &[Cow<'_, str>]) -> Option<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for (at, part) in template.iter().enumerate() {
        let segment = segments.get(at)?;
        match part {
            Segment::Literal(text) if decode(text) == *segment => {}
            Segment::Literal(_) => return None,
            Segment::Variable(_) | Segment::Greedy(_) if segment.is_empty() => return None,
            Segment::Variable(name) => {
                found.insert(name.clone(), segment.clone().into_owned());
            }
            Segment::Greedy(name) => {
                found.insert(name.clone(), segments[at..].join("/"));
                return Some(found);
            }
        }
    }
    (template.len() == segments.len()).then_some(found)
}

/// Few words, so that routes and paths meet often.
fn key() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        "[ab]",
        Just("%61".to_owned()),
        Just("a%2Fb".to_owned()),
        Just("a%252Fb".to_owned()),
        Just("{v}".to_owned())
    ];
    let last = prop_oneof![
        "",
        "[ab]",
        Just("a/".to_owned()),
        Just("{w}".to_owned()),
        Just("{w+}".to_owned())
    ];
    let path = (prop::collection::vec(segment, 0..3), last).prop_filter_map(
        "each variable once",
        |(mut segments, last)| {
            for (at, segment) in segments.iter_mut().enumerate() {
                if segment == "{v}" {
                    *segment = format!("{{v{at}}}");
                }
            }
            segments.push(last);
            Some(format!("/{}", segments.join("/")))
        },
    );
    let method = prop_oneof![Just("GET"), Just("POST"), Just("ANY")];
    prop_oneof![
        9 => (method, path).prop_map(|(method, path)| format!("{method} {path}")),
        1 => Just("$default".to_owned()),
    ]
}

#[test]
fn keys_alone_are_enough_to_find_a_route() {
    let keys = [
        "ANY /results/{id}",
        "GET /results/last",
        "POST /only",
        "ANY /results/{all+}",
    ];
    let chosen = |path: &str| {
        let keys = keys.iter().map(|key| key.parse().unwrap());
        choose(keys, "GET", path).map(|key| key.to_string())
    };
    for (path, key) in [
        ("/results/7", Some("ANY /results/{id}")),
        ("/results/last", Some("GET /results/last")),
        ("/results/7/page", Some("ANY /results/{all+}")),
        ("/only", None),
        ("/", None),
    ] {
        assert_eq!(chosen(path).as_deref(), key, "{path}");
    }
}

proptest! {
    /// The fast search finds what is found by definition, and methods are told for
    /// just those paths that some method has a route for.
    #[test]
    fn the_tree_finds_what_the_list_does(
        keys in prop::collection::vec(key(), 0..12),
        paths in prop::collection::vec("(/?(a|b|%61|a%2Fb|a%252Fb|%2561|c|%|)){0,4}", 12),
    ) {
        let mut distinct: Vec<RouteKey> = Vec::new();
        for key in keys.iter().filter_map(|key| key.parse::<RouteKey>().ok()) {
            if !distinct.iter().any(|other| other.is_same(&key)) {
                distinct.push(key);
            }
        }
        let keys: Vec<String> = distinct.iter().map(RouteKey::to_string).collect();
        let table = table(&keys.iter().map(String::as_str).collect::<Vec<_>>());
        for path in &paths {
            let mut methods = Vec::new();
            for method in ["GET", "POST", "PUT"] {
                let expected = by_definition(&table, method, path);
                prop_assert_eq!(&table.find(method, path), &expected, "{} {}", method, path);
                let key = expected.map(|found| found.endpoint.route.key.clone());
                if key.is_some_and(|key| key != RouteKey::Default) {
                    methods.push(method);
                }
            }
            let told = table.methods(path);
            let told: Vec<&str> = told.iter().map(Method::as_str).collect();
            if methods.contains(&"PUT") {
                prop_assert_eq!(told.len(), METHODS.len());
            } else {
                prop_assert_eq!(told, methods);
            }
        }
    }

    /// Whatever stands for a variable comes out of the path as it was put in, and
    /// no more specific route is passed over for it.
    #[test]
    fn variables_are_what_was_put_in_their_places(
        id in "\\PC{1,8}|[a-z/%?#.+ ]{1,8}",
        rest in prop::collection::vec("[a-z% ]{1,4}", 1..4),
    ) {
        let table = table(&["GET /x/{id}/{rest+}", "GET /x/{id}", "$default"]);
        let code = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let short = format!("/x/{}", code(&id));
        prop_assert_eq!(found(&table, "GET", &short), Some(format!("GET /x/{{id}} id={id}")));
        let coded: Vec<String> = rest.iter().map(|part| code(part)).collect();
        let long = format!("{short}/{}", coded.join("/"));
        let expected = format!("GET /x/{{id}}/{{rest+}} id={id} rest={}", rest.join("/"));
        prop_assert_eq!(found(&table, "GET", &long), Some(expected));
    }

    #[test]
    fn no_path_breaks_the_search(path in "[/a%2F.{}\\x00-\\xff]{0,30}") {
        let table = table(&["GET /{a}/{rest+}", "GET /a", "GET /"]);
        let _ = found(&table, "GET", &path);
    }
}

fn table(keys: &[&str]) -> Table {
    let routes = keys.iter().enumerate().map(|(at, key)| {
        let id: super::super::PartId = format!("r{at}").parse().unwrap();
        let route = Route {
            id: id.clone(),
            key: key.parse().unwrap(),
            target: None,
            operation_name: None,
            key_required: false,
            authorization: Authorization::Open,
            managed: false,
        };
        (id, route)
    });
    let snapshot = Snapshot {
        routes: routes.collect(),
        ..Snapshot::default()
    };
    Table::new(&snapshot, &stage())
}

fn stage() -> Stage {
    let name = "s".parse().unwrap();
    Stage::new(name, BTreeMap::new(), StagePatch::default())
}

fn found(table: &Table, method: &str, path: &str) -> Option<String> {
    let found = table.find(method, path)?;
    let mut words = vec![found.endpoint.route.key.to_string()];
    let variables = found.variables.into_iter();
    words.extend(variables.map(|(name, value)| format!("{name}={value}")));
    Some(words.join(" "))
}

#[test]
fn the_most_specific_route_is_found_whatever_the_order() {
    let mut keys = vec![
        "$default",
        "ANY /{proxy+}",
        "GET /pets/{rest+}",
        "GET /pets/dog/{id}",
        "GET /pets/dog/1",
        "ANY /pets/dog/1",
        "POST /pets/{kind}/1",
        "GET /",
    ];
    for _ in 0..keys.len() {
        keys.rotate_left(1);
        let table = table(&keys);
        for (method, path, expected) in [
            ("GET", "/pets/dog/1", "GET /pets/dog/1"),
            ("PUT", "/pets/dog/1", "ANY /pets/dog/1"),
            // A literal path with any method says more than a variable.
            ("POST", "/pets/dog/1", "ANY /pets/dog/1"),
            ("POST", "/pets/cat/1", "POST /pets/{kind}/1 kind=cat"),
            ("GET", "/pets/dog/2", "GET /pets/dog/{id} id=2"),
            ("GET", "/pets/cat/1", "GET /pets/{rest+} rest=cat/1"),
            ("POST", "/test/5", "ANY /{proxy+} proxy=test/5"),
            ("GET", "/", "GET /"),
            ("POST", "/", "$default"),
            ("GET", "/pets/", "ANY /{proxy+} proxy=pets/"),
        ] {
            let found = found(&table, method, path);
            assert_eq!(found.as_deref(), Some(expected), "{method} {path}");
        }
    }
}

#[test]
fn nothing_fits_where_nothing_is() {
    let table = table(&["GET /a", "POST /b/{id}", "GET /c/{rest+}"]);
    for (method, path) in [
        ("POST", "/a"),
        ("GET", "/a/"),
        ("GET", "/A"),
        ("GET", "/a/b"),
        ("POST", "/b/"),
        ("POST", "/b"),
        ("GET", "/c"),
        ("GET", "/c/"),
        ("GET", "/"),
        ("GET", "//a"),
    ] {
        assert_eq!(found(&table, method, path), None, "{method} {path}");
    }
    let empty = Table::new(&Snapshot::default(), &stage());
    assert_eq!(found(&empty, "GET", "/"), None);
}

#[test]
fn methods_are_told_of_a_path() {
    let keys = [
        "GET /a",
        "POST /a",
        "PUT /{x}",
        "DELETE /a/{x+}",
        "ANY /any",
        "$default",
    ];
    let table = table(&keys);
    for (path, expected) in [
        ("/a", "GET POST PUT"),
        ("/%61", "GET POST PUT"),
        ("/b", "PUT"),
        ("/a/b/c", "DELETE"),
        ("/any", "DELETE GET HEAD OPTIONS PATCH POST PUT"),
        ("/", ""),
        ("/b/c", ""),
    ] {
        let methods = table.methods(path);
        let methods: Vec<&str> = methods.iter().map(Method::as_str).collect();
        assert_eq!(methods.join(" "), expected, "{path}");
    }
}

#[test]
fn segments_are_decoded_after_they_were_cut() {
    let table = table(&["GET /a%20b/{id}", "GET /f/{rest+}"]);
    let found = |path| found(&table, "GET", path);
    assert_eq!(
        found("/a%20b/x%2Fy%3F").as_deref(),
        Some("GET /a%20b/{id} id=x/y?")
    );
    assert_eq!(
        found("/f/x%20y/%C3%A4").as_deref(),
        Some("GET /f/{rest+} rest=x y/ä")
    );
    // A code of a code is no slash.
    let table = self::table(&["GET /a%2Fb", "GET /c%252Fd"]);
    let found = |path| self::found(&table, "GET", path);
    assert_eq!(found("/%61%2fb").as_deref(), Some("GET /a%2Fb"));
    assert_eq!(found("/%63%252Fd").as_deref(), Some("GET /c%252Fd"));
    for path in ["/a%252Fb", "/c%2Fd", "/a/b", "/c/d"] {
        assert_eq!(found(path), None, "{path}");
    }
}

#[test]
fn what_is_no_text_is_a_value_like_any_other() {
    let table = table(&["GET /f/{rest+}"]);
    let found = |path| found(&table, "GET", path);
    assert!(found("/f/%ff").is_some());
    assert!(found("/f/%").is_some());
}
