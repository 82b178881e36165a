//! The root state, and how it begins.

#![allow(missing_docs, reason = "near-sdk's macros generate public items without docs")]

use crate::host::Host;
use crate::signer::SIGN_TGAS_DEFAULT;
use near_sdk::{PanicOnDefault, env, near};
use queue::codec;
use queue::digest::{Tag, tagged};
use queue::ids::{AccountId, BridgeDomain, NetworkName};
use queue::trust::PublicKey;

/// The root state. What belongs to one shard stands in records of its own.
#[near(contract_state)]
#[derive(PanicOnDefault)]
pub struct Bridge {
    /// Network, account and instance of this bridge.
    pub(crate) domain: BridgeDomain,
    /// The account that signs.
    pub(crate) signer: AccountId,
    /// The account that administers the contract.
    pub(crate) admin: AccountId,
    /// The signer's root key for secp256k1, once known. Never replaced.
    pub(crate) secp256k1: Option<PublicKey>,
    /// The signer's root key for ed25519, once known. Never replaced.
    pub(crate) ed25519: Option<PublicKey>,
    /// How many names were taken: the index of the next.
    pub(crate) shard_count: u64,
    /// Gas in Tgas that the signer requires for `sign`, as it said last.
    pub(crate) sign_tgas: u64,
}

#[near]
impl Bridge {
    /// Draws the instance id. Called by the bridge account itself, in the transaction that deploys
    /// the code, so that nobody else can choose the signer.
    #[init]
    #[private]
    pub fn init(network: NetworkName, signer: AccountId, admin: AccountId) -> Self {
        let bridge = env::current_account_id();
        let drawn = (env::random_seed_array(), &bridge, env::block_height(), env::block_timestamp());
        let instance = tagged::<Host>(Tag::Instance, &codec::encode(&drawn));
        Self {
            domain: BridgeDomain { network, bridge, instance },
            signer,
            admin,
            secp256k1: None,
            ed25519: None,
            shard_count: 0,
            sign_tgas: SIGN_TGAS_DEFAULT,
        }
    }
}
