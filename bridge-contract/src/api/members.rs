//! Replacing a shard's members: at once by their own agreement, by the owner after a delay that
//! everybody can see.

use super::{args, emit, owned, registered};
use crate::bridge::{Bridge, BridgeExt};
use crate::errors::{Refusal, ShardRefusal};
use crate::host::Host;
use crate::registry::{Rotation, ShardRecord};
use crate::{rules, storage};
use near_plugins::pause;
use near_sdk::{env, near};
use queue::contract::{Event, MembersRotated, ProposeRotationArgs, RotateArgs, RotationProposed, ShardArgs};
use queue::ids::ShardId;
use queue::statement::Statement;
use queue::trust::PublicKey;

#[near]
impl Bridge {
    /// Replaces a shard's members at once, by the agreement of the present ones. Anyone may bring
    /// it. What earlier members signed is void from then on.
    #[pause]
    #[handle_result]
    pub fn rotate(&mut self) -> Result<(), Refusal> {
        let RotateArgs { shard, members, threshold, endorsements } = args();
        let record = registered(&shard)?;
        if record.retired {
            return Err(ShardRefusal::Retired(shard).into());
        }
        let members = judge_new_members(&shard, &members, threshold)?;
        let statement = Statement::Rotate { members: members.clone(), threshold };
        rules::judge_endorsements::<Host>(&self.domain, &shard, &record, &statement, &endorsements)?;
        install(shard, record, members, threshold);
        Ok(())
    }

    /// Announces members that can be installed after [`rules::ROTATION_DELAY_NS`]; an earlier
    /// announcement is replaced, and its time begins anew. The owner calls: when the members' keys
    /// are lost, nobody else can.
    #[pause]
    #[handle_result]
    pub fn propose_rotation(&mut self) -> Result<(), Refusal> {
        let ProposeRotationArgs { shard, members, threshold } = args();
        owned(&shard)?;
        let members = judge_new_members(&shard, &members, threshold)?;
        let ready_at_ns = env::block_timestamp().saturating_add(rules::owner_delay_ns(&self.domain.network));
        storage::write_rotation(&shard, &Rotation { members, threshold, ready_at_ns });
        emit(&Event::RotationProposed([RotationProposed { shard, ready_at_ns }]));
        Ok(())
    }

    /// Installs the announced members once their time has come. Anyone may call it.
    #[pause]
    #[handle_result]
    pub fn apply_rotation(&mut self) -> Result<(), Refusal> {
        let ShardArgs { shard } = args();
        let record = registered(&shard)?;
        let rotation = storage::read_rotation(&shard).ok_or_else(|| ShardRefusal::NoRotation(shard.clone()))?;
        rules::judge_rotation_time(&shard, &rotation, env::block_timestamp())?;
        storage::remove_rotation(&shard);
        install(shard, record, rotation.members, rotation.threshold);
        Ok(())
    }

    /// Takes the announcement back. The owner calls.
    #[handle_result]
    pub fn cancel_rotation(&mut self) -> Result<(), Refusal> {
        let ShardArgs { shard } = args();
        owned(&shard)?;
        if !storage::remove_rotation(&shard) {
            return Err(ShardRefusal::NoRotation(shard).into());
        }
        emit(&Event::RotationCancelled([ShardArgs { shard }]));
        Ok(())
    }
}

fn judge_new_members(shard: &ShardId, members: &[PublicKey], threshold: u16) -> Result<Vec<[u8; 32]>, Refusal> {
    let members = rules::judge_members(members, threshold)?;
    let transport = storage::read_transport(shard);
    rules::judge_apart(&members, &transport)?;
    Ok(members)
}

fn install(shard: ShardId, mut record: ShardRecord, members: Vec<[u8; 32]>, threshold: u16) {
    record.members = members;
    record.threshold = threshold;
    // 2^32 rotations don't come to pass; a version that repeats would revive old statements.
    record.members_version = record.members_version.checked_add(1).expect("fewer than 2^32 sets of members");
    let members_version = record.members_version;
    storage::write_shard(&shard, &record);
    emit(&Event::MembersRotated([MembersRotated { shard, members_version }]));
}
