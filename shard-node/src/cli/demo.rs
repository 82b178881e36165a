//! `shard-node demo`: a whole bridge on this machine.

use super::Output;
use crate::demo::ledger::PAYLOAD_BYTES_MIN;
use crate::demo::{self, Options};
use anyhow::{Context as _, bail};
use clap::Args;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Largest payload of the demo, in bytes: a message of 4 MiB less what stands around the payload.
const PAYLOAD_BYTES_MAX: u64 = 4 * 1024 * 1024 - 1024;

/// Arguments of `demo`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  shard-node demo\n  shard-node demo --messages 10000 --size 256 --signer-delay-ms 0 --json"
)]
pub struct DemoArgs {
    /// Messages each way
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(2..=10_000_000))]
    messages: u64,
    /// Bytes of each message's payload
    #[arg(long, value_name = "BYTES", default_value_t = 256, value_parser = clap::value_parser!(u64).range(PAYLOAD_BYTES_MIN as u64..=PAYLOAD_BYTES_MAX))]
    size: u64,
    /// How long the embedded signer takes for a signature
    #[arg(long, value_name = "MS", default_value_t = 3_000, value_parser = clap::value_parser!(u64).range(..=60_000))]
    signer_delay_ms: u64,
    /// Fail if it takes longer
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    timeout: u64,
}

pub(super) async fn run(args: DemoArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let folder =
        tempfile::Builder::new().prefix("shard-bridge-demo-").tempdir().context("making a folder for the demo")?;
    let options =
        Options { messages: args.messages, size: usize::try_from(args.size)?, signer_delay_ms: args.signer_delay_ms };
    // Whichever way this ends, the processes end with their handles, and the folder with its own.
    let report = tokio::select! {
        report = demo::run(&options, folder.path(), output) => report?,
        () = tokio::time::sleep(Duration::from_secs(args.timeout)) => {
            bail!("the demo took longer than {} s: see --timeout", args.timeout)
        }
        _ = interrupt.recv() => bail!("interrupted: everything was stopped"),
        _ = terminate.recv() => bail!("asked to stop: everything was stopped"),
    };
    output.finish(&report.summary(), &report);
    Ok(ExitCode::SUCCESS)
}
