//! `shard-node send`: sends a message, or one for each line of the standard input.

mod lines;
mod stream;

use super::Output;
use super::run::StopSignals;
use crate::api::types::{NewMessage, SentMessage, WaitQuery};
use crate::client::Client;
use crate::driver::Milestone;
use crate::home::Home;
use anyhow::{Context as _, anyhow, bail, ensure};
use clap::Args;
use lines::Lines;
use queue::digest::Hash;
use queue::engine::{FeedName, IdempotencyKey, MessageState, Settled};
use queue::ids::{AccountId, ShardId};
use queue::limits::MESSAGE_BYTES_MAX;
use queue::message::{Body, MESSAGE_VERSION, Message};
use serde_json::json;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use stream::{Destination, Stream};
use tokio::io::AsyncReadExt as _;

/// Arguments of `send`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  shard-node send --home .local/alpha --to bob.beta hello
  shard-node send --home .local/alpha --to bob.beta --from ann.alpha --wait delivered hello
  shard-node send --home .local/alpha --to bob.beta --deadline 10m --wait settled hello
  shard-node send --home .local/alpha --to bob.beta --key invoice-7 'pay 3 NEAR'
  shard-node send --home .local/alpha --to bob.beta --file picture.png
  tail -f orders.ndjson | shard-node send --home .local/alpha --to bob.beta --stdin
  shard-node send --home .local/alpha --to bob.beta --stdin --feed orders-2026 < orders-2026.ndjson")]
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
    /// The message expires if the destination doesn't take it within this time, as 30s, 10m or 2h
    /// [default: as the lane's terms or the node's configuration say]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, conflicts_with = "stdin")]
    deadline: Option<Duration>,
    /// Your own name for the message: sent again under it, within 24 hours, it is the same message
    #[arg(long, value_name = "KEY", conflicts_with = "stdin")]
    key: Option<IdempotencyKey>,
    /// Wait until the (last) message has come so far; without it, until it is accepted (durable here).
    /// What is settled without having been delivered is an error
    #[arg(long, value_enum, value_name = "STATE")]
    wait: Option<Milestone>,
    /// How long to wait for that, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    timeout: u64,
    /// The lines are all of this feed, from its first one on: those that the node has already are not
    /// sent again. To go on after a break, run the same command with the same lines
    #[arg(long, value_name = "NAME", requires = "stdin")]
    feed: Option<FeedName>,
    #[command(flatten)]
    content: Content,
}

/// Where the payload comes from.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Content {
    /// The message
    text: Option<String>,
    /// Send the bytes of a file as one message
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
    /// Send one message for each line that comes in, without its line feed, in this order
    #[arg(long)]
    stdin: bool,
}

pub(super) async fn run(args: SendArgs, output: &Output) -> anyhow::Result<ExitCode> {
    match &args.content {
        Content { text: Some(text), .. } => send_one(&args, text.clone().into_bytes(), output).await,
        Content { file: Some(path), .. } => {
            let own = Home::at(&args.home).read_config()?.shard;
            let payload = read_file(path, payload_bytes_max(&sender(&args, &own)?, &args.to)).await?;
            send_one(&args, payload, output).await
        }
        Content { .. } => send_lines(&args, std::io::stdin(), output).await,
    }
}

async fn send_one(args: &SendArgs, payload: Vec<u8>, output: &Output) -> anyhow::Result<ExitCode> {
    let client = Client::of_home(&Home::at(&args.home))?;
    let expires_in_ms = args.deadline.map(|deadline| u64::try_from(deadline.as_millis())).transpose();
    let message = NewMessage {
        from: args.from.clone(),
        expires_in_ms: expires_in_ms.context("the deadline is too far away")?,
        key: args.key.clone(),
        ..NewMessage::new(args.to.clone(), payload)
    };
    let sent = client.send(message).await?;
    let settled = wait_if_asked(&client, args, &sent, output).await?;
    let SentMessage { peer, nonce, accepted_at_ns } = &sent;
    let state = args.wait.map_or("accepted", name);
    let mut summary = json!({ "peer": peer, "nonce": nonce, "accepted_at_ns": accepted_at_ns, "state": state });
    if let Some(outcome) = &settled {
        summary["outcome"] = json!(outcome);
    }
    let checked = settled.map_or(Ok(()), |outcome| check(&sent, outcome));
    if checked.is_ok() || output.is_json() {
        output.finish(&format!("{state}: message {nonce} of the lane to {peer}"), &summary);
    }
    checked.map(|()| ExitCode::SUCCESS)
}

/// Sends the lines of `input`. However that ends, what was accepted stays accepted and is told.
async fn send_lines(args: &SendArgs, input: impl Read + Send + 'static, output: &Output) -> anyhow::Result<ExitCode> {
    let home = Home::at(&args.home);
    let config = home.read_config()?;
    let client = Client::of_home(&home)?;
    let from = sender(args, &config.shard)?;
    let payload_bytes_max = payload_bytes_max(&from, &args.to);
    let destination = Destination { from, to: args.to.clone(), feed: args.feed.clone() };
    let stop = StopSignals::listen()?;
    let lines = Lines::read(input, payload_bytes_max).context("cannot start reading")?;
    output.step(format!("sending each line to {}", args.to));
    let mut stream = Stream::new(&client, destination, output);
    let ended = tokio::select! {
        ended = async {
            stream.send(lines).await?;
            match stream.tally().last() {
                Some(last) => match wait_if_asked(&client, args, last, output).await? {
                    Some(outcome) => check(last, outcome),
                    None => Ok(()),
                },
                None => Ok(()),
            }
        } => ended,
        () = stop.received() => Err(anyhow!("interrupted")),
    };
    let tally = stream.tally();
    match ended {
        Ok(()) => {
            output.finish(&tally.to_string(), &tally.summary());
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            if output.is_json() {
                output.finish("", &tally.summary());
            }
            Err(error.context(tally.to_string()))
        }
    }
}

/// The bytes of a file, if one message can hold them.
async fn read_file(path: &Path, payload_bytes_max: usize) -> anyhow::Result<Vec<u8>> {
    let shown = path.display();
    let limit = u64::try_from(payload_bytes_max)?;
    let file = tokio::fs::File::open(path).await.with_context(|| format!("cannot open {shown}"))?;
    let metadata = file.metadata().await.with_context(|| format!("cannot read {shown}"))?;
    ensure!(!metadata.is_dir(), "{shown} is a folder: send its files one by one");
    ensure!(
        metadata.len() <= limit,
        "{shown} has {} bytes, one message to this account holds at most {limit}: split it",
        metadata.len()
    );
    let mut payload = Vec::new();
    // A pipe or a growing file tells no length beforehand.
    file.take(limit + 1).read_to_end(&mut payload).await.with_context(|| format!("cannot read {shown}"))?;
    ensure!(
        payload.len() <= payload_bytes_max,
        "{shown} has more than the {limit} bytes that one message to this account holds: split it"
    );
    Ok(payload)
}

fn sender(args: &SendArgs, own: &ShardId) -> anyhow::Result<AccountId> {
    match &args.from {
        Some(from) => Ok(from.clone()),
        None => own.as_str().parse().with_context(|| format!("shard {own} has no account of its name: use --from")),
    }
}

/// The longest payload of a data message: the limit less what the encoding adds.
fn payload_bytes_max(sender: &AccountId, receiver: &AccountId) -> usize {
    let empty = Message {
        version: MESSAGE_VERSION,
        salt: Hash([0; 32]),
        sender: sender.clone(),
        receiver: receiver.clone(),
        deadline_ns: None,
        body: Body::Data(Vec::new()),
    };
    MESSAGE_BYTES_MAX.saturating_sub(empty.encode().len())
}

/// Waits as `--wait` says. Tells what became of a message that is waited for until it is settled.
async fn wait_if_asked(
    client: &Client,
    args: &SendArgs,
    sent: &SentMessage,
    output: &Output,
) -> anyhow::Result<Option<Settled>> {
    let Some(milestone) = args.wait else { return Ok(None) };
    let SentMessage { peer, nonce, .. } = sent;
    output.step(format!("accepted as message {nonce} of the lane to {peer}; waiting until it is {}", name(milestone)));
    wait(client, sent, milestone, Duration::from_secs(args.timeout)).await?;
    if milestone != Milestone::Settled {
        return Ok(None);
    }
    match client.message(peer, *nonce).await?.state {
        MessageState::Settled(outcome) => Ok(Some(outcome)),
        state => bail!("the node calls message {nonce} of the lane to {peer} settled and also {state:?}"),
    }
}

/// Whether a settled message had its effect.
fn check(sent: &SentMessage, outcome: Settled) -> anyhow::Result<()> {
    let SentMessage { peer, nonce, .. } = sent;
    ensure!(outcome.is_done(), "message {nonce} of the lane to {peer} is settled without effect: {outcome}");
    Ok(())
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
                "message {} of the lane to {} is not {} after {} s: it waits for {}. It stays accepted and will arrive, or expire at its deadline if it has one; `shard-node status` shows how far it is",
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
        Milestone::Settled => "settled",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::Parser as _;
    use clap::error::ErrorKind;

    fn parse(content: &[&str]) -> Result<Cli, ErrorKind> {
        let start = ["shard-node", "send", "--home", "h", "--to", "bob.beta"];
        Cli::try_parse_from(start.iter().chain(content)).map_err(|error| error.kind())
    }

    #[test]
    fn a_message_is_a_text_or_a_file_or_lines_and_never_two_of_them() {
        for one in [&["hello"][..], &["--file", "a.png"], &["--stdin"], &["--stdin", "--wait", "delivered"]] {
            parse(one).expect("one source");
        }
        assert_eq!(parse(&[]).expect_err("none"), ErrorKind::MissingRequiredArgument);
        let twice = [
            &["hello", "--stdin"][..],
            &["hello", "--file", "a.png"],
            &["--file", "a.png", "--stdin"],
            &["hello", "--file", "a.png", "--stdin"],
        ];
        for two in twice {
            assert_eq!(parse(two).expect_err("two sources"), ErrorKind::ArgumentConflict, "{two:?}");
        }
    }

    #[test]
    fn the_longest_payload_makes_a_message_of_exactly_the_limit() {
        let [ann, bob]: [AccountId; 2] = ["ann.alpha", "bob.beta"].map(|name| name.parse().expect("an account"));
        let message = Message {
            version: MESSAGE_VERSION,
            salt: Hash([7; 32]),
            body: Body::Data(vec![1; payload_bytes_max(&ann, &bob)]),
            sender: ann,
            receiver: bob,
            deadline_ns: None,
        };
        assert_eq!(message.encode().len(), MESSAGE_BYTES_MAX);
    }

    #[tokio::test]
    async fn a_file_is_read_only_if_one_message_holds_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("m.bin");
        std::fs::write(&path, [0xff, b'\n', 0]).expect("a file");
        assert_eq!(read_file(&path, 3).await.expect("fits"), [0xff, b'\n', 0]);
        let large = read_file(&path, 2).await.expect_err("too large").to_string();
        assert!(large.contains("m.bin has 3 bytes") && large.contains("at most 2"), "{large}");
        let endless = read_file(Path::new("/dev/zero"), 1_000).await.expect_err("endless").to_string();
        assert!(endless.contains("more than the 1000 bytes"), "{endless}");
        let dir = read_file(folder.path(), 1_000_000).await.expect_err("a folder").to_string();
        assert!(dir.contains("is a folder"), "{dir}");
        let missing = read_file(&folder.path().join("none"), 10).await.expect_err("missing").to_string();
        assert!(missing.contains("cannot open"), "{missing}");
    }
}
