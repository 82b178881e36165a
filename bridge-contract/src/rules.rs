//! The contract's decisions, as pure functions: (state, request, time) → verdict. No host calls,
//! no storage; what to do about a verdict is `api`'s part.

mod attest;
mod endorsements;
pub mod evidence;
pub mod lanes;
mod members;
mod rounds;
mod shards;
pub mod verify;

pub use attest::{AttestRequest, Verdict, judge_answer, judge_checkpoint, shard_digest};
pub use endorsements::judge_endorsements;
pub use members::{judge_apart, judge_members, judge_transport};
pub use rounds::{Submission, judge_close, judge_round_answer, judge_submission, round_digest};
pub use shards::{
    RESERVATION_NS, ROTATION_DELAY_NS, judge_caller, judge_lapse, judge_new_epoch, judge_owner, judge_reservation,
    judge_retirement, judge_rotation_time, judge_withdrawal, owner_delay_ns,
};

#[cfg(test)]
mod tests;
