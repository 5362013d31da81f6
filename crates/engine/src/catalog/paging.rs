//! Lists in parts, as `Marker` and `MaxItems` cut them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::error::ControlError;
use super::model::{Page, Paging};

/// What a list gives at most, and when the client names no number.
const PAGE: usize = 50;

/// Cuts one page out of items that come sorted by key. The marker holds the last
/// key that was given out, so it stays good when items come and go.
pub(super) fn cut<T>(
    items: impl Iterator<Item = (String, T)>,
    paging: &Paging,
) -> Result<Page<T>, ControlError> {
    let after = paging.marker.as_deref().map(decode).transpose()?;
    let max = paging.max_items.unwrap_or(PAGE).clamp(1, PAGE);
    let mut rest = items.skip_while(|(key, _)| after.as_ref().is_some_and(|after| key <= after));
    let mut page = Page {
        items: Vec::new(),
        next_marker: None,
    };
    let mut last = String::new();
    for (key, item) in rest.by_ref().take(max) {
        page.items.push(item);
        last = key;
    }
    if rest.next().is_some() {
        page.next_marker = Some(URL_SAFE_NO_PAD.encode(last));
    }
    Ok(page)
}

fn decode(marker: &str) -> Result<String, ControlError> {
    URL_SAFE_NO_PAD
        .decode(marker)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| ControlError::invalid("Invalid Marker"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(marker: Option<String>, max_items: Option<usize>) -> Page<u32> {
        let items = (0..120).map(|n| (format!("{n:03}"), n));
        cut(items, &Paging { marker, max_items }).unwrap()
    }

    #[test]
    fn the_pages_of_a_list_give_each_item_once() {
        let (mut seen, mut marker) = (Vec::new(), None);
        loop {
            let page = page(marker, Some(7));
            seen.extend(page.items);
            marker = page.next_marker;
            if marker.is_none() {
                break;
            }
        }
        assert_eq!(seen, (0..120).collect::<Vec<_>>());
    }

    #[test]
    fn no_page_is_longer_than_fifty() {
        assert_eq!(page(None, None).items.len(), 50);
        assert_eq!(page(None, Some(10_000)).items.len(), 50);
    }

    #[test]
    fn a_marker_of_nobody_is_refused() {
        let paging = Paging {
            marker: Some("?".to_owned()),
            max_items: None,
        };
        let items = std::iter::once(("a".to_owned(), 1));
        assert!(cut(items, &paging).is_err());
    }
}
