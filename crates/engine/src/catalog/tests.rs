//! The catalog against a real store: what is refused, what survives, what is
//! collected.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use buckets::{Buckets, Routes};
use bytes::Bytes;
use store::{Durability, Store};
use tokio::sync::mpsc;
use types::{Limits, Qualifier, Runtime, Scope, Version};

use super::*;

pub(super) struct Bench {
    pub(super) catalog: Catalog,
    pub(super) buckets: Buckets,
    changes: mpsc::Receiver<CatalogChange>,
    store: Arc<Store>,
    dir: tempfile::TempDir,
}

impl Bench {
    pub(super) async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    pub(super) async fn with(limits: Limits) -> Self {
        Self::open(tempfile::tempdir().unwrap(), limits).await
    }

    async fn open(dir: tempfile::TempDir, limits: Limits) -> Self {
        let store = open_store(dir.path());
        let (sender, changes) = mpsc::channel(1_000);
        let scope = Scope {
            account: "123456789012".parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
        };
        let check = |runtime| match runtime {
            Runtime::Python(minor) if minor != 11 => Err("use python3.11".to_owned()),
            Runtime::R(Some(minor)) if minor != 2 => Err("use r4.2".to_owned()),
            _ => Ok(()),
        };
        let router = Arc::new(Routes::none);
        let buckets = Buckets::open(Arc::clone(&store), scope.clone(), 100, router).unwrap();
        let catalog = Catalog::open(
            Arc::clone(&store),
            buckets.clone(),
            scope,
            limits,
            Box::new(check),
            sender,
        )
        .await
        .unwrap();
        Self {
            catalog,
            buckets,
            changes,
            store,
            dir,
        }
    }

    /// Closes everything and opens it again, as a restart does.
    async fn reopen(self) -> Self {
        let Self {
            catalog,
            buckets,
            changes,
            store,
            dir,
        } = self;
        catalog.drain().await;
        buckets.drain().await;
        store.close().await;
        drop((catalog, buckets, changes, store));
        Self::open(dir, Limits::default()).await
    }

    async fn create(&self, name: &str) -> Result<Arc<VersionEntry>, ControlError> {
        self.catalog.create_function(function(name, "1")).await
    }

    async fn publish(&self, name: &str) -> Arc<VersionEntry> {
        let name = name.parse().unwrap();
        let published = self.catalog.publish_version(name, None, None, None);
        published.await.unwrap()
    }

    async fn update_code(&self, name: &str, content: &str) -> Arc<VersionEntry> {
        let update = CodeUpdate {
            code: CodeSource::Zip(zip(content)),
            architecture: None,
            publish: false,
            dry_run: false,
            revision: None,
        };
        let name = name.parse().unwrap();
        self.catalog.update_code(name, update).await.unwrap()
    }

    pub(super) async fn blobs(&self) -> usize {
        self.store.blobs().list().await.unwrap().len()
    }

    fn notices(&mut self) -> Vec<String> {
        let mut seen = Vec::new();
        while let Ok(change) = self.changes.try_recv() {
            seen.push(match change {
                CatalogChange::Prepare(version) => format!("prepare {}", version.version),
                CatalogChange::Retire(key) => format!("retire {}", key.version),
                CatalogChange::Removed(name) => format!("removed {name}"),
                CatalogChange::Concurrency(name) => format!("concurrency {name}"),
                CatalogChange::Provisioned(name) => format!("provisioned {name}"),
            });
        }
        seen
    }
}

fn open_store(dir: &Path) -> Arc<Store> {
    Arc::new(Store::open(dir, Durability::Relaxed).unwrap())
}

/// A package with one file of this content.
pub(super) fn zip(content: &str) -> Bytes {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    writer.start_file("main.py", options).unwrap();
    writer.write_all(content.as_bytes()).unwrap();
    writer.finish().unwrap().into_inner().into()
}

pub(crate) fn function(name: &str, content: &str) -> NewFunction {
    NewFunction {
        name: name.parse().unwrap(),
        runtime: Runtime::Python(11),
        handler: "main.handler".to_owned(),
        role: "arn:aws:iam::123456789012:role/r".to_owned(),
        description: String::new(),
        memory_mb: 128,
        timeout_seconds: 3,
        tmp_mb: 512,
        environment: BTreeMap::new(),
        layers: Vec::new(),
        architecture: types::Architecture::X86_64,
        tracing: types::TracingMode::PassThrough,
        snap_start: types::SnapStart::None,
        logging: Logging::default(),
        dead_letter_target: None,
        vpc: None,
        kms_key_arn: None,
        tags: BTreeMap::new(),
        publish: false,
        code: CodeSource::Zip(zip(content)),
    }
}

fn layer(name: &str, content: &str) -> NewLayer {
    NewLayer {
        name: name.parse().unwrap(),
        description: String::new(),
        runtimes: Some(vec!["python3.11".to_owned()]),
        architectures: None,
        license: None,
        code: CodeSource::Zip(zip(content)),
    }
}

pub(super) fn message<T: std::fmt::Debug>(result: Result<T, ControlError>) -> String {
    result.unwrap_err().to_string()
}

fn qualifier(text: &str) -> Qualifier {
    text.parse().unwrap()
}

#[tokio::test]
async fn everything_survives_a_restart() {
    let bench = Bench::new().await;
    let name: types::FunctionName = "f".parse().unwrap();
    bench.create("f").await.unwrap();
    bench.publish("f").await;
    let catalog = &bench.catalog;
    catalog.publish_layer(layer("l", "x")).await.unwrap();
    catalog
        .create_alias(
            name.clone(),
            "live".parse().unwrap(),
            Version::Number(1),
            String::new(),
            BTreeMap::new(),
        )
        .await
        .unwrap();
    catalog.reserve(name.clone(), 7).await.unwrap();
    let url = catalog
        .create_url(name.clone(), None, UrlAuth::None, UrlPatch::default())
        .await
        .unwrap();
    let before = catalog.get_function(&name, None).unwrap();

    let bench = bench.reopen().await;
    let catalog = &bench.catalog;
    assert_eq!(catalog.get_function(&name, None).unwrap(), before);
    let live = catalog.resolve(&name, Some(&qualifier("live"))).unwrap();
    assert_eq!(live.version, Version::Number(1));
    assert_eq!(catalog.reserved_concurrency(&name), Some(7));
    assert_eq!(catalog.unreserved_concurrency(), 993);
    assert_eq!(catalog.url_by_id(&url.id), Some(url));
    assert!(catalog.get_layer_version(&"l".parse().unwrap(), 1).is_ok());
    assert_eq!(bench.blobs().await, 2);
}

#[tokio::test]
async fn a_name_is_given_once_and_a_refused_create_leaves_nothing() {
    let bench = Bench::new().await;
    bench.create("f").await.unwrap();
    let again = bench.catalog.create_function(function("f", "other")).await;
    assert_eq!(message(again), "Function already exist: f");
    let mut broken = function("g", "");
    broken.code = CodeSource::Zip(Bytes::from_static(b"no zip"));
    let refused = bench.catalog.create_function(broken).await;
    assert!(message(refused).starts_with("Could not unzip uploaded file."));
    let mut unlayered = function("h", "unlayered");
    let arn = "arn:aws:lambda:us-east-1:123456789012:layer:none:1";
    unlayered.layers = vec![arn.parse().unwrap()];
    let refused = bench.catalog.create_function(unlayered).await;
    assert_eq!(
        message(refused),
        format!("Layer version {arn} does not exist.")
    );
    assert_eq!(bench.blobs().await, 1);
    assert_eq!(bench.catalog.function_names().len(), 1);
}

#[tokio::test]
async fn of_concurrent_creates_one_wins() {
    let bench = Bench::new().await;
    let attempts: Vec<_> = (0..8)
        .map(|n| {
            let catalog = bench.catalog.clone();
            let new = function("f", &n.to_string());
            tokio::spawn(async move { catalog.create_function(new).await.is_ok() })
        })
        .collect();
    let mut won = 0;
    for attempt in attempts {
        won += usize::from(attempt.await.unwrap());
    }
    assert_eq!(won, 1);
    bench.catalog.collect().await;
    assert_eq!(bench.blobs().await, 1);
}

#[tokio::test]
async fn what_this_machine_cannot_run_is_refused() {
    let bench = Bench::new().await;
    let mut new = function("f", "1");
    new.runtime = Runtime::Python(9);
    assert_eq!(
        message(bench.catalog.create_function(new).await),
        "use python3.11"
    );
    let here: Vec<String> = bench
        .catalog
        .runtimes()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        here,
        [
            "python3.11",
            "r",
            "r4.2",
            "provided",
            "provided.al2",
            "provided.al2023"
        ]
    );
}

#[tokio::test]
async fn the_environment_is_checked() {
    let bench = Bench::new().await;
    let mut new = function("f", "1");
    new.environment
        .insert("AWS_REGION".to_owned(), "x".to_owned());
    let refused = message(bench.catalog.create_function(new).await);
    assert!(
        refused.ends_with("Reserved keys used in this request: AWS_REGION"),
        "{refused}"
    );
    let mut new = function("f", "1");
    new.environment.insert("BIG".to_owned(), "x".repeat(4_096));
    let refused = message(bench.catalog.create_function(new).await);
    assert!(
        refused.contains("exceeded the 4KB limit. String measured: {\"BIG\":\"xxx"),
        "{refused}"
    );
    let mut new = function("f", "1");
    new.environment
        .insert("SQUALL_START".to_owned(), "spawn".to_owned());
    let entry = bench.catalog.create_function(new).await.unwrap();
    assert_eq!(entry.config.options.start, types::StartMode::Spawn);
}

#[tokio::test]
async fn publishing_the_same_again_gives_the_same_version() {
    let bench = Bench::new().await;
    bench.create("f").await.unwrap();
    let first = bench.publish("f").await;
    assert_eq!(first.config.version, Version::Number(1));
    assert_eq!(bench.publish("f").await.config.version, Version::Number(1));
    bench.update_code("f", "2").await;
    assert_eq!(bench.publish("f").await.config.version, Version::Number(2));
    bench.update_code("f", "2").await;
    assert_eq!(bench.publish("f").await.config.version, Version::Number(2));

    let name: types::FunctionName = "f".parse().unwrap();
    let wrong = Some("x".to_owned());
    let stale = bench
        .catalog
        .publish_version(name.clone(), None, None, wrong.clone())
        .await;
    assert!(matches!(stale, Err(ControlError::StaleRevision { .. })));
    let other = bench.catalog.publish_version(name, None, wrong, None).await;
    assert!(message(other).starts_with("CodeSHA256 (x) is different"));
}

#[tokio::test]
async fn packages_go_when_nothing_uses_them() {
    let mut bench = Bench::new().await;
    bench.create("f").await.unwrap();
    bench.publish("f").await;
    bench.update_code("f", "2").await;
    assert_eq!(bench.blobs().await, 2, "version 1 keeps the first package");
    let name: types::FunctionName = "f".parse().unwrap();
    bench
        .catalog
        .delete_function(name.clone(), Some(qualifier("1")))
        .await
        .unwrap();
    bench.notices();
    bench.catalog.collect().await;
    assert_eq!(bench.blobs().await, 1);

    // An instance that still runs keeps its files.
    let running = bench.catalog.resolve(&name, None).unwrap();
    bench.catalog.delete_function(name, None).await.unwrap();
    assert_eq!(bench.blobs().await, 1);
    bench.notices();
    drop(running);
    bench.catalog.collect().await;
    assert_eq!(bench.blobs().await, 0);
}

#[tokio::test]
async fn functions_keep_the_layers_that_were_deleted() {
    let mut bench = Bench::new().await;
    let published = bench.catalog.publish_layer(layer("l", "x")).await.unwrap();
    let mut new = function("f", "1");
    new.layers = vec![published.arn.clone()];
    bench.catalog.create_function(new).await.unwrap();
    let name: types::LayerName = "l".parse().unwrap();
    bench
        .catalog
        .delete_layer_version(name.clone(), 1)
        .await
        .unwrap();
    bench.catalog.delete_layer_version(name, 1).await.unwrap();
    assert_eq!(bench.blobs().await, 2);
    let again = bench.catalog.publish_layer(layer("l", "x")).await.unwrap();
    assert_eq!(again.arn.version, 2, "numbers are not reused");
    bench
        .catalog
        .delete_layer_version("l".parse().unwrap(), 2)
        .await
        .unwrap();
    bench
        .catalog
        .delete_function("f".parse().unwrap(), None)
        .await
        .unwrap();
    bench.notices();
    bench.catalog.collect().await;
    assert_eq!(bench.blobs().await, 0);
}

#[tokio::test]
async fn packages_without_owner_are_swept_at_start() {
    let bench = Bench::new().await;
    bench.create("f").await.unwrap();
    bench.store.blobs().put(zip("lost")).await.unwrap();
    let bench = bench.reopen().await;
    assert_eq!(bench.blobs().await, 1);
}

#[tokio::test]
async fn the_data_plane_hears_what_changed() {
    let mut bench = Bench::new().await;
    let name: types::FunctionName = "f".parse().unwrap();
    bench.create("f").await.unwrap();
    assert_eq!(bench.notices(), ["prepare $LATEST"]);
    bench.update_code("f", "2").await;
    assert_eq!(bench.notices(), ["retire $LATEST", "prepare $LATEST"]);
    bench.publish("f").await;
    assert_eq!(bench.notices(), ["prepare 1"]);
    let (alias, one) = ("live".parse().unwrap(), Version::Number(1));
    let made =
        (bench.catalog).create_alias(name.clone(), alias, one, String::new(), BTreeMap::new());
    made.await.unwrap();
    bench.update_code("f", "3").await;
    let notices = bench.notices();
    assert_eq!(notices, ["retire $LATEST"], "it is called by its alias");
    bench.publish("f").await;
    assert_eq!(bench.notices(), ["prepare 2"]);
    let tags = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
    bench.catalog.tag(name.clone(), tags).await.unwrap();
    assert!(bench.notices().is_empty(), "a tag does not end instances");
    bench.catalog.reserve(name.clone(), 5).await.unwrap();
    assert_eq!(bench.notices(), ["concurrency f"]);
    let provisioned = bench.catalog.provision(name.clone(), qualifier("1"), 2);
    provisioned.await.unwrap();
    assert_eq!(bench.notices(), ["provisioned f"]);
    assert_eq!(bench.catalog.provisioned()[0].requested, 2);
    bench.catalog.delete_function(name, None).await.unwrap();
    assert_eq!(
        bench.notices(),
        ["retire $LATEST", "retire 1", "retire 2", "removed f"]
    );
}

#[tokio::test]
async fn concurrency_is_shared_out_within_the_account() {
    let bench = Bench::new().await;
    let name: types::FunctionName = "f".parse().unwrap();
    bench.create("f").await.unwrap();
    bench.publish("f").await;
    let catalog = &bench.catalog;
    assert!(message(catalog.reserve(name.clone(), 901).await).ends_with("minimum value of [100]."));
    catalog.reserve(name.clone(), 900).await.unwrap();
    catalog.reserve(name.clone(), 10).await.unwrap();
    let too_many = catalog.provision(name.clone(), qualifier("1"), 11).await;
    assert!(message(too_many).starts_with("Requested Provisioned Concurrency"));
    catalog
        .provision(name.clone(), qualifier("1"), 10)
        .await
        .unwrap();
    assert!(message(catalog.reserve(name.clone(), 9).await).contains("should not be lower"));
    let latest = catalog.provision(name, qualifier("$LATEST"), 1).await;
    assert!(message(latest).contains("unpublished"));
}

#[tokio::test]
async fn limits_are_those_of_the_settings() {
    let small = zip("1").len() as u64;
    let limits = Limits {
        code_storage_bytes: small + 10,
        ..Limits::default()
    };
    let bench = Bench::with(limits).await;
    bench.create("f").await.unwrap();
    let refused = bench.create("g").await;
    assert!(matches!(
        refused,
        Err(ControlError::CodeStorageExceeded { .. })
    ));
    let limits = Limits {
        zip_bytes: small - 1,
        ..Limits::default()
    };
    let refused = Bench::with(limits).await.create("f").await;
    assert!(matches!(refused, Err(ControlError::ZipTooLarge { .. })));
    let limits = Limits {
        unzipped_bytes: 100,
        ..Limits::default()
    };
    let bench = Bench::with(limits).await;
    let big = function("f", &"x".repeat(200));
    let refused = message(bench.catalog.create_function(big).await);
    assert_eq!(refused, "Unzipped size must be smaller than 100 bytes");
    let published = bench
        .catalog
        .publish_layer(layer("l", &"x".repeat(60)))
        .await;
    let mut both = function("f", &"x".repeat(60));
    both.layers = vec![published.unwrap().arn.clone()];
    let refused = message(bench.catalog.create_function(both).await);
    assert!(
        refused.contains("combined with layers exceeds"),
        "{refused}"
    );
}

#[tokio::test]
async fn policies_grow_and_shrink_by_statement() {
    let bench = Bench::new().await;
    let name: types::FunctionName = "f".parse().unwrap();
    let created = bench.create("f").await.unwrap();
    let grant = |sid: &str, revision: Option<&str>| NewPermission {
        statement_id: sid.to_owned(),
        action: "lambda:InvokeFunction".to_owned(),
        principal: "events.amazonaws.com".to_owned(),
        revision: revision.map(str::to_owned),
        ..NewPermission::default()
    };
    let catalog = &bench.catalog;
    catalog
        .add_permission(name.clone(), None, grant("a", Some(&created.revision)))
        .await
        .unwrap();
    let stale = catalog
        .add_permission(name.clone(), None, grant("b", Some(&created.revision)))
        .await;
    assert!(matches!(stale, Err(ControlError::StaleRevision { .. })));
    let twice = catalog
        .add_permission(name.clone(), None, grant("a", None))
        .await;
    assert!(message(twice).contains("already exists"));
    let (statements, revision) = catalog.policy(&name, None).unwrap();
    assert_eq!(
        statements[0].resource,
        "arn:aws:lambda:us-east-1:123456789012:function:f"
    );
    assert_eq!(
        revision,
        catalog.get_function(&name, None).unwrap().revision
    );
    let key = catalog.resolve(&name, None).unwrap().key();
    assert_eq!(key, created.config.key(), "instances live on");
    catalog
        .remove_permission(name.clone(), None, "a".to_owned(), None)
        .await
        .unwrap();
    assert!(catalog.policy(&name, None).is_err());
    let long = catalog
        .add_permission(
            name,
            None,
            NewPermission {
                source_arn: Some("x".repeat(30_000)),
                ..grant("c", None)
            },
        )
        .await;
    assert!(matches!(long, Err(ControlError::PolicyTooLong { .. })));
}
