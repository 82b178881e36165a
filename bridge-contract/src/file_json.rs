//! Reads proof and evidence files. Serde's derived readers do the same, which tests hold these to, but
//! would take a seventh of the Wasm: these files nest many types, some of them tagged.

use crate::json::Json;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use queue::attestation::{Attestation, AttestationKind, ChainSignature};
use queue::checkpoint::Checkpoint;
use queue::digest::Hash;
use queue::evidence::{ConsistencyStep, Contradiction, Evidence, RootProof};
use queue::heads::Head;
use queue::ids::{AccountId, BridgeDomain, Lane, NetworkName, ShardId};
use queue::proof::{DeliveryProof, ExpiryGround, ExpiryProof, HeadProof, MessageProof, ResultProof};
use queue::trust::{PublicKey, TrustRoot};

/// A field that isn't there or isn't what the file's format says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is missing, or not what the file's format says")]
pub struct FieldError(&'static str);

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
    let value = object.get(name).unwrap_or(&Json::Null);
    T::from_json(value).map_err(|error| match value {
        Json::Null => FieldError(name),
        _ if error.0.is_empty() => FieldError(name),
        _ => error,
    })
}

/// A field as text that `parse` understands.
fn text<T>(object: &Json, name: &'static str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, FieldError> {
    object.get(name).and_then(Json::as_str).and_then(parse).ok_or(FieldError(name))
}

fn parsed<T: std::str::FromStr>(object: &Json, name: &'static str) -> Result<T, FieldError> {
    text(object, name, |text| text.parse().ok())
}

fn bytes(object: &Json, name: &'static str) -> Result<Vec<u8>, FieldError> {
    text(object, name, |text| STANDARD.decode(text).ok())
}

fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

/// Gets its name from whoever knows the field.
fn this<T>(value: Option<T>) -> Result<T, FieldError> {
    value.ok_or(FieldError(""))
}

impl FromJson for u64 {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        match json {
            Json::Number(number) => Ok(*number),
            _ => Err(FieldError("")),
        }
    }
}

impl FromJson for u32 {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        this(u64::from_json(json)?.try_into().ok())
    }
}

impl FromJson for u8 {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        this(u64::from_json(json)?.try_into().ok())
    }
}

impl FromJson for String {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        this(json.as_str().map(str::to_owned))
    }
}

impl FromJson for Hash {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        this(json.as_str().and_then(hex).map(Hash))
    }
}

impl FromJson for ShardId {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        this(json.as_str().and_then(|text| text.parse().ok()))
    }
}

impl FromJson for PublicKey {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        this(json.as_str().and_then(|text| text.parse().ok()))
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
            _ => Err(FieldError("")),
        }
    }
}

impl FromJson for BridgeDomain {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        Ok(BridgeDomain {
            network: parsed::<NetworkName>(json, "network")?,
            bridge: parsed::<AccountId>(json, "bridge")?,
            instance: field(json, "instance")?,
        })
    }
}

impl FromJson for TrustRoot {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        let domain = BridgeDomain::from_json(json)?;
        Ok(TrustRoot { domain, secp256k1: field(json, "secp256k1")?, ed25519: field(json, "ed25519")? })
    }
}

impl FromJson for Lane {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        Ok(Lane {
            source: field(json, "source")?,
            destination: field(json, "destination")?,
            source_incarnation: field(json, "source_incarnation")?,
            destination_incarnation: field(json, "destination_incarnation")?,
        })
    }
}

impl FromJson for Checkpoint {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        Ok(Checkpoint {
            version: field(json, "version")?,
            domain: field(json, "domain")?,
            shard: field(json, "shard")?,
            key_epoch: field(json, "key_epoch")?,
            epoch_first_height: field(json, "epoch_first_height")?,
            height: field(json, "height")?,
            previous: field(json, "previous")?,
            heads_root: field(json, "heads_root")?,
            time_ns: parsed(json, "time_ns")?,
        })
    }
}

impl FromJson for ChainSignature {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        match json.get("scheme").and_then(Json::as_str) {
            Some("secp256k1") => {
                Ok(ChainSignature::Secp256k1 { rs: text(json, "rs", hex)?, recovery_id: field(json, "recovery_id")? })
            }
            Some("ed25519") => Ok(ChainSignature::Ed25519 { signature: text(json, "signature", hex)? }),
            _ => Err(FieldError("scheme")),
        }
    }
}

impl FromJson for Attestation {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        let kind = text(json, "kind", |kind| match kind {
            "shard" => Some(AttestationKind::Shard),
            "round" => Some(AttestationKind::Round),
            _ => None,
        })?;
        Ok(Attestation {
            kind,
            checkpoint: field(json, "checkpoint")?,
            index: field(json, "index")?,
            size: field(json, "size")?,
            path: field(json, "path")?,
            signature: field(json, "signature")?,
        })
    }
}

impl FromJson for Head {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        Ok(Head {
            peer: field(json, "peer")?,
            own_incarnation: field(json, "own_incarnation")?,
            peer_incarnation: field(json, "peer_incarnation")?,
            sent_size: field(json, "sent_size")?,
            sent_root: field(json, "sent_root")?,
            received_size: field(json, "received_size")?,
            received_root: field(json, "received_root")?,
            salt: field(json, "salt")?,
        })
    }
}

impl FromJson for HeadProof {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        Ok(HeadProof {
            head: field(json, "head")?,
            path: field(json, "path")?,
            attestation: field(json, "attestation")?,
        })
    }
}

impl FromJson for MessageProof {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        Ok(MessageProof {
            format: field(json, "format")?,
            trust: field(json, "trust")?,
            nonce: field(json, "nonce")?,
            message: bytes(json, "message")?,
            inclusion: field(json, "inclusion")?,
            head: field(json, "head")?,
        })
    }
}

impl FromJson for DeliveryProof {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        let MessageProof { format, trust, nonce, message, inclusion, head } = MessageProof::from_json(json)?;
        Ok(DeliveryProof { format, trust, nonce, message, inclusion, head })
    }
}

impl FromJson for ExpiryProof {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        Ok(ExpiryProof {
            format: field(json, "format")?,
            trust: field(json, "trust")?,
            nonce: field(json, "nonce")?,
            message: bytes(json, "message")?,
            inclusion: field(json, "inclusion")?,
            sent: field(json, "sent")?,
            ground: field(json, "ground")?,
        })
    }
}

impl FromJson for ExpiryGround {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        let Json::Object(fields) = json else { return Err(FieldError("ground")) };
        match &fields[..] {
            [(name, head)] if name == "checkpoint" => Ok(ExpiryGround::Checkpoint(HeadProof::from_json(head)?)),
            [(name, result)] if name == "result" => Ok(ExpiryGround::Result(ResultProof::from_json(result)?)),
            _ => Err(FieldError("ground")),
        }
    }
}

impl FromJson for ResultProof {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        Ok(ResultProof {
            nonce: field(json, "nonce")?,
            message: bytes(json, "message")?,
            inclusion: field(json, "inclusion")?,
            head: field(json, "head")?,
        })
    }
}

impl FromJson for ConsistencyStep {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        Ok(ConsistencyStep { size: field(json, "size")?, proof: field(json, "proof")? })
    }
}

impl FromJson for RootProof {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        Ok(RootProof {
            size: field(json, "size")?,
            root: field(json, "root")?,
            steps: field(json, "steps")?,
            head: field(json, "head")?,
        })
    }
}

impl FromJson for Contradiction {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        match json.get("kind").and_then(Json::as_str) {
            Some("heads") => {
                Ok(Contradiction::Heads { earlier: field(json, "earlier")?, later: field(json, "later")? })
            }
            Some("roots") => Ok(Contradiction::Roots { one: field(json, "one")?, other: field(json, "other")? }),
            Some("received") => Ok(Contradiction::Received { head: field(json, "head")?, log: field(json, "log")? }),
            _ => Err(FieldError("kind")),
        }
    }
}

impl FromJson for Evidence {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        Ok(Evidence {
            format: field(json, "format")?,
            trust: field(json, "trust")?,
            lane: field(json, "lane")?,
            reason: field(json, "reason")?,
            contradiction: field(json, "contradiction")?,
        })
    }
}

#[cfg(test)]
mod tests;
