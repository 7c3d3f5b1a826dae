//! The token of a daemon for whose admin API nobody named one.
//!
//! In: the state folder. Out: a token that only who may read that folder has. Always true: it is made once and stays,
//! over restarts; nobody else on the machine can read it, and a page in a browser cannot either.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use connectors::secret::Secret;

/// Where the token of the daemon with this state folder is.
pub(crate) fn file(state: &Path) -> PathBuf {
    state.join("admin-token")
}

/// The token, where the daemon has made one.
pub(crate) fn find(state: &Path) -> Option<Secret> {
    let text = std::fs::read_to_string(file(state)).ok()?;
    Some(Secret::new(text.trim())).filter(|secret| !secret.expose().is_empty())
}

/// The token; it is made where there is none yet. The folder is there.
///
/// # Errors
/// It can neither be read nor made.
pub(crate) fn keep(state: &Path) -> Result<Secret> {
    let path = file(state);
    match std::fs::read_to_string(&path) {
        Ok(text) if !text.trim().is_empty() => return Ok(Secret::new(text.trim())),
        // A start that was killed between making the file and filling it.
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut bytes = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let token = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
    file.write_all(format!("{token}\n").as_bytes())?;
    file.sync_all()?;
    Ok(Secret::new(&token))
}

/// Why the token cannot be kept, for people.
pub(crate) fn failed(state: &Path, error: &Error) -> Error {
    Error::new(error.kind(), format!("the admin token in {}: {error}", file(state).display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn it_is_made_once_for_its_owner_alone() {
        let state = tempfile::tempdir().expect("a temporary folder");
        assert!(find(state.path()).is_none());
        let made = keep(state.path()).expect("it is made");
        assert_eq!(made.expose().len(), 64);
        assert_eq!(keep(state.path()).expect("it is there").expose(), made.expose());
        assert_eq!(find(state.path()).expect("it is there").expose(), made.expose());
        let mode = std::fs::metadata(file(state.path())).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn an_empty_file_is_filled() {
        let state = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(file(state.path()), "\n").expect("written");
        assert!(find(state.path()).is_none());
        assert_eq!(keep(state.path()).expect("it is made").expose().len(), 64);
    }
}
