//! What is called must be there, and be something that the target can run: the cloud
//! would say so late, or not at all.

use std::fs;
use std::io::Read;

use project::model::{Architecture, FunctionRuntime};

use crate::archive::{Content, Member};
use crate::build::Work;
use crate::entry::{self, Called};
use crate::error::PackageError;
use crate::layer::{self, Layer};

/// As much of a program as says what it is for.
const HEADER: u64 = 64;

impl Work<'_> {
    /// What is called is there at all: the message is better than a failed start's.
    pub(crate) fn check_entry(
        &self,
        called: &Called,
        members: &[Member],
        layer: Option<&Layer>,
    ) -> Result<(), PackageError> {
        let module = entry::module_path(&called.own);
        let endings: &[&str] = match self.function.runtime {
            FunctionRuntime::Python { .. } => &[".py", "/__init__.py", ".so"],
            FunctionRuntime::R { .. } => &[".R", ".r"],
            FunctionRuntime::Provided { .. } => &[""],
        };
        let is_it = |path: &str| {
            let rest = path.strip_prefix(module.as_str());
            rest.is_some_and(|rest| {
                endings.contains(&rest) || (rest.starts_with('.') && rest.ends_with(".so"))
            })
        };
        let in_layer = layer.is_some_and(|layer| {
            let library = layer.folder.join(layer::PREFIX).join(&module);
            library.is_dir() || library.with_extension("py").is_file()
        });
        let elsewhere = in_layer || !self.function.layers.is_empty();
        if let Some(found) = members.iter().find(|member| is_it(&member.path)) {
            return self.check_program(found);
        }
        if elsewhere {
            return Ok(());
        }
        let there: Vec<&str> = members
            .iter()
            .map(|member| member.path.as_str())
            .filter(|path| !path.contains('/') && path.ends_with(endings[0]))
            .take(5)
            .collect();
        Err(PackageError::NoHandler {
            what: format!("{module}{}", endings[0]),
            source_folder: self.function.source.clone(),
            hint: match (&self.function.runtime, there.as_slice()) {
                (FunctionRuntime::Provided { .. }, _) => Some(
                    "build = \"...\" of the function in squall.toml is the command that makes it"
                        .to_owned(),
                ),
                (_, []) => None,
                (_, there) => Some(format!("there is {}", there.join(", "))),
            },
        })
    }

    /// A `bootstrap` that the target's processor cannot run fails there without a word.
    fn check_program(&self, found: &Member) -> Result<(), PackageError> {
        let Content::File(path) = &found.content else {
            return Ok(());
        };
        if !matches!(self.function.runtime, FunctionRuntime::Provided { .. }) {
            return Ok(());
        }
        let refuse = |what: &str, hint: &str| {
            Err(PackageError::NoHandler {
                what: what.to_owned(),
                source_folder: self.function.source.clone(),
                hint: Some(hint.to_owned()),
            })
        };
        if !found.executable {
            return refuse("bootstrap that can be executed", "chmod +x bootstrap");
        }
        let mut start = Vec::new();
        fs::File::open(path)
            .and_then(|file| file.take(HEADER).read_to_end(&mut start))
            .map_err(|source| PackageError::Unreadable {
                path: path.clone(),
                source,
            })?;
        if start.starts_with(b"\x7fELF")
            && architecture_of(&start) != Some(self.function.architecture)
        {
            return refuse(
                "bootstrap for the function's processor",
                "build it for the architecture of the function, or set architecture in squall.toml",
            );
        }
        Ok(())
    }
}

/// The processor that an ELF program is for.
fn architecture_of(program: &[u8]) -> Option<Architecture> {
    match program.get(18..20)? {
        [0x3e, 0] => Some(Architecture::X86_64),
        [0xb7, 0] => Some(Architecture::Arm64),
        _ => None,
    }
}
