//! Triggers: which functions a bucket tells of its objects. A bucket has one document of
//! all its notifications, so those of others are written back as they were.

use std::collections::{BTreeMap, BTreeSet};

use aws_client::{ClientError, Xml};
use aws_wire::xml::Xml as Writer;
use http::Method;

use super::bucket;
use super::permission::{self, Source};
use crate::calls::patiently;
use crate::error::StepError;
use crate::names::Names;
use crate::site::{Cloud, Site};
use crate::step::{Action, Phase, Step};

const KIND: &str = "trigger";
const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";
/// The element of a configuration that tells a function; AWS's name for it is old.
const FUNCTION: &str = "CloudFunctionConfiguration";

/// What a bucket is to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub bucket: String,
    pub entries: BTreeSet<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Of an alias.
    pub function: String,
    /// Sorted.
    pub events: Vec<String>,
    pub prefix: String,
    pub suffix: String,
}

pub fn wanted(site: &Site) -> Vec<Wanted> {
    let mut wanted: BTreeMap<String, BTreeSet<Entry>> = BTreeMap::new();
    for trigger in &site.project.triggers {
        let mut events = trigger.events.clone();
        events.sort();
        events.dedup();
        let entry = Entry {
            function: site.names().alias_arn(&trigger.function),
            events,
            prefix: trigger.prefix.clone().unwrap_or_default(),
            suffix: trigger.suffix.clone().unwrap_or_default(),
        };
        let bucket = site.bucket_name(&trigger.bucket);
        wanted.entry(bucket).or_default().insert(entry);
    }
    wanted
        .into_iter()
        .map(|(bucket, entries)| Wanted { bucket, entries })
        .collect()
}

/// Buckets may invoke what they tell.
pub fn permissions(site: &Site) -> Vec<permission::Wanted> {
    let names = site.names();
    let triggers = site.project.triggers.iter();
    let mut pairs: Vec<_> = triggers
        .map(|trigger| {
            let bucket = names.bucket_arn(&site.bucket_name(&trigger.bucket));
            (names.of(&trigger.function), bucket)
        })
        .collect();
    pairs.sort();
    pairs.dedup();
    pairs
        .into_iter()
        .map(|(function, bucket)| permission::Wanted {
            function,
            source: Source::Bucket(bucket),
        })
        .collect()
}

/// `doomed` are buckets that go, with all that they tell.
pub fn plan(
    wanted: &[Wanted],
    found: &BTreeMap<String, bucket::Found>,
    names: &Names,
    doomed: &BTreeSet<String>,
) -> Vec<Step> {
    let mut steps = Vec::new();
    for told in wanted {
        let before = found.get(&told.bucket);
        let before = before.map_or(&[][..], |bucket| &bucket.notifications);
        steps.extend(plan_one(&told.bucket, &told.entries, before, names));
    }
    let none = BTreeSet::new();
    for (name, bucket) in found {
        let is_wanted = wanted.iter().any(|told| told.bucket == *name);
        if !is_wanted && !doomed.contains(name) {
            steps.extend(plan_one(name, &none, &bucket.notifications, names));
        }
    }
    steps
}

fn plan_one(
    bucket: &str,
    entries: &BTreeSet<Entry>,
    before: &[Xml],
    names: &Names,
) -> Option<Step> {
    let (ours, others): (Vec<_>, Vec<_>) = before.iter().partition(|it| is_ours(it, names));
    let there: BTreeSet<Entry> = ours.into_iter().map(read).collect();
    if there == *entries {
        return None;
    }
    let new = entries.difference(&there).map(shown);
    let old = there.difference(entries);
    let details = new.chain(old.map(|entry| format!("no more {}", shown(entry))));
    let action = match (there.is_empty(), entries.is_empty()) {
        (_, true) => Action::Remove,
        (true, _) => Action::Create,
        _ => Action::Update,
    };
    let step = Step::draft(action, Phase::Notification, KIND, bucket).details(details);
    Some(step.work(Work {
        bucket: bucket.to_owned(),
        document: document(names, entries, &others),
    }))
}

/// `ObjectCreated:* raw/*.csv -> features-dev-clean`
fn shown(entry: &Entry) -> String {
    let events: Vec<_> = entry
        .events
        .iter()
        .map(|event| event.strip_prefix("s3:").unwrap_or(event))
        .collect();
    let mut parts = entry.function.rsplit(':').skip(1);
    let function = parts.next().unwrap_or(&entry.function);
    let (prefix, suffix) = (&entry.prefix, &entry.suffix);
    format!("{} {prefix}*{suffix} -> {function}", events.join(" "))
}

fn id_prefix(names: &Names) -> String {
    format!("squall:{}:{}:", names.project, names.stage)
}

fn is_ours(configuration: &Xml, names: &Names) -> bool {
    configuration.at(&["Id"]).starts_with(&id_prefix(names))
}

fn read(configuration: &Xml) -> Entry {
    let texts = |name: &str| -> Vec<String> {
        let children = configuration.children.iter();
        let named = children.filter(|child| child.name == name);
        named.map(|child| child.text.clone()).collect()
    };
    let mut events = texts("Event");
    events.sort();
    events.dedup();
    let function = texts("CloudFunction").into_iter();
    let mut function = function.chain(texts("LambdaFunctionArn"));
    let rules = configuration.child("Filter");
    let rules = rules.and_then(|filter| filter.child("S3Key"));
    let rule = |name: &str| {
        let rules = rules.map_or(&[][..], |rules| &rules.children);
        let mut rules = rules
            .iter()
            .filter(|rule| rule.at(&["Name"]).eq_ignore_ascii_case(name));
        let rule = rules.next();
        rule.map_or_else(String::new, |rule| rule.at(&["Value"]).to_owned())
    };
    Entry {
        function: function.next().unwrap_or_default(),
        events,
        prefix: rule("prefix"),
        suffix: rule("suffix"),
    }
}

fn document(names: &Names, entries: &BTreeSet<Entry>, others: &[&Xml]) -> String {
    let mut xml = Writer::with_declaration();
    xml.root("NotificationConfiguration", NAMESPACE, |xml| {
        for other in others {
            write_back(xml, other);
        }
        for (number, entry) in entries.iter().enumerate() {
            let id = format!("{}{number}", id_prefix(names));
            xml.element(FUNCTION, |xml| write(xml, &id, entry));
        }
    });
    xml.finish()
}

fn write(xml: &mut Writer, id: &str, entry: &Entry) {
    xml.text("Id", id);
    xml.text("CloudFunction", &entry.function);
    for event in &entry.events {
        xml.text("Event", event);
    }
    let rules = [("prefix", &entry.prefix), ("suffix", &entry.suffix)];
    let rules = rules.into_iter().filter(|(_, value)| !value.is_empty());
    let rules: Vec<_> = rules.collect();
    if rules.is_empty() {
        return;
    }
    xml.element("Filter", |xml| {
        xml.element("S3Key", |xml| {
            for (name, value) in rules {
                xml.element("FilterRule", |xml| {
                    xml.text("Name", name);
                    xml.text("Value", value);
                });
            }
        });
    });
}

fn write_back(xml: &mut Writer, element: &Xml) {
    if element.children.is_empty() {
        xml.text(&element.name, &element.text);
        return;
    }
    xml.element(&element.name, |xml| {
        for child in &element.children {
            write_back(xml, child);
        }
    });
}

/// Puts the whole document in the place of the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    bucket: String,
    document: String,
}

impl Work {
    /// S3 asks whether it may invoke, and a permission that was just given is not known
    /// everywhere at once.
    pub async fn run(&self, cloud: &Cloud) -> Result<(), StepError> {
        let target = format!("/{}?notification", self.bucket);
        let body = self.document.as_bytes();
        let put = || {
            let client = &cloud.client;
            client.rest_xml(Method::PUT, &target, &[], body)
        };
        match patiently(is_not_yet_permitted, put).await {
            // A bucket that is gone tells nothing.
            Err(error) if error.code() == "NoSuchBucket" => Ok(()),
            other => Ok(other.map(drop)?),
        }
    }
}

fn is_not_yet_permitted(error: &ClientError) -> bool {
    match error {
        ClientError::Api { code, message, .. } => {
            code == "InvalidArgument" && message.contains("validate the following destination")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names {
            project: "p".to_owned(),
            stage: "dev".to_owned(),
            account: "1".to_owned(),
            region: "us-east-1".to_owned(),
        }
    }

    fn entry(prefix: &str) -> Entry {
        Entry {
            function: "arn:aws:lambda:us-east-1:1:function:p-dev-clean:live".to_owned(),
            events: vec!["s3:ObjectCreated:*".to_owned()],
            prefix: prefix.to_owned(),
            suffix: ".csv".to_owned(),
        }
    }

    fn wanted(entries: &[Entry]) -> Wanted {
        Wanted {
            bucket: "b".to_owned(),
            entries: entries.iter().cloned().collect(),
        }
    }

    fn found(document: &str) -> BTreeMap<String, bucket::Found> {
        let document = Xml::parse(document.as_bytes()).unwrap();
        let found = bucket::Found {
            owner: bucket::Owner::Ours,
            tags: BTreeMap::new(),
            is_empty: true,
            site: None,
            cors: vec![],
            policy: None,
            notifications: document.children,
        };
        BTreeMap::from([("b".to_owned(), found)])
    }

    fn steps(entries: &[Entry], document: &str) -> Vec<Step> {
        let wanted: Vec<_> = (!entries.is_empty())
            .then(|| wanted(entries))
            .into_iter()
            .collect();
        plan(&wanted, &found(document), &names(), &BTreeSet::new())
    }

    fn put(steps: &[Step]) -> String {
        match &steps[0].work {
            super::super::Work::Notification(work) => work.document.clone(),
            other => panic!("{other:?}"),
        }
    }

    const NONE: &str = "<NotificationConfiguration/>";
    const FOREIGN: &str = "<NotificationConfiguration><QueueConfiguration><Id>q</Id>\
        <Queue>arn:q</Queue><Event>s3:ObjectRemoved:*</Event><Filter><S3Key><FilterRule>\
        <Name>prefix</Name><Value>a&amp;b</Value></FilterRule></S3Key></Filter>\
        </QueueConfiguration></NotificationConfiguration>";

    #[test]
    fn what_was_put_is_found_to_be_right() {
        let entries = [entry("raw/"), entry("")];
        let first = steps(&entries, NONE);
        assert_eq!(first[0].action, Action::Create);
        assert_eq!(
            first[0].details[1],
            "ObjectCreated:* raw/*.csv -> p-dev-clean"
        );
        assert_eq!(steps(&entries, &put(&first)), []);
    }

    #[test]
    fn notifications_of_others_stay() {
        let there = put(&steps(&[entry("")], FOREIGN));
        assert!(there.contains("<Value>a&amp;b</Value>"), "{there}");
        let less = steps(&[], &there);
        assert_eq!(less[0].action, Action::Remove);
        assert!(put(&less).contains("<Queue>arn:q</Queue>"));
        assert!(!put(&less).contains("p-dev-clean"));
        assert_eq!(steps(&[], FOREIGN), []);
    }

    #[test]
    fn a_change_says_what_comes_and_what_goes() {
        let before = put(&steps(&[entry("a/")], NONE));
        let changed = steps(&[entry("b/")], &before);
        assert_eq!(changed[0].action, Action::Update);
        assert_eq!(
            changed[0].details,
            [
                "ObjectCreated:* b/*.csv -> p-dev-clean",
                "no more ObjectCreated:* a/*.csv -> p-dev-clean"
            ]
        );
    }

    #[test]
    fn a_bucket_that_goes_needs_no_step_of_its_own() {
        let before = put(&steps(&[entry("")], NONE));
        let doomed = BTreeSet::from(["b".to_owned()]);
        assert_eq!(plan(&[], &found(&before), &names(), &doomed), []);
    }
}
