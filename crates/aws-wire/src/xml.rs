//! A writer for the small XML documents of the query protocol and S3 errors.

/// Elements are written in the order of the calls; closing tags cannot be forgotten.
#[derive(Debug, Default)]
pub struct Xml {
    text: String,
}

impl Xml {
    pub fn new() -> Self {
        Self::default()
    }

    /// S3 starts its documents with a declaration, the query protocol does not.
    pub fn with_declaration() -> Self {
        Self {
            text: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned(),
        }
    }

    /// An element that sets the namespace of all below it.
    pub fn root(&mut self, name: &str, namespace: &str, inside: impl FnOnce(&mut Self)) {
        self.text.push('<');
        self.text.push_str(name);
        self.text.push_str(" xmlns=\"");
        self.escaped(namespace);
        self.text.push_str("\">");
        inside(self);
        self.close(name);
    }

    pub fn element(&mut self, name: &str, inside: impl FnOnce(&mut Self)) {
        self.open(name);
        inside(self);
        self.close(name);
    }

    pub fn text(&mut self, name: &str, value: &str) {
        self.open(name);
        self.escaped(value);
        self.close(name);
    }

    /// `<name><member>..</member>..</name>`, the query protocol's list.
    pub fn list<T>(
        &mut self,
        name: &str,
        members: impl IntoIterator<Item = T>,
        mut inside: impl FnMut(&mut Self, T),
    ) {
        self.open(name);
        for member in members {
            self.element("member", |xml| inside(xml, member));
        }
        self.close(name);
    }

    /// What another writer wrote, in this place.
    pub fn nested(&mut self, inside: &Self) {
        self.text.push_str(&inside.text);
    }

    pub fn finish(self) -> String {
        self.text
    }

    fn open(&mut self, name: &str) {
        self.text.push('<');
        self.text.push_str(name);
        self.text.push('>');
    }

    fn close(&mut self, name: &str) {
        self.text.push_str("</");
        self.text.push_str(name);
        self.text.push('>');
    }

    fn escaped(&mut self, value: &str) {
        for c in value.chars() {
            match c {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                '"' => self.text.push_str("&quot;"),
                '\t' | '\n' => self.text.push(c),
                // A bare carriage return would be read back as a line feed.
                '\r' => self.text.push_str("&#13;"),
                // XML 1.0 has no way to write these.
                '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => self.text.push('\u{fffd}'),
                _ => self.text.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_nested_and_escaped() {
        let mut xml = Xml::new();
        xml.root("R", "urn:\"n\"", |xml| {
            xml.list("L", ["a", "<b>", "\0\r"], |xml, item| xml.text("I", item));
        });
        assert_eq!(
            xml.finish(),
            "<R xmlns=\"urn:&quot;n&quot;\"><L><member><I>a</I></member><member><I>&lt;b&gt;</I></member><member><I>\u{fffd}&#13;</I></member></L></R>"
        );
    }
}
