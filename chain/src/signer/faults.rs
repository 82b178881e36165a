//! Ways in which the signer can be told to misbehave, one for each coming request.

use borsh::{BorshDeserialize, BorshSerialize};

use super::SIGN_GAS_TGAS;

/// What happens to one signature request.
///
/// The wrong signatures are accepted by `respond` as if the whole signing network had been taken over:
/// the real one checks each signature before it resumes the caller.
#[derive(BorshSerialize, BorshDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignerFault {
    /// Nothing: the request is served as usual. Stands where only a later request shall fail.
    None,
    /// The nodes never answer; the request times out.
    NoAnswer,
    /// The nodes answer this many blocks after the request. Beyond the timeout the signature stands in the
    /// arguments of a `respond` that fails.
    AnswerAfterBlocks(u64),
    /// The signature is made with the key of another path.
    WrongKey,
    /// The signature signs something else.
    WrongPayload,
    /// The signature's s is in the upper half of the order; for ed25519, s grows by the order.
    HighS,
    /// The hex of the signature mixes upper and lower case; an ed25519 one is numbers and has none.
    MixedCase,
    /// The right answer comes with 2 KiB of blanks behind it.
    TooLong,
    /// `sign` itself fails at once, as while the network isn't attested.
    Halted,
}

/// What holds for all of the signer's calls until it is told otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignerCondition {
    /// The network makes its keys: it gives none and signs nothing.
    pub is_initializing: bool,
    /// Gas that a call of `sign` must carry, in Tgas; its voters can change it.
    pub sign_gas_tgas: u64,
}

impl Default for SignerCondition {
    fn default() -> Self {
        Self { is_initializing: false, sign_gas_tgas: SIGN_GAS_TGAS }
    }
}

impl SignerFault {
    /// Whether the answer is a signature that doesn't verify.
    pub(crate) fn is_wrong_signature(self) -> bool {
        matches!(self, Self::WrongKey | Self::WrongPayload | Self::HighS)
    }
}
