//! HTTP APIs against a real store: what is refused, what is served when, what is there
//! after a restart.

mod hosts;

use std::collections::BTreeMap;
use std::path::Path;

use store::Durability;

use super::*;
use crate::catalog::Cors;

fn open(folder: &Path) -> (Arc<Store>, HttpApis) {
    let store = Arc::new(Store::open(folder, Durability::Relaxed).unwrap());
    let scope = Scope {
        account: "123456789012".parse().unwrap(),
        region: "us-east-1".parse().unwrap(),
    };
    let apis = HttpApis::open(Arc::clone(&store), scope).unwrap();
    (store, apis)
}

fn named(name: &str) -> NewApi {
    NewApi {
        name: name.to_owned(),
        description: None,
        version: None,
        cors: None,
        is_hidden: false,
        tags: BTreeMap::new(),
        quick: None,
    }
}

fn function(name: &str) -> FunctionTarget {
    FunctionTarget {
        uri: format!("arn:aws:lambda:us-east-1:123456789012:function:{name}"),
        function: name.parse().unwrap(),
        qualifier: None,
        payload: PayloadFormat::V2,
        role: None,
    }
}

fn stage(name: &str, rest: StagePatch) -> NewStage {
    NewStage {
        name: name.parse().unwrap(),
        tags: BTreeMap::new(),
        rest,
    }
}

fn by_itself() -> StagePatch {
    StagePatch {
        deploys_by_itself: Some(true),
        ..StagePatch::default()
    }
}

async fn add(apis: &HttpApis, api: &ApiId, key: &str, name: &str) -> Result<Route, HttpApiError> {
    let new = NewIntegration {
        target: IntegrationTarget::Function(function(name)),
        handling: Handling::default(),
        description: None,
        timeout_ms: None,
    };
    let integration = apis.create_integration(api, new).await?;
    let new = NewRoute {
        key: key.parse().unwrap(),
        target: Some(integration.id),
        operation_name: None,
        key_required: false,
        authorization: AuthorizationPatch::default(),
    };
    apis.create_route(api, new).await
}

/// The function that serves a path, and the stage.
fn served(apis: &HttpApis, api: &ApiId, method: &str, path: &str) -> Option<String> {
    let entry = apis.find(api)?;
    let (stage, below) = entry.stage(path)?;
    let found = stage.find(method, below)?;
    let name = match &found.endpoint.integration.as_ref()?.target {
        IntegrationTarget::Function(target) => target.function.to_string(),
        IntegrationTarget::Map(target) => format!("map {}", target.function),
        IntegrationTarget::Model(target) => format!("model {}", target.key),
        other => format!("{other:?}"),
    };
    Some(format!("{name} {}", stage.stage))
}

#[tokio::test]
async fn a_stage_that_deploys_by_itself_serves_every_change_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (store, apis) = open(folder.path());
    let entry = apis.create_api(named("Features (dev)")).await.unwrap();
    let id = entry.api.id.clone();
    assert_eq!(id.as_str(), "features-dev");
    apis.create_stage(&id, stage("$default", by_itself()))
        .await
        .unwrap();
    assert_eq!(served(&apis, &id, "GET", "/a"), None);
    let route = add(&apis, &id, "GET /a", "f").await.unwrap();
    assert_eq!(served(&apis, &id, "GET", "/a").unwrap(), "f $default");

    store.close().await;
    drop((store, apis));
    let (store, apis) = open(folder.path());
    assert_eq!(served(&apis, &id, "GET", "/a").unwrap(), "f $default");

    apis.delete_route(&id, &route.id).await.unwrap();
    assert_eq!(served(&apis, &id, "GET", "/a"), None);
    apis.delete_api(&id).await.unwrap();
    assert!(apis.find(&id).is_none());
    store.close().await;
    drop((store, apis));
    let (_, apis) = open(folder.path());
    assert!(apis.apis().is_empty());
}

#[tokio::test]
async fn other_stages_serve_what_was_deployed_to_them() {
    let folder = tempfile::tempdir().unwrap();
    let (_store, apis) = open(folder.path());
    let id = apis.create_api(named("a")).await.unwrap().api.id.clone();
    add(&apis, &id, "GET /x", "old").await.unwrap();
    let prod: StageName = "prod".parse().unwrap();
    apis.create_stage(&id, stage("prod", StagePatch::default()))
        .await
        .unwrap();
    assert_eq!(served(&apis, &id, "GET", "/prod/x"), None);
    let first = apis.create_deployment(&id, None, Some(prod.clone()));
    let first = first.await.unwrap();
    assert_eq!(served(&apis, &id, "GET", "/prod/x").unwrap(), "old prod");

    add(&apis, &id, "GET /y", "new").await.unwrap();
    assert_eq!(served(&apis, &id, "GET", "/prod/y"), None);
    let second = apis.create_deployment(&id, None, Some(prod.clone()));
    second.await.unwrap();
    assert_eq!(served(&apis, &id, "GET", "/prod/y").unwrap(), "new prod");
    let back = StagePatch {
        deployment: Some(first.id.clone()),
        ..StagePatch::default()
    };
    apis.update_stage(&id, &prod, back).await.unwrap();
    assert_eq!(served(&apis, &id, "GET", "/prod/y"), None);

    // A path that names no stage is one of the default stage, if there is one.
    assert_eq!(served(&apis, &id, "GET", "/x"), None);
    apis.create_stage(&id, stage("$default", by_itself()))
        .await
        .unwrap();
    assert_eq!(served(&apis, &id, "GET", "/x").unwrap(), "old $default");
    assert_eq!(served(&apis, &id, "GET", "/prod/x").unwrap(), "old prod");

    let refused = apis.delete_deployment(&id, &first.id).await;
    assert!(matches!(refused, Err(HttpApiError::Invalid(_))));
    apis.delete_stage(&id, &prod).await.unwrap();
    apis.delete_deployment(&id, &first.id).await.unwrap();
}

#[tokio::test]
async fn deployments_that_nobody_serves_do_not_pile_up() {
    let folder = tempfile::tempdir().unwrap();
    let (_store, apis) = open(folder.path());
    let id = apis.create_api(named("a")).await.unwrap().api.id.clone();
    apis.create_stage(&id, stage("$default", by_itself()))
        .await
        .unwrap();
    for n in 0..20 {
        add(&apis, &id, &format!("GET /{n}"), "f").await.unwrap();
    }
    let entry = apis.api(&id).unwrap();
    assert_eq!(entry.api.deployments.len(), 11);
    assert_eq!(served(&apis, &id, "GET", "/19").unwrap(), "f $default");
}

#[tokio::test]
async fn a_target_makes_route_and_stage_with_the_api() {
    let folder = tempfile::tempdir().unwrap();
    let (_store, apis) = open(folder.path());
    let quick = QuickCreate {
        key: RouteKey::Default,
        target: function("f"),
    };
    let new = NewApi {
        quick: Some(quick),
        ..named("q")
    };
    let id = apis.create_api(new).await.unwrap().api.id.clone();
    assert_eq!(
        served(&apis, &id, "POST", "/any/thing").unwrap(),
        "f $default"
    );
    let patch = ApiPatch {
        key: Some("GET /only".parse().unwrap()),
        target: Some(function("g")),
        ..ApiPatch::default()
    };
    apis.update_api(&id, patch).await.unwrap();
    assert_eq!(served(&apis, &id, "GET", "/only").unwrap(), "g $default");
    assert_eq!(served(&apis, &id, "POST", "/any/thing"), None);
}

#[tokio::test]
async fn names_may_come_twice_and_keys_may_not() {
    let folder = tempfile::tempdir().unwrap();
    let (_store, apis) = open(folder.path());
    let first = apis.create_api(named("a")).await.unwrap();
    let second = apis.create_api(named("a")).await.unwrap();
    let id = &first.api.id;
    assert_eq!((id.as_str(), second.api.id.as_str().len()), ("a", 10));

    add(&apis, id, "GET /{x}", "f").await.unwrap();
    let again = add(&apis, id, "GET /{y}", "f").await;
    assert!(matches!(again, Err(HttpApiError::Conflict(_))));
    let route = add(&apis, id, "POST /{x}", "f").await.unwrap();
    let same = RoutePatch {
        key: Some("GET /{z}".parse().unwrap()),
        ..RoutePatch::default()
    };
    let refused = apis.update_route(id, &route.id, same).await;
    assert!(matches!(refused, Err(HttpApiError::Conflict(_))));

    let used = route.target.clone().unwrap();
    let refused = apis.delete_integration(id, &used).await;
    assert!(matches!(refused, Err(HttpApiError::Conflict(_))));
    apis.delete_route(id, &route.id).await.unwrap();
    apis.delete_integration(id, &used).await.unwrap();
    let nowhere = NewRoute {
        key: RouteKey::Default,
        target: Some(used),
        operation_name: None,
        key_required: false,
        authorization: AuthorizationPatch::default(),
    };
    let refused = apis.create_route(id, nowhere).await;
    assert!(matches!(refused, Err(HttpApiError::Invalid(_))));
}

#[tokio::test]
async fn rules_for_browsers_are_deployed_like_routes() {
    let folder = tempfile::tempdir().unwrap();
    let (_store, apis) = open(folder.path());
    let id = apis.create_api(named("a")).await.unwrap().api.id.clone();
    apis.create_stage(&id, stage("$default", by_itself()))
        .await
        .unwrap();
    let cors = || {
        let entry = apis.find(&id).unwrap();
        entry.stage("/").unwrap().0.cors.clone()
    };
    assert_eq!(cors(), None);
    let rules = Cors {
        allow_origins: Some(vec!["*".to_owned()]),
        ..Cors::default()
    };
    let patch = ApiPatch {
        cors: Some(rules.clone()),
        ..ApiPatch::default()
    };
    apis.update_api(&id, patch).await.unwrap();
    assert_eq!(cors(), Some(rules));
    apis.delete_cors(&id).await.unwrap();
    assert_eq!(cors(), None);
}
