//! What survives an upgrade: the versions of the root state, and how long staged code waits.
//!
//! Records of shards have forms of their own, and are rewritten when they are next touched.

use crate::errors::AdminRefusal;
use borsh::BorshDeserialize;
use queue::ids::{AccountId, BridgeDomain, NetworkName};
use queue::limits::UPGRADE_DELAY_NS;
use queue::trust::PublicKey;

/// Version of the root state that this code writes: its first byte.
pub const ROOT_VERSION: u8 = 2;

/// The root state of the first release, which had no version.
#[derive(Debug, Clone, PartialEq, Eq, BorshDeserialize)]
#[cfg_attr(test, derive(borsh::BorshSerialize))]
pub struct RootV1 {
    /// Network, account and instance of the bridge.
    pub domain: BridgeDomain,
    /// The account that signs.
    pub signer: AccountId,
    /// The account that administers the contract.
    pub admin: AccountId,
    /// The signer's root key for secp256k1, once known.
    pub secp256k1: Option<PublicKey>,
    /// The signer's root key for ed25519, once known.
    pub ed25519: Option<PublicKey>,
    /// How many names are taken.
    pub shard_count: u64,
}

/// The root state that a migration finds.
#[derive(Debug, PartialEq, Eq)]
pub enum RootFound {
    /// That of the first release.
    V1(Box<RootV1>),
    /// That of this one: nothing is left to do.
    Current,
}

/// Tells which version of the root state `bytes` are.
///
/// No bytes are of two versions: version 1 begins with the length of the network's name as a u32,
/// below 256, so that the bytes after the first are 0; read so, a state with a version has a name of
/// 2^8 bytes at least, which [`NetworkName`] refuses.
///
/// # Errors
/// Neither version.
pub fn find_root(bytes: &[u8]) -> Result<RootFound, AdminRefusal> {
    if let Ok(old) = borsh::from_slice(bytes) {
        return Ok(RootFound::V1(Box::new(old)));
    }
    if bytes.first() == Some(&ROOT_VERSION) {
        return Ok(RootFound::Current);
    }
    Err(AdminRefusal::UnknownState { bytes: bytes.len(), expected: ROOT_VERSION })
}

/// How long staged code waits on a network, in nanoseconds: 0 on localnet only.
pub fn upgrade_delay_ns(network: &NetworkName) -> u64 {
    if network.is_localnet() { 0 } else { UPGRADE_DELAY_NS }
}

#[cfg(test)]
mod tests {
    use super::*;
    use queue::codec;
    use queue::digest::Hash;
    use queue::limits::NETWORK_BYTES_MAX;

    fn root(network: &str) -> RootV1 {
        RootV1 {
            domain: BridgeDomain {
                network: network.parse().expect("a valid network"),
                bridge: "bridge".parse().expect("a valid account id"),
                instance: Hash([7; 32]),
            },
            signer: "v1.signer".parse().expect("a valid account id"),
            admin: "admin".parse().expect("a valid account id"),
            secp256k1: Some(PublicKey::Secp256k1([1; 64])),
            ed25519: None,
            shard_count: 3,
        }
    }

    #[test]
    fn a_root_state_is_of_one_version_whatever_the_network_is_called() {
        for length in 1..=NETWORK_BYTES_MAX {
            let old = root(&"n".repeat(length));
            let bytes = codec::encode(&old);
            assert_eq!(find_root(&bytes), Ok(RootFound::V1(Box::new(old))), "a name of {length} bytes");
            let current = [&[ROOT_VERSION], &bytes[..]].concat();
            assert_eq!(find_root(&current), Ok(RootFound::Current), "a name of {length} bytes");
        }
    }

    #[test]
    fn a_root_state_of_another_release_is_not_taken_for_one_that_is_known() {
        let old = codec::encode(&root("testnet"));
        let longer = [&old[..], &[0]].concat();
        let later = [&[ROOT_VERSION + 1], &old[..]].concat();
        for bytes in [&b""[..], &old[1..], &old[..old.len() - 1], &longer, &later] {
            let refusal = AdminRefusal::UnknownState { bytes: bytes.len(), expected: ROOT_VERSION };
            assert_eq!(find_root(bytes), Err(refusal));
        }
    }

    #[test]
    fn staged_code_waits_everywhere_but_on_localnet() {
        let delay_ns = |network: &str| upgrade_delay_ns(&network.parse().expect("a valid network"));
        assert_eq!(delay_ns("localnet"), 0);
        for network in ["testnet", "mainnet", "localnet2", "my-localnet"] {
            assert_eq!(delay_ns(network), 7 * 86_400 * 1_000_000_000, "{network}");
        }
    }
}
