//! `shard-node lane`: what two shards agree upon, and what an operator does to a lane.

mod agree;
mod incarnations;
mod list;
mod stop;
mod terms;
mod unfreeze;

pub(super) use terms::text as terms_text;

use super::Output;
use super::access::Bridge;
use anyhow::Context as _;
use clap::{Args, Subcommand};
use queue::contract::{LaneArgs as ContractLaneArgs, LaneView, method};
use queue::ids::ShardId;
use std::process::ExitCode;

/// Gas for a call about a lane, which reads and writes a few records, in Tgas.
const LANE_TGAS: u64 = 30;

/// Arguments of `lane`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  shard-node lane propose beta --home .local/alpha
  shard-node lane accept alpha --home .local/beta --terms terms.json
  shard-node lane stop beta --home .local/alpha
  shard-node lane unfreeze --home .local/beta --lane alpha

A lane is stopped by the owner of either shard and resumed by the same, in the contract:
requests wait, results flow. It is frozen by a node that has seen a signed contradiction, and
unfrozen by its operator.")]
pub struct LaneArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List a shard's lanes and offers
    List(list::ListArgs),
    /// Show a lane, or what the peer offers
    Show(list::ShowArgs),
    /// Offer a lane to another shard, or other terms for an open one
    Propose(Box<agree::ProposeArgs>),
    /// Agree to what the other shard offers
    Accept(agree::AcceptArgs),
    /// Take an offer back
    Withdraw(agree::WithdrawArgs),
    /// Stop requests of a lane, for both shards' nodes to see; results flow on
    Stop(stop::StopArgs),
    /// Let requests flow again that this shard has stopped
    Resume(stop::StopArgs),
    /// Take back a freeze of this node, after looking at `shard-node evidence`; the evidence is kept
    Unfreeze(unfreeze::UnfreezeArgs),
    /// Go on with a peer that lost its data and began anew: empty lanes begin
    AcceptIncarnation(incarnations::AcceptArgs),
    /// List the requests to a peer that began anew of which it is unknown what became
    Unsettled(incarnations::UnsettledArgs),
    /// Settle such requests by what was found out
    Settle(incarnations::SettleArgs),
}

pub(super) async fn run(args: LaneArgs, output: &Output) -> anyhow::Result<ExitCode> {
    match args.action {
        Action::List(args) => list::list(args, output).await,
        Action::Show(args) => list::show(args, output).await,
        Action::Propose(args) => agree::propose(*args, output).await,
        Action::Accept(args) => agree::accept(args, output).await,
        Action::Withdraw(args) => agree::withdraw(args, output).await,
        Action::Stop(args) => stop::stop(args, output).await,
        Action::Resume(args) => stop::resume(args, output).await,
        Action::Unfreeze(args) => unfreeze::run(args, output).await,
        Action::AcceptIncarnation(args) => incarnations::accept(args, output).await,
        Action::Unsettled(args) => incarnations::unsettled(args, output).await,
        Action::Settle(args) => incarnations::settle(args, output).await,
    }
}

/// Which lane, seen from which shard.
#[derive(Debug, Args)]
pub(super) struct LaneName {
    /// The shard at the other end
    #[arg(value_name = "PEER")]
    peer: ShardId,
    /// The shard that speaks [default: that of the home]
    #[arg(long, value_name = "SHARD")]
    shard: Option<ShardId>,
}

impl LaneName {
    /// Both ends.
    fn resolve(self, bridge: &Bridge) -> anyhow::Result<ContractLaneArgs> {
        Ok(ContractLaneArgs { shard: own_shard(self.shard, bridge)?, peer: self.peer })
    }
}

/// The shard that is named, or the home's.
fn own_shard(named: Option<ShardId>, bridge: &Bridge) -> anyhow::Result<ShardId> {
    let of_home = bridge.home.as_ref().map(|(_, config)| config.shard.clone());
    named.or(of_home).context("which shard speaks? name it with --shard, or give a --home")
}

/// A lane at `final`, if there is one or an offer of one.
async fn view(bridge: &Bridge, lane: &ContractLaneArgs) -> anyhow::Result<Option<LaneView>> {
    Ok(bridge.client.view(method::LANE, lane).await?)
}

/// Prints a lane as it stands after a transaction.
async fn finish(bridge: &Bridge, lane: &ContractLaneArgs, what: &str, output: &Output) -> anyhow::Result<ExitCode> {
    let view = view(bridge, lane).await?;
    let text = view.as_ref().map_or_else(|| "there is no lane and no offer of one".to_owned(), list::text);
    output.finish(&format!("{what}\n{text}"), &view);
    Ok(ExitCode::SUCCESS)
}
