//! Proof and evidence files.

use crate::from_json::{FieldError, FromJson, field, field_as, hex, parsed, read_fields, text, word, wrong};
use crate::json::Json;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use queue::attestation::{Attestation, AttestationKind, ChainSignature};
use queue::checkpoint::Checkpoint;
use queue::evidence::{ConsistencyStep, Contradiction, Evidence, RootProof};
use queue::heads::Head;
use queue::ids::{BridgeDomain, Lane};
use queue::proof::{DeliveryProof, ExpiryGround, ExpiryProof, HeadProof, MessageProof, ResultProof};
use queue::trust::{Curve, TrustRoot};

read_fields! {
    Evidence { format, trust, lane, reason, contradiction }
    BridgeDomain { network, bridge, instance }
    Lane { source, destination, source_incarnation, destination_incarnation }
    HeadProof { head, path, attestation }
    Head {
        peer, own_incarnation, peer_incarnation, sent_size, sent_root, received_size, received_root, salt,
    }
    Attestation { kind, checkpoint, index, size, path, signature }
    RootProof { size, root, steps, head }
    ConsistencyStep { size, proof }
}

impl FromJson for TrustRoot {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        let domain = BridgeDomain::from_json(json)?;
        Ok(TrustRoot { domain, secp256k1: field(json, "secp256k1")?, ed25519: field(json, "ed25519")? })
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
            time_ns: field_as(json, "time_ns", parsed)?,
        })
    }
}

impl FromJson for ChainSignature {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        Ok(match field(json, "scheme")? {
            Curve::Secp256k1 => {
                ChainSignature::Secp256k1 { rs: field_as(json, "rs", hex)?, recovery_id: field(json, "recovery_id")? }
            }
            Curve::Ed25519 => ChainSignature::Ed25519 { signature: field_as(json, "signature", hex)? },
        })
    }
}

impl FromJson for AttestationKind {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        word(json, &[("shard", AttestationKind::Shard), ("round", AttestationKind::Round)])
    }
}

impl FromJson for MessageProof {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        Ok(MessageProof {
            format: field(json, "format")?,
            trust: field(json, "trust")?,
            nonce: field(json, "nonce")?,
            message: field_as(json, "message", base64)?,
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
            message: field_as(json, "message", base64)?,
            inclusion: field(json, "inclusion")?,
            sent: field(json, "sent")?,
            ground: field(json, "ground")?,
        })
    }
}

impl FromJson for ExpiryGround {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        match json {
            Json::Object(fields) if fields.len() == 1 && json.get("checkpoint").is_some() => {
                Ok(ExpiryGround::Checkpoint(field(json, "checkpoint")?))
            }
            Json::Object(fields) if fields.len() == 1 && json.get("result").is_some() => {
                Ok(ExpiryGround::Result(field(json, "result")?))
            }
            _ => Err(wrong("expected an object with the field checkpoint or result alone")),
        }
    }
}

impl FromJson for ResultProof {
    fn from_json(json: &Json) -> Result<Self, FieldError> {
        Ok(ResultProof {
            nonce: field(json, "nonce")?,
            message: field_as(json, "message", base64)?,
            inclusion: field(json, "inclusion")?,
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
            _ => Err(FieldError::Wrong { name: "kind", why: "expected heads, roots or received".to_owned() }),
        }
    }
}

fn base64(json: &Json) -> Result<Vec<u8>, FieldError> {
    STANDARD.decode(text(json)?).map_err(|_| wrong("expected base64"))
}

#[cfg(test)]
mod tests;
