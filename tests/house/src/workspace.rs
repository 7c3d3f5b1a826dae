//! The packages of a workspace, as cargo knows them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;

/// Why a workspace cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// cargo cannot be run, or refuses.
    #[error("cargo does not describe {folder}: {reason}")]
    Cargo {
        /// The folder.
        folder: String,
        /// Why.
        reason: String,
    },
    /// A file is not there, or no Rust.
    #[error("{path} cannot be read: {reason}")]
    File {
        /// Which.
        path: String,
        /// Why.
        reason: String,
    },
}

/// A package.
#[derive(Debug, Clone)]
pub struct Package {
    /// Its name, `engine`.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// What it builds.
    pub targets: Vec<Target>,
    /// What it needs.
    pub dependencies: Vec<Dependency>,
}

/// What a package builds.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its kind.
    pub kind: Kind,
    /// Its name as Rust writes it.
    pub name: String,
    /// Its first file.
    pub path: PathBuf,
}

/// Kinds of targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A library.
    Library,
    /// A program.
    Binary,
    /// What only tests are made of: tests, benches, examples.
    Test,
    /// The build script.
    Build,
}

/// A dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// As code names it: with underscores, and by its other name where it has one.
    pub name: String,
    /// Tests alone may use it.
    pub dev: bool,
}

/// The packages of the workspace in `folder`, by name.
///
/// # Errors
/// Where cargo cannot describe it.
pub fn packages(folder: &Path) -> Result<Vec<Package>, Error> {
    let wrong = |reason: String| Error::Cargo { folder: folder.display().to_string(), reason };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path"])
        .arg(folder.join("Cargo.toml"))
        .output()
        .map_err(|error| wrong(error.to_string()))?;
    if !output.status.success() {
        return Err(wrong(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let told: Json = serde_json::from_slice(&output.stdout).map_err(|error| wrong(error.to_string()))?;
    let mut packages: Vec<Package> = list(&told["packages"]).map(package).collect();
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(packages)
}

fn list(json: &Json) -> impl Iterator<Item = &Json> {
    json.as_array().into_iter().flatten()
}

fn text(json: &Json) -> &str {
    json.as_str().unwrap_or_default()
}

fn package(json: &Json) -> Package {
    let manifest = Path::new(text(&json["manifest_path"]));
    let dependency = |one: &Json| Dependency {
        name: one["rename"].as_str().unwrap_or_else(|| text(&one["name"])).replace('-', "_"),
        dev: one["kind"] == "dev",
    };
    Package {
        name: text(&json["name"]).to_owned(),
        folder: manifest.parent().unwrap_or(manifest).to_path_buf(),
        targets: list(&json["targets"]).map(target).collect(),
        dependencies: list(&json["dependencies"]).map(dependency).collect(),
    }
}

fn target(json: &Json) -> Target {
    let kinds: Vec<&str> = list(&json["kind"]).map(text).collect();
    let kind = match kinds.as_slice() {
        ["bin"] => Kind::Binary,
        ["test" | "bench" | "example"] => Kind::Test,
        ["custom-build"] => Kind::Build,
        _ => Kind::Library,
    };
    Target { kind, name: text(&json["name"]).replace('-', "_"), path: PathBuf::from(text(&json["src_path"])) }
}
