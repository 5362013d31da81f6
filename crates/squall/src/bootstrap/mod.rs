//! What stands behind routes, as a Lambda function: this binary, called `bootstrap` in
//! the package of a custom runtime. It takes requests of a function URL or of API Gateway
//! and maps their tables over the function that `SQUALL_MAP_FUNCTION` names, so that
//! a Lambda invokes Lambdas; or it answers them by the model that `SQUALL_MODEL` names, by
//! the pages of `SQUALL_SITE`, or with another address, `SQUALL_REDIRECT`. With `SQUALL_KEYS`
//! it is what API Gateway asks about callers that bring a key.
//!
//! `runtime` is the conversation with Lambda, `event` turns events into requests and
//! answers back, `guard` is what nobody else looks at, `functions` is what invokes, `model`
//! what predicts, `site` and `redirect` are pages and addresses, `keys` knows API keys.

mod event;
mod functions;
mod guard;
mod keys;
mod model;
mod redirect;
mod runtime;
mod site;

use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use aws_wire::{body, form};
use gateway::map_service::{Asker, Call, MapRoute, MapService, Pairs, ServiceSettings};
use types::{FunctionName, Qualifier};

use crate::remote::S3Exchange;

use event::Event;
use functions::Remote;
use guard::Guard;
use keys::Doorkeeper;
use model::Predicting;
use redirect::Redirect;
use runtime::{Invoked, Runtime};
use site::Pages;

/// Where Lambda's runtime API is. Only runtimes are told.
const API: &str = "AWS_LAMBDA_RUNTIME_API";
const FUNCTION: &str = "SQUALL_MAP_FUNCTION";
const OPTIONS: &str = "SQUALL_MAP_OPTIONS";
const BUCKET: &str = "SQUALL_MAP_BUCKET";
const MODEL: &str = "SQUALL_MODEL";
const MODEL_OPTIONS: &str = "SQUALL_MODEL_OPTIONS";
const SITE: &str = "SQUALL_SITE";
const SITE_INDEX: &str = "SQUALL_SITE_INDEX";
const SITE_ERROR: &str = "SQUALL_SITE_ERROR";
const REDIRECT: &str = "SQUALL_REDIRECT";
const REDIRECT_STATUS: &str = "SQUALL_REDIRECT_STATUS";
const KEYS: &str = "SQUALL_KEYS";
const ALLOW: &str = "SQUALL_ALLOW";
const BODY: &str = "SQUALL_BODY_BYTES";
const INSTANCES: &str = "SQUALL_MAP_INSTANCES";
/// The answer must be on its way before Lambda ends the invocation.
const SPARE: Duration = Duration::from_secs(1);
/// The most memory that a function may have, where nobody says what this one has.
const MEMORY_MB: u64 = 512;
/// What an event may bring; Lambda lets no more through.
const BODY_BYTES: u64 = 6 * 1024 * 1024;

/// Whether this process was started as the runtime of a function.
pub fn is_wanted() -> bool {
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    let named = name.to_string_lossy().ends_with("bootstrap");
    std::env::var_os(API).is_some() && (named || arguments.next().is_none())
}

/// Answers events until the instance is ended from outside.
pub fn run() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let served = match runtime {
        Ok(runtime) => runtime.block_on(serve()),
        Err(error) => Err(error.into()),
    };
    if let Err(error) = served {
        crate::output::note(&format!("{error:#}"));
    }
    // It is never done: that it ends is an error, whatever the reason.
    ExitCode::FAILURE
}

type Service = MapService<Remote, S3Exchange>;

/// What answers.
enum Served {
    Map(Box<Service>, MapRoute),
    Model(Predicting),
    Site(Pages),
    Redirect(Redirect),
    Keys(Doorkeeper),
}

async fn serve() -> anyhow::Result<()> {
    let api = std::env::var(API).context("the runtime API is not named")?;
    let mut runtime = Runtime::new(api);
    let prepared = match guard() {
        Ok(guard) => prepare().await.map(|served| (guard, served)),
        Err(error) => Err(error),
    };
    let (guard, served) = match prepared {
        Ok(ready) => ready,
        Err(error) => {
            let why = format!("{error:#}");
            runtime.fail_init("Squall.NotConfigured", &why).await?;
            return Err(error);
        }
    };
    loop {
        let invoked = runtime.next().await?;
        match answer(&guard, &served, &invoked).await {
            Ok(answer) => runtime.respond(&invoked.request_id, answer).await?,
            Err(error) => {
                let told = runtime.fail(&invoked.request_id, "Squall.NotARequest", &error);
                told.await?;
            }
        }
    }
}

async fn answer(guard: &Guard, served: &Served, invoked: &Invoked) -> Result<Vec<u8>, String> {
    if let Served::Keys(keys) = served {
        return keys.answer(&invoked.event).await;
    }
    let event = Event::read(&invoked.event)?;
    let id = invoked.request_id.parse();
    let id = id.unwrap_or_else(|_| types::RequestId::random());
    if let Some(refusal) = guard.refuse(&event, id) {
        return event.answer(refusal, id).await;
    }
    let response = match served {
        Served::Map(service, route) => return map(service, route, &event, invoked, id).await,
        Served::Model(model) => model.answer(&event, id).await,
        Served::Site(pages) => pages.answer(&event, id).await,
        Served::Redirect(redirect) => redirect.answer(&event, id),
        Served::Keys(_) => return Err("it answers no requests".to_owned()),
    };
    event.answer(response, id).await
}

async fn map(
    service: &Service,
    route: &MapRoute,
    event: &Event,
    invoked: &Invoked,
    id: types::RequestId,
) -> Result<Vec<u8>, String> {
    let call = Call {
        parts: &event.parts,
        route,
        base: "/",
        place: "/",
        request_id: id,
        tally: None,
        meter: None,
        asker: Asker::Anyone,
        time: Some(invoked.time_left().saturating_sub(SPARE)),
    };
    let response = service.handle(&call, body::full(event.body.clone())).await;
    event.answer(response, call.request_id).await
}

/// One that is empty is one that is not there.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

fn guard() -> anyhow::Result<Guard> {
    let (allow, body) = (variable(ALLOW), variable(BODY));
    let guard = Guard::read(allow.as_deref(), body.as_deref());
    guard.with_context(|| format!("the variables {ALLOW} and {BODY} cannot be read"))
}

/// The service as the function's environment has it.
async fn prepare() -> anyhow::Result<Served> {
    if let Some(address) = variable(KEYS) {
        return Ok(Served::Keys(Doorkeeper::new(&address)?));
    }
    if let Some(address) = variable(SITE) {
        let pages = Pages::new(&address, variable(SITE_INDEX), variable(SITE_ERROR))?;
        return Ok(Served::Site(pages));
    }
    if let Some(location) = variable(REDIRECT) {
        let status = variable(REDIRECT_STATUS).unwrap_or_else(|| "308".to_owned());
        return Ok(Served::Redirect(Redirect::read(location, &status)?));
    }
    if let Some(address) = variable(MODEL) {
        let options = variable(MODEL_OPTIONS).unwrap_or_default();
        return Ok(Served::Model(Predicting::new(&address, &options).await?));
    }
    let target = variable(FUNCTION).ok_or_else(|| {
        anyhow!(
            "neither the variable {FUNCTION} says which function tables are mapped over, nor \
             {MODEL} which model answers"
        )
    })?;
    let (function, qualifier) = read_target(&target)?;
    let options = variable(OPTIONS).unwrap_or_default();
    let route = MapRoute {
        function,
        qualifier,
        options: form::pairs(&options).collect::<Pairs>(),
    };
    route
        .check()
        .map_err(|problem| anyhow!("the variable {OPTIONS}: {problem}"))?;
    let most = variable(INSTANCES).map(|text| text.parse::<NonZeroUsize>());
    let most = most
        .transpose()
        .with_context(|| format!("the variable {INSTANCES} is a number from 1 on"))?;

    let client = Remote::client()?;
    let account = functions::account(&client, &route.function, route.qualifier.as_ref()).await;
    let exchange = S3Exchange::new(client.clone(), &account, variable(BUCKET));
    let memory = variable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE");
    let memory = memory
        .and_then(|text| text.parse().ok())
        .unwrap_or(MEMORY_MB);
    let settings = ServiceSettings {
        body_bytes: BODY_BYTES,
        // The rest is for the body, for what is under way, and for the table.
        memory_bytes: memory * 1024 * 1024 / 2,
        scratch: std::env::temp_dir(),
        threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        // An instance has one invocation at a time.
        at_once: 1,
        patience: SPARE,
        longest: Duration::from_mins(15),
        watch: watch::Watch::default(),
    };
    let invoke = Arc::new(Remote::new(client, most));
    let service = MapService::new(invoke, exchange, settings);
    Ok(Served::Map(Box::new(service), route))
}

/// `NAME`, `NAME:QUALIFIER`, or an ARN with or without a qualifier.
fn read_target(text: &str) -> anyhow::Result<(FunctionName, Option<Qualifier>)> {
    let name = match text.split_once(":function:") {
        Some((_, name)) => name,
        None => text,
    };
    let (name, qualifier) = match name.split_once(':') {
        Some((name, qualifier)) => (name, Some(qualifier.parse()?)),
        None => (name, None),
    };
    Ok((name.parse()?, qualifier))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_named_in_all_the_ways_that_there_are() {
        let read = |text: &str| {
            let (name, qualifier) = read_target(text).ok()?;
            Some((
                name.to_string(),
                qualifier.map(|qualifier| qualifier.to_string()),
            ))
        };
        let arn = "arn:aws:lambda:eu-west-1:123456789012:function:fit";
        assert_eq!(read("fit"), Some(("fit".to_owned(), None)));
        assert_eq!(
            read("fit:live"),
            Some(("fit".to_owned(), Some("live".to_owned())))
        );
        assert_eq!(read(arn), Some(("fit".to_owned(), None)));
        assert_eq!(
            read(&format!("{arn}:3")),
            Some(("fit".to_owned(), Some("3".to_owned())))
        );
        assert_eq!(read("a b"), None);
        assert_eq!(read(""), None);
    }
}
