//! The target of a request: the segments of its path and the parameters behind them, both unescaped.
//!
//! Always true: a slash that is escaped does not end a segment; a list may be written with commas, by repeating its
//! parameter, or both, as HubSpot's clients do; a flag is read without regard to case.

use bytes::Bytes;
use http::header::HOST;
use percent_encoding::percent_decode_str;

/// The segments of a path, empty ones left out.
pub(super) fn segments(path: &str) -> Vec<String> {
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    segments.map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned()).collect()
}

/// The parameters of a request, in their order.
#[derive(Debug, Default)]
pub(super) struct Query {
    /// Where the request went, without parameters.
    address: String,
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Reads what stands behind the question mark.
    pub(super) fn of(request: &http::Request<Bytes>) -> Self {
        let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        let host = request.uri().authority().map(http::uri::Authority::as_str).or_else(|| header(HOST));
        let scheme = request.uri().scheme_str().unwrap_or("http");
        let address = format!("{scheme}://{}{}", host.unwrap_or("api.hubapi.com"), request.uri().path());
        let text = request.uri().query().unwrap_or_default();
        Self { address, pairs: form_urlencoded::parse(text.as_bytes()).into_owned().collect() }
    }

    /// The address of this request with another value of one parameter.
    pub(super) fn with(&self, name: &str, value: &str) -> String {
        let others = self.pairs.iter().filter(|(known, _)| known != name);
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(others).append_pair(name, value);
        format!("{}?{}", self.address, query.finish())
    }

    /// The value of a parameter that stands once; the first where it is repeated.
    pub(super) fn one(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The parts of a list; `None` where it is not asked for.
    pub(super) fn list(&self, name: &str) -> Option<Vec<String>> {
        self.one(name)?;
        let values = self.pairs.iter().filter(|(known, _)| known == name);
        let parts = values.flat_map(|(_, value)| value.split(',')).map(str::trim).filter(|part| !part.is_empty());
        Some(parts.map(str::to_owned).collect())
    }

    /// A number; `usual` where there is none.
    pub(super) fn number(&self, name: &str, usual: usize) -> usize {
        self.one(name).and_then(|value| value.parse().ok()).unwrap_or(usual)
    }

    /// `true`, `True` and the like.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.one(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}
