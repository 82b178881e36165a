//! `shard-node lane list` and `show`: lanes as the contract knows them.

use super::{LaneName, own_shard, terms, view};
use crate::cli::Output;
use crate::cli::access::BridgeArgs;
use anyhow::Context as _;
use clap::Args;
use queue::contract::{LaneStatus, LaneStops, LaneView};
use queue::ids::ShardId;
use std::process::ExitCode;

/// Arguments of `lane list`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  shard-node lane list --home .local/alpha
  shard-node lane list alpha --near testnet --bridge bridge.alice.testnet")]
pub struct ListArgs {
    /// Whose lanes [default: those of the home's shard]
    #[arg(value_name = "SHARD")]
    shard: Option<ShardId>,
    #[command(flatten)]
    bridge: BridgeArgs,
}

/// Arguments of `lane show`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  shard-node lane show beta --home .local/alpha
  shard-node lane show alpha --home .local/beta --offer > terms.json")]
pub struct ShowArgs {
    #[command(flatten)]
    lane: LaneName,
    /// Print the terms that the peer offers as a file, for `lane accept`
    #[arg(long)]
    offer: bool,
    #[command(flatten)]
    bridge: BridgeArgs,
}

pub(super) async fn list(args: ListArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let bridge = args.bridge.open().await?;
    let shard = own_shard(args.shard, &bridge)?;
    let lanes = bridge.client.lanes(&shard).await?;
    let lines: Vec<String> = lanes.iter().map(text).collect();
    let human = if lines.is_empty() {
        format!("{shard} has no lanes and offers none; what a peer offers it is told by `lane show PEER`")
    } else {
        lines.join("\n")
    };
    output.finish(&human, &lanes);
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn show(args: ShowArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let bridge = args.bridge.open().await?;
    let lane = args.lane.resolve(&bridge)?;
    let found = view(&bridge, &lane).await?;
    let found = found.with_context(|| format!("{} and {} have no lane, and no offer of one", lane.shard, lane.peer))?;
    if args.offer {
        let offered = found.proposed_by_peer.with_context(|| format!("{} offers nothing", lane.peer))?;
        output.finish(&serde_json::to_string_pretty(&offered)?, &offered);
    } else {
        output.finish(&text(&found), &found);
    }
    Ok(ExitCode::SUCCESS)
}

/// A lane for people.
pub(super) fn text(view: &LaneView) -> String {
    let LaneView { shard, peer, status, stops, peer_stops, .. } = view;
    let status = match status {
        LaneStatus::Proposed => "proposed",
        LaneStatus::Open => "open",
        LaneStatus::Frozen => "frozen",
    };
    let mut text = format!("lane {shard} ↔ {peer}: {status}");
    for (what, terms) in [
        ("terms", &view.terms),
        (&*format!("{shard} offers"), &view.proposed),
        (&*format!("{peer} offers"), &view.proposed_by_peer),
    ] {
        if let Some(terms) = terms {
            text.push_str(&format!("\n  {what}: {}", terms::text(terms)));
        }
    }
    for (who, other, LaneStops { inbound, outbound, .. }) in [(shard, peer, stops), (peer, shard, peer_stops)] {
        if *inbound {
            text.push_str(&format!("\n  {who} has stopped requests from {other}"));
        }
        if *outbound {
            text.push_str(&format!("\n  {who} has stopped its requests to {other}"));
        }
    }
    text
}
