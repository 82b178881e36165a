//! `shard-node bench-part`: a process of `bench`.

use super::Output;
use super::run::StopSignals;
use crate::bench::part::{self, Part};
use clap::Args;
use std::process::ExitCode;

/// Arguments of `bench-part`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shard-node bench-part stages --folder /tmp/stages --size 256")]
pub struct BenchPartArgs {
    #[command(subcommand)]
    part: Part,
}

pub(super) async fn run(args: BenchPartArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let stop = StopSignals::listen()?;
    part::run(args.part, output, stop.received()).await?;
    Ok(ExitCode::SUCCESS)
}
