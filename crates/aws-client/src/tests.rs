//! Calls against endpoints that misbehave, and what is found in environment and files.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_wire::sigv4::Credentials;
use http::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::{Asked, Client, ClientError, JsonVersion};

/// What an endpoint does with a request.
#[derive(Debug, Clone, Copy)]
pub enum Does {
    /// Status and body.
    Answers(u16, &'static str),
    /// Closes the connection without a word.
    Breaks,
    /// Says nothing, and keeps the connection.
    Hangs,
}

/// An endpoint that follows a script, and what was asked of it: heads and bodies.
pub struct Endpoint {
    pub url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Endpoint {
    /// After its script it answers as at the end of it.
    pub async fn start(script: &'static [Does]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(vec![]));
        let heard = Arc::clone(&asked);
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    return;
                };
                tokio::spawn(serve(stream, script, Arc::clone(&heard)));
            }
        });
        Self { url, asked }
    }

    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn client(&self) -> Client {
        Client::new(&self.url, "eu-west-1".to_owned(), keys()).unwrap()
    }
}

async fn serve(mut stream: TcpStream, script: &[Does], heard: Arc<Mutex<Vec<String>>>) {
    while let Some(request) = request(&mut stream).await {
        let number = {
            let mut heard = heard.lock().unwrap();
            heard.push(request);
            heard.len() - 1
        };
        match script[number.min(script.len() - 1)] {
            Does::Answers(status, body) => {
                let length = body.len();
                let text = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n\r\n{body}");
                stream.write_all(text.as_bytes()).await.unwrap();
            }
            Does::Breaks => return,
            Does::Hangs => std::future::pending().await,
        }
    }
}

async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut seen = Vec::new();
    let end = loop {
        if stream.read_buf(&mut seen).await.ok()? == 0 {
            return None;
        }
        if let Some(end) = seen.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8_lossy(&seen[..end]).to_lowercase();
    let length = head.split("content-length: ").nth(1);
    let length = length.map_or(0, |text| {
        text.split("\r\n").next().unwrap().parse().unwrap()
    });
    while seen.len() < end + length {
        stream.read_buf(&mut seen).await.ok()?;
    }
    Some(String::from_utf8_lossy(&seen).into_owned())
}

pub fn keys() -> Credentials {
    Credentials {
        access_key: "AKID".to_owned(),
        secret: "secret".to_owned(),
        session_token: None,
    }
}

#[tokio::test]
async fn each_protocol_is_spoken_as_its_services_want_it() {
    const XML: &str = "<GetRoleResponse><GetRoleResult><Role><Arn>a</Arn></Role></GetRoleResult><ResponseMetadata/></GetRoleResponse>";
    const SCRIPT: &[Does] = &[
        Does::Answers(200, r#"{"a":1}"#),
        Does::Answers(204, ""),
        Does::Answers(200, "{}"),
        Does::Answers(200, XML),
        Does::Answers(200, "<A><B>b</B></A>"),
        Does::Answers(200, "{\"Version\":1}"),
    ];
    let endpoint = Endpoint::start(SCRIPT).await;
    let client = endpoint.client();
    let body = json!({ "x": 1 });
    let target = "/2015-03-31/functions?a=b";
    let answer = client.rest_json("lambda", Method::POST, target, Some(&body));
    assert_eq!(answer.await.unwrap()["a"], 1);
    let answer = client.rest_json("lambda", Method::DELETE, "/x", None).await;
    assert!(answer.unwrap().is_null());
    let target = "AmazonSSM.GetParameter";
    client
        .json("ssm", JsonVersion::V1_1, target, &body)
        .await
        .unwrap();
    let result = client.query("iam", "2010-05-08", "GetRole", &[("RoleName", "a b&c")]);
    assert_eq!(result.await.unwrap().at(&["Role", "Arn"]), "a");
    let document = client
        .rest_xml(Method::PUT, "/b?tagging", &[], b"<x/>")
        .await;
    assert_eq!(document.unwrap().at(&["B"]), "b");
    let policy = client
        .rest_xml(Method::GET, "/b?policy", &[], b"")
        .await
        .unwrap();
    assert_eq!(policy.text, "{\"Version\":1}");

    let asked = endpoint.asked();
    let holds = |number: usize, words: &[&str]| {
        let request: &String = &asked[number];
        for word in words {
            assert!(request.contains(word), "{word} is not in {request}");
        }
    };
    holds(
        0,
        &[
            "POST /2015-03-31/functions?a=b ",
            "application/json",
            "/eu-west-1/lambda/aws4_request",
            "{\"x\":1}",
        ],
    );
    holds(
        2,
        &["x-amz-target: AmazonSSM.GetParameter", "x-amz-json-1.1"],
    );
    // IAM is one for all regions.
    holds(3, &["/us-east-1/iam/aws4_request", "RoleName=a%20b%26c"]);
    holds(4, &["content-md5: ", "x-amz-content-sha256: "]);
    assert!(!asked[5].contains("content-md5"));
}

#[tokio::test]
async fn what_passes_is_tried_again_and_what_does_not_is_not() {
    const LASTING: &[Does] = &[Does::Answers(409, r#"{"code":"ConflictException"}"#)];
    const PASSING: &[Does] = &[
        Does::Breaks,
        Does::Answers(500, ""),
        Does::Answers(400, r#"{"__type":"ThrottlingException"}"#),
        Does::Answers(200, "{}"),
    ];
    let endpoint = Endpoint::start(PASSING).await;
    let client = endpoint.client();
    let answer = client.rest_json("lambda", Method::POST, "/f", None).await;
    assert!(answer.is_ok(), "{answer:?}");
    assert_eq!(endpoint.asked().len(), 4);

    let endpoint = Endpoint::start(LASTING).await;
    let client = endpoint.client();
    let answer = client.rest_json("lambda", Method::POST, "/f", None).await;
    let error = answer.unwrap_err();
    assert!(error.is_conflict() && !error.is_unsure(), "{error}");
    assert_eq!(endpoint.asked().len(), 1);
}

/// A client of an endpoint that is not patient.
fn hasty(endpoint: &Endpoint, attempts: &str) -> Client {
    let variables = [
        ("AWS_ENDPOINT_URL", endpoint.url.as_str()),
        ("AWS_ACCESS_KEY_ID", "a"),
        ("AWS_SECRET_ACCESS_KEY", "b"),
        ("AWS_MAX_ATTEMPTS", attempts),
        ("SQUALL_ANSWER_SECONDS", "1"),
    ];
    found(&variables, Asked::default()).unwrap()
}

pub fn found(variables: &[(&str, &str)], asked: Asked<'_>) -> Result<Client, ClientError> {
    let set: BTreeMap<_, _> = variables.iter().copied().collect();
    let variable = |name: &str| set.get(name).map(|value| (*value).to_owned());
    Client::find(&variable, asked)
}

#[tokio::test]
async fn all_patience_ends() {
    let endpoint = Endpoint::start(&[Does::Hangs]).await;
    let client = hasty(&endpoint, "9");
    let error = client.rest_json("lambda", Method::GET, "/f", None).await;
    let error = error.unwrap_err();
    assert_eq!(
        error.line(),
        "lambda GET /f got no answer: the endpoint went silent"
    );
    assert!(error.is_unsure());
    assert_eq!(endpoint.asked().len(), 2, "silence is tried once more");

    let endpoint = Endpoint::start(&[Does::Answers(503, "")]).await;
    let error = hasty(&endpoint, "3")
        .rest_json("lambda", Method::GET, "/f", None)
        .await;
    assert_eq!(error.unwrap_err().to_string(), "503 Service Unavailable");
    assert_eq!(endpoint.asked().len(), 3);
}

#[tokio::test]
async fn an_endpoint_that_was_never_there_is_said_at_once() {
    // The port is ours and nobody listens: one that was given back another may take.
    let nobody = tokio::net::TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    let client = Client::new(&url, "us-east-1".to_owned(), keys()).unwrap();
    let error = client.rest_json("lambda", Method::GET, "/f", None).await;
    let error = error.unwrap_err();
    assert!(error.line().contains("nothing answers at"), "{error}");
    assert!(!error.is_unsure());
}

#[tokio::test]
async fn answers_that_are_none_are_told_with_their_call() {
    let endpoint = Endpoint::start(&[Does::Answers(200, "<html")]).await;
    let client = endpoint.client();
    let body = json!({});
    let json = client.json("ssm", JsonVersion::V1_1, "AmazonSSM.X", &body);
    let said = json.await.unwrap_err().to_string();
    assert!(
        said.starts_with("the answer to ssm X is not as expected"),
        "{said}"
    );
    let xml = client
        .query("iam", "v", "ListRoles", &[])
        .await
        .unwrap_err();
    assert!(matches!(xml, ClientError::Garbled { .. }), "{xml}");
}
