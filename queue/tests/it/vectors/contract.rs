use super::{Hex, parse};
use queue::checkpoint::Checkpoint;
use queue::codec;
use queue::contract::{
    AttestArgs, AttestResult, Endorsements, Event, LaneView, RoundsView, ShardView, SubmitResult, TipView, Verification,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Deserialize)]
struct File {
    attest_args: Vec<Case>,
    attest_results: Vec<Value>,
    submit_results: Vec<Value>,
    tip_views: Vec<Value>,
    shard_views: Vec<Value>,
    rounds_views: Vec<Value>,
    lane_views: Vec<Value>,
    verifications: Vec<Value>,
    events: Vec<Value>,
}

#[derive(Deserialize)]
struct Case {
    args: AttestArgsJson,
    bytes: Hex,
}

#[derive(Deserialize)]
struct AttestArgsJson {
    checkpoint: Checkpoint,
    endorsements: Endorsements,
}

impl From<AttestArgsJson> for AttestArgs {
    fn from(AttestArgsJson { checkpoint, endorsements }: AttestArgsJson) -> Self {
        AttestArgs { checkpoint, endorsements }
    }
}

fn file() -> File {
    parse(include_str!("../../../../specs/vectors/contract.json"))
}

fn reads_and_writes<T: DeserializeOwned + Serialize>(cases: &[Value]) {
    for case in cases {
        let value: T = serde_json::from_value(case.clone()).expect("the vector's JSON is of this type");
        assert_eq!(serde_json::to_value(&value).expect("any value has JSON"), *case);
    }
}

#[test]
fn the_arguments_of_attest_have_the_bytes_of_the_vectors() {
    for case in file().attest_args {
        let args = AttestArgs::from(case.args);
        assert_eq!(hex::encode(codec::encode(&args)), hex::encode(&case.bytes.0));
        assert_eq!(codec::decode::<AttestArgs>("arguments", &case.bytes.0, 4096), Ok(args));
    }
}

#[test]
fn views_results_and_events_have_the_json_of_the_vectors() {
    let file = file();
    reads_and_writes::<AttestResult>(&file.attest_results);
    reads_and_writes::<SubmitResult>(&file.submit_results);
    reads_and_writes::<RoundsView>(&file.rounds_views);
    reads_and_writes::<TipView>(&file.tip_views);
    reads_and_writes::<ShardView>(&file.shard_views);
    reads_and_writes::<LaneView>(&file.lane_views);
    reads_and_writes::<Verification>(&file.verifications);
    reads_and_writes::<Event>(&file.events);
}
