//! Buckets of the project, and that of packages. A bucket that is there already, under a
//! name that the project says, and has tags or objects of others, is used as it is: it
//! is neither changed nor removed.

mod documents;
mod read;
mod work;

use std::collections::BTreeMap;

use project::model;

use crate::error::DeployError;
use crate::site::Site;
use crate::step::{Action, Phase, Step};

use documents::has_site_statement;
pub use read::read;
pub use work::Work;

const KIND: &str = "bucket";
/// Says of a bucket that neither an undeployment nor a change of the project removes it.
const KEEP_TAG: &str = "squall:keep";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub name: String,
    /// Whether the project says the name; else it was made of project and stage, and
    /// nobody else's bucket can have it.
    pub named: bool,
    pub keep: bool,
    pub site: Option<model::Site>,
    /// Origins of pages that may read it.
    pub cors: Vec<String>,
}

/// Whose a bucket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// By its tags; or it has none and nothing in it, under a name that only this project
    /// makes: its making was interrupted.
    Ours,
    /// It has no tags.
    Unknown,
    Others,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    pub owner: Owner,
    pub tags: BTreeMap<String, String>,
    pub is_empty: bool,
    pub site: Option<model::Site>,
    pub cors: Vec<String>,
    pub policy: Option<serde_json::Value>,
    /// Configurations of notifications, ours and those of others.
    pub notifications: Vec<aws_client::Xml>,
}

/// What becomes of a bucket that is wanted no more and has objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data {
    /// It stays, with them.
    Keep,
    /// They go with it.
    Remove,
}

pub fn wanted(site: &Site) -> Vec<Wanted> {
    let buckets = site.project.buckets.iter();
    let mut wanted: Vec<_> = buckets
        .map(|(key, bucket)| Wanted {
            name: site.bucket_name(key),
            named: bucket.name.is_some(),
            keep: bucket.keep,
            site: bucket.site.clone(),
            cors: sorted(&bucket.cors),
        })
        .collect();
    if !site.stored_artifacts().is_empty() {
        wanted.push(Wanted {
            name: site.package_bucket(),
            named: false,
            keep: false,
            site: None,
            cors: vec![],
        });
    }
    wanted
}

fn sorted(origins: &[String]) -> Vec<String> {
    let mut origins = origins.to_vec();
    origins.sort();
    origins.dedup();
    origins
}

impl Found {
    /// Whether a deployment may set what it likes. An empty bucket without tags, under a
    /// name that the project says, is one whose making was interrupted.
    fn is_for_us(&self) -> bool {
        match self.owner {
            Owner::Ours => true,
            Owner::Unknown => self.is_empty,
            Owner::Others => false,
        }
    }

    fn is_kept(&self) -> bool {
        self.tags.get(KEEP_TAG).is_some_and(|value| value == "true")
    }
}

/// Refuses what would change a bucket of others.
pub fn check(wanted: &[Wanted], found: &BTreeMap<String, Found>) -> Result<(), DeployError> {
    for bucket in wanted {
        let name = &bucket.name;
        if found.get(name).is_none_or(Found::is_for_us) {
            continue;
        }
        if !bucket.named {
            return Err(DeployError::refused(format!(
                "the bucket {name} is in the way: it is there already, and its tags do not say \
                 that it is this project's"
            ))
            .hint("give the project's bucket another name: name = \"...\" in squall.toml"));
        }
        if bucket.site.is_some() || !bucket.cors.is_empty() {
            return Err(DeployError::refused(format!(
                "the bucket {name} is there already and is not this project's: its site and \
                 cors are not for the project to set"
            ))
            .hint("leave out site and cors, or the bucket's name"));
        }
    }
    Ok(())
}

pub fn plan(wanted: &[Wanted], found: &BTreeMap<String, Found>, data: Data) -> Vec<Step> {
    let mut steps: Vec<_> = wanted
        .iter()
        .filter_map(|bucket| plan_one(bucket, found.get(&bucket.name)))
        .collect();
    for (name, there) in left_over(wanted, found) {
        if there.is_kept() || (data == Data::Keep && !there.is_empty) {
            continue;
        }
        let objects = (!there.is_empty).then(|| "with all its objects".to_owned());
        let step = Step::draft(Action::Remove, Phase::Bucket, KIND, name).details(objects);
        steps.push(step.work(Work::Remove(name.clone())));
    }
    steps
}

fn plan_one(bucket: &Wanted, found: Option<&Found>) -> Option<Step> {
    let (action, details, tags) = match found {
        None => (Action::Create, settings(bucket), BTreeMap::new()),
        Some(there) if !there.is_for_us() => return None,
        Some(there) => {
            let details = differences(bucket, there);
            if details.is_empty() {
                return None;
            }
            (Action::Update, details, there.tags.clone())
        }
    };
    let policy = found.and_then(|there| there.policy.clone());
    let step = Step::draft(action, Phase::Bucket, KIND, &bucket.name).details(details);
    Some(step.work(Work::Put {
        bucket: bucket.clone(),
        tags,
        policy,
        had_site: found.is_some_and(|there| there.site.is_some()),
        had_cors: found.is_some_and(|there| !there.cors.is_empty()),
    }))
}

/// Buckets that the project does not have any more and that stay, because of what is in
/// them or because that was said.
pub fn left<'a>(
    wanted: &[Wanted],
    found: &'a BTreeMap<String, Found>,
    data: Data,
) -> Vec<&'a String> {
    left_over(wanted, found)
        .filter(|(_, there)| there.is_kept() || (data == Data::Keep && !there.is_empty))
        .map(|(name, _)| name)
        .collect()
}

fn left_over<'a>(
    wanted: &[Wanted],
    found: &'a BTreeMap<String, Found>,
) -> impl Iterator<Item = (&'a String, &'a Found)> {
    found.iter().filter(|(name, there)| {
        there.owner == Owner::Ours && !wanted.iter().any(|bucket| bucket.name == **name)
    })
}

fn settings(bucket: &Wanted) -> Vec<String> {
    let mut settings = Vec::new();
    if let Some(site) = &bucket.site {
        settings.push(format!("public site, {}", site.index));
    }
    if !bucket.cors.is_empty() {
        settings.push(format!("cors {}", bucket.cors.join(" ")));
    }
    if bucket.keep {
        settings.push("kept by undeploy".to_owned());
    }
    settings
}

fn differences(bucket: &Wanted, there: &Found) -> Vec<String> {
    let mut details = Vec::new();
    if there.tags.is_empty() {
        details.push("tags".to_owned());
    }
    if bucket.keep != there.is_kept() {
        let word = if bucket.keep {
            "kept"
        } else {
            "no longer kept"
        };
        details.push(format!("{word} by undeploy"));
    }
    let is_public = there.policy.as_ref().is_some_and(has_site_statement);
    match (&bucket.site, &there.site) {
        (Some(site), before) if before.as_ref() != Some(site) || !is_public => {
            details.push(format!("public site, {}", site.index));
        }
        (None, Some(_)) => details.push("no site any more".to_owned()),
        (None, None) if is_public => details.push("not public any more".to_owned()),
        _ => {}
    }
    if bucket.cors != there.cors {
        let origins = bucket.cors.join(" ");
        let origins = if origins.is_empty() { "none" } else { &origins };
        details.push(format!("cors {origins}"));
    }
    details
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(name: &str) -> Wanted {
        Wanted {
            name: name.to_owned(),
            named: false,
            keep: false,
            site: None,
            cors: vec![],
        }
    }

    fn found(owner: Owner) -> Found {
        let tags = match owner {
            Owner::Unknown => BTreeMap::new(),
            _ => BTreeMap::from([("a".to_owned(), "b".to_owned())]),
        };
        Found {
            owner,
            tags,
            is_empty: false,
            site: None,
            cors: vec![],
            policy: None,
            notifications: vec![],
        }
    }

    fn one(name: &str, found: Found) -> BTreeMap<String, Found> {
        BTreeMap::from([(name.to_owned(), found)])
    }

    #[test]
    fn a_bucket_as_it_should_be_needs_nothing() {
        let there = one("a", found(Owner::Ours));
        assert_eq!(plan(&[wanted("a")], &there, Data::Keep), []);
    }

    #[test]
    fn what_differs_is_told() {
        let site = model::Site {
            index: "index.html".to_owned(),
            error: None,
        };
        let public = Wanted {
            site: Some(site.clone()),
            cors: vec!["*".to_owned()],
            ..wanted("a")
        };
        let steps = plan(
            std::slice::from_ref(&public),
            &one("a", found(Owner::Ours)),
            Data::Keep,
        );
        assert_eq!(steps[0].action, Action::Update);
        assert_eq!(steps[0].details, ["public site, index.html", "cors *"]);
        // A site whose policy was not put any more is finished.
        let half = Found {
            site: Some(site),
            cors: vec!["*".to_owned()],
            ..found(Owner::Ours)
        };
        let steps = plan(&[public], &one("a", half), Data::Keep);
        assert_eq!(steps[0].details, ["public site, index.html"]);
    }

    #[test]
    fn a_bucket_whose_making_was_interrupted_is_finished() {
        let empty = Found {
            is_empty: true,
            ..found(Owner::Unknown)
        };
        let named = Wanted {
            named: true,
            ..wanted("a")
        };
        let named = std::slice::from_ref(&named);
        let steps = plan(named, &one("a", empty.clone()), Data::Keep);
        assert_eq!(steps[0].details, ["tags"]);
        // Nothing says that it is ours to remove, unless only we make such names.
        assert_eq!(plan(&[], &one("a", empty.clone()), Data::Remove), []);
        let ours = Found {
            owner: Owner::Ours,
            ..empty
        };
        assert_eq!(plan(&[], &one("a", ours), Data::Remove).len(), 1);
        for owner in [Owner::Unknown, Owner::Others] {
            let there = one("a", found(owner));
            assert_eq!(plan(named, &there, Data::Keep), []);
            assert_eq!(plan(&[], &there, Data::Remove), []);
        }
    }

    #[test]
    fn buckets_of_others_are_used_if_named_and_else_in_the_way() {
        let named = |cors: &[&str]| Wanted {
            named: true,
            cors: cors.iter().map(|it| (*it).to_owned()).collect(),
            ..wanted("a")
        };
        for owner in [Owner::Unknown, Owner::Others] {
            let there = one("a", found(owner));
            assert!(check(&[wanted("a")], &there).is_err());
            assert!(check(&[named(&[])], &there).is_ok());
            assert!(check(&[named(&["*"])], &there).is_err());
        }
        let ours = one("a", found(Owner::Ours));
        assert!(check(&[wanted("a"), named(&["*"])], &ours).is_ok());
        assert!(check(&[wanted("b")], &ours).is_ok());
    }

    #[test]
    fn data_is_removed_only_where_that_was_asked_for() {
        let there = one("a", found(Owner::Ours));
        assert_eq!(plan(&[], &there, Data::Keep), []);
        assert_eq!(left(&[], &there, Data::Keep), ["a"]);
        let steps = plan(&[], &there, Data::Remove);
        assert_eq!(steps[0].details, ["with all its objects"]);
        let mut kept = found(Owner::Ours);
        kept.tags.insert(KEEP_TAG.to_owned(), "true".to_owned());
        let kept = one("a", kept);
        assert_eq!(plan(&[], &kept, Data::Remove), []);
        assert_eq!(left(&[], &kept, Data::Remove), ["a"]);
        let empty = Found {
            is_empty: true,
            ..found(Owner::Ours)
        };
        assert_eq!(plan(&[], &one("a", empty), Data::Keep).len(), 1);
    }
}
