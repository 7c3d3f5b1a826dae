//! Paths and how the protocol writes them: `file:///srv/rules/deals.rules` (RFC 8089).

use std::path::{Path, PathBuf};
use std::str::FromStr;

use lsp_types::Uri;
use url::Url;

/// The absolute path of a `file` URI; none for other schemes and for files of other machines.
pub(super) fn path(uri: &Uri) -> Option<PathBuf> {
    let url = Url::parse(uri.as_str()).ok().filter(|url| url.scheme() == "file")?;
    url.to_file_path().ok()
}

/// The URI of an absolute path; none for a relative one.
pub(super) fn uri(path: &Path) -> Option<Uri> {
    Uri::from_str(Url::from_file_path(path).ok()?.as_str()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let uri = Uri::from_str(text).expect("a URI");
        assert_eq!(path(&uri), expected.map(PathBuf::from));
    }

    #[test]
    fn a_path_comes_back_whatever_its_letters() {
        for path in ["/rules/deals.rules", "/a b/ü#?%.rules", "/r/x:y.rules"] {
            let uri = uri(Path::new(path)).expect("an absolute path");
            assert_eq!(super::path(&uri), Some(PathBuf::from(path)), "{}", uri.as_str());
        }
        assert!(uri(Path::new("deals.rules")).is_none());
    }

    #[test]
    fn what_is_no_file_of_this_machine_has_no_path() {
        check("file:///c%3A/x.rules", Some("/c:/x.rules"));
        check("file://localhost/x.rules", Some("/x.rules"));
        check("file://elsewhere/x.rules", None);
        check("untitled:Untitled-1", None);
        check("http://example.com/x.rules", None);
    }
}
