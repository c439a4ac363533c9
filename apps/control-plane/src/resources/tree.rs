//! A file on its way from events to nodes. Resources are handed on one by one as they are complete,
//! so a file of 51 MB never stands in memory as a tree of a gigabyte.

use super::fault::Fault;
use super::node::{At, Key, Node, Value};

const DEEPEST: usize = 200;

/// The lists and objects that are open, and what has become of the file so far.
pub(crate) struct Tree<'t, 'a> {
    open: Vec<Open<'t>>,
    root: Option<Node<'t>>,
    /// Takes the elements of the file's first `resources`.
    each: &'a mut dyn FnMut(&Node<'t>),
    /// There has been a `resources`.
    listed: bool,
    /// The memory of resources that were handed on, for the next ones.
    lists: Vec<Vec<Node<'t>>>,
    objects: Vec<Pairs<'t>>,
}

type Pairs<'t> = Vec<(Key<'t>, Node<'t>)>;

/// A list or an object of which not all has been read.
struct Open<'t> {
    at: At,
    inside: Inside<'t>,
}

enum Inside<'t> {
    List(Vec<Node<'t>>),
    /// The elements are handed on.
    Resources,
    Object(Pairs<'t>, Option<Key<'t>>),
}

impl<'t, 'a> Tree<'t, 'a> {
    pub(crate) fn new(each: &'a mut dyn FnMut(&Node<'t>)) -> Self {
        let (lists, objects) = (Vec::new(), Vec::new());
        Self { open: Vec::new(), root: None, each, listed: false, lists, objects }
    }

    pub(crate) fn has_root(&self) -> bool {
        self.root.is_some()
    }

    /// Begins a list. One that is `shared` is kept whole: an alias may repeat it.
    pub(crate) fn list(&mut self, at: At, shared: bool) -> Result<(), Fault> {
        let resources = matches!(&*self.open, [Open { inside: Inside::Object(_, Some(key)), .. }]
            if key.name == "resources");
        let first = resources && !self.listed;
        self.listed |= resources;
        let inside = if first && !shared {
            Inside::Resources
        } else {
            Inside::List(self.lists.pop().unwrap_or_default())
        };
        self.begin(at, inside)
    }

    pub(crate) fn object(&mut self, at: At) -> Result<(), Fault> {
        let pairs = self.objects.pop().unwrap_or_default();
        self.begin(at, Inside::Object(pairs, None))
    }

    fn begin(&mut self, at: At, inside: Inside<'t>) -> Result<(), Fault> {
        if self.open.len() == DEEPEST {
            return Err(Fault::at(at, format!("nested deeper than {DEEPEST}")));
        }
        self.open.push(Open { at, inside });
        Ok(())
    }

    /// Whether the next value is the key of a pair.
    pub(crate) fn wants_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { inside: Inside::Object(_, None), .. }))
    }

    pub(crate) fn key(&mut self, name: Key<'t>) {
        if let Some(Open { inside: Inside::Object(_, key), .. }) = self.open.last_mut() {
            *key = Some(name);
        }
    }

    /// Ends what was begun last, and returns it. It is not in its place yet: see [`Tree::put`].
    pub(crate) fn end(&mut self) -> Option<Node<'t>> {
        let Open { at, inside } = self.open.pop()?;
        let value = match inside {
            Inside::List(list) => Value::List(list),
            Inside::Resources => Value::List(Vec::new()),
            Inside::Object(pairs, _) => Value::Object(pairs),
        };
        Some(Node { at, value })
    }

    /// Puts a complete value where it belongs.
    pub(crate) fn put(&mut self, node: Node<'t>) {
        match self.open.last_mut().map(|open| &mut open.inside) {
            None => self.root = Some(node),
            Some(Inside::List(list)) => list.push(node),
            Some(Inside::Resources) => {
                (self.each)(&node);
                self.recycle(node);
            }
            Some(Inside::Object(pairs, key)) => {
                if let Some(key) = key.take() {
                    pairs.push((key, node));
                }
            }
        }
    }

    fn recycle(&mut self, node: Node<'t>) {
        match node.value {
            Value::List(mut list) => {
                list.drain(..).for_each(|node| self.recycle(node));
                self.lists.push(list);
            }
            Value::Object(mut pairs) => {
                pairs.drain(..).for_each(|(_, node)| self.recycle(node));
                self.objects.push(pairs);
            }
            _ => {}
        }
    }

    /// The file, without the resources that were handed on.
    pub(crate) fn finish(self) -> Result<Node<'t>, Fault> {
        self.root.ok_or_else(|| Fault::at(At { line: 1, column: 1 }, "the file is empty"))
    }
}
