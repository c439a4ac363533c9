//! Placeholder.
use super::Design;
use crate::request::Request;
use crate::world::{Notice, World};
pub(super) struct Scoped;
impl Scoped {
    pub(super) fn new(_limit: u32, _world: &mut World<'_>) -> Self {
        Self
    }
}
impl Design for Scoped {
    fn publish(&mut self, _request: Request, _world: &mut World<'_>) {}
    fn notice(&mut self, _notice: Notice, _world: &mut World<'_>) {}
    fn backlog(&self) -> usize {
        0
    }
    fn entry_bytes(&self) -> usize {
        0
    }
    fn is_stalled(&self, _world: &World<'_>) -> bool {
        false
    }
}
