//! Lists in parts. The token holds the last name that was given out, so it stays
//! good when items come and go.

/// The most that one answer has, and what it has where nothing is asked for.
pub(crate) const PAGE: usize = 100;

pub(crate) struct Page<T> {
    pub items: Vec<T>,
    pub next: Option<String>,
}

/// Cuts one page out of items that come sorted by key. `None` is a token that no
/// answer had.
pub(crate) fn cut<T>(
    items: impl IntoIterator<Item = T>,
    key: impl Fn(&T) -> String,
    token: Option<&str>,
    limit: Option<usize>,
) -> Option<Page<T>> {
    let after = match token {
        Some(token) => Some(decode(token)?),
        None => None,
    };
    let limit = limit.unwrap_or(PAGE).clamp(1, PAGE);
    let mut rest = items
        .into_iter()
        .skip_while(|item| after.as_ref().is_some_and(|after| key(item) <= *after));
    let page: Vec<T> = rest.by_ref().take(limit).collect();
    let next = rest.next().and(page.last().map(|last| encode(&key(last))));
    Some(Page { items: page, next })
}

fn encode(name: &str) -> String {
    hex::encode(name)
}

fn decode(token: &str) -> Option<String> {
    String::from_utf8(hex::decode(token).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_give_each_item_once() {
        let all: Vec<String> = (0..250).map(|n| format!("{n:03}")).collect();
        let (mut seen, mut token) = (Vec::new(), None);
        loop {
            let page = cut(all.clone(), Clone::clone, token.as_deref(), Some(7)).unwrap();
            seen.extend(page.items);
            token = page.next;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(seen, all);
        assert_eq!(
            cut(all.clone(), Clone::clone, None, None)
                .unwrap()
                .items
                .len(),
            100
        );
        assert!(cut(all, Clone::clone, Some("ü"), None).is_none());
    }
}
