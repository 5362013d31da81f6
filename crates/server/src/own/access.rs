//! `/_squall/access`: lines of the access log.

use std::str::FromStr;

use aws_wire::form::Form;
use http::StatusCode;
use serde::Serialize;
use serde_json::value::RawValue;
use types::Timestamp;
use watch::line::{Status, Wanted};

use super::{Page, Refused, answer};
use crate::watching::{AccessLog, Mark};

/// Lines on one page, when nobody says how many and at most.
const SHOWN: usize = 1_000;
const MOST: usize = 10_000;
/// What stands for the end of the log in place of a mark.
const END: &str = "end";

/// `?since=MILLISECONDS&status=5xx&route=R&request=ID&from=MARK&limit=N`. Whoever follows
/// the log begins with `from=end` and goes on with each page's `next`.
pub(super) async fn page(log: &AccessLog, query: Option<&str>) -> Page {
    let query = Form::parse(query.unwrap_or_default());
    let since = number(&query, "since")?.map(Timestamp);
    let status = query.get("status").map(Status::from_str).transpose();
    let status = status.map_err(|error| Refused::invalid(format!("status: {error}.")))?;
    let wanted = Wanted {
        since,
        status,
        route: query.get("route").map(str::to_owned),
        id: query.get("request").map(str::to_owned),
    };
    let most: Option<usize> = number(&query, "limit")?;
    let most = most.unwrap_or(SHOWN).clamp(1, MOST);
    if query.get("from") == Some(END) {
        let end = log.end().await.map_err(|error| Refused::failed(&error))?;
        return Ok(answer(&shown(&[], end, false)));
    }
    let from = query.get("from").map(Mark::from_str).transpose();
    let from = from.map_err(|()| Refused::invalid("from is a mark of a page before, or end."))?;
    let found = log.find(from, wanted, most).await.ok_or_else(|| {
        Refused::new(
            StatusCode::CONFLICT,
            "ResourceConflictException",
            "There is no access log: the setting access_log is off.",
        )
    })?;
    let found = found.map_err(|error| Refused::failed(&error))?;
    Ok(answer(&shown(&found.lines, found.next, found.more)))
}

fn number<T: FromStr>(query: &Form, name: &str) -> Result<Option<T>, Refused> {
    let value = query.get(name).map(str::parse).transpose();
    value.map_err(|_| Refused::invalid(format!("{name} is a number.")))
}

/// Lines as they stand in the log.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    lines: Vec<&'a RawValue>,
    /// Where to go on.
    next: Option<String>,
    /// There is more already.
    more: bool,
}

fn shown(lines: &[String], next: Option<Mark>, more: bool) -> Shown<'_> {
    let lines = lines.iter();
    Shown {
        lines: lines
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect(),
        next: next.map(|mark| mark.to_string()),
        more,
    }
}
