//! `squall rm`: one object, or all in a folder.

use std::time::Instant;

use types::BucketName;

use super::session;
use crate::args::{Global, RmArgs};
use crate::failure::Failure;
use crate::output;
use crate::place::Remote;
use crate::progress::Spinner;
use crate::s3::{DELETE_AT_ONCE, Doomed, S3};
use crate::transfer::{Failed, Outcome, count};

pub async fn run(global: &Global, args: RmArgs) -> Result<(), Failure> {
    let started = Instant::now();
    let s3 = session::s3(global, 2)?;
    let place = Remote::parse(&args.place)?;
    if !args.recursive {
        return one(global, &s3, &place, args.dry_run).await;
    }
    let folder = place.as_folder();
    let listed = session::list(&s3, &folder, global.json).await?;
    if listed.is_empty() && !place.is_folder() {
        return Err(Failure::mistake(format!("there is nothing in {folder}"))
            .hint(format!("squall ls {} lists what is there", place.bucket)));
    }
    let filter = args.filter.filter();
    let listed: Vec<_> = listed
        .into_iter()
        .filter(|object| filter.takes(&object.key[folder.key.len()..]))
        .collect();
    let mut outcome = Outcome::default();
    let bytes = listed.iter().map(|object| object.size).sum();
    if args.dry_run {
        if !global.json {
            for object in &listed {
                output::line(&format!("s3://{}/{}", folder.bucket, object.key))?;
            }
        }
        outcome.deleted = listed.len() as u64;
    } else if !listed.is_empty() {
        let question = format!(
            "Remove {} ({}) in {folder}?",
            count(listed.len() as u64, "object"),
            output::size(bytes)
        );
        if !args.yes && !global.json && !session::confirmed(&question) {
            return Err(session::declined());
        }
        let doomed: Vec<Doomed> = listed.into_iter().map(|o| Doomed::newest(o.key)).collect();
        let (deleted, failed) = remove(&s3, &folder.bucket, &doomed, global.json).await?;
        outcome.deleted = deleted;
        outcome.failed = failed;
    }
    outcome.took(started.elapsed());
    finish(global, args.dry_run, &outcome)
}

async fn one(global: &Global, s3: &S3, place: &Remote, dry_run: bool) -> Result<(), Failure> {
    if place.is_folder() {
        let what = if place.key.is_empty() {
            "bucket"
        } else {
            "folder"
        };
        return Err(
            Failure::mistake(format!("{place} is a {what}")).hint("-r removes all that is in it")
        );
    }
    match s3.head(place.bucket.as_str(), &place.key).await {
        Ok(_) => {}
        Err(error) if error.is_missing() => {
            return Err(Failure::mistake(format!("there is no object {place}"))
                .hint("-r removes all that is in a folder; squall ls lists what is there"));
        }
        Err(error) => return Err(error.into()),
    }
    if !dry_run {
        let doomed = Doomed::newest(place.key.clone());
        s3.delete(place.bucket.as_str(), &doomed).await?;
    } else if !global.json {
        output::line(&place.to_string())?;
    }
    let outcome = Outcome {
        deleted: 1,
        ..Outcome::default()
    };
    if global.json {
        return finish(global, dry_run, &outcome);
    }
    Ok(())
}

/// Says what went, or would go.
fn finish(global: &Global, dry_run: bool, outcome: &Outcome) -> Result<(), Failure> {
    if !global.json {
        let word = if dry_run {
            "would be removed"
        } else {
            "removed"
        };
        output::note(&format!("{} {word}", count(outcome.deleted, "object")));
    }
    let document = serde_json::json!({
        "deleted": outcome.deleted,
        "dry_run": dry_run,
        "seconds": outcome.seconds,
        "failed": outcome.failed,
    });
    session::finish_as(global, true, outcome, &document)
}

/// Removes in batches, and says how many went and which did not.
pub async fn remove(
    s3: &S3,
    bucket: &BucketName,
    doomed: &[Doomed],
    quiet: bool,
) -> Result<(u64, Vec<Failed>), Failure> {
    let spinner = Spinner::new("removing", quiet || doomed.is_empty());
    let mut failed = Vec::new();
    let mut seen = 0;
    for batch in doomed.chunks(DELETE_AT_ONCE) {
        if s3.cancel.is_cancelled() {
            return Err(crate::s3::S3Error::Cancelled.into());
        }
        let not_deleted = s3.delete_many(bucket.as_str(), batch).await?;
        failed.extend(not_deleted.into_iter().map(|not| Failed {
            what: format!("s3://{bucket}/{}", not.key),
            why: format!("{}: {}", not.code, not.message),
        }));
        seen += batch.len();
        spinner.set(format!("removing: {seen} of {}", doomed.len()));
    }
    Ok((doomed.len() as u64 - failed.len() as u64, failed))
}
