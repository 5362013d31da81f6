//! `squall model predict`: a row of predictions for each row of a data set.

use std::num::NonZeroUsize;

use map::format::FileFormat;
use map::input::Rows;
use model::any::{AnyModel, Ask, Interval, Scale, Unreadable};
use model::frame::Frame;
use model::input::{InputError, columns, csv};

use super::in_r;
use super::place::{self, Rowed, Target};
use crate::args::{Global, IntervalArg, PredictArgs, ScaleArg};
use crate::commands::map::source::STREAM;
use crate::failure::Failure;
use crate::output;

pub async fn run(global: &Global, args: PredictArgs) -> Result<(), Failure> {
    let other = FileFormat::of_name(&args.output).filter(|it| *it != FileFormat::Csv);
    if let Some(other) = other {
        let output = &args.output;
        return Err(Failure::mistake(format!(
            "{output}: predictions are written as CSV, not as {other}"
        ))
        .hint("name it FILE.csv"));
    }
    let bytes = place::bytes(global, &args.model).await?;
    let data = place::data(global, &args.data, &place::silent()).await?;
    let own = bytes.clone();
    let read = place::aside(move || AnyModel::read(&own)).await;
    let wanted = Wanted::of(&args);
    let to_object = args.output.starts_with("s3://");
    let local = if to_object {
        // It is collected in memory, as an object is put as a whole.
        None
    } else {
        Some(Target::open(&args.output)?)
    };
    let mut sink = Sink {
        target: local,
        collected: Vec::new(),
    };
    match read {
        Ok(model) => {
            let spinner = place::spinner("predicting", args.quiet || args.output == STREAM);
            let done = place::aside(move || {
                predicted(&model, &data, &wanted, &mut sink)?;
                Ok::<_, Failure>(sink)
            })
            .await;
            drop(spinner);
            sink = done?;
        }
        Err(Unreadable::NeedsR(why)) if !args.no_r && in_r::is_there() => {
            if !args.quiet {
                output::note(&format!("{why}: it runs in R"));
            }
            let all = place::aside(move || in_r::predict(&bytes, &data, &wanted)).await?;
            sink.write(&all)?;
        }
        Err(error) => return Err(place::unreadable(&args.model, &error)),
    }
    match sink.target {
        Some(target) => target.publish(),
        None => place::put(global, &args.output, sink.collected).await,
    }
}

/// What is predicted.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub ask: Ask,
    pub threshold: Option<f64>,
    pub decision: String,
}

impl Wanted {
    fn of(args: &PredictArgs) -> Self {
        Self {
            ask: Ask {
                scale: match args.scale {
                    ScaleArg::Response => Scale::Response,
                    ScaleArg::Link => Scale::Link,
                    ScaleArg::Terms => Scale::Terms,
                },
                se: args.se,
                interval: args.interval.map(|interval| match interval {
                    IntervalArg::Confidence => Interval::Confidence,
                    IntervalArg::Prediction => Interval::Prediction,
                }),
                level: args.level,
                coerce: args.coerce,
            },
            threshold: args.threshold,
            decision: args.decision.clone(),
        }
    }
}

/// Where rows go.
struct Sink {
    target: Option<Target>,
    collected: Vec<u8>,
}

impl Sink {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if let Some(target) = &mut self.target {
            return target.write(bytes);
        }
        self.collected.extend_from_slice(bytes);
        Ok(())
    }
}

fn predicted(
    model: &AnyModel,
    data: &Rowed,
    wanted: &Wanted,
    sink: &mut Sink,
) -> Result<(), Failure> {
    let bad = |error: InputError| data.bad(&error);
    let mut rows = 0;
    let mut begun = false;
    let mut one = |frame: &Frame| {
        let answer = model.predict(frame, &wanted.ask);
        let answer = answer.map_err(|error| Failure::mistake(error.behind(rows)))?;
        let answer = match wanted.threshold {
            None => answer,
            Some(threshold) => answer.decided(threshold, &wanted.decision).ok_or_else(|| {
                Failure::mistake("--threshold is for models that predict one number for each row")
            })?,
        };
        let mut out = Vec::new();
        if !begun {
            answer.write_header(&mut out).map_err(anyhow::Error::from)?;
            begun = true;
        }
        answer.write_rows(&mut out).map_err(anyhow::Error::from)?;
        rows += frame.rows() as u64;
        sink.write(&out)
    };
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    match data.rows()? {
        Rows::Csv(reader) => {
            for frame in csv::frames(reader, model.fields(), threads).map_err(bad)? {
                one(&frame.map_err(bad)?)?;
            }
        }
        Rows::Batches(batches) => {
            for batch in batches {
                let batch = batch.map_err(Failure::mistake)?;
                let frame = columns::frame(&batch, model.fields());
                one(&frame.map_err(bad)?)?;
            }
        }
    }
    Ok(())
}
