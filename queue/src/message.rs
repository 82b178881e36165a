//! Messages: the leaves of a lane log. Specified in `specs/messages.md`.

mod plain;

pub use plain::{PlainMessages, plain_deadline_ns};

use crate::codec::{self, DecodeError};
use crate::digest::Hash;
use crate::ids::{AccountId, ShardId, is_implicit};
use crate::limits::{CALL_ACTIONS_MAX, MESSAGE_BYTES_MAX, PROMISE_RESULTS_MAX};
use borsh::{BorshDeserialize, BorshSerialize};
use std::fmt;

/// The only message version so far; the first byte of every message.
pub const MESSAGE_VERSION: u8 = 1;

/// Longest method name, in bytes, as in NEAR's receipts.
pub const METHOD_NAME_BYTES_MAX: usize = 256;

/// Longest reason of a failure, in bytes.
pub const FAILURE_REASON_BYTES_MAX: usize = 1024;

/// One message of a lane.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Message {
    /// [`MESSAGE_VERSION`].
    pub version: u8,
    /// Unpredictable to everybody but the source, so that a hash reveals nothing of the content.
    pub salt: Hash,
    /// The account that speaks; the source shard's own or one below it.
    pub sender: AccountId,
    /// The account that is spoken to, on the destination shard.
    pub receiver: AccountId,
    /// Runs only in a block with a smaller time; nanoseconds since the Unix epoch.
    pub deadline_ns: Option<u64>,
    /// What is said.
    pub body: Body,
}

/// A message's kind and content.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Body {
    /// Bytes for the receiver. Has no result, unless it becomes a tombstone.
    Data(Vec<u8>) = 0,
    /// Actions for the receiver to run. Has exactly one result.
    Call(Call) = 1,
    /// The result of a request of the reverse lane. Has no result itself.
    Result(RequestResult) = 2,
}

impl Body {
    /// The kind's name, as users see it.
    pub fn kind(&self) -> &'static str {
        match self {
            Body::Data(_) => "data",
            Body::Call(_) => "call",
            Body::Result(_) => "result",
        }
    }
}

/// A cross-shard call: what a NEAR action receipt says.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Call {
    /// Gets back what the call doesn't use.
    pub refund_to: AccountId,
    /// 1 to [`CALL_ACTIONS_MAX`] actions, run in order, all or none.
    pub actions: Vec<Action>,
    /// Results of the promises that the call waited for, at most [`PROMISE_RESULTS_MAX`].
    pub promise_results: Vec<PromiseResult>,
}

/// One action of a call.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Action {
    /// Calls a method of the receiver's contract.
    FunctionCall {
        /// 1 to [`METHOD_NAME_BYTES_MAX`] bytes.
        method: String,
        /// Passed as they are.
        args: Vec<u8>,
        /// Gas attached, in gas units (10^12 = 1 Tgas).
        gas: u64,
        /// Deposit attached, in yoctoNEAR.
        deposit_yocto: u128,
    } = 0,
    /// Moves a deposit to the receiver.
    Transfer {
        /// In yoctoNEAR.
        deposit_yocto: u128,
    } = 1,
}

/// What a promise that a call waited for gave.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum PromiseResult {
    /// It returned these bytes.
    Successful(Vec<u8>) = 0,
    /// It failed: nothing of it happened.
    Failed = 1,
}

/// The result of one request of the reverse lane.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RequestResult {
    /// The request's nonce in the reverse lane.
    pub request_nonce: u64,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Outcome {
    /// It ran and returned these bytes.
    Success(Vec<u8>) = 0,
    /// It did not happen; the reason is for people, at most [`FAILURE_REASON_BYTES_MAX`] bytes.
    Failure(String) = 1,
    /// It was never run, and never will be.
    Tombstone(Tombstone) = 2,
}

/// Why a nonce was settled without its message being delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Tombstone {
    /// The block's time had reached the message's deadline.
    Expired = 0,
    /// The attested bytes are no well-formed message of a known version.
    Malformed = 1,
    /// The sender isn't an account of the source shard.
    SenderNotYours = 2,
    /// The receiver isn't an account of the destination shard.
    ReceiverNotMine = 3,
    /// A call, and the destination runs no contracts.
    NoContracts = 4,
    /// A result for a nonce that awaits none.
    UnexpectedResult = 5,
}

impl fmt::Display for Tombstone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Tombstone::Expired => "expired",
            Tombstone::Malformed => "malformed",
            Tombstone::SenderNotYours => "not from an account of its source",
            Tombstone::ReceiverNotMine => "not for an account of its destination",
            Tombstone::NoContracts => "a call to a shard without contracts",
            Tombstone::UnexpectedResult => "a result that nothing awaits",
        })
    }
}

/// Why bytes are no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// A version that this software doesn't know: the lane waits for an upgrade.
    #[error("message version {0} is unknown, this software knows {MESSAGE_VERSION}: upgrade needed")]
    UnknownVersion(u8),
    /// Too long, or not the canonical encoding.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Decodes, but breaks a rule of its kind.
    #[error("message breaks a rule: {0}")]
    Rule(&'static str),
}

impl Message {
    /// The bytes that are hashed, stored and sent.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// The deadline that counts: results have none, whatever they carry, because they never wait.
    pub fn request_deadline_ns(&self) -> Option<u64> {
        self.deadline_ns.filter(|_| !self.is_result())
    }

    /// Whether it is the result of a request, and not a request itself.
    pub fn is_result(&self) -> bool {
        matches!(self.body, Body::Result(_))
    }

    /// Decodes and checks one message.
    ///
    /// # Errors
    /// [`MessageError`]; only an unknown version may stop a lane.
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        match bytes.first() {
            Some(&version) if version != MESSAGE_VERSION => return Err(MessageError::UnknownVersion(version)),
            _ => {}
        }
        let message: Message = codec::decode("message", bytes, MESSAGE_BYTES_MAX)?;
        message.check()?;
        Ok(message)
    }

    /// Checks what the encoding alone can't promise.
    ///
    /// # Errors
    /// [`MessageError::Rule`] names the rule.
    pub fn check(&self) -> Result<(), MessageError> {
        if is_implicit(&self.sender) || is_implicit(&self.receiver) {
            return Err(MessageError::Rule("implicit accounts are local to a chain, neither sender nor receiver"));
        }
        match &self.body {
            Body::Data(_) => Ok(()),
            Body::Call(call) => call.check(),
            Body::Result(result) => result.check(),
        }
    }
}

impl Call {
    fn check(&self) -> Result<(), MessageError> {
        if !(1..=CALL_ACTIONS_MAX).contains(&self.actions.len()) {
            return Err(MessageError::Rule("a call has 1 to 100 actions"));
        }
        if self.promise_results.len() > PROMISE_RESULTS_MAX {
            return Err(MessageError::Rule("a call carries at most 128 promise results"));
        }
        let method_ok = |action: &Action| match action {
            Action::FunctionCall { method, .. } => (1..=METHOD_NAME_BYTES_MAX).contains(&method.len()),
            Action::Transfer { .. } => true,
        };
        if !self.actions.iter().all(method_ok) {
            return Err(MessageError::Rule("a method name has 1 to 256 bytes"));
        }
        Ok(())
    }
}

impl RequestResult {
    fn check(&self) -> Result<(), MessageError> {
        match &self.outcome {
            Outcome::Failure(reason) if reason.len() > FAILURE_REASON_BYTES_MAX => {
                Err(MessageError::Rule("a failure's reason has at most 1024 bytes"))
            }
            _ => Ok(()),
        }
    }
}

/// What the destination decides about an attested message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It is delivered.
    Deliver(Message),
    /// Its nonce is settled without it.
    Bury(Tombstone),
}

/// Decides an attested message at its destination, where no contracts run. Whether a result is
/// expected depends on the reverse lane, which isn't known here: it counts as delivered.
///
/// `block_time_ns` is the time of the block that decides, by the clock rule.
///
/// # Errors
/// Only [`MessageError::UnknownVersion`], which stops the lane until an upgrade: everything else
/// that is wrong with a message takes its nonce as a tombstone, and the lane goes on.
pub fn decide(
    bytes: &[u8],
    source: &ShardId,
    destination: &ShardId,
    block_time_ns: u64,
) -> Result<Decision, MessageError> {
    let message = match Message::decode(bytes) {
        Ok(message) => message,
        Err(MessageError::UnknownVersion(version)) => return Err(MessageError::UnknownVersion(version)),
        Err(_) => return Ok(Decision::Bury(Tombstone::Malformed)),
    };
    if !source.owns(&message.sender) {
        return Ok(Decision::Bury(Tombstone::SenderNotYours));
    }
    if !destination.owns(&message.receiver) {
        return Ok(Decision::Bury(Tombstone::ReceiverNotMine));
    }
    if message.request_deadline_ns().is_some_and(|deadline_ns| block_time_ns >= deadline_ns) {
        return Ok(Decision::Bury(Tombstone::Expired));
    }
    match &message.body {
        Body::Data(_) | Body::Result(_) => Ok(Decision::Deliver(message)),
        Body::Call(_) => Ok(Decision::Bury(Tombstone::NoContracts)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(sender: &str, receiver: &str) -> Message {
        Message {
            version: MESSAGE_VERSION,
            salt: Hash([7; 32]),
            sender: sender.parse().expect("a valid account"),
            receiver: receiver.parse().expect("a valid account"),
            deadline_ns: None,
            body: Body::Data(b"hello".to_vec()),
        }
    }

    fn decided(message: &Message) -> Decision {
        let (alpha, beta) = ("alpha".parse().expect("valid"), "beta".parse().expect("valid"));
        decide(&message.encode(), &alpha, &beta, 1_000).expect("a known version")
    }

    #[test]
    fn an_honest_message_is_delivered_as_it_was_sent() {
        let message = data("ann.alpha", "bob.beta");
        assert_eq!(decided(&message), Decision::Deliver(message));
    }

    #[test]
    fn mallory_cannot_speak_as_a_user_of_another_shard() {
        for sender in ["bob.beta", "near", "system", "evilalpha", "alpha.beta"] {
            assert_eq!(decided(&data(sender, "bob.beta")), Decision::Bury(Tombstone::SenderNotYours), "{sender}");
        }
    }

    #[test]
    fn mallory_cannot_speak_as_or_to_an_implicit_account() {
        let implicit = "0x06012c8cf97bead5deae237070f9587f8e7a266d";
        assert_eq!(decided(&data(implicit, "bob.beta")), Decision::Bury(Tombstone::Malformed));
        assert_eq!(decided(&data("ann.alpha", implicit)), Decision::Bury(Tombstone::Malformed));
    }

    #[test]
    fn a_message_for_somebody_elses_account_is_buried() {
        assert_eq!(decided(&data("ann.alpha", "bob.gamma")), Decision::Bury(Tombstone::ReceiverNotMine));
    }

    #[test]
    fn a_message_runs_only_before_its_deadline() {
        let mut message = data("ann.alpha", "bob.beta");
        message.deadline_ns = Some(1_000);
        assert_eq!(decided(&message), Decision::Bury(Tombstone::Expired));
        message.deadline_ns = Some(1_001);
        assert!(matches!(decided(&message), Decision::Deliver(_)));
    }

    #[test]
    fn a_result_has_no_deadline_whatever_it_carries() {
        let mut message = data("beta", "ann.alpha");
        message.deadline_ns = Some(0);
        let outcome = Outcome::Tombstone(Tombstone::Expired);
        message.body = Body::Result(RequestResult { request_nonce: 0, outcome });
        let (alpha, beta) = ("alpha".parse().expect("valid"), "beta".parse().expect("valid"));
        assert!(matches!(decide(&message.encode(), &beta, &alpha, 1_000), Ok(Decision::Deliver(_))));
    }

    #[test]
    fn attested_garbage_becomes_a_tombstone_and_an_unknown_version_stops_the_lane() {
        let (alpha, beta) = ("alpha".parse().expect("valid"), "beta".parse().expect("valid"));
        let mut truncated = data("ann.alpha", "bob.beta").encode();
        truncated.pop();
        let mut trailing = data("ann.alpha", "bob.beta").encode();
        trailing.push(0);
        for garbage in [Vec::new(), vec![1], truncated, trailing, vec![1; 100]] {
            assert_eq!(decide(&garbage, &alpha, &beta, 0), Ok(Decision::Bury(Tombstone::Malformed)));
        }
        assert_eq!(decide(&[2, 0], &alpha, &beta, 0), Err(MessageError::UnknownVersion(2)));
    }

    #[test]
    fn a_forged_length_is_refused_without_allocating_it() {
        let mut bytes = data("ann.alpha", "bob.beta").encode();
        let length_at = bytes.len() - 5 - 4;
        bytes[length_at..length_at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(matches!(Message::decode(&bytes), Err(MessageError::Decode(DecodeError::Malformed { .. }))));
        let huge = vec![MESSAGE_VERSION; MESSAGE_BYTES_MAX + 1];
        assert!(matches!(Message::decode(&huge), Err(MessageError::Decode(DecodeError::TooLarge { .. }))));
    }

    #[test]
    fn a_call_has_at_least_one_action_and_named_methods() {
        let mut message = data("ann.alpha", "bob.beta");
        let call = |actions| {
            Body::Call(Call { refund_to: "ann.alpha".parse().expect("valid"), actions, promise_results: vec![] })
        };
        message.body = call(vec![]);
        assert!(matches!(Message::decode(&message.encode()), Err(MessageError::Rule(_))));
        let action =
            |method: &str| Action::FunctionCall { method: method.to_owned(), args: vec![], gas: 1, deposit_yocto: 0 };
        message.body = call(vec![action("")]);
        assert!(matches!(Message::decode(&message.encode()), Err(MessageError::Rule(_))));
        message.body = call(vec![action("run")]);
        assert_eq!(Message::decode(&message.encode()), Ok(message.clone()));
        assert_eq!(decided(&message), Decision::Bury(Tombstone::NoContracts));
    }
}
