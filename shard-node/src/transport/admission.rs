//! Who may enter the handshake: a flood of strangers must not keep the peers out.
//!
//! Until a source address has answered, anybody may have written it. So the first half of the
//! places is open to all; when it is taken, a stranger is asked to show that its address is its
//! own (QUIC's Retry, which costs this node no memory), and one address gets a few places only.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most strangers in the handshake at once. Each costs a few KiB and a signature check.
pub(super) const HANDSHAKES_MAX: usize = 64;

/// Most of them whose address is not known to be their own: the other half is kept for those whose
/// address is.
const UNVALIDATED_MAX: usize = HANDSHAKES_MAX / 2;

/// Most of them from one address: nodes of several shards may share one, and none takes all.
const PER_ADDRESS_MAX: usize = HANDSHAKES_MAX / 4;

/// What becomes of a connection's first packet.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It takes a place until the handshake has ended.
    Enter(Place),
    /// It has to show that its address is its own, and may then come again.
    Validate,
    /// There is no place.
    Refuse,
}

/// The places of the handshakes.
#[derive(Debug, Clone, Default)]
pub(super) struct Admission(Arc<Mutex<Taken>>);

/// Invariant: `total <= HANDSHAKES_MAX`, and the values of `validated` are at least 1.
#[derive(Debug, Default)]
struct Taken {
    total: usize,
    validated: BTreeMap<IpAddr, usize>,
}

/// One place, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    taken: Arc<Mutex<Taken>>,
    /// Where it is counted, if the address is known to be the peer's own.
    from: Option<IpAddr>,
}

impl Admission {
    /// Decides about a connection from `address`, which is `validated` if the peer has answered
    /// from there.
    pub(super) fn admit(&self, address: IpAddr, validated: bool) -> Verdict {
        let mut taken = lock(&self.0);
        if !validated {
            if taken.total >= UNVALIDATED_MAX {
                return Verdict::Validate;
            }
            taken.total += 1;
            return Verdict::Enter(Place { taken: self.0.clone(), from: None });
        }
        let from = site(address);
        let of_address = taken.validated.get(&from).copied().unwrap_or(0);
        if taken.total >= HANDSHAKES_MAX || of_address >= PER_ADDRESS_MAX {
            return Verdict::Refuse;
        }
        taken.total += 1;
        taken.validated.insert(from, of_address + 1);
        Verdict::Enter(Place { taken: self.0.clone(), from: Some(from) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.total -= 1;
        let Some(from) = self.from else { return };
        match taken.validated.get_mut(&from) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(taken.validated.remove(&from)),
        }
    }
}

fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What counts as one address: an IPv6 site has 2^64 of them.
fn site(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn entered(admission: &Admission, from: &str, validated: bool) -> Place {
        match admission.admit(address(from), validated) {
            Verdict::Enter(place) => place,
            other => panic!("{from} did not enter: {other:?}"),
        }
    }

    #[test]
    fn a_flood_from_forged_addresses_leaves_half_of_the_places_to_those_who_answer() {
        let admission = Admission::default();
        let flood: Vec<Place> = (0..UNVALIDATED_MAX).map(|_| entered(&admission, "192.0.2.1", false)).collect();
        assert!(matches!(admission.admit(address("192.0.2.2"), false), Verdict::Validate));
        let honest = entered(&admission, "192.0.2.1", true);
        drop((flood, honest));
        assert_eq!(lock(&admission.0).total, 0);
        drop(entered(&admission, "192.0.2.2", false));
    }

    #[test]
    fn one_address_that_answers_takes_a_quarter_of_the_places() {
        let admission = Admission::default();
        let mallory: Vec<Place> = (0..PER_ADDRESS_MAX).map(|_| entered(&admission, "192.0.2.66", true)).collect();
        assert!(matches!(admission.admit(address("192.0.2.66"), true), Verdict::Refuse));
        drop(entered(&admission, "192.0.2.1", true));
        drop(mallory);
        assert!(lock(&admission.0).validated.is_empty());
    }

    #[test]
    fn the_addresses_of_an_ipv6_site_and_the_two_forms_of_an_ipv4_address_count_as_one() {
        assert_eq!(site(address("2001:db8::1")), site(address("2001:db8::ffff:ffff:ffff:ffff")));
        assert_ne!(site(address("2001:db8::1")), site(address("2001:db8:0:1::1")));
        assert_eq!(site(address("::ffff:192.0.2.1")), address("192.0.2.1"));
    }

    #[test]
    fn all_places_taken_refuse_even_those_who_answer() {
        let admission = Admission::default();
        let from = |n: usize| format!("192.0.2.{n}");
        let places: Vec<Place> = (0..HANDSHAKES_MAX).map(|n| entered(&admission, &from(n / 8), true)).collect();
        assert!(matches!(admission.admit(address("192.0.2.99"), true), Verdict::Refuse));
        drop(places);
    }
}
