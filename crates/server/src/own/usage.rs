//! `/_squall/usage`: what functions used by day, and what buckets hold: all that a bill
//! would be made of.

use aws_wire::form::Form;
use engine::Engine;
use serde_json::{Value, json};
use store::{BucketSize, Store, Usage};
use types::{Architecture, Timestamp};

use super::{Page, Refused, answer};

/// `?since=MILLISECONDS`; else all that is recorded.
pub(super) async fn page(store: &Store, engine: &Engine, query: Option<&str>) -> Page {
    let query = Form::parse(query.unwrap_or_default());
    let since = query.get("since").map(str::parse).transpose();
    let since = since.map_err(|_| Refused::invalid("since is a number of milliseconds."))?;
    let used = store.records().usage(Timestamp(since.unwrap_or(0))).await;
    let used = used.map_err(|error| Refused::failed(&error))?;
    let sizes = store.objects().bucket_sizes().await;
    let sizes = sizes.map_err(|error| Refused::failed(&error))?;
    Ok(answer(&json!({
        "functions": used.iter().map(|usage| show(usage, engine)).collect::<Vec<_>>(),
        "buckets": sizes.iter().map(show_size).collect::<Vec<_>>(),
    })))
}

/// A record does not say on what processor or with how much of /tmp it ran: the function
/// does, as it is now.
fn show(usage: &Usage, engine: &Engine) -> Value {
    let function = engine.catalog().resolve(&usage.function, None);
    let function = function.as_deref();
    json!({
        "arm": function.is_some_and(|it| it.architecture == Architecture::Arm64),
        "tmp_mb": function.map(|it| it.tmp_mb),
        "function": usage.function,
        "day": usage.day,
        "memory_mb": usage.memory_mb,
        "invocations": usage.invocations,
        "failed": usage.failed,
        "billed_ms": usage.billed_ms,
        "init_us": usage.init_us,
        "answer_bytes": usage.answer_bytes,
    })
}

fn show_size(size: &BucketSize) -> Value {
    json!({ "bucket": size.name, "objects": size.objects, "bytes": size.bytes })
}
