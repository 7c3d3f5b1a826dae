//! Figures of files and functions.
//!
//! Always true: a line is counted once, as test, documentation, comment, blank or code. A function is as long as its
//! lines from `fn` to the closing brace; its parameters are counted as `clippy::too_many_arguments` does, `self` too.

use std::collections::BTreeSet;
use std::ops::AddAssign;
use std::path::PathBuf;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Block, ImplItemFn, Item, ItemFn, ItemMod, Signature, TraitItemFn};

use crate::source::{Source, attributes, is_for_tests};

/// Lines of some files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lines {
    /// Shipped: all but those of tests, blank ones included.
    pub production: usize,
    /// Compiled for tests only.
    pub test: usize,
    /// Of the shipped ones: documentation.
    pub documentation: usize,
    /// Of the shipped ones: comments that are not documentation.
    pub comment: usize,
    /// Calls of `unwrap` in what is shipped.
    pub unwraps: usize,
}

impl AddAssign for Lines {
    fn add_assign(&mut self, other: Self) {
        self.production += other.production;
        self.test += other.test;
        self.documentation += other.documentation;
        self.comment += other.comment;
        self.unwraps += other.unwraps;
    }
}

impl Lines {
    /// The lines of a file; `all_test`: nothing of it is shipped.
    #[must_use]
    pub fn of(source: &Source, all_test: bool) -> Self {
        let total = source.text.lines().count();
        if all_test {
            return Self { test: total, ..Self::default() };
        }
        let test: BTreeSet<usize> = source.test_lines().into_iter().flatten().collect();
        let mut lines = Self { production: total - test.len(), test: test.len(), ..Self::default() };
        for (_, line) in source.text.lines().enumerate().filter(|(number, _)| !test.contains(&(number + 1))) {
            let line = line.trim_start();
            if line.starts_with("///") || line.starts_with("//!") {
                lines.documentation += 1;
            } else if line.starts_with("//") {
                lines.comment += 1;
            }
        }
        for item in source.tree.items.iter().filter(|item| !is_for_tests(attributes(item))) {
            lines.unwraps += unwraps(item.to_token_stream());
        }
        lines
    }
}

/// `.unwrap` as a call.
fn unwraps(tokens: TokenStream) -> usize {
    let mut count = 0;
    let mut before = None;
    for token in tokens {
        match &token {
            TokenTree::Group(group) => count += unwraps(group.stream()),
            TokenTree::Ident(word) if word == "unwrap" && before == Some('.') => count += 1,
            _ => {}
        }
        before = match &token {
            TokenTree::Punct(mark) => Some(mark.as_char()),
            _ => None,
        };
    }
    count
}

/// A function that is shipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Where it stands.
    pub file: PathBuf,
    /// Line of its `fn`, from 1.
    pub line: usize,
    /// Its name.
    pub name: String,
    /// Lines from `fn` to the closing brace.
    pub length: usize,
    /// Parameters, `self` included.
    pub parameters: usize,
    /// Lines in it that are comments.
    pub comments: usize,
}

/// The functions of a file that are shipped, those of traits without a body aside.
#[must_use]
pub fn functions(source: &Source) -> Vec<Function> {
    let mut found = Found { source, functions: Vec::new() };
    found.visit_file(&source.tree);
    found.functions
}

struct Found<'a> {
    source: &'a Source,
    functions: Vec<Function>,
}

impl Found<'_> {
    fn note(&mut self, signature: &Signature, body: &Block) {
        let (first, last) = (signature.span().start().line, body.span().end().line);
        let text = self.source.text.lines().skip(first - 1).take(last + 1 - first);
        self.functions.push(Function {
            file: self.source.path.clone(),
            line: first,
            name: signature.ident.to_string(),
            length: last + 1 - first,
            parameters: signature.inputs.len(),
            comments: text.filter(|line| line.trim_start().starts_with("//")).count(),
        });
    }
}

impl<'ast> Visit<'ast> for Found<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_for_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        visit::visit_item_mod(self, module);
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.note(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        if !is_for_tests(&function.attrs) {
            self.note(&function.sig, &function.block);
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        if let Some(body) = &function.default {
            self.note(&function.sig, body);
            visit::visit_trait_item_fn(self, function);
        }
    }
}

/// The value below which a share of `percent` of all lies: the nearest rank. 0 of none.
#[must_use]
pub fn percentile(sorted: &[usize], percent: usize) -> usize {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const TEXT: &str = "\
//! A file.

/// Adds.
pub fn add(a: u32, b: u32) -> u32 {
    // Why.
    a + b
}

impl Thing {
    fn take(&self, what: Option<u32>) -> u32 { what.unwrap() }
    #[cfg(test)]
    fn seen(&self) {}
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_adds() {
        assert_eq!(super::add(1, 2), Some(3).unwrap());
    }
}
";

    fn source() -> Source {
        let tree = syn::parse_file(TEXT).expect("Rust");
        Source { path: Path::new("file.rs").to_path_buf(), text: TEXT.to_owned(), tree }
    }

    #[test]
    fn lines_are_told_apart() {
        let expected = Lines { production: 14, test: 7, documentation: 2, comment: 1, unwraps: 1 };
        assert_eq!(Lines::of(&source(), false), expected);
        assert_eq!(Lines::of(&source(), true), Lines { test: 21, ..Lines::default() });
    }

    #[test]
    fn functions_are_measured_without_those_of_tests() {
        let shown: Vec<_> = functions(&source())
            .into_iter()
            .map(|function| (function.name, function.line, function.length, function.parameters, function.comments))
            .collect();
        assert_eq!(shown, [("add".to_owned(), 4, 4, 2, 1), ("take".to_owned(), 10, 1, 2, 0)]);
    }

    #[test]
    fn a_percentile_is_the_nearest_rank() {
        let numbers: Vec<usize> = (1..=200).collect();
        assert_eq!([50, 90, 99, 100].map(|percent| percentile(&numbers, percent)), [100, 180, 198, 200]);
        assert_eq!((percentile(&[], 50), percentile(&[7], 99)), (0, 7));
    }
}
