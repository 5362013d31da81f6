//! Authorizers on the wire: of tokens (JWT), and of functions (REQUEST).

use engine::http_apis::{
    Authorizer, AuthorizerKind, FunctionAuthorizer, HttpApiError, JwtAuthorizer, NewAuthorizer,
    PayloadFormat,
};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use types::{FunctionName, Qualifier};

use crate::api::{Answer, Call, not_built};
use crate::error::ApiError;
use crate::members::{api_id, check_length, part_id, required};
use crate::paging;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Members {
    name: Option<String>,
    authorizer_type: Option<Type>,
    authorizer_uri: Option<String>,
    authorizer_credentials_arn: Option<String>,
    authorizer_payload_format_version: Option<String>,
    authorizer_result_ttl_in_seconds: Option<u32>,
    enable_simple_responses: Option<bool>,
    identity_source: Option<Vec<String>>,
    identity_validation_expression: Option<String>,
    jwt_configuration: Option<JwtMembers>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Type {
    Jwt,
    Request,
}

#[derive(Debug, Default, Deserialize)]
struct JwtMembers {
    audience: Option<Vec<String>>,
    issuer: Option<String>,
}

type Named = (FunctionName, Option<Qualifier>);

impl Type {
    fn of(authorizer: &Authorizer) -> Self {
        match authorizer.kind {
            AuthorizerKind::Jwt(_) => Self::Jwt,
            AuthorizerKind::Function(_) => Self::Request,
        }
    }
}

impl Members {
    /// What would let in others than it says must not be passed over.
    fn check(&self, of: Type) -> Result<(), ApiError> {
        check_length("name", self.name.as_ref(), 1, 128)?;
        let expression = self.identity_validation_expression.as_deref();
        if expression.is_some_and(|text| !text.is_empty()) {
            return Err(ApiError::invalid(
                "IdentityValidationExpression is not supported for HTTP APIs",
            ));
        }
        if self.authorizer_type.is_some_and(|given| given != of) {
            return Err(ApiError::invalid(
                "An authorizer cannot become one of another type; make a new one.",
            ));
        }
        let given = |name: &'static str, is_given: bool| is_given.then_some(name);
        let (wrong, right) = match of {
            Type::Jwt => {
                let role = self.authorizer_credentials_arn.as_deref();
                let wrong = given(
                    "AuthorizerCredentialsArn",
                    role.is_some_and(|role| !role.is_empty()),
                )
                .or(given(
                    "AuthorizerPayloadFormatVersion",
                    self.authorizer_payload_format_version.is_some(),
                ))
                .or(given(
                    "AuthorizerResultTtlInSeconds",
                    self.authorizer_result_ttl_in_seconds.unwrap_or(0) > 0,
                ))
                .or(given(
                    "EnableSimpleResponses",
                    self.enable_simple_responses == Some(true),
                ));
                (wrong, "REQUEST")
            }
            Type::Request => (
                given("JwtConfiguration", self.jwt_configuration.is_some()),
                "JWT",
            ),
        };
        match wrong {
            None => Ok(()),
            Some(name) => Err(ApiError::invalid(format!(
                "{name} is only supported for {right} authorizers"
            ))),
        }
    }

    fn payload(&self) -> Result<Option<PayloadFormat>, ApiError> {
        match self.authorizer_payload_format_version.as_deref() {
            None => Ok(None),
            Some("1.0") => Ok(Some(PayloadFormat::V1)),
            Some("2.0") => Ok(Some(PayloadFormat::V2)),
            Some(_) => Err(ApiError::invalid(
                "AuthorizerPayloadFormatVersion is 1.0 or 2.0",
            )),
        }
    }

    fn named(&self, call: &Call<'_>, of: Type) -> Result<Option<Named>, ApiError> {
        let uri = self.authorizer_uri.as_deref();
        let uri = uri.filter(|_| of == Type::Request);
        uri.map(|uri| call.function(uri)).transpose()
    }

    /// Changes what is named.
    fn apply(
        self,
        payload: Option<PayloadFormat>,
        named: Option<Named>,
        authorizer: &mut Authorizer,
    ) -> Result<(), HttpApiError> {
        if let Some(name) = self.name {
            authorizer.name = name;
        }
        match &mut authorizer.kind {
            AuthorizerKind::Jwt(jwt) => {
                let config = self.jwt_configuration.unwrap_or_default();
                if let Some(sources) = self.identity_source {
                    jwt.source = only(sources)?;
                }
                if let Some(issuer) = config.issuer {
                    jwt.issuer = issuer;
                }
                if let Some(audience) = config.audience {
                    jwt.audience = audience;
                }
                if let Some(keys) = self.authorizer_uri {
                    jwt.keys = Some(keys).filter(|keys| !keys.is_empty());
                }
            }
            AuthorizerKind::Function(function) => {
                if let (Some(uri), Some((name, qualifier))) = (self.authorizer_uri, named) {
                    (function.uri, function.function, function.qualifier) = (uri, name, qualifier);
                }
                if let Some(role) = self.authorizer_credentials_arn {
                    function.role = Some(role).filter(|role| !role.is_empty());
                }
                if let Some(sources) = self.identity_source {
                    function.sources = sources;
                }
                if let Some(payload) = payload {
                    function.payload = payload;
                }
                if let Some(simple) = self.enable_simple_responses {
                    function.simple = simple;
                }
                if let Some(ttl) = self.authorizer_result_ttl_in_seconds {
                    function.ttl_seconds = ttl;
                }
            }
        }
        Ok(())
    }
}

fn read_new(call: &Call<'_>) -> Result<NewAuthorizer, ApiError> {
    let members: Members = call.members()?;
    let of = required(members.authorizer_type, "authorizerType")?;
    members.check(of)?;
    let (payload, named) = (members.payload()?, members.named(call, of)?);
    let name = required(members.name, "name")?;
    let uri = members.authorizer_uri.filter(|uri| !uri.is_empty());
    let kind = match of {
        Type::Jwt => {
            let config = required(members.jwt_configuration, "jwtConfiguration")?;
            let sources = required(members.identity_source, "identitySource")?;
            AuthorizerKind::Jwt(JwtAuthorizer {
                source: only(sources)?,
                issuer: required(config.issuer, "jwtConfiguration.issuer")?,
                audience: config.audience.unwrap_or_default(),
                keys: uri,
            })
        }
        Type::Request => {
            let (function, qualifier) = required(named, "authorizerUri")?;
            let role = members.authorizer_credentials_arn;
            AuthorizerKind::Function(FunctionAuthorizer {
                uri: required(uri, "authorizerUri")?,
                function,
                qualifier,
                role: role.filter(|role| !role.is_empty()),
                sources: members.identity_source.unwrap_or_default(),
                payload: required(payload, "authorizerPayloadFormatVersion")?,
                simple: members.enable_simple_responses == Some(true),
                ttl_seconds: members.authorizer_result_ttl_in_seconds.unwrap_or(0),
            })
        }
    };
    Ok(NewAuthorizer { name, kind })
}

fn only(sources: Vec<String>) -> Result<String, HttpApiError> {
    let one = <[String; 1]>::try_from(sources);
    let one = one.map_err(|_| HttpApiError::invalid("A JWT authorizer has one identity source"));
    one.map(|[source]| source)
}

pub(crate) async fn operation(
    call: &Call<'_>,
    method: &Method,
    api: &str,
    rest: &[&str],
) -> Answer {
    let api = api_id(api)?;
    let apis = call.apis();
    match (method, rest) {
        (&Method::GET, []) => {
            let entry = apis.api(&api)?;
            let all = entry.api.authorizers.values();
            let shown = all.map(|authorizer| (authorizer.id.to_string(), show(authorizer)));
            Ok((StatusCode::OK, paging::page(call, shown)?))
        }
        (&Method::POST, []) => {
            let made = apis.create_authorizer(&api, read_new(call)?).await?;
            Ok((StatusCode::CREATED, show(&made)))
        }
        (&Method::GET, [id]) => {
            let entry = apis.api(&api)?;
            let authorizer = entry.api.authorizer(&part_id("Authorizer", id)?)?;
            Ok((StatusCode::OK, show(authorizer)))
        }
        (&Method::PATCH, [id]) => {
            let id = part_id("Authorizer", id)?;
            let of = Type::of(apis.api(&api)?.api.authorizer(&id)?);
            let members: Members = call.members()?;
            members.check(of)?;
            let (payload, named) = (members.payload()?, members.named(call, of)?);
            let change = |there: &mut Authorizer| members.apply(payload, named, there);
            let changed = apis.update_authorizer(&api, &id, change).await?;
            Ok((StatusCode::OK, show(&changed)))
        }
        (&Method::DELETE, [id]) => {
            let id = part_id("Authorizer", id)?;
            apis.delete_authorizer(&api, &id).await?;
            Ok((StatusCode::NO_CONTENT, Value::Null))
        }
        _ => not_built(method, "/v2/apis/.../authorizers"),
    }
}

fn show(authorizer: &Authorizer) -> Value {
    let mut shown = json!({
        "authorizerId": authorizer.id,
        "authorizerType": Type::of(authorizer),
        "name": authorizer.name,
    });
    match &authorizer.kind {
        AuthorizerKind::Jwt(jwt) => {
            shown["identitySource"] = json!([jwt.source]);
            shown["jwtConfiguration"] = json!({ "audience": jwt.audience, "issuer": jwt.issuer });
            if let Some(keys) = &jwt.keys {
                shown["authorizerUri"] = keys.as_str().into();
            }
        }
        AuthorizerKind::Function(function) => {
            shown["authorizerPayloadFormatVersion"] = json!(function.payload);
            shown["authorizerResultTtlInSeconds"] = function.ttl_seconds.into();
            shown["authorizerUri"] = function.uri.as_str().into();
            shown["enableSimpleResponses"] = function.simple.into();
            shown["identitySource"] = json!(function.sources);
            if let Some(role) = &function.role {
                shown["authorizerCredentialsArn"] = role.as_str().into();
            }
        }
    }
    shown
}
