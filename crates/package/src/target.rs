//! What libraries must fit: the Python, the processor and the C library of where the
//! function will run, which is not this machine.

use std::fmt;

use project::model::Architecture;

/// Where a package has to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target {
    /// The 11 of `python3.11`.
    pub(crate) minor: u8,
    pub(crate) architecture: Architecture,
    /// The newest that libraries may ask for: the 26 of glibc 2.26.
    pub(crate) glibc: u32,
    /// It is this machine: what was built here fits.
    pub(crate) is_here: bool,
}

/// The first Python of AWS on Amazon Linux 2023.
const FIRST_ON_AL2023: u8 = 12;
const GLIBC_OF_AL2: u32 = 26;
const GLIBC_OF_AL2023: u32 = 34;
/// The oldest that has a tag, manylinux1's.
const OLDEST_GLIBC: u32 = 5;
/// As old as anything that runs this.
const GLIBC_OF_MACHINE: u32 = 28;

/// The platforms that uv knows by a number, the newest first.
const OF_UV: &[u32] = &[40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 28, 17];

impl Target {
    /// As AWS's runtime has it.
    pub(crate) fn aws(minor: u8, architecture: Architecture) -> Self {
        Self {
            minor,
            architecture,
            glibc: if minor < FIRST_ON_AL2023 {
                GLIBC_OF_AL2
            } else {
                GLIBC_OF_AL2023
            },
            is_here: false,
        }
    }

    /// This machine; `None` where its processor is another one.
    pub(crate) fn here(self, glibc: Option<u32>) -> Option<Self> {
        (self.architecture == architecture_here()?).then_some(Self {
            glibc: glibc.unwrap_or(GLIBC_OF_MACHINE),
            is_here: true,
            ..self
        })
    }

    /// With all libraries that there are, to learn whether only age is in the way.
    pub(crate) fn newest(self) -> Self {
        Self {
            glibc: OF_UV[0],
            ..self
        }
    }

    fn processor(self) -> &'static str {
        match self.architecture {
            Architecture::X86_64 => "x86_64",
            Architecture::Arm64 => "aarch64",
        }
    }

    /// `3.11`
    pub(crate) fn python(self) -> String {
        format!("3.{}", self.minor)
    }

    /// For `uv --python-platform`.
    pub(crate) fn uv_platform(self) -> String {
        let glibc = OF_UV.iter().find(|known| **known <= self.glibc);
        let glibc = glibc.unwrap_or(&OF_UV[OF_UV.len() - 1]);
        format!("{}-manylinux_2_{glibc}", self.processor())
    }

    /// For `pip --platform`, the best first.
    pub(crate) fn pip_platforms(self) -> Vec<String> {
        let processor = self.processor();
        let mut platforms = Vec::new();
        for glibc in (OLDEST_GLIBC..=self.glibc).rev() {
            platforms.push(format!("manylinux_2_{glibc}_{processor}"));
            let old_name = match glibc {
                17 => "manylinux2014",
                12 => "manylinux2010",
                5 => "manylinux1",
                _ => continue,
            };
            platforms.push(format!("{old_name}_{processor}"));
        }
        if self.is_here {
            platforms.push(format!("linux_{processor}"));
        }
        platforms
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (python, processor, glibc) = (self.python(), self.processor(), self.glibc);
        write!(f, "python{python} on {processor} with glibc 2.{glibc}")
    }
}

pub(crate) fn architecture_here() -> Option<Architecture> {
    match std::env::consts::ARCH {
        "x86_64" => Some(Architecture::X86_64),
        "aarch64" => Some(Architecture::Arm64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_no_newer_than_the_target() {
        let old = Target::aws(11, Architecture::X86_64);
        assert_eq!(old.uv_platform(), "x86_64-manylinux_2_17");
        let platforms = old.pip_platforms();
        assert_eq!(platforms[0], "manylinux_2_26_x86_64");
        assert!(platforms.contains(&"manylinux2014_x86_64".to_owned()));
        assert!(!platforms.iter().any(|tag| tag.starts_with("linux_")));
        let new = Target::aws(13, Architecture::Arm64);
        assert_eq!(new.uv_platform(), "aarch64-manylinux_2_34");
        assert_eq!(new.pip_platforms()[0], "manylinux_2_34_aarch64");
        assert_eq!(new.to_string(), "python3.13 on aarch64 with glibc 2.34");
    }

    #[test]
    fn only_this_machine_takes_what_was_built_on_it() {
        let here = Target::aws(11, architecture_here().unwrap()).here(Some(36));
        let platforms = here.unwrap().pip_platforms();
        assert!(platforms.last().unwrap().starts_with("linux_"));
        assert!(platforms[0].starts_with("manylinux_2_36_"));
    }
}
