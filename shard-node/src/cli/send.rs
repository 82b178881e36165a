//! `shard-node send`: sends a message.

use super::Output;
use crate::api::types::{NewMessage, SentMessage, WaitQuery};
use crate::client::Client;
use crate::driver::Milestone;
use crate::home::Home;
use anyhow::bail;
use clap::Args;
use queue::ids::AccountId;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Arguments of `send`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  shard-node send --home .local/alpha --to bob.beta hello
  shard-node send --home .local/alpha --to bob.beta --from ann.alpha --wait delivered hello")]
pub struct SendArgs {
    /// The home of the sending shard's node, which must be running
    #[arg(long, value_name = "DIR")]
    home: PathBuf,
    /// The account that is spoken to, of another shard
    #[arg(long, value_name = "ACCOUNT")]
    to: AccountId,
    /// The account that speaks, of this shard [default: the shard's own]
    #[arg(long, value_name = "ACCOUNT")]
    from: Option<AccountId>,
    /// Wait until the message has come so far; without it, until it is accepted (durable here)
    #[arg(long, value_enum, value_name = "STATE")]
    wait: Option<Milestone>,
    /// How long to wait, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    timeout: u64,
    /// The message
    text: String,
}

pub(super) async fn run(args: SendArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let client = Client::of_home(&Home::at(args.home))?;
    let message = NewMessage { to: args.to, from: args.from, payload: args.text.into_bytes() };
    let sent = client.send(message).await?;
    let SentMessage { peer, nonce, accepted_at_ns } = &sent;
    let mut state = "accepted";
    if let Some(milestone) = args.wait {
        output.step(format!(
            "accepted as message {nonce} of the lane to {peer}; waiting until it is {}",
            name(milestone)
        ));
        wait(&client, &sent, milestone, Duration::from_secs(args.timeout)).await?;
        state = name(milestone);
    }
    let human = format!("{state}: message {nonce} of the lane to {peer}");
    output.finish(&human, &json!({ "peer": peer, "nonce": nonce, "accepted_at_ns": accepted_at_ns, "state": state }));
    Ok(ExitCode::SUCCESS)
}

async fn wait(client: &Client, sent: &SentMessage, milestone: Milestone, timeout: Duration) -> anyhow::Result<()> {
    let start = Instant::now();
    loop {
        let left = timeout.saturating_sub(start.elapsed());
        let wait_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        let answer = client.wait(&sent.peer, &WaitQuery { nonce: sent.nonce, state: milestone, wait_ms }).await?;
        if answer.reached {
            return Ok(());
        }
        if start.elapsed() >= timeout {
            bail!(
                "message {} of the lane to {} is not {} after {} s: it waits for {}. It stays accepted and will arrive; `shard-node status` shows how far it is",
                sent.nonce,
                sent.peer,
                name(milestone),
                timeout.as_secs(),
                answer.waiting_for.as_deref().unwrap_or("the peer"),
            );
        }
    }
}

fn name(milestone: Milestone) -> &'static str {
    match milestone {
        Milestone::Delivered => "delivered",
        Milestone::Acknowledged => "acknowledged",
    }
}
