//! Names: shards, lanes, the bridge that they belong to, and who may speak for a shard.

use crate::digest::Hash;
use crate::limits::{NETWORK_BYTES_MAX, SHARD_ID_BYTES_MAX, SHARD_ID_BYTES_MIN};
use borsh::{BorshDeserialize, BorshSerialize};
use near_account_id::{AccountIdRef, AccountType};
use std::{fmt, str::FromStr};

pub use near_account_id::AccountId;

/// Labels that no shard may take: NEAR's own top-level names and names that tools give a meaning.
pub const RESERVED_SHARD_IDS: [&str; 12] = [
    "aurora",
    "bridge",
    "kaiching",
    "localnet",
    "mainnet",
    "near",
    "registrar",
    "sandbox",
    "sweat",
    "system",
    "testnet",
    "tg",
];

/// A shard's name: one NEAR account-id label of 2–32 bytes, without dots, not reserved.
///
/// The shard owns the account of that name and all of its sub-accounts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, serde::Serialize)]
#[serde(transparent)]
pub struct ShardId(String);

/// Why a shard's name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShardIdError {
    /// Outside of the allowed lengths.
    #[error("shard name {0:?} has {len} bytes, expected {SHARD_ID_BYTES_MIN} to {SHARD_ID_BYTES_MAX}", len = .0.len())]
    Length(String),
    /// Not one account-id label.
    #[error("shard name {0:?} is no account-id label: use a-z, 0-9 and single - or _ between them")]
    Label(String),
    /// Kept for NEAR or for the bridge.
    #[error("shard name {0:?} is reserved")]
    Reserved(String),
}

impl ShardId {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `account` is this shard's own account or one below it, and so may speak for it.
    pub fn owns(&self, account: &AccountIdRef) -> bool {
        let account = account.as_str();
        account == self.0 || account.strip_suffix(self.0.as_str()).is_some_and(|front| front.ends_with('.'))
    }
}

impl FromStr for ShardId {
    type Err = ShardIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !(SHARD_ID_BYTES_MIN..=SHARD_ID_BYTES_MAX).contains(&text.len()) {
            return Err(ShardIdError::Length(text.to_owned()));
        }
        let looks_implicit = ["0x", "0s", "0u"].iter().any(|prefix| text.starts_with(prefix));
        if looks_implicit || RESERVED_SHARD_IDS.contains(&text) {
            return Err(ShardIdError::Reserved(text.to_owned()));
        }
        if !AccountIdRef::new(text).is_ok_and(|account| account.is_top_level()) {
            return Err(ShardIdError::Label(text.to_owned()));
        }
        Ok(ShardId(text.to_owned()))
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl BorshDeserialize for ShardId {
    fn deserialize_reader<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<Self> {
        let text = String::deserialize_reader(reader)?;
        text.parse()
            .map_err(|error: ShardIdError| borsh::io::Error::new(borsh::io::ErrorKind::InvalidData, error.to_string()))
    }
}

impl<'de> serde::Deserialize<'de> for ShardId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <String as serde::Deserialize>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Whether an account id is implicit: local to its chain, neither sender nor receiver in a lane.
///
/// 64 hex digits (NEAR), `0x…` (Ethereum), `0s…` (deterministic, NEP-616) and `0u…` (universal).
pub fn is_implicit(account: &AccountIdRef) -> bool {
    let text = account.as_str();
    let prefixed = ["0x", "0s", "0u"].iter().any(|prefix| text.starts_with(prefix)) && !text.contains('.');
    prefixed || account.get_account_type() != AccountType::NamedAccount
}

/// Where a receiver's messages go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// The receiver lives on the sending shard itself (own name, or implicit).
    Local,
    /// The receiver lives on the shard of this name, if such a shard is registered; on public
    /// NEAR otherwise.
    Shard(ShardId),
    /// The receiver's top label can't be a shard's: it lives on public NEAR.
    Near,
}

/// Routes a receiver by its top label, as seen from shard `own`.
pub fn route(own: &ShardId, receiver: &AccountIdRef) -> Route {
    if is_implicit(receiver) || own.owns(receiver) {
        return Route::Local;
    }
    let top = receiver.as_str().rsplit('.').next().unwrap_or_default();
    top.parse().map_or(Route::Near, Route::Shard)
}

/// The bridge that a checkpoint, a statement or a signature belongs to. Part of everything that
/// is signed, so that nothing signed for one bridge means anything to another.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, serde::Serialize, serde::Deserialize)]
pub struct BridgeDomain {
    /// NEAR network: `mainnet`, `testnet`, `localnet`, …
    pub network: NetworkName,
    /// Account of the bridge contract.
    pub bridge: AccountId,
    /// Drawn once by the contract's `init`: tells redeployments apart.
    pub instance: Hash,
}

/// A network's name, 1–32 bytes of a-z, 0-9 and `-`.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, serde::Serialize)]
#[serde(transparent)]
pub struct NetworkName(String);

/// A network name that is empty, too long, or has other characters than a-z, 0-9 and `-`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("network name {0:?} is not 1 to {NETWORK_BYTES_MAX} characters of a-z, 0-9 and -")]
pub struct NetworkNameError(String);

impl NetworkName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is a chain on one machine, where nobody needs time to react.
    pub fn is_localnet(&self) -> bool {
        self.0 == "localnet"
    }
}

impl FromStr for NetworkName {
    type Err = NetworkNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if text.is_empty() || text.len() > NETWORK_BYTES_MAX || !text.chars().all(allowed) {
            return Err(NetworkNameError(text.to_owned()));
        }
        Ok(NetworkName(text.to_owned()))
    }
}

impl fmt::Display for NetworkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl BorshDeserialize for NetworkName {
    fn deserialize_reader<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<Self> {
        let text = String::deserialize_reader(reader)?;
        text.parse().map_err(|error: NetworkNameError| {
            borsh::io::Error::new(borsh::io::ErrorKind::InvalidData, error.to_string())
        })
    }
}

impl<'de> serde::Deserialize<'de> for NetworkName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <String as serde::Deserialize>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A lane: the queue from `source` to `destination`, in one life of each.
#[derive(
    Debug,
    Clone,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct Lane {
    /// The shard whose messages these are.
    pub source: ShardId,
    /// The shard that they are for.
    pub destination: ShardId,
    /// Incarnation of the source, from 0.
    pub source_incarnation: u32,
    /// Incarnation of the destination, from 0.
    pub destination_incarnation: u32,
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}→{}", self.source, self.destination)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(text: &str) -> ShardId {
        text.parse().expect("a valid shard name")
    }

    fn account(text: &str) -> AccountId {
        text.parse().expect("a valid account id")
    }

    #[test]
    fn a_shard_cannot_be_named_like_near_itself() {
        for name in RESERVED_SHARD_IDS {
            assert_eq!(name.parse::<ShardId>(), Err(ShardIdError::Reserved(name.to_owned())));
        }
    }

    #[test]
    fn a_shard_cannot_be_named_like_a_path_or_an_implicit_account() {
        for name in ["a/b", "round/secp256k1", "a.b", "A", "ab-", "x", "", "0xab", "0sab", "0uab", &"a".repeat(33)] {
            assert!(name.parse::<ShardId>().is_err(), "{name} was accepted");
        }
    }

    #[test]
    fn a_shard_speaks_only_for_itself_and_what_is_below_it() {
        let alpha = shard("alpha");
        assert!(alpha.owns(&account("alpha")));
        assert!(alpha.owns(&account("bob.alpha")));
        assert!(alpha.owns(&account("a.bob.alpha")));
        assert!(!alpha.owns(&account("evilalpha")));
        assert!(!alpha.owns(&account("alpha.beta")));
        assert!(!alpha.owns(&account("bob.beta")));
    }

    #[test]
    fn implicit_accounts_never_leave_their_chain() {
        let alpha = shard("alpha");
        for implicit in [
            "98793cd91a3f870fb126f66285808c7e094afcfc4eda8a970f6648cdf0dbd6de",
            "0x06012c8cf97bead5deae237070f9587f8e7a266d",
            "0s1234567890abcdef1234567890abcdef12345678",
            "0u1234567890abcdef1234567890abcdef12345678",
        ] {
            assert!(is_implicit(&account(implicit)), "{implicit}");
            assert_eq!(route(&alpha, &account(implicit)), Route::Local);
        }
    }

    #[test]
    fn receivers_are_routed_by_their_top_label() {
        let alpha = shard("alpha");
        assert_eq!(route(&alpha, &account("bob.alpha")), Route::Local);
        assert_eq!(route(&alpha, &account("bob.beta")), Route::Shard(shard("beta")));
        assert_eq!(route(&alpha, &account("bob.near")), Route::Near);
    }
}
