//! What a shard must do, from `specs/contract.md` alone: nothing here is the contract's own code.

use crate::world::{OWNER, key_of};
use queue::checkpoint::Checkpoint;
use queue::contract::ShardStatus;
use queue::digest::{Hash, Native};
use queue::ids::BridgeDomain;
use queue::statement::Statement;
use queue::trust::Curve;
use std::collections::BTreeMap;

/// A shard as it must be.
#[derive(Clone)]
pub struct Shard {
    pub name: &'static str,
    /// Names whose keys are its members'.
    pub members: Vec<String>,
    pub threshold: u16,
    pub members_version: u32,
    pub announced: Option<(Vec<String>, u16)>,
    /// From the first to the newest; never empty.
    pub epochs: Vec<Epoch>,
    pub incarnation: u32,
    pub tip: Option<Tip>,
    /// Which checkpoint occupies each height.
    pub recorded: BTreeMap<u64, Hash>,
    pub is_paused: bool,
    pub is_retired: bool,
    pub balance_yocto: u128,
    /// What the storage that it holds was paid with, in bytes.
    pub paid_bytes: u128,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Epoch {
    pub curve: Curve,
    pub first_height: u64,
    pub end_height: Option<u64>,
    pub has_key: bool,
}

#[derive(Clone)]
pub struct Tip {
    pub checkpoint: Checkpoint,
    pub is_signed: bool,
    pub attempts: u32,
}

/// Signatures under one statement that come with a call.
#[derive(Clone, Debug)]
pub struct Shown {
    pub statement: Statement,
    pub members_version: u32,
    /// Claimed index and name of each who signed, in order of the index.
    pub by: Vec<(u16, String)>,
}

/// What somebody asks of the contract about a shard.
#[derive(Clone, Debug)]
pub enum Call {
    Attest { checkpoint: Checkpoint, shown: Shown },
    Activate,
    Rotate { members: Vec<String>, threshold: u16, shown: Shown },
    ProposeRotation { members: Vec<String>, threshold: u16 },
    ApplyRotation,
    CancelRotation,
    Rekey { curve: Curve, shown: Shown },
    OpenIncarnation,
    Pause,
    Resume,
    Retire,
    TopUp { yocto: u128 },
    Withdraw { yocto: u128 },
}

/// How a call that isn't refused ends in its own receipt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Done {
    /// It returned a value.
    Answered,
    /// It asked the signer.
    Asked,
}

/// How a call ends; a refusal by words that its message must have.
pub type Verdict = Result<Done, &'static str>;

impl Shard {
    pub fn epoch(&self) -> &Epoch {
        self.epochs.last().unwrap()
    }

    pub fn epoch_number(&self) -> u32 {
        u32::try_from(self.epochs.len() - 1).unwrap()
    }

    pub fn status(&self) -> ShardStatus {
        match (self.is_retired, self.is_paused, self.epoch().has_key) {
            (true, _, _) => ShardStatus::Retired,
            (_, true, _) => ShardStatus::Paused,
            (_, _, false) => ShardStatus::Reserved,
            _ => ShardStatus::Active,
        }
    }

    pub fn was_active(&self) -> bool {
        self.epochs.iter().any(|epoch| epoch.has_key)
    }

    /// The height that comes next, and the hash that its checkpoint continues.
    pub fn next(&self) -> (u64, Hash) {
        match &self.tip {
            Some(tip) => (tip.checkpoint.height + 1, tip.checkpoint.hash::<Native>()),
            None => (0, Hash::ZERO),
        }
    }

    /// What must become of a call.
    pub fn judge(&self, domain: &BridgeDomain, caller: &str, block_ns: u64, call: &Call) -> Verdict {
        match call {
            Call::Attest { checkpoint, shown } => self.judge_attest(domain, block_ns, checkpoint, shown),
            Call::Activate if self.epoch().has_key => Ok(Done::Answered),
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
                self.judge_has_key()
            }
            Call::ApplyRotation if self.announced.is_none() => Err("has announced no members"),
            Call::ApplyRotation => Ok(Done::Answered),
            Call::TopUp { yocto: 0 } => Err("no deposit is attached"),
            Call::TopUp { .. } => self.judge_alive(),
            _ if caller != OWNER => Err("is not the owner of shard"),
            _ => self.judge_of_owner(call),
        }
    }

    fn judge_of_owner(&self, call: &Call) -> Verdict {
        self.judge_alive()?;
        match call {
            Call::ProposeRotation { members, threshold } => judge_members(members, *threshold),
            Call::CancelRotation if self.announced.is_none() => Err("has announced no members"),
            Call::OpenIncarnation => self.judge_has_key(),
            Call::Retire if !self.was_active() => Err("call activate"),
            Call::Retire if self.tip.as_ref().is_some_and(|tip| !tip.is_signed) => Err("then retire"),
            Call::Withdraw { yocto } if *yocto > self.balance_yocto => Err("can't be withdrawn"),
            _ => Ok(Done::Answered),
        }
    }

    fn judge_alive(&self) -> Verdict {
        if self.is_retired { Err("is retired, for ever") } else { Ok(Done::Answered) }
    }

    fn judge_has_key(&self) -> Verdict {
        if self.epoch().has_key { Ok(Done::Answered) } else { Err("call activate") }
    }

    /// The checks of `attest` in the order of the specification.
    fn judge_attest(&self, domain: &BridgeDomain, block_ns: u64, checkpoint: &Checkpoint, shown: &Shown) -> Verdict {
        if checkpoint.domain != *domain {
            return Err("the checkpoint is for bridge");
        }
        let hash = checkpoint.hash::<Native>();
        let pays = |_| if self.balance_yocto == 0 { Err("call top_up") } else { Ok(Done::Asked) };
        let (height, previous) = self.next();
        match &self.tip {
            Some(tip) if tip.checkpoint == *checkpoint && tip.is_signed => return Ok(Done::Answered),
            Some(tip) if tip.checkpoint == *checkpoint => return pays(Done::Asked),
            Some(tip) if tip.checkpoint.height == checkpoint.height => return Err("is taken by checkpoint"),
            _ if checkpoint.height != height => return Err("the next of shard"),
            _ if checkpoint.previous != previous => return Err("the checkpoint continues"),
            Some(tip) if !tip.is_signed && tip.checkpoint.key_epoch == checkpoint.key_epoch => {
                return Err("has no signature yet");
            }
            Some(tip) if checkpoint.time_ns < tip.checkpoint.time_ns => return Err("lies before the tip's"),
            _ => {}
        }
        match self.status() {
            ShardStatus::Active => {}
            ShardStatus::Reserved => return Err("call activate"),
            ShardStatus::Paused => return Err("is Paused"),
            _ => return Err("is Retired"),
        }
        if (checkpoint.key_epoch, checkpoint.epoch_first_height) != (self.epoch_number(), self.epoch().first_height) {
            return Err("the checkpoint is of key epoch");
        }
        if checkpoint.time_ns > block_ns + 60_000_000_000 {
            return Err("ahead of the block's");
        }
        self.judge_shown(shown, &Statement::Endorse { checkpoint: hash }).and_then(pays)
    }

    fn judge_shown(&self, shown: &Shown, expected: &Statement) -> Verdict {
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

    /// What a call that was not refused changes.
    pub fn apply(&mut self, call: &Call, done: Done) {
        match call.clone() {
            Call::Attest { .. } if done == Done::Answered => {}
            Call::Attest { checkpoint, .. } => self.ask(checkpoint),
            Call::Rotate { members, threshold, .. } => self.install(members, threshold),
            Call::ProposeRotation { members, threshold } => self.announced = Some((members, threshold)),
            Call::ApplyRotation => {
                let (members, threshold) = self.announced.take().unwrap();
                self.install(members, threshold);
            }
            Call::CancelRotation => self.announced = None,
            Call::Rekey { curve, .. } => self.open_epoch(curve),
            Call::OpenIncarnation => {
                self.incarnation += 1;
                self.open_epoch(self.epoch().curve);
            }
            Call::Pause => self.is_paused = true,
            Call::Resume => self.is_paused = false,
            Call::Retire => {
                self.is_retired = true;
                self.announced = None;
                self.balance_yocto = 0;
                self.paid_bytes -= 4 * 1024;
            }
            Call::TopUp { yocto } => self.balance_yocto += yocto,
            Call::Withdraw { yocto } => self.balance_yocto -= yocto,
            Call::Activate => {}
        }
    }

    fn ask(&mut self, checkpoint: Checkpoint) {
        self.balance_yocto -= 1;
        match &mut self.tip {
            Some(tip) if tip.checkpoint == checkpoint => tip.attempts += 1,
            tip => {
                let taken = self.recorded.insert(checkpoint.height, checkpoint.hash::<Native>());
                assert_eq!(taken, None, "a second checkpoint of {} at height {}", self.name, checkpoint.height);
                *tip = Some(Tip { checkpoint, is_signed: false, attempts: 1 });
            }
        }
    }

    fn install(&mut self, members: Vec<String>, threshold: u16) {
        (self.members, self.threshold) = (members, threshold);
        self.members_version += 1;
    }

    fn open_epoch(&mut self, curve: Curve) {
        let (first_height, _) = self.next();
        self.epochs.last_mut().unwrap().end_height = Some(first_height);
        self.epochs.push(Epoch { curve, first_height, end_height: None, has_key: false });
        self.paid_bytes += 256;
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
