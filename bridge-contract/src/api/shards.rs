//! Registering shards: reserve, activate, pay, say how their nodes are reached.

use super::{ask, emit};
use crate::bridge::{Bridge, BridgeExt};
use crate::errors::Refusal;
use crate::registry::{RESERVE_BALANCE_YOCTO_MAX, SHARD_STORAGE_BYTES_MAX, ShardRecord};
use crate::signer::Answer;
use crate::{rules, storage};
use near_sdk::{Gas, NearToken, Promise, PromiseOrValue, env, near};
use queue::attestation::shard_path;
use queue::contract::{Event, ReserveArgs, ShardActivated, ShardArgs, ShardReserved};
use queue::ids::ShardId;
use queue::trust::{Curve, PublicKey};

/// Gas for a callback that stores a key.
const ON_KEY_GAS: Gas = Gas::from_tgas(6);

#[near]
impl Bridge {
    /// Takes a name for ever; the caller becomes the shard's owner. The deposit covers the shard's
    /// storage; up to [`RESERVE_BALANCE_YOCTO_MAX`] of the rest becomes its balance, what remains
    /// goes back.
    #[payable]
    #[handle_result]
    pub fn reserve(
        &mut self,
        shard: ShardId,
        members: Vec<PublicKey>,
        threshold: u16,
        curve: Curve,
        transport_keys: Vec<PublicKey>,
        addresses: Vec<String>,
    ) -> Result<(), Refusal> {
        if storage::read_shard(&shard).is_some() {
            return Err(Refusal::NameTaken(shard));
        }
        let rest = pay_for_storage()?;
        let balance = rest.min(RESERVE_BALANCE_YOCTO_MAX);
        let args = ReserveArgs { shard, members, threshold, curve, transport_keys, addresses };
        let owner = env::predecessor_account_id();
        let (record, transport) = rules::judge_reservation(&args, owner.clone(), balance)?;

        storage::write_shard(&args.shard, &record);
        storage::write_transport(&args.shard, &transport);
        storage::list_shard(self.shard_count, &args.shard);
        self.shard_count += 1;
        if rest > balance {
            Promise::new(owner.clone()).transfer(NearToken::from_yoctonear(rest - balance)).detach();
        }
        emit(&Event::ShardReserved([ShardReserved { shard: args.shard, owner }]));
        Ok(())
    }

    /// Asks the signer for a reserved shard's derived key, and makes the shard active when it
    /// comes. Anyone may call it, again and again. Returns the key, or null if none came.
    #[handle_result]
    pub fn activate(&self, shard: ShardId) -> Result<PromiseOrValue<Option<PublicKey>>, Refusal> {
        let record = registered(&shard)?;
        if let Some(key) = record.key {
            return Ok(PromiseOrValue::Value(Some(key)));
        }
        let path = shard_path(&self.domain, &shard, record.key_epoch);
        let asked = ask::derived_public_key(self.signer.clone(), &path, record.curve);
        Ok(asked.then(callback().on_derived_key(shard)).into())
    }

    #[private]
    pub fn on_derived_key(&self, shard: ShardId) -> Option<PublicKey> {
        let mut record = storage::read_shard(&shard)?;
        if record.key.is_some() {
            return record.key;
        }
        let Answer::Given(public_key) = ask::key_answer(record.curve) else {
            emit(&Event::ShardActivationFailed([ShardArgs { shard }]));
            return None;
        };
        record.key = Some(public_key);
        storage::write_shard(&shard, &record);
        emit(&Event::ShardActivated([ShardActivated { shard, key_epoch: record.key_epoch, public_key }]));
        Some(public_key)
    }

    /// Asks the signer for its root keys. Anyone may call it, again and again: a key that is known
    /// stays as it is.
    pub fn sync_signer(&self) {
        for curve in [Curve::Secp256k1, Curve::Ed25519] {
            ask::public_key(self.signer.clone(), curve).then(callback().on_root_key(curve)).detach();
        }
    }

    #[private]
    pub fn on_root_key(&mut self, curve: Curve) {
        let known = match curve {
            Curve::Secp256k1 => &mut self.secp256k1,
            Curve::Ed25519 => &mut self.ed25519,
        };
        if let (None, Answer::Given(key)) = (&known, ask::key_answer(curve)) {
            *known = Some(key);
        }
    }

    /// Adds the attached deposit to a shard's balance. Anyone may call it.
    #[payable]
    #[handle_result]
    pub fn top_up(&mut self, shard: ShardId) -> Result<(), Refusal> {
        let mut record = registered(&shard)?;
        let deposit = env::attached_deposit().as_yoctonear();
        if deposit == 0 {
            return Err(Refusal::NoDeposit(shard));
        }
        // No sum of deposits exceeds NEAR's total supply, which is below 2^128.
        record.balance_yocto = record.balance_yocto.saturating_add(deposit);
        storage::write_shard(&shard, &record);
        Ok(())
    }

    /// Replaces how the nodes of the caller's shard are reached.
    #[handle_result]
    pub fn set_transport(
        &mut self,
        shard: ShardId,
        transport_keys: Vec<PublicKey>,
        addresses: Vec<String>,
    ) -> Result<(), Refusal> {
        let record = registered(&shard)?;
        let caller = env::predecessor_account_id();
        if caller != record.owner {
            return Err(Refusal::NotOwner { caller, shard, owner: record.owner });
        }
        let transport = rules::judge_transport(&record.members, &transport_keys, &addresses)?;
        storage::write_transport(&shard, &transport);
        Ok(())
    }
}

/// What remains of the attached deposit beyond the price of a shard's storage, in yoctoNEAR.
fn pay_for_storage() -> Result<u128, Refusal> {
    let expected_yocto = SHARD_STORAGE_BYTES_MAX * env::storage_byte_cost().as_yoctonear();
    let found_yocto = env::attached_deposit().as_yoctonear();
    found_yocto.checked_sub(expected_yocto).ok_or(Refusal::DepositTooSmall { found_yocto, expected_yocto })
}

fn registered(shard: &ShardId) -> Result<ShardRecord, Refusal> {
    storage::read_shard(shard).ok_or_else(|| Refusal::UnknownShard(shard.clone()))
}

/// The rest of the gas is the signer's.
fn callback() -> BridgeExt {
    Bridge::ext(env::current_account_id()).with_static_gas(ON_KEY_GAS).with_unused_gas_weight(0)
}
