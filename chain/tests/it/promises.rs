//! Contracts, promises, callbacks, yields.

use chain::near_primitives::errors::ActionErrorKind;
use chain::near_primitives::views::FinalExecutionStatus;

use crate::harness::{TestChain, call, failure, id, panic_message, value};

#[test]
fn a_contract_keeps_what_it_stores() {
    let mut test = TestChain::new();
    let storage_before = test.chain.view().account(&id("notebook.near")).unwrap().storage_usage();
    test.call("alice.near", "notebook.near", "put", b"remember");
    let view = test.chain.view();
    assert_eq!(view.call(&id("notebook.near"), "get", b"").unwrap(), b"remember");
    let storage_after = view.account(&id("notebook.near")).unwrap().storage_usage();
    assert_eq!(storage_after - storage_before, 40 + 4 + 8);
}

#[test]
fn an_older_view_does_not_see_later_writes() {
    let mut test = TestChain::new();
    test.call("alice.near", "notebook.near", "put", b"one");
    let view = test.chain.view();
    test.call("alice.near", "notebook.near", "put", b"two");
    assert_eq!(view.call(&id("notebook.near"), "get", b"").unwrap(), b"one");
}

#[test]
fn logs_stand_in_the_outcome() {
    let mut test = TestChain::new();
    let outcome = test.call("alice.near", "notebook.near", "say", "grüß Gott".as_bytes());
    assert_eq!(outcome.receipts_outcome[0].outcome.logs, vec!["grüß Gott".to_owned()]);
}

#[test]
fn a_panic_undoes_everything_and_gives_the_deposit_back() {
    let mut test = TestChain::new();
    let contract_before = test.balance("notebook.near");
    let alice_before = test.balance("alice.near");
    let outcome = test.run("alice.near", "notebook.near", vec![call("put_and_fail", b"lost", 5_000_000)]);
    assert_eq!(panic_message(&failure(&outcome)), "Smart contract panicked: on purpose");
    assert_eq!(test.chain.view().call(&id("notebook.near"), "get", b"").unwrap(), b"");

    let burnt: u128 = std::iter::once(&outcome.transaction_outcome)
        .chain(&outcome.receipts_outcome)
        .map(|outcome| outcome.outcome.tokens_burnt.as_yoctonear())
        .sum();
    assert_eq!(alice_before - test.balance("alice.near"), burnt);
    let reward = test.balance("notebook.near") - contract_before;
    assert!(reward > 0 && reward < burnt / 3, "the contract earns a part of the gas only: {reward} of {burnt}");
}

#[test]
fn a_deposit_that_is_kept_moves_and_the_rest_of_the_gas_comes_back() {
    let mut test = TestChain::new();
    let alice_before = test.balance("alice.near");
    let outcome = test.run("alice.near", "notebook.near", vec![call("put", b"x", 5_000_000)]);
    let burnt: u128 = std::iter::once(&outcome.transaction_outcome)
        .chain(&outcome.receipts_outcome)
        .map(|outcome| outcome.outcome.tokens_burnt.as_yoctonear())
        .sum();
    assert_eq!(alice_before - test.balance("alice.near"), burnt + 5_000_000);
}

#[test]
fn a_callback_gets_the_result_of_the_promise() {
    let mut test = TestChain::new();
    let outcome = test.call("alice.near", "caller.near", "ask", b"");
    assert_eq!(value(&outcome), b"\x01hello");
}

#[test]
fn a_callback_learns_that_the_promise_failed_but_not_why() {
    let mut test = TestChain::new();
    let outcome = test.call("alice.near", "caller.near", "ask_failing", b"");
    assert_eq!(value(&outcome), b"\x02");
}

#[test]
fn joined_promises_keep_their_order_and_fail_one_by_one() {
    let mut test = TestChain::new();
    let outcome = test.call("alice.near", "caller.near", "ask_both", b"");
    assert_eq!(value(&outcome), b"\x01\x02hello");
}

#[test]
fn a_returned_promise_stands_for_the_result() {
    let mut test = TestChain::new();
    let outcome = test.call("alice.near", "caller.near", "hand_over", b"");
    assert_eq!(value(&outcome), b"hello");
}

#[test]
fn a_missing_method_and_a_missing_contract_say_so() {
    let mut test = TestChain::new();
    let outcome = test.call("alice.near", "notebook.near", "nope", b"");
    let text = format!("{:?}", failure(&outcome));
    assert!(text.contains("MethodResolveError(MethodNotFound)"), "{text}");
    let outcome = test.call("alice.near", "near", "get", b"");
    assert!(matches!(failure(&outcome), ActionErrorKind::FunctionCallError(_)));
}

#[test]
fn a_yield_waits_until_it_is_resumed() {
    let mut test = TestChain::new();
    let waiting = test.submit("alice.near", "sleeper.near", vec![call("wait", b"", 0)]);
    for _ in 0..5 {
        test.block();
    }
    assert_eq!(test.outcome(&waiting).status, FinalExecutionStatus::Started);
    let wake = test.submit("alice.near", "sleeper.near", vec![call("wake", b"morning", 0)]);
    test.settle();
    assert_eq!(value(&test.outcome(&wake)), b"\x01");
    assert_eq!(value(&test.outcome(&waiting)), b"morning");

    let again = test.call("alice.near", "sleeper.near", "wake", b"again");
    assert_eq!(value(&again), b"\x00");
}

#[test]
fn a_yield_may_be_resumed_by_the_call_that_made_it() {
    let mut test = TestChain::new();
    let outcome = test.call("alice.near", "sleeper.near", "wait_and_wake", b"at once");
    assert_eq!(value(&outcome), b"at once");
}

#[test]
fn a_yield_that_nobody_resumes_fails_two_hundred_blocks_later() {
    let mut test = TestChain::new();
    let outcome = test.call("alice.near", "sleeper.near", "wait", b"");
    assert_eq!(value(&outcome), b"late");
    // The transaction's block, the call 1 later, the timeout 200 after that, the callback in the next.
    let height = test.chain.view().height();
    assert!((203..=205).contains(&height), "{height}");
}

#[test]
fn each_call_sees_its_own_randomness() {
    let mut test = TestChain::new();
    let one = test.call("alice.near", "notebook.near", "random", b"");
    let two = test.call("alice.near", "notebook.near", "random", b"");
    assert_eq!(value(&one).len(), 32);
    assert_ne!(value(&one), value(&two));
}
