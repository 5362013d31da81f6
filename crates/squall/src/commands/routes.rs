//! `squall routes`: what the gateway serves under which path.

use std::collections::BTreeMap;

use aws_wire::form;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::args::{AddRouteArgs, Global, RoutesAction, RoutesArgs};
use crate::client::{self, Call, Client};
use crate::commands::schedules::get;
use crate::failure::Failure;
use crate::output::{self, Table};

const PAGE: &str = "/_squall/routes";

#[derive(Debug, Deserialize)]
struct Page {
    routes: Vec<Route>,
}

#[derive(Debug, Deserialize)]
struct Route {
    path: String,
    #[serde(rename = "type")]
    kind: String,
    function: Option<String>,
    model: Option<String>,
    qualifier: Option<String>,
    #[serde(default)]
    options: BTreeMap<String, String>,
    url: String,
}

pub async fn run(global: &Global, args: RoutesArgs) -> Result<(), Failure> {
    let client = client::find(global)?;
    match args.action {
        None | Some(RoutesAction::Ls) => list(global, &client).await,
        Some(RoutesAction::Add(args)) => add(global, &client, args).await,
        Some(RoutesAction::Rm { path }) => remove(global, &client, &path).await,
    }
}

async fn list(global: &Global, client: &Client) -> Result<(), Failure> {
    let answer = client.send(get(PAGE)).await?;
    if global.json {
        output::json(&answer.json::<Value>()?["routes"])?;
        return Ok(());
    }
    let page: Page = answer.json()?;
    if page.routes.is_empty() {
        output::note("no routes yet; make one with: squall routes add / --map FUNCTION");
        return Ok(());
    }
    output::bytes(table(&page.routes).render().as_bytes())?;
    Ok(())
}

async fn add(global: &Global, client: &Client, args: AddRouteArgs) -> Result<(), Failure> {
    let mut options: BTreeMap<String, String> = args.set.into_iter().collect();
    for (name, value) in [
        ("id_column", args.by),
        ("value_column", args.value),
        ("item", args.item),
    ] {
        options.extend(value.map(|value| (name.to_owned(), value)));
    }
    let mut route = json!({
        "path": args.path,
        "options": options,
        "cors": args.cors,
    });
    if let Some(model) = &args.model {
        route["type"] = "model".into();
        route["model"] = model.as_str().into();
    } else {
        route["type"] = "map".into();
        route["function"] = json!(args.map);
    }
    if let Some(qualifier) = args.qualifier {
        route["qualifier"] = qualifier.into();
    }
    let answer = client
        .send(Call {
            service: "squall",
            method: Method::PUT,
            target: PAGE.to_owned(),
            headers: vec![("content-type", "application/json".to_owned())],
            body: route.to_string().into(),
        })
        .await?;
    if global.json {
        output::json(&answer.json::<Value>()?)?;
        return Ok(());
    }
    let made: Route = answer.json()?;
    output::line(&made.url)?;
    Ok(())
}

async fn remove(global: &Global, client: &Client, path: &str) -> Result<(), Failure> {
    let answer = client
        .send(Call {
            method: Method::DELETE,
            target: format!("{PAGE}?path={}", form::encode(path)),
            ..get(PAGE)
        })
        .await?;
    if answer.status == http::StatusCode::NOT_FOUND {
        return Err(Failure::from(answer.refusal()).hint("squall routes lists what is there"));
    }
    let removed: Value = answer.json()?;
    if global.json {
        output::json(&removed)?;
    }
    Ok(())
}

fn table(routes: &[Route]) -> Table {
    let mut table = Table::new(&["PATH", "TYPE", "TO", "OPTIONS", "URL"]);
    for route in routes {
        let to = match (&route.function, &route.qualifier, &route.model) {
            (Some(function), Some(qualifier), _) => format!("{function}:{qualifier}"),
            (Some(to), None, _) | (None, _, Some(to)) => to.clone(),
            (None, _, None) => "-".to_owned(),
        };
        let options = route.options.iter();
        let options: Vec<_> = options
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let options = match options.as_slice() {
            [] => "-".to_owned(),
            all => all.join(" "),
        };
        table.row([
            route.path.clone(),
            route.kind.clone(),
            to,
            options,
            route.url.clone(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_a_row() {
        let page = json!({"routes": [
            {"path": "/", "type": "map", "function": "f", "url": "http://127.0.0.1:8080/"},
            {"path": "/a", "type": "map", "function": "f", "qualifier": "live", "new": 1,
             "options": {"id_column": "user", "chunksize": "5"}, "url": "http://127.0.0.1:8080/a"},
            {"path": "/m", "type": "model", "model": "s3://b/m.rds", "url": "http://127.0.0.1:8080/m"},
        ]});
        let page: Page = serde_json::from_value(page).unwrap();
        assert_eq!(
            table(&page.routes).render(),
            "\
PATH  TYPE   TO            OPTIONS                     URL
/     map    f             -                           http://127.0.0.1:8080/
/a    map    f:live        chunksize=5 id_column=user  http://127.0.0.1:8080/a
/m    model  s3://b/m.rds  -                           http://127.0.0.1:8080/m
"
        );
    }
}
