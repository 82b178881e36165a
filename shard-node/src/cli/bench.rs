//! `shard-node bench`: measures this machine.

use super::Output;
use super::run::StopSignals;
use crate::bench::{self, Group, Options};
use anyhow::{Context as _, anyhow};
use clap::{Args, ValueEnum as _};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long killed processes may take to end.
const REMOVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Pause before the folder is removed again.
const REMOVE_PAUSE: Duration = Duration::from_millis(20);

/// Arguments of `bench`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  shard-node bench\n  shard-node bench --rows stages,256 --runs 1\n  shard-node bench --json > figures.json"
)]
pub struct BenchArgs {
    /// Rows to measure [default: all]; those that they are compared with are measured too
    #[arg(long, value_name = "ROWS", value_enum, value_delimiter = ',')]
    rows: Vec<Group>,
    /// How often each row is measured: the median counts
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// Messages of 256 B in each run
    #[arg(long, value_name = "N", default_value_t = 3_000_000, value_parser = clap::value_parser!(u64).range(100_000..=1_000_000_000))]
    messages: u64,
    /// Messages in a long queue; each takes about 700 bytes of disk
    #[arg(long, value_name = "N", default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(100_000..=1_000_000_000))]
    queued: u64,
    /// Folder on the disk to measure, for homes and messages; everything in it is removed again
    #[arg(long, value_name = "DIR", default_value_os_t = std::env::temp_dir())]
    folder: PathBuf,
}

pub(super) async fn run(args: BenchArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let stop = StopSignals::listen()?;
    let mut builder = tempfile::Builder::new();
    let folder = builder.prefix("shard-bridge-bench-").tempdir_in(&args.folder);
    let folder = folder.with_context(|| format!("making a folder in {}", args.folder.display()))?;
    let groups = if args.rows.is_empty() { Group::value_variants().to_vec() } else { args.rows };
    let options = Options {
        groups: groups.into_iter().collect(),
        runs: usize::try_from(args.runs)?,
        messages: args.messages,
        queued: args.queued,
    };
    // Whichever way this ends, the processes are killed with their handles.
    let measured = tokio::select! {
        report = bench::run(&options, folder.path(), output) => report,
        () = stop.received() => Err(anyhow!("interrupted: everything was stopped")),
    };
    remove(folder).await?;
    let report = measured?;
    output.finish(&report.table(), &report);
    Ok(ExitCode::SUCCESS)
}

/// Removes the folder, also while killed processes still write their last.
async fn remove(folder: TempDir) -> anyhow::Result<()> {
    let path = folder.keep();
    let started = Instant::now();
    loop {
        match std::fs::remove_dir_all(&path) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) if started.elapsed() > REMOVE_TIMEOUT => {
                return Err(error).with_context(|| format!("removing {}", path.display()));
            }
            Err(_) => tokio::time::sleep(REMOVE_PAUSE).await,
        }
    }
}
