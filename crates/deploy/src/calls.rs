//! Small habits of calls that all kinds share.

use std::future::Future;
use std::time::{Duration, Instant};

use aws_client::{ClientError, Xml};
use serde_json::Value;

use crate::error::StepError;

/// What AWS says of something that was just made is not yet true everywhere: a role
/// that Lambda cannot assume, a function that is being updated. So long it is asked
/// again.
pub const SETTLE: Duration = Duration::from_mins(2);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// Most is ready within a few seconds, and asking costs little.
const IMPATIENT: Duration = Duration::from_secs(5);
const SHORT_PAUSE: Duration = Duration::from_millis(150);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// Nothing, where there is nothing.
pub async fn if_there<T>(
    call: impl Future<Output = Result<T, ClientError>>,
) -> Result<Option<T>, ClientError> {
    match call.await {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error),
    }
}

/// For removals: what is gone already is as good as removed.
pub async fn gone<T>(
    call: impl Future<Output = Result<T, ClientError>>,
) -> Result<(), ClientError> {
    if_there(call).await.map(|_| ())
}

/// For creations: what is there already is as good as made. It was made by this very
/// call, whose answer was lost, because there was nothing before. Whether it was made.
pub async fn unless_there<T>(
    call: impl Future<Output = Result<T, ClientError>>,
    codes: &[&str],
) -> Result<bool, ClientError> {
    match call.await {
        Ok(_) => Ok(true),
        Err(error) if codes.contains(&error.code()) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Calls until it is done or refused for another reason than one that passes.
pub async fn patiently<T, F: Future<Output = Result<T, ClientError>>>(
    passes: impl Fn(&ClientError) -> bool,
    mut call: impl FnMut() -> F,
) -> Result<T, ClientError> {
    let mut pauses = Pauses::new();
    loop {
        match call().await {
            Err(error) if passes(&error) => {
                if !pauses.next().await {
                    return Err(error);
                }
            }
            other => return other,
        }
    }
}

/// Pauses that grow, until the time is up.
#[derive(Debug)]
pub struct Pauses {
    began: Instant,
    pause: Duration,
}

impl Pauses {
    pub fn new() -> Self {
        Self {
            began: Instant::now(),
            pause: FIRST_PAUSE,
        }
    }

    /// Waits; false if it was long enough.
    pub async fn next(&mut self) -> bool {
        let passed = self.began.elapsed();
        if passed + self.pause > SETTLE {
            return false;
        }
        tokio::time::sleep(self.pause).await;
        let longest = if passed < IMPATIENT {
            SHORT_PAUSE
        } else {
            LONGEST_PAUSE
        };
        self.pause = (self.pause * 2).min(longest);
        true
    }
}

/// A list of REST JSON in all its pages. `target` ends where a query can go on.
pub async fn all_pages<F: Future<Output = Result<Value, ClientError>>>(
    list: &str,
    next: &str,
    mut page: impl FnMut(Option<String>) -> F,
) -> Result<Vec<Value>, ClientError> {
    let (mut all, mut marker) = (Vec::new(), None);
    loop {
        let mut answer = page(marker).await?;
        if let Value::Array(items) = answer[list].take() {
            all.extend(items);
        }
        match answer[next].as_str() {
            Some(text) if !text.is_empty() => marker = Some(text.to_owned()),
            _ => return Ok(all),
        }
    }
}

/// A list of IAM in all its pages: the `member`s of `list`.
pub async fn all_members<F: Future<Output = Result<Xml, ClientError>>>(
    list: &str,
    mut page: impl FnMut(Option<String>) -> F,
) -> Result<Vec<Xml>, ClientError> {
    let (mut all, mut marker) = (Vec::new(), None);
    loop {
        let answer = page(marker).await?;
        let items = answer.child(list).map(|list| list.children.clone());
        all.extend(items.unwrap_or_default());
        match answer.at(&["Marker"]) {
            text if !text.is_empty() && answer.at(&["IsTruncated"]) == "true" => {
                marker = Some(text.to_owned());
            }
            _ => return Ok(all),
        }
    }
}

/// The text of a member that AWS always has.
pub fn text<'a>(
    answer: &'a Value,
    member: &'static str,
    call: &'static str,
) -> Result<&'a str, StepError> {
    let text = answer[member].as_str();
    text.ok_or(StepError::Answer { call, member })
}
