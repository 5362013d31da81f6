//! Decompositions of blocks against those of the whole.

use super::*;

/// Numbers without a pattern, the same each time.
fn matrix(rows: usize, columns: usize) -> Vec<f64> {
    let mut state = 7_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(state >> 33).unwrap()) / f64::from(u32::MAX >> 1) - 0.5
    };
    (0..rows * columns).map(|_| next()).collect()
}

fn triangle(values: &[f64], rows: usize, columns: usize, panel: usize) -> Triangle {
    let mut triangle = Triangle::new(columns - 1, 1);
    for from in (0..rows).step_by(panel) {
        let to = (from + panel).min(rows);
        let part = values.chunks(rows).flat_map(|column| &column[from..to]);
        triangle.add(&mut part.copied().collect::<Vec<_>>(), to - from);
    }
    triangle
}

fn near(one: &[f64], other: &[f64], bound: f64) {
    assert_eq!(one.len(), other.len());
    for (one, other) in one.iter().zip(other) {
        let apart = (one - other).abs();
        assert!(apart <= bound * (1.0 + other.abs()), "{one} and {other}");
    }
}

#[test]
fn blocks_solve_as_the_whole_does() {
    for (rows, columns) in [(300, 2), (1000, 6), (257, 12), (40, 40), (5, 9)] {
        let values = matrix(rows, columns);
        let (predictors, response) = values.split_at(rows * (columns - 1));
        let whole = Pivoted::new(predictors.to_vec(), rows, columns - 1, 1e-7);
        let mut rotated = response.to_vec();
        whole.rotate(&mut rotated);
        for panel in [1, 7, 256] {
            let blocks = triangle(&values, rows, columns, panel);
            let (own, mut responses) = Pivoted::of(&blocks, rows, 1e-7);
            own.rotate(&mut responses[0]);
            assert_eq!((own.rank, &own.pivot), (whole.rank, &whole.pivot));
            near(&own.solve(&responses[0]), &whole.solve(&rotated), 1e-10);
            near(
                &variances(&own.triangle(), own.rank),
                &variances(&whole.triangle(), whole.rank),
                1e-9,
            );
        }
    }
}

#[test]
fn merging_is_adding() {
    let (rows, columns) = (700, 5);
    let values = matrix(rows, columns);
    let part = |from: usize, to: usize| {
        let part = values.chunks(rows).flat_map(|column| &column[from..to]);
        triangle(&part.copied().collect::<Vec<_>>(), to - from, columns, 256)
    };
    let mut merged = part(0, 300);
    merged.merge(&part(300, rows));
    let (whole, mut one) = Pivoted::of(&triangle(&values, rows, columns, 256), rows, 1e-7);
    let (parts, mut other) = Pivoted::of(&merged, rows, 1e-7);
    whole.rotate(&mut one[0]);
    parts.rotate(&mut other[0]);
    near(&parts.solve(&other[0]), &whole.solve(&one[0]), 1e-13);
}

#[test]
fn columns_that_say_nothing_new_go_to_the_end() {
    let rows = 600;
    let mut values = matrix(rows, 5);
    for row in 0..rows {
        // The second is twice the first, the fourth the sum of first and third.
        values[rows + row] = 2.0 * values[row];
        values[3 * rows + row] = values[row] + values[2 * rows + row];
    }
    let (own, _) = Pivoted::of(&triangle(&values, rows, 5, 256), rows, 1e-7);
    assert_eq!((own.rank, own.pivot), (2, vec![0, 2, 1, 3]));
}

#[test]
fn rotating_back_undoes_it() {
    let (rows, columns) = (30, 4);
    let own = Pivoted::new(matrix(rows, columns), rows, columns, 1e-7);
    let response = matrix(rows, 1);
    let mut turned = response.clone();
    own.rotate(&mut turned);
    own.rotate_back(&mut turned);
    near(&turned, &response, 1e-14);
}

#[test]
fn sizes_that_overflow_when_squared() {
    for scale in [1e-200, 1e200] {
        let values: Vec<f64> = matrix(300, 3).iter().map(|own| own * scale).collect();
        let (own, mut response) = Pivoted::of(&triangle(&values, 300, 3, 256), 300, 1e-7);
        let (plain, mut expected) = Pivoted::of(&triangle(&matrix(300, 3), 300, 3, 256), 300, 1e-7);
        own.rotate(&mut response[0]);
        plain.rotate(&mut expected[0]);
        assert_eq!(own.rank, 2);
        near(&own.solve(&response[0]), &plain.solve(&expected[0]), 1e-12);
    }
}
