//! Who is let in: secrets for the signatures, session tokens, permissions.

use std::sync::Arc;

use async_trait::async_trait;
use aws_wire::sigv4::{Key, KeySource, Principal};
use buckets::{Bucket, Buckets, EXISTING_TAG};
use engine::iam::{Ask, Iam};
use http::{HeaderMap, Uri};
use policy::Context;
use s3s::S3Result;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::dto::CopySource;
use s3s::path::S3Path;
use sha2::{Digest as _, Sha256};
use types::{BucketName, Timestamp};

use crate::actions::{Facts, On, knows_tags, needs};
use crate::caller::{Asked, Caller};
use crate::error::{bad_argument, fault, fault_with, refused};

const TOKEN: &str = "x-amz-security-token";

/// Decides over every request. A clone is another handle.
#[derive(Clone)]
pub(crate) struct Gate {
    pub buckets: Buckets,
    pub iam: Arc<Iam>,
    pub keys: Arc<dyn KeySource>,
}

/// One permission that is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    pub action: &'a str,
    /// `None` for all buckets.
    pub bucket: Option<&'a str>,
    /// `None` for the bucket itself.
    pub key: Option<&'a str>,
    /// `None` for the current one.
    pub version: Option<&'a str>,
}

#[async_trait]
impl S3Auth for Gate {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        Ok(SecretKey::from(self.secret(access_key)?.as_str()))
    }
}

#[async_trait]
impl S3Access for Gate {
    /// Runs when the signature was found to be right, or none was there.
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let operation = cx.s3_op().name().to_owned();
        let signed = match cx.credentials() {
            Some(credentials) => {
                let token = token_of(cx.headers(), cx.uri());
                Some(self.principal(&credentials.access_key, token.as_deref())?)
            }
            None => None,
        };
        let (bucket, key) = match cx.s3_path() {
            S3Path::Root => (None, None),
            S3Path::Bucket { bucket } => (Some(bucket.to_string()), None),
            S3Path::Object { bucket, key } => (Some(bucket.to_string()), Some(key.to_string())),
        };
        self.check_owner(cx.headers())?;
        let source = source_of(cx.headers())?;
        let facts = facts_of(cx.headers(), cx.uri(), source.as_ref());
        let version = query(cx.uri(), |name| name == "versionId");
        let mut context = request_context(cx.headers(), cx.uri());
        let extensions = cx.extensions_mut();
        let asked = extensions.get::<Asked>().expect("the way in puts it there");
        // Known already when the request comes for the second time.
        let passed = || asked.passed.get().cloned().flatten();
        let caller = Caller {
            asked: asked.clone(),
            principal: signed.or_else(passed),
        };
        caller.asked.add_to(&mut context);
        for need in needs(&operation, facts).unwrap_or_default() {
            let (bucket, key, version) = match (need.on, &source) {
                (On::Everything, _) => (None, None, None),
                (On::Bucket, _) => (bucket.as_deref(), None, None),
                (On::Object, _) => (bucket.as_deref(), key.as_deref(), version.as_deref()),
                (On::Source, Some(source)) => source.parts(),
                (On::Source, None) => continue,
            };
            let request = Request {
                action: need.action,
                bucket,
                key,
                version,
            };
            self.allow(&caller, request, &context).await?;
        }
        caller.asked.objections()?;
        let _ = caller.asked.passed.set(caller.principal.clone());
        extensions.insert(caller);
        Ok(())
    }
}

impl Gate {
    fn key(&self, access_key: &str) -> S3Result<Key> {
        let found = self.keys.find(access_key);
        found.ok_or_else(|| {
            crate::error::detailed(
                fault("InvalidAccessKeyId"),
                &[("AWSAccessKeyId", access_key)],
            )
        })
    }

    /// The secret of a key.
    pub fn secret(&self, access_key: &str) -> S3Result<String> {
        Ok(self.key(access_key)?.secret)
    }

    /// Who holds a key, if its token comes along and its time is not over.
    pub fn principal(&self, access_key: &str, token: Option<&str>) -> S3Result<Principal> {
        let key = self.key(access_key)?;
        let same = match (token, &key.session_token) {
            (None, None) => true,
            // Comparing digests takes the same time wherever the texts differ.
            (Some(given), Some(kept)) => Sha256::digest(given) == Sha256::digest(kept),
            // Temporary keys are nothing without their token.
            (None, Some(_)) => return Err(fault("InvalidAccessKeyId")),
            (Some(_), None) => false,
        };
        if !same {
            return Err(fault("InvalidToken"));
        }
        if key.expires.is_some_and(|end| end <= Timestamp::now()) {
            return Err(fault("ExpiredToken"));
        }
        Ok(key.principal)
    }

    /// May the caller do this?
    pub async fn allow(
        &self,
        caller: &Caller,
        request: Request<'_>,
        context: &Context,
    ) -> S3Result {
        let bucket = self.find(request.bucket);
        let bucket = bucket.as_deref();
        if let (Some(found), Some(key)) = (bucket, request.key)
            && knows_tags(request.action)
            && self.asks_for_tags(caller, found)
        {
            let mut context = context.clone();
            let add = (self.buckets).add_existing_tags(found, key, request.version, &mut context);
            add.await.map_err(refused)?;
            return self.decide(caller, request, bucket, &context);
        }
        self.decide(caller, request, bucket, context)
    }

    /// Does a policy that has a say ask what tags an object has? Only then it is
    /// looked up.
    fn asks_for_tags(&self, caller: &Caller, bucket: &Bucket) -> bool {
        let policy = bucket.settings.policy.as_ref();
        let principal = caller.principal.as_ref();
        policy.is_some_and(|policy| policy.document().mentions(EXISTING_TAG))
            || principal.is_some_and(|who| self.iam.mentions(&who.arn, EXISTING_TAG))
    }

    fn decide(
        &self,
        caller: &Caller,
        request: Request<'_>,
        bucket: Option<&Bucket>,
        context: &Context,
    ) -> S3Result {
        let settings = bucket.map(|bucket| &bucket.settings);
        let Some(principal) = &caller.principal else {
            let open = bucket.is_some_and(|bucket| {
                let settings = &bucket.settings;
                settings.allows_anyone(&bucket.name, request.action, request.key, context)
            });
            // That there is no such bucket is no secret on AWS either.
            return match (open, request.bucket) {
                (true, _) => Ok(()),
                (false, Some(_)) if bucket.is_none() && request.action != "s3:CreateBucket" => {
                    Err(fault("NoSuchBucket"))
                }
                (false, _) => Err(fault("AccessDenied")),
            };
        };
        let policy = settings.and_then(|settings| settings.policy.as_ref());
        // Who is locked out by a policy of his own can still replace it.
        let is_own = matches!(
            request.action,
            "s3:GetBucketPolicy" | "s3:PutBucketPolicy" | "s3:DeleteBucketPolicy"
        ) && self.iam.is_root(&principal.arn);
        let ask = Ask {
            principal_arn: &principal.arn,
            action: request.action,
            resource: &arn(request.bucket, request.key),
            resource_policy: policy
                .filter(|_| !is_own)
                .map(buckets::BucketPolicy::document),
            context,
        };
        self.iam.authorize(&ask).map_err(|denied| {
            // S3 quotes the resource, unlike other services.
            let message = format!(
                "User: {} is not authorized to perform: {} on resource: \"{}\" {}",
                denied.principal,
                denied.action,
                denied.resource,
                denied.because()
            );
            fault_with("AccessDenied", message)
        })
    }

    /// Whether the caller may know which keys there are: who may not is told
    /// that he may not read what is not there.
    pub fn may_list(&self, caller: &Caller, bucket: &Bucket) -> bool {
        let request = Request {
            action: "s3:ListBucket",
            bucket: Some(bucket.name.as_str()),
            key: None,
            version: None,
        };
        let mut context = Context::new();
        caller.asked.add_to(&mut context);
        self.decide(caller, request, Some(bucket), &context).is_ok()
    }

    /// Clients may say whose bucket they mean. All buckets here have one owner.
    pub fn check_owner(&self, headers: &HeaderMap) -> S3Result {
        let own = self.iam.scope().account.as_str();
        for name in [
            "x-amz-expected-bucket-owner",
            "x-amz-source-expected-bucket-owner",
        ] {
            if headers.get(name).is_some_and(|account| account != own) {
                return Err(fault("AccessDenied"));
            }
        }
        Ok(())
    }

    fn find(&self, bucket: Option<&str>) -> Option<Arc<Bucket>> {
        let name: BucketName = bucket?.parse().ok()?;
        self.buckets.bucket(&name).ok()
    }
}

fn arn(bucket: Option<&str>, key: Option<&str>) -> String {
    match (bucket, key) {
        (None, _) => "*".to_owned(),
        (Some(bucket), None) => format!("arn:aws:s3:::{bucket}"),
        (Some(bucket), Some(key)) => format!("arn:aws:s3:::{bucket}/{key}"),
    }
}

fn token_of(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    if let Some(token) = headers.get(TOKEN) {
        return Some(token.to_str().ok()?.to_owned());
    }
    query(uri, |name| name.eq_ignore_ascii_case(TOKEN))
}

/// The object that is copied from.
#[derive(Debug)]
struct Source {
    bucket: String,
    key: String,
    version: Option<String>,
}

impl Source {
    fn parts(&self) -> (Option<&str>, Option<&str>, Option<&str>) {
        let (bucket, key) = (&*self.bucket, &*self.key);
        (Some(bucket), Some(key), self.version.as_deref())
    }
}

fn source_of(headers: &HeaderMap) -> S3Result<Option<Source>> {
    let Some(header) = headers.get("x-amz-copy-source") else {
        return Ok(None);
    };
    let text = header.to_str().unwrap_or_default();
    match CopySource::parse(text) {
        Ok(CopySource::Bucket {
            bucket,
            key,
            version_id,
        }) if crate::ops::key(&key).is_ok() => Ok(Some(Source {
            bucket: bucket.into(),
            key: key.into(),
            version: version_id.map(Into::into),
        })),
        _ => Err(bad_argument(
            "x-amz-copy-source",
            text,
            "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
        )),
    }
}

fn facts_of(headers: &HeaderMap, uri: &Uri, source: Option<&Source>) -> Facts {
    let acl = headers.get("x-amz-acl");
    Facts {
        version: query(uri, |name| name == "versionId").is_some(),
        source_version: source.is_some_and(|source| source.version.is_some()),
        tagging: headers.contains_key("x-amz-tagging"),
        acl: acl.is_some_and(|acl| acl != "private" && acl != "bucket-owner-full-control"),
    }
}

/// What conditions may ask about this kind of request.
fn request_context(headers: &HeaderMap, uri: &Uri) -> Context {
    let mut context = Context::new();
    for (name, key) in [
        ("prefix", "s3:prefix"),
        ("delimiter", "s3:delimiter"),
        ("max-keys", "s3:max-keys"),
        ("versionId", "s3:VersionId"),
    ] {
        if let Some(value) = query(uri, |found| found == name) {
            context.add(key, value);
        }
    }
    for name in [
        "x-amz-acl",
        "x-amz-copy-source",
        "x-amz-metadata-directive",
        "x-amz-server-side-encryption",
        "x-amz-server-side-encryption-aws-kms-key-id",
        "x-amz-server-side-encryption-customer-algorithm",
        "x-amz-storage-class",
        "x-amz-content-sha256",
    ] {
        if let Some(value) = headers.get(name).and_then(|value| value.to_str().ok()) {
            context.add(&format!("s3:{name}"), value);
        }
    }
    let tags = headers.get("x-amz-tagging").and_then(|t| t.to_str().ok());
    for (key, value) in tags.into_iter().flat_map(aws_wire::form::pairs) {
        context.add(&format!("s3:RequestObjectTag/{key}"), value);
        context.add("s3:RequestObjectTagKeys", key);
    }
    context
}

fn query(uri: &Uri, fits: impl Fn(&str) -> bool) -> Option<String> {
    let mut pairs = aws_wire::form::pairs(uri.query()?);
    pairs.find(|(name, _)| fits(name)).map(|(_, value)| value)
}
