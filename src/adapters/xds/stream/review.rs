//! Which view a stream is served from, and that it may be another one later.

use std::format;
use std::sync::Arc;

use tonic::Status;

use super::Stream;
use super::entry::Push;
use crate::adapters::xds::proto::Node;
use crate::adapters::xds::view::ViewId;

impl Stream {
    pub(super) fn belongs_to(&self, node: &Node) -> Result<ViewId, Status> {
        (self.server.views)(node, self.identity.as_ref()).ok_or_else(|| {
            Status::permission_denied(format!("node {:?} belongs to no view", node.id))
        })
    }

    pub(super) fn look_at(&mut self, view: &ViewId) {
        let place = self.server.store.view(view);
        self.changed = Some(place.changed.subscribe());
        self.view = Some(place);
        self.info.belongs_to(view);
    }

    /// Asks anew which view it is. What the client has stays known: it is sent what differs in the
    /// other view.
    pub(super) fn review(&mut self) -> Result<(), Status> {
        let (Some(node), Some(old)) = (self.info.node.get(), &self.view) else { return Ok(()) };
        let extensions = self.info.extensions.get();
        let extensions = extensions.map(|shared| shared.to_vec()).unwrap_or_default();
        let view = self.belongs_to(&Node { extensions, ..node.clone() })?;
        if view == old.id {
            return Ok(());
        }
        let old = Arc::clone(old);
        for entry in &self.types {
            entry.look_away(&self.server, &old);
        }
        self.look_at(&view);
        let Some(new) = &self.view else { return Ok(()) };
        for entry in &mut self.types {
            entry.look_at(&self.server, new);
            let all = entry.subscription.interest.all_of();
            entry.moved(&self.server, new, &all);
            entry.subscription.look_anew();
            // What it was about was in the other view: it comes again, with everything.
            if entry.is_held()
                && let Push::Held { lease, .. } = core::mem::replace(&mut entry.push, Push::None)
            {
                lease.requeue();
            }
            entry.ask(&self.server, []);
        }
        self.server.release(old);
        Ok(())
    }
}
