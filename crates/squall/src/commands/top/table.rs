//! A table that fits the width of a screen: names are cut, and where that is not enough,
//! the columns that matter least are left out.

/// What a line is about, for who shows colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Usual,
    Title,
    Bad,
    Dim,
}

/// Characters of a name that is not cut.
const LONGEST_NAME: usize = 44;
/// So much of a name is worth more than the column that matters least.
const FAIR_NAME: usize = 24;
/// Less of a name says nothing.
const SHORTEST_NAME: usize = 8;

#[derive(Debug, Clone, Copy)]
pub struct Column {
    pub title: &'static str,
    /// Columns with lower ranks are left out first; names stand in the first one, which
    /// always stays.
    pub rank: u8,
    pub is_number: bool,
}

/// A column of words.
pub const fn words(title: &'static str, rank: u8) -> Column {
    Column {
        title,
        rank,
        is_number: false,
    }
}

/// A column of numbers, which stand to the right.
pub const fn numbers(title: &'static str, rank: u8) -> Column {
    Column {
        title,
        rank,
        is_number: true,
    }
}

#[derive(Debug)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<(Vec<String>, Tone)>,
}

impl Table {
    pub fn new(columns: &[Column]) -> Self {
        Self {
            columns: columns.to_vec(),
            rows: vec![],
        }
    }

    /// Names come from others: what would move the cursor is not shown.
    pub fn row(&mut self, cells: Vec<String>, tone: Tone) {
        let clean = |cell: String| cell.replace(char::is_control, " ");
        self.rows
            .push((cells.into_iter().map(clean).collect(), tone));
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// The titles, and the rows as they fit beside each other in so many characters.
    pub fn lines(&self, width: usize) -> (String, impl Iterator<Item = (String, Tone)>) {
        let (shown, widths) = self.layout(width);
        let titles = self.columns.iter().map(|it| it.title.to_owned());
        let titles = self.join(&titles.collect::<Vec<_>>(), &shown, &widths);
        let rows = self.rows.iter();
        let rows = rows.map(move |(cells, tone)| (self.join(cells, &shown, &widths), *tone));
        (titles, rows)
    }

    /// Which columns are shown, and how wide each of all is.
    fn layout(&self, width: usize) -> (Vec<usize>, Vec<usize>) {
        let widest = |column: usize| {
            let cells = self.rows.iter().map(|(cells, _)| cells[column].as_str());
            let all = std::iter::once(self.columns[column].title).chain(cells);
            all.map(console::measure_text_width).max().unwrap_or(0)
        };
        let mut widths: Vec<usize> = (0..self.columns.len()).map(widest).collect();
        let mut shown: Vec<usize> = (0..self.columns.len()).collect();
        let fair = widths[0].min(FAIR_NAME);
        let room = |shown: &[usize]| {
            let others = shown.iter().skip(1).map(|&column| widths[column] + 2);
            width.saturating_sub(others.sum::<usize>())
        };
        while shown.len() > 1 && room(&shown) < fair {
            // A name that can be told from others goes before the last two columns.
            if shown.len() <= 3 && room(&shown) >= SHORTEST_NAME.min(fair) {
                break;
            }
            let rank = |at: &usize| self.columns[shown[*at]].rank;
            let least = (1..shown.len()).min_by_key(rank).unwrap_or(1);
            shown.remove(least);
        }
        let room = room(&shown);
        widths[0] = widths[0].min(LONGEST_NAME).min(room);
        (shown, widths)
    }

    fn join(&self, cells: &[String], shown: &[usize], widths: &[usize]) -> String {
        let padded = shown.iter().map(|&column| {
            let side = if self.columns[column].is_number {
                console::Alignment::Right
            } else {
                console::Alignment::Left
            };
            let cut = Some("…").filter(|_| widths[column] > 0);
            console::pad_str(&cells[column], widths[column], side, cut).into_owned()
        });
        padded.collect::<Vec<_>>().join("  ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(width: usize) -> String {
        let columns = [
            words("NAME", 9),
            words("API", 2),
            numbers("REQ/S", 8),
            numbers("P50", 3),
            numbers("P95", 7),
        ];
        let mut table = Table::new(&columns);
        for (name, api) in [("GET /features/of/customers", "shop"), ("/", "lab")] {
            let cells = [name, api, "19.4", "420us", "3.2ms"].map(str::to_owned);
            table.row(cells.to_vec(), Tone::Usual);
        }
        let (titles, rows) = table.lines(width);
        let rows = rows.map(|(row, _)| row);
        let lines: Vec<String> = std::iter::once(titles).chain(rows).collect();
        for line in &lines {
            assert!(console::measure_text_width(line) <= width, "{line:?}");
        }
        lines[..2].join("\n")
    }

    #[test]
    fn what_matters_least_gives_way() {
        assert_eq!(
            shown(60),
            "NAME                        API   REQ/S    P50    P95\n\
             GET /features/of/customers  shop   19.4  420us  3.2ms"
        );
        assert_eq!(
            shown(51),
            "NAME                      API   REQ/S    P50    P95\n\
             GET /features/of/custom…  shop   19.4  420us  3.2ms"
        );
        assert_eq!(
            shown(46),
            "NAME                       REQ/S    P50    P95\n\
             GET /features/of/custome…   19.4  420us  3.2ms"
        );
        assert_eq!(
            shown(40),
            "NAME                        REQ/S    P95\n\
             GET /features/of/customers   19.4  3.2ms"
        );
        assert_eq!(
            shown(26),
            "NAME          REQ/S    P95\n\
             GET /featur…   19.4  3.2ms"
        );
        assert_eq!(
            shown(9),
            "NAME     \n\
             GET /fea…"
        );
        assert_eq!(shown(1), "…\n…");
    }
}
