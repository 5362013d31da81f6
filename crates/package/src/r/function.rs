//! From a function in R to its package. On an engine R is the machine's and only the
//! code goes along; on AWS the layer with R, if it was built, else a client in R for which
//! some other layer has to bring R.

use super::base::{self, RLayer};
use super::home::Home;
use super::trial;
use super::wanted::Wanted;
use crate::archive::Member;
use crate::build::{LayerKind, LayerPackage, Package, Work};
use crate::cache;
use crate::entry::{self, Called};
use crate::error::PackageError;
use crate::layer::{Layer, blocking};
use crate::options::{Place, Test};
use crate::report::Report;
use crate::target::architecture_here;

impl Work<'_> {
    /// The package of a function in R of this series, or of any.
    pub(crate) async fn r_function(
        &self,
        series: Option<(u8, u8)>,
    ) -> Result<Package, PackageError> {
        let mut notes = Vec::new();
        let packages = self.r_libraries(series, &mut notes).await?;
        let r = match self.options.place {
            Place::Engine => None,
            Place::Aws => self.r_itself(series, &mut notes).await?,
        };
        let called = match self.options.place {
            Place::Engine => entry::r_of_engine(self.function),
            Place::Aws => entry::of(self.project, self.name, self.function, false),
        };
        let (mut members, secrets) = self.members(&called).await?;
        self.check_entry(&called, &members, None)?;
        if self.options.place == Place::Aws && r.is_none() {
            members.extend(client(&members));
        }
        self.try_out_r(r.as_ref(), packages.as_ref()).await?;
        let report = self.r_report(&members, r.as_ref(), packages.as_ref());
        self.check_size(&report)?;
        notes.extend(crate::build::left_out(&secrets));
        Ok(Package {
            code: self.zip(members).await?,
            layers: r.map(itself).into_iter().chain(packages.map(of)).collect(),
            runtime: called.runtime,
            handler: called.handler,
            environment: called.environment,
            rest: None,
            notes,
            report,
        })
    }

    /// The layer of the packages that it asks for.
    async fn r_libraries(
        &self,
        series: Option<(u8, u8)>,
        notes: &mut Vec<String>,
    ) -> Result<Option<Layer>, PackageError> {
        let Some(wanted) = Wanted::read(&self.function.packages)? else {
            return Ok(None);
        };
        if architecture_here() != Some(self.function.architecture) {
            return Err(PackageError::OtherProcessor {
                function: self.name.to_owned(),
            });
        }
        let home = Home::find(series, self.options, &self.machine).await?;
        let layer = self.r_packages(&home, &wanted).await?;
        notes.extend(layer.manifest.notes.iter().cloned());
        // All of them may be R's own, or beside the code.
        Ok(Some(layer).filter(|layer| !layer.manifest.distributions.is_empty()))
    }

    /// The layer with R, if one was built that fits.
    async fn r_itself(
        &self,
        series: Option<(u8, u8)>,
        notes: &mut Vec<String>,
    ) -> Result<Option<RLayer>, PackageError> {
        let cache = self.cache.clone();
        let built = blocking(move || Ok(base::last(&cache))).await?;
        let fits = |r: &RLayer| series.is_none() || r.series() == series;
        let is_here = architecture_here() == Some(self.function.architecture);
        let (fitting, other) = match built {
            Some(r) if fits(&r) && is_here => (Some(r), None),
            other => (None, other),
        };
        let program = self.options.helper.as_deref();
        let program = program.and_then(|program| base::identity(program).ok());
        if let (Some(r), Some(program)) = (&fitting, program)
            && r.program != program
        {
            notes.push(
                "the layer with R was built by another squall; squall layer build r builds it anew"
                    .to_owned(),
            );
        }
        if fitting.is_none() && self.function.layers.is_empty() {
            notes.push(match other {
                Some(_) if !is_here => {
                    "the layer with R is for this machine's processor: it needs another with \
                     /opt/R/bin/Rscript"
                        .to_owned()
                }
                Some(r) => format!(
                    "it asks for {}, and the layer with R that was built has R {}",
                    self.function.runtime, r.version
                ),
                None => "there is no R on AWS: squall layer build r builds a layer with it, and \
                         the next deployment takes it"
                    .to_owned(),
            });
        }
        Ok(fitting)
    }

    /// Loads the packages where they will run, unless these passed before.
    async fn try_out_r(
        &self,
        r: Option<&RLayer>,
        packages: Option<&Layer>,
    ) -> Result<(), PackageError> {
        let (Some(r), Some(packages)) = (r, packages) else {
            return Ok(());
        };
        if self.options.test == Test::Never {
            return Ok(());
        }
        let digests = [&r.artifact.sha256, &packages.manifest.artifact.sha256];
        let key = cache::key(&digests.map(String::as_bytes));
        if self.cache.has_passed(&key) {
            return Ok(());
        }
        self.options.say.it("try out the packages of R");
        let layers = [base::folder(&self.cache, r), packages.folder.clone()];
        let names = packages.manifest.distributions.iter();
        let names: Vec<String> = names.map(|package| package.name.clone()).collect();
        trial::check(&self.cache, &layers, &names, self.options).await?;
        self.cache.pass(&key);
        Ok(())
    }

    fn r_report(&self, members: &[Member], r: Option<&RLayer>, packages: Option<&Layer>) -> Report {
        let mut report = Report::new(self.name, members);
        if let Some(r) = r {
            report.plain_bytes += r.plain_bytes();
            report.library_bytes += r.artifact.unpacked_bytes;
        }
        if let Some(layer) = packages {
            report
                .distributions
                .clone_from(&layer.manifest.distributions);
            report.plain_bytes += layer.manifest.plain_bytes;
            report.library_bytes += layer.manifest.artifact.unpacked_bytes;
        }
        report
    }
}

/// The client in R, where the code has none of its own.
fn client(members: &[Member]) -> Vec<Member> {
    let own = |path: &str| members.iter().any(|member| member.path == path);
    let ours = sandbox::R_RUNTIME.iter();
    ours.filter(|(path, _)| !own(path))
        .map(|(path, text)| Member::text(path, text, *path == "bootstrap"))
        .collect()
}

fn itself(r: RLayer) -> LayerPackage {
    LayerPackage {
        kind: LayerKind::R,
        hash: r.hash,
        artifact: r.artifact,
    }
}

fn of(layer: Layer) -> LayerPackage {
    LayerPackage {
        kind: LayerKind::Libraries,
        hash: layer.manifest.hash,
        artifact: layer.manifest.artifact,
    }
}

/// What AWS calls on an engine, which has R as a runtime.
impl Called {
    pub(crate) fn in_r(runtime: String, handler: String) -> Self {
        Self {
            runtime,
            own: handler.clone(),
            handler,
            environment: std::collections::BTreeMap::new(),
            is_wrapped: false,
        }
    }
}
