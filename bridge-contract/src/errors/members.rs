//! Why a shard can't have these members, or be reached like this.

use queue::limits::{ADDRESS_BYTES_MAX, ADDRESSES_MAX, MEMBERS_MAX, TRANSPORT_KEYS_MAX};
use queue::trust::PublicKey;

/// Refused members, keys or addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MembersRefusal {
    /// No members, or too many.
    #[error("{0} members are listed, expected 1 to {MEMBERS_MAX}")]
    MemberCount(usize),
    /// Too few or too many members must endorse.
    #[error("the threshold is {threshold}, expected more than half of {members} members and at most all")]
    Threshold {
        /// The threshold asked for.
        threshold: u16,
        /// How many members are listed.
        members: usize,
    },
    /// Members and transport keys are ed25519.
    #[error("{0} is a {curve} key, expected ed25519", curve = .0.curve())]
    KeyCurve(PublicKey),
    /// A key would count twice, or serve two purposes.
    #[error("key {0} is listed twice: members and transport keys are all distinct")]
    KeyTwice(PublicKey),
    /// Too many transport keys.
    #[error("{0} transport keys are listed, the limit is {TRANSPORT_KEYS_MAX}")]
    TransportKeyCount(usize),
    /// Too many addresses.
    #[error("{0} addresses are listed, the limit is {ADDRESSES_MAX}")]
    AddressCount(usize),
    /// An address that can't be one.
    #[error("address {0:?} is not host:port of at most {ADDRESS_BYTES_MAX} printable characters")]
    Address(String),
}
