//! Where a secret is found, and what makes a system's token. It is read when it is needed, and engine.yaml keeps none.

use std::path::PathBuf;

use connectors::secret::Secret;

/// Where a secret is found. A text is taken for the secret itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretAt {
    /// A variable of the environment.
    Environment(String),
    /// A file.
    File(PathBuf),
    /// Here: who embeds the engine got it elsewhere. Nothing prints it.
    Value(Secret),
}

impl From<Secret> for SecretAt {
    fn from(secret: Secret) -> Self {
        Self::Value(secret)
    }
}

impl From<&str> for SecretAt {
    fn from(secret: &str) -> Self {
        Self::Value(Secret::new(secret))
    }
}

impl From<String> for SecretAt {
    fn from(secret: String) -> Self {
        Self::Value(Secret::new(&secret))
    }
}

/// What a system is told who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenAt {
    /// A token that stays until somebody replaces it.
    Fixed(SecretAt),
    /// Tokens that a grant of OAuth gives, each for a while.
    Granted(Box<OAuth>),
}

/// A grant of OAuth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuth {
    /// Where the refresh token is exchanged.
    pub url: String,
    /// The app.
    pub client_id: String,
    /// The app's secret.
    pub client_secret: SecretAt,
    /// What the app was granted.
    pub refresh_token: SecretAt,
}

impl From<SecretAt> for TokenAt {
    fn from(token: SecretAt) -> Self {
        Self::Fixed(token)
    }
}

impl TokenAt {
    /// The secret that a person replaces while the engine runs: the token, or the refresh token.
    #[must_use]
    pub fn replaceable(&self) -> &SecretAt {
        match self {
            Self::Fixed(token) => token,
            Self::Granted(grant) => &grant.refresh_token,
        }
    }

    /// Every secret that it needs.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretAt> {
        let other = match self {
            Self::Fixed(_) => None,
            Self::Granted(grant) => Some(&grant.client_secret),
        };
        other.into_iter().chain([self.replaceable()])
    }
}

/// A secret that cannot be had.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Missing {
    /// The variable is not set, or empty.
    #[error("the environment has no `{0}`")]
    #[diagnostic(code(config::secret), help("set it to the secret that engine.yaml asks for under this name"))]
    NotSet(String),
    /// The file cannot be read, or is empty.
    #[error("cannot read the secret in {0}: {1}")]
    #[diagnostic(code(config::secret))]
    File(String, String),
    /// The value that was given is empty.
    #[error("the secret that was given is empty")]
    #[diagnostic(code(config::secret), help("give it, or say where it is found"))]
    Empty,
}

impl SecretAt {
    /// Reads the secret.
    ///
    /// # Errors
    /// Where it is not there or empty.
    pub fn read(&self) -> Result<Secret, Missing> {
        match self {
            Self::Environment(name) => match std::env::var(name) {
                Ok(value) if !value.trim().is_empty() => Ok(Secret::new(&value)),
                _ => Err(Missing::NotSet(name.clone())),
            },
            Self::File(path) => match std::fs::read_to_string(path) {
                Ok(value) if !value.trim().is_empty() => Ok(Secret::new(&value)),
                Ok(_) => Err(Missing::File(path.display().to_string(), "it is empty".to_owned())),
                Err(error) => Err(Missing::File(path.display().to_string(), error.to_string())),
            },
            Self::Value(secret) if secret.expose().is_empty() => Err(Missing::Empty),
            Self::Value(secret) => Ok(secret.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gives_its_secret_without_the_last_line_end() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join("token");
        let read = || SecretAt::File(path.clone()).read();
        assert!(matches!(read(), Err(Missing::File(..))), "it is not there");
        std::fs::write(&path, " \n").expect("a file can be written");
        assert!(read().is_err_and(|missing| missing.to_string().contains("it is empty")));
        std::fs::write(&path, "s3cret\n").expect("a file can be written");
        assert_eq!(read().expect("it is there").expose(), "s3cret");
    }

    #[test]
    fn a_value_is_itself_and_is_not_printed() {
        let secret = SecretAt::from("s3cret\n");
        assert_eq!(secret.read().expect("it is here").expose(), "s3cret");
        assert_eq!(format!("{secret:?}"), "Value(***)");
        assert!(matches!(SecretAt::from(" ").read(), Err(Missing::Empty)));
    }

    #[test]
    fn a_variable_that_is_not_set_is_named() {
        let missing = SecretAt::Environment("ENGINE_NO_SUCH_SECRET".to_owned()).read().expect_err("it is not set");
        assert_eq!(missing.to_string(), "the environment has no `ENGINE_NO_SUCH_SECRET`");
    }
}
