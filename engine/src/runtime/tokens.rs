//! The tokens of systems, and the files that they stand in.
//!
//! In: where each token is found. Out: one [`Token`] for a system, whatever connectors are made for it.
//! Always true: a file that holds another token is noticed within [`EVERY`], its system is asked with it at once, and
//! nothing has to be restarted; a file that is away or empty changes nothing, because a token is being put there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use connectors::http::Transport;
use connectors::token::{self, Token};
use tokio_util::sync::CancellationToken;

use crate::config::{Missing, OAuth, SecretAt, TokenAt};
use crate::shell::{Handle, Wake};

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(1);

/// One system's token, and where what replaces it is found.
#[derive(Debug, Clone)]
struct Known {
    token: Token,
    at: SecretAt,
}

/// The tokens of all systems by name; clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Tokens(Arc<Mutex<BTreeMap<String, Known>>>);

impl Tokens {
    /// The token of a system, read anew; nothing where it has none.
    ///
    /// # Errors
    /// Where it is not where it should be.
    pub(super) fn of(
        &self,
        system: &str,
        at: Option<&TokenAt>,
        transport: &Arc<dyn Transport>,
    ) -> Result<Option<Token>, Missing> {
        let Some(at) = at else { return Ok(None) };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(system) {
            known.token.replace(&known.at.read()?);
            return Ok(Some(known.token.clone()));
        }
        let token = read(at, transport)?;
        known.insert(system.to_owned(), Known { token: token.clone(), at: at.replaceable().clone() });
        Ok(Some(token))
    }

    /// Reads the files anew; gives the systems whose token is another one now.
    fn renew(&self) -> Vec<String> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let in_files = known.into_iter().filter(|(_, known)| matches!(known.at, SecretAt::File(_)));
        in_files
            .filter(|(_, known)| known.at.read().is_ok_and(|secret| known.token.replace(&secret)))
            .map(|(system, _)| system)
            .collect()
    }

    /// Looks at the files until the engine stops.
    pub(super) async fn watch(self, handle: Handle, stop: CancellationToken) {
        let mut every = tokio::time::interval(EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = every.tick() => {}
            }
            let tokens = self.clone();
            let Ok(renewed) = tokio::task::spawn_blocking(move || tokens.renew()).await else { return };
            for system in renewed {
                tracing::info!(system, "its token file holds another token; it is used from now on");
                if handle.wake(Wake::Token { system }).is_err() {
                    return;
                }
            }
        }
    }
}

/// The token that is found there; one that a grant gives is got by `transport`, which is not touched here.
///
/// # Errors
/// Where a secret is not where it should be.
pub(super) fn read(at: &TokenAt, transport: &Arc<dyn Transport>) -> Result<Token, Missing> {
    Ok(match at {
        TokenAt::Fixed(token) => Token::from(token.read()?),
        TokenAt::Granted(grant) => {
            let OAuth { url, client_id, client_secret, refresh_token } = grant.as_ref();
            let settings = token::Settings {
                url: url.clone(),
                client_id: client_id.clone(),
                client_secret: client_secret.read()?,
                refresh_token: refresh_token.read()?,
            };
            Token::granted(settings, Arc::clone(transport))
        }
    })
}

#[cfg(test)]
mod tests {
    use connectors::http::Client;

    use super::*;

    #[tokio::test]
    async fn a_file_that_changes_gives_its_token_and_one_that_is_away_leaves_the_old_one() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let file = folder.path().join("token");
        std::fs::write(&file, "one\n").expect("it can be written");
        let (tokens, at) = (Tokens::default(), TokenAt::Fixed(SecretAt::File(file.clone())));
        let transport: Arc<dyn Transport> = Arc::new(Client::new().expect("a client can be made"));
        let token = tokens.of("crm", Some(&at), &transport).expect("it is there").expect("it has one");
        let held = async || token.bearer().await.expect("a token").expose().to_owned();
        assert_eq!(tokens.renew(), Vec::<String>::new());
        std::fs::remove_file(&file).expect("it can be removed");
        assert_eq!((tokens.renew(), held().await), (Vec::new(), "one".to_owned()));
        std::fs::write(&file, "").expect("it can be written");
        assert_eq!((tokens.renew(), held().await), (Vec::new(), "one".to_owned()));
        std::fs::write(&file, "two\n").expect("it can be written");
        assert_eq!((tokens.renew(), held().await), (vec!["crm".to_owned()], "two".to_owned()));
        // Connectors that a reload makes have the same one.
        std::fs::write(&file, "three\n").expect("it can be written");
        tokens.of("crm", Some(&at), &transport).expect("it is there");
        assert_eq!((tokens.renew(), held().await), (Vec::new(), "three".to_owned()));
    }
}
