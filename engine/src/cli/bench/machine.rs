//! What the figures were measured on.

use serde_json::{Value as Json, json};

use crate::proc;

/// Processor, cores, system, and how this binary was built.
pub(super) fn describe() -> Json {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    json!({
        "processor": proc::processor().unwrap_or_else(|| "unknown".to_owned()),
        "cores": cores,
        "system": format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        "engine": env!("CARGO_PKG_VERSION"),
        "build": if cfg!(debug_assertions) { "debug" } else { "release" },
    })
}

/// The same for people.
pub(super) fn line(machine: &Json) -> String {
    let word = |name: &str| machine[name].as_str().unwrap_or_default();
    let slow = if cfg!(debug_assertions) { "; a debug build is many times slower than a release build" } else { "" };
    format!(
        "machine: {}, {} cores, {}; engine {}, {}{slow}",
        word("processor"),
        machine["cores"],
        word("system"),
        word("engine"),
        word("build")
    )
}
