//! The modules of all crates of a workspace: where each stands, what it defines and what it names.
//!
//! In: packages. Out: modules with their paths resolved to the files that define what they name.
//! Always true: a re-export is followed to where the thing is defined; what is only compiled for tests is not here.
//! Awkward but true: what a macro makes is not seen, but what is written inside of a call of one is; a name that comes
//! through a glob import counts for the module that the glob names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proc_macro2::{Spacing, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Item, UseTree, Visibility};

use crate::source::{Source, attributes, is_for_tests};
use crate::workspace::{Error, Kind, Package};

/// A module by its number.
pub type Id = usize;

/// A module.
#[derive(Debug)]
pub struct Module {
    /// Its path, the crate first.
    pub path: Vec<String>,
    /// The file that it stands in.
    pub file: PathBuf,
    /// The one around it.
    pub parent: Option<Id>,
    /// Those inside, by name.
    pub children: BTreeMap<String, Id>,
    /// Everybody may name it, as far as it goes itself.
    pub public: bool,
    /// What it defines, by name.
    pub items: BTreeMap<String, Defined>,
    /// What it brings in.
    uses: Vec<Import>,
    /// Paths of at least two words in its code, uses aside.
    paths: BTreeSet<Vec<String>>,
}

/// What a module defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Defined {
    /// `pub`, not `pub(crate)` and the like.
    pub public: bool,
    /// It has a comment of documentation.
    pub documented: bool,
}

/// One name that a `use` brings in.
#[derive(Debug, Clone)]
struct Import {
    /// The name; `None` for everything (`*`).
    name: Option<String>,
    path: Vec<String>,
    /// Handed on to whoever names the module.
    public: bool,
}

/// All modules.
#[derive(Debug, Default)]
pub struct Tree {
    /// By number.
    pub modules: Vec<Module>,
    /// Libraries by the name that code gives them.
    crates: BTreeMap<String, Id>,
}

impl Tree {
    /// Reads the libraries and programs of all packages.
    ///
    /// # Errors
    /// Where a file is not there or is no Rust.
    pub fn read(packages: &[Package]) -> Result<Self, Error> {
        let mut tree = Self::default();
        for package in packages {
            for target in package.targets.iter().filter(|target| matches!(target.kind, Kind::Library | Kind::Binary)) {
                let folder = target.path.parent().unwrap_or(Path::new("."));
                let id = tree.file(&target.path, folder, vec![target.name.clone()], None, true)?;
                if target.kind == Kind::Library {
                    tree.crates.insert(target.name.clone(), id);
                }
            }
        }
        Ok(tree)
    }

    /// Reads a file as a module whose children lie in `folder`.
    fn file(
        &mut self,
        path: &Path,
        folder: &Path,
        name: Vec<String>,
        parent: Option<Id>,
        public: bool,
    ) -> Result<Id, Error> {
        let source = Source::read(path)?;
        self.module(&source.tree.items, path, folder, Module::new(name, path, parent, public))
    }

    fn module(&mut self, items: &[Item], file: &Path, folder: &Path, module: Module) -> Result<Id, Error> {
        let id = self.modules.len();
        let name = module.path.clone();
        self.modules.push(module);
        for item in items.iter().filter(|item| !is_for_tests(attributes(item))) {
            match item {
                Item::Mod(inner) => {
                    let ident = inner.ident.to_string();
                    let path: Vec<String> = name.iter().cloned().chain([ident.clone()]).collect();
                    let below = folder.join(&ident);
                    let public = is_public(&inner.vis);
                    let child = match &inner.content {
                        Some((_, items)) => {
                            self.module(items, file, &below, Module::new(path, file, Some(id), public))?
                        }
                        None => {
                            let beside = folder.join(format!("{ident}.rs"));
                            let place = if beside.is_file() { beside } else { below.join("mod.rs") };
                            self.file(&place, &below, path, Some(id), public)?
                        }
                    };
                    self.modules[id].children.insert(ident, child);
                }
                Item::Use(used) => {
                    let public = is_public(&used.vis);
                    imports(&used.tree, public, &mut Vec::new(), &mut self.modules[id].uses);
                }
                other => {
                    self.modules[id].items.extend(defined(other));
                    words(other.to_token_stream(), &mut self.modules[id].paths);
                }
            }
        }
        Ok(id)
    }

    /// The files that the modules stand in.
    ///
    /// # Errors
    /// Where one is not there any more.
    pub fn sources(&self) -> Result<BTreeMap<PathBuf, Source>, Error> {
        let files: BTreeSet<&PathBuf> = self.modules.iter().map(|module| &module.file).collect();
        files.into_iter().map(|path| Ok((path.clone(), Source::read(path)?))).collect()
    }

    /// The module of a crate's library.
    #[must_use]
    pub fn library(&self, name: &str) -> Option<Id> {
        self.crates.get(name).copied()
    }

    /// Modules whose things a module names, itself aside.
    #[must_use]
    pub fn named_by(&self, id: Id) -> BTreeSet<Id> {
        let module = &self.modules[id];
        let imported = module.uses.iter().map(|import| &import.path);
        let found = imported.chain(&module.paths).filter_map(|path| self.resolve(id, path, 0));
        found.filter(|found| *found != id).collect()
    }

    /// The module that defines what `path` names in module `from`; `None` where it is nothing of this workspace.
    fn resolve(&self, from: Id, path: &[String], depth: usize) -> Option<Id> {
        // Uses may lead in a circle; no sound program needs more.
        if depth > 16 {
            return None;
        }
        let (first, rest) = path.split_first()?;
        let module = &self.modules[from];
        let mut start = from;
        match first.as_str() {
            "crate" => {
                while let Some(parent) = self.modules[start].parent {
                    start = parent;
                }
            }
            "self" => {}
            "super" => start = module.parent?,
            name => {
                if let Some(child) = module.children.get(name) {
                    start = *child;
                } else if module.items.contains_key(name) {
                    return Some(from);
                } else if let Some(import) = module.uses.iter().find(|import| import.named(name)) {
                    if import.path.first() == Some(first) && import.path.len() == 1 {
                        return self.crates.get(name).map(|library| self.step(*library, rest, depth + 1));
                    }
                    let path: Vec<String> = import.path.iter().chain(rest).cloned().collect();
                    return self.resolve(from, &path, depth + 1);
                } else {
                    start = *self.crates.get(name)?;
                }
            }
        }
        Some(self.step(start, rest, depth + 1))
    }

    /// Goes on from a module.
    fn step(&self, at: Id, rest: &[String], depth: usize) -> Id {
        let Some((next, behind)) = rest.split_first() else { return at };
        let module = &self.modules[at];
        if next == "super" {
            return module.parent.map_or(at, |parent| self.step(parent, behind, depth + 1));
        }
        if let Some(child) = module.children.get(next) {
            return self.step(*child, behind, depth + 1);
        }
        if depth > 16 || module.items.contains_key(next) {
            return at;
        }
        if let Some(import) = module.uses.iter().find(|import| import.named(next)) {
            let path: Vec<String> = import.path.iter().chain(behind).cloned().collect();
            return self.resolve(at, &path, depth + 1).unwrap_or(at);
        }
        at
    }

    /// What a user of a library can name: modules and what they define, each once, where it is defined.
    #[must_use]
    pub fn reachable(&self, library: Id) -> BTreeMap<(Id, String), Defined> {
        let (mut found, mut seen, mut open) = (BTreeMap::new(), BTreeSet::new(), vec![library]);
        while let Some(at) = open.pop() {
            if !seen.insert(at) {
                continue;
            }
            let module = &self.modules[at];
            open.extend(module.children.values().copied().filter(|child| self.modules[*child].public));
            let items = module.items.iter().filter(|(_, defined)| defined.public);
            found.extend(items.map(|(name, defined)| ((at, name.clone()), *defined)));
            for import in module.uses.iter().filter(|import| import.public) {
                let Some(to) = self.resolve(at, &import.path, 0) else { continue };
                let last = import.path.last().map(String::as_str).unwrap_or_default();
                match self.modules[to].items.get(last) {
                    Some(defined) => drop(found.insert((to, last.to_owned()), *defined)),
                    None => open.push(to),
                }
            }
        }
        found
    }

    /// All modules of the subtree at `id`, itself included.
    #[must_use]
    pub fn below(&self, id: Id) -> Vec<Id> {
        let mut found = vec![id];
        let mut next = 0;
        while let Some(at) = found.get(next) {
            found.extend(self.modules[*at].children.values());
            next += 1;
        }
        found
    }
}

impl Module {
    fn new(path: Vec<String>, file: &Path, parent: Option<Id>, public: bool) -> Self {
        Self {
            path,
            file: file.to_path_buf(),
            parent,
            children: BTreeMap::new(),
            public,
            items: BTreeMap::new(),
            uses: Vec::new(),
            paths: BTreeSet::new(),
        }
    }

    /// Its path as code writes it.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.join("::")
    }
}

impl Import {
    fn named(&self, name: &str) -> bool {
        self.name.as_deref() == Some(name)
    }
}

/// What a `use` brings in, its braces taken apart.
fn imports(tree: &UseTree, public: bool, prefix: &mut Vec<String>, found: &mut Vec<Import>) {
    match tree {
        UseTree::Path(path) => {
            prefix.push(path.ident.to_string());
            imports(&path.tree, public, prefix, found);
            prefix.pop();
        }
        UseTree::Name(name) if name.ident == "self" => {
            found.push(Import { name: prefix.last().cloned(), path: prefix.clone(), public });
        }
        UseTree::Name(name) => {
            let name = name.ident.to_string();
            let path = prefix.iter().cloned().chain([name.clone()]).collect();
            found.push(Import { name: Some(name), path, public });
        }
        UseTree::Rename(rename) => {
            let mut path = prefix.clone();
            if rename.ident != "self" {
                path.push(rename.ident.to_string());
            }
            found.push(Import { name: Some(rename.rename.to_string()), path, public });
        }
        UseTree::Glob(_) => found.push(Import { name: None, path: prefix.clone(), public }),
        UseTree::Group(group) => group.items.iter().for_each(|tree| imports(tree, public, prefix, found)),
    }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// The name that an item gives to its module.
fn defined(item: &Item) -> Option<(String, Defined)> {
    let (ident, visibility) = match item {
        Item::Const(item) => (&item.ident, &item.vis),
        Item::Enum(item) => (&item.ident, &item.vis),
        Item::Fn(item) => (&item.sig.ident, &item.vis),
        Item::Macro(item) => (item.ident.as_ref()?, &Visibility::Inherited),
        Item::Static(item) => (&item.ident, &item.vis),
        Item::Struct(item) => (&item.ident, &item.vis),
        Item::Trait(item) => (&item.ident, &item.vis),
        Item::TraitAlias(item) => (&item.ident, &item.vis),
        Item::Type(item) => (&item.ident, &item.vis),
        Item::Union(item) => (&item.ident, &item.vis),
        _ => return None,
    };
    let documented = attributes(item).iter().any(|attribute| attribute.path().is_ident("doc"));
    Some((ident.to_string(), Defined { public: is_public(visibility), documented }))
}

/// Every run of words joined by `::`, at least two of them; inside of macros too.
fn words(tokens: TokenStream, found: &mut BTreeSet<Vec<String>>) {
    let mut path: Vec<String> = Vec::new();
    // How many colons were met behind the last word.
    let mut colons = 0;
    let mut end = |path: &mut Vec<String>| {
        if path.len() > 1 {
            found.insert(std::mem::take(path));
        } else {
            path.clear();
        }
    };
    let mut inner = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Ident(word) => {
                if colons != 2 {
                    end(&mut path);
                }
                path.push(word.to_string());
                colons = 0;
            }
            // The first of two colons says that another mark follows at once; a single one stands before a type.
            TokenTree::Punct(mark)
                if mark.as_char() == ':'
                    && !path.is_empty()
                    && (colons == 1 || (colons == 0 && mark.spacing() == Spacing::Joint)) =>
            {
                colons += 1;
            }
            TokenTree::Group(group) => {
                end(&mut path);
                colons = 0;
                inner.push(group.stream());
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {
                end(&mut path);
                colons = 0;
            }
        }
    }
    end(&mut path);
    for tokens in inner {
        words(tokens, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let mut found = BTreeSet::new();
        words(text.parse().expect("tokens"), &mut found);
        found.into_iter().map(|path| path.join("::")).collect()
    }

    #[test]
    fn paths_are_found_in_types_calls_and_macros() {
        let text = "fn f(x: a::B, y: c: :d) -> e::F<g::H> { say!(\"{}\", i::j(x)); k::<l::M>(x.n); crate::o::P {} }";
        assert_eq!(found(text), ["a::B", "crate::o::P", "e::F", "g::H", "i::j", "l::M"]);
    }

    #[test]
    fn a_use_is_taken_apart() {
        let used: syn::ItemUse = syn::parse_str("use a::{self, b::{c as d, self}, e::*};").expect("a use");
        let mut imported = Vec::new();
        imports(&used.tree, false, &mut Vec::new(), &mut imported);
        let shown: Vec<String> = imported
            .iter()
            .map(|import| format!("{}={}", import.name.as_deref().unwrap_or("*"), import.path.join("::")))
            .collect();
        assert_eq!(shown, ["a=a", "d=a::b::c", "b=a::b", "*=a::e"]);
    }
}
