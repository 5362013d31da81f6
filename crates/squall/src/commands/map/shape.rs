//! How items are to look: what the user says goes first, then what the function says
//! of itself, then what the input is.

use map::options::{Format, ItemKind};
use map::payload::Description;
use science::items::Columns;

use crate::args::{Choices, ItemArg, PayloadArg};
use crate::failure::Failure;

impl From<ItemArg> for ItemKind {
    fn from(arg: ItemArg) -> Self {
        match arg {
            ItemArg::Series => Self::Series,
            ItemArg::Array => Self::Array,
            ItemArg::List => Self::List,
            ItemArg::Frame => Self::Frame,
            ItemArg::Dict => Self::Dict,
            ItemArg::Json => Self::Json,
        }
    }
}

/// Whether the function need not be asked.
pub fn is_settled(choices: &Choices) -> bool {
    choices.item.is_some() && choices.payload.is_some()
}

/// `lines`: the input is one of JSON lines.
pub fn kind(
    choices: &Choices,
    said: Option<&Description>,
    lines: bool,
) -> Result<ItemKind, Failure> {
    if let Some(item) = choices.item {
        return Ok(item.into());
    }
    if lines && choices.value.is_none() {
        return Ok(ItemKind::Json);
    }
    let Some(said) = said else {
        return Ok(ItemKind::List);
    };
    said.item.parse().map_err(|error| {
        Failure::mistake(format!(
            "the function asks for items of its own kind: {error}"
        ))
        .hint("say how it is to get them: --item KIND")
    })
}

pub fn columns(choices: &Choices, kind: ItemKind) -> Result<Columns, Failure> {
    match (kind, &choices.value) {
        (ItemKind::Frame, Some(_)) if choices.item.is_some() => Err(Failure::mistake(
            "--item frame takes all columns, and --value only one: give one of them",
        )),
        (ItemKind::Json, Some(_)) => Err(Failure::mistake(
            "--item json takes whole lines: leave out --value, or choose another --item",
        )),
        (ItemKind::Frame, _) => Ok(Columns::All),
        (ItemKind::Json, None) => Ok(Columns::Lines),
        (_, Some(value)) => Ok(Columns::Value(value.clone())),
        (kind, None) => Err(Failure::mistake(format!(
            "which column has the values? the function takes one as {}",
            kind.name()
        ))
        .hint("name it: --value COLUMN; or give it all columns: --item frame")),
    }
}

pub fn format(choices: &Choices, said: Option<&Description>, kind: ItemKind) -> Format {
    match choices.payload {
        Some(PayloadArg::Json) => Format::Json,
        Some(PayloadArg::Zlib) => Format::Zlib,
        Some(PayloadArg::Columns) => Format::Columns,
        None if kind == ItemKind::Json => Format::Json,
        None => {
            let reads_columns = said.is_some_and(|said| {
                said.numpy || said.formats.iter().any(|name| name == "columns")
            });
            if reads_columns {
                Format::Columns
            } else {
                Format::Json
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(item: &str, numpy: bool) -> Description {
        Description {
            item: item.to_owned(),
            formats: vec![],
            numpy,
            pandas: false,
        }
    }

    fn value() -> Choices {
        Choices {
            value: Some("v".to_owned()),
            ..Choices::default()
        }
    }

    #[test]
    fn the_user_is_heard_before_the_function() {
        let series = said("series", true);
        assert_eq!(
            kind(&value(), Some(&series), false).unwrap(),
            ItemKind::Series
        );
        let chosen = Choices {
            item: Some(ItemArg::List),
            payload: Some(PayloadArg::Zlib),
            ..value()
        };
        assert!(is_settled(&chosen));
        assert_eq!(kind(&chosen, Some(&series), false).unwrap(), ItemKind::List);
        assert_eq!(format(&chosen, Some(&series), ItemKind::List), Format::Zlib);
        assert_eq!(
            format(&value(), Some(&series), ItemKind::Series),
            Format::Columns
        );
        let plain = said("list", false);
        assert_eq!(format(&value(), Some(&plain), ItemKind::List), Format::Json);
        assert!(kind(&value(), Some(&said("poem", true)), false).is_err());
    }

    #[test]
    fn lines_are_items_as_they_are_unless_a_column_is_asked_for() {
        let none = Choices::default();
        assert_eq!(kind(&none, None, true).unwrap(), ItemKind::Json);
        assert_eq!(columns(&none, ItemKind::Json).unwrap(), Columns::Lines);
        assert_eq!(kind(&value(), None, true).unwrap(), ItemKind::List);
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let frame = Choices {
            item: Some(ItemArg::Frame),
            ..value()
        };
        assert!(columns(&frame, ItemKind::Frame).is_err());
        // The function may want a frame, although a column was named.
        assert_eq!(columns(&value(), ItemKind::Frame).unwrap(), Columns::All);
        assert!(columns(&value(), ItemKind::Json).is_err());
        let said = columns(&Choices::default(), ItemKind::Series).unwrap_err();
        assert!(said.to_string().contains("--value COLUMN"));
    }
}
