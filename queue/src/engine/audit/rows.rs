//! Rows of a store, read in order.

use crate::store::{KeyValue, Store, StoreError};

/// Rows that are read at once.
const PAGE_ROWS: usize = 256;

/// The rows under a prefix, read in pages.
pub(super) struct Rows<'a, S> {
    store: &'a S,
    prefix: &'a [u8],
    from: Vec<u8>,
    page: std::vec::IntoIter<KeyValue>,
}

impl<'a, S: Store> Rows<'a, S> {
    pub(super) fn new(store: &'a S, prefix: &'a [u8]) -> Self {
        Rows { store, prefix, from: prefix.to_vec(), page: Vec::new().into_iter() }
    }

    pub(super) fn next(&mut self) -> Result<Option<KeyValue>, StoreError> {
        if let Some(row) = self.page.next() {
            return Ok(Some(row));
        }
        let page = self.store.scan(self.prefix, &self.from, PAGE_ROWS)?;
        if let Some((last, _)) = page.last() {
            self.from = [last.as_slice(), &[0]].concat();
        }
        self.page = page.into_iter();
        Ok(self.page.next())
    }
}

/// The number with which a key ends, behind the prefix.
pub(super) fn number(key: &[u8], prefix: &[u8]) -> Result<u64, StoreError> {
    let digits = key.strip_prefix(prefix).and_then(|rest| rest.try_into().ok());
    digits.map(u64::from_be_bytes).ok_or_else(|| StoreError::Damaged("a key doesn't end with a number".to_owned()))
}
