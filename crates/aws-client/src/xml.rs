//! XML answers as a tree: those of IAM, STS and S3 are small, and what is read of them
//! is named by path.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};

/// Answers are a few levels deep; what is deeper is hostile.
const DEPTH: usize = 64;

/// An element of an XML answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Xml {
    pub name: String,
    pub text: String,
    pub children: Vec<Xml>,
}

impl Xml {
    /// Reads a document; namespaces and attributes are passed over.
    pub fn parse(document: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(document).map_err(|error| error.to_string())?;
        let mut reader = Reader::from_str(text);
        // The first is no element: it holds the root.
        let mut open = vec![Self::default()];
        loop {
            let event = reader.read_event().map_err(|error| error.to_string())?;
            match event {
                Event::Start(_) if open.len() > DEPTH => return Err("it is too deep".to_owned()),
                Event::Start(tag) => open.push(Self::named(&tag)),
                Event::Empty(tag) => innermost(&mut open).children.push(Self::named(&tag)),
                Event::End(_) => {
                    // The reader has checked that ends belong to beginnings.
                    if let Some(done) = open.pop() {
                        innermost(&mut open).children.push(done);
                    }
                }
                Event::Text(piece) => {
                    let piece = piece.xml10_content().map_err(|error| error.to_string())?;
                    innermost(&mut open).text.push_str(&piece);
                }
                Event::CData(piece) => {
                    let piece = piece.decode().map_err(|error| error.to_string())?;
                    innermost(&mut open).text.push_str(&piece);
                }
                Event::GeneralRef(name) => resolve(&name, &mut innermost(&mut open).text)?,
                Event::Eof => break,
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            }
        }
        match <[Self; 1]>::try_from(open) {
            Ok([outside]) => {
                let mut roots = outside.children.into_iter();
                let root = roots.next().ok_or("it has no element")?;
                Ok(root.trimmed())
            }
            Err(_) => Err("it ends in the middle".to_owned()),
        }
    }

    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text at the end of a path of names; empty where there is none.
    pub fn at(&self, path: &[&str]) -> &str {
        let mut here = self;
        for name in path {
            match here.child(name) {
                Some(child) => here = child,
                None => return "",
            }
        }
        &here.text
    }

    /// The elements of a list: `list("Roles", "member")`.
    pub fn list<'a>(&'a self, name: &str, item: &'a str) -> impl Iterator<Item = &'a Self> {
        let children = self.child(name).map_or(&[][..], |list| &list.children);
        children.iter().filter(move |child| child.name == item)
    }

    fn named(tag: &BytesStart<'_>) -> Self {
        Self {
            name: String::from_utf8_lossy(tag.local_name().as_ref()).into_owned(),
            ..Self::default()
        }
    }

    /// White space around elements is layout, not text.
    fn trimmed(mut self) -> Self {
        if !self.children.is_empty() {
            self.text = self.text.trim().to_owned();
        }
        self.children = self.children.into_iter().map(Self::trimmed).collect();
        self
    }
}

fn innermost(open: &mut Vec<Xml>) -> &mut Xml {
    if open.is_empty() {
        // One end too many, which the reader refuses before it comes here.
        open.push(Xml::default());
    }
    let last = open.len() - 1;
    &mut open[last]
}

fn resolve(name: &BytesRef<'_>, text: &mut String) -> Result<(), String> {
    let character = name.resolve_char_ref().map_err(|error| error.to_string())?;
    if let Some(character) = character {
        text.push(character);
        return Ok(());
    }
    let name = name.decode().map_err(|error| error.to_string())?;
    let known = resolve_predefined_entity(&name);
    text.push_str(known.ok_or_else(|| format!("the entity {name:?} is not known"))?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_becomes_a_tree() {
        let document = br#"<?xml version="1.0"?>
            <s:R xmlns:s="urn:x"><A a="1"><B> x &lt;y&gt; &#233;<![CDATA[<z>]]></B><C/></A>
            <L><member>1</member><member>2</member></L></s:R>"#;
        let root = Xml::parse(document).unwrap();
        assert_eq!(root.name, "R");
        assert_eq!(root.text, "");
        assert_eq!(root.at(&["A", "B"]), " x <y> \u{e9}<z>");
        assert_eq!(root.at(&["A", "C"]), "");
        assert_eq!(root.at(&["A", "no", "B"]), "");
        let members: Vec<&str> = root
            .list("L", "member")
            .map(|member| member.text.as_str())
            .collect();
        assert_eq!(members, ["1", "2"]);
        assert_eq!(root.list("none", "member").count(), 0);
    }

    #[test]
    fn what_is_no_document_is_an_error() {
        for bad in [
            "",
            "x",
            "<a>",
            "</a>",
            "<a></b>",
            "<a>&nope;</a>",
            "<a><b></a>",
        ] {
            assert!(Xml::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(Xml::parse("<a>".repeat(100_000).as_bytes()).is_err());
        assert!(Xml::parse(&[b'<', 0xff]).is_err());
    }
}
