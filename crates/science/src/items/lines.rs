//! Items of JSON lines.

use std::io::Read;

use parking_lot::Mutex;
use types::table::{Texts, Values};

use super::shelves::Settle;
use super::{Collected, Columns, Open, Wanted};
use crate::csv::Block;
use crate::groups::source::Lines;
use crate::groups::work;
use crate::parse::{Field, Fields, Liner, Looker, OfLine};
use crate::{Error, Problem, Spelling};

/// The name of the column that has whole lines.
const LINE: &str = "json";

/// Collects the items of JSON lines. Without a field of ids each line is an item, as it
/// is; else lines of one id are, or what is wanted of their fields. Empty lines are
/// skipped.
pub fn json_lines(
    open: &Open<'_>,
    wanted: &Wanted,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Collected, Error> {
    let lines = JsonLines {
        open,
        wanted,
        progress,
    };
    let collect = |spelling| match (&wanted.columns, &wanted.by) {
        (Columns::Lines, _) | (_, None) => lines.whole(spelling),
        (Columns::Value(name), Some(_)) => lines.value(name, spelling),
        (Columns::All, Some(by)) => lines.frames(by, spelling),
    };
    let collected = match collect(Spelling::Unknown) {
        Err(Error::Respelled(spelling)) => collect(spelling),
        other => other,
    };
    collected.map_err(|error| match error {
        Error::Row { row, problem } => Error::Line { line: row, problem },
        Error::TooLong { row, limit } => Error::LongLine {
            line: row + 1,
            limit,
        },
        other => other,
    })
}

/// JSON lines that are read as often as they must be.
#[derive(Clone, Copy)]
struct JsonLines<'a> {
    open: &'a Open<'a>,
    wanted: &'a Wanted,
    progress: &'a (dyn Fn(u64) + Sync),
}

type Source = Lines<Box<dyn Read + Send>>;

impl JsonLines<'_> {
    /// The data, and what fields its first lines have.
    fn open(&self) -> Result<(Source, Fields), Error> {
        let source = Lines::open((self.open)().map_err(Error::Read)?)?;
        let mut fields = Fields::default();
        // What is wrong with a line is said when it is read in earnest.
        let _ = fields.look(source.first().unwrap_or(&Block::default()));
        Ok((source, fields))
    }

    fn whole(self, spelling: Spelling) -> Result<Collected, Error> {
        let (source, fields) = self.open()?;
        let columns = [Values::Texts(Texts::default())];
        let kinds = Settle::Kinds(vec![]);
        let names = vec![LINE.to_owned()];
        self.run(source, &fields, OfLine::Whole, &columns, spelling, |_| {
            Ok((kinds, names))
        })
    }

    fn value(self, name: &str, spelling: Spelling) -> Result<Collected, Error> {
        let (source, fields) = self.open()?;
        let columns = [Values::Integers(vec![])];
        self.run(
            source,
            &fields,
            OfLine::Number(name),
            &columns,
            spelling,
            |whole| Ok((Settle::numbers(whole, name)?, vec![name.to_owned()])),
        )
    }

    fn frames(self, by: &str, spelling: Spelling) -> Result<Collected, Error> {
        let (source, fields) = self.open()?;
        match self.typed(source, &fields, by, spelling) {
            Err(Error::Row {
                problem: Problem::Unlike { .. },
                ..
            }) => {}
            other => return other,
        }
        let (source, _) = self.open()?;
        let fields = Mutex::default();
        let looker = || Looker { all: &fields };
        work::run(
            source,
            self.wanted.threads,
            looker,
            vec![work::Nothing],
            &|_| (),
        )?;
        let (source, _) = self.open()?;
        self.typed(source, &fields.into_inner(), by, spelling)
    }

    fn typed(
        &self,
        source: Source,
        fields: &Fields,
        by: &str,
        spelling: Spelling,
    ) -> Result<Collected, Error> {
        let columns = fields.columns(by);
        if columns.is_empty() {
            let by = by.to_owned();
            return Err(Error::OnlyIds { by });
        }
        let empty: Vec<_> = columns.iter().map(|field| field.kind.empty()).collect();
        let kinds = Settle::Kinds(columns.iter().map(|field| field.kind).collect());
        let names = columns
            .iter()
            .map(|field: &Field| field.name.clone())
            .collect();
        let wish = OfLine::Fields(&columns);
        self.run(source, fields, wish, &empty, spelling, |_| {
            Ok((kinds, names))
        })
    }

    /// `fields` are those of the first lines, to be named if one that is wanted is
    /// nowhere to be found.
    fn run(
        &self,
        source: Source,
        fields: &Fields,
        wish: OfLine<'_>,
        columns: &[Values],
        spelling: Spelling,
        settle: impl FnOnce(&work::Whole) -> Result<(Settle, Vec<String>), Error>,
    ) -> Result<Collected, Error> {
        let by = self.wanted.by.as_deref();
        let parser = || Liner::new(by, spelling, wish);
        let piles = self.wanted.piles(columns);
        let done = work::run(source, self.wanted.threads, parser, piles, self.progress)?;
        let whole = &done.whole;
        let nowhere = |name: &str| Error::NoColumn {
            name: name.to_owned(),
            there: fields.names(),
        };
        if let Some(by) = by.filter(|_| whole.summary.rows > 0 && !whole.has_id) {
            return Err(nowhere(by));
        }
        if let OfLine::Number(name) = wish
            && whole.summary.rows > 0
            && !whole.has_value
        {
            return Err(nowhere(name));
        }
        let spelling = if whole.text_ids {
            Spelling::Texts
        } else {
            spelling
        };
        let (settle, names) = settle(whole)?;
        self.wanted.collected(done, spelling, settle, names)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::super::tests::{cut, frame, items, texts, value, wanted};
    use super::*;
    use crate::Ids;

    fn lines(text: &str, wanted: &Wanted) -> Result<Collected, Error> {
        let open: &Open =
            &|| Ok(Box::new(std::io::Cursor::new(text.to_owned())) as Box<dyn Read + Send>);
        json_lines(open, wanted, &|_| ())
    }

    #[test]
    fn lines_are_items_as_they_are() {
        let text = "{\"a\": 1}\n\n  [2, 3] \r\n\"x\"\n5";
        for columns in [value(), Columns::All, Columns::Lines] {
            let all = lines(text, &wanted(None, columns)).unwrap();
            assert_eq!(all.ids, Ids::Integers(vec![0, 1, 2, 3]));
            assert_eq!((all.by.as_str(), all.summary.rows), ("", 4));
            let all = items(&all);
            for (item, line) in all.iter().zip(["{\"a\": 1}", "[2, 3]", "\"x\"", "5"]) {
                assert_eq!(item.1, frame(vec![("json", texts(&[Some(line)]))]));
            }
        }
    }

    #[test]
    fn lines_are_grouped_by_a_field() {
        let text = "{\"id\":\"b\",\"value\":1}\n{\"value\":2,\"id\":\"a\"}\n{\"value\":3}\n{\"id\":null}\n{\"id\":\"b\"}";
        let all = lines(text, &wanted(Some("id"), value())).unwrap();
        assert_eq!(all.summary.dropped, 2);
        let all = items(&all);
        assert_eq!(
            (all[0].0.as_str(), &all[0].1[0].values),
            ("a", &Values::Floats(vec![2.0]))
        );
        let b = format!("{:?}", all[1].1[0].values);
        assert_eq!(b, "Floats([1.0, NaN])");
        let all = lines(text, &wanted(Some("id"), Columns::Lines)).unwrap();
        let b = texts(&[Some("{\"id\":\"b\",\"value\":1}"), Some("{\"id\":\"b\"}")]);
        assert_eq!(items(&all)[1].1[0].values, b);
    }

    #[test]
    fn ids_of_lines_keep_their_type() {
        let text = |ids: &[&str]| {
            let line = |id: &&str| format!("{{\"id\":{id},\"value\":1}}\n");
            ids.iter().map(line).collect::<Vec<_>>().concat()
        };
        for (ids, expected) in [
            (&["10", "9"][..], Ids::Integers(vec![9, 10])),
            (&["10", "1e1", "2.5"], Ids::Floats(vec![2.5, 10.0])),
            (&["true", "false"], Ids::Booleans(vec![false, true])),
            (&["10", "null"], Ids::Floats(vec![10.0])),
            (
                &["\"10\"", "\"9\""],
                Ids::Text(vec![b"10".as_slice().into(), b"9".as_slice().into()]),
            ),
            (
                &["\"7\"", "7", "\"NA\""],
                Ids::Text(vec![b"7".as_slice().into(), b"NA".as_slice().into()]),
            ),
            (
                &["\"\\u00e4\"", "\"\u{e4}\""],
                Ids::Text(vec!["\u{e4}".as_bytes().into()]),
            ),
        ] {
            let all = lines(&text(ids), &wanted(Some("id"), value())).unwrap();
            assert_eq!(all.ids, expected, "{ids:?}");
        }
    }

    #[test]
    fn all_fields_of_lines_are_columns() {
        let text = "{\"id\":1,\"n\":1,\"f\":1,\"s\":\"x\",\"o\":{\"k\":[1]},\"b\":true}\n\
                    {\"id\":1,\"s\":null,\"f\":2.5,\"n\":-0,\"b\":false,\"late\":1,\"o\":3}\n";
        let expected = frame(vec![
            ("n", Values::Integers(vec![1, 0])),
            ("f", Values::Floats(vec![1.0, 2.5])),
            ("s", texts(&[Some("x"), None])),
            ("o", texts(&[Some("{\"k\":[1]}"), Some("3")])),
            ("b", Values::Booleans(vec![true, false])),
            ("late", Values::Floats(vec![f64::NAN, 1.0])),
        ]);
        let all = lines(text, &wanted(Some("id"), Columns::All)).unwrap();
        assert_eq!(format!("{:?}", items(&all)[0].1), format!("{expected:?}"));
    }

    /// What comes late changes the types, and brings a column.
    #[test]
    fn fields_are_those_of_all_lines() {
        let mut text = String::new();
        for row in 0..20_000 {
            let _ = writeln!(text, "{{\"id\":{},\"a\":{row},\"b\":1}}", row % 2);
        }
        text.push_str("{\"id\":1,\"c\":\"x\",\"a\":\"y\",\"b\":1}\n");
        let all = lines(&text, &wanted(Some("id"), Columns::All)).unwrap();
        let all = items(&all);
        let names: Vec<_> = all[1].1.iter().map(|column| &*column.name).collect();
        assert_eq!(names, ["a", "b", "c"]);
        let last = |column: usize| cut(&all[1].1[column], &(9_999..10_001)).values;
        assert_eq!(last(0), texts(&[Some("19999"), Some("y")]));
        assert_eq!(last(1), Values::Integers(vec![1, 1]));
        assert_eq!(last(2), texts(&[None, Some("x")]));
    }

    #[test]
    fn what_is_wrong_with_a_line_is_said_with_its_number() {
        let good = "{\"id\":1,\"value\":2}\n\n";
        for (bad, columns, said) in [
            (
                "{\"id\":1,\"value\":}",
                value(),
                "line 3: not JSON: expected value at character 17",
            ),
            (
                "{\"id\":1,\"value\":\"2\"}",
                value(),
                "line 3: column \"value\": expected a number, found \"\\\"2\\\"\"",
            ),
            ("[1]", Columns::All, "line 3: not an object"),
            (
                "{\"id\":[1],\"value\":2}",
                value(),
                "line 3: field \"id\": [1] cannot be an id",
            ),
            (
                "{\"id\":1} {}",
                Columns::Lines,
                "line 3: not JSON: trailing characters at character 10",
            ),
        ] {
            let error = lines(&format!("{good}{bad}\n"), &wanted(Some("id"), columns)).unwrap_err();
            assert_eq!(error.to_string(), said);
        }
        let alone = lines(&format!("{good}{{\n"), &wanted(None, Columns::Lines)).unwrap_err();
        assert_eq!(
            alone.to_string(),
            "line 3: not JSON: EOF while parsing an object at character 1"
        );
        for (by, name, missing) in [("key", "value", "key"), ("id", "v", "v")] {
            let columns = Columns::Value(name.to_owned());
            let error = lines(good, &wanted(Some(by), columns)).unwrap_err();
            let said = format!("there is no column {missing:?}; there are \"id\", \"value\"");
            assert_eq!(error.to_string(), said);
        }
        assert_eq!(lines("\n", &wanted(None, Columns::Lines)).unwrap().len(), 0);
    }
}
