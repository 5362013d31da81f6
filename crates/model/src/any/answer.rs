//! What a model answers, in columns, and how it is written: as CSV with a row for each,
//! or as JSON objects.

use std::io::{self, Write};
use std::sync::Arc;

use science::csv_text::write_text;

use crate::predict::{Prediction, RowPrediction};

/// Predictions, one for each row of the data in each column.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    pub columns: Vec<Output>,
}

/// A column: `fit`, or one of several that belong together, such as the responses of a
/// model that has more than one.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    pub group: Arc<str>,
    pub name: Option<Arc<str>>,
    pub values: Values,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// NaN is NA.
    Numbers(Vec<f64>),
    Whole(Vec<i64>),
    Logicals(Vec<Option<bool>>),
    Texts(Vec<Option<Arc<str>>>),
}

impl Values {
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Whole(values) => values.len(),
            Self::Logicals(values) => values.len(),
            Self::Texts(values) => values.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Output {
    pub fn numbers(group: &str, values: Vec<f64>) -> Self {
        Self {
            group: group.into(),
            name: None,
            values: Values::Numbers(values),
        }
    }

    /// As a header of CSV has it: `fit`, `fit.y1`.
    fn write_name(&self, out: &mut impl Write) -> io::Result<()> {
        match &self.name {
            None => write_text(out, self.group.as_bytes()),
            Some(name) => write_text(out, format!("{}.{name}", self.group).as_bytes()),
        }
    }
}

impl Answer {
    pub(super) fn of(prediction: Prediction) -> Self {
        let names = &prediction.names;
        let mut columns = Vec::new();
        let groups = [
            ("fit", Some(prediction.fit)),
            ("se_fit", prediction.se),
            ("lwr", prediction.lower),
            ("upr", prediction.upper),
        ];
        for (group, values) in groups {
            for (at, values) in values.into_iter().flatten().enumerate() {
                columns.push(Output {
                    group: group.into(),
                    name: names.get(at).cloned(),
                    values: Values::Numbers(values),
                });
            }
        }
        if let Some(constant) = prediction.constant {
            let rows = columns.first().map_or(0, |column| column.values.len());
            columns.push(Output::numbers("constant", vec![constant; rows]));
        }
        Self { columns }
    }

    pub(super) fn of_row(row: RowPrediction) -> Self {
        let groups = [
            ("fit", Some(row.fit)),
            ("se_fit", row.se),
            ("lwr", row.lower),
            ("upr", row.upper),
        ];
        let columns = groups.into_iter().filter_map(|(group, values)| {
            let first = values?.into_iter().next()?;
            Some(Output::numbers(group, vec![first]))
        });
        Self {
            columns: columns.collect(),
        }
    }

    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |column| column.values.len())
    }

    /// Puts beside the predictions whether they are above the threshold: of a classifier
    /// with two classes, whether the probability of the second is. None if there is not
    /// one such column.
    #[must_use]
    pub fn decided(mut self, threshold: f64, name: &str) -> Option<Self> {
        let of = |group: &'static str| {
            let of_group = move |it: &&Output| &*it.group == group;
            self.columns.iter().filter(of_group).collect::<Vec<_>>()
        };
        let (probabilities, fits) = (of("prob"), of("fit"));
        let fit = match (&probabilities[..], &fits[..]) {
            ([_, second], _) => second,
            ([], [only]) => only,
            _ => return None,
        };
        let Values::Numbers(numbers) = &fit.values else {
            return None;
        };
        let above = numbers
            .iter()
            .map(|number| (!number.is_nan()).then_some(*number > threshold));
        let values = Values::Logicals(above.collect());
        self.columns.push(Output {
            group: name.into(),
            name: None,
            values,
        });
        Some(self)
    }

    pub fn write_header(&self, out: &mut impl Write) -> io::Result<()> {
        for (at, column) in self.columns.iter().enumerate() {
            if at > 0 {
                out.write_all(b",")?;
            }
            column.write_name(out)?;
        }
        out.write_all(b"\n")
    }

    /// Rows of CSV as R writes them: `NA`, `TRUE`, `Inf`; numbers with all their digits.
    pub fn write_rows(&self, out: &mut impl Write) -> io::Result<()> {
        for row in 0..self.rows() {
            for (at, column) in self.columns.iter().enumerate() {
                if at > 0 {
                    out.write_all(b",")?;
                }
                match &column.values {
                    Values::Numbers(values) => write_number(out, values[row])?,
                    Values::Whole(values) => write!(out, "{}", values[row])?,
                    Values::Logicals(values) => out.write_all(match values[row] {
                        None => b"NA",
                        Some(true) => b"TRUE",
                        Some(false) => b"FALSE",
                    })?,
                    Values::Texts(values) => match &values[row] {
                        None => out.write_all(b"NA")?,
                        Some(text) => write_text(out, text.as_bytes())?,
                    },
                }
            }
            out.write_all(b"\n")?;
        }
        Ok(())
    }

    /// A row as a JSON object. Columns of one group are an object in it.
    pub fn write_object(&self, row: usize, out: &mut Vec<u8>) {
        out.push(b'{');
        let mut before: Option<&Output> = None;
        for column in &self.columns {
            let same = before.is_some_and(|before| {
                before.group == column.group && before.name.is_some() && column.name.is_some()
            });
            let closes = before.is_some_and(|before| before.name.is_some()) && !same;
            if closes {
                out.push(b'}');
            }
            if before.is_some() {
                out.push(b',');
            }
            if !same {
                quoted(&column.group, out);
                out.push(b':');
                if column.name.is_some() {
                    out.push(b'{');
                }
            }
            if let Some(name) = &column.name {
                quoted(name, out);
                out.push(b':');
            }
            column.values.write_json(row, out);
            before = Some(column);
        }
        if before.is_some_and(|before| before.name.is_some()) {
            out.push(b'}');
        }
        out.push(b'}');
    }

    /// All rows, as a list of objects without the brackets around.
    pub fn write_objects(&self, out: &mut Vec<u8>) {
        for row in 0..self.rows() {
            if row > 0 {
                out.push(b',');
            }
            self.write_object(row, out);
        }
    }
}

impl Values {
    fn write_json(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            Self::Numbers(values) => match values[row] {
                number if number.is_nan() => out.extend_from_slice(b"null"),
                // JSON has no numbers for these; R's packages write them so.
                f64::INFINITY => out.extend_from_slice(b"\"Inf\""),
                f64::NEG_INFINITY => out.extend_from_slice(b"\"-Inf\""),
                number => {
                    let written = serde_json::to_writer(out, &number);
                    written.expect("a finite number is JSON, and memory takes it");
                }
            },
            Self::Whole(values) => out.extend_from_slice(values[row].to_string().as_bytes()),
            Self::Logicals(values) => out.extend_from_slice(match values[row] {
                None => b"null",
                Some(true) => b"true",
                Some(false) => b"false",
            }),
            Self::Texts(values) => match &values[row] {
                None => out.extend_from_slice(b"null"),
                Some(text) => quoted(text, out),
            },
        }
    }
}

fn quoted(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("text is JSON, and memory takes it");
}

/// The shortest digits that bring the value back.
fn write_number(out: &mut impl Write, number: f64) -> io::Result<()> {
    match number {
        number if number.is_nan() => out.write_all(b"NA"),
        f64::INFINITY => out.write_all(b"Inf"),
        f64::NEG_INFINITY => out.write_all(b"-Inf"),
        number => serde_json::to_writer(out, &number).map_err(io::Error::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(group: &str, name: Option<&str>, values: Values) -> Output {
        Output {
            group: group.into(),
            name: name.map(Into::into),
            values,
        }
    }

    fn json(answer: &Answer) -> String {
        let mut out = Vec::new();
        answer.write_objects(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn csv(answer: &Answer) -> String {
        let mut out = Vec::new();
        answer.write_header(&mut out).unwrap();
        answer.write_rows(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn predictions_are_written_with_all_their_digits() {
        let fit = Output::numbers("fit", vec![0.1 + 0.2, f64::NAN, 800.0, f64::INFINITY]);
        let answer = Answer { columns: vec![fit] };
        let answer = answer.decided(0.5, "admitted").unwrap();
        assert_eq!(
            csv(&answer),
            "fit,admitted\n0.30000000000000004,FALSE\nNA,NA\n800.0,TRUE\nInf,TRUE\n"
        );
        assert_eq!(
            json(&answer),
            "{\"fit\":0.30000000000000004,\"admitted\":false},{\"fit\":null,\"admitted\":null},\
             {\"fit\":800.0,\"admitted\":true},{\"fit\":\"Inf\",\"admitted\":true}"
        );
    }

    #[test]
    fn several_columns_of_a_kind_are_an_object() {
        let one = |name| output("fit", Some(name), Values::Numbers(vec![1.5]));
        let answer = Answer {
            columns: vec![
                output("label", None, Values::Texts(vec![Some("a,b".into())])),
                one("y 1"),
                one("y2"),
                output("se_fit", Some("y 1"), Values::Numbers(vec![0.5])),
            ],
        };
        assert_eq!(
            json(&answer),
            r#"{"label":"a,b","fit":{"y 1":1.5,"y2":1.5},"se_fit":{"y 1":0.5}}"#
        );
        assert_eq!(
            csv(&answer),
            "label,fit.y 1,fit.y2,se_fit.y 1\n\"a,b\",1.5,1.5,0.5\n"
        );
        assert_eq!(answer.decided(0.5, "x"), None);
    }
}
