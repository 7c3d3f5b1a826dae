//! Something of each side of a sync.

use std::ops::{Index, IndexMut};

use dsl::program::Side;
use serde::{Deserialize, Serialize};

/// Both sides, the left one first.
pub(crate) const BOTH: [Side; 2] = [Side::Left, Side::Right];

/// Something of the left and of the right side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sides<T> {
    left: T,
    right: T,
}

impl<T> Sides<T> {
    pub(crate) fn new(left: T, right: T) -> Self {
        Self { left, right }
    }

    /// The left one, then the right one.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        [&self.left, &self.right].into_iter()
    }
}

impl<T> Index<Side> for Sides<T> {
    type Output = T;

    fn index(&self, side: Side) -> &T {
        match side {
            Side::Left => &self.left,
            Side::Right => &self.right,
        }
    }
}

impl<T> IndexMut<Side> for Sides<T> {
    fn index_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Left => &mut self.left,
            Side::Right => &mut self.right,
        }
    }
}
