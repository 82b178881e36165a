//! Dialing: keeps a connection to one peer, for as long as the node runs.

use super::{Shared, TransportKey, tls};
use queue::ids::ShardId;
use quinn::{ClientConfig, Connection};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Required by the TLS library; never sent, and without meaning to a peer that shows a raw key.
const SERVER_NAME: &str = "peer.invalid";

/// Most addresses that one name may resolve to and that are tried.
const ADDRESSES_PER_NAME_MAX: usize = 4;

/// How long one address is tried. Short, because a first packet that is lost (the peer starts a
/// moment later) is repeated by QUIC in growing intervals, and by the next attempt at once.
const DIAL_TIMEOUT: Duration = Duration::from_secs(3);

/// Dials `peer` again and again, each time trying all of its addresses in turn, until it is no
/// longer listed.
pub(super) async fn keep_connected(shared: Arc<Shared>, peer: ShardId) {
    let mut backoff = Backoff::default();
    let mut told = String::new();
    while let Some(addresses) = shared.addresses_to_dial(&peer) {
        let mut failures = Vec::new();
        for address in &addresses {
            match dial(&shared, &peer, address).await {
                Ok((key, connection)) => {
                    let spoke = shared.serve(peer.clone(), key, connection, None).await;
                    if spoke {
                        backoff = Backoff::default();
                        told.clear();
                    }
                }
                Err(reason) => failures.push(format!("{address}: {reason}")),
            }
        }
        let reason = match addresses.is_empty() {
            true => "no address is listed for it: its shard registers one, or `peers` in the configuration names it"
                .to_owned(),
            false => failures.join("; "),
        };
        // Each reason once: a peer that is away for a day says nothing new.
        if failures.len() == addresses.len() && reason != told && !shared.state().closing {
            tracing::warn!(%peer, reason, "cannot reach the peer; trying again");
            told = reason;
        }
        tokio::time::sleep(backoff.next()).await;
    }
}

/// Connects to `peer` at `address`, trying what the name resolves to in turn.
pub(super) async fn dial(shared: &Shared, peer: &ShardId, address: &str) -> Result<(TransportKey, Connection), String> {
    let resolved = tokio::net::lookup_host(address).await.map_err(|error| error.to_string())?;
    let mut reason = "the address resolves to nothing".to_owned();
    for address in resolved.take(ADDRESSES_PER_NAME_MAX) {
        match tokio::time::timeout(DIAL_TIMEOUT, connect(shared, peer, address)).await {
            Ok(Ok(connected)) => return Ok(connected),
            Ok(Err(error)) => reason = error,
            Err(_) => reason = "the handshake took too long".to_owned(),
        }
    }
    Err(reason)
}

async fn connect(shared: &Shared, peer: &ShardId, address: SocketAddr) -> Result<(TransportKey, Connection), String> {
    let crypto = shared.tls.client(peer).map_err(|error| error.to_string())?;
    let mut config = ClientConfig::new(Arc::new(crypto));
    config.transport_config(shared.config.clone());
    let connecting = shared.endpoint.connect_with(config, address, SERVER_NAME).map_err(|error| error.to_string())?;
    let connection = connecting.await.map_err(tls::explain)?;
    let key = tls::peer_key(&connection).ok_or("the peer showed no ed25519 key")?;
    Ok((key, connection))
}

/// Growing pauses between attempts: from 100 ms, doubled up to 10 s, each cut by up to a half at
/// random so that nodes that lost each other together don't come back together.
#[derive(Debug, Default)]
struct Backoff {
    attempts: u32,
}

impl Backoff {
    const FIRST_MS: u64 = 100;
    const MAX_MS: u64 = 10_000;

    fn next(&mut self) -> Duration {
        let full = Self::FIRST_MS.saturating_mul(1 << self.attempts.min(10)).min(Self::MAX_MS);
        self.attempts = self.attempts.saturating_add(1);
        // Without entropy there is no jitter, and dialing goes on.
        let jitter = u64::from(getrandom::u32().unwrap_or(0)) % (full / 2 + 1);
        Duration::from_millis(full - jitter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_from_a_tenth_of_a_second_to_ten_seconds() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..20).map(|_| backoff.next()).collect();
        assert!(pauses[0] <= Duration::from_millis(100) && pauses[0] >= Duration::from_millis(50));
        assert!(pauses[10..].iter().all(|pause| (5_000..=10_000).contains(&pause.as_millis())));
    }
}
