//! `shard-node evidence`: what froze a node's lanes.

use super::Output;
use super::output::printable;
use crate::client::Client;
use crate::home::Home;
use anyhow::Context as _;
use clap::Args;
use queue::evidence::Evidence;
use queue::ids::ShardId;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `evidence`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  shard-node evidence --home .local/beta
  shard-node evidence --home .local/beta --number 0 > e.json
  shard-node verify e.json --trust trust.json")]
pub struct EvidenceArgs {
    /// The home of the node, which must be running
    #[arg(long, value_name = "DIR")]
    home: PathBuf,
    /// Only lanes with this shard
    #[arg(long, value_name = "SHARD")]
    lane: Option<ShardId>,
    /// Print this one of the list as a file
    #[arg(long, value_name = "N")]
    number: Option<usize>,
}

pub(super) async fn run(args: EvidenceArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let mut evidence = Client::of_home(&Home::at(args.home))?.evidence().await?.evidence;
    if let Some(peer) = &args.lane {
        evidence.retain(|evidence| [&evidence.lane.source, &evidence.lane.destination].contains(&peer));
    }
    if let Some(number) = args.number {
        let count = evidence.len();
        let one = evidence.get(number).with_context(|| format!("there is no number {number}: the list has {count}"))?;
        output.finish(&serde_json::to_string_pretty(one)?, one);
        return Ok(ExitCode::SUCCESS);
    }
    let lines: Vec<String> = evidence.iter().enumerate().map(line).collect();
    let text = if lines.is_empty() { "no lane was ever frozen".to_owned() } else { lines.join("\n") };
    output.finish(&text, &evidence);
    Ok(ExitCode::SUCCESS)
}

fn line((number, evidence): (usize, &Evidence)) -> String {
    format!("{number}\t{}\t{}", evidence.lane, printable(evidence.reason.as_bytes()))
}
