//! Values from JSON, field by field: arguments, files, the signer's answers.
//!
//! Serde's derived readers do the same, which tests hold these to, but would be a quarter of the Wasm:
//! each type has one of some 2 kB, and what they say about an error prints floats.

use crate::json::Json;
use queue::digest::Hash;
use queue::ids::{AccountId, NetworkName, ShardId};
use queue::trust::{Curve, PublicKey};
use std::fmt::Display;
use std::str::FromStr;

/// Why JSON isn't what its format says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// A field isn't there.
    #[error("missing field `{0}`")]
    Missing(&'static str),
    /// A field is there, and wrong.
    #[error("field `{name}`: {why}")]
    Wrong {
        /// The field; empty until whoever knows it names it.
        name: &'static str,
        /// What is wrong.
        why: String,
    },
}

impl FieldError {
    /// The field's name.
    pub fn name(&self) -> &'static str {
        match self {
            FieldError::Missing(name) | FieldError::Wrong { name, .. } => name,
        }
    }
}

/// What can be read from JSON.
pub trait FromJson: Sized {
    /// The value that `json` writes.
    ///
    /// # Errors
    /// The innermost field that is wrong.
    fn from_json(json: &Json) -> Result<Self, FieldError>;
}

/// A field of an object; what isn't there is null.
///
/// # Errors
/// The innermost field that is wrong.
pub fn field<T: FromJson>(object: &Json, name: &'static str) -> Result<T, FieldError> {
    field_as(object, name, T::from_json)
}

/// A field of an object, which is read otherwise than its type.
///
/// # Errors
/// The innermost field that is wrong.
pub fn field_as<T>(
    object: &Json,
    name: &'static str,
    read: impl FnOnce(&Json) -> Result<T, FieldError>,
) -> Result<T, FieldError> {
    let value = value(object, name)?;
    read(value).map_err(|error| named(error, name, value))
}

fn value<'a>(object: &'a Json, name: &'static str) -> Result<&'a Json, FieldError> {
    match object {
        Json::Object(_) => Ok(object.get(name).unwrap_or(&Json::Null)),
        _ => Err(FieldError::Wrong { name, why: "expected in an object that names no field twice".to_owned() }),
    }
}

fn named(error: FieldError, name: &'static str, value: &Json) -> FieldError {
    match (value, error) {
        (Json::Null, _) => FieldError::Missing(name),
        (_, FieldError::Wrong { name: "", why }) => FieldError::Wrong { name, why },
        (_, inner) => inner,
    }
}

/// A value that is wrong. It gets its name from whoever knows the field.
pub fn wrong(why: impl Display) -> FieldError {
    FieldError::Wrong { name: "", why: why.to_string() }
}

/// A string.
///
/// # Errors
/// Anything else.
pub fn text(json: &Json) -> Result<&str, FieldError> {
    json.as_str().ok_or_else(|| wrong("expected a string"))
}

/// A string that writes a `T`.
///
/// # Errors
/// Anything else.
pub fn parsed<T: FromStr<Err: Display>>(json: &Json) -> Result<T, FieldError> {
    text(json)?.parse().map_err(wrong)
}

/// One of several words.
///
/// # Errors
/// Another word, or none.
pub fn word<T: Copy>(json: &Json, words: &[(&str, T)]) -> Result<T, FieldError> {
    let found = words.iter().find(|(word, _)| json.as_str() == Some(word));
    found.map(|(_, meaning)| *meaning).ok_or_else(|| wrong_word(words.iter().map(|(word, _)| *word).collect()))
}

fn wrong_word(words: Vec<&str>) -> FieldError {
    wrong(format!("expected one of {}", words.join(", ")))
}

/// So many bytes in hex.
///
/// # Errors
/// Anything else.
pub fn hex<const N: usize>(json: &Json) -> Result<[u8; N], FieldError> {
    let mut bytes = [0; N];
    fill(text(json)?, &mut bytes)?;
    Ok(bytes)
}

fn fill(text: &str, bytes: &mut [u8]) -> Result<(), FieldError> {
    let expected = 2 * bytes.len();
    hex::decode_to_slice(text, bytes).map_err(|_| wrong(format!("expected {expected} hex digits")))
}

/// Structs that stand in JSON as objects with the same fields.
macro_rules! read_fields {
    ($($type:ident { $($name:ident),+ $(,)? })+) => {$(
        impl FromJson for $type {
            fn from_json(json: &Json) -> Result<Self, FieldError> {
                Ok($type { $($name: field(json, stringify!($name))?),+ })
            }
        }
    )+};
}
pub(crate) use read_fields;

macro_rules! read_whole_numbers {
    ($($type:ident)+) => {$(
        impl FromJson for $type {
            fn from_json(json: &Json) -> Result<Self, FieldError> {
                whole(json)?.try_into().map_err(|_| wrong("the number is too large"))
            }
        }
    )+};
}
read_whole_numbers! { u8 u16 u32 }

fn whole(json: &Json) -> Result<u64, FieldError> {
    match json {
        Json::Number(number) => Ok(*number),
        _ => Err(wrong("expected a whole number")),
    }
}

macro_rules! read_by_parsing {
    ($($type:ident)+) => {$(
        impl FromJson for $type {
            fn from_json(json: &Json) -> Result<Self, FieldError> {
                parsed(json)
            }
        }
    )+};
}
read_by_parsing! { ShardId AccountId NetworkName PublicKey }

impl FromJson for u64 {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        whole(json)
    }
}

impl FromJson for bool {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        match json {
            Json::Bool(value) => Ok(*value),
            _ => Err(wrong("expected true or false")),
        }
    }
}

impl FromJson for String {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        text(json).map(str::to_owned)
    }
}

impl FromJson for Hash {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        hex(json).map(Hash)
    }
}

impl FromJson for Curve {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        word(json, &[("secp256k1", Curve::Secp256k1), ("ed25519", Curve::Ed25519)])
    }
}

impl<T: FromJson> FromJson for Option<T> {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        match json {
            Json::Null => Ok(None),
            _ => T::from_json(json).map(Some),
        }
    }
}

impl<T: FromJson> FromJson for Box<T> {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        T::from_json(json).map(Box::new)
    }
}

impl<T: FromJson> FromJson for Vec<T> {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        match json {
            Json::List(items) => items.iter().map(T::from_json).collect(),
            _ => Err(wrong("expected a list")),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
