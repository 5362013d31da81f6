//! Function URLs.

use engine::catalog::{Cors, FunctionUrl, UrlAuth, UrlInvokeMode, UrlPatch};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::request::{Answer, Call, created, no_content, ok};
use crate::shapes;
use crate::validate::{Faults, present};

const AUTH_TYPES: [(&str, UrlAuth); 2] = [("NONE", UrlAuth::None), ("AWS_IAM", UrlAuth::AwsIam)];
const INVOKE_MODES: [(&str, UrlInvokeMode); 2] = [
    ("RESPONSE_STREAM", UrlInvokeMode::ResponseStream),
    ("BUFFERED", UrlInvokeMode::Buffered),
];
const LONGEST_MAX_AGE: u32 = 86_400;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UrlMembers {
    auth_type: Option<String>,
    cors: Option<Cors>,
    invoke_mode: Option<String>,
}

impl UrlMembers {
    fn check(self, auth_needed: bool) -> Result<UrlPatch, ApiError> {
        let mut faults = Faults::default();
        let auth = if auth_needed {
            faults.required(self.auth_type, "authType")
        } else {
            self.auth_type
        };
        let auth = auth.and_then(|auth| faults.one_of(&auth, "authType", &AUTH_TYPES));
        let mode = self.invoke_mode;
        let invoke_mode = mode.and_then(|mode| faults.one_of(&mode, "invokeMode", &INVOKE_MODES));
        if let Some(age) = self.cors.as_ref().and_then(|cors| cors.max_age) {
            faults.range(age.into(), "cors.maxAge", 0, LONGEST_MAX_AGE);
        }
        faults.none()?;
        Ok(UrlPatch {
            auth,
            cors: self.cors,
            invoke_mode,
        })
    }
}

pub(crate) async fn create(call: &Call<'_>, name: &str) -> Answer {
    let (name, alias) = call.url_target(name)?;
    let members: UrlMembers = call.members()?;
    let mut patch = members.check(true)?;
    let auth = present(patch.auth.take())?;
    let url = call.catalog().create_url(name, alias, auth, patch).await?;
    let mut shape = shape(call, &url);
    if let Some(members) = shape.as_object_mut() {
        members.remove("LastModifiedTime");
        if url.invoke_mode.is_none() {
            members.remove("InvokeMode");
        }
    }
    created(&shape)
}

pub(crate) fn get(call: &Call<'_>, name: &str) -> Answer {
    let (name, alias) = call.url_target(name)?;
    let url = call.catalog().get_url(&name, alias.as_ref())?;
    ok(&shape(call, &url))
}

pub(crate) fn list(call: &Call<'_>, name: &str) -> Answer {
    let name = call.function_ref(name)?.name;
    let page = call.catalog().list_urls(&name, &call.paging(50)?)?;
    let items = page.items.iter().map(|url| shape(call, url));
    ok(&shapes::page(
        "FunctionUrlConfigs",
        items.collect(),
        page.next_marker,
    ))
}

pub(crate) async fn update(call: &Call<'_>, name: &str) -> Answer {
    let (name, alias) = call.url_target(name)?;
    let members: UrlMembers = call.members()?;
    let patch = members.check(false)?;
    let url = call.catalog().update_url(name, alias, patch).await?;
    ok(&shape(call, &url))
}

pub(crate) async fn delete(call: &Call<'_>, name: &str) -> Answer {
    let (name, alias) = call.url_target(name)?;
    call.catalog().delete_url(name, alias).await?;
    no_content()
}

fn shape(call: &Call<'_>, url: &FunctionUrl) -> Value {
    let scope = call.scope();
    let arn = match &url.alias {
        None => scope.function_arn(&url.function),
        Some(alias) => format!("{}:{alias}", scope.function_arn(&url.function)),
    };
    let template = &call.api.endpoints.function_url;
    let address = template
        .replace("{id}", &url.id)
        .replace("{region}", scope.region.as_str());
    let mut shape = json!({
        "FunctionUrl": address,
        "FunctionArn": arn,
        "AuthType": url.auth,
        "CreationTime": url.created.rfc3339(),
        "LastModifiedTime": url.modified.rfc3339(),
        "InvokeMode": url.invoke_mode.unwrap_or(UrlInvokeMode::Buffered),
    });
    if let Some(cors) = &url.cors {
        shape["Cors"] = json!(cors);
    }
    shape
}
