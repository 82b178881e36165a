//! `shard-node bridge`: deploys the bridge contract and looks at it.

mod deploy;
mod init;
mod status;
mod trust;

use super::Output;
use clap::{Args, Subcommand};
use std::process::ExitCode;

/// Arguments of `bridge`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  shard-node bridge status --home .local/alpha
  shard-node bridge deploy --help
  shard-node bridge trust --near testnet --bridge bridge.alice.testnet > trust.json")]
pub struct BridgeCommandArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Deploy the contract and initialise it, in one transaction
    Deploy(Box<deploy::DeployArgs>),
    /// Initialise deployed code, or have it fetch the signer's keys; may be repeated
    Init(init::InitArgs),
    /// Show code, keys, roles, what is paused, and what to worry about
    Status(status::StatusArgs),
    /// Print the trust root, for pinning
    Trust(trust::TrustArgs),
}

pub(super) async fn run(args: BridgeCommandArgs, output: &Output) -> anyhow::Result<ExitCode> {
    match args.action {
        Action::Deploy(args) => deploy::run(*args, output).await,
        Action::Init(args) => init::run(args, output).await,
        Action::Status(args) => status::run(args, output).await,
        Action::Trust(args) => trust::run(args, output).await,
    }
}
