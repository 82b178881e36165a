//! What the bridge contract says of this shard's lanes, as it was last read at `final`: which take no
//! requests, and on which terms the others do. Specified in `specs/contract-lanes.md`.
//!
//! Terms hold for requests at their source. Nothing is refused by them at its destination, where the
//! record may be read at another moment: what is attested is delivered, and results flow.

use super::config::CALL_WINDOW_DEFAULT;
use super::io::EnqueueError;
use super::permissions::{PermissionList, PermissionListError};
use crate::contract::{LaneTerms, LaneView, Permissions};
use crate::ids::{AccountId, ShardId};
use crate::limits::MESSAGE_BYTES_MAX;
use crate::message::{Action, Body};
use std::collections::BTreeMap;

/// Why a request goes beyond what both shards have agreed upon.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TermsError {
    /// The encoded message would be too long for this lane.
    #[error(
        "message has {found} bytes encoded, more than the {message_bytes_max} of the lane's terms with {peer}: split \
         it; {how}", how = how_terms_change(.peer)
    )]
    TooLarge {
        /// The destination.
        peer: ShardId,
        /// The encoded length, in bytes.
        found: usize,
        /// The largest that is agreed upon, in bytes.
        message_bytes_max: u32,
    },
    /// The call takes too much gas for this lane.
    #[error(
        "call takes {found} gas, more than the {call_gas_max} of the lane's terms with {peer}: attach less; {how}",
        how = how_terms_change(.peer)
    )]
    CallGas {
        /// The destination.
        peer: ShardId,
        /// What its actions attach together, in gas units.
        found: u64,
        /// The most that is agreed upon, in gas units.
        call_gas_max: u64,
    },
    /// The lane is for data only.
    #[error("the lane's terms with {0} allow no calls: send data; {how}", how = how_terms_change(.0))]
    NoCalls(ShardId),
    /// The list of who may send to whom doesn't have this pair.
    #[error(
        "{sender} may not send to {receiver}: the permissions in the lane's terms with {peer} don't list the two; \
         `shard-node lane show {peer}` shows whom they do; {how}", how = how_terms_change(.peer)
    )]
    NotPermitted {
        /// The destination.
        peer: ShardId,
        /// The account that speaks.
        sender: AccountId,
        /// The account that is spoken to.
        receiver: AccountId,
    },
    /// What should list who may send to whom can't be read, so that nobody may.
    #[error("nobody may send to {peer}: of the permissions in the lane's terms, {reason}; {how}", how = how_terms_change(.peer))]
    Unreadable {
        /// The destination.
        peer: ShardId,
        /// What is wrong with them.
        reason: PermissionListError,
    },
}

fn how_terms_change(peer: &ShardId) -> String {
    format!(
        "the terms stand in the bridge contract and change when both owners agree (`shard-node lane propose {peer}`, \
         `lane accept`)"
    )
}

/// The lanes of this shard that are open in the contract.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    /// By the shard at the other end; `None` until they were read once since the start, before which no
    /// request is taken.
    read: Option<BTreeMap<ShardId, Agreed>>,
}

#[derive(Debug)]
struct Agreed {
    is_stopped: bool,
    terms: LaneTerms,
    permitted: Permitted,
}

#[derive(Debug)]
enum Permitted {
    /// Also where only a hash is agreed upon: what it is of is not known here.
    Everybody,
    Listed(PermissionList),
    Nobody(PermissionListError),
}

impl Permitted {
    fn by(permissions: &Permissions) -> Self {
        match permissions {
            Permissions::Everybody | Permissions::Private(_) => Permitted::Everybody,
            Permissions::Public(text) => text.parse().map_or_else(Permitted::Nobody, Permitted::Listed),
        }
    }
}

impl Lanes {
    /// The contract's list of this shard's lanes and offers takes the place of what was read before. An
    /// offer has no terms.
    pub(super) fn handle_read(&mut self, lanes: Vec<LaneView>) {
        let agreed = lanes.into_iter().filter_map(|lane| {
            let is_stopped = lane.is_stopped();
            let permitted = Permitted::by(&lane.terms.as_ref()?.permissions);
            Some((lane.peer, Agreed { is_stopped, terms: lane.terms?, permitted }))
        });
        self.read = Some(agreed.collect());
    }

    /// Whether requests may go to the peer at all.
    pub(super) fn check_open(&self, peer: &ShardId) -> Result<(), EnqueueError> {
        match &self.read {
            None => Err(EnqueueError::Starting),
            Some(_) if self.is_stopped(peer) => Err(EnqueueError::LaneStopped(peer.clone())),
            Some(_) => Ok(()),
        }
    }

    /// Whether either shard has stopped requests to the peer, or evidence froze the lane.
    pub(super) fn is_stopped(&self, peer: &ShardId) -> bool {
        self.agreed(peer).is_some_and(|agreed| agreed.is_stopped)
    }

    /// What counts for requests to the peer.
    pub(super) fn terms<'a>(&'a self, peer: &'a ShardId) -> Terms<'a> {
        Terms { peer, agreed: self.agreed(peer) }
    }

    fn agreed(&self, peer: &ShardId) -> Option<&Agreed> {
        self.read.as_ref()?.get(peer)
    }
}

/// What counts for requests to one peer: what both shards have agreed upon, if they have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms<'a> {
    peer: &'a ShardId,
    agreed: Option<&'a Agreed>,
}

impl<'a> Terms<'a> {
    /// What is agreed upon, in the contract's words.
    pub(super) fn agreed(&self) -> Option<&'a LaneTerms> {
        self.agreed.map(|agreed| &agreed.terms)
    }

    /// Whether the one account may send to the other.
    pub(super) fn check_accounts(&self, sender: &AccountId, receiver: &AccountId) -> Result<(), TermsError> {
        let peer = || self.peer.clone();
        match self.agreed.map(|agreed| &agreed.permitted) {
            None | Some(Permitted::Everybody) => Ok(()),
            Some(Permitted::Listed(list)) if list.permits(sender, receiver) => Ok(()),
            Some(Permitted::Listed(_)) => {
                Err(TermsError::NotPermitted { peer: peer(), sender: sender.clone(), receiver: receiver.clone() })
            }
            Some(Permitted::Nobody(reason)) => Err(TermsError::Unreadable { peer: peer(), reason: reason.clone() }),
        }
    }

    /// Whether a message may have so many bytes encoded.
    pub(super) fn check_size(&self, found: usize) -> Result<(), EnqueueError> {
        if found > MESSAGE_BYTES_MAX {
            return Err(EnqueueError::TooLarge { found });
        }
        match self.agreed().map(|terms| terms.message_bytes_max) {
            Some(message_bytes_max) if found > bounded(message_bytes_max) => {
                Err(TermsError::TooLarge { peer: self.peer.clone(), found, message_bytes_max }.into())
            }
            _ => Ok(()),
        }
    }

    /// Whether a call may be made, and with this gas.
    pub(super) fn check_call(&self, body: &Body) -> Result<(), TermsError> {
        let (Some(terms), Body::Call(call)) = (self.agreed(), body) else { return Ok(()) };
        if terms.call_window == 0 {
            return Err(TermsError::NoCalls(self.peer.clone()));
        }
        let gas = call.actions.iter().map(|action| match action {
            Action::FunctionCall { gas, .. } => *gas,
            Action::Transfer { .. } => 0,
        });
        let (found, call_gas_max) = (gas.fold(0, u64::saturating_add), terms.call_gas_max);
        if found > call_gas_max {
            return Err(TermsError::CallGas { peer: self.peer.clone(), found, call_gas_max });
        }
        Ok(())
    }

    /// Calls that may be without a result: the smaller of what is agreed upon and the node's own bound.
    pub(super) fn call_window(&self, own: Option<usize>) -> usize {
        match (self.agreed(), own) {
            (Some(terms), own) => bounded(terms.call_window).min(own.unwrap_or(usize::MAX)),
            (None, own) => own.unwrap_or(CALL_WINDOW_DEFAULT),
        }
    }

    /// Deadline of requests that name none, in milliseconds: the lane's, or else the node's own.
    pub(super) fn deadline_default_ms(&self, own: Option<u64>) -> Option<u64> {
        self.agreed().and_then(|terms| terms.deadline_ms).or(own)
    }
}

/// A number of the contract's as one of memory's, which it exceeds nowhere that it could matter.
fn bounded(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
