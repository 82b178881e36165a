//! What members sign together: one signature of each under one statement.

use crate::limits::MEMBERS_MAX;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// One member's signature under a [`crate::statement::Statement`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endorsement {
    /// Index in the shard's list of members.
    pub member: u16,
    /// RFC 8032 over the statement's bytes.
    #[serde(with = "hex::serde")]
    pub signature: [u8; 64],
}

/// Signatures of distinct members under one statement: bit i of `members` says that member i
/// signed, `signatures` has theirs in the order of the bits. Nobody can be listed twice.
///
/// In JSON a list of [`Endorsement`], ordered by member.
#[derive(Debug, Clone, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(try_from = "Vec<Endorsement>", into = "Vec<Endorsement>")]
pub struct Endorsements {
    /// Who signed.
    pub members: u64,
    /// As many as `members` has bits.
    pub signatures: Vec<[u8; 64]>,
}

const _: () = assert!(MEMBERS_MAX <= 64, "a member has a bit");

/// A list of endorsements that isn't ordered by member, each once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("member {0} is out of order: endorsements are ordered by member, each once, and the largest index is {max}", max = MEMBERS_MAX - 1)]
pub struct EndorsementOrder(u16);

impl Endorsements {
    /// Each member's index and signature; `None` unless there are as many signatures as members.
    pub fn iter(&self) -> Option<impl Iterator<Item = (u16, &[u8; 64])>> {
        let members = (0..64u16).filter(|member| self.members >> member & 1 == 1);
        (self.members.count_ones() as usize == self.signatures.len()).then(|| members.zip(&self.signatures))
    }
}

impl TryFrom<Vec<Endorsement>> for Endorsements {
    type Error = EndorsementOrder;

    fn try_from(list: Vec<Endorsement>) -> Result<Self, EndorsementOrder> {
        let mut endorsements = Endorsements::default();
        for Endorsement { member, signature } in list {
            let in_order = usize::from(member) < MEMBERS_MAX && endorsements.members >> member == 0;
            if !in_order {
                return Err(EndorsementOrder(member));
            }
            endorsements.members |= 1 << member;
            endorsements.signatures.push(signature);
        }
        Ok(endorsements)
    }
}

impl From<Endorsements> for Vec<Endorsement> {
    /// Signatures without a member are left out.
    fn from(endorsements: Endorsements) -> Self {
        let members = (0..64u16).filter(|member| endorsements.members >> member & 1 == 1);
        members.zip(endorsements.signatures).map(|(member, signature)| Endorsement { member, signature }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;

    #[test]
    fn endorsements_read_from_a_list_are_in_order_and_each_once() {
        let endorsement = |member: u16| Endorsement { member, signature: [7; 64] };
        let read = Endorsements::try_from(vec![endorsement(0), endorsement(63)]).expect("in order");
        assert_eq!(read.iter().expect("one of each").map(|(member, _)| member).collect::<Vec<_>>(), [0, 63]);
        assert_eq!(codec::encode(&read).len(), 8 + 4 + 2 * 64);
        for wrong in [vec![0, 0], vec![3, 2], vec![64], vec![65_535]] {
            let list = wrong.into_iter().map(endorsement).collect::<Vec<_>>();
            assert!(Endorsements::try_from(list).is_err());
        }
    }

    #[test]
    fn a_signature_more_or_less_than_members_is_no_set_of_endorsements() {
        for signatures in [vec![], vec![[7; 64]; 2]] {
            assert!(Endorsements { members: 0b100, signatures }.iter().is_none());
        }
    }
}
