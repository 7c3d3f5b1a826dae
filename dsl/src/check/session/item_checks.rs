//! The checks of all items, each by itself: on all cores, and none again whose findings are kept.
//!
//! In: what is declared, and the items. Out: what was found of all of them together.
//! Always true: it does not matter how many cores there are, and which item is checked first.

use std::sync::Arc;

use crate::ast::{Item, ItemKind};
use crate::check::facts::checker::Checker;
use crate::check::facts::declared::Declared;
use crate::check::facts::findings::Findings;
use crate::check::session::cache::CheckCache;
use crate::parallel;
use crate::source::FileId;

/// From how many items on other cores are asked to help: below, waking them takes longer than the work.
const MANY: usize = 100;

/// Checks the items that do not only declare something, and adds what is found to `all`.
pub(crate) fn check_items(
    declared: &Declared<'_>,
    items: &[(FileId, Arc<Item>)],
    mut cache: Option<&mut CheckCache>,
    all: &mut Findings,
) {
    let is_test = |item: &Item| matches!(item.kind, ItemKind::Test(_));
    let items = || items.iter().map(|(_, item)| &**item).filter(|item| is_checked(item));
    // A name that rules and tests have wrong is told where the rules have it.
    let items: Vec<&Item> = items().filter(|item| !is_test(item)).chain(items().filter(|item| is_test(item))).collect();
    let kept: Vec<Option<Arc<Findings>>> =
        items.iter().map(|item| cache.as_mut().and_then(|cache| cache.take(item))).collect();
    let new: Vec<&Item> = items.iter().zip(&kept).filter(|(_, kept)| kept.is_none()).map(|(item, _)| *item).collect();
    let check = |item: &&Item| check_item(declared, item);
    let found = if new.len() < MANY { new.iter().map(check).collect() } else { parallel::map(&new, check) };
    let mut found = found.into_iter();
    for (item, kept) in items.into_iter().zip(kept) {
        let Some(findings) = kept.or_else(|| found.next().map(Arc::new)) else { continue };
        all.add(&findings);
        if let Some(cache) = &mut cache {
            cache.keep(item, &findings);
        }
    }
}

/// Is it checked by itself, with what others declare?
fn is_checked(item: &Item) -> bool {
    match item.kind {
        ItemKind::Sync(_) | ItemKind::Events(_) | ItemKind::When(_) | ItemKind::Workflow(_) | ItemKind::Test(_) => true,
        ItemKind::Edition(_) | ItemKind::System(_) | ItemKind::Entity(_) | ItemKind::Choice(_) | ItemKind::Table(_) => {
            false
        }
    }
}

/// What is found of one item.
fn check_item(declared: &Declared<'_>, item: &Item) -> Findings {
    let mut findings = Findings::default();
    let mut checker = Checker::new(declared, &mut findings);
    match &item.kind {
        ItemKind::Sync(sync) => checker.sync(sync, item),
        ItemKind::Events(events) => checker.events(events, item),
        ItemKind::When(when) => checker.when(when, item),
        ItemKind::Workflow(workflow) => checker.workflow(workflow, item),
        ItemKind::Test(test) => checker.test(test, item),
        _ => {}
    }
    findings
}
