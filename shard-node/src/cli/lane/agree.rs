//! `shard-node lane propose`, `accept` and `withdraw`: both shards agree on what a lane allows.

use super::terms::{self, TermsArgs};
use super::{LANE_TGAS, LaneName, finish, view};
use crate::cli::Output;
use crate::cli::access::{Bridge, BridgeArgs, SignArgs};
use crate::cli::transaction::{Act, call, parse_near};
use anyhow::{Context as _, bail, ensure};
use clap::Args;
use queue::contract::{LaneArgs, LaneProposal, LaneTerms, method};
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `lane propose`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  shard-node lane propose beta --home .local/alpha
  shard-node lane propose beta --home .local/alpha --message-bytes-max 65536 --deadline 10m
  echo '*.alpha pay.beta' > list && shard-node lane propose beta --home .local/alpha --permissions list
  shard-node lane propose beta --shard alpha --near testnet --bridge bridge.alice.testnet --terms terms.json

The shard's owner signs. What the deposit has beyond the offer's price comes back, and the
price when the offer is withdrawn.")]
pub struct ProposeArgs {
    #[command(flatten)]
    lane: LaneName,
    #[command(flatten)]
    terms: TermsArgs,
    /// What is attached, in NEAR
    #[arg(long, value_name = "NEAR", value_parser = parse_near, default_value = "0.1")]
    deposit: u128,
    #[command(flatten)]
    bridge: BridgeArgs,
    #[command(flatten)]
    sign: SignArgs,
}

/// Arguments of `lane accept`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  shard-node lane show alpha --home .local/beta --offer > terms.json
  shard-node lane accept alpha --home .local/beta --terms terms.json

Exactly these terms are accepted: should the peer have changed its offer meanwhile, nothing
happens. The shard's owner signs.")]
pub struct AcceptArgs {
    #[command(flatten)]
    lane: LaneName,
    /// The terms that are agreed to, as `lane show --offer` prints them
    #[arg(long, value_name = "FILE")]
    terms: Option<PathBuf>,
    /// What is attached, in NEAR
    #[arg(long, value_name = "NEAR", value_parser = parse_near, default_value = "0.1")]
    deposit: u128,
    #[command(flatten)]
    bridge: BridgeArgs,
    #[command(flatten)]
    sign: SignArgs,
}

/// Arguments of `lane withdraw`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  shard-node lane withdraw beta --home .local/alpha")]
pub struct WithdrawArgs {
    #[command(flatten)]
    lane: LaneName,
    #[command(flatten)]
    bridge: BridgeArgs,
    #[command(flatten)]
    sign: SignArgs,
}

pub(super) async fn propose(args: ProposeArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let bridge = args.bridge.open().await?;
    let lane = args.lane.resolve(&bridge)?;
    let present = view(&bridge, &lane).await?.and_then(|view| view.proposed.or(view.terms));
    let terms = args.terms.terms(present)?;
    let what = format!("offer {} a lane with {}: {}", lane.peer, lane.shard, terms::text(&terms));
    let signer = args.sign.account(Some(&bridge.shard(&lane.shard).await?.owner))?;
    let action = call(method::PROPOSE_LANE, &proposal(&lane, terms), LANE_TGAS, args.deposit)?;
    perform(Act::call(what, &bridge, signer, action), &bridge, &lane, &args.sign, output).await
}

pub(super) async fn accept(args: AcceptArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let bridge = args.bridge.open().await?;
    let lane = args.lane.resolve(&bridge)?;
    let offered = view(&bridge, &lane).await?.and_then(|view| view.proposed_by_peer);
    let offered = offered.with_context(|| format!("{} offers {} nothing", lane.peer, lane.shard))?;
    let Some(path) = &args.terms else {
        bail!(
            "{} offers {}\nnothing was signed: to agree to exactly this, keep it with `lane show {} --offer > \
             terms.json`, and give it with --terms",
            lane.peer,
            terms::text(&offered),
            lane.peer
        );
    };
    let terms = terms::read(path)?;
    ensure!(terms == offered, "{} offers other terms than {}: {}", lane.peer, path.display(), terms::text(&offered));
    let what = format!("accept what {} offers {}: {}", lane.peer, lane.shard, terms::text(&terms));
    let signer = args.sign.account(Some(&bridge.shard(&lane.shard).await?.owner))?;
    let action = call(method::ACCEPT_LANE, &proposal(&lane, terms), LANE_TGAS, args.deposit)?;
    perform(Act::call(what, &bridge, signer, action), &bridge, &lane, &args.sign, output).await
}

fn proposal(lane: &LaneArgs, terms: LaneTerms) -> LaneProposal {
    LaneProposal { shard: lane.shard.clone(), peer: lane.peer.clone(), terms }
}

/// Signs and sends, and shows the lane that came of it.
async fn perform(
    act: Act,
    bridge: &Bridge,
    lane: &LaneArgs,
    sign: &SignArgs,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let Some(transaction) = act.perform(bridge, sign, output).await? else { return Ok(ExitCode::SUCCESS) };
    finish(bridge, lane, &format!("transaction {transaction}"), output).await
}

pub(super) async fn withdraw(args: WithdrawArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let bridge = args.bridge.open().await?;
    let lane = args.lane.resolve(&bridge)?;
    let signer = args.sign.account(Some(&bridge.shard(&lane.shard).await?.owner))?;
    let action = call(method::WITHDRAW_PROPOSAL, &lane, LANE_TGAS, 0)?;
    let what = format!("take back what {} offers {}", lane.shard, lane.peer);
    perform(Act::call(what, &bridge, signer, action), &bridge, &lane, &args.sign, output).await
}
