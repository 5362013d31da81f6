//! Files that were damaged, or made to harm: whatever is in them, nothing panics and
//! nothing takes much memory. The models are R's; nothing to do where there is no R.

use std::process::Command;
use std::sync::Arc;

use model::frame::{Column, Frame};
use model::input::{Cell, FieldKind};
use model::predict::{Ask, Interval, Predictor, Scale};
use rdata::value::{NA_INTEGER, NA_REAL};
use rdata::{Data, Value};

/// Changes to each model.
const TIMES: usize = 400;

const MODELS: [&str; 7] = [
    "lm(mpg ~ log(wt) * factor(cyl) + I(hp^2) + offset(qsec), mtcars)",
    "glm(am ~ wt + factor(gear), binomial, mtcars, weights = carb)",
    "lm(weight ~ C(group, contr.sum) + cut(weight, c(0, 5, 10)), PlantGrowth)",
    "lm(mpg ~ poly(wt, 2) + poly(hp, disp, degree = 2) + scale(qsec), mtcars)",
    "lm(mpg ~ splines::ns(wt, 3) + splines::bs(hp, df = 5) + I(cyl %in% c(4, 6)), mtcars)",
    "lm(cbind(mpg, disp) ~ ordered(cyl) - 1, mtcars)",
    "glm(count ~ spray, quasi(link = power(1/3), variance = 'mu'), InsectSprays)",
];

#[test]
fn damaged_models_are_refused_or_predict_something() {
    let Some(models) = saved() else {
        return;
    };
    let (mut refused, mut done) = (0, 0);
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for bytes in models {
        let value = rdata::read(&bytes, &rdata::Limits::default()).expect("R wrote it");
        assert!(used(&value), "the model itself predicts");
        for _ in 0..TIMES {
            let mut damaged = value.clone();
            for _ in 0..=random.below(3) {
                damage(&mut damaged, &mut random);
            }
            if used(&damaged) {
                done += 1;
            } else {
                refused += 1;
            }
        }
    }
    println!("{refused} refused, {done} used");
    assert!(refused > TIMES / 2 && done > TIMES / 2);
}

/// Whether it became a predictor; which is asked all there is to ask.
fn used(value: &Value) -> bool {
    let Ok(predictor) = model::from_r::model(value).and_then(Predictor::new) else {
        return false;
    };
    let rows = 3;
    let columns = predictor.inputs().iter().map(|field| {
        let column = match field.kind {
            FieldKind::Logical => Column::Logical(vec![1, 0, NA_INTEGER]),
            _ => Column::Number(vec![4.0, 6.5, NA_REAL]),
        };
        (field.name.clone(), column)
    });
    let mut columns: Vec<(Arc<str>, Column)> = columns.collect();
    columns.push(("none".into(), Column::Number(vec![0.0; rows])));
    let frame = Frame::new(columns);
    let cells = vec![Cell::Text("4"); predictor.inputs().len()];
    for (scale, interval) in [
        (Scale::Link, None),
        (Scale::Response, Some(Interval::Confidence)),
        (Scale::Response, Some(Interval::Prediction)),
        (Scale::Terms, None),
    ] {
        for se in [false, true] {
            let ask = Ask {
                scale,
                se,
                interval,
                coerce: true,
                ..Ask::default()
            };
            if let Ok(done) = predictor.predict(&frame, &ask) {
                assert!(done.fit.iter().all(|own| own.len() == rows));
            }
            let _ = predictor.predict_row(&cells, &ask).is_ok();
        }
    }
    true
}

fn saved() -> Option<Vec<Vec<u8>>> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |at: usize| folder.path().join(format!("{at}.rds"));
    let each = MODELS
        .iter()
        .enumerate()
        .map(|(at, own)| format!("saveRDS({own}, '{}')", path(at).display()));
    let script: Vec<String> = each.collect();
    let made = Command::new("Rscript")
        .args(["--vanilla", "-e", &script.join("\n")])
        .output()
        .ok()?;
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let read = |at: usize| std::fs::read(path(at)).expect("R wrote it");
    Some((0..MODELS.len()).map(read).collect())
}

/// Always the same numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % limit.max(1)
    }
}

/// Changes something somewhere below.
fn damage(value: &mut Value, random: &mut Random) {
    let children = match &value.data {
        Data::List(own) => own.len(),
        Data::Call(own) | Data::Pairs(own) => own.len(),
        _ => 0,
    };
    let all = children + value.attributes.len();
    if all == 0 || random.below(12) == 0 {
        spoil(value, random);
        return;
    }
    let at = random.below(all);
    if at >= children {
        let at = at - children;
        if random.below(12) == 0 {
            value.attributes.remove(at);
        } else {
            damage(&mut value.attributes[at].1, random);
        }
        return;
    }
    match &mut value.data {
        Data::List(own) => damage(&mut own[at], random),
        Data::Call(own) | Data::Pairs(own) => damage(&mut own[at].value, random),
        _ => {}
    }
}

fn spoil(value: &mut Value, random: &mut Random) {
    const NUMBERS: [f64; 9] = [
        0.0,
        -1.0,
        1.0,
        2.0,
        1e18,
        1e-300,
        f64::INFINITY,
        f64::NAN,
        NA_REAL,
    ];
    const INTEGERS: [i32; 8] = [0, -1, 1, 2, 3, 7, i32::MAX, NA_INTEGER];
    const TEXTS: [&str; 10] = [
        "",
        "x",
        "logit",
        "numeric",
        "factor",
        "nmatrix.3",
        "log(wt)",
        "4",
        "contr.poly",
        "mu^0.5",
    ];
    const NAMES: [&str; 9] = ["+", "~", "poly", "ns", "cut", "factor", "scale", "wt", "c"];
    let shorten = random.below(4) == 0;
    match &mut value.data {
        Data::Real(own) if shorten => own.truncate(own.len() / 2),
        Data::Integer(own) if shorten => own.truncate(own.len() / 2),
        Data::Text(own) if shorten => own.truncate(own.len() / 2),
        Data::List(own) if !own.is_empty() && shorten => {
            own.remove(random.below(own.len()));
        }
        Data::Call(own) if !own.is_empty() && shorten => {
            own.remove(random.below(own.len()));
        }
        Data::Real(own) if !own.is_empty() => {
            let at = random.below(own.len());
            own[at] = NUMBERS[random.below(NUMBERS.len())];
        }
        Data::Integer(own) if !own.is_empty() => {
            let at = random.below(own.len());
            own[at] = INTEGERS[random.below(INTEGERS.len())];
        }
        Data::Text(own) if !own.is_empty() => {
            let at = random.below(own.len());
            let text = TEXTS[random.below(TEXTS.len())];
            own[at] = (random.below(8) > 0).then(|| text.into());
        }
        Data::Symbol(own) => *own = NAMES[random.below(NAMES.len())].into(),
        other => {
            *other = match random.below(4) {
                0 => Data::Null,
                1 => Data::Sequence {
                    first: 1,
                    step: 1,
                    length: 1 << 50,
                },
                2 => Data::Real(vec![1.0; random.below(5)]),
                _ => Data::Missing,
            }
        }
    }
}
