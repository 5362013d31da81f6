//! What is kept, for whom, for how long, and that it is bounded.

use http::Request;

use super::*;

const MINUTE: Duration = Duration::from_mins(1);

fn asked<'a>(path: &'a str, callers: &'a [Arc<str>]) -> Asked<'a> {
    Asked {
        stage: 1,
        route: "GET /{proxy+}",
        method: "GET",
        path,
        query: "",
        callers,
        has_signed: false,
    }
}

fn parts(headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::get("/");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn answer(text: &'static str, headers: &[(&'static str, &str)]) -> Response<Body> {
    let mut response = Response::new(body::full(text));
    for (name, value) in headers {
        response.headers_mut().append(*name, value.parse().unwrap());
    }
    response
}

async fn text(response: Response<Body>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Whether an answer is there the next time.
async fn is_kept(response: Response<Body>) -> bool {
    let answers = Answers::default();
    let key = asked("/a", &[]).key(&parts(&[]));
    let Turn::First(asking) = answers.turn(key, 1) else {
        panic!("nobody asked before");
    };
    asking.end(response, MINUTE).await;
    answers.get(&key).is_some()
}

#[test]
fn what_an_answer_may_depend_on_is_in_its_key() {
    let plain = asked("/a", &[]).key(&parts(&[]));
    assert_eq!(plain, asked("/a", &[]).key(&parts(&[("x-other", "1")])));
    let (one, two): (Arc<str>, Arc<str>) = ("one".into(), "two".into());
    let mut keys = vec![
        plain,
        asked("/b", &[]).key(&parts(&[])),
        asked("/a", std::slice::from_ref(&one)).key(&parts(&[])),
        asked("/a", std::slice::from_ref(&two)).key(&parts(&[])),
        asked("/a", &[one, two]).key(&parts(&[])),
        asked("/a", &["onetwo".into()]).key(&parts(&[])),
        Asked {
            query: "x=1",
            ..asked("/a", &[])
        }
        .key(&parts(&[])),
        Asked {
            stage: 2,
            ..asked("/a", &[])
        }
        .key(&parts(&[])),
        Asked {
            method: "HEAD",
            ..asked("/a", &[])
        }
        .key(&parts(&[])),
    ];
    for (name, value) in [
        ("host", "a.example"),
        ("accept", "text/csv"),
        ("authorization", "Bearer a"),
        ("authorization", "Bearer b"),
        ("cookie", "a=b"),
        ("x-api-key", "k"),
        ("origin", "https://a.example"),
        ("x-forwarded-host", "evil.example"),
        ("range", "bytes=0-1"),
    ] {
        keys.push(asked("/a", &[]).key(&parts(&[(name, value)])));
    }
    let count = keys.len();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), count);
}

#[tokio::test]
async fn functions_say_what_is_not_to_be_kept() {
    assert!(is_kept(answer("a", &[])).await);
    assert!(is_kept(answer("a", &[("cache-control", "public, max-age=5")])).await);
    assert!(is_kept(answer("a", &[("vary", "Accept, Accept-Encoding")])).await);
    for headers in [
        [("cache-control", "no-store")],
        [("cache-control", "public, Private")],
        [("cache-control", "no-cache")],
        [("cache-control", "max-age=0")],
        [("cache-control", "max-age=60, s-maxage=0")],
        [("cache-control", "max-age=x")],
        [("pragma", "no-cache")],
        [("set-cookie", "a=b")],
        [("vary", "*")],
        [("vary", "Accept, X-Tenant")],
        [("content-encoding", "br")],
        [("content-range", "bytes 0-0/1")],
    ] {
        assert!(!is_kept(answer("a", &headers)).await, "{headers:?}");
    }
    for status in [201, 204, 301, 404, 500] {
        let mut response = answer("a", &[]);
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        assert!(!is_kept(response).await, "{status}");
    }
    let (_sender, pieces) = tokio::sync::mpsc::channel(1);
    assert!(!is_kept(Response::new(body::stream(pieces))).await);
    let large = vec![b'x'; usize::try_from(LARGEST).unwrap() + 1];
    assert!(!is_kept(Response::new(body::full(large))).await);
}

#[test]
fn an_answer_may_say_for_how_long() {
    let of = |said: &str| lifetime(&answer("a", &[("cache-control", said)]), MINUTE);
    assert_eq!(of("max-age=5"), Some(Duration::from_secs(5)));
    assert_eq!(of("max-age=5, s-maxage=7"), Some(Duration::from_secs(7)));
    assert_eq!(of("max-age=500"), Some(MINUTE));
    assert_eq!(of("public"), Some(MINUTE));
    assert_eq!(lifetime(&answer("a", &[]), Duration::ZERO), None);
}

#[tokio::test]
async fn one_asks_and_the_others_get_what_it_got() {
    let answers = Answers::default();
    let Turn::First(asking) = answers.turn([1; 32], 1) else {
        panic!("nobody asked before");
    };
    let Turn::After(mut others) = answers.turn([1; 32], 1) else {
        panic!("somebody asks");
    };
    assert_eq!(text(asking.end(answer("a", &[]), MINUTE).await).await, "a");
    others.changed().await.unwrap();
    let Turn::Kept(kept) = answers.turn([1; 32], 1) else {
        panic!("it was kept");
    };
    let again = kept.respond();
    assert_eq!(again.headers()[AGE], "0");
    assert_eq!(text(again).await, "a");
}

#[tokio::test]
async fn who_goes_away_leaves_the_asking_to_others() {
    let answers = Answers::default();
    let Turn::First(asking) = answers.turn([1; 32], 1) else {
        panic!("nobody asked before");
    };
    let Turn::After(mut others) = answers.turn([1; 32], 1) else {
        panic!("somebody asks");
    };
    drop(asking);
    assert!(others.changed().await.is_err());
    assert!(matches!(answers.turn([1; 32], 1), Turn::First(_)));
}

#[tokio::test]
async fn a_stage_is_forgotten_and_the_least_asked_for_goes_first() {
    let answers = Answers::default();
    let keep = async |number: u8, stage: u64, text: Vec<u8>| {
        if let Turn::First(asking) = answers.turn([number; 32], stage) {
            asking.end(Response::new(body::full(text)), MINUTE).await;
        }
    };
    keep(1, 1, vec![]).await;
    keep(2, 2, vec![]).await;
    answers.forget(1);
    assert!(answers.get(&[1; 32]).is_none());
    assert!(answers.get(&[2; 32]).is_some());
    let large = usize::try_from(LARGEST).unwrap();
    let fits = u8::try_from(MOST_BYTES / (2 * large)).unwrap();
    for number in 10..10 + fits {
        keep(number, 1, vec![0; large]).await;
        // It is asked for all the time.
        assert!(answers.get(&[2; 32]).is_some());
    }
    assert!(answers.get(&[10; 32]).is_none());
    assert!(answers.get(&[9 + fits; 32]).is_some());
    let inner = answers.inner.lock();
    assert!(inner.bytes <= MOST_BYTES);
    assert_eq!(inner.order.len(), inner.kept.len());
}
