//! Checksums: of records, and of the whole state.

use borsh::{BorshDeserialize, BorshSerialize};
use sha2::{Digest as _, Sha256};

/// Separates these hashes from all others of the project.
const STATE_TAG: &[u8] = b"shard-node/store-state/2";

/// The CRC-32 (IEEE) of `parts`, one after the other, begun from `seed`.
pub(super) fn crc(seed: u32, parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(seed);
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize()
}

/// An order-free checksum of a set of rows: the sum, modulo 2^128, of a hash of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct StateSum(u128);

impl StateSum {
    /// The sum of no rows.
    pub(super) const EMPTY: StateSum = StateSum(0);

    /// Takes a row in.
    pub(super) fn add(&mut self, row: &[u8], content: &[u8]) {
        self.0 = self.0.wrapping_add(element(row, content));
    }

    /// Takes a row out that was taken in before.
    pub(super) fn remove(&mut self, row: &[u8], content: &[u8]) {
        self.0 = self.0.wrapping_sub(element(row, content));
    }
}

fn element(row: &[u8], content: &[u8]) -> u128 {
    let mut hasher = Sha256::new();
    hasher.update(STATE_TAG);
    hasher.update((row.len() as u64).to_le_bytes());
    hasher.update(row);
    hasher.update(content);
    let hash = hasher.finalize();
    u128::from_le_bytes(*hash.first_chunk().expect("a SHA-256 hash has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_rows_does_not_matter_but_their_contents_do() {
        let mut forth = StateSum::EMPTY;
        forth.add(b"a", b"1");
        forth.add(b"b", b"2");
        let mut back = StateSum::EMPTY;
        back.add(b"b", b"2");
        back.add(b"a", b"1");
        assert_eq!(forth, back);
        back.remove(b"a", b"1");
        back.add(b"a1", b"");
        assert_ne!(forth, back, "a row's key and content can't trade bytes");
    }
}
