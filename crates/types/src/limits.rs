//! The limits of AWS Lambda. Each is a setting; the default is AWS's value, and
//! going over it gives AWS's error.

use serde::{Deserialize, Serialize};

const KB: u64 = 1024;
const MB: u64 = 1024 * KB;
const GB: u64 = 1024 * MB;

/// What the engine grants, in bytes, megabytes, seconds or counts as named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Request payload of a synchronous invocation.
    pub sync_payload_bytes: u64,
    /// Answer of a buffered invocation; AWS allows a little over 6 MB.
    pub response_bytes: u64,
    pub async_payload_bytes: u64,
    pub streamed_response_bytes: u64,
    /// A zip sent inside a request.
    pub zip_bytes: u64,
    /// Code and layers of a function together, unzipped.
    pub unzipped_bytes: u64,
    /// Files in one zip: what no honest package reaches.
    pub zip_entries: u64,
    /// All packages and layers of the account together.
    pub code_storage_bytes: u64,
    pub layers: usize,
    pub memory_mb_min: u32,
    pub memory_mb_max: u32,
    pub timeout_seconds_max: u32,
    pub tmp_mb_min: u32,
    pub tmp_mb_max: u32,
    pub environment_bytes: usize,
    pub account_concurrency: u32,
    /// Concurrency that reservations must leave for the others.
    pub unreserved_concurrency_min: u32,
    /// Events accepted and not yet done, all functions together.
    pub queued_events: u64,
    pub processes_per_instance: u32,
    pub open_files_per_instance: u32,
    /// Log text of one invocation; what comes after it is dropped, with a line that says so.
    pub log_bytes_per_invocation: u64,
    pub gateway_body_bytes: u64,
    pub gateway_seconds: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sync_payload_bytes: 6 * MB,
            response_bytes: 6_291_556,
            async_payload_bytes: MB,
            streamed_response_bytes: 200 * MB,
            zip_bytes: 50 * MB,
            unzipped_bytes: 250 * MB,
            zip_entries: 200_000,
            code_storage_bytes: 75 * GB,
            layers: 5,
            memory_mb_min: 128,
            memory_mb_max: 10_240,
            timeout_seconds_max: 900,
            tmp_mb_min: 512,
            tmp_mb_max: 10_240,
            environment_bytes: 4 * 1024,
            account_concurrency: 1_000,
            unreserved_concurrency_min: 100,
            queued_events: 100_000,
            processes_per_instance: 1_024,
            open_files_per_instance: 1_024,
            log_bytes_per_invocation: 32 * MB,
            gateway_body_bytes: 10 * MB,
            gateway_seconds: 30,
        }
    }
}
