//! What is measured in which order: every row once, then every row again, so that a noisy hour
//! hits all of them alike.

use super::child::Pinning;
use super::figures::Figures;
use super::report::Report;
use crate::cli::Output;
use anyhow::Context as _;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Rows that are measured together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Group {
    /// Each stage alone, and the limit that follows
    Stages,
    /// Payloads of 256 B, sustained
    #[value(name = "256")]
    Small,
    /// Payloads of 1 KiB, sustained
    #[value(name = "1k")]
    Large,
    /// A signer that takes 1 s and 10 s
    Delay,
    /// One message at a time
    Latency,
    /// Another process that sends through the local API
    Ingest,
    /// A long queue: memory, opening, throughput, proofs
    Queued,
    /// 100 lanes
    Lanes,
    /// NATS JetStream, if a nats-server is in the PATH
    Nats,
}

/// What to measure.
#[derive(Debug, Clone)]
pub struct Options {
    /// The rows; those that they are compared with are measured too.
    pub groups: BTreeSet<Group>,
    /// How often.
    pub runs: usize,
    /// Messages of 256 B in one run.
    pub messages: u64,
    /// Messages in a long queue.
    pub queued: u64,
}

/// Measures in `root`, an empty folder of its own on the disk to measure.
///
/// # Errors
/// A process fails.
pub async fn run(options: &Options, root: &Path, output: &Output) -> anyhow::Result<Report> {
    let program = std::env::current_exe().context("finding this program")?;
    let pinning = Pinning::find().await;
    let mut bench = Bench { options, program, root, pinning, figures: Figures::default(), run: 0, output };
    let mut groups = options.groups.clone();
    if [Group::Delay, Group::Queued, Group::Nats].iter().any(|group| groups.contains(group)) {
        groups.insert(Group::Small);
    }
    for run in 1..=options.runs {
        bench.run = run;
        for group in &groups {
            bench.measure(*group).await.with_context(|| format!("run {run}, {group:?}"))?;
        }
    }
    Ok(Report::new(&bench.figures, pinning, options.runs))
}

/// A measurement in progress. The rows are in `rows` and `rows/*`.
pub(super) struct Bench<'a> {
    pub(super) options: &'a Options,
    pub(super) program: PathBuf,
    root: &'a Path,
    pub(super) pinning: Pinning,
    pub(super) figures: Figures,
    /// Counted from 1.
    pub(super) run: usize,
    output: &'a Output,
}

impl Bench<'_> {
    async fn measure(&mut self, group: Group) -> anyhow::Result<()> {
        match group {
            Group::Stages => self.stages().await,
            Group::Small => self.small().await,
            Group::Large => self.large().await,
            Group::Delay => self.delayed().await,
            Group::Latency => self.latency().await,
            Group::Ingest => self.ingest().await,
            Group::Queued => self.queued().await,
            Group::Lanes => self.lanes().await,
            Group::Nats => self.nats().await,
        }
    }

    pub(super) fn step(&self, text: &str) {
        self.output.step(format!("run {} of {}: {text}", self.run, self.options.runs));
    }

    /// A folder that goes with what it returns.
    pub(super) fn folder(&self) -> anyhow::Result<tempfile::TempDir> {
        tempfile::tempdir_in(self.root).context("making a folder for a run")
    }
}
