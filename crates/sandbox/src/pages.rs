//! A template's memory, made quick to fork.

use std::fs;
use std::ops::Range;

/// What one entry of a page table's second level covers, wherever Squall runs.
const LARGE: usize = 2 << 20;
/// Linux 6.1 and later; elsewhere it is an error, and nothing changes.
const MADV_COLLAPSE: i32 = 25;
/// So much of a mapping must be in use: the rest of it will be, as zeros.
const DENSE_PERCENT: usize = 80;

/// Brings dense memory into large pages. A fork copies an entry for each page, and
/// there are 512 times fewer of them; what a fork writes to is copied in small ones.
pub fn make_large() {
    let maps = fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    for range in dense(&maps) {
        // SAFETY: the advice moves what is in these pages, all of this process' own,
        // and changes nothing in it; the address is not read here.
        unsafe { libc::madvise(range.start as *mut libc::c_void, range.len(), MADV_COLLAPSE) };
    }
}

/// The large pages' worth of each mapping that is private, writable, of no file, and
/// nearly full.
fn dense(maps: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut current = None;
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        if let Some(name) = first.strip_suffix(':') {
            let kb = words.next().and_then(|kb| kb.parse::<usize>().ok());
            if name == "Anonymous" {
                found.extend(
                    current
                        .take()
                        .zip(kb)
                        .and_then(|(range, kb)| whole(range, kb << 10)),
                );
            }
        } else {
            let is_plain = words.next() == Some("rw-p") && words.nth(2) == Some("0");
            current = range(first).filter(|_| is_plain);
        }
    }
    found
}

fn range(text: &str) -> Option<Range<usize>> {
    let (start, end) = text.split_once('-')?;
    let number = |text| usize::from_str_radix(text, 16).ok();
    Some(number(start)?..number(end)?)
}

fn whole(mapping: Range<usize>, used: usize) -> Option<Range<usize>> {
    let start = mapping.start.next_multiple_of(LARGE);
    let end = mapping.end / LARGE * LARGE;
    let is_dense = used >= mapping.len() / 100 * DENSE_PERCENT;
    (is_dense && start < end).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_full_memory_of_its_own_is_taken() {
        let mapping = |range: &str, kind: &str, anonymous: usize| {
            format!("{range} {kind}\nRss: 9999 kB\nAnonymous: {anonymous} kB\nSwap: 0 kB\n")
        };
        let maps = [
            // From 3 to 9 MB, full: three large pages of it are whole.
            mapping("300000-900000", "rw-p 00000000 00:00 0 [heap]", 6144),
            // Half empty; of a file; shared; not to be written to; too small.
            mapping("1000000-1800000", "rw-p 00000000 00:00 0", 4096),
            mapping("2000000-2800000", "rw-p 00000000 fe:00 77 /lib/x.so", 8192),
            mapping("3000000-3800000", "rw-s 00000000 00:00 0", 8192),
            mapping("4000000-4800000", "r--p 00000000 00:00 0", 8192),
            mapping("5100000-5200000", "rw-p 00000000 00:00 0", 1024),
            mapping("6000000-6400000", "rw-p 00000000 00:00 0", 4000),
        ];
        let found = dense(&maps.concat());
        assert_eq!(found, [0x40_0000..0x80_0000, 0x600_0000..0x640_0000]);
    }

    #[test]
    fn what_is_in_memory_stays() {
        let bytes: Vec<u8> = (0..=250).cycle().take(4 * LARGE).collect();
        let before = bytes.clone();
        make_large();
        assert!(bytes == before);
    }
}
