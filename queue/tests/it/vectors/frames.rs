use super::salts::LaneJson;
use super::{Hex, parse};
use queue::digest::Hash;
use queue::frame::{
    FRAME_HEADER_BYTES, ReceiverFrame, Release, SenderFrame, data_bytes, data_head, decode_frame, encode_frame,
    frame_length,
};
use queue::proof::HeadProof;
use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    receiver_frames: Vec<Case<ReceiverFrameJson>>,
    sender_frames: Vec<Case<SenderFrameJson>>,
    refused: Vec<Refused>,
    lengths: Vec<Length>,
}

#[derive(Deserialize)]
struct Case<T> {
    frame: T,
    bytes: Hex,
}

#[derive(Deserialize)]
struct Refused {
    reader: String,
    name: String,
    body: Hex,
}

#[derive(Deserialize)]
struct Length {
    header: Hex,
    length: usize,
    accepted: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum ReceiverFrameJson {
    Open { lane: LaneJson, size: u64, root: Hash, staged_size: u64, staged_root: Hash },
    Ack { size: u64 },
    Staged { size: u64 },
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum SenderFrameJson {
    Data(Hex),
    Mark {
        size: u64,
    },
    Begin {
        size: u64,
    },
    Wish {
        #[serde(with = "queue::codec::u64_string")]
        time_ns: u64,
    },
    Release {
        end: u64,
        head: Box<HeadProof>,
        consistency: Vec<Hash>,
    },
}

impl From<ReceiverFrameJson> for ReceiverFrame {
    fn from(json: ReceiverFrameJson) -> Self {
        match json {
            ReceiverFrameJson::Open { lane, size, root, staged_size, staged_root } => {
                ReceiverFrame::Open { lane: lane.into(), size, root, staged_size, staged_root }
            }
            ReceiverFrameJson::Ack { size } => ReceiverFrame::Ack { size },
            ReceiverFrameJson::Staged { size } => ReceiverFrame::Staged { size },
        }
    }
}

impl From<SenderFrameJson> for SenderFrame {
    fn from(json: SenderFrameJson) -> Self {
        match json {
            SenderFrameJson::Data(bytes) => SenderFrame::Data(bytes.0),
            SenderFrameJson::Mark { size } => SenderFrame::Mark { size },
            SenderFrameJson::Begin { size } => SenderFrame::Begin { size },
            SenderFrameJson::Wish { time_ns } => SenderFrame::Wish { time_ns },
            SenderFrameJson::Release { end, head, consistency } => {
                SenderFrame::Release(Box::new(Release { end, head: *head, consistency }))
            }
        }
    }
}

fn file() -> File {
    parse(include_str!("../../../../specs/vectors/frames.json"))
}

#[test]
fn frames_of_both_sides_encode_and_decode_as_in_the_vectors() {
    let file = file();
    for case in file.receiver_frames {
        let frame = ReceiverFrame::from(case.frame);
        assert_eq!(hex::encode(encode_frame(&frame)), hex::encode(&case.bytes.0), "{frame:?}");
        assert_eq!(decode_frame::<ReceiverFrame>(&case.bytes.0[FRAME_HEADER_BYTES..]), Ok(frame));
    }
    for case in file.sender_frames {
        let frame = SenderFrame::from(case.frame);
        assert_eq!(hex::encode(encode_frame(&frame)), hex::encode(&case.bytes.0), "{frame:?}");
        if let SenderFrame::Data(bytes) = &frame {
            assert_eq!([data_head(bytes.len()), bytes.clone()].concat(), case.bytes.0);
            assert_eq!(data_bytes(&case.bytes.0[FRAME_HEADER_BYTES..]), Some(&bytes[..]));
        }
        assert_eq!(decode_frame::<SenderFrame>(&case.bytes.0[FRAME_HEADER_BYTES..]), Ok(frame));
    }
}

#[test]
fn refused_frames_of_the_vectors_are_refused() {
    for case in file().refused {
        let refused = match case.reader.as_str() {
            "sender" => decode_frame::<ReceiverFrame>(&case.body.0).is_err(),
            _ => decode_frame::<SenderFrame>(&case.body.0).is_err(),
        };
        assert!(refused, "{}: {}", case.reader, case.name);
    }
}

#[test]
fn a_frames_length_is_judged_by_its_header_alone() {
    for case in file().lengths {
        let header = case.header.0.as_slice().try_into().expect("a header of 4 bytes");
        let length = frame_length(header);
        assert_eq!(length.is_ok(), case.accepted, "{}", case.length);
        assert!(length.is_err() || length == Ok(case.length));
    }
}
