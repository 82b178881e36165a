//! Bytes that are no frames of this protocol, on either stream.

use super::cases::{Case, Role, Then};
use super::frames;
use super::props::Props;
use queue::limits::FRAME_BYTES_MAX;

pub fn cases(props: &Props) -> Vec<Case> {
    let lane = props.mallory.reverse_lane();
    let open = frames::open(&lane, 3, props.received.root_at(3));
    let release = frames::release(6, &props.new, Vec::new());
    let both = |name, bytes: Vec<Vec<u8>>, reason| {
        [Case::receiver(name, bytes.clone(), reason), Case::sender(name, bytes, reason)]
    };
    let mut cases: Vec<Case> = [
        both("an empty frame", vec![frames::framed(&[])], "frame does not decode"),
        both("a variant that nobody specified", vec![frames::framed(&[0x7f])], "frame does not decode"),
        both("a wish without its time", vec![frames::framed(&[0x12])], "frame does not decode"),
        both("noise", vec![frames::framed(&[0xa5; 600])], "frame does not decode"),
        both("a frame of one byte too many", vec![frames::header(limit() + 1)], "more than the limit of 262144"),
        both("a frame of four gigabytes", vec![frames::header(u32::MAX)], "more than the limit of 262144"),
        both("the largest frame, of zeros", vec![frames::framed(&vec![0; FRAME_BYTES_MAX])], "frame does not decode"),
    ]
    .into_iter()
    .flatten()
    .collect();
    cases.extend(ended(&open, Role::Receiver));
    cases.extend(ended(&release, Role::Sender));
    let body = |frame: &[u8]| frame[queue::frame::FRAME_HEADER_BYTES..].to_vec();
    let cut = |frame: &[u8], by: usize| frames::framed(&body(frame)[..body(frame).len() - by]);
    let longer = |frame: &[u8]| frames::framed(&[body(frame), vec![0]].concat());
    cases.extend([
        Case::receiver("an opening cut short by a byte", vec![cut(&open, 1)], "frame does not decode"),
        Case::receiver("an opening cut in its lane", vec![cut(&open, 45)], "frame does not decode"),
        Case::receiver("an opening with a byte behind it", vec![longer(&open)], "frame does not decode"),
        Case::receiver(
            "an opening of a shard that has no name",
            vec![frames::framed(&[0; 60])],
            "frame does not decode",
        ),
        Case::receiver(
            "an acknowledgement cut short",
            vec![open.clone(), cut(&frames::ack(3), 1)],
            "frame does not decode",
        ),
        Case::receiver("a sender's frame on a receiver's stream", vec![release.clone()], "frame does not decode"),
        Case::receiver("data on a receiver's stream", vec![open.clone(), frames::data(b"x")], "frame does not decode"),
        Case::sender("a receiver's frame on a sender's stream", vec![open.clone()], "frame does not decode"),
        Case::sender("a release cut short by a byte", vec![cut(&release, 1)], "frame does not decode"),
        Case::sender("a release cut in its signature", vec![cut(&release, 20)], "frame does not decode"),
        Case::sender("a release with a byte behind it", vec![longer(&release)], "frame does not decode"),
        Case::sender(
            "data that claims four gigabytes",
            vec![frames::framed(&[0x10, 255, 255, 255, 255])],
            "frame does not decode",
        ),
    ]);
    cases
}

/// Streams that end although a connection's streams never do, between frames and within one.
fn ended(frame: &[u8], role: Role) -> Vec<Case> {
    let half = frame[..frame.len() / 2].to_vec();
    let case = |name, bytes, then, reason| Case { name, role, bytes, then, reason };
    vec![
        case("a stream that ends within a header", vec![vec![1, 0]], Then::Finishes, "stream ended"),
        case("a stream that ends within a frame", vec![half.clone()], Then::Finishes, "stream ended"),
        case("a stream that is reset within a frame", vec![half], Then::Resets, "reset"),
    ]
}

fn limit() -> u32 {
    u32::try_from(FRAME_BYTES_MAX).expect("256 KiB")
}
