//! What the commands about a project share: finding project and cloud, building
//! packages while the cloud is read, doing a plan, and errors in our words.

pub mod callers;

mod folders;
mod show;
mod sites;

pub use folders::Folders;
pub use show::{Shown, by_path, extend, steps_json, urls_json};
pub use sites::sites;

use std::collections::BTreeMap;
use std::future::Future;
use std::io::IsTerminal;

use anyhow::Context;
use aws_client::{Asked, Client, ClientError};
use deploy::kinds::bucket::Data;
use deploy::release::Releases;
use deploy::site::Known;
use deploy::{
    Cloud, DeployError, Found, Plan, Site, StepError, Target, aws, check, coordinator, secret,
};
use futures::future::{try_join, try_join_all, try_join3};
use package::{Blame, Package, PackageError, Test};
use project::{Project, ProjectError};

use crate::args::{Global, PackagingArgs, PlaceArg, ProjectArgs};
use crate::client;
use crate::commands::session;
use crate::failure::{Failure, Kind};
use crate::output;
use crate::packaging;
use crate::progress::Spinner;

/// A project, and the cloud it goes to.
#[derive(Debug)]
pub struct Opened {
    pub project: Project,
    pub cloud: Cloud,
}

/// All that is needed to do it.
#[derive(Debug)]
pub struct Prepared {
    pub site: Site,
    pub found: Found,
    pub plan: Plan,
}

/// Reads the project, and asks the cloud who we are: wrong keys, a wrong region and a
/// place where nobody answers are found here.
pub async fn open(global: &Global, args: &ProjectArgs) -> Result<Opened, Failure> {
    let project = Project::load(&args.folder, args.stage.as_deref())?;
    open_project(project, global, args).await
}

/// The same where only name, stage and buckets count, not what the project wants: a
/// release can be taken back while the code is being mended.
pub async fn open_loosely(global: &Global, args: &ProjectArgs) -> Result<Opened, Failure> {
    let project = Project::identify(&args.folder, args.stage.as_deref())?;
    open_project(project, global, args).await
}

async fn open_project(
    project: Project,
    global: &Global,
    args: &ProjectArgs,
) -> Result<Opened, Failure> {
    let (client, target) = match args.to {
        PlaceArg::Local => {
            let odd = [("profile", &args.profile), ("region", &args.region)];
            if let Some((name, _)) = odd.iter().find(|(_, value)| value.is_some()) {
                let message = format!("--{name} is of AWS, and this would go to the engine");
                return Err(Failure::mistake(message).hint("--to aws goes to AWS"));
            }
            (client::find(global)?, Target::Engine)
        }
        PlaceArg::Aws => {
            let region = args.region.as_deref().or(project.region.as_deref());
            let asked = Asked {
                endpoint: global.endpoint.as_deref(),
                profile: args.profile.as_deref(),
                region,
            };
            (client::aws(asked)?, Target::Aws)
        }
    };
    open_at(project, client, target).await
}

/// The same for a project that was read, and a cloud that is known.
pub async fn open_at(project: Project, client: Client, target: Target) -> Result<Opened, Failure> {
    let names = check::names(&client, &project.name, &project.stage).await?;
    let cloud = Cloud {
        client,
        target,
        bucket_names: deploy::site::bucket_names(&project, &names),
        authorizer_names: deploy::site::authorizer_names(&project),
        names,
    };
    Ok(Opened { project, cloud })
}

/// On AWS routes are what its HTTP APIs can have, and where nobody maps, predicts,
/// redirects or serves pages, a function of ours does. Sentences worth knowing are
/// returned.
fn for_place(project: &mut Project, cloud: &mut Cloud) -> Result<Vec<String>, Failure> {
    if cloud.target == Target::Engine {
        return Ok(Vec::new());
    }
    let notes = aws::prepare(project)?;
    if project.routes.iter().any(coordinator::is_needed) {
        let binary = std::env::current_exe().context("this program cannot be found")?;
        let folder = coordinator::stage(&packaging::cache()?, &binary)
            .context("the coordinator cannot be packaged")?;
        let expanded = coordinator::expand(project, &cloud.names, &folder);
        expanded.map_err(|error| Failure::new(Kind::Bug, error))?;
        cloud.authorizer_names = deploy::site::authorizer_names(project);
    }
    Ok(notes)
}

impl Opened {
    /// What a deployment of the whole project would do.
    pub async fn prepare(
        self,
        global: &Global,
        packaging: PackagingArgs,
    ) -> Result<Prepared, Failure> {
        let Self {
            mut project,
            mut cloud,
        } = self;
        let said = project.clone();
        let mut notes = for_place(&mut project, &mut cloud)?;
        let wanted: Vec<_> = project.functions.keys().cloned().collect();
        // What a function is mapped by, its package has to know.
        let of = |name: &str| {
            let is_said = said.functions.contains_key(name);
            if is_said { &said } else { &project }
        };
        let packages = packages(global, of, &cloud, &wanted, packaging, Test::Always);
        let found = failing(Found::read(&cloud));
        let secrets = failing(secret::check(&cloud, &project));
        let (packages, found, secrets) = Box::pin(try_join3(packages, found, secrets)).await?;
        let site = Site {
            cloud,
            project,
            packages,
            secrets,
        };
        let plan = Plan::of(&site, &found, Data::Keep)?;
        notes.extend(check::all(&site, &found, &plan.steps).await?);
        for note in notes.iter().filter(|_| !global.json) {
            output::note(&format!("note: {note}"));
        }
        Ok(Prepared { site, found, plan })
    }

    /// What an update of some functions would do: code and configuration, nothing else.
    pub async fn prepare_functions(
        self,
        global: &Global,
        wanted: &[String],
        packaging: PackagingArgs,
    ) -> Result<Prepared, Failure> {
        let Self { mut project, cloud } = self;
        if !wanted.is_empty() {
            let known: Vec<_> = project.functions.keys().cloned().collect();
            if let Some(odd) = wanted.iter().find(|name| !known.contains(name)) {
                let message = format!("the project has no function {odd}");
                return Err(Failure::mistake(message).hint(format!("it has {}", known.join(", "))));
            }
            project.functions.retain(|name, _| wanted.contains(name));
        }
        let wanted: Vec<_> = project.functions.keys().cloned().collect();
        let of = |_: &str| &project;
        let packages = packages(global, of, &cloud, &wanted, packaging, Test::Changed);
        let found = failing(Found::read_functions(&cloud));
        let secrets = failing(secret::check(&cloud, &project));
        let (packages, found, secrets) = Box::pin(try_join3(packages, found, secrets)).await?;
        let site = Site {
            cloud,
            project,
            packages,
            secrets,
        };
        let plan = Plan::of_functions(&site, &found)?;
        Ok(Prepared { site, found, plan })
    }

    /// What would be removed.
    pub async fn prepare_removal(self, data: Data) -> Result<Prepared, Failure> {
        let secrets = async {
            match data {
                Data::Keep => Ok(None),
                Data::Remove => secret::removal(&self.cloud).await,
            }
        };
        let (found, secrets) = Box::pin(try_join(Found::read(&self.cloud), secrets)).await?;
        let site = Site {
            project: deploy::site::nothing_of(&self.project),
            cloud: self.cloud,
            packages: BTreeMap::new(),
            secrets: BTreeMap::new(),
        };
        let mut plan = Plan::of(&site, &found, data)?;
        plan.add(secrets);
        Ok(Prepared { site, found, plan })
    }
}

impl Prepared {
    /// The release that answers before it is done.
    pub fn current_release(&self) -> Option<u32> {
        Releases::of(&self.found.functions).current
    }

    /// Does it, and says what it is doing where there is someone to look at it.
    pub async fn run(&self, quiet: bool) -> Result<Known, Failure> {
        let spinner = Spinner::new("", quiet);
        let tell = |event: deploy::run::Event<'_>| {
            if let deploy::run::Event::Began(step) = event {
                spinner.set(format!(
                    "{} {} {}",
                    step.action.name(),
                    step.kind,
                    step.name
                ));
            }
        };
        Ok(deploy::run::run(&self.plan, &self.site, &tell).await?)
    }
}

async fn packages<'a>(
    global: &Global,
    project_of: impl Fn(&str) -> &'a Project,
    cloud: &Cloud,
    wanted: &[String],
    args: PackagingArgs,
    test: Test,
) -> Result<BTreeMap<String, Package>, Failure> {
    let place = match cloud.target {
        Target::Engine => package::Place::Engine,
        Target::Aws => package::Place::Aws,
    };
    let mut options = packaging::options(global, place)?;
    options.slim |= args.slim;
    options.fresh |= args.fresh;
    options.test = if args.no_test { Test::Never } else { test };
    let builds = wanted.iter().map(|function| {
        let (options, project) = (&options, project_of(function));
        async move {
            let package = package::build(project, function, options).await?;
            Ok::<_, Failure>((function.clone(), package))
        }
    });
    let built: BTreeMap<_, _> = try_join_all(builds).await?.into_iter().collect();
    // It holds what shows how far it is.
    drop(options);
    for (function, package) in built.iter().filter(|_| !global.json) {
        for note in &package.notes {
            output::note(&format!("{function}: {note}"));
        }
    }
    Ok(built)
}

async fn failing<T>(work: impl Future<Output = Result<T, DeployError>>) -> Result<T, Failure> {
    Ok(work.await?)
}

impl From<ProjectError> for Failure {
    fn from(error: ProjectError) -> Self {
        let hint = error.hint();
        hinted(Self::new(Kind::Mistake, error), hint)
    }
}

impl From<PackageError> for Failure {
    fn from(error: PackageError) -> Self {
        let (kind, hint) = (kind_of_package(&error), error.hint());
        hinted(Self::new(kind, error), hint)
    }
}

fn kind_of_package(error: &PackageError) -> Kind {
    match error.blame() {
        Blame::Mistake => Kind::Mistake,
        Blame::Function => Kind::Function,
        Blame::Limit => Kind::Refused,
        Blame::Ours => Kind::Bug,
    }
}

impl From<DeployError> for Failure {
    fn from(error: DeployError) -> Self {
        let (kind, hint) = match &error {
            DeployError::Refused { hint, .. } => (Kind::Mistake, hint.clone()),
            DeployError::Package(error) => (kind_of_package(error), error.hint()),
            DeployError::Read { source, .. } => (kind_of_call(source), source.hint()),
            DeployError::Step { source, .. } => of_step(source),
        };
        hinted(Self::new(kind, error), hint)
    }
}

/// What was done holds; only what refused it may need more than another try.
fn of_step(error: &StepError) -> (Kind, Option<String>) {
    let again = "what was done before holds; squall deploy goes on from there";
    match error {
        StepError::Call(error) => {
            let hint = error.hint().unwrap_or_else(|| again.to_owned());
            (kind_of_call(error), Some(hint))
        }
        StepError::Unready { .. } => (Kind::Refused, Some(again.to_owned())),
        StepError::Raced(_) => {
            let hint = "is another deployment of it under way? Wait for it, and deploy again";
            (Kind::Refused, Some(hint.to_owned()))
        }
        StepError::File { .. } => (Kind::Mistake, Some(again.to_owned())),
        StepError::Answer { .. } | StepError::Order(_) => (Kind::Bug, None),
    }
}

/// A call by hand that was refused, with what the client knows of the way out.
pub fn failed_call(error: ClientError) -> Failure {
    let hint = error.hint();
    hinted(Failure::new(kind_of_call(&error), error), hint)
}

/// A service that fails or is silent is no bug of ours, and a later try may do.
pub fn kind_of_call(error: &ClientError) -> Kind {
    match error {
        ClientError::Api { status, .. } if *status >= 500 || *status == 429 => Kind::Refused,
        ClientError::Api { code, .. } if code.contains("Throttl") => Kind::Refused,
        ClientError::Transport { .. } if error.is_unsure() => Kind::Refused,
        ClientError::Garbled { .. } => Kind::Refused,
        _ => Kind::Mistake,
    }
}

/// Removals have to be meant. Who asks for JSON, or has no terminal, cannot be asked.
pub fn confirm(global: &Global, what: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    let can_answer = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if global.json || !can_answer {
        return Err(
            Failure::mistake(format!("this would remove {what}, and nobody can be asked"))
                .hint("-y says that it is meant"),
        );
    }
    if session::confirmed(&format!("Remove {what}?")) {
        return Ok(());
    }
    Err(Failure::mistake("nothing was changed, as you said"))
}

fn hinted(failure: Failure, hint: Option<String>) -> Failure {
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
