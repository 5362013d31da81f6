//! May who asks do this? Only what roles sign is asked about: the owner of the account
//! may everything.

use aws_wire::sigv4::Identity;
use bytes::Bytes;
use engine::http_apis::ModelTarget;
use engine::iam::{Ask, Iam, request_context};
use http::Request;
use policy::Context;
use serde_json::Value;
use types::FunctionRef;

use crate::api::{ApigatewayApi, segments};
use crate::error::ApiError;

const SERVICE: &str = "apigateway.amazonaws.com";

impl ApigatewayApi {
    pub(crate) fn permit(&self, request: &Request<Bytes>) -> Result<(), ApiError> {
        let Some(identity) = request.extensions().get::<Identity>() else {
            return Ok(());
        };
        let asker = Asker {
            iam: &self.parts.iam,
            arn: &identity.principal.arn,
        };
        if asker.iam.is_root(asker.arn) {
            return Ok(());
        }
        let scope = self.parts.apis.scope();
        let path = segments(request.uri().path()).join("/");
        let path = path.strip_prefix("v2/").unwrap_or(&path);
        let context = request_context(request.extensions());
        let action = format!("apigateway:{}", request.method());
        let resource = format!("arn:aws:apigateway:{}::/{path}", scope.region);
        asker.ask(&action, &resource, &context)?;

        let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        // Who gives an integration a role, a function to map over, a model or a site must
        // be allowed to use them: through the gateway it would else reach what it may not.
        let roles = ["credentialsArn", "authorizerCredentialsArn"];
        for role in roles.iter().filter_map(|name| body[name].as_str()) {
            let context = context.clone().with("iam:PassedToService", SERVICE);
            asker.ask("iam:PassRole", role, &context)?;
        }
        let mapped = body["requestParameters"]["function"].as_str();
        if let Some(mapped) = mapped.and_then(|text| text.parse::<FunctionRef>().ok()) {
            let arn = scope.function_arn(&mapped.name);
            asker.ask("lambda:InvokeFunction", &arn, &context)?;
        }
        let model = body["requestParameters"]["model"].as_str();
        if let Some(model) = model.and_then(|uri| ModelTarget::at(uri).ok()) {
            let arn = format!("arn:aws:s3:::{}/{}", model.bucket, model.key);
            asker.ask("s3:GetObject", &arn, &context)?;
        }
        if let Some(bucket) = body["requestParameters"]["bucket"].as_str() {
            let prefix = body["requestParameters"]["prefix"].as_str();
            let arn = format!("arn:aws:s3:::{bucket}/{}*", prefix.unwrap_or_default());
            asker.ask("s3:GetObject", &arn, &context)?;
        }
        Ok(())
    }
}

struct Asker<'a> {
    iam: &'a Iam,
    arn: &'a str,
}

impl Asker<'_> {
    fn ask(&self, action: &str, resource: &str, context: &Context) -> Result<(), ApiError> {
        let ask = Ask {
            principal_arn: self.arn,
            action,
            resource,
            resource_policy: None,
            context,
        };
        let permitted = self.iam.authorize(&ask);
        permitted.map_err(|denied| ApiError::Denied(denied.to_string()))
    }
}
