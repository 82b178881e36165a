//! The attestation budget: what attesting may cost on one day.

use super::config::Budget;
use super::io::AttestCost;
use super::journal::Journal;
use super::records::{SPENT, SpentRecord};

/// A day in nanoseconds.
const DAY_NS: u64 = 86_400_000_000_000;

/// Checkpoints that only acknowledge stop at this share of the budget, in percent: what is left is
/// for messages.
const ACKNOWLEDGE_PERCENT_MAX: u8 = 90;

/// Invariant: `spent` is in the store or `dirty`.
#[derive(Debug)]
pub(super) struct Spending {
    budget: Option<Budget>,
    spent: SpentRecord,
    dirty: bool,
    /// The next day's beginning, once the budget has held something back.
    held_until_ns: Option<u64>,
}

impl Spending {
    pub(super) fn new(budget: Option<Budget>, spent: SpentRecord) -> Self {
        Spending { budget, spent, dirty: false, held_until_ns: None }
    }

    /// An attempt to attest cost so much, at this time of the node's clock.
    pub(super) fn note(&mut self, cost: AttestCost, time_ns: u64) {
        if cost == AttestCost::default() {
            return;
        }
        self.turn_to(time_ns);
        self.spent.gas = self.spent.gas.saturating_add(cost.gas);
        self.spent.deposit_yocto = self.spent.deposit_yocto.saturating_add(cost.deposit_yocto);
        self.dirty = true;
    }

    /// Whether the budget has room for a checkpoint; one that only acknowledges stops earlier.
    pub(super) fn allows(&mut self, only_acknowledges: bool, time_ns: u64) -> bool {
        let Some(budget) = self.budget else { return true };
        self.turn_to(time_ns);
        let percent = if only_acknowledges { ACKNOWLEDGE_PERCENT_MAX } else { 100 };
        let allowed = u128::from(self.spent.gas) < share(budget.gas_per_day.into(), percent)
            && self.spent.deposit_yocto < share(budget.deposit_yocto_per_day, percent);
        if !allowed {
            self.held_until_ns = Some((self.spent.day + 1).saturating_mul(DAY_NS));
        }
        allowed
    }

    /// When what is held back goes on, in nanoseconds since the Unix epoch, if anything is.
    pub(super) fn held_until_ns(&self) -> Option<u64> {
        self.held_until_ns
    }

    /// A new day begins with nothing spent. A clock that steps back to the day before changes
    /// nothing: block times don't fall.
    fn turn_to(&mut self, time_ns: u64) {
        let day = time_ns / DAY_NS;
        if day > self.spent.day {
            self.spent = SpentRecord { day, gas: 0, deposit_yocto: 0 };
            self.dirty = true;
        }
        self.held_until_ns = self.held_until_ns.filter(|until_ns| *until_ns > time_ns);
    }

    /// Writes the record if it changed.
    pub(super) fn flush(&mut self, journal: &mut Journal) {
        // Without a budget nobody asks what was spent.
        if std::mem::take(&mut self.dirty) && self.budget.is_some() {
            journal.put(SPENT.to_vec(), &self.spent);
        }
    }
}

/// So many percent of a limit, rounded up.
fn share(limit: u128, percent: u8) -> u128 {
    (limit / 100).saturating_mul(percent.into()).saturating_add(((limit % 100) * u128::from(percent)).div_ceil(100))
}
