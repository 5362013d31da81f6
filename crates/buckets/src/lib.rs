//! Buckets and objects as S3 means them: settings, conditions, versions,
//! multipart uploads, notifications, websites, expiry. The bytes are `store`'s.
//!
//! Pure, in reading order: [`attributes`] and [`checksum`], [`bucket`] with its
//! settings [`access`], [`cors`], [`lifecycle`], [`notify`] and [`website`].
//! Over the store: [`buckets`].

mod access;
mod attributes;
mod bucket;
mod checksum;
mod cors;
mod error;
mod lifecycle;
mod notify;
mod website;

mod buckets;

pub use access::{BucketPolicy, PublicAccessBlock};
pub use attributes::{Attributes, ChecksumAlgorithm, ChecksumKind, Checksums, Headers};
pub use bucket::{Bucket, BucketSettings, Encryption, Ownership};
pub use buckets::{
    Buckets, ByteRange, Complete, Copy, EXISTING_TAG, Entry, EventRouter, GetObject, MOST_PARTS,
    NewUpload, Origin, Page, PartInfo, PartPage, Routes, SMALLEST_PART, SitePage, Upload,
    UploadPage, UploadQuery, UploadedPart, Write, WriteKind,
};
pub use checksum::Hasher;
pub use cors::{Cors, CorsAnswer, CorsRequest, CorsRule};
pub use error::BucketError;
pub use lifecycle::{
    Expiration, FilterForm, Lifecycle, LifecycleFilter, LifecycleRule, NoncurrentExpiration,
    NoncurrentTransition, Transition,
};
pub use notify::{FunctionNotification, Notifications};
pub use website::{
    PageRequest, Pages, Protocol, Redirect, RoutingRule, SiteAnswer, SiteError, Website,
};
