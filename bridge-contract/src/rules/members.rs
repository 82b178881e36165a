//! Who may be a shard's members, and how its nodes are reached.

use crate::errors::MembersRefusal;
use crate::registry::Transport;
use queue::limits::{ADDRESS_BYTES_MAX, ADDRESSES_MAX, MEMBERS_MAX, TRANSPORT_KEYS_MAX};
use queue::trust::PublicKey;

/// Members of a shard, and how many must agree.
///
/// # Errors
/// Too many or none, a threshold that isn't more than half, a key that isn't ed25519 or listed twice.
pub fn judge_members(members: &[PublicKey], threshold: u16) -> Result<Vec<[u8; 32]>, MembersRefusal> {
    let count = members.len();
    if !(1..=MEMBERS_MAX).contains(&count) {
        return Err(MembersRefusal::MemberCount(count));
    }
    let required = usize::from(threshold);
    if required * 2 <= count || required > count {
        return Err(MembersRefusal::Threshold { threshold, members: count });
    }
    distinct_ed25519(members, &[])
}

/// How the nodes of a shard with these members may be reached.
///
/// # Errors
/// Too many keys or addresses, a key that is a member's or listed twice, an address that is none.
pub fn judge_transport(
    members: &[[u8; 32]],
    transport_keys: &[PublicKey],
    addresses: &[String],
) -> Result<Transport, MembersRefusal> {
    if transport_keys.len() > TRANSPORT_KEYS_MAX {
        return Err(MembersRefusal::TransportKeyCount(transport_keys.len()));
    }
    if addresses.len() > ADDRESSES_MAX {
        return Err(MembersRefusal::AddressCount(addresses.len()));
    }
    if let Some(address) = addresses.iter().find(|address| !is_address(address)) {
        return Err(MembersRefusal::Address(address.chars().take(ADDRESS_BYTES_MAX).collect()));
    }
    Ok(Transport { keys: distinct_ed25519(transport_keys, members)?, addresses: addresses.to_vec() })
}

/// The keys' bytes, if all are ed25519, distinct, and none is in `elsewhere`.
fn distinct_ed25519(keys: &[PublicKey], elsewhere: &[[u8; 32]]) -> Result<Vec<[u8; 32]>, MembersRefusal> {
    let mut distinct = Vec::with_capacity(keys.len());
    for key in keys {
        let PublicKey::Ed25519(bytes) = key else { return Err(MembersRefusal::KeyCurve(*key)) };
        if distinct.contains(bytes) || elsewhere.contains(bytes) {
            return Err(MembersRefusal::KeyTwice(*key));
        }
        distinct.push(*bytes);
    }
    Ok(distinct)
}

fn is_address(text: &str) -> bool {
    let printable = text.len() <= ADDRESS_BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
    let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse::<u16>());
    printable && matches!(port, Some(Ok(1..)))
}

/// Whether none of these members' keys is a transport key of the shard.
///
/// # Errors
/// A key would serve two purposes.
pub fn judge_apart(members: &[[u8; 32]], transport: &Transport) -> Result<(), MembersRefusal> {
    match members.iter().find(|member| transport.keys.contains(member)) {
        Some(member) => Err(MembersRefusal::KeyTwice(PublicKey::Ed25519(*member))),
        None => Ok(()),
    }
}
