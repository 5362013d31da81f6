//! What a request asks for: the options of its query over those of its route, each
//! read once and said so that a mistake can be mended.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use aws_wire::form;
use map::options::{ChunkSize, Format, ItemKind, OnError};

use super::refusal::Refusal;

/// Options by name, as text: what a route keeps, and what a job that is done later
/// remembers of its request.
pub type Pairs = BTreeMap<String, String>;

/// As often as anyone may have an item tried again.
const MOST_RETRIES: u32 = 100;
/// The longest that a request may wait for its answer, in seconds.
const LONGEST: u64 = 24 * 60 * 60;

/// All options there are, in the order in which they are told.
pub(crate) const NAMES: [&str; 10] = [
    "chunksize",
    "id_column",
    "value_column",
    "compression",
    "invoke_lambda",
    "item",
    "format",
    "on_error",
    "retries",
    "max_time",
];

/// What is wanted, with the defaults of who said nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub chunk: ChunkSize,
    /// None: nobody named one.
    pub id_column: Option<String>,
    pub value_column: String,
    /// None: as the function can take it.
    pub format: Option<Format>,
    /// None: as the function says.
    pub item: Option<ItemKind>,
    pub on_error: OnError,
    pub retries: u32,
    pub max_time: Option<Duration>,
    /// Whether chunks go to several instances at once. If not, the same work is done
    /// by one instance, chunk after chunk, for comparison.
    pub spread: bool,
}

impl Asked {
    /// The column of ids if nobody names one.
    pub const ID_COLUMN: &'static str = "id";
    const VALUE_COLUMN: &'static str = "value";

    /// What is on in `pairs`, which are checked one by one.
    pub fn read(pairs: &Pairs) -> Result<Self, Refusal> {
        if let Some(name) = pairs.keys().find(|name| !NAMES.contains(&name.as_str())) {
            return Err(Refusal::UnknownOption {
                name: name.clone(),
                there: &NAMES,
            });
        }
        let option = |name: &'static str| Given {
            name,
            text: pairs.get(name).map(String::as_str),
        };
        let compressed = option("compression").truth()?;
        let format = option("format").one_of(&[
            ("auto", None),
            ("json", Some(Format::Json)),
            ("zlib", Some(Format::Zlib)),
            ("columns", Some(Format::Columns)),
        ])?;
        let format = match (compressed, format.flatten()) {
            (Some(true), None | Some(Format::Zlib)) => Some(Format::Zlib),
            (Some(true), Some(_)) => {
                return Err(option("format").bad("\"zlib\" or left out, with compression=True"));
            }
            (_, format) => format,
        };
        Ok(Self {
            chunk: option("chunksize").chunk_size()?,
            id_column: option("id_column").column()?,
            value_column: option("value_column")
                .column()?
                .unwrap_or_else(|| Self::VALUE_COLUMN.to_owned()),
            format,
            item: option("item")
                .one_of(&[
                    ("auto", None),
                    ("series", Some(ItemKind::Series)),
                    ("array", Some(ItemKind::Array)),
                    ("list", Some(ItemKind::List)),
                    ("frame", Some(ItemKind::Frame)),
                    ("dict", Some(ItemKind::Dict)),
                    ("json", Some(ItemKind::Json)),
                ])?
                .flatten(),
            on_error: option("on_error")
                .one_of(&[("stop", OnError::Stop), ("collect", OnError::Collect)])?
                .unwrap_or_default(),
            retries: option("retries").retries()?,
            max_time: option("max_time").seconds()?,
            spread: option("invoke_lambda").truth()?.unwrap_or(true),
        })
    }
}

/// The route's options with those of a query over them.
pub(crate) fn overlaid(route: &Pairs, query: &str) -> Result<Pairs, Refusal> {
    let mut own = Pairs::new();
    for (name, value) in form::pairs(query) {
        if own.insert(name.clone(), value).is_some() {
            return Err(Refusal::OptionTwice { name });
        }
    }
    let mut all = route.clone();
    // What a request says of the payload replaces all that the route says of it.
    if own.contains_key("compression") || own.contains_key("format") {
        all.remove("compression");
        all.remove("format");
    }
    all.append(&mut own);
    Ok(all)
}

/// One option, as far as it was given.
#[derive(Debug, Clone, Copy)]
struct Given<'a> {
    name: &'static str,
    text: Option<&'a str>,
}

impl Given<'_> {
    fn bad(self, may_be: impl Into<String>) -> Refusal {
        Refusal::BadOption {
            name: self.name,
            given: shortened(self.text.unwrap_or_default()),
            may_be: may_be.into(),
        }
    }

    /// As Python writes truth, and as everybody else does.
    fn truth(self) -> Result<Option<bool>, Refusal> {
        let Some(text) = self.text else {
            return Ok(None);
        };
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(Some(true)),
            "false" | "0" | "no" | "off" => Ok(Some(false)),
            _ => Err(self.bad("True or False")),
        }
    }

    fn one_of<T: Copy>(self, all: &[(&str, T)]) -> Result<Option<T>, Refusal> {
        let Some(text) = self.text else {
            return Ok(None);
        };
        let found = all.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        found.map(|(_, value)| Some(*value)).ok_or_else(|| {
            let names: Vec<_> = all.iter().map(|(name, _)| format!("{name:?}")).collect();
            self.bad(format!("one of {}", names.join(", ")))
        })
    }

    fn chunk_size(self) -> Result<ChunkSize, Refusal> {
        match self.text {
            None => Ok(ChunkSize::Auto),
            Some(text) if text.eq_ignore_ascii_case("auto") => Ok(ChunkSize::Auto),
            Some(text) => text
                .parse::<NonZeroU32>()
                .map(ChunkSize::Items)
                .map_err(|_| self.bad("\"auto\" or a number of items from 1 on")),
        }
    }

    fn column(self) -> Result<Option<String>, Refusal> {
        match self.text {
            Some("") => Err(self.bad("the name of a column")),
            text => Ok(text.map(str::to_owned)),
        }
    }

    fn retries(self) -> Result<u32, Refusal> {
        let Some(text) = self.text else {
            return Ok(0);
        };
        let number = text.parse().ok().filter(|number| *number <= MOST_RETRIES);
        number.ok_or_else(|| self.bad(format!("a number from 0 to {MOST_RETRIES}")))
    }

    fn seconds(self) -> Result<Option<Duration>, Refusal> {
        let Some(text) = self.text else {
            return Ok(None);
        };
        let seconds = text.parse().ok();
        let seconds = seconds.filter(|number| (1..=LONGEST).contains(number));
        seconds
            .map(|seconds| Some(Duration::from_secs(seconds)))
            .ok_or_else(|| self.bad(format!("a number of seconds from 1 to {LONGEST}")))
    }
}

/// What somebody sent, for a message: it may be as long as a request can be.
pub(crate) fn shortened(text: &str) -> String {
    const SHOWN: usize = 100;
    if text.chars().nth(SHOWN).is_none() {
        return text.to_owned();
    }
    let mut shown: String = text.chars().take(SHOWN).collect();
    shown.push_str("...");
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Asked, String> {
        overlaid(&Pairs::new(), query)
            .and_then(|pairs| Asked::read(&pairs))
            .map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn who_says_nothing_gets_the_defaults() {
        let asked = read("").unwrap();
        assert_eq!(asked.chunk, ChunkSize::Auto);
        assert_eq!(
            (asked.id_column, asked.value_column.as_str()),
            (None, "value")
        );
        assert_eq!((asked.format, asked.item), (None, None));
        assert_eq!((asked.on_error, asked.retries), (OnError::Stop, 0));
        assert!(asked.spread && asked.max_time.is_none());
    }

    #[test]
    fn options_are_read_as_python_writes_them() {
        let asked = read(
            "chunksize=10&id_column=user&value_column=a+b&compression=True&invoke_lambda=False\
             &item=series&on_error=collect&retries=2&max_time=5",
        )
        .unwrap();
        assert_eq!(asked.chunk, ChunkSize::Items(NonZeroU32::new(10).unwrap()));
        assert_eq!(asked.id_column.as_deref(), Some("user"));
        assert_eq!(asked.value_column, "a b");
        assert_eq!(asked.format, Some(Format::Zlib));
        assert_eq!(asked.item, Some(ItemKind::Series));
        assert_eq!((asked.on_error, asked.retries), (OnError::Collect, 2));
        assert_eq!(asked.max_time, Some(Duration::from_secs(5)));
        assert!(!asked.spread);
        for (yes, no) in [("true", "false"), ("1", "0"), ("TRUE", "no")] {
            assert!(read(&format!("invoke_lambda={yes}")).unwrap().spread);
            assert!(!read(&format!("invoke_lambda={no}")).unwrap().spread);
        }
    }

    #[test]
    fn a_mistake_is_named_with_what_would_be_none() {
        for (query, words) in [
            (
                "chunksize=0",
                ["chunksize", "\"auto\" or a number of items from 1 on"],
            ),
            ("chunksize=-5", ["\"-5\"", "from 1 on"]),
            ("chunksize=1e3", ["chunksize", "\"1e3\""]),
            ("compression=maybe", ["compression", "True or False"]),
            (
                "on_error=ignore",
                ["on_error", "one of \"stop\", \"collect\""],
            ),
            ("item=tuple", ["item", "\"frame\""]),
            ("retries=101", ["retries", "from 0 to 100"]),
            ("max_time=0", ["max_time", "from 1 to"]),
            ("id_column=", ["id_column", "name of a column"]),
            ("chunk_size=5", ["chunk_size", "chunksize, id_column"]),
            ("chunksize=5&chunksize=6", ["chunksize", "twice"]),
            ("compression=True&format=columns", ["format", "zlib"]),
        ] {
            let said = read(query).unwrap_err();
            for word in words {
                assert!(said.contains(word), "{query}: {said}");
            }
        }
    }

    #[test]
    fn what_is_said_in_a_message_is_short() {
        let said = read(&format!("item={}", "x".repeat(10_000))).unwrap_err();
        assert!(said.len() < 400, "{}", said.len());
    }

    #[test]
    fn a_query_goes_over_its_route() {
        let route = Pairs::from([
            ("id_column".to_owned(), "user".to_owned()),
            ("format".to_owned(), "columns".to_owned()),
        ]);
        let pairs = overlaid(&route, "compression=True&chunksize=3").unwrap();
        let asked = Asked::read(&pairs).unwrap();
        assert_eq!(asked.id_column.as_deref(), Some("user"));
        assert_eq!(asked.format, Some(Format::Zlib));
    }
}
