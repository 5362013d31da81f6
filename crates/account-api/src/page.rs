//! Lists in parts: `MaxItems` and `Marker`.

use aws_wire::form::Form;
use aws_wire::xml::Xml;

use crate::answer::truth;
use crate::api::number;
use crate::error::ApiError;

const DEFAULT_ITEMS: u32 = 100;
const MOST_ITEMS: u32 = 1000;

/// A part of a list. The marker is the key of its last item, so that a list that
/// changes between two parts loses and repeats nothing.
#[derive(Debug)]
pub(crate) struct Page<T> {
    pub items: Vec<T>,
    marker: Option<String>,
}

impl<T> Page<T> {
    /// `items` are sorted by `key`.
    pub fn of(
        items: impl IntoIterator<Item = T>,
        key: impl Fn(&T) -> String,
        form: &Form,
    ) -> Result<Self, ApiError> {
        let most = number(form, "MaxItems")?.unwrap_or(DEFAULT_ITEMS);
        if !(1..=MOST_ITEMS).contains(&most) {
            return Err(ApiError::validation(format!(
                "1 validation error detected: Value '{most}' at 'maxItems' failed to satisfy constraint: Member must have value between 1 and {MOST_ITEMS}"
            )));
        }
        let after = form.get("Marker").unwrap_or_default();
        let mut rest = items.into_iter().filter(|item| key(item).as_str() > after);
        let items: Vec<T> = rest.by_ref().take(most as usize).collect();
        let marker = match (rest.next(), items.last()) {
            (Some(_), Some(last)) => Some(key(last)),
            _ => None,
        };
        Ok(Self { items, marker })
    }

    pub fn write_end(&self, xml: &mut Xml) {
        xml.text("IsTruncated", truth(self.marker.is_some()));
        if let Some(marker) = &self.marker {
            xml.text("Marker", marker);
        }
    }
}
