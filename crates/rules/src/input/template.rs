//! Input templates: a text with `<variables>`, cut into its pieces once.

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    pieces: Vec<Piece>,
    is_text: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Plain(String),
    /// `quoted` is whether it stands between quotation marks.
    Variable {
        name: String,
        quoted: bool,
    },
}

impl Template {
    /// `<` that begins no variable stands for itself.
    pub fn parse(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let (mut quoted, mut escaped) = (false, false);
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if let Some((name, after)) = variable(rest) {
                pieces.push(Piece::Plain(std::mem::take(&mut plain)));
                pieces.push(Piece::Variable {
                    name: name.to_owned(),
                    quoted,
                });
                escaped = false;
                rest = after;
                continue;
            }
            if c == '"' && !escaped {
                quoted = !quoted;
            }
            escaped = c == '\\' && !escaped;
            plain.push(c);
            rest = &rest[c.len_utf8()..];
        }
        pieces.push(Piece::Plain(plain));
        Self {
            pieces,
            is_text: text.trim_start().starts_with('"'),
        }
    }

    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Whether it is a text as a whole, not an object or list with texts in it.
    pub fn is_text(&self) -> bool {
        self.is_text
    }

    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Variable { name, .. } => Some(name.as_str()),
            Piece::Plain(_) => None,
        })
    }
}

fn variable(text: &str) -> Option<(&str, &str)> {
    let (name, after) = text.strip_prefix('<')?.split_once('>')?;
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let fits = !name.is_empty() && name.bytes().all(is_name);
    fits.then_some((name, after))
}
