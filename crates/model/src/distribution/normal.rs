//! The normal distribution, and Cauchy's, which is as simple.

#![expect(clippy::float_cmp, reason = "the ends of what is possible are exact")]

use std::f64::consts::PI;

const SQRT_32: f64 = 5.656_854_249_492_381;
const ONE_BY_SQRT_2PI: f64 = 0.398_942_280_401_432_7;
/// Beyond this the tail is smaller than any number.
const FARTHEST: f64 = 38.6;

/// Coefficients of W. J. Cody, "Rational Chebyshev approximations for the error
/// function", 1969, scaled to the normal distribution as in ACM algorithm 715. The
/// highest power of the numerator comes first, then the others from the top.
const CENTRE: ([f64; 5], [f64; 4]) = (
    [
        0.065_682_337_918_207_45,
        2.235_252_035_460_683_9,
        161.028_231_068_555_88,
        1_067.689_485_460_370_9,
        18_154.981_253_343_56,
    ],
    [
        47.202_581_904_688_245,
        976.098_551_737_776_7,
        10_260.932_208_618_979,
        45_507.789_335_026_73,
    ],
);
const SHOULDER: ([f64; 9], [f64; 8]) = (
    [
        1.076_557_677_372_019_2e-8,
        0.398_941_512_088_134_66,
        8.883_149_794_388_377,
        93.506_656_132_177_85,
        597.270_276_394_800_3,
        2_494.537_585_290_372_6,
        6_848.190_450_536_283,
        11_602.651_437_647_35,
        9_842.714_838_383_978,
    ],
    [
        22.266_688_044_328_117,
        235.387_901_782_625,
        1_519.377_599_407_554_8,
        6_485.558_298_266_761,
        18_615.571_640_885_097,
        34_900.952_721_145_98,
        38_912.003_286_093_27,
        19_685.429_676_859_992,
    ],
);
const TAIL: ([f64; 6], [f64; 5]) = (
    [
        0.023_073_441_764_940_174,
        0.215_898_534_057_957,
        0.127_401_161_160_247_36,
        0.022_235_277_870_649_807,
        0.001_421_619_193_227_893_4,
        2.911_287_495_116_879_3e-5,
    ],
    [
        1.284_260_096_144_911,
        0.468_238_212_480_865_1,
        0.065_988_137_868_928_56,
        0.003_782_396_332_027_582_4,
        7.297_515_550_839_662e-5,
    ],
);

/// Numerator with one coefficient more than the denominator, whose highest is 1.
fn parts(numerator: &[f64], denominator: &[f64], at: f64) -> (f64, f64) {
    let mut above = numerator[0];
    let mut below = 1.0;
    for (one, other) in numerator[1..].iter().zip(denominator) {
        above = above * at + one;
        below = below * at + other;
    }
    (above, below)
}

/// P(X <= x).
pub fn pnorm(x: f64) -> f64 {
    both_tails(x).0
}

/// P(X > x).
pub fn pnorm_upper(x: f64) -> f64 {
    both_tails(x).1
}

fn both_tails(x: f64) -> (f64, f64) {
    if x.is_nan() {
        return (x, x);
    }
    let far = x.abs();
    if far <= 0.674_489_75 {
        let square = if far > f64::EPSILON / 2.0 { x * x } else { 0.0 };
        let (above, below) = parts(&CENTRE.0, &CENTRE.1, square);
        let part = x * above / below;
        return (0.5 + part, 0.5 - part);
    }
    let tail = if far > FARTHEST {
        0.0
    } else if far <= SQRT_32 {
        let (above, below) = parts(&SHOULDER.0, &SHOULDER.1, far);
        bell(far) * (above / below)
    } else {
        let inverse = 1.0 / (x * x);
        let (above, below) = parts(&TAIL.0, &TAIL.1, inverse);
        let correction = inverse * above / below;
        bell(far) * ((ONE_BY_SQRT_2PI - correction) / far)
    };
    // R does not give numbers that have lost digits.
    let tail = if tail < f64::MIN_POSITIVE { 0.0 } else { tail };
    if x > 0.0 {
        (1.0 - tail, tail)
    } else {
        (tail, 1.0 - tail)
    }
}

/// `exp(-x^2 / 2)`; x is cut in two so that its square loses nothing.
fn bell(x: f64) -> f64 {
    let head = (x * 16.0).trunc() / 16.0;
    let rest = (x - head) * (x + head);
    (-head * head * 0.5).exp() * (-rest * 0.5).exp()
}

pub fn dnorm(x: f64) -> f64 {
    let far = x.abs();
    if far < 5.0 {
        return ONE_BY_SQRT_2PI * (-0.5 * far * far).exp();
    }
    if far > FARTHEST {
        return 0.0;
    }
    let head = (far * 65_536.0).round() / 65_536.0;
    let rest = far - head;
    ONE_BY_SQRT_2PI * ((-0.5 * head * head).exp() * ((-0.5 * rest - head) * rest).exp())
}

/// Coefficients of M. J. Wichura, algorithm AS 241, 1988, from the highest power down.
const NEAR: ([f64; 8], [f64; 8]) = (
    [
        2_509.080_928_730_122_7,
        33_430.575_583_588_13,
        67_265.770_927_008_7,
        45_921.953_931_549_87,
        13_731.693_765_509_46,
        1_971.590_950_306_551_4,
        133.141_667_891_784_38,
        3.387_132_872_796_366_5,
    ],
    [
        5_226.495_278_852_854,
        28_729.085_735_721_943,
        39_307.895_800_092_71,
        21_213.794_301_586_596,
        5_394.196_021_424_751,
        687.187_007_492_057_9,
        42.313_330_701_600_91,
        1.0,
    ],
);
const FAR: ([f64; 8], [f64; 8]) = (
    [
        7.745_450_142_783_414e-4,
        0.022_723_844_989_269_184,
        0.241_780_725_177_450_6,
        1.270_458_252_452_368_4,
        3.647_848_324_763_204_5,
        5.769_497_221_460_691,
        4.630_337_846_156_546,
        1.423_437_110_749_683_5,
    ],
    [
        1.050_750_071_644_416_9e-9,
        5.475_938_084_995_345e-4,
        0.015_198_666_563_616_457,
        0.148_103_976_427_480_08,
        0.689_767_334_985_1,
        1.676_384_830_183_803_8,
        2.053_191_626_637_759,
        1.0,
    ],
);
const FARTHER: ([f64; 8], [f64; 8]) = (
    [
        2.010_334_399_292_288_1e-7,
        2.711_555_568_743_487_6e-5,
        0.001_242_660_947_388_078_4,
        0.026_532_189_526_576_124,
        0.296_560_571_828_504_87,
        1.784_826_539_917_291_3,
        5.463_784_911_164_114,
        6.657_904_643_501_103,
    ],
    [
        2.044_263_103_389_939_8e-15,
        1.421_511_758_316_446e-7,
        1.846_318_317_510_054_8e-5,
        7.868_691_311_456_133e-4,
        0.014_875_361_290_850_615,
        0.136_929_880_922_735_8,
        0.599_832_206_555_888,
        1.0,
    ],
);

/// The x with P(X <= x) = p.
pub fn qnorm(p: f64) -> f64 {
    if p.is_nan() || !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    if p == 0.0 {
        return f64::NEG_INFINITY;
    }
    if p == 1.0 {
        return f64::INFINITY;
    }
    let from_middle = p - 0.5;
    if from_middle.abs() <= 0.425 {
        let at = 0.180_625 - from_middle * from_middle;
        return from_middle * polynomial(&NEAR.0, at) / polynomial(&NEAR.1, at);
    }
    let tail = if from_middle < 0.0 { p } else { 1.0 - p };
    let root = (-tail.ln()).sqrt();
    let far = if root <= 5.0 {
        let at = root - 1.6;
        polynomial(&FAR.0, at) / polynomial(&FAR.1, at)
    } else {
        let at = root - 5.0;
        polynomial(&FARTHER.0, at) / polynomial(&FARTHER.1, at)
    };
    if from_middle < 0.0 { -far } else { far }
}

fn polynomial(coefficients: &[f64], at: f64) -> f64 {
    coefficients.iter().fold(0.0, |sum, one| sum * at + one)
}

pub fn pcauchy(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    if x.abs() > 1.0 {
        let tail = (1.0 / x).atan() / PI;
        if x > 0.0 { (0.5 - tail) + 0.5 } else { -tail }
    } else {
        0.5 + x.atan() / PI
    }
}

pub fn qcauchy(p: f64) -> f64 {
    if p.is_nan() || !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    let (tail, sign) = if p > 0.5 { (1.0 - p, 1.0) } else { (p, -1.0) };
    if p == 0.5 {
        0.0
    } else if tail == 0.0 {
        sign * f64::INFINITY
    } else {
        sign / (PI * tail).tan()
    }
}
