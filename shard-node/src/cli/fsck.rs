//! `shard-node fsck`: reads everything that a stopped node keeps, and recomputes every root.

use super::Output;
use crate::fsck::{Progress, Verdict, fsck};
use crate::home::Home;
use clap::Args;
use indicatif::HumanBytes;
use queue::engine::{AuditReport, AuditedLane};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// How often progress is told, in bytes: about every second on a slow disk.
const TOLD_BYTES: u64 = 256 * 1024 * 1024;

/// Arguments of `fsck`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  shard-node fsck --home .local/alpha
Changes nothing. Checks every record of the log, the state that follows from it, the index, every
message, every root and every attestation, under the trust root in the home's configuration.
Exit codes:
  0  sound
  1  damaged: each finding is named, and what to do; or the home can't be read")]
pub struct FsckArgs {
    /// The home of a node that doesn't run
    #[arg(long, value_name = "DIR")]
    home: PathBuf,
}

pub(super) async fn run(args: FsckArgs, output: &Output) -> anyhow::Result<ExitCode> {
    output.step(format_args!("reading {}", args.home.display()));
    let home = Home::at(args.home);
    let verdict = tokio::task::block_in_place(|| fsck(&home, teller(output)))?;
    output.finish(&human(&verdict), &json!({ "sound": verdict.is_sound(), "found": verdict, "do": advice(&verdict) }));
    Ok(if verdict.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Tells progress, now and then.
pub(super) fn teller(output: &Output) -> impl FnMut(Progress) {
    let mut told = 0;
    move |progress| {
        let Progress { read_bytes, hashed_bytes } = progress;
        if read_bytes + hashed_bytes >= told + TOLD_BYTES {
            told = read_bytes + hashed_bytes;
            let (read, hashed) = (HumanBytes(read_bytes), HumanBytes(hashed_bytes));
            output.progress(format_args!("read {read} of records, hashed {hashed} of messages"));
        }
    }
}

/// What to do about what was found.
pub(super) fn advice(verdict: &Verdict) -> Option<&'static str> {
    if verdict.is_sound() {
        None
    } else if verdict.is_mended_by_a_start() {
        Some("start the node: it makes the index again from the log, which is sound")
    } else {
        Some(
            "don't start the node on these files; keep them, check the disk, and restore the newest backup into \
             another home: a node that isn't on its shard's newest state stops by itself",
        )
    }
}

/// The verdict for people.
pub(super) fn human(verdict: &Verdict) -> String {
    let Verdict { shard, store, engine } = verdict;
    let mut lines = vec![match verdict.findings().count() {
        0 if verdict.is_sound() => format!("shard {shard}: sound"),
        1 => format!("shard {shard}: DAMAGED, 1 finding"),
        count => format!("shard {shard}: DAMAGED, {count} findings"),
    }];
    lines.extend(verdict.findings().map(|finding| format!("{}: {}", finding.place, finding.reason)));
    lines.extend(advice(verdict).map(|advice| format!("what to do: {advice}")));
    lines.push(format!(
        "log       {} records in {} segments, {}; newest turn {}",
        store.records,
        store.segments,
        HumanBytes(store.bytes),
        store.turn
    ));
    if store.torn_tail_bytes > 0 {
        let bytes = store.torn_tail_bytes;
        lines.push(format!("tail      {bytes} bytes of a turn that was never durable; the next start cuts them"));
    }
    match engine {
        Some(engine) => lines.extend(engine_lines(engine)),
        None => lines.push("engine    not checked: its state can't be read".to_owned()),
    }
    lines.join("\n  ")
}

fn engine_lines(engine: &AuditReport) -> Vec<String> {
    let height = |height: Option<u64>| height.map_or("none".to_owned(), |height| height.to_string());
    let (attested, pending) = (height(engine.attested_height), height(engine.pending_height));
    let mut lines = vec![format!("heights   attested {attested}, waiting for a signature {pending}")];
    lines.extend(engine.lanes.iter().map(|lane| {
        let AuditedLane { source, destination, size, kept_from, messages, nodes, .. } = lane;
        let bytes = HumanBytes(lane.bytes);
        format!(
            "lane      {source} → {destination}: {size} messages, kept from {kept_from}; hashed again: {messages} \
             messages ({bytes}), {nodes} tree nodes"
        )
    }));
    lines.push(format!("inbox     {} messages", engine.inbox_size));
    lines
}
