//! Requests to models that lie in a real bucket, and what happens when they are replaced.

use std::sync::Arc;
use std::time::Duration;

use buckets::{Attributes, BucketSettings, Buckets, Origin, Routes, Write, WriteKind};
use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use store::{Durability, Precondition, Store};
use types::{BucketName, RequestId};

use super::{BucketObject, Freshness, ModelCall, ModelRoute, ServedModel, serve_model};
use crate::map_service::Pairs;

/// A bucket, and a model in it that is looked at with every request.
struct Place {
    buckets: Buckets,
    served: Arc<ServedModel<BucketObject>>,
    _store: Arc<Store>,
    _folder: tempfile::TempDir,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(folder.path(), Durability::Relaxed).unwrap());
        let scope = types::Scope {
            account: "000000000000".parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
        };
        let buckets = Buckets::open(store.clone(), scope, 10, Arc::new(Routes::none)).unwrap();
        let name: BucketName = "models".parse().unwrap();
        let made = buckets.create(name.clone(), BucketSettings::default());
        made.await.unwrap();
        Self {
            served: served(&buckets, Duration::ZERO),
            buckets,
            _store: store,
            _folder: folder,
        }
    }

    /// Looks at the object less often.
    fn freshness(&mut self, every: Duration) {
        self.served = served(&self.buckets, every);
    }

    async fn put(&self, body: impl Into<Bytes>) {
        let mut writer = self.buckets.writer(None);
        writer.write(body.into()).await.unwrap();
        let content = writer.finish().await.unwrap();
        let bucket = self.buckets.bucket(&"models".parse().unwrap()).unwrap();
        let write = Write {
            key: "admission".parse().unwrap(),
            content,
            attributes: Attributes::default(),
            precondition: Precondition::default(),
            kind: WriteKind::Put,
            origin: Origin::default(),
        };
        self.buckets.put(&bucket, write).await.unwrap();
    }

    async fn remove(&self) {
        let bucket = self.buckets.bucket(&"models".parse().unwrap()).unwrap();
        let removed = self.buckets.delete_object(
            &bucket,
            "admission".parse().unwrap(),
            None,
            Precondition::default(),
            Origin::default(),
        );
        removed.await.unwrap();
    }

    async fn ask(
        &self,
        options: &[(&str, &str)],
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let options = options.iter();
        let options = options.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let options: Pairs = options.collect();
        let route = ModelRoute::at("s3://models/admission", options).unwrap();
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let call = ModelCall {
            parts: &parts,
            route: &route,
            request_id: RequestId::random(),
            tally: None,
        };
        let response = serve_model(&self.served, &call, body.into()).await;
        let (head, body) = response.into_parts();
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    async fn get(&self, query: &str) -> Answer {
        let target = format!("/admission?{query}");
        self.ask(&[], Method::GET, &target, &[], "").await
    }

    async fn post(&self, options: &[(&str, &str)], kind: &str, body: &str) -> Answer {
        let headers = [("content-type", kind)];
        let body = body.to_owned();
        self.ask(options, Method::POST, "/admission", &headers, body)
            .await
    }
}

fn served(buckets: &Buckets, every: Duration) -> Arc<ServedModel<BucketObject>> {
    let (bucket, key) = ("models".parse().unwrap(), "admission".parse().unwrap());
    let object = BucketObject::new(buckets.clone(), bucket, key);
    let freshness = Freshness {
        every,
        patience: Duration::from_mins(1),
        first: Duration::from_mins(1),
    };
    Arc::new(ServedModel::new(object, freshness))
}

const JSON: &str = "application/json";
const CSV: &str = "text/csv";

/// A model of admissions; `shift` makes another of it.
fn model(shift: f64) -> Vec<u8> {
    crate::model_service::testing::admission(shift)
}

fn fit(answer: &Answer) -> f64 {
    answer.json()["fit"].as_f64().unwrap()
}

#[tokio::test]
async fn one_row_comes_in_a_query_in_json_or_in_a_form() {
    let place = Place::new().await;
    place.put(model(0.0)).await;
    let answer = place.get("gre=800&gpa=4&rank=1").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), JSON);
    let expected = fit(&answer);
    assert!((expected - 0.738).abs() < 0.01, "{expected}");
    assert_eq!(answer.json(), json!({ "fit": expected }));
    let version = answer.header("x-squall-model-version");
    assert_eq!(version.len(), 32, "{version}");
    for (kind, body) in [
        (JSON, r#"{"gre": 800, "gpa": 4, "rank": "1", "name": "x"}"#),
        ("", r#"{"rank": "1", "gpa": 4.0, "gre": 8e2}"#),
        ("application/x-www-form-urlencoded", "gre=800&gpa=4&rank=1"),
    ] {
        let answer = place.post(&[], kind, body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json(), json!({ "fit": expected }), "{body}");
    }
    let options = [("threshold", "0.5"), ("decision", "admitted")];
    for (rank, admitted) in [("1", true), ("4", false)] {
        let body = format!(r#"{{"gre": 800, "gpa": 4, "rank": "{rank}"}}"#);
        let answer = place.post(&options, JSON, &body).await;
        assert_eq!(answer.json()["admitted"], admitted);
    }
    let answer = place
        .get("gre=800&gpa=4&rank=1&threshold=0.9&_decision=yes")
        .await;
    assert_eq!(answer.json(), json!({ "fit": expected, "yes": false }));
    let answer = place.get("gre=NA&gpa=4&rank=1&threshold=0.5").await;
    assert_eq!(answer.json(), json!({ "fit": null, "decision": null }));
    let answer = place.get("gre=800&gpa=4&rank=1").await;
    assert_eq!(fit(&answer).to_bits(), expected.to_bits());
}

#[tokio::test]
async fn many_rows_are_answered_row_by_row() {
    let place = Place::new().await;
    place.put(model(0.0)).await;
    let first = fit(&place.get("gre=800&gpa=4&rank=1").await);
    let second = fit(&place.get("gre=640&gpa=3.19&rank=4").await);
    let rows = r#"[{"gre":800,"gpa":4,"rank":"1"},{"gre":640,"gpa":3.19,"rank":"4"},
                   {"gre":null,"gpa":1,"rank":"2"}]"#;
    let answer = place.post(&[], JSON, rows).await;
    let expected = json!([{ "fit": first }, { "fit": second }, { "fit": null }]);
    assert_eq!(answer.json(), expected);
    let table = "x,rank,gpa,gre\n1,1,4,800\n2,\"4\",3.19,640\n3,2,1,\n";
    let answer = place.post(&[], CSV, table).await;
    assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(answer.text(), format!("fit\n{first}\n{second}\nNA\n"));
    let put = place.ask(&[], Method::PUT, "/a", &[], table).await;
    assert_eq!(put.body, answer.body);
    let accept = [("content-type", CSV), ("accept", JSON)];
    let answer = place.ask(&[], Method::POST, "/a", &accept, table).await;
    assert_eq!(answer.json(), expected);
    let accept = [("content-type", JSON), ("accept", CSV)];
    let rows = Bytes::from(rows.to_owned());
    let answer = place.ask(&[], Method::POST, "/a", &accept, rows).await;
    assert_eq!(answer.text(), format!("fit\n{first}\n{second}\nNA\n"));
    assert_eq!(place.post(&[], JSON, "[]").await.json(), json!([]));
    assert_eq!(place.post(&[], CSV, "gre,gpa,rank\n").await.text(), "fit\n");
    // More than one block, and beside the threads that serve others.
    let mut table = "gre,gpa,rank\n".to_owned();
    table.push_str(&"800,4,1\n".repeat(60_000));
    let answer = place.post(&[], CSV, &table).await;
    assert_eq!(answer.text().lines().count(), 60_001);
    let line = format!("{first}");
    assert!(answer.text().lines().skip(1).all(|it| it == line));
}

#[tokio::test]
async fn who_asks_nothing_is_told_what_may_be_asked() {
    let place = Place::new().await;
    place.put(model(0.0)).await;
    let options = [("threshold", "0.5")];
    let answer = place.ask(&options, Method::GET, "/a", &[], "").await;
    let shown = answer.json();
    assert_eq!(shown["model"], "s3://models/admission");
    assert_eq!(shown["version"], answer.header("x-squall-model-version"));
    assert_eq!(shown["kind"], "glm");
    assert_eq!(shown["options"], json!({ "threshold": "0.5" }));
    assert_eq!(
        shown["fields"],
        json!([
            { "name": "gre", "type": "number" },
            { "name": "gpa", "type": "number" },
            { "name": "rank", "type": "text", "levels": ["1", "2", "3", "4"] },
        ])
    );
    let answer = place.ask(&[], Method::OPTIONS, "/a", &[], "").await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("allow"), "GET, HEAD, POST, PUT, OPTIONS");
}

#[tokio::test]
async fn a_mistake_names_the_field_and_what_is_allowed() {
    let place = Place::new().await;
    place.put(model(0.0)).await;
    let answer = place.get("gre=800&gpa=4&rank=5").await;
    let error = answer.json();
    assert_eq!(error["errorType"], "BadRequest");
    assert_eq!((answer.status, &error["httpStatus"]), (400, &json!(400)));
    assert_eq!(error["request_id"].as_str().unwrap().len(), 36);
    assert_eq!(error["field"], "rank");
    assert_eq!(error["allowed"], json!(["1", "2", "3", "4"]));
    let said = error["message"].as_str().unwrap();
    assert!(
        said.contains("rank") && said.contains("1, 2, 3, 4"),
        "{said}"
    );
    for (query, words) in [
        ("gre=high&gpa=4&rank=1", "field gre: \"high\" is no number"),
        ("gre=&gpa=4&rank=1", "field gre: \"\" is no number"),
        ("gre=800", "there is no field \"gpa\", \"rank\""),
        ("gre=800&gpa=4&rnak=1", "did you mean \"rank\"?"),
        ("gre=800&gpa=4&rank=1&gre=1", "gre is given twice"),
        ("gre=800&gpa=4&rank=1&level=95", "level is \"95\""),
        ("treshold=1", "did you mean \"threshold\"?"),
    ] {
        let answer = place.get(query).await;
        let said = answer.json()["message"].as_str().unwrap().to_owned();
        assert_eq!(answer.status, 400, "{query}");
        assert!(said.contains(words), "{query}: {said}");
    }
    for (kind, body, words) in [
        (
            JSON,
            r#"{"gre": "800", "gpa": 4, "rank": "1"}"#,
            "\"800\" is no number",
        ),
        (
            JSON,
            r#"{"gre": 800, "gpa": 4, "rank": 1}"#,
            "field rank: 1 is no text",
        ),
        (JSON, r#"{"gre": 800, "rank": "1"}"#, "no field \"gpa\""),
        (JSON, "{", "not JSON"),
        (JSON, "", "nothing in it"),
        (CSV, "gre,gpa\n1,2\n", "no column \"rank\""),
        (CSV, "gre,gpa,rank\n1,2,1\nx,2,1\n", "row 2: field gre"),
        (CSV, "gre,gpa,rank\n1,2,1\n1,2,9\n", "row 2"),
        (CSV, "", "empty"),
    ] {
        let answer = place.post(&[], kind, body).await;
        let said = answer.json()["message"].as_str().unwrap().to_owned();
        assert_eq!(answer.status, 400, "{body}: {said}");
        assert!(said.contains(words), "{body}: {said}");
    }
    let mut table = "gre,gpa,rank\n".to_owned();
    table.push_str(&"800,4,1\n".repeat(70_000));
    table.push_str("800,4,7\n");
    let error = place.post(&[], CSV, &table).await.json();
    assert_eq!(error["row"], 70_001, "{error}");
}

#[tokio::test]
async fn what_a_page_sends_as_text_is_taken_if_the_route_says_so() {
    let place = Place::new().await;
    place.put(model(0.0)).await;
    let expected = fit(&place.get("gre=800&gpa=4&rank=1").await);
    for body in [
        r#"{"gre": "800", "gpa": "4", "rank": "1"}"#,
        r#"{"gre": 800, "gpa": "4", "rank": 1}"#,
    ] {
        let answer = place.post(&[("coerce", "true")], JSON, body).await;
        assert_eq!(answer.json(), json!({ "fit": expected }), "{body}");
    }
    let body = r#"{"gre": "lots", "gpa": "4", "rank": "1"}"#;
    let answer = place.post(&[("coerce", "true")], JSON, body).await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn what_cannot_be_done_has_a_status_of_its_own() {
    let place = Place::new().await;
    place.put(model(0.0)).await;
    let row = r#"{"gre": 800, "gpa": 4, "rank": "1"}"#;
    let ask = async |method, headers: &[(&str, &str)], body: &'static str| {
        let answer = place.ask(&[], method, "/a", headers, body).await;
        let error = answer.json()["errorType"].as_str().unwrap().to_owned();
        (answer.status, error, answer.header("allow").to_owned())
    };
    let none = String::new;
    let (status, error, allow) = ask(Method::DELETE, &[], "").await;
    assert_eq!((status, error.as_str()), (405, "MethodNotAllowed"));
    assert_eq!(allow, "GET, HEAD, POST, PUT, OPTIONS");
    let xml = [("content-type", "application/xml")];
    assert_eq!(
        ask(Method::POST, &xml, row).await,
        (415, "UnsupportedMediaType".to_owned(), none())
    );
    let gzip = [("content-encoding", "gzip")];
    assert_eq!(
        ask(Method::POST, &gzip, row).await,
        (415, "UnsupportedMediaType".to_owned(), none())
    );
    let html = [("accept", "text/html")];
    assert_eq!(
        ask(Method::POST, &html, row).await,
        (406, "NotAcceptable".to_owned(), none())
    );
    let table = "gre,gpa,rank\n800,4,1\n800,4,2\n";
    let answer = place.post(&[("max_rows", "1")], CSV, table).await;
    assert_eq!(answer.status, 413);
    assert_eq!(answer.json()["errorType"], "RequestTooLarge");
    // A query bounds rows, too, but not above what the route lets come.
    let options = [("max_rows", "1")];
    let answer = place.ask(&options, Method::POST, "/a?max_rows=100", &[], table);
    assert_eq!(answer.await.status, 413);
}

#[tokio::test]
async fn a_model_that_is_not_there_is_named() {
    let place = Place::new().await;
    let answer = place.get("gre=800&gpa=4&rank=1").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("retry-after"), "5");
    let error = answer.json();
    assert_eq!(error["errorType"], "ModelNotFound");
    assert_eq!(
        error["message"],
        "there is no model at s3://models/admission"
    );
    place.put("nonsense").await;
    let error = place.get("gre=800&gpa=4&rank=1").await.json();
    assert_eq!(error["errorType"], "ModelUnreadable");
    assert_eq!(error["httpStatus"], 503);
    place.put(model(0.0)).await;
    assert_eq!(place.get("gre=800&gpa=4&rank=1").await.status, 200);
}

#[tokio::test]
async fn the_old_model_answers_until_the_new_one_can() {
    let place = Place::new().await;
    place.put(model(0.0)).await;
    let query = "gre=800&gpa=4&rank=1";
    let old = place.get(query).await;
    place.put("nonsense").await;
    let answer = place.get(query).await;
    assert_eq!((answer.status, &answer.body), (200, &old.body));
    let version = old.header("x-squall-model-version");
    assert_eq!(answer.header("x-squall-model-version"), version);
    let told = answer.header("x-squall-model-error");
    assert!(told.contains("saveRDS"), "{told}");
    place.put(model(1.0)).await;
    let new = place.get(query).await;
    assert!(fit(&new) > fit(&old), "{} {}", new.text(), old.text());
    assert_ne!(new.header("x-squall-model-version"), version);
    assert_eq!(new.header("x-squall-model-error"), "");
    place.remove().await;
    let answer = place.get(query).await;
    assert_eq!((answer.status, &answer.body), (200, &new.body));
    assert_eq!(answer.header("x-squall-model-error"), "the object is gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_models_are_replaced() {
    let place = Arc::new(Place::new().await);
    place.put(model(0.0)).await;
    let query = "gre=800&gpa=4&rank=1";
    let mut known = vec![];
    for shift in [0.0, 1.0] {
        place.put(model(shift)).await;
        known.push(fit(&place.get(query).await));
    }
    let asking = (0..4).map(|_| {
        let (place, known) = (Arc::clone(&place), known.clone());
        tokio::spawn(async move {
            for _ in 0..200 {
                let answer = place.get(query).await;
                assert_eq!(answer.status, 200, "{}", answer.text());
                assert!(known.contains(&fit(&answer)));
            }
        })
    });
    let asking: Vec<_> = asking.collect();
    for turn in 0..20 {
        place.put(model(f64::from(turn % 2))).await;
    }
    for asked in asking {
        asked.await.unwrap();
    }
    let last = fit(&place.get(query).await);
    assert_eq!(last.to_bits(), known[1].to_bits());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_who_come_first_wait_until_the_model_is_loaded() {
    for _ in 0..10 {
        let mut place = Place::new().await;
        place.freshness(Duration::from_mins(1));
        place.put(model(0.0)).await;
        let place = Arc::new(place);
        let asking = (0..8).map(|_| {
            let place = Arc::clone(&place);
            tokio::spawn(async move { place.get("gre=800&gpa=4&rank=1").await.status })
        });
        let asking: Vec<_> = asking.collect();
        for asked in asking {
            assert_eq!(asked.await.unwrap(), 200);
        }
    }
}
