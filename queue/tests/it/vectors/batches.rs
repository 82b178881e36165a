use super::{Hex, parse};
use queue::batch::{BatchError, BatchHeader, BatchParser, BatchPart, BatchPiece, VerifiedBatch};
use queue::derivation::derive_public_key;
use queue::digest::{Hash, Native};
use queue::ids::Lane;
use queue::log::CompactRange;
use queue::proof::HeadProof;
use queue::trust::TrustRoot;
use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    trust: TrustRoot,
    files: Vec<Case>,
    refused: Vec<Refused>,
    broken: Vec<Refused>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    file: FileJson,
    bytes: Hex,
}

#[derive(Deserialize)]
struct Refused {
    name: String,
    error: String,
    bytes: Hex,
}

#[derive(Deserialize)]
struct FileJson {
    header: HeaderJson,
    parts: Vec<PartJson>,
}

#[derive(Deserialize)]
struct HeaderJson {
    trust: TrustRoot,
    lane: Lane,
    begin: RangeJson,
    end: u64,
    head: HeadProof,
}

#[derive(Deserialize)]
struct RangeJson {
    size: u64,
    peaks: Vec<Hash>,
}

#[derive(Deserialize)]
struct PartJson {
    end: u64,
    consistency: Vec<Hash>,
    stream: Hex,
}

impl FileJson {
    fn encode(self) -> Vec<u8> {
        let HeaderJson { trust, lane, begin, end, head } = self.header;
        let begin = CompactRange::from_parts(begin.size, begin.peaks).expect("as many peaks as the size has bits");
        let header = BatchHeader { trust, lane, begin, end, head };
        self.parts.into_iter().fold(header.encode(), |file, PartJson { end, consistency, stream }| {
            [file, BatchPart { end, consistency, stream: stream.0 }.encode()].concat()
        })
    }
}

fn file() -> File {
    parse(include_str!("../../../../specs/vectors/batches.json"))
}

/// Verifies a file that comes in pieces of `step` bytes.
fn verify(bytes: &[u8], step: usize, trust: &TrustRoot) -> Result<VerifiedBatch, BatchError> {
    let (mut parser, mut verifier) = (BatchParser::default(), None);
    for chunk in bytes.chunks(step) {
        parser.push(chunk);
        while let Some(piece) = parser.next_piece()? {
            match (piece, &mut verifier) {
                (BatchPiece::Header(header), None) => {
                    verifier = Some(header.verify::<Native>(trust, derive_public_key)?);
                }
                (BatchPiece::Part(part), Some(verifier)) => drop(verifier.verify_part::<Native>(part)?),
                _ => return Err(BatchError::Format),
            }
        }
    }
    let verified = verifier.ok_or(BatchError::Format)?.finish()?;
    if parser.is_empty() { Ok(verified) } else { Err(BatchError::AfterEnd) }
}

fn word(error: &BatchError) -> &'static str {
    match error {
        BatchError::Format => "format",
        BatchError::Decode(_) => "decode",
        BatchError::CutShort { .. } => "cut_short",
        BatchError::AfterEnd => "after_end",
        BatchError::Range { .. } => "range",
        BatchError::OtherLane { .. } => "other_lane",
        BatchError::Head(_) => "head",
        BatchError::Messages(_) => "messages",
        BatchError::EmptyPart(_) => "empty_part",
        BatchError::NotCovered { .. } => "not_covered",
        BatchError::TooLong => "too_long",
    }
}

#[test]
fn batch_files_of_the_vectors_hold_however_their_bytes_come() {
    let file = file();
    for case in file.files {
        let (begin, end) = (case.file.header.begin.size, case.file.header.end);
        for step in [1, 7, usize::MAX] {
            let verified = verify(&case.bytes.0, step, &file.trust).expect(&case.name);
            assert_eq!((verified.begin, verified.end), (begin, end), "{}", case.name);
        }
        assert_eq!(hex::encode(case.file.encode()), hex::encode(&case.bytes.0), "{}", case.name);
    }
}

#[test]
fn batch_files_that_prove_nothing_are_refused_for_the_reason_of_the_vectors() {
    let file = file();
    for Refused { name, error, bytes } in file.refused.into_iter().chain(file.broken) {
        for step in [13, usize::MAX] {
            assert_eq!(word(&verify(&bytes.0, step, &file.trust).expect_err(&name)), error, "{name}");
        }
    }
}

#[test]
fn a_batch_file_cut_anywhere_proves_nothing() {
    let file = file();
    for case in &file.files {
        for length in 0..case.bytes.0.len() {
            let cut = verify(&case.bytes.0[..length], usize::MAX, &file.trust);
            assert!(cut.is_err(), "{} cut to {length} bytes", case.name);
        }
    }
}
