//! By which proxy a request leaves: one of the settings, or those that the environment names.
//!
//! Always true: this machine itself is reached without one. Not here: reading settings and the environment.

use reqwest::{NoProxy, Proxy};

/// Addresses that never go through a proxy.
const THIS_MACHINE: &str = "localhost,127.0.0.0/8,::1";

/// Proxies by the scheme of what is called.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    http: Option<String>,
    https: Option<String>,
    except: String,
}

impl std::fmt::Debug for Proxies {
    /// Without the addresses, which may hold a password.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (http, https) = (self.http.is_some(), self.https.is_some());
        let mut out = out.debug_struct("Proxies");
        out.field("http", &http).field("https", &https).field("except", &self.except).finish()
    }
}

impl Proxies {
    /// One for everything, such as `http://proxy.example.com:3128`, but for the hosts of `except`: names, endings
    /// (`.example.com`), addresses and networks, separated by commas.
    #[must_use]
    pub fn all(url: &str, except: &str) -> Self {
        Self { http: Some(url.to_owned()), https: Some(url.to_owned()), except: except.to_owned() }
    }

    /// As `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` say, in capitals or not.
    #[must_use]
    pub fn from_environment(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let named = |name: &str| {
            let found = variable(&name.to_lowercase()).or_else(|| variable(name));
            found.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
        };
        let all = named("ALL_PROXY");
        Self {
            http: named("HTTP_PROXY").or_else(|| all.clone()),
            https: named("HTTPS_PROXY").or(all),
            except: named("NO_PROXY").unwrap_or_default(),
        }
    }

    /// For the client library.
    ///
    /// # Errors
    /// Where an address is no URL of a proxy.
    pub(crate) fn built(&self) -> Result<Vec<Proxy>, reqwest::Error> {
        let except = NoProxy::from_string(&format!("{THIS_MACHINE},{}", self.except));
        let mut built = Vec::new();
        if let Some(url) = &self.http {
            built.push(Proxy::http(url)?.no_proxy(except.clone()));
        }
        if let Some(url) = &self.https {
            built.push(Proxy::https(url)?.no_proxy(except));
        }
        Ok(built)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_read_as_other_programs_read_it() {
        let set = |pairs: &'static [(&str, &str)]| {
            move |name: &str| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        let of = |pairs| Proxies::from_environment(&set(pairs));
        assert_eq!(of(&[]), Proxies::default());
        assert_eq!(
            of(&[("ALL_PROXY", "http://p:1"), ("NO_PROXY", ".example.com")]),
            Proxies::all("http://p:1", ".example.com")
        );
        let both = of(&[("https_proxy", "http://a:1"), ("HTTPS_PROXY", "http://b:1"), ("HTTP_PROXY", " ")]);
        assert_eq!(both, Proxies { https: Some("http://a:1".to_owned()), ..Proxies::default() });
        assert!(!format!("{:?}", of(&[("ALL_PROXY", "http://u:secret@p:1")])).contains("secret"));
    }
}
