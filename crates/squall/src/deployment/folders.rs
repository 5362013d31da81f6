//! Folders of the project that a deployment puts into its buckets: a site, models,
//! first data. It comes after all else, so that what files set off is there.

use aws_client::Client;
use deploy::Site;
use futures::future::try_join_all;
use serde_json::{Value, json};

use crate::failure::{Failure, Kind};
use crate::output;
use crate::place::Remote;
use crate::s3::S3;
use crate::transfer::{Failed, FolderPlan, count, plan_folder, send_folder};

const SIDE_BY_SIDE: usize = 8;

/// What there is to send, by bucket.
#[derive(Debug, Default)]
pub struct Folders(Vec<(String, FolderPlan)>);

impl Folders {
    pub async fn plan(site: &Site) -> Result<Self, Failure> {
        let s3 = s3(&site.cloud.client);
        let buckets = site.project.buckets.iter();
        let plans = buckets.filter_map(|(key, bucket)| {
            let (folder, name) = (bucket.folder.as_ref()?, site.bucket_name(key));
            let s3 = &s3;
            Some(async move {
                let to = name.parse().map(|parsed| Remote {
                    bucket: parsed,
                    key: bucket.prefix.clone(),
                });
                let to = to.map_err(|error| Failure::new(Kind::Mistake, error))?;
                let plan = plan_folder(s3, folder, &to, &site.project.root).await?;
                if let Some(failed) = plan.failed.first() {
                    let Failed { what, why } = failed;
                    let message = format!("the folder of bucket {key} has {what}: {why}");
                    return Err(Failure::mistake(message)
                        .hint("take it out of the folder, or put a copy in its place"));
                }
                Ok::<_, Failure>((name, plan))
            })
        });
        Ok(Self(try_join_all(plans).await?))
    }

    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|(_, plan)| plan.is_empty())
    }

    /// A line for each bucket that gets something.
    pub fn show(&self) {
        for (bucket, plan) in self.0.iter().filter(|(_, plan)| !plan.is_empty()) {
            let files = count(plan.jobs.len() as u64, "file");
            let size = output::size(plan.bytes());
            output::note(&format!("  > {files} ({size}) to bucket {bucket}"));
        }
    }

    /// Sends them, and says how many went where.
    pub async fn send(self, client: &Client, quiet: bool) -> Result<Value, Failure> {
        let s3 = s3(client);
        let mut sent = serde_json::Map::new();
        for (bucket, plan) in self.0 {
            let outcome = send_folder(&s3, plan, quiet).await?;
            if let Some(line) = outcome.failures().first() {
                let failed = count(outcome.failed.len() as u64, "file");
                let message = format!("{failed} did not get into bucket {bucket}: {line}");
                return Err(Failure::new(Kind::Refused, anyhow::anyhow!(message))
                    .hint("all else is done; squall deploy sends what is missing"));
            }
            sent.insert(
                bucket,
                json!({ "sent": outcome.files, "unchanged": outcome.unchanged }),
            );
        }
        Ok(sent.into())
    }
}

fn s3(client: &Client) -> S3 {
    S3::new(client.clone(), SIDE_BY_SIDE)
}
