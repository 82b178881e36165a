//! Random calls by owners, members and strangers, several before each block, with a signer that
//! fails in every way it can and a bridge account whose key signs doubles, against a model of what the
//! specification says. What runs on the bridge runs in the model, in the same order; what the contract
//! tells must be what the model holds.
//!
//! `MODEL_CASES` says how many sequences are tried, `MODEL_SEED` which one is first.

mod audit;
mod bridge;
mod call;
mod checkpoints;
mod compare;
mod draw;
mod encode;
mod evidence;
mod heads;
mod lane;
mod lockstep;
mod rounds;
mod run;
mod shard;

use crate::world::{BETA_OWNER, BRIDGE, MALLORY, OWNER, SIGNER};
use queue::contract::method;
use run::{Run, Seen};
use std::collections::BTreeSet;

/// The shards; the first and the last are of one owner and begin on one curve.
const NAMES: [&str; 3] = ["alpha", "beta", "gamma"];

const CALLERS: [&str; 3] = [OWNER, BETA_OWNER, MALLORY];

/// Sequences that are tried unless the environment says otherwise: some fifteen seconds.
const CASES: u64 = 16;

const STEPS: usize = 100;

/// What is called, in the order of the names.
const METHODS: [&str; 23] = [
    method::ACCEPT_LANE,
    method::ACTIVATE,
    method::APPLY_ROTATION,
    method::ATTEST,
    method::CANCEL_ROTATION,
    method::CLOSE,
    method::LIFT_FREEZE,
    method::OPEN_INCARNATION,
    method::PAUSE,
    method::PROPOSE_LANE,
    method::PROPOSE_ROTATION,
    method::REKEY,
    method::REPORT_LANE,
    method::REPORT_SHARD,
    method::RESUME,
    method::RESUME_LANE,
    method::RETIRE,
    method::ROTATE,
    method::STOP_LANE,
    method::SUBMIT,
    method::TOP_UP,
    method::WITHDRAW,
    method::WITHDRAW_PROPOSAL,
];

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|error| panic!("{variable}={text}: {error}")))
}

#[test]
fn no_sequence_of_calls_and_faults_records_two_checkpoints_at_a_height() {
    let (first, cases) = (number("MODEL_SEED").unwrap_or(0), number("MODEL_CASES").unwrap_or(CASES));
    let mut all = Seen::default();
    for seed in first..first + cases {
        println!("MODEL_SEED={seed}");
        let mut run = Run::new(seed, seed % 2 == 1);
        for _ in 0..STEPS {
            run.step();
        }
        all.add(run.finish());
    }
    println!("{all:#?}");
    let known = [
        (SIGNER, "sign"),
        (SIGNER, "derived_public_key"),
        (BRIDGE, "on_signature"),
        (BRIDGE, "on_round_signature"),
        (BRIDGE, "on_derived_key"),
    ];
    let known = BTreeSet::from(known.map(|(to, method)| (to.to_owned(), method.to_owned())));
    assert!(all.promises.is_subset(&known), "{:?}", all.promises);
    if cases < CASES {
        // A few sequences need not show everything.
        return;
    }
    // Sequences in which nothing happens would show nothing.
    let per_case = |count: usize| count / usize::try_from(cases).unwrap();
    assert!(per_case(all.recorded) > 8 && per_case(all.signed) > 8 && per_case(all.refused) > 40);
    assert!(per_case(all.signed_both_ways) > 1);
    assert_eq!(all.promises, known);
    assert_eq!(all.done.into_keys().collect::<Vec<_>>(), METHODS);
}
