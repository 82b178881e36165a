//! `shard-node verify`: checks a message proof offline. Uses nothing but the file and the pinned
//! trust root.

use super::Output;
use super::output::printable;
use anyhow::{Context as _, ensure};
use clap::Args;
use queue::derivation::derive_public_key;
use queue::digest::Native;
use queue::message::{Body, Message};
use queue::proof::{MessageProof, VerifiedMessage};
use queue::trust::TrustRoot;
use serde::Serialize;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, UNIX_EPOCH};

/// Longest file that is read, in bytes: a message of 4 MiB in base64 with its proofs needs less
/// than half.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Most characters of a message's text that people are shown; machines get all of it.
const TEXT_CHARS_MAX: usize = 60;

/// Exit code of a proof that is consistent in itself but checked against no pinned trust root.
const NOT_AUTHENTICATED: u8 = 3;

/// Arguments of `verify`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  shard-node verify m.json --trust trust.json
Exit codes:
  0  the message is proved under the pinned trust root
  1  the proof is not valid
  3  the proof is consistent, but no trust root was pinned: it may come from anybody's own bridge")]
pub struct VerifyArgs {
    /// A message proof, as `shard-node export` prints it
    file: PathBuf,
    /// The pinned trust root: from somebody you trust, not from whoever gave you the proof
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
}

/// What was proved.
#[derive(Debug, Serialize)]
struct Report<'a> {
    valid: bool,
    authenticated: bool,
    from: &'a str,
    to: &'a str,
    lane: LaneNames<'a>,
    nonce: u64,
    kind: &'static str,
    payload_bytes: Option<usize>,
    payload_text: Option<&'a str>,
    checkpoint_height: u64,
    checkpoint_time_ns: u64,
    network: &'a str,
    bridge: &'a str,
    instance: String,
}

#[derive(Debug, Serialize)]
struct LaneNames<'a> {
    source: &'a str,
    destination: &'a str,
}

pub(super) fn run(args: &VerifyArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let proof: MessageProof = parse(&args.file, "no message proof")?;
    let pinned = args.trust.as_deref().map(|path| parse::<TrustRoot>(path, "no trust root")).transpose()?;
    let authenticated = pinned.is_some();
    let trust = pinned.unwrap_or_else(|| proof.trust.clone()).checked()?;
    let verified = proof.verify::<Native>(&trust, derive_public_key);
    let verified = verified.with_context(|| format!("{} proves nothing", args.file.display()))?;
    let report = report(&verified, authenticated);
    output.finish(&human(&report), &report);
    Ok(if authenticated { ExitCode::SUCCESS } else { ExitCode::from(NOT_AUTHENTICATED) })
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path, what: &str) -> anyhow::Result<T> {
    let bytes = read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("{} is {what} of this version", path.display()))
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    ensure!(length <= FILE_BYTES_MAX, "it has {length} bytes, more than the limit of {FILE_BYTES_MAX}");
    // A file may grow, and a pipe tells no length.
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    ensure!(u64::try_from(bytes.len())? <= FILE_BYTES_MAX, "it has more bytes than the limit of {FILE_BYTES_MAX}");
    Ok(bytes)
}

fn report(verified: &VerifiedMessage, authenticated: bool) -> Report<'_> {
    let checkpoint = verified.head.checkpoint().checkpoint();
    let Message { sender, receiver, body, .. } = &verified.message;
    let payload = match body {
        Body::Data(payload) => Some(payload),
        Body::Call(_) | Body::Result(_) => None,
    };
    Report {
        valid: true,
        authenticated,
        from: sender.as_str(),
        to: receiver.as_str(),
        lane: LaneNames { source: checkpoint.shard.as_str(), destination: verified.head.head().peer.as_str() },
        nonce: verified.nonce,
        kind: body.kind(),
        payload_bytes: payload.map(Vec::len),
        payload_text: payload.and_then(|payload| std::str::from_utf8(payload).ok()),
        checkpoint_height: checkpoint.height,
        checkpoint_time_ns: checkpoint.time_ns,
        network: checkpoint.domain.network.as_str(),
        bridge: checkpoint.domain.bridge.as_str(),
        instance: checkpoint.domain.instance.to_string(),
    }
}

fn utc(ns: u64) -> impl std::fmt::Display {
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_nanos(ns))
}

/// What fits a line of a terminal.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn human(report: &Report<'_>) -> String {
    let verdict = match report.authenticated {
        true => "verified: attested by NEAR under the pinned trust root",
        false => "consistent, NOT authenticated (trust root taken from the file)",
    };
    let content = match (report.payload_text, report.payload_bytes) {
        (Some(text), Some(bytes)) => format!("{} ({bytes} bytes)", shortened(&printable(text.as_bytes()))),
        (None, Some(bytes)) => format!("{bytes} bytes, not text"),
        (_, None) => format!("a {}", report.kind),
    };
    format!(
        "{verdict}\n  from        {}\n  to          {}\n  lane        {} → {}, nonce {}\n  message     {content}\n  \
         checkpoint  height {}, {}\n  bridge      {} on {}, instance {}",
        report.from,
        report.to,
        report.lane.source,
        report.lane.destination,
        report.nonce,
        report.checkpoint_height,
        utc(report.checkpoint_time_ns),
        report.bridge,
        report.network,
        report.instance,
    )
}
