//! Where commas and newlines are: sixty-four bytes at a time.
//!
//! Knowing all ends of fields before looking into any makes the rest almost free of
//! branches that cannot be foretold, and that is what reading CSV costs.

/// Collects the places of all commas and newlines of `bytes[start..end]`.
///
/// The caller has seen to it that 64 bytes behind the end may be looked at.
pub fn mark(bytes: &[u8], start: usize, end: usize, marks: &mut Vec<u32>) {
    marks.clear();
    let mut at = start;
    while at < end {
        let chunk = bytes[at..].first_chunk::<64>().expect("blocks are padded");
        let mut mask = commas_and_newlines(chunk);
        if end - at < 64 {
            mask &= (1 << (end - at)) - 1;
        }
        push(mask, u32::try_from(at).expect("blocks are small"), marks);
        at += 64;
    }
}

/// The places of the bits in a mask. Written in fours, and the surplus taken back:
/// how many there are cannot be foretold, how often to go around nearly can.
fn push(mut mask: u64, base: u32, marks: &mut Vec<u32>) {
    let count = mask.count_ones() as usize;
    let length = marks.len() + count;
    while mask != 0 {
        let mut four = [0; 4];
        for place in &mut four {
            *place = base.wrapping_add(mask.trailing_zeros());
            mask &= mask.wrapping_sub(1);
        }
        marks.extend_from_slice(&four);
    }
    marks.truncate(length);
}

/// One bit for each byte. The compiler makes the comparisons sixteen bytes wide or
/// wider; gathering a bit from each of eight bytes is one multiplication.
#[inline]
#[expect(
    clippy::needless_bitwise_bool,
    reason = "a branch would end the vectors"
)]
fn commas_and_newlines(chunk: &[u8; 64]) -> u64 {
    let mut found = [0; 64];
    for (found, byte) in found.iter_mut().zip(chunk) {
        *found = u8::from((*byte == b',') | (*byte == b'\n'));
    }
    let (words, _) = found.as_chunks();
    let mut mask = 0;
    for (eighth, word) in words.iter().enumerate() {
        let bits = u64::from_le_bytes(*word).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        mask |= bits << (eighth * 8);
    }
    mask
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_mark_is_found_and_nothing_else(
            text in proptest::collection::vec(
                prop_oneof![Just(b','), Just(b'\n'), Just(b'-'), Just(b'\x0b'), any::<u8>()], 0..400),
            start in 0usize..100,
        ) {
            let start = start.min(text.len());
            let mut padded = text.clone();
            padded.resize(text.len() + 64, b',');
            let mut marks = Vec::new();
            mark(&padded, start, text.len(), &mut marks);
            let expected: Vec<u32> = (start..text.len())
                .filter(|at| matches!(text[*at], b',' | b'\n'))
                .map(|at| u32::try_from(at).unwrap())
                .collect();
            prop_assert_eq!(marks, expected);
        }
    }
}
