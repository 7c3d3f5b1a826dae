//! One file as a tree, and what of it is for tests only.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use syn::spanned::Spanned;
use syn::{Attribute, Item, Meta};

use crate::workspace::Error;

/// A file.
#[derive(Debug)]
pub struct Source {
    /// Where it is.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// Its tree.
    pub tree: syn::File,
}

impl Source {
    /// Reads a file.
    ///
    /// # Errors
    /// Where it is not there, or no Rust.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let wrong = |reason: String| Error::File { path: path.display().to_string(), reason };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let tree = syn::parse_file(&text).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { path: path.to_path_buf(), text, tree })
    }

    /// Lines, from 1, of what is compiled for tests only.
    #[must_use]
    pub fn test_lines(&self) -> Vec<RangeInclusive<usize>> {
        let mut found = Vec::new();
        collect(&self.tree.items, &mut found);
        found
    }
}

fn collect(items: &[Item], found: &mut Vec<RangeInclusive<usize>>) {
    for item in items {
        if is_for_tests(attributes(item)) {
            let first = attributes(item).iter().map(|attribute| attribute.span().start().line).min();
            let first = first.unwrap_or_else(|| item.span().start().line);
            found.push(first..=item.span().end().line);
        } else if let Item::Mod(module) = item
            && let Some((_, items)) = &module.content
        {
            collect(items, found);
        }
    }
}

/// The attributes of an item.
#[must_use]
pub fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// `#[test]`, `#[cfg(test)]`, `#[cfg(all(test, …))]` and `#[cfg(feature = "testing")]`: it is never shipped.
#[must_use]
pub fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::Path(path) => path.segments.last().is_some_and(|last| last.ident == "test"),
        Meta::List(list) if list.path.is_ident("cfg") => {
            let condition = list.tokens.to_string().replace(' ', "");
            condition == "test" || condition == "feature=\"testing\"" || condition.starts_with("all(test,")
        }
        Meta::List(list) => list.path.segments.last().is_some_and(|last| last.ident == "test"),
        Meta::NameValue(_) => false,
    })
}
