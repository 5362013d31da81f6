//! Domains and their mappings, and what stages give to the gateway besides routes.

use proptest::prelude::*;

use super::*;

async fn with_stages(apis: &HttpApis) -> ApiId {
    let id = apis.create_api(named("a")).await.unwrap().api.id.clone();
    for name in ["$default", "dev"] {
        apis.create_stage(&id, stage(name, by_itself()))
            .await
            .unwrap();
    }
    id
}

async fn domain(apis: &HttpApis, name: &str) {
    let new = NewDomain {
        name: name.parse().unwrap(),
        certificate: None,
        tags: BTreeMap::new(),
    };
    apis.create_domain(new).await.unwrap();
}

fn mapping(api: &ApiId, stage: &str, key: &str) -> NewMapping {
    NewMapping {
        api: api.clone(),
        stage: stage.parse().unwrap(),
        key: key.to_owned(),
    }
}

#[tokio::test]
async fn a_host_finds_its_own_domain_before_one_for_all_names() {
    let folder = tempfile::tempdir().unwrap();
    let (store, apis) = open(folder.path());
    assert!(apis.domain("api.example.com").is_none());
    for name in [
        "api.example.com",
        "*.example.com",
        "*.eu.example.com",
        "other.org",
    ] {
        domain(&apis, name).await;
    }
    let check = |apis: &HttpApis| {
        for (host, expected) in [
            ("api.example.com", Some("api.example.com")),
            ("API.Example.com:8080", Some("api.example.com")),
            ("api.example.com.", Some("api.example.com")),
            ("b.example.com", Some("*.example.com")),
            ("a.b.example.com:80", Some("*.example.com")),
            ("a.eu.example.com", Some("*.eu.example.com")),
            ("eu.example.com", Some("*.example.com")),
            ("example.com", None),
            (".example.com", None),
            ("*.example.com", Some("*.example.com")),
            ("badexample.com", None),
            ("other.org", Some("other.org")),
            ("a.other.org", None),
            ("", None),
            (":", None),
            ("[::1]:80", None),
        ] {
            let found = apis.domain(host);
            let name = found.as_ref().map(|domain| domain.name.as_str());
            assert_eq!(name, expected, "{host}");
        }
    };
    check(&apis);
    store.close().await;
    drop((store, apis));
    let (_store, apis) = open(folder.path());
    check(&apis);
    apis.delete_domain("*.eu.example.com").await.unwrap();
    let found = apis.domain("a.eu.example.com").unwrap();
    assert_eq!(found.name.as_str(), "*.example.com");
}

#[tokio::test]
async fn the_longest_key_takes_a_path_and_ends_where_a_segment_does() {
    let folder = tempfile::tempdir().unwrap();
    let (_store, apis) = open(folder.path());
    let id = with_stages(&apis).await;
    domain(&apis, "example.com").await;
    for key in ["orders", "orders/v1", "v1"] {
        let new = mapping(&id, "dev", key);
        apis.create_mapping("example.com", new).await.unwrap();
    }
    let check = |path: &str, expected: Option<(&str, &str)>| {
        let domain = apis.domain("example.com").unwrap();
        let found = domain.mapping(path);
        let found = found.map(|(mapping, below)| (mapping.key.as_str(), below));
        assert_eq!(found, expected, "{path}");
    };
    check("/orders/v1/7", Some(("orders/v1", "/7")));
    check("/orders/v1", Some(("orders/v1", "/")));
    check("/orders/v1/", Some(("orders/v1", "/")));
    check("/orders/v10", Some(("orders", "/v10")));
    check("/orders", Some(("orders", "/")));
    check("/v1//x", Some(("v1", "//x")));
    for path in ["/", "", "/order", "/ordersx", "v1", "/V1", "//v1"] {
        check(path, None);
    }
    let all = mapping(&id, "$default", "");
    apis.create_mapping("example.com", all).await.unwrap();
    check("/ordersx", Some(("", "/ordersx")));
    check("/", Some(("", "/")));
    check("/v1/x", Some(("v1", "/x")));
}

proptest! {
    /// What lies below is the end of the path, and begins where a segment does.
    #[test]
    fn what_a_key_takes_and_leaves_is_the_path(
        keys in prop::collection::btree_set("([ab]/){0,2}[ab]|", 0..5),
        path in "(/[ab]{0,2}){1,4}",
    ) {
        let domain = Domain {
            name: "example.com".parse().unwrap(),
            certificate: None,
            created: types::Timestamp::now(),
            tags: BTreeMap::new(),
            mappings: keys.iter().enumerate().map(|(at, key)| {
                let id: PartId = format!("m{at}").parse().unwrap();
                let mapping = Mapping {
                    id: id.clone(),
                    api: "a".parse().unwrap(),
                    stage: "dev".parse().unwrap(),
                    key: key.clone(),
                };
                (id, mapping)
            }).collect(),
        };
        let segments: Vec<&str> = path[1..].split('/').collect();
        let fits = |key: &&String| {
            key.is_empty() || key.split('/').zip(&segments).filter(|(a, b)| a == *b).count()
                == key.split('/').count()
        };
        let expected = keys.iter().filter(fits).max_by_key(|key| key.len());
        let found = domain.mapping(&path);
        prop_assert_eq!(found.map(|(mapping, _)| &mapping.key), expected);
        if let Some((mapping, below)) = found {
            let whole = match mapping.key.as_str() {
                "" => below.to_owned(),
                key => format!("/{key}{below}"),
            };
            prop_assert!(whole == path || whole.strip_suffix('/') == Some(path.as_str()));
        }
    }
}

#[tokio::test]
async fn what_a_domain_leads_to_stays_while_it_does() {
    let folder = tempfile::tempdir().unwrap();
    let (_store, apis) = open(folder.path());
    let id = with_stages(&apis).await;
    domain(&apis, "example.com").await;
    let dev: StageName = "dev".parse().unwrap();
    let new = mapping(&id, "dev", "");
    let mapping = apis.create_mapping("example.com", new).await.unwrap();
    assert!(apis.delete_stage(&id, &dev).await.is_err());
    assert!(apis.delete_api(&id).await.is_err());
    let moved = MappingPatch {
        stage: Some("$default".parse().unwrap()),
        ..MappingPatch::default()
    };
    let moved = apis.update_mapping("example.com", &mapping.id, moved);
    assert_eq!(moved.await.unwrap().stage.as_str(), "$default");
    apis.delete_stage(&id, &dev).await.unwrap();
    assert!(apis.delete_api(&id).await.is_err());
    apis.delete_domain("example.com").await.unwrap();
    apis.delete_api(&id).await.unwrap();
}

fn settings(rate: Option<f64>, burst: Option<i64>) -> RouteSettings {
    RouteSettings {
        throttling_rate_limit: rate,
        throttling_burst_limit: burst,
        ..RouteSettings::default()
    }
}

#[tokio::test]
async fn a_route_is_throttled_by_its_own_settings_first() {
    let folder = tempfile::tempdir().unwrap();
    let (_store, apis) = open(folder.path());
    let id = with_stages(&apis).await;
    for key in ["GET /own", "GET /part", "GET /other", "$default"] {
        add(&apis, &id, key, "f").await.unwrap();
    }
    let throttle = |path: &str| {
        let entry = apis.find(&id).unwrap();
        let (stage, below) = entry.stage(path).unwrap();
        let throttle = stage.find("GET", below).unwrap().endpoint.throttle;
        throttle.map(|Throttle { rate, burst }| (rate, burst))
    };
    assert_eq!(throttle("/own"), None);
    let own = [
        ("GET /own", settings(Some(1.5), Some(3))),
        ("GET /part", settings(Some(2.5), None)),
    ];
    let own = own.map(|(key, settings)| (key.to_owned(), settings));
    let name: StageName = "$default".parse().unwrap();
    let patch = StagePatch {
        route_settings: Some(own.into()),
        ..StagePatch::default()
    };
    apis.update_stage(&id, &name, patch).await.unwrap();
    assert_eq!(throttle("/own"), Some((1.5, 3)));
    assert_eq!(throttle("/part"), Some((2.5, 3)));
    assert_eq!(throttle("/other"), None);
    let patch = StagePatch {
        default_settings: Some(settings(Some(100.0), Some(0))),
        ..StagePatch::default()
    };
    apis.update_stage(&id, &name, patch).await.unwrap();
    assert_eq!(throttle("/own"), Some((1.5, 3)));
    assert_eq!(throttle("/part"), Some((2.5, 0)));
    assert_eq!(throttle("/other"), Some((100.0, 0)));
    assert_eq!(throttle("/anything"), Some((100.0, 0)));
    // Other stages have their own.
    assert_eq!(throttle("/dev/own"), None);
    let deleted = apis.delete_route_settings(&id, &name, "GET /own");
    deleted.await.unwrap();
    assert_eq!(throttle("/own"), Some((100.0, 0)));
}

/// The gateway keeps things by what is served: caches, limits.
#[tokio::test]
async fn what_is_served_is_the_same_object_until_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let (_store, apis) = open(folder.path());
    let id = with_stages(&apis).await;
    let name: StageName = "$default".parse().unwrap();
    let served = || Arc::clone(apis.find(&id).unwrap().served(&name).unwrap());
    let first = served();
    assert_eq!(first.docs, Docs::Everybody);
    let tag = |key: &str, value: &str| [(key.to_owned(), value.to_owned())].into();
    let of = Tagged::Api(id.clone());
    apis.tag(&of, tag("a", "1")).await.unwrap();
    apis.delete_stage(&id, &"dev".parse().unwrap())
        .await
        .unwrap();
    assert!(Arc::ptr_eq(&first, &served()));

    apis.tag(&of, tag("squall:docs", "off")).await.unwrap();
    let second = served();
    assert!(!Arc::ptr_eq(&first, &second) && second.docs.is_off());
    apis.renew_stage(&id, &name).await.unwrap();
    let third = served();
    assert!(!Arc::ptr_eq(&second, &third));
    add(&apis, &id, "GET /a", "f").await.unwrap();
    assert!(!Arc::ptr_eq(&third, &served()));
}
