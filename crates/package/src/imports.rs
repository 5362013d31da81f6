//! What the code imports, as far as lines tell: enough to see whether anything new is
//! imported since a package was tried out.

use crate::archive::{Content, Member};
use crate::error::PackageError;

/// Lines that import, in the order of files, with the names of all files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Imports {
    pub(crate) text: String,
    /// boto3 or botocore is used: AWS's Python has them, so ours must show them.
    pub(crate) wants_sdk: bool,
}

impl Imports {
    pub(crate) fn read(members: &[Member]) -> Result<Self, PackageError> {
        let mut imports = Self::default();
        for member in members {
            imports.text.push_str(&member.path);
            imports.text.push('\n');
            if !member.path.ends_with(".py") {
                continue;
            }
            let content = member.read()?;
            let content = String::from_utf8_lossy(&content);
            // Anywhere, as the import may be built at run time; but ours needs none.
            let is_theirs = matches!(member.content, Content::File(_));
            imports.wants_sdk |= is_theirs && content.contains("boto");
            for line in content.lines().map(str::trim) {
                if line.starts_with("import ") || line.starts_with("from ") {
                    imports.text.push_str(line);
                    imports.text.push('\n');
                }
            }
        }
        Ok(imports)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_lines_change_nothing() {
        let read = |text: &'static str| Imports::read(&[Member::text("a.py", text, false)]);
        let before = read("import numpy\nx = 1\n").unwrap();
        assert_eq!(read("import numpy\nx = 2\n").unwrap(), before);
        assert_ne!(read("import numpy, scipy\nx = 1\n").unwrap(), before);
        assert_ne!(
            read("def f():\n    from a import b\nimport numpy").unwrap(),
            before
        );
    }

    #[test]
    fn only_their_own_code_asks_for_the_sdk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.py");
        std::fs::write(&path, "c = __import__('boto3')").unwrap();
        let ours = Member::text("squall/a.py", "# as boto3 does", false);
        let theirs = Member {
            content: Content::File(path),
            ..ours.clone()
        };
        assert!(!Imports::read(&[ours]).unwrap().wants_sdk);
        assert!(Imports::read(&[theirs]).unwrap().wants_sdk);
    }
}
