//! What the bridge contract says of the shard's lanes: told to the engine, and to the operator where the
//! node can't hold to it as written.

use super::Driver;
use queue::contract::{LaneView, Permissions};
use queue::digest::Hash;
use queue::engine::PermissionList;
use queue::ids::ShardId;
use queue::store::Store;
use std::collections::BTreeMap;

/// Hidden permissions that the operator was told of, so that each is told once.
#[derive(Debug, Default)]
pub(super) struct HiddenPermissions(BTreeMap<ShardId, Hash>);

impl HiddenPermissions {
    /// Whether these are others than those that were told last.
    fn are_untold(&mut self, peer: &ShardId, hash: Hash) -> bool {
        self.0.insert(peer.clone(), hash) != Some(hash)
    }
}

impl<S: Store> Driver<S> {
    /// The shard's lanes and offers, as the contract has them at `final`.
    pub(super) fn handle_lanes(&mut self, lanes: Vec<LaneView>) {
        let stopped: Vec<_> = lanes.iter().filter(|lane| lane.is_stopped()).map(|lane| &lane.peer).collect();
        tracing::info!(lanes = lanes.len(), ?stopped, "the bridge contract's lanes were read");
        for LaneView { peer, terms, .. } in &lanes {
            match terms.as_ref().map(|terms| &terms.permissions) {
                Some(Permissions::Private(hash)) if self.hidden_permissions.are_untold(peer, *hash) => tracing::warn!(
                    %peer,
                    %hash,
                    "this node doesn't know the list whose hash is agreed upon for the lane, and lets everybody send: \
                     whoever knows it has to hold to it before messages reach the node"
                ),
                Some(Permissions::Public(list)) => {
                    if let Err(reason) = list.parse::<PermissionList>() {
                        tracing::warn!(%peer, %reason, "the lane's permissions can't be read: nobody may send to the peer");
                    }
                }
                _ => {}
            }
        }
        self.engine.handle_lanes(lanes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_permissions_are_told_once_and_again_when_they_are_others() {
        let mut hidden = HiddenPermissions::default();
        let [alpha, beta]: [ShardId; 2] = ["alpha", "beta"].map(|name| name.parse().expect("valid"));
        let steps = [(&alpha, 1, true), (&alpha, 1, false), (&beta, 1, true), (&alpha, 2, true), (&beta, 1, false)];
        for (peer, hash, untold) in steps {
            assert_eq!(hidden.are_untold(peer, Hash([hash; 32])), untold, "{peer} {hash}");
        }
    }
}
