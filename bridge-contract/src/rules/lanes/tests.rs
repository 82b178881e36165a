use super::*;
use crate::lanes::{LANE_SIDE_STORAGE_BYTES_MAX, Side};
use crate::storage_keys::StorageKey;
use queue::codec;
use queue::digest::Hash;
use queue::limits::SHARD_ID_BYTES_MAX;

/// NEAR counts this beside key and value of each record (`num_extra_bytes_record`).
const RECORD_EXTRA_BYTES: usize = 40;

fn shard(name: &str) -> ShardId {
    name.parse().expect("a valid shard")
}

fn terms(call_window: u32) -> LaneTerms {
    LaneTerms {
        message_bytes_max: 65_536,
        result_bytes_max: 4_096,
        call_window,
        call_gas_max: 300_000_000_000_000,
        deadline_ms: Some(60_000),
        permissions: Permissions::Everybody,
    }
}

fn price() -> Paid {
    Paid { by: "owner.near".parse().expect("a valid account"), yocto: 7 }
}

#[derive(Debug, Clone, Copy)]
enum Act {
    Propose,
    Accept,
    Withdraw,
}

const ACTS: [Act; 3] = [Act::Propose, Act::Accept, Act::Withdraw];

/// What a list and a purse know of the lane, apart from its record.
#[derive(Debug, Clone, Default)]
struct Model {
    record: Option<LaneRecord>,
    listed: [bool; 2],
    paid_yocto: u128,
}

impl Model {
    /// Does what the contract does with a verdict; a refused act changes nothing.
    fn act(&mut self, ends: &Ends<'_>, act: Act) {
        let at = usize::from(ends.side() == Side::Second);
        let (record, listed) = (self.record.clone(), u32::from(self.listed[at]));
        let verdict = match act {
            Act::Propose => judge_proposal(ends, record, listed, terms(1), price()),
            Act::Accept => judge_acceptance(ends, record, listed, &terms(1)),
            Act::Withdraw => judge_withdrawal(ends, record),
        };
        let Ok(verdict) = verdict else { return };
        match verdict.listing {
            Listing::Stays => {}
            Listing::Enters => {
                self.paid_yocto += price().yocto;
                assert!(!std::mem::replace(&mut self.listed[at], true), "listed twice");
            }
            Listing::Leaves { listed_at, refund } => {
                assert_eq!((listed_at, &refund), (0, &price()));
                self.paid_yocto -= refund.yocto;
                assert!(std::mem::replace(&mut self.listed[at], false), "taken off twice");
            }
        }
        self.record = verdict.record;
    }

    fn check(&self) {
        let record = self.record.clone().unwrap_or_default();
        for (at, side) in [Side::First, Side::Second].into_iter().enumerate() {
            let side = record.side(side);
            assert_eq!(self.listed[at], record.terms.is_some() || side.proposal.is_some(), "{self:?}");
            assert_eq!(self.listed[at], side.listed_at.is_some(), "{self:?}");
            assert_eq!(side.paid.is_some(), self.listed[at] && record.terms.is_none(), "{self:?}");
        }
        let entries = self.listed.iter().filter(|listed| **listed).count() as u128;
        assert_eq!(self.paid_yocto, entries * price().yocto, "{self:?}");
        assert_eq!(self.record.is_some(), entries > 0, "{self:?}");
    }
}

#[test]
fn whatever_two_owners_do_the_lists_and_what_was_paid_agree_with_the_record() {
    let (alpha, beta) = (shard("alpha"), shard("beta"));
    let both = [Ends { shard: &alpha, peer: &beta }, Ends { shard: &beta, peer: &alpha }];
    let acts: Vec<(usize, Act)> = (0..2).flat_map(|who| ACTS.map(|act| (who, act))).collect();
    let mut reached = vec![Model::default()];
    let mut opened = 0;
    for _ in 0..5 {
        let mut next = Vec::new();
        for model in &reached {
            for (who, act) in &acts {
                let mut model = model.clone();
                model.act(&both[*who], *act);
                model.check();
                opened += usize::from(model.record.as_ref().is_some_and(|record| record.terms.is_some()));
                next.push(model);
            }
        }
        reached = next;
    }
    assert_eq!(reached.len(), 6usize.pow(5));
    assert!(opened > 0, "no sequence opens a lane");
}

#[test]
fn a_lane_opens_only_by_the_very_terms_that_the_other_side_offers() {
    let (alpha, beta) = (shard("alpha"), shard("beta"));
    let (a, b) = (Ends { shard: &alpha, peer: &beta }, Ends { shard: &beta, peer: &alpha });
    let offered = judge_proposal(&a, None, 0, terms(1), price()).expect("a good offer").record;
    let own = judge_acceptance(&a, offered.clone(), 1, &terms(1));
    let nothing = LaneRefusal::NothingProposed { by: beta.clone(), to: alpha.clone() };
    assert_eq!(own, Err(nothing.into()), "who offers can't accept");
    let other = judge_acceptance(&b, offered.clone(), 0, &terms(2));
    assert_eq!(other, Err(LaneRefusal::OtherTerms { by: alpha.clone(), to: beta.clone() }.into()));
    let agreed = judge_acceptance(&b, offered, 0, &terms(1)).expect("the same terms").record;
    assert_eq!(agreed.expect("an open lane stays").terms, Some(terms(1)));
}

#[test]
fn a_full_list_takes_no_further_lane_and_still_changes_those_that_it_has() {
    let (alpha, beta) = (shard("alpha"), shard("beta"));
    let ends = Ends { shard: &alpha, peer: &beta };
    let propose = |record, listed| judge_proposal(&ends, record, listed, terms(1), price());
    let last = propose(None, LANES_PER_SHARD_MAX - 1).expect("room for one");
    assert_eq!(propose(None, LANES_PER_SHARD_MAX), Err(LaneRefusal::TooMany(alpha.clone()).into()));
    let again = propose(last.record, LANES_PER_SHARD_MAX).expect("it is listed");
    assert_eq!(again.listing, Listing::Stays);
}

#[test]
fn terms_that_no_node_can_keep_are_refused_by_name() {
    let too_long = Permissions::Public("x".repeat(LANE_PERMISSIONS_BYTES_MAX + 1));
    let refused = [
        (LaneTerms { message_bytes_max: 2_047, ..terms(1) }, "message_bytes_max is 2047, expected 2048 to 4194304"),
        (LaneTerms { message_bytes_max: 4_194_305, ..terms(1) }, "message_bytes_max is 4194305"),
        (LaneTerms { result_bytes_max: 2_047, ..terms(1) }, "result_bytes_max is 2047, expected 2048 to 65536"),
        (LaneTerms { result_bytes_max: 65_537, ..terms(1) }, "result_bytes_max is 65537, expected 2048 to 65536"),
        (terms(65_537), "call_window is 65537, expected 0 to 65536"),
        (LaneTerms { deadline_ms: Some(0), ..terms(1) }, "deadline_ms is 0"),
        (LaneTerms { permissions: too_long, ..terms(1) }, "the length of the permissions is 1025, expected 0 to 1024"),
    ];
    for (terms, reason) in refused {
        let found = judge_terms(&terms).expect_err(reason).to_string();
        assert!(found.starts_with(reason), "{found}");
    }
    let narrow = LaneTerms { message_bytes_max: 2_048, result_bytes_max: 2_048, ..terms(0) };
    assert_eq!(judge_terms(&LaneTerms { deadline_ms: None, ..narrow }), Ok(()));
}

#[test]
fn the_price_of_a_lane_covers_its_records_at_their_limits() {
    let names = ["a", "b"].map(|letter| shard(&letter.repeat(SHARD_ID_BYTES_MAX)));
    let ends = Ends { shard: &names[0], peer: &names[1] };
    let largest = LaneTerms { permissions: Permissions::Public("x".repeat(LANE_PERMISSIONS_BYTES_MAX)), ..terms(1) };
    let hashed = LaneTerms { permissions: Permissions::Private(Hash([1; 32])), ..terms(1) };
    assert!(codec::encode(&hashed).len() < codec::encode(&largest).len());
    let fill = |record: &mut LaneRecord, side| {
        let side = record.side_mut(side);
        side.listed_at = Some(u32::MAX);
        side.proposal = Some(largest.clone());
        side.paid = Some(Paid { by: "o".repeat(64).parse().expect("a valid account"), yocto: u128::MAX });
        side.frozen_height = Some(u64::MAX);
    };
    let stored = |key: StorageKey<'_>, value: Vec<u8>| key.to_bytes().len() + value.len() + RECORD_EXTRA_BYTES;
    let lane = |record: &LaneRecord| stored(StorageKey::Lane(&names[0], &names[1]), codec::encode(record));
    let listed = stored(StorageKey::LaneAt(ends.shard, u32::MAX), codec::encode(ends.peer))
        + stored(StorageKey::LaneCount(ends.shard), codec::encode(&u32::MAX));
    let price = usize::try_from(LANE_SIDE_STORAGE_BYTES_MAX).expect("small");

    let mut record = LaneRecord::default();
    fill(&mut record, Side::First);
    assert!(lane(&record) + listed <= price, "one side: {} bytes", lane(&record) + listed);
    fill(&mut record, Side::Second);
    record.terms = Some(largest.clone());
    assert!(lane(&record) + 2 * listed <= 2 * price, "both sides: {} bytes", lane(&record) + 2 * listed);
}
