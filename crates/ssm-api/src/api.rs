//! Which operation is asked for, and the frame around its answer.

use std::fmt;
use std::sync::Arc;

use aws_wire::Body;
use aws_wire::error::respond;
use aws_wire::sigv4::{Identity, Principal};
use bytes::Bytes;
use engine::iam::Iam;
use engine::parameters::Parameters;
use http::{Request, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::ApiError;

/// Answers for `ssm`, as far as parameters go.
#[derive(Clone)]
pub struct SsmApi {
    pub(crate) parameters: Arc<Parameters>,
    pub(crate) iam: Arc<Iam>,
}

impl fmt::Debug for SsmApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SsmApi").finish_non_exhaustive()
    }
}

impl SsmApi {
    pub fn new(parameters: Arc<Parameters>, iam: Arc<Iam>) -> Self {
        Self { parameters, iam }
    }

    /// Who asks is taken from the request's extensions, where the server puts the
    /// verified [`Identity`].
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Body> {
        let target = request.headers().get("x-amz-target");
        let target = target.and_then(|value| value.to_str().ok());
        let operation = target.and_then(|target| target.strip_prefix("AmazonSSM."));
        let operation = operation.unwrap_or_default().to_owned();
        let caller = match request.extensions().get::<Identity>() {
            Some(identity) => identity.principal.clone(),
            None => Principal::root(self.parameters.scope().account.clone()),
        };
        let answer = match self.permit(&operation, &request, &caller) {
            Ok(()) => self.operation(&operation, request.body(), &caller).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(answer) => respond(
                StatusCode::OK,
                "application/x-amz-json-1.1",
                answer.to_string(),
            ),
            Err(error) => error.respond(),
        }
    }

    async fn operation(
        &self,
        operation: &str,
        body: &Bytes,
        caller: &Principal,
    ) -> Result<Value, ApiError> {
        match operation {
            "PutParameter" => self.put_parameter(read(body)?, caller).await,
            "GetParameter" => self.get_parameter(&read(body)?),
            "GetParameters" => self.get_parameters(&read(body)?),
            "GetParametersByPath" => self.get_parameters_by_path(&read(body)?),
            "DescribeParameters" => self.describe_parameters(&read(body)?),
            "DeleteParameter" => self.delete_parameter(read(body)?).await,
            "DeleteParameters" => self.delete_parameters(read(body)?).await,
            "AddTagsToResource" => self.add_tags_to_resource(read(body)?).await,
            "RemoveTagsFromResource" => self.remove_tags_from_resource(read(body)?).await,
            "ListTagsForResource" => self.list_tags_for_resource(&read(body)?),
            _ => Err(ApiError::UnknownOperation),
        }
    }
}

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, ApiError> {
    let body: &[u8] = if body.is_empty() { b"{}" } else { body };
    // Where it is wrong, and not what stands there: that may be a secret.
    serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        ApiError::Unreadable(format!(
            "The request is not as the operation wants it, at line {line}, column {column}."
        ))
    })
}
