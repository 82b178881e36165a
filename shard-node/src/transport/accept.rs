//! Accepting: sees strangers through the handshake, and finds out whose a connection is.

use super::admission::{Admission, Place, Verdict};
use super::peer::{self, CloseCode, Stream};
use super::{Shared, TransportKey, tls};
use queue::ids::ShardId;
use quinn::{Connection, Incoming};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a connection may take from its first packet until it is known whose it is.
pub(super) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// At most one line of the log per such time tells of refused strangers.
const REFUSALS_LOG_INTERVAL: Duration = Duration::from_secs(1);

/// Accepts connections for as long as the endpoint is open.
pub(super) async fn accept_all(shared: Arc<Shared>) {
    let (admission, refusals) = (Admission::default(), Arc::new(Refusals::default()));
    while let Some(incoming) = shared.endpoint.accept().await {
        let from = incoming.remote_address();
        match admission.admit(from.ip(), incoming.remote_address_validated()) {
            Verdict::Enter(place) => {
                tokio::spawn(accept(shared.clone(), incoming, place, refusals.clone()));
            }
            // One that can't be asked again has shown its address, and would have been refused.
            Verdict::Validate => drop(incoming.retry()),
            Verdict::Refuse => {
                incoming.refuse();
                refusals.tell(from, "too many handshakes are under way");
            }
        }
    }
}

/// Sees a connection through its handshake, and serves it until it ends.
async fn accept(shared: Arc<Shared>, incoming: Incoming, place: Place, refusals: Arc<Refusals>) {
    let from = incoming.remote_address();
    let identified = tokio::time::timeout(HANDSHAKE_TIMEOUT, identify(&shared, incoming)).await;
    drop(place);
    match identified {
        Ok(Ok((peer, key, connection, first))) => {
            shared.serve(peer, key, connection, first).await;
        }
        Ok(Err(reason)) => refusals.tell(from, &reason),
        Err(_) => refusals.tell(from, "the handshake took too long"),
    }
}

/// Tells of refused connections, but never fills the log: strangers would write it.
#[derive(Debug, Default)]
struct Refusals(Mutex<RefusalsTold>);

#[derive(Debug, Default)]
struct RefusalsTold {
    last: Option<Instant>,
    untold: u64,
}

impl Refusals {
    fn tell(&self, from: SocketAddr, reason: &str) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.last.is_some_and(|last| last.elapsed() < REFUSALS_LOG_INTERVAL) {
            told.untold += 1;
            return;
        }
        let untold = std::mem::take(&mut told.untold);
        told.last = Some(Instant::now());
        tracing::warn!(%from, reason, untold, "refused a connection");
    }
}

/// Finishes the handshake of a connection and finds out whose it is.
async fn identify(
    shared: &Shared,
    incoming: Incoming,
) -> Result<(ShardId, TransportKey, Connection, Option<Stream>), String> {
    let connection = incoming.accept().map_err(tls::explain)?.await.map_err(tls::explain)?;
    let key = tls::peer_key(&connection).ok_or("the peer showed no ed25519 key")?;
    let mut candidates = shared.allowlist.shards_of(&key);
    candidates.retain(|peer| !shared.dials(peer));
    if candidates.len() > 1 {
        let (claimed, stream) = peer::claimed_shard(&connection).await?;
        candidates.retain(|peer| *peer == claimed);
        if let Some(peer) = candidates.pop_first() {
            return Ok((peer, key, connection, Some(stream)));
        }
    } else if let Some(peer) = candidates.pop_first() {
        return Ok((peer, key, connection, None));
    }
    let reason = "this shard dials you: the shard with the smaller name dials";
    CloseCode::WrongDirection.close(&connection, reason);
    Err(format!("a peer that is not the smaller name dialed {}", shared.own))
}
