//! Calls by the protocols of AWS, a method for each protocol. Throttles, server errors
//! and connections that broke are tried again with a jittered pause, as AWS's own
//! clients do; what was refused is an error at once.

use std::time::Instant;

use aws_wire::form;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Method;
use md5::{Digest as _, Md5};
use serde_json::Value;

use crate::client::{Answer, Call, Client};
use crate::error::{self, ClientError};
use crate::pool::Patience;
use crate::retry;
use crate::xml::Xml;

/// Services differ in it, and some mind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonVersion {
    V1_0,
    V1_1,
}

impl Client {
    /// REST JSON: Lambda, API Gateway v2, Scheduler. `target` is path and query. An answer
    /// without a body is `null`.
    pub async fn rest_json(
        &self,
        service: &str,
        method: Method,
        target: &str,
        body: Option<&Value>,
    ) -> Result<Value, ClientError> {
        let path = target.split('?').next().unwrap_or_default();
        let operation = format!("{method} {path}");
        let mut headers = vec![];
        let body = match body {
            Some(body) => {
                headers.push(("content-type", "application/json".to_owned()));
                Bytes::from(body.to_string())
            }
            None => Bytes::new(),
        };
        let call = Call {
            service,
            method,
            target: target.to_owned(),
            headers,
            body,
        };
        let answer = self.persist(&call, &operation).await?;
        read_json(&answer, service, &operation)
    }

    /// JSON with a target: Logs (`Logs_20140328.`), SSM (`AmazonSSM.`).
    pub async fn json(
        &self,
        service: &str,
        version: JsonVersion,
        target: &str,
        body: &Value,
    ) -> Result<Value, ClientError> {
        let kind = match version {
            JsonVersion::V1_0 => "application/x-amz-json-1.0",
            JsonVersion::V1_1 => "application/x-amz-json-1.1",
        };
        let call = Call {
            service,
            method: Method::POST,
            target: "/".to_owned(),
            headers: vec![
                ("content-type", kind.to_owned()),
                ("x-amz-target", target.to_owned()),
            ],
            body: Bytes::from(body.to_string()),
        };
        let operation = target.rsplit('.').next().unwrap_or_default();
        let answer = self.persist(&call, operation).await?;
        read_json(&answer, service, operation)
    }

    /// A form that is answered by XML: IAM (`2010-05-08`), STS (`2011-06-15`). The
    /// element that is returned is the `...Result`; where the answer has none, it is
    /// empty.
    pub async fn query(
        &self,
        service: &str,
        version: &str,
        action: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Xml, ClientError> {
        let mut text = format!("Action={action}&Version={version}");
        for (name, value) in parameters {
            text.extend(["&", &form::encode(name), "=", &form::encode(value)]);
        }
        let kind = "application/x-www-form-urlencoded; charset=utf-8";
        let call = Call {
            service,
            method: Method::POST,
            target: "/".to_owned(),
            headers: vec![("content-type", kind.to_owned())],
            body: Bytes::from(text),
        };
        let answer = self.persist(&call, action).await?;
        let mut document = read_xml(&answer, service, action)?;
        let result = format!("{action}Result");
        let at = document
            .children
            .iter()
            .position(|child| child.name == result);
        Ok(at.map_or_else(Xml::default, |at| document.children.swap_remove(at)))
    }

    /// REST XML: S3. An answer without a body gives an empty element.
    pub async fn rest_xml(
        &self,
        method: Method,
        target: &str,
        headers: &[(&'static str, String)],
        body: &[u8],
    ) -> Result<Xml, ClientError> {
        let path = target.split('?').next().unwrap_or_default();
        let operation = format!("{method} {path}");
        let mut headers = headers.to_vec();
        let says = |name: &str| headers.iter().any(|(said, _)| *said == name);
        // Some operations want a checksum, and all take one.
        if !body.is_empty() && !says("content-md5") {
            headers.push(("content-md5", STANDARD.encode(Md5::digest(body))));
        }
        let call = Call {
            service: "s3",
            method,
            target: target.to_owned(),
            headers,
            body: Bytes::copy_from_slice(body),
        };
        let answer = self.persist(&call, &operation).await?;
        read_xml(&answer, "s3", &operation)
    }

    /// Sends a call until it succeeds, is refused for good, or all patience is used up.
    pub(crate) async fn persist(
        &self,
        call: &Call<'_>,
        operation: &str,
    ) -> Result<Answer, ClientError> {
        let started = Instant::now();
        let mut renewed = false;
        let mut attempt = 1;
        loop {
            let error = match self.attempt(call, operation).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if is_expired(&error) && !renewed && self.keys().forget().await {
                renewed = true;
                continue;
            }
            let met = self.pool(call.service).was_met();
            let pause = retry::pause(&error, attempt, met);
            let Some(pause) = pause.filter(|_| attempt < self.settings().attempts) else {
                return Err(error);
            };
            if started.elapsed() + pause > retry::LONGEST {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    async fn attempt(&self, call: &Call<'_>, operation: &str) -> Result<Answer, ClientError> {
        let service = call.service;
        let shown = format!("{service} {operation}");
        let answer = retry::patience(self.settings().answer, call.body.len());
        let patience = Patience {
            answer,
            piece: answer,
        };
        let reply = self.open_within(call, &shown, patience).await?;
        let answer = Answer::read(reply).await;
        match answer {
            Ok(answer) if answer.status.is_success() => Ok(answer),
            Ok(answer) => Err(error::refusal(shown, &answer)),
            Err(source) => Err(ClientError::Transport {
                call: shown,
                source,
            }),
        }
    }
}

fn is_expired(error: &ClientError) -> bool {
    matches!(
        error.code(),
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired"
    )
}

fn read_json(answer: &Answer, service: &str, operation: &str) -> Result<Value, ClientError> {
    if answer.body.trim_ascii().is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&answer.body)
        .map_err(|error| garbled(service, operation, &error.to_string()))
}

fn read_xml(answer: &Answer, service: &str, operation: &str) -> Result<Xml, ClientError> {
    // S3 answers some calls by other things than documents: a policy is JSON.
    let body = answer.body.trim_ascii();
    if body.is_empty() {
        return Ok(Xml::default());
    }
    if !body.starts_with(b"<") {
        return Ok(Xml {
            text: String::from_utf8_lossy(body).into_owned(),
            ..Xml::default()
        });
    }
    Xml::parse(body).map_err(|why| garbled(service, operation, &why))
}

fn garbled(service: &str, operation: &str, detail: &str) -> ClientError {
    ClientError::Garbled {
        call: format!("{service} {operation}"),
        detail: detail.to_owned(),
    }
}
