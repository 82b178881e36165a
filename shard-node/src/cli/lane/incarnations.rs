//! `shard-node lane accept-incarnation`, `unsettled` and `settle`: what an operator does about a peer
//! that lost its data.

use crate::api::types::SettleRequest;
use crate::cli::Output;
use crate::client::Client;
use crate::home::Home;
use anyhow::{Context as _, bail, ensure};
use clap::{Args, ValueEnum};
use queue::engine::{AcceptedIncarnation, Ruling, Status, Unsettled, UnsettledMessage};
use queue::ids::ShardId;
use serde_json::json;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;

/// Requests in one call of the local API, its limit.
const RULED_MAX: usize = 1_000;

/// Most nonces that one command settles: what a person can mean.
const NONCES_MAX: u64 = 1_000_000;

/// Arguments of `lane accept-incarnation`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  shard-node lane accept-incarnation beta --home .local/alpha --yes

The peer lost its data, and its owner opened another incarnation in the bridge contract. Once this is
accepted, the lanes with the one before are over: what was received stays readable, nothing is sent again
by itself, and empty lanes begin. Without --yes it is only shown what would follow.")]
pub struct AcceptArgs {
    /// The shard that began anew
    #[arg(value_name = "PEER")]
    peer: ShardId,
    /// The home of the node, which must be running
    #[arg(long, value_name = "DIR")]
    home: PathBuf,
    /// Accept it: without this, nothing changes
    #[arg(long)]
    yes: bool,
}

/// Which lanes that are over.
#[derive(Debug, Args)]
struct PastLaneArgs {
    /// The shard that began anew
    #[arg(value_name = "PEER")]
    peer: ShardId,
    /// The home of the node, which must be running
    #[arg(long, value_name = "DIR")]
    home: PathBuf,
    /// The peer's incarnation that is over [default: the newest of those]
    #[arg(long, value_name = "NUMBER")]
    incarnation: Option<u32>,
}

/// Arguments of `lane unsettled`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  shard-node lane unsettled beta --home .local/alpha

Lists the requests to a peer that began anew of which it is unknown what became: it may have run them, and
passed their effects on. Ask its operator and those whom it concerns, then `lane settle`.")]
pub struct UnsettledArgs {
    #[command(flatten)]
    lane: PastLaneArgs,
}

/// Arguments of `lane settle`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  shard-node lane settle beta 7 9 --as failed --home .local/alpha
  shard-node lane settle beta 10..250 --as succeeded --home .local/alpha

Failed means that it did not happen; of data, that it was not taken. A request is settled once, for good.")]
pub struct SettleArgs {
    #[command(flatten)]
    lane: PastLaneArgs,
    /// Nonces of the requests, or ranges of them without their end
    #[arg(value_name = "NONCE|FROM..END", required = true, value_parser = parse_nonces)]
    nonces: Vec<Range<u64>>,
    /// What became of them
    #[arg(long = "as", value_enum, value_name = "OUTCOME")]
    outcome: RulingChoice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RulingChoice {
    /// They did not happen
    Failed,
    /// They happened
    Succeeded,
}

pub(super) async fn accept(args: AcceptArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let client = Client::of_home(&Home::at(args.home))?;
    let status = client.status().await?.engine;
    let lane = status.outbound.iter().find(|lane| lane.peer == args.peer);
    let lane = lane.with_context(|| format!("there is no lane with {}: `shard-node status` lists them", args.peer))?;
    let (peer, past) = (&args.peer, lane.peer_incarnation);
    let Some(incarnation) = lane.awaits_incarnation else {
        bail!("shard {peer} is in incarnation {past}, as its lanes are here: there is nothing to accept");
    };
    ensure!(
        args.yes,
        "shard {peer} lost its data and began incarnation {incarnation}; its lanes here are of {past}.\n\
         Of {} messages to it {} are settled. If this is accepted, what it never received is settled so where \
         that can be known, the rest is listed by `shard-node lane unsettled {peer}`, and empty lanes begin.\n\
         Nothing was changed: to accept it, say so with --yes",
        lane.accepted,
        lane.settled
    );
    let accepted = client.accept_incarnation(peer, incarnation).await?;
    output.finish(&accepted_text(&accepted), &accepted);
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn unsettled(args: UnsettledArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let client = Client::of_home(&Home::at(&args.lane.home))?;
    let (peer, incarnation) = (&args.lane.peer, args.lane.incarnation(&client).await?);
    let mut all = Unsettled { peer: peer.clone(), incarnation, messages: Vec::new(), next_nonce: Some(0) };
    while let Some(from) = all.next_nonce {
        let part = client.unsettled(peer, incarnation, from).await?;
        all.messages.extend(part.messages);
        all.next_nonce = part.next_nonce;
    }
    output.finish(&unsettled_text(&all), &all);
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn settle(args: SettleArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let count: u64 = args.nonces.iter().map(|range| range.end - range.start).sum();
    ensure!(count <= NONCES_MAX, "{count} nonces are more than the {NONCES_MAX} that one command settles");
    let nonces: BTreeSet<u64> = args.nonces.iter().cloned().flatten().collect();
    let ruling = match args.outcome {
        RulingChoice::Failed => Ruling::Failed,
        RulingChoice::Succeeded => Ruling::Succeeded,
    };
    let client = Client::of_home(&Home::at(&args.lane.home))?;
    let (peer, incarnation) = (&args.lane.peer, args.lane.incarnation(&client).await?);
    let all: Vec<u64> = nonces.into_iter().collect();
    for (done, nonces) in (0..).step_by(RULED_MAX).zip(all.chunks(RULED_MAX)) {
        let request = SettleRequest { incarnation, nonces: nonces.iter().copied().collect(), ruling };
        let settled = client.settle(peer, &request).await;
        settled.with_context(|| format!("the first {done} of {} are settled; the others are not", all.len()))?;
    }
    let text = format!("{} requests to {peer} are settled by hand, for good", all.len());
    output.finish(&text, &json!({ "peer": peer, "incarnation": incarnation, "settled": all.len() }));
    Ok(ExitCode::SUCCESS)
}

impl PastLaneArgs {
    async fn incarnation(&self, client: &Client) -> anyhow::Result<u32> {
        if let Some(incarnation) = self.incarnation {
            return Ok(incarnation);
        }
        let Status { past, outbound, .. } = client.status().await?.engine;
        let newest = past.iter().filter(|past| past.peer == self.peer).map(|past| past.incarnation).max();
        let waits = outbound.iter().any(|lane| lane.peer == self.peer && lane.awaits_incarnation.is_some());
        match newest {
            Some(newest) => Ok(newest),
            None if waits => bail!(
                "shard {0} began anew, and that is not accepted yet: see `shard-node lane accept-incarnation {0}`",
                self.peer
            ),
            None => bail!("no incarnation of {} is over: `shard-node status` lists those that are", self.peer),
        }
    }
}

fn accepted_text(accepted: &AcceptedIncarnation) -> String {
    let AcceptedIncarnation { peer, past, incarnation, size, never_received_from, unsettled_max, .. } = accepted;
    let received = match never_received_from {
        Some(from) if from == size => format!("all {size} messages to it were received"),
        Some(from) => format!("messages {from}..{size} to it were never received, and may be sent again"),
        None => "what it never received can't be known: the head of its last checkpoint is not here".to_owned(),
    };
    let unknown = match unsettled_max {
        0 => "nothing is left to settle".to_owned(),
        most => format!("of at most {most} it is unknown what became: `shard-node lane unsettled {peer}` lists them"),
    };
    format!("the lanes with {peer} begin anew, in its incarnation {incarnation}; of {past} {received}; {unknown}")
}

fn unsettled_text(unsettled: &Unsettled) -> String {
    let Unsettled { peer, incarnation, messages, .. } = unsettled;
    if messages.is_empty() {
        return format!("of all messages to incarnation {incarnation} of {peer} it is known what became");
    }
    let mut text = format!("{} requests to incarnation {incarnation} of {peer} of unknown outcome:", messages.len());
    for UnsettledMessage { nonce, request, acknowledged } in messages {
        let decided = if *acknowledged { ", decided there" } else { "" };
        let request = request.as_ref().map_or("no longer kept".to_owned(), |request| {
            format!("{} from {} to {}", request.kind, request.sender, request.receiver)
        });
        write!(text, "\n  {nonce}: {request}{decided}").expect("writing to a String can't fail");
    }
    text
}

fn parse_nonces(text: &str) -> Result<Range<u64>, String> {
    let refused = || format!("{text:?} is neither a nonce nor a range such as 10..250");
    let number = |part: &str| part.parse::<u64>().map_err(|_| refused());
    let range = match text.split_once("..") {
        Some((from, end)) => number(from)?..number(end)?,
        None => number(text).map(|nonce| nonce..nonce.saturating_add(1))?,
    };
    if range.is_empty() { Err(refused()) } else { Ok(range) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces_are_numbers_or_ranges_that_hold_some() {
        assert_eq!(parse_nonces("7"), Ok(7..8));
        assert_eq!(parse_nonces("10..250"), Ok(10..250));
        for text in ["", "..", "7..", "7..7", "9..7", "-1", "a"] {
            assert!(parse_nonces(text).is_err(), "{text}");
        }
    }
}
