//! Requests of all kinds, and where they go.

use super::*;

fn head(method: &str, path: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = http::Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn signed_for(service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=AKIA/20261121/us-east-1/{service}/aws4_request, \
         SignedHeaders=host, Signature=00"
    )
}

#[test]
fn each_service_is_known_by_its_marks() {
    let logs = [("x-amz-target", "Logs_20140328.FilterLogEvents")];
    let events = [("x-amz-target", "AWSEvents.PutRule")];
    let (iam, s3) = (signed_for("iam"), signed_for("s3"));
    let (stacks, schedules) = (signed_for("cloudformation"), signed_for("scheduler"));
    let apis = signed_for("apigateway");
    let (s3_signed, queues) = ([("authorization", s3.as_str())], signed_for("sqs"));
    let parameters = [("x-amz-target", "AmazonSSM.GetParameter")];
    let other = [("x-amz-target", "DynamoDB_20120810.PutItem")];
    let form_data = [("content-type", "multipart/form-data; boundary=x")];
    let form = [(
        "content-type",
        "application/x-www-form-urlencoded; charset=utf-8",
    )];
    for (method, path, headers, expected) in [
        ("GET", "/_squall/health", &[][..], Route::Health),
        ("GET", "/_squall/ps", &[], Route::Own),
        ("GET", "/_squall/code/ab?x=1", &[], Route::Code),
        ("POST", "/2015-03-31/functions", &[], Route::Lambda),
        ("GET", "/2021-10-31/functions/f/url", &[], Route::Lambda),
        ("POST", "/", &logs, Route::Logs),
        ("POST", "/", &events, Route::Events),
        ("POST", "/", &parameters, Route::Ssm),
        ("POST", "/", &other, Route::OtherJson),
        ("POST", "/", &[("authorization", iam.as_str())], Route::Iam),
        ("POST", "/", &form, Route::Sts),
        (
            "POST",
            "/",
            &[form[0], ("authorization", stacks.as_str())],
            Route::OtherQuery,
        ),
        (
            "GET",
            "/schedules/s",
            &[("authorization", schedules.as_str())],
            Route::Scheduler,
        ),
        (
            "GET",
            "/v2/apis",
            &[("authorization", apis.as_str())],
            Route::ApiGateway,
        ),
        (
            "GET",
            "/queues/q",
            &[("authorization", queues.as_str())],
            Route::OtherRest,
        ),
        ("GET", "/bucket/key", &s3_signed, Route::S3),
        ("PUT", "/2015-03-31/functions", &s3_signed, Route::S3),
        (
            "GET",
            "/2015-03-31/functions?X-Amz-Credential=A/20261121/us-east-1/s3/aws4_request",
            &[],
            Route::S3,
        ),
        ("GET", "/2015-03-31/functions?Marker=x", &[], Route::Lambda),
        ("POST", "/bucket", &form_data, Route::S3),
        ("GET", "/2015-03-31", &[], Route::S3),
        ("GET", "/20xx-03-31/functions", &[], Route::S3),
        ("GET", "/", &[], Route::S3),
    ] {
        assert_eq!(
            Route::of(&head(method, path, headers)),
            expected,
            "{method} {path}"
        );
    }
}

#[test]
fn hosts_below_s3_are_buckets_whatever_their_path() {
    for host in [
        "bucket.s3.localhost",
        "bucket.s3.localhost:4566",
        "BUCKET.S3.LocalHost:4566",
        "a.dotted.bucket.s3.eu-west-1.localhost:4566",
        "bucket.s3.amazonaws.com",
        "bucket.s3.us-east-1.amazonaws.com",
        "s3.localhost:4566",
        "s3.us-east-1.amazonaws.com",
    ] {
        for path in ["/", "/2015-03-31/functions", "/_squall/health"] {
            let head = head("GET", path, &[("host", host)]);
            assert_eq!(Route::of(&head), Route::S3, "{host}{path}");
        }
    }
    for host in [
        "localhost:4566",
        "127.0.0.1:4566",
        "[::1]:4566",
        "lambda.us-east-1.amazonaws.com",
        "bucket.s3.example.com",
        "s3.bucket.eu-west-1.localhost",
        "localhost.s3",
        ".localhost",
        "",
    ] {
        let head = head("GET", "/2015-03-31/functions", &[("host", host)]);
        assert_eq!(Route::of(&head), Route::Lambda, "{host}");
    }
}

#[test]
fn bodies_are_bounded_by_what_the_call_may_carry() {
    let limits = Limits::default();
    let event = [("x-amz-invocation-type", "Event")];
    let invoke = "/2015-03-31/functions/f/invocations";
    for (method, path, headers, expected) in [
        ("POST", invoke, &[][..], 6 * 1024 * 1024),
        ("POST", invoke, &event, 1024 * 1024),
        ("POST", "/2015-03-31/functions", &[], 69_905_067),
        ("POST", "/2015-03-31/functions/", &[], 69_905_067),
        ("PUT", "/2015-03-31/functions/f/code", &[], 69_905_067),
        ("POST", "/2018-10-31/layers/l/versions", &[], 69_905_067),
        (
            "POST",
            "/2015-03-31/functions/f/versions",
            &[],
            CONTROL_BODY_BYTES,
        ),
    ] {
        let head = head(method, path, headers);
        let route = Route::of(&head);
        assert_eq!(
            route.body_limit(&head, &limits),
            expected,
            "{method} {path}"
        );
    }
}

#[test]
fn a_refusal_speaks_the_language_of_its_service() {
    let head = head("POST", "/2015-03-31/functions/f/invocations", &[]);
    let refusal = Refusal::TooLarge {
        limit: 10,
        size: 11,
        cut_off: false,
    };
    let response = Route::Lambda.refuse(&head, refusal);
    assert_eq!(response.status(), 413);
    assert_eq!(
        response.headers()["x-amzn-errortype"],
        "RequestTooLargeException"
    );
    let response = Route::S3.refuse(&head, Refusal::Stalled);
    assert_eq!(response.headers()["content-type"], "application/xml");
    // As on AWS.
    assert_eq!(response.status(), 400);
    assert_eq!(Route::Logs.refuse(&head, Refusal::Stalled).status(), 408);
}
