//! Watches the nodes while a run goes on: shows how far each lane is, and keeps what a killed node
//! would forget.

use super::fleet::{Fleet, SHARDS};
use crate::api::types::StatusResponse;
use crate::cli::Output;
use crate::client::Client;
use crate::driver::AttestTotals;
use crate::home::Home;
use crate::near::AttestGas;
use std::convert::Infallible;
use std::time::Duration;

/// How often a person sees the progress anew.
const TERMINAL_INTERVAL: Duration = Duration::from_millis(200);

/// How often a log gets a line of it.
const LOG_INTERVAL: Duration = Duration::from_secs(2);

/// What the nodes' attestations add up to, over all of their lives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Checkpoints attested, from the shards' heights.
    pub attestations: u64,
    /// Attestations whose gas is known.
    measured: u64,
    gas: AttestGas,
}

impl Totals {
    /// Gas of one attestation, the average of those that were measured.
    pub fn gas_each(&self) -> AttestGas {
        let each = |gas: u64| gas.checked_div(self.measured).unwrap_or_default();
        AttestGas { contract: each(self.gas.contract), signer: each(self.gas.signer) }
    }

    fn add(&mut self, totals: AttestTotals) {
        self.measured += totals.count;
        self.gas.contract += totals.gas.contract;
        self.gas.signer += totals.gas.signer;
    }
}

/// Watches a fleet's nodes.
pub struct Monitor {
    nodes: Vec<Watched>,
}

/// One node, as it was last seen.
struct Watched {
    client: Client,
    seen: Option<StatusResponse>,
    /// Of earlier lives of the node.
    ended: Totals,
}

impl Monitor {
    /// A monitor of a fleet's nodes.
    ///
    /// # Errors
    /// A home can't be read.
    pub fn new(fleet: &Fleet) -> anyhow::Result<Self> {
        let watched = |shard: &str| {
            let client = Client::of_home(&Home::at(fleet.home(shard)))?;
            Ok(Watched { client, seen: None, ended: Totals::default() })
        };
        Ok(Monitor { nodes: SHARDS.into_iter().map(watched).collect::<anyhow::Result<_>>()? })
    }

    /// Shows how far each lane is, for ever.
    pub async fn watch(&mut self, output: &Output) -> Infallible {
        let mut ticks = tokio::time::interval(if output.is_terminal() { TERMINAL_INTERVAL } else { LOG_INTERVAL });
        loop {
            ticks.tick().await;
            self.look().await;
            let seen = self.nodes.iter().filter_map(|node| node.seen.as_ref());
            let lines: Vec<String> = seen.flat_map(describe).collect();
            if !lines.is_empty() {
                output.progress(lines.join("\n"));
            }
        }
    }

    /// Looks a last time, and tells what was seen.
    pub async fn totals(mut self) -> Totals {
        self.look().await;
        self.nodes.iter().fold(Totals::default(), |totals, node| node.add_to(totals))
    }

    async fn look(&mut self) {
        for node in &mut self.nodes {
            node.look().await;
        }
    }
}

impl Watched {
    async fn look(&mut self) {
        let Ok(status) = self.client.status().await else { return };
        if let Some(before) = self.seen.take().filter(|before| before.uptime_ms > status.uptime_ms) {
            self.ended.add(before.near.state.attested);
        }
        self.seen = Some(status);
    }

    fn add_to(&self, mut totals: Totals) -> Totals {
        totals.measured += self.ended.measured;
        totals.gas.contract += self.ended.gas.contract;
        totals.gas.signer += self.ended.gas.signer;
        if let Some(status) = &self.seen {
            totals.add(status.near.state.attested);
            totals.attestations += status.engine.attested_height.map_or(0, |height| height + 1);
        }
        totals
    }
}

fn describe(status: &StatusResponse) -> Vec<String> {
    let shard = &status.engine.shard;
    let checkpoint = match (status.engine.pending_height, status.engine.attested_height) {
        (Some(pending), _) => format!("checkpoint {pending} awaits its signature"),
        (None, Some(attested)) => format!("checkpoint {attested} attested"),
        (None, None) => "no checkpoint yet".to_owned(),
    };
    let lane = |lane: &queue::engine::OutboundStatus| {
        format!(
            "  {shard} → {}: accepted {}, sealed {}, attested {}, delivered {}, acknowledged {} ({checkpoint})",
            lane.peer, lane.accepted, lane.sealed, lane.attested, lane.delivered, lane.acknowledged
        )
    };
    status.engine.outbound.iter().map(lane).collect()
}
