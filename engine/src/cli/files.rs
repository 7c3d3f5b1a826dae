//! Changes files of the user's: whole or not at all, and never over somebody else's edit.

use std::io::Write;
use std::path::Path;

/// Why a file was not changed; it is as it was.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(super) enum Error {
    /// It cannot be read or written.
    #[error("cannot write {path}: {source}")]
    #[diagnostic(code(files::unwritable))]
    Unwritable {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It changed since it was read.
    #[error("{path} was changed by somebody else meanwhile")]
    #[diagnostic(code(files::changed), help("nothing was written to it; run the command again"))]
    Changed {
        /// Which.
        path: String,
    },
}

/// Puts `new` in the place of `old`. A reader sees one of the two, and so does the disk after a crash.
///
/// # Errors
/// Where the file no longer holds `old`, or cannot be written.
pub(super) fn replace(path: &Path, old: &str, new: &str) -> Result<(), Error> {
    let name = || path.display().to_string();
    let unwritable = |source| Error::Unwritable { path: name(), source };
    // Through a link, so that the link stays one.
    let target = std::fs::canonicalize(path).map_err(unwritable)?;
    let permissions = std::fs::metadata(&target).map_err(unwritable)?.permissions();
    if permissions.readonly() {
        return Err(unwritable(std::io::Error::from(std::io::ErrorKind::PermissionDenied)));
    }
    let folder = target.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(unwritable)?;
    file.write_all(new.as_bytes()).map_err(unwritable)?;
    file.as_file().set_permissions(permissions).map_err(unwritable)?;
    file.as_file().sync_all().map_err(unwritable)?;
    if std::fs::read(&target).map_err(unwritable)? != old.as_bytes() {
        return Err(Error::Changed { path: name() });
    }
    file.persist(&target).map_err(|error| unwritable(error.error))?;
    Ok(())
}
