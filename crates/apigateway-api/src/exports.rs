//! Descriptions of APIs, as others read them.

use http::StatusCode;
use serde_json::Value;

use crate::api::{Answer, Call};
use crate::error::ApiError;
use crate::members::{api_id, no, required, stage_name};

/// The only one that API Gateway knows.
const SPECIFICATION: &str = "OAS30";

pub(crate) async fn operation(call: &Call<'_>, api: &str, specification: &str) -> Answer {
    let Some(export) = call.export else {
        return Err(ApiError::NotBuilt("the export of APIs".to_owned()));
    };
    let entry = call.apis().api(&api_id(api)?)?;
    if specification != SPECIFICATION {
        return Err(ApiError::invalid(format!(
            "specification is {SPECIFICATION}"
        )));
    }
    let form = required(call.query("outputType").next(), "outputType")?;
    if form != "JSON" {
        return Err(ApiError::invalid(
            "Squall exports APIs as JSON: use it as outputType.",
        ));
    }
    // Without a stage it is the API as it is now, deployed or not.
    let served = match call.query("stageName").next() {
        None => entry.latest(),
        Some(text) => {
            let name = stage_name(&text)?;
            entry.api.stage(&name)?;
            let served = entry.served(&name).cloned();
            served.ok_or_else(|| no("stage", &text))?
        }
    };
    let document = export(entry, served).await;
    let document = document.ok_or_else(|| {
        ApiError::invalid("The tag squall:docs of this API says that it is not described")
    })?;
    let document: Value = serde_json::from_slice(&document).expect("the gateway writes JSON");
    Ok((StatusCode::OK, document))
}
