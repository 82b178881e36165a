//! A stream of numbers from a seed (SplitMix64). No crate's: the seeds of schedules that once failed
//! mean something with this stream alone.

/// The stream.
pub struct Random(u64);

impl Random {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Whether something happens that does so `percent` times in a hundred.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of some items; they must not be empty.
    pub fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        let count = u64::try_from(items.len()).expect("a length fits 64 bits");
        items[usize::try_from(self.below(count)).expect("below a length")].clone()
    }
}
