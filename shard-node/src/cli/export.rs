//! `shard-node export`: the proof of a received message, or a batch file.

use super::Output;
use crate::api::types::{BatchQuery, LaneSide};
use crate::client::Client;
use crate::home::Home;
use anyhow::{Context as _, anyhow, bail, ensure};
use clap::Args;
use queue::batch::{BatchParser, BatchPiece};
use queue::ids::{Lane, ShardId};
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `export`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  shard-node export --home .local/beta --lane alpha --nonce 0 > m.json
  shard-node export --home .local/alpha --to beta > b.batch
  shard-node export --home .local/beta --lane alpha --range 100..200 > b.batch")]
pub struct ExportArgs {
    /// The home of the node, which must be running
    #[arg(long, value_name = "DIR")]
    home: PathBuf,
    #[command(flatten)]
    lane: LaneChoice,
    /// The message's nonce in the lane: prints the proof of this message
    #[arg(long, value_name = "N", conflicts_with_all = ["to", "range"])]
    nonce: Option<u64>,
    /// Incarnation of the shard that sent it, if that is one that is over
    #[arg(long, value_name = "NUMBER", requires = "nonce")]
    incarnation: Option<u32>,
    /// Messages of the batch, from the first to the one before the last number [default: to a shard,
    /// what is attested and not acknowledged; from a shard, what is here]
    #[arg(long, value_name = "M..N", value_parser = parse_range)]
    range: Option<Range<u64>>,
}

/// One of the two lanes with a shard.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct LaneChoice {
    /// The lane from this shard
    #[arg(long, value_name = "SHARD")]
    lane: Option<ShardId>,
    /// The lane to this shard
    #[arg(long, value_name = "SHARD")]
    to: Option<ShardId>,
}

impl LaneChoice {
    pub(super) fn chosen(&self) -> anyhow::Result<(LaneSide, &ShardId)> {
        match (&self.lane, &self.to) {
            (Some(peer), None) => Ok((LaneSide::From, peer)),
            (None, Some(peer)) => Ok((LaneSide::To, peer)),
            _ => bail!("give one of --lane and --to"),
        }
    }
}

fn parse_range(text: &str) -> anyhow::Result<Range<u64>> {
    let (begin, end) = text.split_once("..").context("expected two numbers with two dots between, as in 0..100")?;
    Ok(begin.parse()?..end.parse()?)
}

pub(super) async fn run(args: ExportArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let client = Client::of_home(&Home::at(args.home))?;
    let (side, peer) = args.lane.chosen()?;
    if let Some(nonce) = args.nonce {
        let proof = client.prove(peer, args.incarnation, nonce).await?;
        output.finish(&serde_json::to_string_pretty(&proof)?, &proof);
        return Ok(ExitCode::SUCCESS);
    }
    let (begin, end) = args.range.map(|range| (range.start, range.end)).unzip();
    let mut download = client.export(peer, &BatchQuery { side, begin, end }).await?;
    let mut seen = Seen::default();
    while let Some(bytes) = download.next_bytes().await? {
        seen.push(&bytes)?;
        output.write_file(&bytes).context("writing the batch")?;
    }
    let (lane, range) = seen.whole()?;
    output.step(format_args!("messages {}..{} of lane {lane}", range.start, range.end));
    Ok(ExitCode::SUCCESS)
}

/// What has been seen of a file: it is of no use before its end.
#[derive(Default)]
struct Seen {
    parser: BatchParser,
    header: Option<(Lane, Range<u64>)>,
    at: Option<u64>,
}

impl Seen {
    fn push(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.parser.push(bytes);
        while let Some(piece) = self.parser.next_piece()? {
            match piece {
                BatchPiece::Header(header) => self.header = Some((header.lane, header.begin.size()..header.end)),
                BatchPiece::Part(part) => self.at = Some(part.end),
            }
        }
        Ok(())
    }

    fn whole(self) -> anyhow::Result<(Lane, Range<u64>)> {
        let (lane, range) = self.header.ok_or_else(|| anyhow!("the node sent no batch"))?;
        ensure!(self.at == Some(range.end), "the batch breaks off before its end: the node's log says why");
        Ok((lane, range))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_two_numbers() {
        assert_eq!(parse_range("0..18446744073709551615").expect("a range"), 0..u64::MAX);
        for wrong in ["5", "..", "1..", "..5", "a..b", "1..=5", "-1..2", "1..18446744073709551616"] {
            assert!(parse_range(wrong).is_err(), "{wrong}");
        }
    }
}
