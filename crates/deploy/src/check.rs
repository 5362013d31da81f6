//! What is refused before anything is made.

use aws_client::Client;
use http::Method;
use serde_json::Value;

use crate::error::DeployError;
use crate::found::Found;
use crate::kinds::{bucket, role};
use crate::names::{LONGEST_NAME, Names};
use crate::site::{Site, Target};
use crate::step::Step;

/// AWS keeps so much of an account's concurrency for functions that reserve none.
const UNRESERVED: u64 = 100;

/// Who asks and where: from then on names are known. A key that is wrong, a region that
/// does not exist and a place that does not answer are found here.
pub async fn names(client: &Client, project: &str, stage: &str) -> Result<Names, DeployError> {
    let identity = client.query("sts", "2011-06-15", "GetCallerIdentity", &[]);
    let identity = identity.await.map_err(DeployError::read("the account"))?;
    Ok(Names {
        project: project.to_owned(),
        stage: stage.to_owned(),
        account: identity.at(&["Account"]).to_owned(),
        region: client.region().to_owned(),
    })
}

/// Names that AWS would not take or that are taken, and more concurrency than the account
/// has. What is worth knowing is returned, a sentence each.
pub async fn all(site: &Site, found: &Found, steps: &[Step]) -> Result<Vec<String>, DeployError> {
    lengths(site)?;
    bucket::check(&bucket::wanted(site), &found.buckets)?;
    role::check(&site.cloud, steps).await?;
    let functions = site.project.functions.values();
    let asked = functions.filter_map(|function| function.concurrency).sum();
    let reserved = found.functions.values().filter(|function| function.ours);
    let reserved = reserved.filter_map(|function| function.reserved).sum();
    let is_new = found.functions.is_empty() && site.cloud.target == Target::Aws;
    if asked <= reserved && !is_new {
        return Ok(Vec::new());
    }
    let target = "/2016-08-19/account-settings";
    let client = &site.cloud.client;
    match client.rest_json("lambda", Method::GET, target, None).await {
        Ok(settings) => Ok(concurrency(&settings, asked, reserved)?
            .into_iter()
            .collect()),
        // Who may not read the limits, or has none, is refused later, if at all.
        Err(_) => Ok(Vec::new()),
    }
}

fn lengths(site: &Site) -> Result<(), DeployError> {
    let names = site.names();
    let functions = site.project.functions.keys();
    let functions = functions.map(|key| ("function", names.of(key), LONGEST_NAME));
    let buckets = site.project.buckets.keys();
    let buckets = buckets.map(|key| ("bucket", site.bucket_name(key), LONGEST_NAME - 1));
    for (kind, name, longest) in functions.chain(buckets) {
        let length = name.len();
        if length > longest {
            let message = format!(
                "the name of {kind} {name} has {length} characters, and AWS takes {longest}"
            );
            return Err(DeployError::refused(message)
                .hint("it is made of project, stage and name: shorten one of them"));
        }
    }
    Ok(())
}

/// Whether what functions of the project reserve, `asked` now and `reserved` before, fits
/// into the account. A small account is worth a sentence: it bounds every map.
fn concurrency(settings: &Value, asked: u32, reserved: u32) -> Result<Option<String>, DeployError> {
    let limit = |name: &str| settings["AccountLimit"][name].as_u64();
    let Some(free) = limit("UnreservedConcurrentExecutions") else {
        return Ok(None);
    };
    let all = limit("ConcurrentExecutions").unwrap_or(free);
    let (asked, reserved) = (u64::from(asked), u64::from(reserved));
    if asked > reserved && asked - reserved + UNRESERVED > free {
        let most = (free + reserved).saturating_sub(UNRESERVED);
        return Err(DeployError::refused(format!(
            "the functions reserve a concurrency of {asked}; of the {all} of this account {most} \
             are left for that, because AWS keeps {UNRESERVED} for functions that reserve none"
        ))
        .hint(
            "lower concurrency in squall.toml, or ask AWS for more: new accounts begin with 10",
        ));
    }
    let note = format!(
        "this account runs no more than {all} invocations at once; AWS raises that if asked \
         (Service Quotas, Lambda, concurrent executions)"
    );
    Ok((all < UNRESERVED).then_some(note))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn account(all: u64, free: u64) -> Value {
        json!({ "AccountLimit": {
            "ConcurrentExecutions": all, "UnreservedConcurrentExecutions": free,
        } })
    }

    #[test]
    fn a_hundred_stay_for_functions_that_reserve_none() {
        assert!(concurrency(&account(1000, 1000), 900, 0).is_ok());
        assert!(concurrency(&account(1000, 1000), 901, 0).is_err());
        // What is reserved already is not asked for again.
        assert!(concurrency(&account(1000, 100), 900, 900).is_ok());
        assert!(concurrency(&account(1000, 100), 901, 900).is_err());
        assert!(concurrency(&account(10, 10), 1, 0).is_err());
    }

    #[test]
    fn a_small_account_is_told_of() {
        assert_eq!(concurrency(&account(1000, 1000), 0, 0).unwrap(), None);
        let note = concurrency(&account(10, 10), 0, 0).unwrap();
        assert!(note.is_some_and(|note| note.contains("no more than 10")));
        assert_eq!(concurrency(&json!({}), 5, 0).unwrap(), None);
    }
}
