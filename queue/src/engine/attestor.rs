//! The attestor: seals checkpoints, one at a time, and sees each through to its signature.

use super::config::{ATTEST_RETRY_NS_MAX, ATTEST_RETRY_NS_MIN};
use super::io::{AttestFailure, Now, Output, RegisteredShard};
use super::journal::Journal;
use super::records::{ATTESTOR, AttestorRecord, Sealed};
use crate::attestation::{Attestation, AttestationError};
use crate::checkpoint::{CHECKPOINT_VERSION, Checkpoint};
use crate::derivation::derive_public_key;
use crate::digest::{Hash, Native};
use crate::heads::{Head, HeadTrie, SidePosition};
use crate::ids::{BridgeDomain, ShardId};
use crate::proof::HeadProof;
use crate::salt::SaltSecret;
use crate::trust::TrustRoot;

/// Invariant: `record` is in the store or `dirty`.
#[derive(Debug)]
pub(super) struct Attestor {
    pub(super) record: AttestorRecord,
    dirty: bool,
    /// Whether an attempt is under way: its result will come.
    in_flight: bool,
    /// Attempts for the pending checkpoint that failed.
    failures: u32,
    /// When the next attempt is due; only while one is pending and none in flight.
    retry_at_ns: Option<u64>,
    last_failure: Option<AttestFailure>,
}

impl Attestor {
    pub(super) fn new(record: AttestorRecord) -> Self {
        Attestor { record, dirty: false, in_flight: false, failures: 0, retry_at_ns: None, last_failure: None }
    }

    pub(super) fn pending(&self) -> Option<&Checkpoint> {
        self.record.pending.as_ref().map(|sealed| &sealed.checkpoint)
    }

    /// Whether an attempt for the pending checkpoint has failed.
    pub(super) fn has_failed(&self) -> bool {
        self.failures > 0
    }

    pub(super) fn retry_at_ns(&self) -> Option<u64> {
        self.retry_at_ns
    }

    /// What attesting waits for.
    pub(super) fn waiting_for(&self) -> Option<String> {
        let height = self.pending()?.height;
        Some(match &self.last_failure {
            Some(failure) => {
                format!("the signature of checkpoint {height}, after {} failed attempts: {failure}", self.failures)
            }
            None => format!("the signature of checkpoint {height}"),
        })
    }

    /// Seals the next checkpoint. It leaves once durable.
    pub(super) fn seal(
        &mut self,
        own: &RegisteredShard,
        domain: &BridgeDomain,
        mut heads: Vec<Head>,
        salts: &SaltSecret,
        time_ns: u64,
    ) {
        debug_assert!(self.record.pending.is_none());
        let attested = self.record.attested.as_ref();
        let height = attested.map_or(0, |checkpoint| checkpoint.height + 1);
        for head in &mut heads {
            head.salt = salts.head(&own.shard, &head.peer, (head.own_incarnation, head.peer_incarnation), height);
        }
        let heads_root = trie(&heads).root::<Native>(&|side| salts.empty_side(&own.shard, height, side));
        let checkpoint = Checkpoint {
            version: CHECKPOINT_VERSION,
            domain: domain.clone(),
            shard: own.shard.clone(),
            key_epoch: own.key_epoch,
            epoch_first_height: own.epoch_first_height,
            height,
            previous: attested.map_or(Hash::ZERO, Checkpoint::hash::<Native>),
            heads_root,
            time_ns,
        };
        self.record.pending = Some(Sealed { checkpoint, heads });
        self.dirty = true;
        self.failures = 0;
        self.last_failure = None;
    }

    /// The newest key epoch, as NEAR tells it. A candidate of another one, at or above its first height,
    /// was not recorded before and can't be any more: it says the same in the newest epoch, heads, time
    /// and all.
    ///
    /// So no two things are said at one height, and a server that lags or lies costs time only: the
    /// contract records one of them, and [`Attestor::adopt_epoch`] knows each.
    pub(super) fn follow_epoch(&mut self, own: &RegisteredShard) {
        let is_void =
            |pending: &Checkpoint| pending.key_epoch != own.key_epoch && pending.height >= own.epoch_first_height;
        if self.pending().is_some_and(is_void) {
            self.set_epoch(own.key_epoch, own.epoch_first_height);
        }
    }

    /// The contract has recorded this checkpoint: if it says what the candidate says, in another key
    /// epoch, it is the candidate.
    pub(super) fn adopt_epoch(&mut self, recorded: &Checkpoint) {
        let Some(pending) = self.pending().filter(|pending| *pending != recorded) else { return };
        let Checkpoint { key_epoch, epoch_first_height, .. } = *recorded;
        if (Checkpoint { key_epoch, epoch_first_height, ..pending.clone() }) == *recorded {
            self.set_epoch(key_epoch, epoch_first_height);
        }
    }

    /// Puts the candidate into another key epoch. What was asked for it before is asked anew.
    fn set_epoch(&mut self, key_epoch: u32, epoch_first_height: u64) {
        let Some(sealed) = &mut self.record.pending else { return };
        sealed.checkpoint.key_epoch = key_epoch;
        sealed.checkpoint.epoch_first_height = epoch_first_height;
        self.dirty = true;
        self.in_flight = false;
        self.failures = 0;
        self.retry_at_ns = None;
        self.last_failure = None;
    }

    /// Asks for the pending checkpoint's signature, unless that is under way or not yet due again.
    pub(super) fn request(&mut self, now: Now, journal: &mut Journal) {
        let due = self.retry_at_ns.is_none_or(|at_ns| at_ns <= now.mono_ns);
        if let Some(sealed) = self.record.pending.as_ref().filter(|_| due && !self.in_flight) {
            journal.emit(Output::Attest(sealed.checkpoint.clone()));
            self.in_flight = true;
            self.retry_at_ns = None;
        }
    }

    /// An attempt failed: the same checkpoint is asked for again, later each time.
    pub(super) fn handle_failure(&mut self, failure: AttestFailure, now: Now) {
        let doubled = ATTEST_RETRY_NS_MIN.saturating_mul(1 << self.failures.min(16)).min(ATTEST_RETRY_NS_MAX);
        let jitter_ns = self.pending().map_or(0, |checkpoint| jitter_ns(checkpoint, self.failures, doubled));
        self.failures = self.failures.saturating_add(1);
        self.in_flight = false;
        self.retry_at_ns = Some(now.mono_ns + doubled + jitter_ns);
        self.last_failure = Some(failure);
    }

    /// Checks the attestation for the pending checkpoint, which then is attested: gives the proof of
    /// each head.
    pub(super) fn handle_attestation(
        &mut self,
        attestation: Attestation,
        trust: &TrustRoot,
        salts: &SaltSecret,
    ) -> Result<Vec<HeadProof>, AttestationError> {
        let Some(sealed) = &self.record.pending else { return Ok(Vec::new()) };
        let attestation = Attestation { checkpoint: sealed.checkpoint.clone(), ..attestation };
        attestation.clone().verify::<Native>(trust, derive_public_key)?;
        let proofs = head_proofs(sealed, &attestation, salts);
        self.record.attested = Some(attestation.checkpoint);
        self.record.pending = None;
        self.in_flight = false;
        self.retry_at_ns = None;
        self.failures = 0;
        self.last_failure = None;
        self.dirty = true;
        Ok(proofs)
    }

    /// Writes the record if it changed.
    pub(super) fn flush(&mut self, journal: &mut Journal) {
        if std::mem::take(&mut self.dirty) {
            journal.put(ATTESTOR.to_vec(), &self.record);
        }
    }
}

fn trie(heads: &[Head]) -> HeadTrie {
    HeadTrie::new::<Native>(heads).expect("the engine keeps one lane per peer")
}

fn head_proofs(sealed: &Sealed, attestation: &Attestation, salts: &SaltSecret) -> Vec<HeadProof> {
    let (shard, height): (&ShardId, u64) = (&sealed.checkpoint.shard, sealed.checkpoint.height);
    let trie = trie(&sealed.heads);
    let mut paths = trie.paths::<Native>(&|side: SidePosition| salts.empty_side(shard, height, side));
    let mut proof = |head: &Head| HeadProof {
        head: head.clone(),
        path: paths.remove(&head.peer).expect("the head is in its own trie"),
        attestation: attestation.clone(),
    };
    sealed.heads.iter().map(&mut proof).collect()
}

/// Up to a quarter of `delay_ns`, different from shard to shard and from attempt to attempt.
fn jitter_ns(checkpoint: &Checkpoint, attempt: u32, delay_ns: u64) -> u64 {
    let byte = usize::try_from(attempt % 32).expect("below 32");
    delay_ns / 4 * u64::from(checkpoint.hash::<Native>().0[byte]) / 255
}
