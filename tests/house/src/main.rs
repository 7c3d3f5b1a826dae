//! `figures [FOLDER]`: the figures of a workspace; of this one where none is named. See `tests/figures.sh`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use house::arrows::{self, Arrows};
use house::figures::{Function, Lines, functions, percentile};
use house::source::Source;
use house::tree::{Id, Tree};
use house::workspace::{Error, Kind, Package, packages};

/// Lines from which on a function should say why it is as it is.
const LONG: usize = 40;

fn main() -> ExitCode {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = std::env::args_os().nth(1).map_or(own, PathBuf::from);
    match folder.canonicalize().map_err(|error| file(&folder, &error)).and_then(|folder| told(&folder)) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("figures: {error}");
            ExitCode::from(2)
        }
    }
}

fn file(path: &Path, error: &std::io::Error) -> Error {
    Error::File { path: path.display().to_string(), reason: error.to_string() }
}

fn told(folder: &Path) -> Result<String, Error> {
    let packages = packages(folder)?;
    let tree = Tree::read(&packages)?;
    let arrows = arrows::all(&tree);
    let mut text = String::new();
    text.push_str(&crates(&tree, &packages, &arrows));
    text.push_str(&rooms(&tree, &arrows));
    text.push_str(&sizes(&tree, &packages, folder)?);
    text.push_str(&public(&tree));
    Ok(text)
}

/// Arrows between crates.
fn crates(tree: &Tree, packages: &[Package], arrows: &Arrows) -> String {
    let name = |id: Id| tree.modules[id].path[0].clone();
    let mut between: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (from, to) in arrows.iter().map(|(from, to)| (name(*from), name(*to))).filter(|(from, to)| from != to) {
        let known = between.entry(from).or_default();
        if !known.contains(&to) {
            known.push(to);
        }
    }
    let mut text = format!("crates: {} packages\n", packages.len());
    for (from, to) in between {
        text.push_str(&format!("  {from} uses {}\n", to.join(", ")));
    }
    text
}

/// Arrows and rings of every room, and of each with its own file.
fn rooms(tree: &Tree, all: &Arrows) -> String {
    let mut text = String::from(
        "\nrooms: arrows between files, of these against the direction (the room's own file included) · rings of files\n",
    );
    let mut total = 0;
    for (room, module) in tree.modules.iter().enumerate().filter(|(_, module)| module.children.len() > 1) {
        let inside = arrows::inside(tree, all, room);
        let with_own: Arrows = {
            let below: Vec<Id> = tree.below(room);
            all.iter().copied().filter(|(from, to)| below.contains(from) && below.contains(to)).collect()
        };
        let rings = arrows::rings(&inside);
        total += rings.len();
        text.push_str(&format!(
            "  {:<28} {:>4} {:>3} · {}\n",
            module.name(),
            with_own.len(),
            arrows::against(&with_own),
            rings.len()
        ));
        for ring in rings {
            let names: Vec<&str> =
                ring.iter().filter_map(|id| tree.modules[*id].path.last()).map(String::as_str).collect();
            text.push_str(&format!("      ring of {}: {}\n", names.len(), names.join(" ")));
        }
        let widest = arrows::rings(&with_own).into_iter().map(|ring| ring.len()).max().unwrap_or_default();
        if widest > 0 {
            text.push_str(&format!("      with its own file: a ring of {widest} of {}\n", tree.below(room).len()));
        }
    }
    text.push_str(&format!("  {total} rings in all\n"));
    text
}

/// Lines and functions of every package.
fn sizes(tree: &Tree, packages: &[Package], folder: &Path) -> Result<String, Error> {
    let mut text = String::from(
        "\npackages: shipped lines, share of tests, documentation, comments, unwraps per 1,000 · functions, \
         length p50 p90 p99 longest, with 7 or more parameters, with 8 or more\n",
    );
    let sources = tree.sources()?;
    let (mut all_lines, mut all_functions) = (Lines::default(), Vec::new());
    for package in packages {
        let mut lines = Lines::default();
        let mut found: Vec<Function> = Vec::new();
        for source in sources.values().filter(|source| owns(package, packages, source)) {
            lines += Lines::of(source, false);
            found.extend(functions(source));
        }
        // Programs of tests are in no tree: they are found by the targets, and every line of them is a test's.
        for target in package.targets.iter().filter(|target| target.kind == Kind::Test) {
            for path in files_of(&target.path)? {
                lines += Lines::of(&Source::read(&path)?, true);
            }
        }
        text.push_str(&line(&package.name, lines, &found));
        all_lines += lines;
        all_functions.extend(found);
    }
    text.push_str(&line("all", all_lines, &all_functions));
    let shown = |function: &Function| {
        let file = function.file.strip_prefix(folder).unwrap_or(&function.file);
        format!("{}:{} {}", file.display(), function.line, function.name)
    };
    all_functions.sort_by_key(|function| std::cmp::Reverse(function.length));
    text.push_str("\nlongest functions, and comments in them\n");
    for function in all_functions.iter().take(12) {
        text.push_str(&format!("  {:>4} {:>3}  {}\n", function.length, function.comments, shown(function)));
    }
    let silent: Vec<&Function> =
        all_functions.iter().filter(|function| function.length >= LONG && function.comments == 0).collect();
    text.push_str(&format!("\n{} functions of {LONG} lines and more without a comment\n", silent.len()));
    for function in silent {
        text.push_str(&format!("  {:>4}  {}\n", function.length, shown(function)));
    }
    all_functions.sort_by_key(|function| std::cmp::Reverse(function.parameters));
    text.push_str("\nfunctions with 7 or more parameters\n");
    for function in all_functions.iter().take_while(|function| function.parameters >= 7) {
        text.push_str(&format!("  {:>4}  {}\n", function.parameters, shown(function)));
    }
    Ok(text)
}

/// The innermost package in whose folder a file lies.
fn owns(package: &Package, packages: &[Package], source: &Source) -> bool {
    let around = packages.iter().filter(|one| source.path.starts_with(&one.folder));
    around.max_by_key(|one| one.folder.as_os_str().len()).is_some_and(|one| one.name == package.name)
}

/// The files of a test program: its own, and those in its folder where it has one for itself.
fn files_of(path: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut files = vec![path.to_path_buf()];
    if path.file_name().is_some_and(|name| name == "main.rs")
        && let Some(folder) = path.parent()
    {
        for entry in std::fs::read_dir(folder).map_err(|error| file(folder, &error))? {
            let path = entry.map_err(|error| file(folder, &error))?.path();
            if path.extension().is_some_and(|extension| extension == "rs") && !files.contains(&path) {
                files.push(path);
            }
        }
    }
    Ok(files)
}

fn line(name: &str, lines: Lines, functions: &[Function]) -> String {
    let mut lengths: Vec<usize> = functions.iter().map(|function| function.length).collect();
    lengths.sort_unstable();
    let [half, most, nearly, longest] = [50, 90, 99, 100].map(|percent| percentile(&lengths, percent));
    let share = |part: usize, whole: usize| if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 };
    let wide = |least: usize| functions.iter().filter(|function| function.parameters >= least).count();
    format!(
        "  {name:<12} {:>6} {:>3.0} % {:>5.1} % {:>4.1} % {:>4.1} · {:>5} {half:>4} {most:>3} {nearly:>3} {longest:>3} \
         {:>4} {:>3}\n",
        lines.production,
        share(lines.test, lines.test + lines.production),
        share(lines.documentation, lines.production),
        share(lines.comment, lines.production),
        share(lines.unwraps, lines.production) * 10.0,
        functions.len(),
        wide(7),
        wide(8),
    )
}

/// What users of each library can name.
fn public(tree: &Tree) -> String {
    let mut text =
        String::from("\nlibraries: what a user can name (types, functions, traits, constants), undocumented\n");
    for (name, library) in
        tree.modules.iter().enumerate().filter(|(_, module)| module.parent.is_none()).map(|(id, m)| (&m.path[0], id))
    {
        if tree.library(name) == Some(library) {
            let reachable = tree.reachable(library);
            let bare = reachable.values().filter(|defined| !defined.documented).count();
            text.push_str(&format!("  {name:<12} {:>5} {bare:>4}\n", reachable.len()));
        }
    }
    text
}
