//! Random calls by owners, members and strangers, several before each block, with a signer that
//! fails in every way it can, against a model of what the specification says.
//!
//! `MODEL_CASES` says how many sequences are tried, `MODEL_SEED` which one is first.

mod audit;
mod calls;
mod random;
mod run;
mod shard;

use crate::world::{BRIDGE, MALLORY, OTHER_BRIDGE, OWNER, SIGNER};
use run::Run;
use std::collections::BTreeSet;

/// Sequences that are tried unless the environment says otherwise: some ten seconds.
const CASES: u64 = 24;

const STEPS: usize = 60;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|error| panic!("{variable}={text}: {error}")))
}

#[test]
fn no_sequence_of_calls_and_faults_records_two_checkpoints_at_a_height() {
    let (first, cases) = (number("MODEL_SEED").unwrap_or(0), number("MODEL_CASES").unwrap_or(CASES));
    let (mut recorded, mut signed, mut refused, mut promises) = (0, 0, 0, BTreeSet::new());
    for seed in first..first + cases {
        println!("MODEL_SEED={seed}");
        let mut run = Run::new(seed);
        for _ in 0..STEPS {
            run.step();
        }
        let seen = run.finish();
        recorded += seen.recorded;
        signed += seen.signed;
        refused += seen.refused;
        promises.extend(seen.promises);
    }
    println!("{recorded} checkpoints recorded, {signed} signed, {refused} calls refused");
    // Sequences in which nothing happens would show nothing.
    let cases = usize::try_from(cases).unwrap();
    assert!(recorded > 5 * cases && signed > 3 * cases && refused > 20 * cases);
    let known = [
        (SIGNER, "sign"),
        (SIGNER, "derived_public_key"),
        (BRIDGE, "on_signature"),
        (BRIDGE, "on_derived_key"),
        // Refunds of deposits to who attached them, and the balance to the owner.
        (OWNER, ""),
        (MALLORY, ""),
        (OTHER_BRIDGE, ""),
    ];
    assert_eq!(promises, known.map(|(to, method)| (to.to_owned(), method.to_owned())).into());
}
