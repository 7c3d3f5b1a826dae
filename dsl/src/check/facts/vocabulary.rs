//! The words of the business: what choices and tables say.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ast;
use crate::program::{Choice, Table};
use crate::schema::EntityName;
use crate::source::Span;

/// What choices and tables say. Cloning copies none of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Vocabulary {
    /// In the order of their names.
    pub(crate) choices: Arc<Vec<Choice>>,
    /// Where the words of a choice stand, by its index and the word.
    pub(crate) word_spans: Arc<BTreeMap<(usize, String), Span>>,
    /// Whether the order of a choice's rows means something, by its index.
    pub(crate) ordered: Arc<Vec<bool>>,
    /// The choice that a field takes its words from, by its index.
    pub(crate) choice_of: Arc<BTreeMap<(EntityName, String), usize>>,
    /// Words of the choices of which a row was not understood.
    pub(crate) torn: Arc<Vec<Vec<String>>>,
    /// In the order of their names.
    pub(crate) tables: Arc<Vec<Table>>,
    /// The field whose values are the keys of a table, by its index.
    pub(crate) table_by: Arc<Vec<(EntityName, String)>>,
    /// A usual cell of each column, by the table's name.
    pub(crate) table_cells: Arc<BTreeMap<String, Vec<ast::Expr>>>,
}
