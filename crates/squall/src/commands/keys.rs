//! `squall keys`: API keys, made, listed, rotated and revoked over API Gateway's protocol, or,
//! with `--to aws`, where deployments to AWS look for them ([`aws`]).

mod aws;

use std::collections::BTreeMap;

use aws_client::Origin;
use aws_wire::form;
use engine::api_keys::{EXPIRES, OWNER, ROUTES, covers};
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use types::Timestamp;

use crate::apis::{self, Place, Route, STAGE};
use crate::args::{Global, KeysAction, KeysArgs, PlaceArg, ProjectArgs};
use crate::client::{self, Client};
use crate::deployment;
use crate::failure::{Failure, Kind};
use crate::output::{self, Table};
use crate::span;

const PAGE: usize = 500;
/// A hundred years: what is more is a slip of the hand.
const LONGEST: u64 = 100 * 366 * 86_400;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Key {
    pub id: String,
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    enabled: bool,
    #[serde(default)]
    created_date: f64,
    #[serde(default)]
    stage_keys: Vec<String>,
    customer_id: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    /// Only of one that was just made.
    value: Option<String>,
}

pub async fn run(global: &Global, args: KeysArgs) -> Result<(), Failure> {
    let project = args.place().clone();
    if project.to == PlaceArg::Aws {
        return aws::run(global, args.action, &project).await;
    }
    of_engine(&project)?;
    let client = client::find(global)?;
    match args.action {
        None | Some(KeysAction::List { .. }) => list(global, &client).await,
        Some(KeysAction::Create {
            name,
            route,
            api,
            expires,
            ..
        }) => {
            let end = expires.as_deref().map(moment).transpose()?;
            check_paths(&route)?;
            let places = places(&client, &api).await?;
            check_routes(&client, &route, &places).await?;
            let body = wish(&name, &route, &places, end);
            let key = create(&client, &body).await?;
            show_new(global, &key, None)
        }
        Some(KeysAction::Rotate { key, overlap, .. }) => {
            rotate(global, &client, &key, &overlap).await
        }
        Some(KeysAction::Revoke { keys, yes, .. }) => revoke(global, &client, &keys, yes).await,
    }
}

/// Keys of an engine are its own, not those of a project.
fn of_engine(project: &ProjectArgs) -> Result<(), Failure> {
    let odd = [
        ("stage", &project.stage),
        ("profile", &project.profile),
        ("region", &project.region),
    ];
    match odd.iter().find(|(_, value)| value.is_some()) {
        None => Ok(()),
        Some((name, _)) => {
            let message =
                format!("--{name} goes with --to aws: keys of an engine are for all APIs");
            Err(Failure::mistake(message).hint("--api API makes a key for one of them"))
        }
    }
}

/// HTTP APIs of AWS count nobody's calls: a plan there would bound nothing.
pub(super) fn counted_at(place: PlaceArg) -> Result<(), Failure> {
    match place {
        PlaceArg::Local => Ok(()),
        PlaceArg::Aws => {
            let message = "HTTP APIs of AWS count no calls by key, so there are no plans, quotas and usage there";
            Err(Failure::mistake(message)
                .hint("rate and burst of a route in squall.toml bound all of its callers together"))
        }
    }
}

/// The stages of APIs that are named. AWS has APIs of other kinds besides, and says itself
/// which are not there.
pub(super) async fn places(client: &Client, named: &[String]) -> Result<Vec<Place>, Failure> {
    if named.is_empty() {
        return Ok(Vec::new());
    }
    if is_aws(client) {
        let read = |api: &String| {
            let (api, stage) = api.split_once('/').unwrap_or((api, STAGE));
            Place {
                api: api.to_owned(),
                stage: stage.to_owned(),
            }
        };
        return Ok(named.iter().map(read).collect());
    }
    let all = apis::all(client).await?;
    let mut places = Vec::new();
    for named in named {
        places.push(apis::place(client, &all, named).await?);
    }
    Ok(places)
}

fn is_aws(client: &Client) -> bool {
    client.endpoint("apigateway").origin == Origin::Aws
}

fn check_paths(routes: &[String]) -> Result<(), Failure> {
    let is_path =
        |route: &String| (route.starts_with('/') || route == STAGE) && !route.contains(' ');
    match routes.iter().find(|route| !is_path(route)) {
        None => Ok(()),
        Some(route) => {
            let message = format!("{route:?} is no path of a route");
            Err(Failure::mistake(message).hint("use it as squall.toml has it: /admission"))
        }
    }
}

/// A key for a route that is not there, or asks for none, would never be asked for.
async fn check_routes(client: &Client, paths: &[String], places: &[Place]) -> Result<(), Failure> {
    if paths.is_empty() || is_aws(client) {
        return Ok(());
    }
    let named: Vec<String> = if places.is_empty() {
        let all = apis::all(client).await?;
        all.into_iter().map(|api| api.api_id).collect()
    } else {
        places.iter().map(|place| place.api.clone()).collect()
    };
    let mut routes = Vec::new();
    for api in &named {
        routes.extend(apis::routes(client, api).await?);
    }
    for path in paths {
        asks(path, &routes)?;
    }
    Ok(())
}

/// Whether a route of the path asks for keys.
fn asks(path: &str, routes: &[Route]) -> Result<(), Failure> {
    let mut of_path = routes.iter().filter(|route| covers(path, route.path()));
    let mut is_there = false;
    if of_path.any(|route| {
        is_there = true;
        route.api_key_required
    }) {
        return Ok(());
    }
    if is_there {
        let message = format!("the route {path} asks for no key");
        return Err(Failure::mistake(message)
            .hint("say key = true in its [[routes]] of squall.toml, and squall deploy"));
    }
    let asking = routes.iter().filter(|route| route.api_key_required);
    let asking: Vec<String> = asking.map(|route| route.path().to_owned()).collect();
    let failure = Failure::mistake(format!("there is no route {path}"));
    Err(failure.hint(if asking.is_empty() {
        "no route asks for keys yet: say key = true in its [[routes]] of squall.toml".to_owned()
    } else {
        format!("routes that ask for keys: {}", apis::shown(asking))
    }))
}

fn wish(name: &str, routes: &[String], places: &[Place], end: Option<String>) -> Value {
    let mut tags = BTreeMap::new();
    if !routes.is_empty() {
        tags.insert(ROUTES, routes.join(" "));
    }
    tags.extend(end.map(|end| (EXPIRES, end)));
    let stages = places
        .iter()
        .map(|place| json!({ "restApiId": place.api, "stageName": place.stage }));
    json!({
        "name": name,
        "enabled": true,
        "stageKeys": stages.collect::<Vec<_>>(),
        "tags": tags,
    })
}

/// The moment that is a span of time away from now.
fn moment(span: &str) -> Result<String, Failure> {
    let seconds = match span {
        "0" | "0s" => Some(0),
        _ => span::seconds(span),
    };
    let seconds = seconds.filter(|seconds| *seconds <= LONGEST);
    let millis = seconds.and_then(|seconds| i64::try_from(seconds.checked_mul(1000)?).ok());
    let millis = millis.ok_or_else(|| {
        Failure::mistake(format!("{span:?} is no span of time")).hint("such as 30m, 24h or 90d")
    })?;
    Ok(Timestamp::now().plus_millis(millis).rfc3339())
}

async fn create(client: &Client, body: &Value) -> Result<Key, Failure> {
    read(call(client, Method::POST, "/apikeys", Some(body)).await?)
}

fn show_new(global: &Global, key: &Key, replaced: Option<&str>) -> Result<(), Failure> {
    let value = key.value.as_deref().unwrap_or_default();
    if global.json {
        let mut shown = json!({ "id": key.id, "name": key.name, "key": value });
        if let Some(end) = key.tags.get(EXPIRES) {
            shown["expires"] = end.as_str().into();
        }
        if let Some(replaced) = replaced {
            shown["replaces"] = replaced.into();
        }
        output::json(&shown)?;
        return Ok(());
    }
    output::line(value)?;
    output::note(&format!(
        "this is the key {}; it is not shown again. Calls bring it in the header x-api-key",
        key.name
    ));
    Ok(())
}

async fn list(global: &Global, client: &Client) -> Result<(), Failure> {
    let keys = all(client).await?;
    if global.json {
        let shown: Vec<Value> = keys.iter().map(described).collect();
        output::json(&shown)?;
        return Ok(());
    }
    if keys.is_empty() {
        output::note("no keys yet: squall keys create --name NAME makes one");
        return Ok(());
    }
    let now = Timestamp::now();
    output::bytes(table(&keys, now).render().as_bytes())?;
    Ok(())
}

fn table(keys: &[Key], now: Timestamp) -> Table {
    let mut table = Table::new(&["KEY", "ID", "FOR", "STATE", "EXPIRES", ">AGE"]);
    for key in keys {
        let age = u64::try_from(now.0 - key.created().0).unwrap_or(0);
        let end = key.tags.get(EXPIRES);
        let is_over = end.is_some_and(|end| *end <= now.rfc3339());
        let state = match (key.enabled, is_over) {
            (false, _) => "disabled",
            (true, true) => "expired",
            (true, false) => "enabled",
        };
        table.row([
            key.name.clone(),
            key.id.clone(),
            key.scope(),
            state.to_owned(),
            end.map_or_else(|| "never".to_owned(), |end| short(end)),
            output::age(age),
        ]);
    }
    table
}

/// A moment to the minute.
fn short(moment: &str) -> String {
    moment
        .get(..16)
        .map_or_else(|| moment.to_owned(), |text| text.replace('T', " "))
}

fn described(key: &Key) -> Value {
    json!({
        "id": key.id,
        "name": key.name,
        "enabled": key.enabled,
        "created": key.created().rfc3339(),
        "expires": key.tags.get(EXPIRES),
        "routes": key.routes(),
        "apis": key.stage_keys,
    })
}

impl Key {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a time in milliseconds is a whole number here"
    )]
    fn created(&self) -> Timestamp {
        Timestamp((self.created_date * 1000.0) as i64)
    }

    fn routes(&self) -> Vec<&str> {
        let routes = self.tags.get(ROUTES);
        routes.map_or_else(Vec::new, |routes| routes.split(' ').collect())
    }

    fn scope(&self) -> String {
        let apis = self.stage_keys.iter();
        let apis = apis.map(|stage| stage.strip_suffix("/$default").unwrap_or(stage));
        let parts: Vec<&str> = apis.chain(self.routes()).collect();
        if parts.is_empty() {
            "all routes".to_owned()
        } else {
            parts.join(" ")
        }
    }
}

/// The new key has the name, the scope, the end and the plans of the old one, and what
/// belongs to the old one is its own.
async fn rotate(
    global: &Global,
    client: &Client,
    named: &str,
    overlap: &str,
) -> Result<(), Failure> {
    let end = moment(overlap)?;
    let old = one(all(client).await?, named)?;
    let stages = old.stage_keys.iter().filter_map(|key| {
        let (api, stage) = key.split_once('/')?;
        Some(json!({ "restApiId": api, "stageName": stage }))
    });
    let mut tags = old.tags.clone();
    tags.entry(OWNER.to_owned())
        .or_insert_with(|| old.id.clone());
    let mut body = json!({
        "name": old.name,
        "enabled": true,
        "stageKeys": stages.collect::<Vec<_>>(),
        "tags": tags,
    });
    if let Some(customer) = &old.customer_id {
        body["customerId"] = customer.as_str().into();
    }
    let new = create(client, &body).await?;
    // Before anybody sees it: outside of its plans it would be without bounds.
    join_plans(client, &old.id, &new.id).await?;
    // An end that was set before may be the earlier one.
    let earlier = old.tags.get(EXPIRES).filter(|before| **before < end);
    let arn = format!(
        "arn:aws:apigateway:{}::/apikeys/{}",
        client.region(),
        old.id
    );
    let target = format!("/tags/{}", form::encode(&arn));
    let body = json!({ "tags": { EXPIRES: earlier.unwrap_or(&end) } });
    call(client, Method::PUT, &target, Some(&body)).await?;
    show_new(global, &new, Some(&old.id))?;
    if !global.json {
        let until = earlier.unwrap_or(&end);
        output::note(&if *until > Timestamp::now().rfc3339() {
            format!("the old one, {}, is good until {}", old.id, short(until))
        } else {
            format!("the old one, {}, is good no longer", old.id)
        });
    }
    Ok(())
}

/// Puts a key into the plans of another one.
async fn join_plans(client: &Client, old: &str, new: &str) -> Result<(), Failure> {
    let target = format!("/usageplans?keyId={}&limit={PAGE}", form::encode(old));
    let page = call(client, Method::GET, &target, None).await?;
    let plans = page["item"].as_array().into_iter().flatten();
    for plan in plans.filter_map(|plan| plan["id"].as_str()) {
        let target = format!("/usageplans/{plan}/keys");
        let body = json!({ "keyId": new, "keyType": "API_KEY" });
        call(client, Method::POST, &target, Some(&body)).await?;
    }
    Ok(())
}

async fn revoke(
    global: &Global,
    client: &Client,
    named: &[String],
    yes: bool,
) -> Result<(), Failure> {
    let mut gone = Vec::new();
    for named in named {
        // All of a name: who revokes a key means also the one that it replaced.
        let of_name = |key: &Key| key.id == *named || key.name == *named;
        let found: Vec<Key> = all(client).await?.into_iter().filter(of_name).collect();
        if found.is_empty() {
            return Err(no_key(named));
        }
        gone.extend(found);
    }
    let shown: Vec<String> = gone
        .iter()
        .map(|key| format!("{} ({})", key.name, key.id))
        .collect();
    deployment::confirm(global, &format!("the keys {}", shown.join(", ")), yes)?;
    for key in &gone {
        let target = format!("/apikeys/{}", key.id);
        match client
            .rest_json("apigateway", Method::DELETE, &target, None)
            .await
        {
            Err(error) if error.is_missing() => {}
            other => drop(other.map_err(deployment::failed_call)?),
        }
    }
    if global.json {
        let ids: Vec<&str> = gone.iter().map(|key| key.id.as_str()).collect();
        output::json(&json!({ "revoked": ids }))?;
    } else {
        output::note(&format!("revoked {}", shown.join(", ")));
    }
    Ok(())
}

/// The newest key of a name, or that with the id.
pub(super) fn one(keys: Vec<Key>, named: &str) -> Result<Key, Failure> {
    let found = keys
        .into_iter()
        .rfind(|key| key.id == named || key.name == named);
    found.ok_or_else(|| no_key(named))
}

fn no_key(named: &str) -> Failure {
    Failure::mistake(format!("there is no key {named:?}")).hint("squall keys lists what is there")
}

/// In the order in which they were made.
pub(super) async fn all(client: &Client) -> Result<Vec<Key>, Failure> {
    let mut keys = vec![];
    let mut position = String::new();
    loop {
        let target = format!("/apikeys?limit={PAGE}{position}");
        let mut page = call(client, Method::GET, &target, None).await?;
        let items = page["item"].take();
        let items = items.as_array().into_iter().flatten();
        for item in items {
            keys.push(read(item.clone())?);
        }
        match page["position"].as_str() {
            Some(next) => position = format!("&position={}", form::encode(next)),
            None => return Ok(keys),
        }
    }
}

fn read(key: Value) -> Result<Key, Failure> {
    let key = serde_json::from_value(key);
    key.map_err(|error| {
        Failure::new(
            Kind::Bug,
            anyhow::anyhow!("an API key cannot be read: {error}"),
        )
    })
}

pub(super) async fn call(
    client: &Client,
    method: Method,
    target: &str,
    body: Option<&Value>,
) -> Result<Value, Failure> {
    let answer = client.rest_json("apigateway", method, target, body).await;
    answer.map_err(deployment::failed_call)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_row() {
        let keys = json!([
            {"id": "abc", "name": "page", "enabled": true, "createdDate": 60, "stageKeys": []},
            {"id": "def", "name": "lab", "enabled": true, "createdDate": 0,
             "stageKeys": ["r-model-dev/$default"],
             "tags": {"squall:routes": "/admission", "squall:expires": "1970-01-01T00:01:00.000Z"}},
        ]);
        let keys: Vec<Key> = serde_json::from_value(keys).unwrap();
        assert_eq!(
            table(&keys, Timestamp(120_000)).render(),
            "\
KEY   ID   FOR                     STATE    EXPIRES           AGE
page  abc  all routes              enabled  never              1m
lab   def  r-model-dev /admission  expired  1970-01-01 00:01   2m
"
        );
    }

    #[test]
    fn a_wish_says_routes_and_apis() {
        let routes = ["/a".to_owned(), "/b".to_owned()];
        let place = |api: &str, stage: &str| Place {
            api: api.to_owned(),
            stage: stage.to_owned(),
        };
        let body = wish(
            "n",
            &routes,
            &[place("api", STAGE), place("x", "dev")],
            None,
        );
        assert_eq!(body["tags"][ROUTES], "/a /b");
        assert_eq!(body["stageKeys"][0]["stageName"], STAGE);
        assert_eq!(body["stageKeys"][1]["stageName"], "dev");
        assert!(check_paths(&routes).is_ok());
        assert!(check_paths(&["a".to_owned()]).is_err());
        assert!(moment("soon").is_err());
        assert!(moment("99999999999d").is_err());
    }

    #[test]
    fn a_key_is_for_routes_that_ask_for_one() {
        let routes = json!([
            {"routeKey": "ANY /fit/{proxy+}", "apiKeyRequired": true},
            {"routeKey": "GET /items/{id}", "apiKeyRequired": true},
            {"routeKey": "GET /open"},
            {"routeKey": "POST /both", "apiKeyRequired": true},
            {"routeKey": "GET /both"},
        ]);
        let routes: Vec<Route> = serde_json::from_value(routes).unwrap();
        for (path, said) in [
            ("/fit", None),
            ("/fit/{proxy+}", None),
            ("/items/{id}", None),
            ("/both", None),
            (
                "/open",
                Some("the route /open asks for no key\nhint: say key = true in its"),
            ),
            (
                "/items/7",
                Some(
                    "there is no route /items/7\nhint: routes that ask for keys: /both, /fit/{proxy+}, /items/{id}",
                ),
            ),
        ] {
            let failure = asks(path, &routes).err().map(|it| it.to_string());
            match said {
                None => assert_eq!(failure, None, "{path}"),
                Some(said) => assert!(failure.as_ref().unwrap().contains(said), "{failure:?}"),
            }
        }
        let none = asks("/x", &[]).unwrap_err().to_string();
        assert!(none.contains("no route asks for keys yet"), "{none}");
    }
}
