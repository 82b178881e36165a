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

use cases::{Case, all_are_refused};
use props::Props;
use stage::Stage;

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

/// Plays a table between Mallory, her target and an honest third shard.
async fn played([mallory, target, third]: [&str; 3], cases: fn(&Props) -> Vec<Case>) {
    let stage = Stage::start(target, third).await;
    let props = Props::of(&stage, mallory).await;
    all_are_refused(&props, &stage.target, cases(&props)).await;
    stage.third_is_served().await;
    props.she_may_behave(&stage).await;
    stage.end().await;
}
