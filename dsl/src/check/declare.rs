//! What items declare for others: names, systems and entities, choices and tables.

pub(crate) mod items;
pub(crate) mod names;
pub(crate) mod systems;
pub(crate) mod vocabulary;
