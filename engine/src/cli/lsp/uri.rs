//! Paths and how the protocol writes them: `file:///srv/rules/deals.rules` (RFC 8089).

use std::ffi::OsString;
use std::fmt::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use lsp_types::Uri;

/// The absolute path of a `file` URI; none for other schemes and for files of other machines.
pub(super) fn path(uri: &Uri) -> Option<PathBuf> {
    let rest = uri.as_str().strip_prefix("file://")?;
    let rest = rest.strip_prefix("localhost").unwrap_or(rest);
    let rest = rest.split(['?', '#']).next().filter(|rest| rest.starts_with('/'))?;
    let mut bytes = Vec::with_capacity(rest.len());
    let mut left = rest.bytes();
    while let Some(byte) = left.next() {
        if byte == b'%' {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            let (high, low) = (digit(left.next()?)?, digit(left.next()?)?);
            bytes.push((high * 16 + low) as u8);
        } else {
            bytes.push(byte);
        }
    }
    Some(PathBuf::from(OsString::from_vec(bytes)))
}

/// The URI of an absolute path; none for a relative one.
pub(super) fn uri(path: &Path) -> Option<Uri> {
    if !path.is_absolute() {
        return None;
    }
    let mut text = "file://".to_owned();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => text.push(char::from(*byte)),
            // Writing to a String does not fail.
            _ => drop(write!(text, "%{byte:02X}")),
        }
    }
    Uri::from_str(&text).ok()
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
