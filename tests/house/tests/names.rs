//! One system is named where it is served and played, and nowhere else.

use std::path::Path;

use house::source::{Source, attributes, is_for_tests};
use house::tree::Tree;
use house::workspace::packages;
use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, Item};

/// The name, in small letters.
const NAME: &str = "hubspot";

/// Files and folders, from the workspace's folder, that are about this system.
const ABOUT_IT: &[&str] = &[
    "connectors/src/hubspot",
    // The list of connectors.
    "connectors/src/registry",
    "connectors/src/lib.rs",
    // Programs that embed the engine ask for it by its name.
    "engine/src/embed/systems.rs",
    "engine/src/embed.rs",
    "engine/src/lib.rs",
    // The twin, and who plays with it.
    "connectors/sandbox/src",
    "engine/src/rehearse",
    "engine/src/cli/bench",
    "engine/src/cli/demo",
    "engine/src/cli/sandbox.rs",
    // Commands for people who keep an account there, and the list of commands.
    "engine/src/cli.rs",
    "engine/src/cli/hubspot",
    "engine/src/cli/webhook.rs",
    // Programs that show how.
    "examples/embed_engine",
    "examples/webhook_to_hubspot",
    // What scenarios are played with.
    "tests/simulation",
    "tests/support",
];

/// Names in code: words, and literals without a blank, which are no sentences for people.
fn names(tokens: TokenStream, found: &mut Vec<String>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => names(group.stream(), found),
            TokenTree::Ident(word) => found.extend(Some(word.to_string()).filter(|word| names_it(word))),
            TokenTree::Literal(literal) => {
                found.extend(Some(literal.to_string()).filter(|text| names_it(text) && !text.contains(' ')));
            }
            TokenTree::Punct(_) => {}
        }
    }
}

fn names_it(text: &str) -> bool {
    text.to_lowercase().contains(NAME)
}

/// An item without its documentation, which is for people.
fn bare(item: &Item) -> TokenStream {
    struct Undocumented;

    impl syn::visit_mut::VisitMut for Undocumented {
        fn visit_attributes_mut(&mut self, attributes: &mut Vec<Attribute>) {
            attributes.retain(|attribute| !attribute.path().is_ident("doc"));
        }
    }

    let mut item = item.clone();
    syn::visit_mut::VisitMut::visit_item_mut(&mut Undocumented, &mut item);
    item.to_token_stream()
}

fn named_in(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for item in source.tree.items.iter().filter(|item| !is_for_tests(attributes(item))) {
        names(bare(item), &mut found);
    }
    found
}

#[test]
fn hubspot_is_named_in_its_connector_only() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("a folder");
    let packages = packages(&folder).expect("cargo describes this workspace");
    let sources = Tree::read(&packages).and_then(|tree| tree.sources()).expect("the source is there");
    let mut wrong = Vec::new();
    let mut own = 0;
    for (path, source) in &sources {
        let path = path.strip_prefix(&folder).expect("it lies there").display().to_string();
        let found = named_in(source);
        if ABOUT_IT.iter().any(|about| path.starts_with(about)) {
            own += found.len();
        } else {
            wrong.extend(found.into_iter().map(|name| format!("{path} names {name}")));
        }
    }
    assert!(own > 50, "its own files name it {own} times: this test does not read");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
