//! `shard-node shard`: registers shards, and what becomes of them.

mod activate;
mod balance;
mod endorsements;
mod life;
mod list;
mod recover;
mod rekey;
mod reserve;
mod rotate;
mod show;
mod transport;

pub(super) use reserve::parse_curve;
pub(super) use show::status;

use super::Output;
use super::access::Bridge;
use anyhow::Context as _;
use clap::{Args, Subcommand};
use queue::ids::ShardId;
use std::process::ExitCode;

/// Gas for a call that reads and writes a few records, in Tgas.
const RECORDS_TGAS: u64 = 30;

/// Arguments of `shard`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  shard-node shard list --near testnet --bridge bridge.alice.testnet
  shard-node shard show --home .local/alpha
  shard-node shard pause --home .local/alpha
  shard-node shard retire --home .local/alpha --yes")]
pub struct ShardArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List all shards of the bridge
    List(list::ListArgs),
    /// Show a shard: its owner, members, keys, tip
    Show(show::ShowArgs),
    /// Take a name for a shard; `init` does it for a home
    Reserve(Box<reserve::ReserveArgs>),
    /// Have the contract fetch the derived key of the newest key epoch; may be repeated
    Activate(activate::ActivateArgs),
    /// Give up a name that never became active, and take its price back
    Lapse(life::FinalArgs),
    /// Add to what is left for the signer's deposits
    TopUp(balance::TopUpArgs),
    /// Take from what is left for the signer's deposits
    Withdraw(balance::WithdrawArgs),
    /// Replace TLS keys and addresses of the shard's nodes
    SetTransport(transport::SetTransportArgs),
    /// Replace the members: at once by their agreement, or by the owner after a delay
    Rotate(Box<rotate::RotateArgs>),
    /// Open a key epoch: the next checkpoint is signed with another key
    Rekey(rekey::RekeyArgs),
    /// Begin a shard anew whose data are lost
    Recover(recover::RecoverArgs),
    /// Record no new checkpoint until resumed
    Pause(life::LifeArgs),
    /// End a pause
    Resume(life::LifeArgs),
    /// Never attest again: what was attested last is final
    Retire(life::FinalArgs),
}

pub(super) async fn run(args: ShardArgs, output: &Output) -> anyhow::Result<ExitCode> {
    match args.action {
        Action::List(args) => list::run(args, output).await,
        Action::Show(args) => show::run(args, output).await,
        Action::Reserve(args) => reserve::run(*args, output).await,
        Action::Activate(args) => activate::run(args, output).await,
        Action::Lapse(args) => life::lapse(args, output).await,
        Action::TopUp(args) => balance::top_up(args, output).await,
        Action::Withdraw(args) => balance::withdraw(args, output).await,
        Action::SetTransport(args) => transport::run(args, output).await,
        Action::Rotate(args) => rotate::run(*args, output).await,
        Action::Rekey(args) => rekey::run(args, output).await,
        Action::Recover(args) => recover::run(args, output).await,
        Action::Pause(args) => life::pause(args, output).await,
        Action::Resume(args) => life::resume(args, output).await,
        Action::Retire(args) => life::retire(args, output).await,
    }
}

/// Which shard.
#[derive(Debug, Args)]
pub(super) struct ShardName {
    /// The shard [default: that of the home]
    #[arg(value_name = "SHARD")]
    shard: Option<ShardId>,
}

impl ShardName {
    /// The shard that is named, or the home's.
    pub(super) fn or_home(&self, bridge: &Bridge) -> anyhow::Result<ShardId> {
        let of_home = bridge.home.as_ref().map(|(_, config)| config.shard.clone());
        self.shard.clone().or(of_home).context("which shard? name it, or give a --home")
    }
}

/// Prints a shard as it stands after a transaction.
async fn finish(bridge: &Bridge, shard: &ShardId, what: &str, output: &Output) -> anyhow::Result<ExitCode> {
    let view = bridge.shard(shard).await?;
    output.finish(&format!("{what}\n{}", show::text(&view)?), &view);
    Ok(ExitCode::SUCCESS)
}
