//! What objects cost: `cargo run --release -p store --example objects`. It makes
//! its directory where it is started, as what is measured is that disk.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use md5::{Digest, Md5};
use store::{
    BucketId, Content, Durability, ListMark, ListQuery, Part, Precondition, PutObject, Store,
    Versioning,
};
use types::{ObjectKey, Timestamp};

type Error = Box<dyn std::error::Error + Send + Sync>;

const LARGE: usize = 1 << 30;
const PIECE: usize = 64 << 10;
const SMALL: usize = 1024;
const SMALL_PUTS: u32 = 4_000;
const SMALL_GETS: u32 = 40_000;
const KEYS: u32 = 100_000;
const ROUNDS: usize = 3;

fn main() -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(run())
}

async fn run() -> Result<(), Error> {
    let dir = tempfile::tempdir_in(".")?;
    let store = Arc::new(Store::open(&dir.path().join("data"), Durability::Full)?);
    let bucket = store
        .objects()
        .create_bucket("bucket".parse()?, Timestamp(1), Vec::new())
        .await?;
    let bench = Bench {
        store,
        bucket: bucket.id,
    };
    bench.large(dir.path()).await?;
    for clients in [1, 16] {
        bench.small(clients).await?;
    }
    bench.listing().await?;
    say(&format!("most memory: {} MiB", most_memory_kib() / 1024))?;
    bench.store.close().await;
    Ok(())
}

#[derive(Clone)]
struct Bench {
    store: Arc<Store>,
    bucket: BucketId,
}

impl Bench {
    async fn content(&self, bytes: Bytes) -> Result<Content, Error> {
        let mut writer = self.store.objects().writer(Some(bytes.len() as u64));
        writer.write(bytes).await?;
        Ok(writer.finish().await?)
    }

    async fn put(&self, key: &str, content: Content) -> Result<(), Error> {
        let object = PutObject {
            bucket: self.bucket,
            key: key.parse()?,
            versioning: Versioning::Off,
            precondition: Precondition::default(),
            etag: hex::encode(content.md5),
            attributes: b"{\"headers\":{\"content_type\":\"binary/octet-stream\"}}".to_vec(),
            modified: Timestamp::now(),
            parts: vec![Part {
                content,
                attributes: Vec::new(),
            }],
            completes: None,
        };
        self.store.objects().put(object, None).await?;
        Ok(())
    }

    async fn get(&self, key: &str) -> Result<u64, Error> {
        let key: ObjectKey = key.parse()?;
        let found = self.store.objects().get(self.bucket, &key, None).await?;
        let mut reader = self.store.objects().read(&found, 0..u64::MAX);
        let mut length = 0;
        while let Some(piece) = reader.next().await? {
            length += piece.len() as u64;
        }
        Ok(length)
    }

    /// Against what the disk and the hash of the entity tag allow.
    async fn large(&self, dir: &Path) -> Result<(), Error> {
        let source = dir.join("source");
        for round in 0..ROUNDS {
            write_source(&source, round)?;
            let copied = timed(|| copy(&source, &dir.join("copy")))?;
            std::fs::remove_file(dir.join("copy"))?;
            let hashed = timed(|| hash(&source))?;

            let began = Instant::now();
            let mut writer = self.store.objects().writer(Some(LARGE as u64));
            let mut file = File::open(&source)?;
            loop {
                let mut piece = vec![0; PIECE];
                let count = file.read(&mut piece)?;
                if count == 0 {
                    break;
                }
                piece.truncate(count);
                writer.write(piece.into()).await?;
            }
            let content = writer.finish().await?;
            self.put("large", content).await?;
            let put = began.elapsed();

            let began = Instant::now();
            let length = self.get("large").await?;
            let got = began.elapsed();
            assert_eq!(length, LARGE as u64, "what was read is what was written");
            let limit = copied + hashed;
            say(&format!(
                "1 GiB: cp and fsync {:.0} MB/s, MD5 {:.0} MB/s, both {:.0} MB/s; \
                 put {:.0} MB/s ({:.0} % of both), get {:.0} MB/s",
                rate(copied),
                rate(hashed),
                rate(limit),
                rate(put),
                100.0 * limit.as_secs_f64() / put.as_secs_f64(),
                rate(got),
            ))?;
        }
        std::fs::remove_file(&source)?;
        Ok(())
    }

    async fn small(&self, clients: u32) -> Result<(), Error> {
        let began = Instant::now();
        self.each(SMALL_PUTS, clients, |bench, number| async move {
            let mut bytes = vec![b'x'; SMALL];
            bytes[..8].copy_from_slice(&u64::from(number).to_le_bytes());
            let content = bench.content(bytes.into()).await?;
            bench.put(&format!("small/{number}"), content).await
        })
        .await?;
        let put = f64::from(SMALL_PUTS) / began.elapsed().as_secs_f64();
        let began = Instant::now();
        self.each(SMALL_GETS, clients, |bench, number| async move {
            bench.get(&format!("small/{}", number % SMALL_PUTS)).await?;
            Ok(())
        })
        .await?;
        let got = f64::from(SMALL_GETS) / began.elapsed().as_secs_f64();
        say(&format!(
            "{SMALL} bytes, {clients} clients: {put:.0} durable puts/s, {got:.0} gets/s"
        ))
    }

    async fn each<F>(
        &self,
        count: u32,
        clients: u32,
        work: impl Fn(Self, u32) -> F + Clone + Send + 'static,
    ) -> Result<(), Error>
    where
        F: Future<Output = Result<(), Error>> + Send,
    {
        let mut tasks = tokio::task::JoinSet::new();
        for client in 0..clients {
            let (bench, work) = (self.clone(), work.clone());
            tasks.spawn(async move {
                for number in (client..count).step_by(clients as usize) {
                    work(bench.clone(), number).await?;
                }
                Ok::<_, Error>(())
            });
        }
        tasks.join_all().await.into_iter().collect()
    }

    async fn listing(&self) -> Result<(), Error> {
        let content = self.content(Bytes::from_static(b"x")).await?;
        let shared = content.clone();
        self.each(KEYS, 64, move |bench, number| {
            let content = shared.clone();
            async move {
                let key = format!("many/{}/{number:06}", number % 10);
                bench.put(&key, content).await
            }
        })
        .await?;
        let query = ListQuery {
            bucket: self.bucket,
            prefix: "many/".to_owned(),
            delimiter: None,
            after: ListMark::Key("many/5/".to_owned()),
            limit: 1000,
        };
        self.list("1,000 of 100,000 keys", &query, 1000).await?;
        let query = ListQuery {
            delimiter: Some("/".to_owned()),
            after: ListMark::Start,
            ..query
        };
        self.list("10 folders of 100,000 keys", &query, 10).await
    }

    async fn list(&self, what: &str, query: &ListQuery, expected: usize) -> Result<(), Error> {
        let mut times = Vec::new();
        for _ in 0..50 {
            let began = Instant::now();
            let page = self.store.objects().list(query.clone()).await?;
            times.push(began.elapsed());
            assert_eq!(page.entries.len() + page.prefixes.len(), expected, "{what}");
        }
        times.sort_unstable();
        say(&format!(
            "list {what}: median {:.2?}, longest {:.2?}",
            times[25], times[49]
        ))
    }
}

fn write_source(path: &Path, round: usize) -> Result<(), Error> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&round.to_le_bytes());
    let mut stream = hasher.finalize_xof();
    let mut file = File::create(path)?;
    let mut piece = vec![0; 1 << 20];
    for _ in 0..LARGE / piece.len() {
        stream.fill(&mut piece);
        file.write_all(&piece)?;
    }
    file.sync_all()?;
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    let status = std::process::Command::new("cp")
        .arg(from)
        .arg(to)
        .status()?;
    assert!(status.success(), "cp failed");
    File::open(to)?.sync_all()?;
    Ok(())
}

fn hash(path: &Path) -> Result<(), Error> {
    let (mut file, mut digest) = (File::open(path)?, Md5::new());
    let mut piece = vec![0; 1 << 20];
    loop {
        let count = file.read(&mut piece)?;
        if count == 0 {
            break;
        }
        digest.update(&piece[..count]);
    }
    std::hint::black_box(digest.finalize());
    Ok(())
}

fn timed(work: impl FnOnce() -> Result<(), Error>) -> Result<Duration, Error> {
    let began = Instant::now();
    work()?;
    Ok(began.elapsed())
}

/// In megabytes per second, for what `LARGE` is.
fn rate(time: Duration) -> f64 {
    1_073.741_824 / time.as_secs_f64()
}

fn say(line: &str) -> Result<(), Error> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

fn most_memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    let mut words = line.unwrap_or_default().split_whitespace();
    words.nth(1).and_then(|word| word.parse().ok()).unwrap_or(0)
}
