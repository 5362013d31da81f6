//! `cargo xtask fuzz TARGET... [--seconds N] [--seed N]`: changes valid input at random
//! and looks whether what reads it keeps its promises: no panic, no stack that ends,
//! memory and time within bounds, and what each target checks besides.
//!
//! Nothing here measures which code was reached. Instead, changed input that was still
//! accepted joins the pool, so that changes add up.

mod mutate;
mod targets;

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use peak_alloc::PeakAlloc;

use mutate::Random;
use targets::{TARGETS, Target};

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// What one input may take. A machine that is busy is slow, an endless loop is slower.
const LONGEST: Duration = Duration::from_secs(20);
/// As threads of the server have it.
const STACK: usize = 2 << 20;
/// Accepted input that is kept beside the seeds.
const MOST_KEPT: usize = 4000;
const LARGEST: usize = 128 << 10;
/// After so many, more would be the same again.
const MOST_FINDINGS: usize = 20;

#[derive(Debug)]
struct Options {
    targets: Vec<&'static Target>,
    seconds: u64,
    seed: u64,
}

/// False if there was a finding.
pub fn run(arguments: &[String]) -> Result<bool> {
    let options = options(arguments)?;
    let mut clean = true;
    for target in &options.targets {
        clean &= fuzz(target, &options)?;
    }
    Ok(clean)
}

fn options(arguments: &[String]) -> Result<Options> {
    let mut options = Options {
        targets: vec![],
        seconds: 60,
        seed: 1,
    };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut number = || -> Result<u64> {
            let value = rest.next().context("a number should follow")?;
            Ok(value.parse()?)
        };
        match argument.as_str() {
            "--seconds" => options.seconds = number()?,
            "--seed" => options.seed = number()?,
            name => {
                let known = TARGETS.iter().find(|target| target.name == name);
                let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
                match known {
                    Some(target) => options.targets.push(target),
                    None => bail!("{name} is no target: {}", names.join(", ")),
                }
            }
        }
    }
    if options.targets.is_empty() {
        options.targets = TARGETS.iter().collect();
    }
    Ok(options)
}

/// What the watch sees: the input that is being read, and since when.
#[derive(Debug, Default)]
struct Watched {
    input: Mutex<Vec<u8>>,
    /// Milliseconds since the start; 0 between inputs.
    since: AtomicU64,
}

fn fuzz(target: &'static Target, options: &Options) -> Result<bool> {
    let folder = crate::root().join("target/fuzzed").join(target.name);
    fs::create_dir_all(&folder)?;
    let seeds = (target.seeds)(&folder).with_context(|| format!("the seeds of {}", target.name))?;
    println!("{}: {} seeds", target.name, seeds.len());
    let watched = Arc::new(Watched::default());
    let start = Instant::now();
    watch(&watched, start, folder.join("too-slow"));
    let campaign = Campaign {
        target,
        last: fs::File::create(folder.join("last"))?,
        folder,
        random: Random::new(options.seed),
        until: start + Duration::from_secs(options.seconds),
        start,
        watched,
        findings: HashSet::new(),
        seeds: seeds.len(),
        pool: seeds,
        inputs: 0,
        accepted: 0,
        peak: 0,
        slowest: Duration::ZERO,
    };
    let thread = std::thread::Builder::new().stack_size(STACK);
    let done = thread.spawn(move || campaign.run())?.join();
    done.map_err(|_| anyhow::anyhow!("the fuzzer itself failed"))?
}

/// Ends the process where an input takes too long: there is no other way out of a loop.
fn watch(watched: &Arc<Watched>, start: Instant, file: PathBuf) {
    let watched = Arc::downgrade(watched);
    std::thread::spawn(move || {
        while let Some(watched) = watched.upgrade() {
            let since = watched.since.load(Ordering::Relaxed);
            let now = start.elapsed();
            if since > 0 && now > Duration::from_millis(since) + LONGEST {
                let input = watched.input.lock().map(|input| input.clone());
                let _ = fs::write(&file, input.unwrap_or_default());
                eprintln!("an input took too long: {}", file.display());
                std::process::exit(1);
            }
            drop(watched);
            std::thread::sleep(Duration::from_millis(500));
        }
    });
}

#[derive(Debug)]
struct Campaign {
    target: &'static Target,
    folder: PathBuf,
    last: fs::File,
    random: Random,
    until: Instant,
    start: Instant,
    watched: Arc<Watched>,
    findings: HashSet<String>,
    seeds: usize,
    pool: Vec<Vec<u8>>,
    inputs: u64,
    accepted: u64,
    peak: usize,
    slowest: Duration,
}

impl Campaign {
    fn run(mut self) -> Result<bool> {
        // Panics are findings; they are shown once, as such.
        std::panic::set_hook(Box::new(|_| {}));
        for seed in 0..self.seeds {
            let input = self.pool[seed].clone();
            if !self.one(&input)? {
                self.found(&input, "a seed is not accepted")?;
            }
        }
        while Instant::now() < self.until && self.findings.len() < MOST_FINDINGS {
            let first = self.random.of(&self.pool).clone();
            let second = self.random.below(self.pool.len());
            let mut input = first;
            mutate::change(&mut input, &self.pool[second], &mut self.random);
            input.truncate(LARGEST);
            let input = if self.target.packs && self.random.below(8) == 0 {
                mutate::packed(&input, &mut self.random)
            } else {
                input
            };
            if self.one(&input)? {
                self.accepted += 1;
                self.keep(input);
            }
        }
        let _ = std::panic::take_hook();
        println!(
            "{}: {} inputs in {} s, {} accepted; at most {} MB and {} ms for one; {} findings",
            self.target.name,
            self.inputs,
            self.start.elapsed().as_secs(),
            self.accepted,
            self.peak >> 20,
            self.slowest.as_millis(),
            self.findings.len(),
        );
        Ok(self.findings.is_empty())
    }

    /// Whether it is accepted.
    fn one(&mut self, input: &[u8]) -> Result<bool> {
        // A stack that ends takes the process with it: then this is what is left.
        self.last.write_all_at(input, 0)?;
        self.last.set_len(input.len() as u64)?;
        if let Ok(mut watched) = self.watched.input.lock() {
            watched.clear();
            watched.extend_from_slice(input);
        }
        let began = self.start.elapsed();
        let milliseconds = u64::try_from(began.as_millis()).unwrap_or(u64::MAX).max(1);
        self.watched.since.store(milliseconds, Ordering::Relaxed);

        let before = ALLOCATED.current_usage();
        ALLOCATED.reset_peak_usage();
        let done = catch_unwind(AssertUnwindSafe(|| (self.target.check)(input)));
        let taken = ALLOCATED.peak_usage().saturating_sub(before);

        self.watched.since.store(0, Ordering::Relaxed);
        self.inputs += 1;
        self.peak = self.peak.max(taken);
        let time = self.start.elapsed().saturating_sub(began);
        if time > self.slowest {
            self.slowest = time;
            fs::write(self.folder.join("slowest"), input)?;
        }
        if taken > self.target.memory {
            self.found(input, &format!("it takes {} MB", taken >> 20))?;
        }
        match done {
            Ok(Ok(accepted)) => Ok(accepted),
            Ok(Err(finding)) => {
                self.found(input, &finding)?;
                Ok(false)
            }
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or(panic.downcast_ref::<&str>().copied());
                self.found(input, &format!("panic: {}", text.unwrap_or("")))?;
                Ok(false)
            }
        }
    }

    fn found(&mut self, input: &[u8], finding: &str) -> Result<()> {
        // Numbers in it are of this input: the same finding again is none.
        let kind: String = finding
            .chars()
            .filter(|c| !c.is_ascii_digit())
            .take(80)
            .collect();
        if !self.findings.insert(kind) {
            return Ok(());
        }
        let file = self.folder.join(format!("finding-{}", self.findings.len()));
        fs::write(&file, input)?;
        println!("{}: {finding:.500}: {}", self.target.name, file.display());
        Ok(())
    }

    /// Puts accepted input into the pool, in the place of another if it is full; the
    /// seeds stay.
    fn keep(&mut self, input: Vec<u8>) {
        if self.pool.len() < self.seeds + MOST_KEPT {
            return self.pool.push(input);
        }
        let place = self.seeds + self.random.below(MOST_KEPT);
        self.pool[place] = input;
    }
}
