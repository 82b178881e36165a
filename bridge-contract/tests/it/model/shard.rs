//! What a shard must do, from `specs/contract.md` alone: nothing here is the contract's own code.

use super::bridge::{YOCTO_PER_BYTE, judge_deposit};
use super::call::{Asked, Call, Done, Shown, Verdict};
use crate::world::{key_of, shard};
use queue::attestation::ChainSignature;
use queue::checkpoint::Checkpoint;
use queue::contract::{RoundPosition, ShardStatus};
use queue::digest::{Hash, Native};
use queue::ids::ShardId;
use queue::statement::Statement;
use queue::trust::{Curve, PublicKey};
use std::collections::BTreeMap;

/// What an ended key epoch takes, in yoctoNEAR.
pub const EPOCH_YOCTO: u128 = 256 * YOCTO_PER_BYTE;

/// What a retired shard gives back of what its name took, in yoctoNEAR.
pub const RETIRED_YOCTO: u128 = 5 * 1024 * YOCTO_PER_BYTE;

/// A shard as it must be.
pub struct Shard {
    pub name: &'static str,
    pub owner: &'static str,
    /// Names whose keys are its members'.
    pub members: Vec<String>,
    pub threshold: u16,
    pub members_version: u32,
    pub announced: Option<Announced>,
    /// From the first to the newest; never empty.
    pub epochs: Vec<Epoch>,
    pub incarnation: u32,
    pub tip: Option<Tip>,
    /// Which checkpoint occupies each height.
    pub recorded: BTreeMap<u64, Hash>,
    pub is_paused: bool,
    pub is_retired: bool,
    /// The height that the evidence shows.
    pub frozen_height: Option<u64>,
    pub evidence_floor: u64,
    pub balance_yocto: u128,
    /// What the storage that it holds was paid with, in yoctoNEAR.
    pub paid_yocto: u128,
}

pub struct Announced {
    pub members: Vec<String>,
    pub threshold: u16,
    pub ready_at_ns: u64,
}

pub struct Epoch {
    pub curve: Curve,
    pub first_height: u64,
    pub end_height: Option<u64>,
    pub key: Option<PublicKey>,
}

pub struct Tip {
    pub checkpoint: Checkpoint,
    /// Its own, of kind shard.
    pub signature: Option<ChainSignature>,
    pub attempts: u32,
    pub last_failure_block: Option<u64>,
    /// Where in a round it stands.
    pub place: Option<RoundPosition>,
}

impl Tip {
    pub fn new(checkpoint: Checkpoint) -> Self {
        Tip { checkpoint, signature: None, attempts: 0, last_failure_block: None, place: None }
    }

    pub fn hash(&self) -> Hash {
        self.checkpoint.hash::<Native>()
    }
}

impl Shard {
    pub fn id(&self) -> ShardId {
        shard(self.name)
    }

    pub fn epoch(&self) -> &Epoch {
        self.epochs.last().unwrap()
    }

    pub fn epoch_number(&self) -> u32 {
        u32::try_from(self.epochs.len() - 1).unwrap()
    }

    pub fn status(&self) -> ShardStatus {
        match (self.is_retired, self.frozen_height, self.is_paused, self.epoch().key) {
            (true, ..) => ShardStatus::Retired,
            (_, Some(_), ..) => ShardStatus::Frozen,
            (_, _, true, _) => ShardStatus::Paused,
            (.., None) => ShardStatus::Reserved,
            _ => ShardStatus::Active,
        }
    }

    /// The height that comes next, and the hash that its checkpoint continues.
    pub fn next(&self) -> (u64, Hash) {
        self.tip.as_ref().map_or((0, Hash::ZERO), |tip| (tip.checkpoint.height + 1, tip.hash()))
    }

    /// What must become of a call that is about this shard alone.
    pub fn judge(&self, block_ns: u64, asked: &Asked, is_pending: bool) -> Verdict {
        let Asked { caller, call, yocto, .. } = asked;
        match call {
            Call::Activate if self.epoch().key.is_some() => Ok(Done::Answered),
            Call::Activate => Ok(Done::Asked),
            Call::Rotate { members, threshold, shown } => {
                self.judge_alive()?;
                judge_members(members, *threshold)?;
                let keys = members.iter().map(|name| key_of(name).verifying_key().to_bytes()).collect();
                self.judge_shown(shown, &Statement::Rotate { members: keys, threshold: *threshold })
            }
            Call::Rekey { curve, shown } => {
                self.judge_alive()?;
                let statement = Statement::Rekey { key_epoch: self.epoch_number() + 1, curve: *curve };
                self.judge_shown(shown, &statement)?;
                self.judge_new_epoch(*yocto)
            }
            Call::ApplyRotation => match &self.announced {
                None => Err("has announced no members"),
                Some(Announced { ready_at_ns, .. }) if block_ns < *ready_at_ns => Err("can be installed at"),
                Some(_) => Ok(Done::Answered),
            },
            Call::TopUp if *yocto == 0 => Err("no deposit is attached"),
            Call::TopUp => self.judge_alive(),
            _ => {
                self.judge_owner(caller)?;
                self.judge_of_owner(call, *yocto, is_pending)
            }
        }
    }

    fn judge_of_owner(&self, call: &Call, yocto: u128, is_pending: bool) -> Verdict {
        match call {
            Call::ProposeRotation { members, threshold } => judge_members(members, *threshold),
            Call::CancelRotation if self.announced.is_none() => Err("has announced no members"),
            Call::OpenIncarnation => self.judge_new_epoch(yocto),
            Call::Retire if self.epochs.iter().all(|epoch| epoch.key.is_none()) => Err("call activate"),
            Call::Retire if is_pending => Err("then retire"),
            Call::Withdraw { yocto } if *yocto > self.balance_yocto => Err("can't be withdrawn"),
            _ => Ok(Done::Answered),
        }
    }

    /// Its owner calls, and it isn't retired.
    pub fn judge_owner(&self, caller: &str) -> Verdict {
        if caller != self.owner {
            return Err("is not the owner of shard");
        }
        self.judge_alive()
    }

    fn judge_alive(&self) -> Verdict {
        if self.is_retired { Err("is retired, for ever") } else { Ok(Done::Answered) }
    }

    fn judge_new_epoch(&self, yocto: u128) -> Verdict {
        judge_deposit(yocto, EPOCH_YOCTO, "a key epoch takes")?;
        if self.epoch().key.is_some() { Ok(Done::Answered) } else { Err("call activate") }
    }

    pub fn judge_shown(&self, shown: &Shown, expected: &Statement) -> Verdict {
        if shown.by.len() < usize::from(self.threshold) {
            return Err("the threshold is");
        }
        for (member, name) in &shown.by {
            let listed = self.members.get(usize::from(*member)).ok_or("has no member")?;
            if listed != name || shown.members_version != self.members_version || shown.statement != *expected {
                return Err("is not its signature");
            }
        }
        Ok(Done::Answered)
    }

    /// What a call changes that was not refused; how much of the deposit and of what is held goes
    /// back, in yoctoNEAR.
    pub fn apply(&mut self, block_ns: u64, delay_ns: u64, call: &Call, yocto: u128) -> u128 {
        match call.clone() {
            Call::Rotate { members, threshold, .. } => self.install(members, threshold),
            Call::ProposeRotation { members, threshold } => {
                self.announced = Some(Announced { members, threshold, ready_at_ns: block_ns + delay_ns });
            }
            Call::ApplyRotation => {
                let Announced { members, threshold, .. } = self.announced.take().unwrap();
                self.install(members, threshold);
            }
            Call::CancelRotation => self.announced = None,
            Call::Rekey { curve, .. } => return self.open_epoch(curve, yocto),
            Call::OpenIncarnation => {
                self.incarnation += 1;
                return self.open_epoch(self.epoch().curve, yocto);
            }
            Call::Pause => self.is_paused = true,
            Call::Resume => self.is_paused = false,
            Call::Retire => {
                self.is_retired = true;
                self.announced = None;
                self.paid_yocto -= RETIRED_YOCTO;
                return RETIRED_YOCTO + std::mem::take(&mut self.balance_yocto);
            }
            Call::TopUp => self.balance_yocto += yocto,
            Call::Withdraw { yocto } => {
                self.balance_yocto -= yocto;
                return yocto;
            }
            _ => {}
        }
        0
    }

    /// Makes a checkpoint the tip.
    pub fn record(&mut self, checkpoint: Checkpoint) -> &mut Tip {
        let taken = self.recorded.insert(checkpoint.height, checkpoint.hash::<Native>());
        assert_eq!(taken, None, "a second checkpoint of {} at height {}", self.name, checkpoint.height);
        self.tip.insert(Tip::new(checkpoint))
    }

    fn install(&mut self, members: Vec<String>, threshold: u16) {
        (self.members, self.threshold) = (members, threshold);
        self.members_version += 1;
    }

    fn open_epoch(&mut self, curve: Curve, yocto: u128) -> u128 {
        let (first_height, _) = self.next();
        self.epochs.last_mut().unwrap().end_height = Some(first_height);
        self.epochs.push(Epoch { curve, first_height, end_height: None, key: None });
        self.paid_yocto += EPOCH_YOCTO;
        yocto - EPOCH_YOCTO
    }
}

fn judge_members(members: &[String], threshold: u16) -> Verdict {
    if usize::from(threshold) * 2 <= members.len() || usize::from(threshold) > members.len() {
        return Err("the threshold is");
    }
    let mut sorted = members.to_vec();
    sorted.sort();
    sorted.dedup();
    if sorted.len() < members.len() { Err("is listed twice") } else { Ok(Done::Answered) }
}
