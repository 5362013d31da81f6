//! Who may call a route, and how its requests are handled.

use super::section::Section;
use crate::check::Report;
use crate::model::{Auth, Cors, Gateway, Handling, Rate, Who};
use crate::tree::Table;

/// How long browsers may remember what CORS allowed.
const CORS_SECONDS: u32 = 3_600;
/// What pages send of themselves where "all" cannot be said: with credentials, browsers
/// take a star for a name.
const HEADERS: [&str; 3] = ["authorization", "content-type", "x-api-key"];
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
pub const IAM: &str = "iam";

pub fn who(section: &Section<'_>) -> Who {
    let auth = match section.text("auth") {
        None => Auth::Open,
        Some(IAM) => Auth::Iam,
        Some(name) => Auth::By {
            name: name.to_owned(),
            scopes: section.texts("scopes").unwrap_or_default(),
        },
    };
    Who {
        key: section.truth("key").unwrap_or(false),
        auth,
        share: section.truth("share").unwrap_or(false),
        allow: section.texts("allow").unwrap_or_default(),
    }
}

pub fn cors(section: &Section<'_>) -> Option<Cors> {
    let all = || vec!["*".to_owned()];
    if let Some(origins) = section.texts("cors") {
        return (!origins.is_empty()).then(|| Cors {
            origins,
            methods: all(),
            headers: all(),
            expose: all(),
            credentials: false,
            max_age_s: CORS_SECONDS,
        });
    }
    let table = section.section("cors")?;
    let credentials = table.truth("credentials").unwrap_or(false);
    let texts = |name: &str, with_credentials: &[&str]| {
        table.texts(name).unwrap_or_else(|| {
            if credentials {
                with_credentials.iter().map(ToString::to_string).collect()
            } else {
                all()
            }
        })
    };
    Some(Cors {
        origins: table.texts("origins").unwrap_or_default(),
        methods: texts("methods", &METHODS),
        headers: texts("headers", &HEADERS),
        expose: texts("expose", &[]),
        credentials,
        max_age_s: table.number("max_age").unwrap_or(CORS_SECONDS),
    })
}

pub fn handling(section: &Section<'_>) -> Handling {
    let rate = section.number("rate").map(|per_second| Rate {
        per_second,
        burst: section.number("burst").unwrap_or(per_second),
    });
    Handling {
        timeout_s: section.number("timeout"),
        body_bytes: section.bytes("body_limit"),
        concurrency: section.number("concurrency"),
        rate,
        cache_s: section.number("cache"),
        compress: section.truth("compress"),
        stream: section.truth("stream").unwrap_or(false),
        summary: section.owned("summary"),
    }
}

/// Fields that mean something only beside another one.
pub fn check(table: &Table, section: &Section<'_>, report: &mut Report<'_>) {
    for (field, beside) in [("burst", "rate"), ("scopes", "auth")] {
        if let Some(entry) = table.get(field).filter(|_| !section.has(beside)) {
            let problem = format!("{field} without {beside} means nothing");
            let hint = format!("say {beside} beside it");
            report.at(entry.key_at, &["routes", field], problem, Some(hint));
        }
    }
}

/// Who may see the description of the routes.
fn docs(head: &Section<'_>) -> Option<Who> {
    match head.section("docs") {
        Some(table) => Some(who(&table)),
        None => head.truth("docs").unwrap_or(true).then(Who::default),
    }
}

/// What `[project]` says of all routes together.
pub fn common(head: Option<&Section<'_>>) -> Gateway {
    let Some(head) = head else {
        return Gateway::default();
    };
    Gateway {
        hosts: head.texts("hosts").unwrap_or_default(),
        docs: docs(head),
        certificate: head.owned("certificate"),
    }
}
