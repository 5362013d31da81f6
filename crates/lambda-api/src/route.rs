//! From method and path to the operation. Each API of Lambda has the date of its
//! birth as the first part of its path.

use aws_wire::form;
use http::Method;

use crate::error::ApiError;
use crate::request::{Answer, Call};
use crate::{
    account, actions, aliases, concurrency, create, event_config, functions, invoke, layers,
    permissions, update, urls,
};

pub(crate) async fn dispatch(call: Call<'_>) -> Answer {
    let path = call.parts.uri.path();
    // Some clients end paths with a slash. A part left empty in the middle stays
    // one: without it, `functions//code` would mean a function named "code".
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    let segments: Vec<_> = path.split('/').map(form::decode).collect();
    let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
    let Some((date, rest)) = segments.split_first() else {
        return Err(ApiError::UnknownOperation);
    };
    let needed = actions::needed(&call, date, rest).ok_or(ApiError::UnknownOperation)?;
    call.check(&needed)?;
    let method = &call.parts.method;
    match (*date, rest) {
        ("2015-03-31", ["functions", rest @ ..]) => functions_2015(call, rest).await,
        ("2014-11-13", ["functions", name, "invoke-async"]) if method == Method::POST => {
            invoke::legacy_async(call, name).await
        }
        ("2021-11-15", ["functions", name, "response-streaming-invocations"])
            if method == Method::POST =>
        {
            invoke::streaming(call, name).await
        }
        ("2018-10-31", ["layers", rest @ ..]) => layers_2018(call, rest).await,
        ("2021-10-31", ["functions", name, "url"]) => match *method {
            Method::GET => urls::get(&call, name),
            Method::POST => urls::create(&call, name).await,
            Method::PUT => urls::update(&call, name).await,
            Method::DELETE => urls::delete(&call, name).await,
            _ => Err(ApiError::UnknownOperation),
        },
        ("2021-10-31", ["functions", name, "urls"]) if method == Method::GET => {
            urls::list(&call, name)
        }
        ("2019-09-25", ["functions", name, "event-invoke-config", rest @ ..]) => {
            event_configs_2019(call, name, rest).await
        }
        ("2017-10-31" | "2019-09-30", ["functions", name, kind]) => {
            concurrency_2019(call, name, kind).await
        }
        _ => settings(call, date, rest).await,
    }
}

async fn functions_2015(call: Call<'_>, rest: &[&str]) -> Answer {
    let method = call.parts.method.clone();
    match (method, rest) {
        (Method::POST, [name, "invocations"]) => invoke::invoke(call, name).await,
        (Method::GET, []) => functions::list(&call),
        (Method::POST, []) => create::create(&call).await,
        (Method::GET, [name]) => functions::get(&call, name),
        (Method::DELETE, [name]) => functions::delete(&call, name).await,
        (Method::GET, [name, "configuration"]) => functions::get_configuration(&call, name),
        (Method::PUT, [name, "configuration"]) => update::configuration(&call, name).await,
        (Method::PUT, [name, "code"]) => update::code(&call, name).await,
        (Method::GET, [name, "versions"]) => functions::list_versions(&call, name),
        (Method::POST, [name, "versions"]) => functions::publish(&call, name).await,
        (Method::GET, [name, "aliases"]) => aliases::list(&call, name),
        (Method::POST, [name, "aliases"]) => aliases::create(&call, name).await,
        (Method::GET, [name, "aliases", alias]) => aliases::get(&call, name, alias),
        (Method::PUT, [name, "aliases", alias]) => aliases::update(&call, name, alias).await,
        (Method::DELETE, [name, "aliases", alias]) => aliases::delete(&call, name, alias).await,
        (Method::GET, [name, "policy"]) => permissions::get(&call, name),
        (Method::POST, [name, "policy"]) => permissions::add(&call, name).await,
        (Method::DELETE, [name, "policy", sid]) => permissions::remove(&call, name, sid).await,
        _ => Err(ApiError::UnknownOperation),
    }
}

async fn layers_2018(call: Call<'_>, rest: &[&str]) -> Answer {
    let method = call.parts.method.clone();
    match (method, rest) {
        (Method::GET, []) if call.query("find").as_deref() == Some("LayerVersion") => {
            layers::get_by_arn(&call)
        }
        (Method::GET, []) => layers::list(&call),
        (Method::GET, [name, "versions"]) => layers::list_versions(&call, name),
        (Method::POST, [name, "versions"]) => layers::publish(&call, name).await,
        (Method::GET, [name, "versions", number]) => layers::get(&call, name, number),
        (Method::DELETE, [name, "versions", number]) => layers::delete(&call, name, number).await,
        (Method::GET, [name, "versions", number, "policy"]) => {
            layers::get_policy(&call, name, number)
        }
        (Method::POST, [name, "versions", number, "policy"]) => {
            layers::add_permission(&call, name, number).await
        }
        (Method::DELETE, [name, "versions", number, "policy", sid]) => {
            layers::remove_permission(&call, name, number, sid).await
        }
        _ => Err(ApiError::UnknownOperation),
    }
}

async fn event_configs_2019(call: Call<'_>, name: &str, rest: &[&str]) -> Answer {
    let method = call.parts.method.clone();
    match (method, rest) {
        (Method::GET, []) => event_config::get(&call, name),
        (Method::GET, ["list"]) => event_config::list(&call, name),
        (Method::PUT, []) => event_config::put(&call, name, false).await,
        (Method::POST, []) => event_config::put(&call, name, true).await,
        (Method::DELETE, []) => event_config::delete(&call, name).await,
        _ => Err(ApiError::UnknownOperation),
    }
}

async fn concurrency_2019(call: Call<'_>, name: &str, kind: &str) -> Answer {
    let method = call.parts.method.clone();
    match (method, kind) {
        (Method::GET, "concurrency") => concurrency::get_reserved(&call, name),
        (Method::PUT, "concurrency") => concurrency::reserve(&call, name).await,
        (Method::DELETE, "concurrency") => concurrency::unreserve(&call, name).await,
        (Method::GET, "provisioned-concurrency") if call.query("List").is_some() => {
            concurrency::list_provisioned(&call, name)
        }
        (Method::GET, "provisioned-concurrency") => concurrency::get_provisioned(&call, name),
        (Method::PUT, "provisioned-concurrency") => concurrency::provision(&call, name).await,
        (Method::DELETE, "provisioned-concurrency") => concurrency::unprovision(&call, name).await,
        _ => Err(ApiError::UnknownOperation),
    }
}

/// The small APIs, most of them of one path each.
async fn settings(call: Call<'_>, date: &str, rest: &[&str]) -> Answer {
    let method = call.parts.method.clone();
    match (date, method, rest) {
        ("2017-03-31", Method::GET, ["tags", arn]) => account::list_tags(&call, arn),
        ("2017-03-31", Method::POST, ["tags", arn]) => account::tag(&call, arn).await,
        ("2017-03-31", Method::DELETE, ["tags", arn]) => account::untag(&call, arn).await,
        ("2016-08-19", Method::GET, ["account-settings"]) => account::settings(&call),
        ("2020-06-30", Method::GET, ["functions", name, "code-signing-config"]) => {
            account::code_signing(&call, name)
        }
        ("2020-06-30", Method::PUT, ["functions", name, "code-signing-config"]) => {
            account::put_code_signing(&call, name)
        }
        ("2020-06-30", Method::DELETE, ["functions", name, "code-signing-config"]) => {
            account::delete_code_signing(&call, name)
        }
        ("2020-04-22", Method::GET, ["code-signing-configs"]) => account::list_code_signing(),
        ("2021-07-20", Method::GET, ["functions", name, "runtime-management-config"]) => {
            account::runtime_management(&call, name)
        }
        ("2021-07-20", Method::PUT, ["functions", name, "runtime-management-config"]) => {
            account::set_runtime_management(&call, name).await
        }
        ("2024-08-31", Method::GET, ["functions", name, "recursion-config"]) => {
            account::recursion(&call, name)
        }
        ("2024-08-31", Method::PUT, ["functions", name, "recursion-config"]) => {
            account::set_recursion(&call, name).await
        }
        ("2015-03-31", Method::GET, ["event-source-mappings"]) => account::event_sources(&call),
        ("2015-03-31", Method::POST, ["event-source-mappings"]) => Err(ApiError::invalid(
            "Unrecognized event source. Event source mappings are not part of this engine.",
        )),
        (
            "2015-03-31",
            Method::GET | Method::PUT | Method::DELETE,
            ["event-source-mappings", _],
        ) => Err(ApiError::NotFound(
            "The resource you requested does not exist.".to_owned(),
        )),
        _ => Err(ApiError::UnknownOperation),
    }
}
