//! `squall keys --to aws`: keys of a stage on AWS, whose HTTP APIs know none. Each is an object
//! in a bucket of the project, named by the hash of the key, and says all but the key; the
//! function that the API asks ([`deploy::keys`]) looks there.

use anyhow::Context;
use deploy::keys::BELIEVED_S;
use engine::api_keys::{ApiKey, EXPIRES, NewApiKey, OWNER, ROUTES};
use futures::stream::{self, StreamExt, TryStreamExt};
use http::StatusCode;
use serde_json::{Value, json};
use types::Timestamp;

use super::{Key, check_paths, described, moment, no_key, show_new, table};
use crate::args::{Global, KeysAction, ProjectArgs};
use crate::deployment::{self, Opened};
use crate::failure::{Failure, Kind};
use crate::output;
use crate::s3::{Doomed, S3, S3Error};

const SIDE_BY_SIDE: usize = 8;

/// The keys of one stage of a project.
struct Ring {
    s3: S3,
    bucket: String,
    stage: String,
}

pub async fn run(
    global: &Global,
    action: Option<KeysAction>,
    project: &ProjectArgs,
) -> Result<(), Failure> {
    let ring = Ring::of(deployment::open_loosely(global, project).await?);
    match action {
        None | Some(KeysAction::List { .. }) => list(global, &ring).await,
        Some(KeysAction::Create {
            name,
            route,
            api,
            expires,
            ..
        }) => {
            if !api.is_empty() {
                let message = "keys on AWS are of one stage of one project, which is one API";
                return Err(Failure::mistake(message).hint("leave --api away; --stage says which"));
            }
            check_paths(&route)?;
            let end = expires.as_deref().map(moment).transpose()?;
            let routes = (!route.is_empty()).then(|| route.join(" "));
            let tags = [(ROUTES, routes), (EXPIRES, end)].into_iter();
            let tags = tags.filter_map(|(tag, value)| Some((tag.to_owned(), value?)));
            let new = NewApiKey {
                name: Some(name),
                enabled: true,
                tags: tags.collect(),
                ..NewApiKey::default()
            };
            show_new(global, &ring.add(new).await?, None)
        }
        Some(KeysAction::Rotate { key, overlap, .. }) => {
            rotate(global, &ring, &key, &overlap).await
        }
        Some(KeysAction::Revoke { keys, yes, .. }) => revoke(global, &ring, &keys, yes).await,
    }
}

async fn list(global: &Global, ring: &Ring) -> Result<(), Failure> {
    let keys: Vec<Key> = ring.all().await?.iter().map(Key::from).collect();
    if global.json {
        let shown: Vec<Value> = keys.iter().map(described).collect();
        output::json(&shown)?;
    } else if keys.is_empty() {
        let stage = &ring.stage;
        output::note(&format!("no keys in stage {stage} yet: squall keys create"));
    } else {
        output::bytes(table(&keys, Timestamp::now()).render().as_bytes())?;
    }
    Ok(())
}

async fn rotate(global: &Global, ring: &Ring, named: &str, overlap: &str) -> Result<(), Failure> {
    let end = moment(overlap)?;
    let found = ring.all().await?.into_iter().rfind(is(named));
    let old = found.ok_or_else(|| no_key(named))?;
    let mut tags = old.tags.clone();
    tags.entry(OWNER.to_owned())
        .or_insert_with(|| old.id.clone());
    let new = NewApiKey {
        name: Some(old.name.clone()),
        enabled: true,
        customer_id: old.customer_id.clone(),
        tags,
        ..NewApiKey::default()
    };
    let new = ring.add(new).await?;
    let until = ring.end(&old, &end).await?;
    show_new(global, &new, Some(&old.id))?;
    if !global.json {
        let is_over = *until <= *Timestamp::now().rfc3339();
        output::note(&if is_over {
            format!("the old one, {}, is good no longer; {}", old.id, delay())
        } else {
            format!("the old one, {}, is good until {until}", old.id)
        });
    }
    Ok(())
}

async fn revoke(global: &Global, ring: &Ring, named: &[String], yes: bool) -> Result<(), Failure> {
    let all = ring.all().await?;
    let mut gone = Vec::new();
    for named in named {
        // All of a name: who revokes a key means also the one that it replaced.
        let found: Vec<&ApiKey> = all.iter().filter(|key| is(named)(key)).collect();
        if found.is_empty() {
            return Err(no_key(named));
        }
        gone.extend(found);
    }
    let shown = gone.iter().map(|key| format!("{} ({})", key.name, key.id));
    let shown = shown.collect::<Vec<_>>().join(", ");
    deployment::confirm(global, &format!("the keys {shown}"), yes)?;
    for key in &gone {
        ring.remove(key).await?;
    }
    if global.json {
        let ids: Vec<&str> = gone.iter().map(|key| key.id.as_str()).collect();
        output::json(&json!({ "revoked": ids }))?;
    } else {
        output::note(&format!("revoked {shown}; {}", delay()));
    }
    Ok(())
}

fn is(named: &str) -> impl Fn(&ApiKey) -> bool {
    move |key| key.id == named || key.name == named
}

/// Said whenever a key ends at once.
fn delay() -> String {
    format!("who was let in just now may be so for {BELIEVED_S} s more")
}

impl Ring {
    fn of(opened: Opened) -> Self {
        Self {
            bucket: deploy::keys::bucket(&opened.cloud.names),
            stage: opened.project.stage,
            s3: S3::new(opened.cloud.client, SIDE_BY_SIDE),
        }
    }

    /// In the order in which they were made.
    async fn all(&self) -> Result<Vec<ApiKey>, Failure> {
        let listed = self.s3.list_all(&self.bucket, "", |_| {}).await;
        let listed = listed.map_err(|error| self.failed(error))?;
        let reads = listed.iter().map(|object| self.read(&object.key));
        let read: Vec<_> = stream::iter(reads)
            .buffered(SIDE_BY_SIDE)
            .try_collect()
            .await?;
        let mut keys: Vec<ApiKey> = read.into_iter().flatten().map(|(key, _)| key).collect();
        keys.sort_by(|one, other| (one.created, &one.id).cmp(&(other.created, &other.id)));
        Ok(keys)
    }

    /// A key and the entity tag of its object; none if it was revoked meanwhile.
    async fn read(&self, digest: &str) -> Result<Option<(ApiKey, String)>, Failure> {
        let mut reply = match self.s3.get(&self.bucket, digest, None).await {
            Ok(reply) => reply,
            Err(error) if error.has_code("NoSuchKey") => return Ok(None),
            Err(error) => return Err(self.failed(error)),
        };
        let etag = reply.header("etag").unwrap_or_default().to_owned();
        let bytes = reply.whole(1 << 20).await;
        let bytes = bytes.map_err(|error| self.failed(error.into()))?;
        match serde_json::from_slice::<ApiKey>(&bytes) {
            Ok(key) if key.digest() == digest => Ok(Some((key, etag))),
            _ => {
                let message = format!("the object {digest} of bucket {} is no key", self.bucket);
                Err(Failure::mistake(message).hint("it is not of ours: remove it"))
            }
        }
    }

    /// With its value, which is nowhere else.
    async fn add(&self, new: NewApiKey) -> Result<Key, Failure> {
        let (key, secret) = ApiKey::make(new).map_err(Failure::mistake)?;
        let put = self
            .s3
            .put_bytes((&self.bucket, key.digest()), bytes(&key)?);
        put.await.map_err(|error| self.failed(error))?;
        let mut shown = Key::from(&key);
        shown.value = Some(secret.text().to_owned());
        Ok(shown)
    }

    /// Lets a key end at a moment, unless it does so before. One that somebody revokes just
    /// now does not come back by this.
    async fn end(&self, key: &ApiKey, end: &str) -> Result<String, Failure> {
        let digest = key.digest();
        let Some((mut key, etag)) = self.read(digest).await? else {
            return Ok(Timestamp::now().rfc3339());
        };
        let before = key.tags.get(EXPIRES);
        let before = before.filter(|before| before.as_str() < end);
        let end = before.cloned().unwrap_or_else(|| end.to_owned());
        key.tags.insert(EXPIRES.to_owned(), end.clone());
        key.updated = Timestamp::now();
        let to = (self.bucket.as_str(), key.digest());
        match self.s3.replace_bytes(to, &etag, bytes(&key)?).await {
            Err(error) if error.has_code("NoSuchKey") => {}
            other => other.map_err(|error| self.failed(error))?,
        }
        Ok(end)
    }

    async fn remove(&self, key: &ApiKey) -> Result<(), Failure> {
        let doomed = Doomed::newest(key.digest().to_owned());
        let removed = self.s3.delete(&self.bucket, &doomed).await;
        removed.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: S3Error) -> Failure {
        match &error {
            S3Error::Answered { status, code, .. }
                if code == "NoSuchBucket" && *status == StatusCode::NOT_FOUND =>
            {
                let message = format!("stage {} has no keys on AWS yet", self.stage);
                Failure::mistake(message)
                    .hint("say key = true for a route in squall.toml, and squall deploy --to aws")
            }
            _ => error.into(),
        }
    }
}

fn bytes(key: &ApiKey) -> Result<bytes::Bytes, Failure> {
    let text = serde_json::to_vec(key).context("a key cannot be written");
    Ok(text.map_err(|error| Failure::new(Kind::Bug, error))?.into())
}

impl From<&ApiKey> for Key {
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds of thousands of years are exact"
    )]
    fn from(key: &ApiKey) -> Self {
        Self {
            id: key.id.clone(),
            name: key.name.clone(),
            enabled: key.enabled,
            created_date: key.created.0 as f64 / 1000.0,
            stage_keys: key.stages.clone(),
            customer_id: key.customer_id.clone(),
            tags: key.tags.clone(),
            value: None,
        }
    }
}
