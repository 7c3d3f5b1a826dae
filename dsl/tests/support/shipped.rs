//! The rules that are shipped.

use std::collections::BTreeMap;
use std::path::Path;

/// Names and texts of the files, in order, and the locks by path.
pub(crate) fn shipped() -> (Vec<(String, String)>, BTreeMap<String, String>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules");
    let read = |folder: &str, ending: &str| -> BTreeMap<String, String> {
        let entries = std::fs::read_dir(root.join(folder)).expect("the shipped rules are there");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        paths
            .filter(|path| path.extension().is_some_and(|extension| extension == ending))
            .map(|path| {
                let name = path.file_name().expect("a name").to_string_lossy().into_owned();
                (format!("{folder}{name}"), std::fs::read_to_string(&path).expect("a text"))
            })
            .collect()
    };
    (read("", "rules").into_iter().collect(), read("schemas/", "lock"))
}
