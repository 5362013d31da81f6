//! How this process gives memory back. It is here because telling the allocator is a
//! call into C.

/// From this size on a block is mapped for itself, and goes back to the system as soon
/// as it is freed.
const LARGE: i32 = 1 << 20;
/// So much of what is free may stay with the process, for its next small blocks.
const KEPT: i32 = 8 << 20;

/// Makes glibc give large blocks back when they are freed. By itself it raises the size
/// of what it calls large with every such block, up to 32 MB, and keeps all below it: a
/// map over a data set larger than memory took twice what it was told to.
///
/// To be called once, before there are threads. Elsewhere than on glibc it does nothing.
pub fn return_large_blocks() {
    #[cfg(target_env = "gnu")]
    for (parameter, value) in [
        (nix::libc::M_MMAP_THRESHOLD, LARGE),
        (nix::libc::M_TRIM_THRESHOLD, KEPT),
    ] {
        // SAFETY: mallopt takes two numbers and changes how later calls of malloc work,
        // which is not observable but in what the process holds. There is one thread.
        unsafe { nix::libc::mallopt(parameter, value) };
    }
}
