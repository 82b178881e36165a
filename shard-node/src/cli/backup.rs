//! `shard-node backup`: all of a home but its keys, encrypted, while the node runs.

use super::Output;
use super::run::StopSignals;
use crate::backup::age::{Identity, Recipient};
use crate::backup::{Follower, Written, back_up_once};
use crate::home::{Home, write_private};
use anyhow::{Context as _, ensure};
use clap::Args;
use indicatif::HumanBytes;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// How often the log is looked at while following: what a lost machine may cost in time.
const FOLLOW_PAUSE: Duration = Duration::from_millis(500);

/// Arguments of `backup`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  shard-node backup --new-identity identity.txt
  shard-node backup --home .local/alpha --to alpha.age --recipient age1…
  shard-node backup --home .local/alpha --to backups/alpha --recipient age1… --follow
The node may run meanwhile. The node's keys (keys.json) are NOT in a backup: copy them once, to
another place. Keep the identity apart from both: it alone reads the backups. Files are in the
format of age (age-encryption.org). A node resumes only from its newest state: with --follow, what
it was half a second before its machine was lost.")]
pub struct BackupArgs {
    /// The node's home
    #[arg(long, value_name = "DIR", required_unless_present = "new_identity")]
    home: Option<PathBuf>,
    /// The file to write; with --follow, the folder to keep up
    #[arg(long, value_name = "PATH", required_unless_present = "new_identity")]
    to: Option<PathBuf>,
    /// Who can read the backup; may be repeated
    #[arg(long, value_name = "AGE1", required_unless_present = "new_identity")]
    recipient: Vec<Recipient>,
    /// Ship the log as it is written, until stopped
    #[arg(long)]
    follow: bool,
    /// Instead, make an identity and print its recipient
    #[arg(long, value_name = "FILE", conflicts_with_all = ["home", "to", "recipient", "follow"])]
    new_identity: Option<PathBuf>,
}

pub(super) async fn run(args: BackupArgs, output: &Output) -> anyhow::Result<ExitCode> {
    if let Some(path) = &args.new_identity {
        return new_identity(path, output);
    }
    let (home, to) = args.home.zip(args.to).context("--home and --to say what to back up, and where")?;
    let home = Home::at(home);
    if args.follow {
        return follow(home, args.recipient, &to, output).await;
    }
    let written = tokio::task::block_in_place(|| back_up_once(&home, &args.recipient, &to))?;
    output.finish(&human(&written), &written);
    Ok(ExitCode::SUCCESS)
}

fn new_identity(path: &Path, output: &Output) -> anyhow::Result<ExitCode> {
    ensure!(!path.exists(), "{} exists: name another file, nothing is overwritten", path.display());
    let identity = Identity::generate()?;
    let recipient = identity.recipient();
    write_private(path, format!("# recipient: {recipient}\n{}\n", identity.secret_line()).as_bytes())?;
    let human = format!("{recipient}\n  the identity that reads what is encrypted for it is in {}", path.display());
    output.finish(&human, &json!({ "recipient": recipient.to_string(), "identity": path }));
    Ok(ExitCode::SUCCESS)
}

async fn follow(home: Home, recipients: Vec<Recipient>, to: &Path, output: &Output) -> anyhow::Result<ExitCode> {
    let mut stop = Box::pin(StopSignals::listen()?.received());
    let mut follower = tokio::task::block_in_place(|| Follower::open(home, recipients, to))?;
    let mut is_last = false;
    let mut told = false;
    loop {
        // All that there is: one step ships what was there when it began.
        while let Some(written) = tokio::task::block_in_place(|| follower.step())? {
            if output.is_json() || written.whole || output.is_terminal() {
                output.finish(&human(&written), &written);
            }
            told = true;
        }
        if !std::mem::replace(&mut told, true) {
            output.step("up to date; following, Ctrl-C stops it");
        }
        if is_last {
            return Ok(ExitCode::SUCCESS);
        }
        tokio::select! {
            () = &mut stop => is_last = true,
            () = tokio::time::sleep(FOLLOW_PAUSE) => {}
        }
    }
}

fn human(written: &Written) -> String {
    let Written { shard, file, file_bytes, whole, content } = written;
    let height = |height: Option<u64>| height.map_or("none".to_owned(), |height| height.to_string());
    format!(
        "{} ({}): shard {shard} {} turn {}, height {} attested, {} waiting for a signature",
        file.display(),
        HumanBytes(*file_bytes),
        if *whole { "up to" } else { "goes on to" },
        content.turn,
        height(content.attested_height),
        height(content.pending_height),
    )
}
