//! The root state, how it begins and how it is migrated.

#![allow(missing_docs, reason = "near-sdk's macros generate items without docs")]

use crate::api::args;
use crate::errors::{AdminRefusal, Refusal};
use crate::host::Host;
use crate::roles::{Paused, Roles};
use crate::signer::SIGN_TGAS_DEFAULT;
use crate::storage::{self, UpgradeKey};
use crate::upgrade::{self, ROOT_VERSION, RootFound};
use near_sdk::{PanicOnDefault, env, near};
use queue::codec;
use queue::contract::InitArgs;
use queue::digest::{Tag, tagged};
use queue::ids::{AccountId, BridgeDomain};
use queue::trust::PublicKey;

/// The root state. What belongs to one shard stands in records of its own, and so does
/// staged code.
#[near(
    contract_state,
    contract_metadata(
        standard(standard = "nep297", version = "1.0.0"),
        standard(standard = "nep330", version = "1.3.0"),
    )
)]
#[derive(PanicOnDefault)]
pub struct Bridge {
    /// [`ROOT_VERSION`]: first, so that a later release knows what it finds.
    pub(crate) version: u8,
    /// Network, account and instance of this bridge.
    pub(crate) domain: BridgeDomain,
    /// The account that signs.
    pub(crate) signer: AccountId,
    /// The signer's root key for secp256k1, once known. Never replaced.
    pub(crate) secp256k1: Option<PublicKey>,
    /// The signer's root key for ed25519, once known. Never replaced.
    pub(crate) ed25519: Option<PublicKey>,
    /// How many names were taken: the index of the next.
    pub(crate) shard_count: u64,
    /// Gas in Tgas that the signer requires for `sign`, as it said last.
    pub(crate) sign_tgas: u64,
    /// Whether everybody may reserve a name, or registrars only.
    pub(crate) open_registration: bool,
    /// Which methods are paused.
    pub(crate) paused: Paused,
}

#[near]
impl Bridge {
    /// Draws the instance id, and makes `admin` the first super admin. Called by the bridge account
    /// itself, in the transaction that deploys the code, so that nobody else can choose the signer.
    #[init]
    #[private]
    pub fn init() -> Self {
        let InitArgs { network, signer, admin, open_registration } = args();
        let bridge = env::current_account_id();
        let drawn = (env::random_seed_array(), &bridge, env::block_height(), env::block_timestamp());
        let instance = tagged::<Host>(Tag::Instance, &codec::encode(&drawn));
        Self {
            version: ROOT_VERSION,
            domain: BridgeDomain { network, bridge, instance },
            signer,
            secp256k1: None,
            ed25519: None,
            shard_count: 0,
            sign_tgas: SIGN_TGAS_DEFAULT,
            open_registration: open_registration.unwrap_or(true),
            paused: Paused::default(),
        }
        .administered_by(admin)
    }

    /// Brings the root state of an earlier release to this one's form; on this one's it changes
    /// nothing. Called by the bridge account itself in the transaction that deploys the code, or by
    /// `up_deploy_code`, so that nothing ever runs between the two.
    #[init(ignore_state)]
    #[private]
    #[handle_result]
    pub fn migrate() -> Result<Self, Refusal> {
        let bytes = env::storage_read(b"STATE").ok_or(AdminRefusal::NotInitialised)?;
        let old = match upgrade::find_root(&bytes)? {
            RootFound::V1(old) => *old,
            RootFound::Current => return Ok(env::state_read().expect("there is a state of this version")),
        };
        let root = Self {
            version: ROOT_VERSION,
            domain: old.domain,
            signer: old.signer,
            secp256k1: old.secp256k1,
            ed25519: old.ed25519,
            shard_count: old.shard_count,
            sign_tgas: SIGN_TGAS_DEFAULT,
            open_registration: true,
            paused: Paused::default(),
        };
        Ok(root.administered_by(old.admin))
    }
}

impl Bridge {
    /// The delay of upgrades is set before anybody has a role.
    fn administered_by(self, admin: AccountId) -> Self {
        storage::write_upgrade_ns(UpgradeKey::StagingDuration, upgrade::upgrade_delay_ns(&self.domain.network));
        storage::write_roles(&Roles::of(admin));
        self
    }
}
