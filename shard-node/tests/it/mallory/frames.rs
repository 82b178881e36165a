//! Frames by hand: the only place of the hostile tests that knows what they look like.

use queue::codec;
use queue::digest::Hash;
use queue::frame::{ReceiverFrame, Release, SenderFrame};
use queue::ids::Lane;
use queue::proof::HeadProof;

/// Puts the length before a body, whatever it is.
pub fn framed(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("a short body");
    [&length.to_le_bytes()[..], body].concat()
}

/// A header that announces a body of this length, and nothing behind it.
pub fn header(length: u32) -> Vec<u8> {
    length.to_le_bytes().to_vec()
}

/// An opening of somebody who has staged nothing.
pub fn open(lane: &Lane, size: u64, root: Hash) -> Vec<u8> {
    let lane = lane.clone();
    framed(&codec::encode(&ReceiverFrame::Open { lane, size, root, staged_size: size, staged_root: root }))
}

pub fn ack(size: u64) -> Vec<u8> {
    framed(&codec::encode(&ReceiverFrame::Ack { size }))
}

pub fn staged(size: u64) -> Vec<u8> {
    framed(&codec::encode(&ReceiverFrame::Staged { size }))
}

pub fn begin(size: u64) -> Vec<u8> {
    framed(&codec::encode(&SenderFrame::Begin { size }))
}

pub fn mark(size: u64) -> Vec<u8> {
    framed(&codec::encode(&SenderFrame::Mark { size }))
}

pub fn wish(time_ns: u64) -> Vec<u8> {
    framed(&codec::encode(&SenderFrame::Wish { time_ns }))
}

pub fn data(stream: &[u8]) -> Vec<u8> {
    framed(&codec::encode(&SenderFrame::Data(stream.to_vec())))
}

/// A lane's stream in frames as an honest sender cuts it.
pub fn all_data(stream: &[u8]) -> Vec<Vec<u8>> {
    stream.chunks(queue::frame::DATA_BYTES_MAX).map(data).collect()
}

pub fn release(end: u64, head: &HeadProof, consistency: Vec<Hash>) -> Vec<u8> {
    let release = Release { end, head: head.clone(), consistency };
    framed(&codec::encode(&SenderFrame::Release(Box::new(release))))
}

/// The lane's stream of these messages: each with its length.
pub fn stream<'a>(messages: impl IntoIterator<Item = &'a Vec<u8>>) -> Vec<u8> {
    messages.into_iter().flat_map(|message| framed(message)).collect()
}
