//! Which permission each operation needs, and the check of it. Only what roles
//! sign is checked: the owner of the account may do everything.
//!
//! An operation that is not in the table does not exist, so none can be added
//! without its permission.

use std::borrow::Cow;

use aws_wire::sigv4::Identity;
use engine::catalog::EXISTING_TAG;
use engine::iam::{Ask, request_context};
use http::Method;
use policy::{Context, Document};
use types::LayerVersionArn;

use crate::error::ApiError;
use crate::names::{layer, layer_number};
use crate::request::Call;

/// A permission, and on what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Needed<'a> {
    /// Without `lambda:` before it.
    pub action: &'static str,
    pub on: On<'a>,
}

/// What an operation is about, as its path names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On<'a> {
    /// The account, which has no ARN of its own here.
    Account,
    /// A function as a whole.
    Function(&'a str),
    /// A function with the version or alias that is asked for.
    Qualified(&'a str),
    Layer(&'a str),
    LayerVersion(&'a str, &'a str),
    /// A layer version by the ARN in the query.
    LayerArn,
    /// What the path gives the ARN of.
    Arn(&'a str),
    /// Named in the body: the operation checks by itself.
    InBody,
}

/// The table, by the date of the API and what follows it in the path.
pub(crate) fn needed<'a>(call: &Call<'_>, date: &str, rest: &'a [&'a str]) -> Option<Needed<'a>> {
    let method = &call.parts.method;
    let (action, on) = match (date, rest) {
        ("2015-03-31", ["functions", rest @ ..]) => of_functions(method, rest)?,
        ("2014-11-13", ["functions", name, "invoke-async"]) => ("InvokeAsync", On::Qualified(name)),
        ("2021-11-15", ["functions", name, "response-streaming-invocations"]) => {
            ("InvokeFunction", On::Qualified(name))
        }
        ("2018-10-31", ["layers", rest @ ..]) => of_layers(call, rest)?,
        (_, ["functions", name, kind @ ..]) => of_settings(call, kind, name)?,
        _ => of_account(method, rest)?,
    };
    Some(Needed { action, on })
}

type Row<'a> = Option<(&'static str, On<'a>)>;

fn of_functions<'a>(method: &Method, rest: &'a [&'a str]) -> Row<'a> {
    use On::{Account, Function, InBody, Qualified};
    Some(match (method.as_str(), rest) {
        ("POST", [name, "invocations"]) => ("InvokeFunction", Qualified(name)),
        ("GET", []) => ("ListFunctions", Account),
        ("POST", []) => ("CreateFunction", InBody),
        ("GET", [name]) => ("GetFunction", Qualified(name)),
        ("DELETE", [name]) => ("DeleteFunction", Qualified(name)),
        ("GET", [name, "configuration"]) => ("GetFunctionConfiguration", Qualified(name)),
        ("PUT", [name, "configuration"]) => ("UpdateFunctionConfiguration", Function(name)),
        ("PUT", [name, "code"]) => ("UpdateFunctionCode", Function(name)),
        ("GET", [name, "versions"]) => ("ListVersionsByFunction", Function(name)),
        ("POST", [name, "versions"]) => ("PublishVersion", Function(name)),
        ("GET", [name, "aliases"]) => ("ListAliases", Function(name)),
        ("POST", [name, "aliases"]) => ("CreateAlias", Function(name)),
        ("GET", [name, "aliases", _]) => ("GetAlias", Function(name)),
        ("PUT", [name, "aliases", _]) => ("UpdateAlias", Function(name)),
        ("DELETE", [name, "aliases", _]) => ("DeleteAlias", Function(name)),
        ("GET", [name, "policy"]) => ("GetPolicy", Qualified(name)),
        ("POST", [name, "policy"]) => ("AddPermission", Qualified(name)),
        ("DELETE", [name, "policy", _]) => ("RemovePermission", Qualified(name)),
        _ => return None,
    })
}

fn of_layers<'a>(call: &Call<'_>, rest: &'a [&'a str]) -> Row<'a> {
    use On::{Account, Layer, LayerArn, LayerVersion};
    let by_arn = call.query("find").as_deref() == Some("LayerVersion");
    Some(match (call.parts.method.as_str(), rest) {
        ("GET", []) if by_arn => ("GetLayerVersion", LayerArn),
        ("GET", []) => ("ListLayers", Account),
        ("GET", [name, "versions"]) => ("ListLayerVersions", Layer(name)),
        ("POST", [name, "versions"]) => ("PublishLayerVersion", Layer(name)),
        ("GET", [name, "versions", n]) => ("GetLayerVersion", LayerVersion(name, n)),
        ("DELETE", [name, "versions", n]) => ("DeleteLayerVersion", LayerVersion(name, n)),
        ("GET", [name, "versions", n, "policy"]) => {
            ("GetLayerVersionPolicy", LayerVersion(name, n))
        }
        ("POST", [name, "versions", n, "policy"]) => {
            ("AddLayerVersionPermission", LayerVersion(name, n))
        }
        ("DELETE", [name, "versions", n, "policy", _]) => {
            ("RemoveLayerVersionPermission", LayerVersion(name, n))
        }
        _ => return None,
    })
}

/// What is set per function, each kind under a date of its own.
fn of_settings<'a>(call: &Call<'_>, kind: &[&str], name: &'a str) -> Row<'a> {
    let lists = call.query("List").is_some();
    let (whole, qualified) = (On::Function(name), On::Qualified(name));
    Some(match (call.parts.method.as_str(), kind) {
        ("GET", ["url"]) => ("GetFunctionUrlConfig", qualified),
        ("POST", ["url"]) => ("CreateFunctionUrlConfig", qualified),
        ("PUT", ["url"]) => ("UpdateFunctionUrlConfig", qualified),
        ("DELETE", ["url"]) => ("DeleteFunctionUrlConfig", qualified),
        ("GET", ["urls"]) => ("ListFunctionUrlConfigs", whole),
        ("GET", ["event-invoke-config"]) => ("GetFunctionEventInvokeConfig", qualified),
        ("GET", ["event-invoke-config", "list"]) => ("ListFunctionEventInvokeConfigs", whole),
        ("PUT", ["event-invoke-config"]) => ("PutFunctionEventInvokeConfig", qualified),
        ("POST", ["event-invoke-config"]) => ("UpdateFunctionEventInvokeConfig", qualified),
        ("DELETE", ["event-invoke-config"]) => ("DeleteFunctionEventInvokeConfig", qualified),
        ("GET", ["concurrency"]) => ("GetFunctionConcurrency", whole),
        ("PUT", ["concurrency"]) => ("PutFunctionConcurrency", whole),
        ("DELETE", ["concurrency"]) => ("DeleteFunctionConcurrency", whole),
        ("GET", ["provisioned-concurrency"]) if lists => {
            ("ListProvisionedConcurrencyConfigs", whole)
        }
        ("GET", ["provisioned-concurrency"]) => ("GetProvisionedConcurrencyConfig", qualified),
        ("PUT", ["provisioned-concurrency"]) => ("PutProvisionedConcurrencyConfig", qualified),
        ("DELETE", ["provisioned-concurrency"]) => {
            ("DeleteProvisionedConcurrencyConfig", qualified)
        }
        ("GET", ["code-signing-config"]) => ("GetFunctionCodeSigningConfig", whole),
        ("PUT", ["code-signing-config"]) => ("PutFunctionCodeSigningConfig", whole),
        ("DELETE", ["code-signing-config"]) => ("DeleteFunctionCodeSigningConfig", whole),
        ("GET", ["runtime-management-config"]) => ("GetRuntimeManagementConfig", qualified),
        ("PUT", ["runtime-management-config"]) => ("PutRuntimeManagementConfig", qualified),
        ("GET", ["recursion-config"]) => ("GetFunctionRecursionConfig", whole),
        ("PUT", ["recursion-config"]) => ("PutFunctionRecursionConfig", whole),
        _ => return None,
    })
}

fn of_account<'a>(method: &Method, rest: &'a [&'a str]) -> Row<'a> {
    use On::{Account, Arn};
    Some(match (method.as_str(), rest) {
        ("GET", ["tags", arn]) => ("ListTags", Arn(arn)),
        ("POST", ["tags", arn]) => ("TagResource", Arn(arn)),
        ("DELETE", ["tags", arn]) => ("UntagResource", Arn(arn)),
        ("GET", ["account-settings"]) => ("GetAccountSettings", Account),
        ("GET", ["code-signing-configs"]) => ("ListCodeSigningConfigs", Account),
        ("GET", ["event-source-mappings"]) => ("ListEventSourceMappings", Account),
        ("POST", ["event-source-mappings"]) => ("CreateEventSourceMapping", Account),
        ("GET", ["event-source-mappings", _]) => ("GetEventSourceMapping", Account),
        ("PUT", ["event-source-mappings", _]) => ("UpdateEventSourceMapping", Account),
        ("DELETE", ["event-source-mappings", _]) => ("DeleteEventSourceMapping", Account),
        _ => return None,
    })
}

impl Call<'_> {
    /// Refuses what the caller may not do.
    pub fn check(&self, needed: &Needed<'_>) -> Result<(), ApiError> {
        if self.role_that_asks().is_none() {
            return Ok(());
        }
        let mut policy = None;
        let resource: Cow<'_, str> = match needed.on {
            On::InBody => return Ok(()),
            On::Account => "*".into(),
            On::Arn(arn) => arn.into(),
            // A name that cannot be read is refused by the operation itself.
            On::Function(name) => match self.function_ref(name) {
                Ok(target) => self.catalog().arn(&target.name, None).into(),
                Err(_) => return Ok(()),
            },
            On::Qualified(name) => match self.target(name) {
                Ok(target) => {
                    let (name, qualifier) = (&target.name, target.qualifier.as_ref());
                    policy = self.catalog().resource_policy(name, qualifier);
                    self.catalog().arn(name, qualifier).into()
                }
                Err(_) => return Ok(()),
            },
            On::Layer(name) => match layer(name) {
                Ok(name) => self.scope().layer_arn(&name).into(),
                Err(_) => return Ok(()),
            },
            On::LayerVersion(name, number) => match (layer(name), layer_number(number)) {
                (Ok(name), Ok(number)) => {
                    format!("{}:{number}", self.scope().layer_arn(&name)).into()
                }
                _ => return Ok(()),
            },
            On::LayerArn => match self.query("Arn").map(|arn| arn.parse::<LayerVersionArn>()) {
                Some(Ok(arn)) => arn.to_string().into(),
                _ => return Ok(()),
            },
        };
        self.allow(
            &format!("lambda:{}", needed.action),
            &resource,
            policy.as_ref(),
        )
    }

    /// Refuses an action on a resource, unless the caller's policies or that of
    /// the resource allow it.
    pub fn allow(
        &self,
        action: &str,
        resource: &str,
        resource_policy: Option<&Document>,
    ) -> Result<(), ApiError> {
        let context = request_context(&self.parts.extensions);
        self.allow_in(action, resource, resource_policy, &context)
    }

    /// Who gives a function a role must be allowed to hand that role on: it could
    /// else have code of its own run as any role, or as one that nothing is known
    /// of and that may everything.
    pub fn may_pass(&self, role_arn: &str) -> Result<(), ApiError> {
        let context = request_context(&self.parts.extensions)
            .with("iam:PassedToService", "lambda.amazonaws.com");
        self.allow_in("iam:PassRole", role_arn, None, &context)
    }

    fn allow_in(
        &self,
        action: &str,
        resource: &str,
        resource_policy: Option<&Document>,
        context: &Context,
    ) -> Result<(), ApiError> {
        let Some(principal_arn) = self.role_that_asks() else {
            return Ok(());
        };
        let ask = Ask {
            principal_arn,
            action,
            resource,
            resource_policy,
            context,
        };
        let answer = self.api.engine.iam().authorize(&ask);
        answer.map_err(|denied| ApiError::AccessDenied(denied.to_string()))
    }

    /// Who names code in a bucket must be able to read it, as by S3 itself: the
    /// bucket's policy has its say.
    pub async fn may_read(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
    ) -> Result<(), ApiError> {
        let Some(role) = self.role_that_asks() else {
            return Ok(());
        };
        let object = format!("arn:aws:s3:::{bucket}/{key}");
        let (action, word) = match version {
            Some(_) => ("s3:GetObjectVersion", "GetObjectVersion"),
            None => ("s3:GetObject", "GetObject"),
        };
        let mut context = request_context(&self.parts.extensions);
        let says = self.catalog().bucket_policy(bucket);
        let asks = |policy: &Document| policy.mentions(EXISTING_TAG);
        if says.as_ref().is_some_and(asks) || self.api.engine.iam().mentions(role, EXISTING_TAG) {
            let add = self
                .catalog()
                .add_existing_tags(bucket, key, version, &mut context);
            add.await?;
        }
        let allowed = self.allow_in(action, &object, says.as_ref(), &context);
        allowed.map_err(|error| match error {
            ApiError::AccessDenied(reason) => ApiError::AccessDenied(format!(
                "Your access has been denied by S3, please make sure your request credentials have permission to {word} for {bucket}/{key}. S3 Error Code: AccessDenied. S3 Error Message: {reason}"
            )),
            other => other,
        })
    }

    /// `None` for the owner of the account.
    fn role_that_asks(&self) -> Option<&str> {
        let identity = self.parts.extensions.get::<Identity>()?;
        let arn = identity.principal.arn.as_str();
        (!self.api.engine.iam().is_root(arn)).then_some(arn)
    }
}
