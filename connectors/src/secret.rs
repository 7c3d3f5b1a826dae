//! A secret that cannot be printed.
//!
//! In: the name of an environment variable, or a file. Out: a [`Secret`], which only [`Secret::expose`] opens.
//! Always true: no message of ours holds a secret, only where it was looked for.

use std::path::{Path, PathBuf};

/// A token or key. `Debug` and `Display` show `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The environment has no such variable, or it is no text.
    #[error("the environment variable `{0}` is not set")]
    Unset(String),
    /// The file cannot be read.
    #[error("the secret file `{path}` cannot be read")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is nothing in it.
    #[error("{0} is empty")]
    Empty(String),
}

impl Secret {
    /// Takes the secret; white space at its ends, such as a file's last line end, is dropped.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        Self(secret.trim().to_owned())
    }

    /// The secret in an environment variable.
    ///
    /// # Errors
    /// Where the variable is not set, is no text, or is empty.
    pub fn from_env(name: &str) -> Result<Self, SecretError> {
        let text = std::env::var(name).map_err(|_| SecretError::Unset(name.to_owned()))?;
        Self::filled(&text, || format!("the environment variable `{name}`"))
    }

    /// The secret in a file, as container platforms mount them.
    ///
    /// # Errors
    /// Where the file cannot be read, or is empty.
    pub fn from_file(path: &Path) -> Result<Self, SecretError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| SecretError::Unreadable { path: path.to_owned(), source })?;
        Self::filled(&text, || format!("the secret file `{}`", path.display()))
    }

    fn filled(text: &str, place: impl Fn() -> String) -> Result<Self, SecretError> {
        let secret = Self::new(text);
        if secret.0.is_empty() { Err(SecretError::Empty(place())) } else { Ok(secret) }
    }

    /// The secret itself, for the one place that sends or checks it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("***")
    }
}

impl std::fmt::Display for Secret {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_cannot_be_printed() {
        let secret = Secret::new("s3cret");
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "*** *** Some(***)");
        assert_eq!(secret.expose(), "s3cret");
    }

    #[test]
    fn a_file_gives_its_secret_without_the_last_line_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "s3cret\n").unwrap();
        assert_eq!(Secret::from_file(&path).unwrap().expose(), "s3cret");
        std::fs::write(&path, " \n").unwrap();
        assert!(matches!(Secret::from_file(&path), Err(SecretError::Empty(_))));
        assert!(matches!(Secret::from_file(&folder.path().join("none")), Err(SecretError::Unreadable { .. })));
    }

    #[test]
    fn a_missing_variable_is_named() {
        let error = Secret::from_env("ENGINE_NO_SUCH_SECRET").unwrap_err();
        assert_eq!(error.to_string(), "the environment variable `ENGINE_NO_SUCH_SECRET` is not set");
    }
}
