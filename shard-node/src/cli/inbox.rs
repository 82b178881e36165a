//! `shard-node inbox`: shows what was delivered.

use super::Output;
use super::output::printable;
use crate::api::INBOX_MESSAGES_MAX;
use crate::api::types::{ErrorBody, InboxMessage, InboxOutcome, InboxQuery, InboxResponse, InboxResult};
use crate::client::{Client, ClientError};
use crate::home::Home;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// How long one request waits for messages while following, in milliseconds.
const FOLLOW_WAIT_MS: u64 = 30_000;

/// Arguments of `inbox`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  shard-node inbox --home .local/beta --follow
  shard-node inbox --home .local/beta --from 100 --limit 10 --json")]
pub struct InboxArgs {
    /// The home of the receiving shard's node, which must be running
    #[arg(long, value_name = "DIR")]
    home: PathBuf,
    /// Go on with messages as they are delivered; with --json, one object per message
    #[arg(long)]
    follow: bool,
    /// Position of the first message; where messages are pruned it goes on behind them
    #[arg(long, value_name = "N", default_value_t = 0)]
    from: u64,
    /// Most messages to show [default: 1000, or no limit with --follow]
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

pub(super) async fn run(args: InboxArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let client = Client::of_home(&Home::at(args.home))?;
    let default = if args.follow { u64::MAX } else { 1_000 };
    let mut left = args.limit.unwrap_or(default);
    let mut shown = InboxResponse { entries: Vec::new(), next: args.from };
    while left > 0 && !output.is_closed() {
        let limit = usize::try_from(left).unwrap_or(usize::MAX).min(INBOX_MESSAGES_MAX);
        let wait_ms = if args.follow { FOLLOW_WAIT_MS } else { 0 };
        let page = match client.inbox(&InboxQuery { from: shown.next, limit: Some(limit), wait_ms }).await {
            Err(ClientError::Refused(ErrorBody { message, first: Some(first), .. })) if first > shown.next => {
                output.step(message);
                shown.next = first;
                continue;
            }
            page => page?,
        };
        if page.entries.is_empty() && !args.follow {
            break;
        }
        left = left.saturating_sub(u64::try_from(page.entries.len()).unwrap_or(u64::MAX));
        shown.next = page.next;
        if output.is_json() && !args.follow {
            shown.entries.extend(page.entries);
        } else {
            page.entries.iter().for_each(|entry| output.finish(&line(entry), entry));
        }
    }
    if output.is_json() && !args.follow {
        output.finish("", &shown);
    }
    Ok(ExitCode::SUCCESS)
}

fn line(entry: &InboxMessage) -> String {
    let InboxMessage { position, peer, nonce, message, result, tombstone, .. } = entry;
    match (message, result) {
        (Some(content), _) => {
            let text = printable(&content.payload);
            format!("{position}\t{peer}#{nonce}\t{} → {}\t{text}", content.sender, content.receiver)
        }
        (None, Some(InboxResult { request_nonce, receiver, outcome })) => {
            let what = match outcome {
                InboxOutcome::Success { value } => format!("ran: {}", printable(value)),
                InboxOutcome::Failure { reason } => format!("failed: {}", printable(reason.as_bytes())),
                InboxOutcome::Tombstone { reason } => format!("never ran: {reason}"),
            };
            format!("{position}\t{peer}#{nonce}\tresult for {receiver}\tmessage {request_nonce} to {peer} {what}")
        }
        (None, None) => {
            let reason = tombstone.map_or_else(|| "unknown".to_owned(), |tombstone| tombstone.to_string());
            format!("{position}\t{peer}#{nonce}\tnot delivered: {reason}")
        }
    }
}
