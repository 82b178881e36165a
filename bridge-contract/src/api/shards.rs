//! Registering shards and what becomes of them: reserve, lapse, pay, pause, retire, say how their
//! nodes are reached.

use super::{args, emit, owned, pay_for_storage, refund, registered, storage_price_yocto};
use crate::bridge::{Bridge, BridgeExt};
use crate::errors::{AdminRefusal, Refusal, ShardRefusal};
use crate::registry::{RESERVE_BALANCE_YOCTO_MAX, RETIRED_STORAGE_BYTES_MAX, SHARD_STORAGE_BYTES_MAX};
use crate::{rules, storage};
use near_plugins::pause;
use near_sdk::{env, near};
use queue::contract::{Event, ReserveArgs, SetTransportArgs, ShardArgs, ShardReserved, WithdrawArgs};
use queue::ids::ShardId;

#[near]
impl Bridge {
    /// Takes a name; the caller becomes the shard's owner. Once the shard was active the name is
    /// given for ever. The deposit covers the shard's storage; up to [`RESERVE_BALANCE_YOCTO_MAX`]
    /// of the rest becomes its balance, what remains goes back.
    #[pause]
    #[payable]
    #[handle_result]
    pub fn reserve(&mut self) -> Result<(), Refusal> {
        let args: ReserveArgs = args();
        let owner = env::predecessor_account_id();
        if !self.may_register(&owner) {
            return Err(AdminRefusal::RegistrationClosed(owner).into());
        }
        if storage::read_shard(&args.shard).is_some() {
            return Err(ShardRefusal::NameTaken(args.shard).into());
        }
        let (rest, storage_yocto) = pay_for_storage("reserving a shard", SHARD_STORAGE_BYTES_MAX)?;
        let index = self.shard_count;
        let (mut record, transport) = rules::judge_reservation(&args, owner.clone(), index, env::block_timestamp())?;
        record.storage_yocto = storage_yocto;
        record.balance_yocto = rest.min(RESERVE_BALANCE_YOCTO_MAX);

        storage::write_shard(&args.shard, &record);
        storage::write_transport(&args.shard, &transport);
        storage::list_shard(index, &args.shard);
        self.shard_count += 1;
        refund(owner.clone(), rest - record.balance_yocto);
        emit(&Event::ShardReserved([ShardReserved { shard: args.shard, owner }]));
        Ok(())
    }

    /// Gives up a name that never became active: its owner at any time, anybody once it was
    /// reserved for [`rules::RESERVATION_NS`]. All that was paid goes back to the owner, and the
    /// name is free: nothing was ever signed under it.
    #[pause]
    #[handle_result]
    pub fn lapse(&mut self) -> Result<(), Refusal> {
        let ShardArgs { shard } = args();
        let record = registered(&shard)?;
        let caller = env::predecessor_account_id();
        let index = rules::judge_lapse(&shard, &record, &caller, env::block_timestamp())?;
        self.shard_count -= 1;
        storage::remove_reservation(&shard, index, self.shard_count);
        refund(record.owner, record.storage_yocto.saturating_add(record.balance_yocto));
        emit(&Event::ShardLapsed([ShardArgs { shard }]));
        Ok(())
    }

    /// Adds the attached deposit to a shard's balance. Anyone may call it.
    #[pause]
    #[payable]
    #[handle_result]
    pub fn top_up(&mut self) -> Result<(), Refusal> {
        let ShardArgs { shard } = args();
        let mut record = registered(&shard)?;
        let deposit = env::attached_deposit().as_yoctonear();
        if deposit == 0 {
            return Err(ShardRefusal::NoDeposit(shard).into());
        }
        if record.retired {
            return Err(ShardRefusal::Retired(shard).into());
        }
        // No sum of deposits exceeds NEAR's total supply, which is below 2^128.
        record.balance_yocto = record.balance_yocto.saturating_add(deposit);
        storage::write_shard(&shard, &record);
        Ok(())
    }

    /// Sends some or all of a shard's balance to its owner, who calls.
    #[pause]
    #[handle_result]
    pub fn withdraw(&mut self) -> Result<(), Refusal> {
        let WithdrawArgs { shard, amount_yocto } = args();
        let mut record = owned(&shard)?;
        let amount = rules::judge_withdrawal(&shard, &record, amount_yocto.map(|amount| amount.0))?;
        record.balance_yocto -= amount;
        storage::write_shard(&shard, &record);
        refund(record.owner, amount);
        Ok(())
    }

    /// Replaces how the nodes of the caller's shard are reached.
    #[pause]
    #[handle_result]
    pub fn set_transport(&mut self) -> Result<(), Refusal> {
        let SetTransportArgs { shard, transport_keys, addresses } = args();
        let record = owned(&shard)?;
        let transport = rules::judge_transport(&record.members, &transport_keys, &addresses)?;
        storage::write_transport(&shard, &transport);
        Ok(())
    }

    /// Stops the caller's shard: no new checkpoint is recorded until `resume`. A pending one can
    /// still be asked again.
    #[handle_result]
    pub fn pause(&mut self) -> Result<(), Refusal> {
        let ShardArgs { shard } = args();
        set_paused(&shard, true)?;
        emit(&Event::ShardPaused([ShardArgs { shard }]));
        Ok(())
    }

    /// Ends a pause of the caller's shard.
    #[pause]
    #[handle_result]
    pub fn resume(&mut self) -> Result<(), Refusal> {
        let ShardArgs { shard } = args();
        set_paused(&shard, false)?;
        emit(&Event::ShardResumed([ShardArgs { shard }]));
        Ok(())
    }

    /// Ends the caller's shard: its heads attested last are final, its name, heights and keys stay
    /// taken for ever. Its balance, and what was paid for the storage that goes, come back.
    #[handle_result]
    pub fn retire(&mut self) -> Result<(), Refusal> {
        let ShardArgs { shard } = args();
        let mut record = owned(&shard)?;
        rules::judge_retirement(&shard, &record, storage::read_tip(&shard).as_ref())?;
        let freed_yocto = record.storage_yocto.saturating_sub(storage_price_yocto(RETIRED_STORAGE_BYTES_MAX));
        let back_yocto = record.balance_yocto.saturating_add(freed_yocto);
        record.balance_yocto = 0;
        record.storage_yocto -= freed_yocto;
        record.retired = true;
        storage::write_shard(&shard, &record);
        storage::remove_transport(&shard);
        storage::remove_rotation(&shard);
        refund(record.owner, back_yocto);
        emit(&Event::ShardRetired([ShardArgs { shard }]));
        Ok(())
    }
}

fn set_paused(shard: &ShardId, paused: bool) -> Result<(), Refusal> {
    let mut record = owned(shard)?;
    record.paused = paused;
    storage::write_shard(shard, &record);
    Ok(())
}
