//! Requests straight into the API, on a real engine that has nothing to run:
//! what is looked at are shapes, codes and words.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use aws_wire::sigv4::{Identity, Principal};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use buckets::{Buckets, Routes};
use bytes::Bytes;
use engine::iam::{Iam, NewRole};
use engine::{Engine, EngineSettings, ResponseStream, StreamEvent};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use insta::assert_snapshot;
use sandbox::{Isolation, Sandbox, SandboxSettings};
use serde_json::{Value, json};
use store::{Durability, Store};
use types::{Limits, RequestId, Scope, Version};

use crate::{Endpoints, LambdaApi, stream};

mod around;
mod functions;
mod invocations;
mod layers;
mod permissions;
mod versions;

const FUNCTIONS: &str = "/2015-03-31/functions";

struct Wire {
    api: LambdaApi,
    engine: Engine,
    buckets: Buckets,
    _dir: tempfile::TempDir,
}

struct Reply {
    status: StatusCode,
    code: String,
    headers: http::HeaderMap,
    bytes: Bytes,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or(Value::Null)
    }

    /// Status, code and message of a refusal, in one line.
    fn refusal(&self) -> String {
        let json = self.json();
        let small = json["message"].as_str();
        let message = small
            .or_else(|| json["Message"].as_str())
            .unwrap_or_default();
        format!("{} {}: {message}", self.status.as_u16(), self.code)
    }
}

impl Wire {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("data"), Durability::Relaxed).unwrap();
        let sandbox = Sandbox::new(SandboxSettings {
            isolation: Isolation::None,
            helper: dir.path().join("no-helper"),
            unprivileged: (65_534, 65_534),
            guest_directory: dir.path().join("guests"),
            group_name: "squall-wire-test".to_owned(),
            open_files: 64,
            processes: 64,
            python_packages: Vec::new(),
        });
        let settings = EngineSettings {
            scope: Scope {
                account: "123456789012".parse().unwrap(),
                region: "us-east-1".parse().unwrap(),
            },
            limits: Limits::default(),
            api: "127.0.0.1:4566".parse().unwrap(),
            idle: Duration::from_mins(1),
            init_timeout: Duration::from_secs(1),
            template_memory_mb: 64,
            event_retry: Duration::from_mins(1),
            event_workers: 1,
            python_folders: Vec::new(),
            r_folders: Vec::new(),
            watch: watch::Watch::default(),
        };
        let store = Arc::new(store);
        let (limit, router) = (100, Arc::new(Routes::none));
        let buckets = Buckets::open(store.clone(), settings.scope.clone(), limit, router).unwrap();
        let iam = Iam::open(store.clone(), settings.scope.clone()).unwrap();
        let engine = Engine::start(
            settings,
            store,
            sandbox.unwrap(),
            Arc::new(iam),
            buckets.clone(),
        );
        let engine = engine.await.unwrap();
        let endpoints = Endpoints {
            api: "http://127.0.0.1:4566".to_owned(),
            function_url: "http://{id}.lambda-url.{region}.localhost:8080/".to_owned(),
        };
        Self {
            api: LambdaApi::new(engine.clone(), endpoints),
            engine,
            buckets,
            _dir: dir,
        }
    }

    async fn send(&self, request: Request<Bytes>) -> Reply {
        reply(self.api.handle(request).await).await
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> Reply {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let request = Request::builder().method(method).uri(path);
        self.send(request.body(body.into()).unwrap()).await
    }

    /// The same, signed with the keys of a role.
    async fn call_as(&self, role: &str, method: Method, path: &str, body: &Value) -> Reply {
        let request = Request::builder().method(method).uri(path);
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let request = request.extension(identity(role)).body(body.into()).unwrap();
        self.send(request).await
    }

    async fn get(&self, path: &str) -> Reply {
        self.call(Method::GET, path, &Value::Null).await
    }

    async fn post(&self, path: &str, body: Value) -> Reply {
        self.call(Method::POST, path, &body).await
    }

    async fn put(&self, path: &str, body: Value) -> Reply {
        self.call(Method::PUT, path, &body).await
    }

    async fn delete(&self, path: &str) -> Reply {
        self.call(Method::DELETE, path, &Value::Null).await
    }

    /// Creates a function with what `members` say beyond the least there must be.
    async fn create(&self, name: &str, members: Value) -> Reply {
        let mut body = json!({
            "FunctionName": name,
            "Role": "arn:aws:iam::123456789012:role/service/r",
            "Runtime": "provided.al2023",
            "Handler": "bootstrap",
            "Code": { "ZipFile": zip("1") },
        });
        let members = members.as_object().cloned().unwrap_or_default();
        body.as_object_mut().unwrap().extend(members);
        self.post("/2015-03-31/functions", body).await
    }
}

/// Of a session in a role.
fn identity(role: &str) -> Identity {
    let account: types::AccountId = "123456789012".parse().unwrap();
    Identity {
        access_key: "ASIA".to_owned(),
        principal: Principal {
            arn: format!("arn:aws:sts::{account}:assumed-role/{role}/session"),
            user_id: "AROA:session".to_owned(),
            account,
        },
        region: "us-east-1".to_owned(),
        service: "lambda".to_owned(),
    }
}

async fn reply(response: Response<aws_wire::Body>) -> Reply {
    let (parts, body) = response.into_parts();
    let code = parts.headers.get("x-amzn-errortype");
    Reply {
        status: parts.status,
        code: code
            .map(|c| c.to_str().unwrap().to_owned())
            .unwrap_or_default(),
        headers: parts.headers,
        bytes: body.collect().await.unwrap().to_bytes(),
    }
}

/// A package in base64.
fn zip(content: &str) -> String {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    writer.start_file("bootstrap", options).unwrap();
    writer.write_all(content.as_bytes()).unwrap();
    STANDARD.encode(writer.finish().unwrap().into_inner())
}

/// A shape with what differs from run to run replaced.
fn stable(mut value: Value) -> String {
    fn walk(value: &mut Value) {
        const CHANGING: [&str; 6] = [
            "RevisionId",
            "LastModified",
            "CreatedDate",
            "CreationTime",
            "LastModifiedTime",
            "Location",
        ];
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    if CHANGING.contains(&name.as_str()) {
                        *value = "...".into();
                    } else if name == "FunctionUrl" {
                        let url = value.as_str().unwrap_or_default();
                        let id = url.trim_start_matches("http://").split('.').next();
                        *value = url.replace(id.unwrap_or_default(), "ID").into();
                    } else {
                        walk(value);
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(walk),
            _ => {}
        }
    }
    walk(&mut value);
    serde_json::to_string_pretty(&value).unwrap()
}
