//! A node's secrets: `keys.json` in its home.
//!
//! Three keys, each for one purpose, so that a signature for one means nothing to another: the
//! member key endorses checkpoints, the transport key is the node's TLS identity, and the access
//! key signs NEAR transactions.

use crate::home::{HOME_FORMAT, HomeError};
use ed25519_dalek::SigningKey;
use near_crypto::{ED25519SecretKey, SecretKey};
use queue::salt::SaltSecret;
use queue::trust::PublicKey;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A node's secrets. Secret keys stand in the file in NEAR's notation: `ed25519:` and the base58 of
/// seed and public key.
#[derive(Clone)]
pub struct Keys {
    /// Endorses checkpoints.
    pub member: SigningKey,
    /// Identifies the node to its peers.
    pub transport: SigningKey,
    /// Signs NEAR transactions.
    pub near: SecretKey,
    salt: [u8; 32],
}

impl Keys {
    /// Draws new secrets.
    ///
    /// # Errors
    /// [`HomeError::Randomness`].
    pub fn generate() -> Result<Self, HomeError> {
        Ok(Keys {
            member: SigningKey::from_bytes(&random()?),
            transport: SigningKey::from_bytes(&random()?),
            near: near_secret(&SigningKey::from_bytes(&random()?)),
            salt: random()?,
        })
    }

    /// The secret from which salts are derived.
    pub fn salt_secret(&self) -> SaltSecret {
        SaltSecret::new(self.salt)
    }

    /// The public member key.
    pub fn member_public(&self) -> PublicKey {
        PublicKey::Ed25519(self.member.verifying_key().to_bytes())
    }

    /// The public transport key.
    pub fn transport_public(&self) -> PublicKey {
        PublicKey::Ed25519(self.transport.verifying_key().to_bytes())
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys")
            .field("member", &self.member_public().to_string())
            .field("transport", &self.transport_public().to_string())
            .field("near", &self.near.public_key().to_string())
            .finish_non_exhaustive()
    }
}

/// The file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysFile {
    format: u32,
    member: SecretKey,
    transport: SecretKey,
    near: SecretKey,
    #[serde(with = "hex::serde")]
    salt: [u8; 32],
}

impl Serialize for Keys {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        KeysFile {
            format: HOME_FORMAT,
            member: near_secret(&self.member),
            transport: near_secret(&self.transport),
            near: self.near.clone(),
            salt: self.salt,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let file = KeysFile::deserialize(deserializer)?;
        let signing = |name: &str, key: &SecretKey| {
            ed25519(key).ok_or_else(|| {
                serde::de::Error::custom(format!("{name} is no ed25519 secret key with its own public key"))
            })
        };
        signing("near", &file.near)?;
        Ok(Keys {
            member: signing("member", &file.member)?,
            transport: signing("transport", &file.transport)?,
            near: file.near,
            salt: file.salt,
        })
    }
}

/// Draws a key in the form in which NEAR's tools keep it.
///
/// # Errors
/// [`HomeError::Randomness`].
pub fn generate_near_key() -> Result<SecretKey, HomeError> {
    Ok(near_secret(&SigningKey::from_bytes(&random()?)))
}

/// 32 bytes from the operating system.
///
/// # Errors
/// [`HomeError::Randomness`].
pub fn random() -> Result<[u8; 32], HomeError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(HomeError::Randomness)?;
    Ok(bytes)
}

fn near_secret(key: &SigningKey) -> SecretKey {
    SecretKey::ED25519(ED25519SecretKey(key.to_keypair_bytes()))
}

fn ed25519(key: &SecretKey) -> Option<SigningKey> {
    match key {
        SecretKey::ED25519(ED25519SecretKey(bytes)) => SigningKey::from_keypair_bytes(bytes).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_their_file_and_are_all_different() {
        let keys = Keys::generate().expect("randomness");
        let text = serde_json::to_string(&keys).expect("JSON");
        let again: Keys = serde_json::from_str(&text).expect("parses");
        assert_eq!(again.member, keys.member);
        assert_eq!(again.transport, keys.transport);
        assert_eq!(again.near, keys.near);
        assert_eq!(again.salt, keys.salt);
        assert_ne!(keys.member, keys.transport);
    }

    #[test]
    fn keys_do_not_show_their_secrets() {
        let keys = Keys::generate().expect("randomness");
        let shown = format!("{keys:?}");
        assert!(!shown.contains(&keys.near.to_string()));
        assert!(!shown.contains(&hex::encode(keys.salt)));
    }

    #[test]
    fn a_key_whose_halves_do_not_match_is_refused() {
        let keys = Keys::generate().expect("randomness");
        let mut bytes = keys.member.to_keypair_bytes();
        bytes[0] ^= 1;
        let forged = SecretKey::ED25519(ED25519SecretKey(bytes));
        let text = serde_json::to_string(&keys).expect("JSON");
        let text = text.replace(&near_secret(&keys.member).to_string(), &forged.to_string());
        assert!(serde_json::from_str::<Keys>(&text).is_err());
    }
}
