//! Quantiles of residuals, exactly, and in bounded memory: numbers are counted by their
//! leading bits, and only those that matter are looked at.

/// Residuals that are kept at once; with more, the rows are read again.
pub const KEPT: usize = 1 << 22;
/// Bits by which numbers are counted in one pass.
const BITS: u32 = 16;
/// So many numbers are sorted; more are counted by more of their bits first.
const SORTED: u64 = 1 << 20;

/// A number's place in the order of all numbers.
fn key(value: f64) -> u64 {
    let bits = value.to_bits();
    if bits >> 63 == 1 {
        !bits
    } else {
        bits | 1 << 63
    }
}

fn value(key: u64) -> f64 {
    f64::from_bits(if key >> 63 == 1 { key ^ 1 << 63 } else { !key })
}

/// All numbers whose keys begin alike, among which ranks are looked for.
struct Group {
    /// The leading bits, the others 0.
    prefix: u64,
    bits: u32,
    /// So many numbers are less than all of the group.
    before: u64,
    count: u64,
    ranks: Vec<u64>,
}

impl Group {
    fn holds(&self, key: u64) -> bool {
        self.bits == 0 || (key ^ self.prefix) >> (64 - self.bits) == 0
    }

    /// The groups that hold the ranks, one step finer.
    fn narrow(&self, counts: &[u64]) -> Vec<Self> {
        let mut groups: Vec<Self> = vec![];
        let mut before = self.before;
        let bits = self.bits + BITS;
        for (place, count) in (0_u64..).zip(counts) {
            let ranks = self.ranks.iter().copied();
            let own: Vec<u64> = ranks
                .filter(|rank| (before..before + count).contains(rank))
                .collect();
            if !own.is_empty() {
                groups.push(Self {
                    prefix: self.prefix | place << (64 - bits),
                    bits,
                    before,
                    count: *count,
                    ranks: own,
                });
            }
            before += count;
        }
        groups
    }
}

type Each<'a> = &'a mut dyn FnMut(&[f64]);

/// Counts the numbers of a group by the bits that follow its prefix.
fn count(group: &Group, values: &[f64], counts: &mut [u64]) {
    let shift = 64 - BITS - group.bits;
    let mask = (1 << BITS) - 1;
    for value in values.iter().filter(|value| !value.is_nan()) {
        let key = key(*value);
        if group.holds(key) {
            counts[usize::try_from(key >> shift & mask).expect("so many bits")] += 1;
        }
    }
}

/// The numbers of these ranks among those of a group.
fn look_up<E>(
    group: &Group,
    each: &mut impl FnMut(Each<'_>) -> Result<(), E>,
    found: &mut Vec<(u64, f64)>,
) -> Result<(), E> {
    if group.bits == 64 {
        found.extend(group.ranks.iter().map(|rank| (*rank, value(group.prefix))));
    } else if group.count <= SORTED {
        let mut keys = vec![];
        each(&mut |values| {
            let numbers = values.iter().filter(|value| !value.is_nan());
            keys.extend(
                numbers
                    .map(|value| key(*value))
                    .filter(|key| group.holds(*key)),
            );
        })?;
        keys.sort_unstable();
        found.extend(group.ranks.iter().map(|rank| {
            let place = usize::try_from(rank - group.before).expect("below the bound");
            (*rank, value(keys[place]))
        }));
    } else {
        let mut counts = vec![0; 1 << BITS];
        each(&mut |values| count(group, values, &mut counts))?;
        for finer in group.narrow(&counts) {
            look_up(&finer, each, found)?;
        }
    }
    Ok(())
}

/// Least, quartiles and largest as R's `quantile` interpolates them (type 7). `each`
/// gives all values to its argument; it is called several times.
pub fn quartiles<E>(
    mut each: impl FnMut(Each<'_>) -> Result<(), E>,
) -> Result<Option<[f64; 5]>, E> {
    let mut total = 0;
    let mut counts = vec![0; 1 << BITS];
    let mut all = Group {
        prefix: 0,
        bits: 0,
        before: 0,
        count: 0,
        ranks: vec![],
    };
    each(&mut |values| count(&all, values, &mut counts))?;
    total += counts.iter().sum::<u64>();
    if total == 0 {
        return Ok(None);
    }
    let last = total - 1;
    for quarter in 0..=4 {
        let floor = last * quarter / 4;
        all.ranks.extend([floor, (floor + 1).min(last)]);
    }
    all.ranks.sort_unstable();
    all.ranks.dedup();
    let mut found = vec![];
    for group in all.narrow(&counts) {
        look_up(&group, &mut each, &mut found)?;
    }
    let at = |rank: u64| {
        let own = found.iter().find(|(own, _)| *own == rank);
        own.expect("all ranks were looked up").1
    };
    let mut result = [0.0; 5];
    for (quarter, result) in (0_u64..).zip(&mut result) {
        let floor = last * quarter / 4;
        let part = match last * quarter % 4 {
            0 => 0.0,
            1 => 0.25,
            2 => 0.5,
            _ => 0.75,
        };
        let (low, high) = (at(floor), at((floor + 1).min(last)));
        // As R has it: equal neighbours are not interpolated, which might round.
        #[expect(clippy::float_cmp, reason = "equal, not near")]
        let apart = high != low;
        *result = if part > 0.0 && apart {
            (1.0 - part) * low + part * high
        } else {
            low
        };
    }
    Ok(Some(result))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> Option<[f64; 5]> {
        quartiles::<()>(|take| {
            values.chunks(1000).for_each(&mut *take);
            Ok(())
        })
        .unwrap()
    }

    /// As sorting finds them.
    fn sorted(values: &[f64]) -> [f64; 5] {
        let mut values: Vec<f64> = values.iter().copied().filter(|own| !own.is_nan()).collect();
        values.sort_by(f64::total_cmp);
        [0, 1, 2, 3, 4].map(|quarter| {
            let place = (values.len() - 1) * quarter;
            let (low, part) = (values[place / 4], place % 4);
            if part == 0 {
                return low;
            }
            let part = [0.0, 0.25, 0.5, 0.75][part];
            let high = values[place / 4 + 1];
            if high > low {
                (1.0 - part) * low + part * high
            } else {
                low
            }
        })
    }

    #[test]
    fn as_sorting() {
        let wave = |row: u32| {
            (f64::from(row) * 1.7).sin() * 10_f64.powi(i32::try_from(row % 9).unwrap() - 4)
        };
        for rows in [1, 2, 3, 4, 5, 17, 4000] {
            let mut values: Vec<f64> = (0..rows).map(wave).collect();
            assert_eq!(of(&values), Some(sorted(&values)));
            values.push(f64::NAN);
            assert_eq!(of(&values), Some(sorted(&values)));
        }
        assert_eq!(of(&[f64::NAN]), None);
        // So many alike that they must be told apart by all of their bits.
        let near = |row: u32| f64::from_bits(1_f64.to_bits() + u64::from(row % 3));
        let alike: Vec<f64> = (0..u32::try_from(SORTED).unwrap() + 10).map(near).collect();
        assert_eq!(of(&alike), Some(sorted(&alike)));
    }
}
