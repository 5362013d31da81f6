//! What a write causes: events for functions and rules, accepted in the
//! transaction of the write.

use serde_json::Value;
use store::{Announcement, Committed, EventSource, NewEvent, Stored, StoredBody};
use types::{ObjectKey, RequestId, Timestamp, VersionId};

use super::{Buckets, Routes};
use crate::bucket::Bucket;
use crate::notify::{FunctionNotification, Happening, Kind, Removal, Scene};

const SERVICE: &str = "s3.amazonaws.com";

/// Who writes, for the events that it may cause.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// ARN or id of who asks.
    pub principal: String,
    pub source_ip: String,
    pub request_id: String,
    /// X-Ray header of the request: carries how deep in a loop it is.
    pub trace_id: Option<String>,
}

impl Origin {
    /// S3 itself, for its lifecycle rules.
    pub(super) fn s3() -> Self {
        Self {
            principal: SERVICE.to_owned(),
            source_ip: SERVICE.to_owned(),
            request_id: RequestId::random().to_string(),
            trace_id: None,
        }
    }
}

/// How an object came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteKind {
    Put,
    Post,
    Copy,
    CompleteMultipartUpload,
}

impl WriteKind {
    fn name(self) -> &'static str {
        match self {
            Self::Put => "Put",
            Self::Post => "Post",
            Self::Copy => "Copy",
            Self::CompleteMultipartUpload => "CompleteMultipartUpload",
        }
    }
}

/// What is about to happen. What it did is known when it is committed.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Write(WriteKind),
    Delete {
        /// The version that was named.
        version: Option<VersionId>,
        /// By a lifecycle rule.
        expired: bool,
    },
    Tag {
        put: bool,
    },
}

impl Change {
    /// The names of all that may come of it.
    fn names(&self) -> Vec<String> {
        let removed = |how, expired| Kind::Removed { how, expired }.name();
        match *self {
            Self::Write(kind) => vec![format!("ObjectCreated:{}", kind.name())],
            Self::Delete { expired, .. } => vec![
                removed(Removal::ForGood, expired),
                removed(Removal::MarkerCreated, expired),
            ],
            Self::Tag { put } => {
                let etag = String::new();
                vec![Kind::Tagged { etag, put }.name()]
            }
        }
    }

    /// What happened, and to which version. `None` when nothing did.
    fn outcome<'a>(&self, done: &'a Committed) -> Option<(Kind, &'a Stored)> {
        match self {
            Self::Write(kind) => {
                let written = done.written.as_ref()?;
                let StoredBody::Object(object) = &written.body else {
                    return None;
                };
                let created = Kind::Created {
                    by: kind.name(),
                    size: object.size,
                    etag: object.etag.clone(),
                };
                Some((created, written))
            }
            Self::Tag { put } => {
                let written = done.written.as_ref()?;
                let StoredBody::Object(object) = &written.body else {
                    return None;
                };
                let etag = object.etag.clone();
                Some((Kind::Tagged { etag, put: *put }, written))
            }
            Self::Delete { version, expired } => {
                let removed = |how| Kind::Removed {
                    how,
                    expired: *expired,
                };
                match (version, &done.written, &done.removed) {
                    (None, Some(marker), _) => Some((removed(Removal::MarkerCreated), marker)),
                    (_, _, Some(gone)) => Some((removed(Removal::ForGood), gone)),
                    (_, _, None) => None,
                }
            }
        }
    }
}

/// All that is known before the commit.
struct Announcer {
    scene: Scene,
    change: Change,
    targets: Vec<FunctionNotification>,
    routes: Option<Routes>,
    trace_id: Option<String>,
}

impl Buckets {
    /// `None` when nobody is to be told.
    pub(super) fn announcement(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        change: Change,
        origin: Origin,
    ) -> Option<Announcement> {
        let notifications = &bucket.settings.notifications;
        if notifications.functions().is_empty() && !notifications.event_bridge() {
            return None;
        }
        let names = change.names();
        let asked = notifications.functions().iter();
        let targets = asked.filter(|one| names.iter().any(|name| one.fits(name, key)));
        let targets: Vec<FunctionNotification> = targets.cloned().collect();
        let routes = notifications.event_bridge().then(|| (self.inner.router)());
        let routes = routes.filter(|routes| routes.most > 0);
        let most = targets.len() + routes.as_ref().map_or(0, |routes| routes.most);
        if most == 0 {
            return None;
        }
        let scene = Scene {
            scope: self.inner.scope.clone(),
            bucket: bucket.name.clone(),
            key: key.clone(),
            time: Timestamp::now(),
            principal: origin.principal,
            source_ip: origin.source_ip,
            request_id: origin.request_id,
        };
        let announcer = Announcer {
            scene,
            change,
            targets,
            routes,
            trace_id: origin.trace_id,
        };
        Some(Announcement {
            most,
            limit: self.inner.accepted_limit,
            events: Box::new(move |done| announcer.events(done)),
        })
    }
}

impl Announcer {
    fn events(&self, done: &Committed) -> Vec<NewEvent> {
        let Some((kind, stored)) = self.change.outcome(done) else {
            return Vec::new();
        };
        let happening = Happening {
            scene: &self.scene,
            kind,
            version: (!stored.version.is_null()).then(|| stored.version.clone()),
            sequence: done.sequence,
        };
        let name = happening.kind.name();
        let told = self
            .targets
            .iter()
            .filter(|t| t.fits(&name, &self.scene.key));
        let mut events: Vec<NewEvent> = told.map(|t| self.event(&happening, &name, t)).collect();
        if let Some(routes) = &self.routes {
            let routed = (routes.route)(&happening.bus_event());
            // No more than there are places for.
            events.extend(routed.into_iter().take(routes.most));
        }
        events
    }

    fn event(&self, happening: &Happening<'_>, name: &str, to: &FunctionNotification) -> NewEvent {
        let Scene { bucket, key, .. } = &self.scene;
        let payload: Value = happening.notification(&to.id);
        let target = match &to.qualifier {
            Some(qualifier) => format!("{}:{qualifier}", to.function),
            None => to.function.to_string(),
        };
        NewEvent {
            qualifier: to.qualifier.clone(),
            trace_id: self.trace_id.clone(),
            accepted: self.scene.time,
            order: Some(format!("s3:{bucket}/{key}>{target}")),
            source: Some(EventSource {
                service: SERVICE.to_owned(),
                arn: self.scene.bucket_arn(),
                role: None,
                subject: format!("{name} {bucket}/{key}"),
            }),
            ..NewEvent::new(
                RequestId::random(),
                to.function.clone(),
                payload.to_string().into(),
            )
        }
    }
}
