//! Key epochs: ranges of a shard's heights, each with a derived key of its own.

use super::{args, ask, emit, key_callback, owned, pay_for_storage, refund, registered, takes_no_deposit};
use crate::bridge::{Bridge, BridgeExt};
use crate::errors::{Refusal, ShardRefusal};
use crate::host::Host;
use crate::registry::{EPOCH_STORAGE_BYTES_MAX, ShardRecord};
use crate::signer::Answer;
use crate::{rules, storage};
use near_plugins::pause;
use near_sdk::{PromiseOrValue, env, near};
use queue::attestation::shard_path;
use queue::contract::{EpochOpened, Event, RekeyArgs, ShardActivated, ShardArgs, method};
use queue::ids::ShardId;
use queue::statement::Statement;
use queue::trust::{Curve, PublicKey};

#[near]
impl Bridge {
    /// Asks the signer for the derived key of a shard's newest key epoch, and lets the shard attest
    /// in it when the key comes. Anyone may call it, again and again. Returns the key, or null if
    /// none came.
    #[pause]
    #[handle_result]
    pub fn activate(&self) -> Result<PromiseOrValue<Option<PublicKey>>, Refusal> {
        let ShardArgs { shard } = args();
        takes_no_deposit(method::ACTIVATE)?;
        let record = registered(&shard)?;
        if let Some(key) = record.epoch.key {
            return Ok(PromiseOrValue::Value(Some(key)));
        }
        let path = shard_path(&self.domain, &shard, record.key_epoch);
        let asked = ask::derived_public_key(self.signer.clone(), &path, record.epoch.curve);
        Ok(asked.then(key_callback().on_derived_key(shard, record.key_epoch)).into())
    }

    /// A reservation may have lapsed and the name been taken again meanwhile: the key of a path is
    /// the same for whoever owns the name, and one of another curve is none.
    #[private]
    pub fn on_derived_key(
        &self,
        #[serializer(borsh)] shard: ShardId,
        #[serializer(borsh)] key_epoch: u32,
    ) -> Option<PublicKey> {
        let mut record = storage::read_shard(&shard).filter(|record| record.key_epoch == key_epoch)?;
        if record.epoch.key.is_some() {
            return record.epoch.key;
        }
        let Answer::Given(public_key) = ask::key_answer(record.epoch.curve) else {
            emit(&Event::ShardActivationFailed([ShardArgs { shard }]));
            return None;
        };
        record.epoch.key = Some(public_key);
        storage::write_shard(&shard, &record);
        emit(&Event::ShardActivated([ShardActivated { shard, key_epoch, public_key }]));
        Some(public_key)
    }

    /// Opens a key epoch right after the tip, by the members' agreement. Anyone may bring it, with a
    /// deposit for the ended epoch's record. Heights run on; `activate` then fetches the key.
    #[pause]
    #[payable]
    #[handle_result]
    pub fn rekey(&mut self) -> Result<(), Refusal> {
        let RekeyArgs { shard, curve, endorsements } = args();
        let record = registered(&shard)?;
        if record.retired {
            return Err(ShardRefusal::Retired(shard).into());
        }
        let statement = Statement::Rekey { key_epoch: record.key_epoch.saturating_add(1), curve };
        rules::judge_endorsements::<Host>(&self.domain, &shard, &record, &statement, &endorsements)?;
        open_epoch(shard, record, curve)
    }

    /// Says that the caller's shard lost its data: its lanes begin anew, and with them a key epoch.
    /// Heights run on. Takes a deposit for the ended epoch's record.
    #[pause]
    #[payable]
    #[handle_result]
    pub fn open_incarnation(&mut self) -> Result<(), Refusal> {
        let ShardArgs { shard } = args();
        let mut record = owned(&shard)?;
        record.incarnation = record.incarnation.checked_add(1).expect("fewer than 2^32 incarnations");
        let curve = record.epoch.curve;
        open_epoch(shard, record, curve)
    }
}

fn open_epoch(shard: ShardId, mut record: ShardRecord, curve: Curve) -> Result<(), Refusal> {
    let (rest, _) = pay_for_storage("a key epoch", EPOCH_STORAGE_BYTES_MAX)?;
    let tip = storage::read_tip(&shard);
    let (ended, opened) = rules::judge_new_epoch(&shard, &record, tip.as_ref(), curve)?;
    storage::write_ended_epoch(&shard, record.key_epoch, &ended);
    let first_height = opened.first_height;
    record.epoch = opened;
    record.key_epoch = record.key_epoch.checked_add(1).expect("fewer than 2^32 key epochs");
    storage::write_shard(&shard, &record);
    refund(env::predecessor_account_id(), rest);
    let ShardRecord { key_epoch, incarnation, .. } = record;
    emit(&Event::EpochOpened([EpochOpened { shard, key_epoch, first_height, incarnation }]));
    Ok(())
}
