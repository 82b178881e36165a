//! Hashing and signature checks by NEAR's host functions: the contract carries no curve code.

use near_sdk::env;
use queue::digest::{Crypto, Hash};

/// NEAR's host functions.
pub struct Host;

impl Crypto for Host {
    fn sha256(parts: &[&[u8]]) -> Hash {
        Hash(env::sha256_array(parts.concat()))
    }

    fn ed25519_verify(public_key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
        env::ed25519_verify(signature, message, public_key)
    }

    fn secp256k1_recover(digest: &Hash, signature: &[u8; 64], recovery_id: u8) -> Option<[u8; 64]> {
        // The host traps on a recovery id above 3; the signer's are 0 or 1.
        if recovery_id > 1 {
            return None;
        }
        let refuse_high_s = true;
        env::ecrecover(&digest.0, signature, recovery_id, refuse_high_s)
    }
}
