//! The one decoder through which every byte from a peer, disk, chain or user passes.

use borsh::{BorshDeserialize, BorshSerialize};

/// Why bytes were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Longer than the limit of its kind; nothing was allocated for it.
    #[error("{what} has {found} bytes, more than the limit of {limit}")]
    TooLarge {
        /// What was being decoded.
        what: &'static str,
        /// Length found, in bytes.
        found: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// Not the canonical borsh encoding of its kind (cut short, trailing bytes, unknown variant, …).
    #[error("{what} does not decode: {reason}")]
    Malformed {
        /// What was being decoded.
        what: &'static str,
        /// The first thing that is wrong.
        reason: String,
    },
}

/// Decodes all of `bytes` as one `T`.
///
/// Borsh reads collections element by element, so that a forged length can't allocate more than
/// the input holds.
///
/// # Errors
/// [`DecodeError::TooLarge`] above `limit` bytes, [`DecodeError::Malformed`] otherwise.
pub fn decode<T: BorshDeserialize>(what: &'static str, bytes: &[u8], limit: usize) -> Result<T, DecodeError> {
    if bytes.len() > limit {
        return Err(DecodeError::TooLarge { what, found: bytes.len(), limit });
    }
    T::try_from_slice(bytes).map_err(|error| DecodeError::Malformed { what, reason: error.to_string() })
}

/// Encodes `value` as borsh.
pub fn encode<T: BorshSerialize>(value: &T) -> Vec<u8> {
    borsh::to_vec(value).expect("writing to a Vec can't fail and no collection here reaches 2^32 elements")
}

/// Serde for byte strings as standard base64, for use with `#[serde(with = …)]`.
pub mod base64_bytes {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    /// Writes bytes as base64.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    /// Reads bytes from base64.
    ///
    /// # Errors
    /// A string that isn't base64.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// Serde for 64-bit numbers as decimal strings, as NEAR writes numbers that JavaScript would round.
pub mod u64_string {
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    /// Writes a number as a string.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    /// Reads a number from a string.
    ///
    /// # Errors
    /// A string that isn't a decimal number of 64 bits.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Serde for yoctoNEAR amounts as decimal strings, as NEAR writes them.
pub mod u128_string {
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    /// Writes an amount as a string.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(amount: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(amount)
    }

    /// Reads an amount from a string.
    ///
    /// # Errors
    /// A string that isn't a decimal number of 128 bits.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
