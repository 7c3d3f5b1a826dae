//! The target of a request: the segments of its path and the parameters behind them, both unescaped.
//!
//! Always true: a slash that is escaped does not end a segment; a list may be written with commas, by repeating its
//! parameter, or both, as HubSpot's clients do; a flag is read without regard to case.

use percent_encoding::percent_decode_str;

/// The segments of a path, empty ones left out.
pub(super) fn segments(path: &str) -> Vec<String> {
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    segments.map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned()).collect()
}

/// The parameters of a request, in their order.
#[derive(Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads what stands behind the question mark.
    pub(super) fn parse(text: &str) -> Self {
        Self(form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    /// The value of a parameter that stands once; the first where it is repeated.
    pub(super) fn one(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The parts of a list; `None` where it is not asked for.
    pub(super) fn list(&self, name: &str) -> Option<Vec<String>> {
        self.one(name)?;
        let values = self.0.iter().filter(|(known, _)| known == name);
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
