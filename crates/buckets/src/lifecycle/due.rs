//! What the rules say of objects and uploads at a moment. Pure: versions go in,
//! in the order of a listing, and what is to go comes out.

use std::collections::BTreeMap;

use types::{ObjectKey, Timestamp, VersionId};

use super::rules::{Expiration, Lifecycle, LifecycleFilter, LifecycleRule};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// A version of an object, or a delete marker.
#[derive(Debug, Clone)]
pub(crate) struct Seen<'a> {
    pub key: &'a ObjectKey,
    pub version: &'a VersionId,
    pub sequence: u64,
    pub is_latest: bool,
    pub modified: Timestamp,
    /// `None` for a delete marker.
    pub object: Option<SeenObject<'a>>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct SeenObject<'a> {
    pub size: u64,
    pub tags: &'a BTreeMap<String, String>,
}

/// Something that is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Doomed {
    pub key: ObjectKey,
    /// `None`: the current version, as a client would delete it.
    pub version: Option<VersionId>,
    /// That of the current version: what replaced it since must not go for it.
    pub sequence: Option<u64>,
}

impl Lifecycle {
    /// When the current version of an object is over, and by which rule: what
    /// clients read in `x-amz-expiration`.
    pub fn expires(
        &self,
        key: &ObjectKey,
        size: u64,
        tags: &BTreeMap<String, String>,
        modified: Timestamp,
    ) -> Option<(Timestamp, &str)> {
        let object = Some(SeenObject { size, tags });
        let rules = self.rules().iter().filter(|rule| rule.enabled);
        let ends = rules.filter_map(|rule| {
            let end = rule.current_ends(modified)?;
            rule.filter.fits(key, object).then_some((end, &*rule.id))
        });
        ends.min_by_key(|(end, _)| *end)
    }
}

impl LifecycleRule {
    /// When a current version of that age is over.
    fn current_ends(&self, modified: Timestamp) -> Option<Timestamp> {
        match self.expiration? {
            Expiration::Days(days) => Some(after_days(modified, days)),
            Expiration::Date(date) => Some(date),
            Expiration::LoneDeleteMarkers(_) => None,
        }
    }
}

/// Goes through the versions of a bucket, by key and newest first.
#[derive(Debug)]
pub(crate) struct Sweep<'a> {
    rules: Vec<&'a LifecycleRule>,
    now: Timestamp,
    /// The key that is being gone through.
    key: Option<ObjectKey>,
    /// When the version above the next one was written: since then the next one
    /// is noncurrent.
    succeeded: Timestamp,
    /// How many noncurrent versions of the key were seen.
    noncurrent: u32,
    /// A delete marker that goes if nothing comes after it.
    lone: Option<Doomed>,
}

impl<'a> Sweep<'a> {
    /// `None` when no rule is in force.
    pub fn new(lifecycle: &'a Lifecycle, now: Timestamp) -> Option<Self> {
        let enabled = lifecycle.rules().iter().filter(|rule| rule.enabled);
        let rules: Vec<_> = enabled.collect();
        (!rules.is_empty()).then_some(Self {
            rules,
            now,
            key: None,
            succeeded: now,
            noncurrent: 0,
            lone: None,
        })
    }

    /// Takes the next version, and adds to `doomed` what is known to go now.
    pub fn visit(&mut self, seen: &Seen<'_>, doomed: &mut Vec<Doomed>) {
        if self.key.as_ref() != Some(seen.key) {
            doomed.extend(self.end());
            self.key = Some(seen.key.clone());
            self.noncurrent = 0;
        }
        // It was not alone after all.
        self.lone = None;
        if seen.is_latest {
            match seen.object {
                Some(_) if self.current_is_over(seen) => doomed.push(Doomed {
                    key: seen.key.clone(),
                    version: None,
                    sequence: Some(seen.sequence),
                }),
                None if self.marker_is_over(seen) => self.lone = Some(seen.by_version()),
                _ => {}
            }
        } else {
            if self.noncurrent_is_over(seen) {
                doomed.push(seen.by_version());
            }
            self.noncurrent += 1;
        }
        self.succeeded = seen.modified;
    }

    /// There are no more versions of the key.
    pub fn end(&mut self) -> Option<Doomed> {
        self.lone.take()
    }

    /// Was an upload of this key abandoned?
    pub fn upload_is_over(&self, key: &ObjectKey, started: Timestamp) -> bool {
        self.rules.iter().any(|rule| {
            rule.filter.fits_key(key)
                && rule
                    .abort_uploads_after_days
                    .is_some_and(|days| self.now >= after_days(started, days))
        })
    }

    fn current_is_over(&self, seen: &Seen<'_>) -> bool {
        self.fitting(seen)
            .filter_map(|rule| rule.current_ends(seen.modified))
            .any(|end| self.now >= end)
    }

    fn marker_is_over(&self, seen: &Seen<'_>) -> bool {
        self.fitting(seen).any(|rule| {
            rule.expiration == Some(Expiration::LoneDeleteMarkers(true))
                || rule
                    .current_ends(seen.modified)
                    .is_some_and(|end| self.now >= end)
        })
    }

    fn fitting(&self, seen: &Seen<'_>) -> impl Iterator<Item = &&'a LifecycleRule> {
        let fits = |rule: &&&LifecycleRule| rule.filter.fits(seen.key, seen.object);
        self.rules.iter().filter(fits)
    }

    fn noncurrent_is_over(&self, seen: &Seen<'_>) -> bool {
        self.fitting(seen).any(|rule| {
            rule.noncurrent_expiration.is_some_and(|expiration| {
                self.noncurrent >= expiration.keep_newest.unwrap_or(0)
                    && self.now >= after_days(self.succeeded, expiration.days)
            })
        })
    }
}

impl Seen<'_> {
    fn by_version(&self) -> Doomed {
        Doomed {
            key: self.key.clone(),
            version: Some(self.version.clone()),
            sequence: None,
        }
    }
}

impl LifecycleFilter {
    /// A delete marker has neither tags nor size.
    fn fits(&self, key: &ObjectKey, object: Option<SeenObject<'_>>) -> bool {
        let fits_object = match object {
            Some(object) => {
                self.tags.iter().all(|(k, v)| object.tags.get(k) == Some(v))
                    && self.larger_than.is_none_or(|least| object.size > least)
                    && self.smaller_than.is_none_or(|most| object.size < most)
            }
            None => self.tags.is_empty(),
        };
        fits_object && self.fits_key(key)
    }

    fn fits_key(&self, key: &ObjectKey) -> bool {
        let prefix = self.prefix.as_deref().unwrap_or_default();
        key.as_str().starts_with(prefix)
    }
}

/// The midnight, in UTC, that follows so many days later.
fn after_days(start: Timestamp, days: u32) -> Timestamp {
    let end = start.0.saturating_add(i64::from(days) * DAY_MS);
    let into_day = end.rem_euclid(DAY_MS);
    if into_day == 0 {
        Timestamp(end)
    } else {
        Timestamp(end.saturating_add(DAY_MS - into_day))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::NoncurrentExpiration;

    const HOUR: i64 = 60 * 60 * 1_000;

    /// A day and an hour of it.
    fn at(day: i64, hour: i64) -> Timestamp {
        Timestamp(day * DAY_MS + hour * HOUR)
    }

    #[test]
    fn days_end_at_midnight() {
        assert_eq!(after_days(at(1, 10), 3), at(5, 0));
        assert_eq!(after_days(at(1, 0), 3), at(4, 0));
        assert_eq!(after_days(Timestamp(i64::MAX), 3), Timestamp(i64::MAX));
    }

    fn rule() -> LifecycleRule {
        LifecycleRule {
            enabled: true,
            ..LifecycleRule::default()
        }
    }

    /// Versions as `KEY VERSION DAY`, a `!` before the version for a delete
    /// marker; what goes as `KEY VERSION`, `-` for the current one.
    fn sweep(rules: Vec<LifecycleRule>, now: Timestamp, versions: &str) -> String {
        let lifecycle = Lifecycle::new(rules).unwrap();
        let Some(mut sweep) = Sweep::new(&lifecycle, now) else {
            return "no rule".to_owned();
        };
        let tags = BTreeMap::from([("tmp".to_owned(), "yes".to_owned())]);
        let (mut doomed, mut last) = (Vec::new(), None);
        for line in versions.split(", ").filter(|line| !line.is_empty()) {
            let fields: Vec<&str> = line.split(' ').collect();
            let key: ObjectKey = fields[0].parse().unwrap();
            let marker = fields[1].starts_with('!');
            let seen = Seen {
                key: &key,
                version: &fields[1].trim_start_matches('!').parse().unwrap(),
                sequence: 1,
                is_latest: last.as_ref() != Some(&key),
                modified: at(fields[2].parse().unwrap(), 12),
                object: (!marker).then_some(SeenObject {
                    size: 10,
                    tags: &tags,
                }),
            };
            sweep.visit(&seen, &mut doomed);
            last = Some(key);
        }
        doomed.extend(sweep.end());
        let lines = doomed.iter().map(|doomed| {
            let version = doomed.version.as_ref().map_or("-", VersionId::as_str);
            format!("{} {version}", doomed.key)
        });
        lines.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn current_versions_go_after_days_or_at_a_date() {
        let days = |prefix: Option<&str>| LifecycleRule {
            expiration: Some(Expiration::Days(2)),
            filter: LifecycleFilter {
                prefix: prefix.map(str::to_owned),
                ..LifecycleFilter::default()
            },
            ..rule()
        };
        let all = "a v1 1, b/x v2 1, c v3 3";
        assert_eq!(sweep(vec![days(None)], at(3, 23), all), "");
        assert_eq!(sweep(vec![days(None)], at(4, 0), all), "a -, b/x -");
        assert_eq!(sweep(vec![days(Some("b/"))], at(9, 0), all), "b/x -");
        let date = LifecycleRule {
            expiration: Some(Expiration::Date(at(5, 0))),
            ..rule()
        };
        assert_eq!(sweep(vec![date.clone()], at(4, 23), all), "");
        assert_eq!(sweep(vec![date.clone()], at(5, 0), all), "a -, b/x -, c -");
        let off = LifecycleRule {
            enabled: false,
            ..date
        };
        assert_eq!(sweep(vec![off], at(9, 0), all), "no rule");
    }

    #[test]
    fn the_earliest_end_is_told() {
        let rule = |id: &str, prefix: &str, days| LifecycleRule {
            id: id.to_owned(),
            expiration: Some(Expiration::Days(days)),
            filter: LifecycleFilter {
                prefix: Some(prefix.to_owned()),
                ..LifecycleFilter::default()
            },
            ..rule()
        };
        let rules = vec![rule("all", "", 5), rule("tmp", "tmp/", 1)];
        let lifecycle = Lifecycle::new(rules).unwrap();
        let ends = |key: &str| {
            let key = key.parse().unwrap();
            lifecycle.expires(&key, 1, &BTreeMap::new(), at(1, 12))
        };
        assert_eq!(ends("tmp/x"), Some((at(3, 0), "tmp")));
        assert_eq!(ends("x"), Some((at(7, 0), "all")));
        let off = LifecycleRule {
            enabled: false,
            ..rule("off", "", 1)
        };
        let lifecycle = Lifecycle::new(vec![off]).unwrap();
        let key = "x".parse().unwrap();
        assert_eq!(
            lifecycle.expires(&key, 1, &BTreeMap::new(), at(1, 12)),
            None
        );
    }

    #[test]
    fn tags_and_sizes_choose() {
        let filtered = |filter| LifecycleRule {
            expiration: Some(Expiration::Days(1)),
            filter,
            ..rule()
        };
        let tag = |value: &str| LifecycleFilter {
            tags: BTreeMap::from([("tmp".to_owned(), value.to_owned())]),
            ..LifecycleFilter::default()
        };
        let larger = |least| LifecycleFilter {
            larger_than: Some(least),
            ..LifecycleFilter::default()
        };
        for (filter, gone) in [
            (tag("yes"), "a -"),
            (tag("no"), ""),
            (larger(9), "a -"),
            (larger(10), ""),
        ] {
            assert_eq!(sweep(vec![filtered(filter)], at(9, 0), "a v1 1"), gone);
        }
    }

    #[test]
    fn noncurrent_versions_go_some_days_after_they_were_replaced() {
        let noncurrent = |keep_newest| LifecycleRule {
            noncurrent_expiration: Some(NoncurrentExpiration {
                days: 2,
                keep_newest,
            }),
            ..rule()
        };
        // v2 was replaced on day 8, v1 on day 2.
        let all = "a v3 8, a v2 2, a v1 1, b v4 1";
        assert_eq!(sweep(vec![noncurrent(None)], at(9, 0), all), "a v1");
        assert_eq!(sweep(vec![noncurrent(None)], at(11, 0), all), "a v2, a v1");
        assert_eq!(sweep(vec![noncurrent(Some(1))], at(11, 0), all), "a v1");
        assert_eq!(sweep(vec![noncurrent(Some(2))], at(11, 0), all), "");
    }

    #[test]
    fn delete_markers_go_when_they_are_alone() {
        let lone = LifecycleRule {
            expiration: Some(Expiration::LoneDeleteMarkers(true)),
            ..rule()
        };
        let all = "a !m1 1, b !m2 1, b v1 1, c !m3 1, c !m4 1, d !m5 1";
        assert_eq!(sweep(vec![lone], at(1, 13), all), "a m1, d m5");
        let days = LifecycleRule {
            expiration: Some(Expiration::Days(2)),
            ..rule()
        };
        assert_eq!(sweep(vec![days.clone()], at(2, 0), all), "");
        assert_eq!(sweep(vec![days], at(9, 0), all), "a m1, d m5");
    }

    #[test]
    fn abandoned_uploads_go() {
        let abort = LifecycleRule {
            abort_uploads_after_days: Some(7),
            filter: LifecycleFilter {
                prefix: Some("raw/".to_owned()),
                ..LifecycleFilter::default()
            },
            ..rule()
        };
        let lifecycle = Lifecycle::new(vec![abort]).unwrap();
        let over = |key: &str, now| {
            let sweep = Sweep::new(&lifecycle, now).unwrap();
            sweep.upload_is_over(&key.parse().unwrap(), at(1, 12))
        };
        assert!(over("raw/x", at(9, 0)));
        assert!(!over("raw/x", at(8, 23)));
        assert!(!over("x", at(9, 0)));
    }
}
