//! `shard-node status`: the state of a running node.

use super::Output;
use super::lane::terms_text;
use crate::api::types::{NearStatus, StatusResponse};
use crate::client::Client;
use crate::home::Home;
use clap::Args;
use queue::engine::{InboundStatus, OutboundStatus, PastStatus, Status};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `status`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shard-node status --home .local/alpha")]
pub struct StatusArgs {
    /// The home of the node, which must be running
    #[arg(long, value_name = "DIR")]
    home: PathBuf,
}

pub(super) async fn run(args: StatusArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let status = Client::of_home(&Home::at(args.home))?.status().await?;
    output.finish(&text(&status)?, &status);
    Ok(ExitCode::SUCCESS)
}

fn text(status: &StatusResponse) -> Result<String, std::fmt::Error> {
    let StatusResponse { version, uptime_ms, near, engine } = status;
    let mut text = String::new();
    writeln!(text, "shard {}: version {version}, up {} s", engine.shard, uptime_ms / 1_000)?;
    writeln!(text, "NEAR {}, bridge {}: {}", near.rpc, near.bridge, near_state(near))?;
    writeln!(text, "checkpoints: {}", checkpoints(engine))?;
    for lane in &engine.outbound {
        writeln!(text, "lane {} → {}: {}", engine.shard, lane.peer, outbound(lane))?;
        if lane.stopped {
            writeln!(
                text,
                "  STOPPED: no requests, by the bridge contract; `shard-node lane show {}` says why",
                lane.peer
            )?;
        }
        if let Some(agreed) = &lane.terms {
            writeln!(text, "  terms: {}", terms_text(agreed))?;
        }
    }
    for lane in &engine.inbound {
        writeln!(text, "lane {} → {}: {}", lane.peer, engine.shard, inbound(lane))?;
    }
    for past in &engine.past {
        writeln!(text, "past lanes with {}, incarnation {}: {}", past.peer, past.incarnation, past_lanes(past))?;
    }
    write!(text, "inbox: {} messages", engine.inbox_size)?;
    Ok(text)
}

fn near_state(near: &NearStatus) -> String {
    match (&near.state.last_error, near.state.reachable) {
        (_, true) => "reachable".to_owned(),
        (Some(error), false) => format!("NOT REACHABLE: {error}"),
        (None, false) => "not yet reached".to_owned(),
    }
}

fn checkpoints(engine: &Status) -> String {
    let attested =
        engine.attested_height.map_or("none attested".to_owned(), |height| format!("attested to height {height}"));
    let pending = engine.pending_height.map_or(String::new(), |height| format!(", height {height} pending"));
    let resumed = if engine.resumed { "" } else { ", the contract's tip is not yet found" };
    let waits = engine.attesting.as_ref().map_or(String::new(), |reason| format!("; waiting for {reason}"));
    format!("{attested}{pending}{resumed}{waits}")
}

fn outbound(lane: &OutboundStatus) -> String {
    let OutboundStatus {
        accepted, sealed, attested, delivered, acknowledged, settled, backlog_bytes, connected, ..
    } = lane;
    format!(
        "accepted {accepted}, sealed {sealed}, attested {attested}, delivered {delivered}, acknowledged {acknowledged}, \
         settled {settled}, backlog {backlog_bytes} bytes{}{}",
        connection(*connected),
        waits(lane.waiting_for.as_deref(), lane.frozen.as_deref()),
    )
}

fn inbound(lane: &InboundStatus) -> String {
    let InboundStatus { staged, delivered, acknowledged, staged_bytes, connected, .. } = lane;
    format!(
        "staged {staged} ({staged_bytes} bytes wait), delivered {delivered}, acknowledged {acknowledged}{}{}",
        connection(*connected),
        waits(lane.waiting_for.as_deref(), lane.frozen.as_deref()),
    )
}

fn past_lanes(past: &PastStatus) -> String {
    let PastStatus { accepted, never_received_from, unsettled_max, delivered, .. } = past;
    let never = never_received_from.map_or("unknown".to_owned(), |from| format!("from {from} on"));
    format!("accepted {accepted}, never received {never}, at most {unsettled_max} unsettled, delivered {delivered}")
}

fn connection(connected: bool) -> &'static str {
    if connected { ", connected" } else { ", not connected" }
}

fn waits(waiting_for: Option<&str>, frozen: Option<&str>) -> String {
    match (frozen, waiting_for) {
        (Some(reason), _) => format!("\n  FROZEN: {reason}"),
        (None, Some(reason)) => format!("\n  waiting for {reason}"),
        (None, None) => String::new(),
    }
}
