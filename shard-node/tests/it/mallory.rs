//! Mallory on a real socket: a registered shard with a listed transport key and real attestations,
//! against a running node with its store on disk. Whatever she sends, what is verified stays, and
//! an honest third shard notices nothing.
//!
//! Each table is played in both directions of dialing, because each way the streams begin in
//! another order.

mod actor;
mod cases;
mod contradictions;
mod frames;
mod garbage;
mod lanes;
pub mod log_lines;
mod nonsense;
mod props;
mod receiver;
mod sender;
pub mod stage;
pub mod wire;

use actor::Mallory;
use cases::{Case, all_are_refused};
use lanes::Log;
use props::Props;
use stage::Stage;
use wire::write;

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_frames_cost_mallory_her_connection_and_nothing_else() {
    played(["mallory", "victor", "alice"], nonsense::cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_frames_from_a_dialed_mallory_cost_her_connection_and_nothing_else() {
    played(["mallory", "anna", "zoe"], nonsense::cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lies_of_a_destination_cost_mallory_her_connection_and_nothing_else() {
    played(["mallory", "viktor", "alicia"], receiver::cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lies_of_a_dialed_destination_cost_mallory_her_connection_and_nothing_else() {
    played(["mallory", "annie", "zora"], receiver::cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lies_of_a_source_cost_mallory_her_connection_and_nothing_else() {
    played(["mallory", "vincent", "alina"], sender::cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lies_of_a_dialed_source_cost_mallory_her_connection_and_nothing_else() {
    played(["mallory", "anneli", "zelda"], sender::cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mallory_who_does_not_read_holds_up_nobody_but_herself() {
    let stage = Stage::start("vasco", "alma").await;
    let mallory = Mallory::register(&stage, "mallory").await;
    // More than the flight limit of 8 MiB.
    for text in ["a", "b", "c", "d", "e", "f"] {
        stage.target.send(&mallory.shard, &text.repeat(2 * 1024 * 1024)).await;
    }
    let mut session = mallory.connect().await;
    let held = (0, Log::default().root_at(0));
    write(&mut session.as_receiver.0, &frames::open(&mallory.reverse_lane(), held.0, held.1)).await;
    for _ in 0..5 {
        stage.third_is_served().await;
    }
    // Opened again, the lane brings all of it.
    session.connection.close(0u32.into(), b"done");
    let received = mallory.connect().await.receive(&mallory.reverse_lane(), held, 6).await;
    assert_eq!(received.len(), 6);
    stage.end().await;
}

/// Plays a table between Mallory, her target and an honest third shard.
async fn played([mallory, target, third]: [&str; 3], cases: fn(&Props) -> Vec<Case>) {
    let stage = Stage::start(target, third).await;
    let props = Props::of(&stage, mallory).await;
    all_are_refused(&props, &stage.target, cases(&props)).await;
    stage.third_is_served().await;
    props.she_may_behave(&stage).await;
    stage.end().await;
}
