//! What somebody asks of the contract, and how it may end.

use queue::attestation::{Attestation, ChainSignature};
use queue::checkpoint::Checkpoint;
use queue::contract::{LaneDirection, LaneTerms, RoundPosition};
use queue::evidence::Contradiction;
use queue::statement::Statement;
use queue::trust::Curve;

/// A call, about a shard.
#[derive(Clone, Debug)]
pub struct Asked {
    pub caller: &'static str,
    pub shard: &'static str,
    pub call: Call,
    /// The attached deposit, in yoctoNEAR.
    pub yocto: u128,
}

#[derive(Clone, Debug)]
pub enum Call {
    Attest {
        checkpoint: Checkpoint,
        shown: Shown,
    },
    Submit {
        checkpoint: Checkpoint,
        shown: Shown,
    },
    Close {
        curve: Curve,
    },
    Activate,
    Rotate {
        members: Vec<String>,
        threshold: u16,
        shown: Shown,
    },
    ProposeRotation {
        members: Vec<String>,
        threshold: u16,
    },
    ApplyRotation,
    CancelRotation,
    Rekey {
        curve: Curve,
        shown: Shown,
    },
    OpenIncarnation,
    Pause,
    Resume,
    Retire,
    TopUp,
    Withdraw {
        yocto: u128,
    },
    ProposeLane {
        peer: &'static str,
        terms: LaneTerms,
    },
    AcceptLane {
        peer: &'static str,
        terms: LaneTerms,
    },
    WithdrawProposal {
        peer: &'static str,
    },
    StopLane {
        peer: &'static str,
        direction: LaneDirection,
    },
    ResumeLane {
        peer: &'static str,
        direction: LaneDirection,
    },
    ReportShard {
        one: Box<Attestation>,
        other: Box<Attestation>,
    },
    /// About the lane from the shard to `to`.
    ReportLane {
        to: &'static str,
        contradiction: Contradiction,
    },
    Lift {
        peer: Option<&'static str>,
        evidence_floor: u64,
        shown: Shown,
    },
}

/// Signatures under one statement that come with a call.
#[derive(Clone, Debug)]
pub struct Shown {
    pub statement: Statement,
    pub members_version: u32,
    /// Claimed index and name of each who signed, in order of the index.
    pub by: Vec<(u16, String)>,
}

/// How a call that isn't refused ends in its own receipt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Done {
    /// It returned a value.
    Answered,
    /// It asked the signer.
    Asked,
    /// It answered with the signature that is there.
    Signed(ChainSignature),
    /// It answered with the checkpoint's place in a round.
    Stands(RoundPosition),
}

/// How a call ends; a refusal by words that its message must have.
pub type Verdict = Result<Done, &'static str>;
