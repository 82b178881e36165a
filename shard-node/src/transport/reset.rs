//! Stateless resets (RFC 9000 §10.3) that work after a restart: with the first packet that it gets
//! for a connection of its former life, a node tells the peer that the connection is gone.

use hmac::{Hmac, KeyInit as _, Mac as _};
use quinn::crypto::{CryptoError, HmacKey};
use quinn::{ConnectionId, ConnectionIdGenerator, EndpointConfig};
use sha2::Sha256;
use std::sync::Arc;
use std::time::Duration;

/// Separates this use of the transport key from TLS.
const PURPOSE: &[u8] = b"private-shard-bridge v1 stateless reset:";

/// Bytes of a connection id: too many to guess one of a connection that exists.
const CONNECTION_ID_BYTES: usize = 8;

/// An endpoint of the node with the transport key of `seed`.
pub(super) fn endpoint_config(seed: &[u8; 32]) -> EndpointConfig {
    let mut config = EndpointConfig::new(Arc::new(ResetKey::new(seed)));
    config.cid_generator(|| Box::new(ConnectionIds));
    config
}

/// HMAC-SHA-256 under a node's transport key, with a purpose of its own.
struct ResetKey(Hmac<Sha256>);

impl ResetKey {
    fn new(seed: &[u8; 32]) -> Self {
        let mut mac = Hmac::new_from_slice(seed).expect("HMAC takes a key of any length");
        mac.update(PURPOSE);
        ResetKey(mac)
    }
}

impl HmacKey for ResetKey {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        let tag = self.0.clone().chain_update(data).finalize().into_bytes();
        signature_out.copy_from_slice(&tag);
    }

    fn signature_len(&self) -> usize {
        32
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        self.0.clone().chain_update(data).verify_slice(signature).map_err(|_| CryptoError)
    }
}

/// Random connection ids. QUIC's usual ones are recognised only by the process that made them,
/// and packets with others get no reset.
#[derive(Debug)]
struct ConnectionIds;

impl ConnectionIdGenerator for ConnectionIds {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut id = [0; CONNECTION_ID_BYTES];
        getrandom::fill(&mut id).expect("the operating system's randomness, without which TLS doesn't start either");
        ConnectionId::new(&id)
    }

    fn cid_len(&self) -> usize {
        CONNECTION_ID_BYTES
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}
