//! Multipart uploads over a real store.

#![expect(clippy::unwrap_used, reason = "a test")]

mod bench;

use std::sync::Arc;

use bench::{Bench, origin};
use buckets::{
    Attributes, Bucket, BucketError, ChecksumAlgorithm, ChecksumKind, Checksums, Complete, Hasher,
    NewUpload, PartInfo, SMALLEST_PART, Upload, UploadQuery, UploadedPart,
};
use bytes::Bytes;
use store::{Committed, Precondition, UploadId};

struct Uploading {
    bench: Bench,
    bucket: Arc<Bucket>,
    upload: Upload,
}

impl Uploading {
    async fn begin(checksum: Option<ChecksumAlgorithm>, kind: Option<ChecksumKind>) -> Self {
        let bench = Bench::open();
        let bucket = bench.bucket("data").await;
        let mut attributes = Attributes::default();
        attributes.metadata.insert("by".to_owned(), "me".to_owned());
        let new = NewUpload {
            key: "big".parse().unwrap(),
            attributes,
            checksum,
            checksum_kind: kind,
        };
        let upload = bench.buckets.create_upload(&bucket, new).await.unwrap();
        Self {
            bench,
            bucket,
            upload,
        }
    }

    async fn part(&self, number: u32, bytes: &Bytes) -> PartInfo {
        let mut checksums = Checksums::default();
        if let Some(algorithm) = self.upload.checksum {
            checksums.set(algorithm, sum(algorithm, bytes));
        }
        let content = self.bench.content(bytes.clone()).await;
        let put = self
            .bench
            .buckets
            .put_part(&self.upload, number, content, checksums);
        put.await.unwrap()
    }

    async fn complete(&self, parts: &[(u32, &str)]) -> Result<Committed, BucketError> {
        self.complete_with(parts, Checksums::default(), None).await
    }

    async fn complete_with(
        &self,
        parts: &[(u32, &str)],
        checksums: Checksums,
        size: Option<u64>,
    ) -> Result<Committed, BucketError> {
        let parts = parts.iter().map(|&(number, etag)| UploadedPart {
            number,
            etag: etag.to_owned(),
            checksums: Checksums::default(),
        });
        let complete = Complete {
            parts: parts.collect(),
            checksums,
            size,
            precondition: Precondition::default(),
            origin: origin(),
        };
        let Upload { row, .. } = &self.upload;
        let buckets = &self.bench.buckets;
        buckets
            .complete_upload(&self.bucket, &row.key, &row.id, complete)
            .await
    }
}

fn sum(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> String {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(bytes);
    hasher.finish()
}

fn large(fill: u8) -> Bytes {
    vec![fill; usize::try_from(SMALLEST_PART).unwrap()].into()
}

#[tokio::test]
async fn parts_become_one_object() {
    let uploading = Uploading::begin(None, None).await;
    let (first, last) = (large(b'a'), Bytes::from_static(b"end"));
    let two = uploading.part(7, &last).await;
    uploading.part(3, &Bytes::from_static(b"replaced")).await;
    let one = uploading.part(3, &first).await;
    let quoted = format!("\"{}\"", two.etag);
    let parts = [(3, one.etag.as_str()), (7, quoted.as_str())];
    let size = Some(SMALLEST_PART + 4);
    let wrong = uploading
        .complete_with(&parts, Checksums::default(), size)
        .await;
    assert!(matches!(
        wrong.unwrap_err(),
        BucketError::InvalidRequest { .. }
    ));
    uploading.complete(&parts).await.unwrap();

    let got = uploading.bench.get(&uploading.bucket, "big").await.unwrap();
    // md5 of the two digests, as `md5sum` tells it.
    assert_eq!(got.etag(), "cc8f6f16b44b75adde6349ab98aee432-2");
    assert_eq!(got.object.part_count, 2);
    assert_eq!(got.attributes.metadata["by"], "me");
    let (range, _) = got.part(2).unwrap();
    assert_eq!(range, SMALLEST_PART..SMALLEST_PART + 3);
    assert_eq!(got.part(3).map(|_| ()), None);
    assert_eq!(uploading.bench.bytes(&got).await, [first, last].concat());
}

#[tokio::test]
async fn what_is_not_in_order_is_refused() {
    let uploading = Uploading::begin(None, None).await;
    let small = Bytes::from_static(b"small");
    let one = uploading.part(1, &small).await;
    let two = uploading.part(2, &small).await;
    let (one, two) = (one.etag.as_str(), two.etag.as_str());
    let refusal = |parts| {
        let uploading = &uploading;
        async move {
            let parts: Vec<(u32, &str)> = parts;
            uploading.complete(&parts).await.unwrap_err()
        }
    };
    assert!(matches!(refusal(vec![]).await, BucketError::MalformedXml));
    let order = refusal(vec![(2, two), (1, one)]).await;
    assert!(matches!(order, BucketError::InvalidPartOrder));
    let twice = refusal(vec![(1, one), (1, one)]).await;
    assert!(matches!(twice, BucketError::InvalidPartOrder));
    let unknown = refusal(vec![(1, one), (3, two)]).await;
    assert!(matches!(
        unknown,
        BucketError::InvalidPart { number: 3, .. }
    ));
    let other = refusal(vec![(1, "00000000000000000000000000000000")]).await;
    assert!(matches!(other, BucketError::InvalidPart { number: 1, .. }));
    let short = refusal(vec![(1, one), (2, two)]).await;
    assert!(matches!(
        short,
        BucketError::EntityTooSmall {
            number: 1,
            size: 5,
            ..
        }
    ));
    // Nothing of it was half done: the last part alone may be small.
    assert!(uploading.bench.get(&uploading.bucket, "big").await.is_err());
    uploading.complete(&[(2, two)]).await.unwrap();
}

#[tokio::test]
async fn a_completion_that_was_not_heard_is_answered_again() {
    let uploading = Uploading::begin(None, None).await;
    let one = uploading.part(1, &Bytes::from_static(b"x")).await;
    let parts = [(1, one.etag.as_str())];
    let first = uploading.complete(&parts).await.unwrap();
    let second = uploading.complete(&parts).await.unwrap();
    assert_eq!(first.sequence, second.sequence);
    let other = uploading.complete(&[(1, "00")]).await.unwrap_err();
    assert!(matches!(other, BucketError::NoSuchUpload { .. }));
    let put = uploading.bench.buckets.put_part(
        &uploading.upload,
        2,
        uploading.bench.content("y").await,
        Checksums::default(),
    );
    assert!(matches!(
        put.await.unwrap_err(),
        BucketError::NoSuchUpload { .. }
    ));
}

#[tokio::test]
async fn checksums_of_parts_make_that_of_the_object() {
    let (first, last) = (large(b'b'), Bytes::from_static(b"end"));
    let whole = [first.clone(), last.clone()].concat();
    for (algorithm, kind) in [
        (ChecksumAlgorithm::Crc64nvme, None),
        (ChecksumAlgorithm::Crc32, Some(ChecksumKind::FullObject)),
        (ChecksumAlgorithm::Crc32, None),
        (ChecksumAlgorithm::Sha256, None),
    ] {
        let uploading = Uploading::begin(Some(algorithm), kind).await;
        let one = uploading.part(1, &first).await;
        let two = uploading.part(2, &last).await;
        let parts = [(1, one.etag.as_str()), (2, two.etag.as_str())];
        let mut wrong = Checksums::default();
        wrong.set(algorithm, sum(algorithm, b"other"));
        let refused = uploading
            .complete_with(&parts, wrong, None)
            .await
            .unwrap_err();
        assert!(matches!(refused, BucketError::BadChecksum { .. }));

        let mut right = Checksums::default();
        if uploading.upload.checksum_kind == Some(ChecksumKind::FullObject) {
            right.set(algorithm, sum(algorithm, &whole));
        }
        uploading.complete_with(&parts, right, None).await.unwrap();
        let got = uploading.bench.get(&uploading.bucket, "big").await.unwrap();
        let has = got.attributes.checksums.get(algorithm).unwrap();
        match got.attributes.checksums.kind.unwrap() {
            ChecksumKind::FullObject => assert_eq!(has, sum(algorithm, &whole)),
            ChecksumKind::Composite => assert!(has.ends_with("-2"), "{has}"),
        }
    }
}

#[tokio::test]
async fn kinds_of_checksums_fit_their_algorithms() {
    let bench = Bench::open();
    let bucket = bench.bucket("data").await;
    for (checksum, checksum_kind) in [
        (
            Some(ChecksumAlgorithm::Sha1),
            Some(ChecksumKind::FullObject),
        ),
        (
            Some(ChecksumAlgorithm::Crc64nvme),
            Some(ChecksumKind::Composite),
        ),
        (None, Some(ChecksumKind::FullObject)),
    ] {
        let new = NewUpload {
            key: "x".parse().unwrap(),
            attributes: Attributes::default(),
            checksum,
            checksum_kind,
        };
        let refused = bench.buckets.create_upload(&bucket, new).await.unwrap_err();
        assert!(matches!(refused, BucketError::InvalidRequest { .. }));
    }
}

#[tokio::test]
async fn parts_are_copied_from_objects() {
    let uploading = Uploading::begin(Some(ChecksumAlgorithm::Crc32c), None).await;
    let Uploading { bench, bucket, .. } = &uploading;
    bench.put(bucket, "source", "0123456789").await;
    let source = bench.get(bucket, "source").await.unwrap();
    let copy = |number, range| {
        bench
            .buckets
            .copy_part(&uploading.upload, number, &source, range)
    };
    let whole = copy(1, None).await.unwrap();
    assert_eq!(whole.etag, source.etag());
    let some = copy(2, Some(2..5)).await.unwrap();
    assert_eq!(some.size, 3);
    let wanted = sum(ChecksumAlgorithm::Crc32c, b"234");
    assert_eq!(some.checksums.crc32c, Some(wanted));
    let beyond = copy(3, Some(5..11)).await.unwrap_err();
    assert!(matches!(beyond, BucketError::InvalidRange { size: 10 }));
    uploading
        .complete(&[(2, some.etag.as_str())])
        .await
        .unwrap();
    assert_eq!(bench.read(bucket, "big").await, "234");
}

#[tokio::test]
async fn uploads_and_parts_are_listed_until_they_are_aborted() {
    let uploading = Uploading::begin(None, None).await;
    let Uploading {
        bench,
        bucket,
        upload,
    } = &uploading;
    for number in [4, 1, 9] {
        uploading.part(number, &Bytes::from_static(b"x")).await;
    }
    let page = bench.buckets.list_parts(upload, 0, 2).await.unwrap();
    let numbers: Vec<u32> = page.parts.iter().map(|part| part.number).collect();
    assert_eq!((numbers, page.truncated), (vec![1, 4], true));
    let page = bench.buckets.list_parts(upload, 4, 2).await.unwrap();
    assert_eq!((page.parts[0].number, page.truncated), (9, false));

    let query = || UploadQuery {
        limit: 10,
        ..UploadQuery::default()
    };
    let listed = bench.buckets.list_uploads(bucket, query()).await.unwrap();
    assert_eq!(listed.uploads[0].row.id, upload.row.id);
    let key = "big".parse().unwrap();
    let other = "other".parse().unwrap();
    assert!(
        bench
            .buckets
            .upload(bucket, &key, &upload.row.id)
            .await
            .is_ok()
    );
    assert!(
        bench
            .buckets
            .upload(bucket, &other, &upload.row.id)
            .await
            .is_err()
    );
    let unknown = UploadId("../etc".to_owned());
    assert!(bench.buckets.upload(bucket, &key, &unknown).await.is_err());

    bench.buckets.abort_upload(upload).await.unwrap();
    let listed = bench.buckets.list_uploads(bucket, query()).await.unwrap();
    assert!(listed.uploads.is_empty());
    assert!(bench.buckets.list_parts(upload, 0, 2).await.is_err());
}
