//! What is inside, for the tests of this workspace. Nothing here is stable, and nobody else should name it.

#[expect(missing_docs, reason = "the module itself says what it is")]
pub mod admin {
    pub use crate::admin::*;
}

#[expect(missing_docs, reason = "the module itself says what it is")]
pub mod cli {
    pub use crate::cli::*;
}

#[expect(missing_docs, reason = "the module itself says what it is")]
pub mod clock {
    pub use crate::clock::*;
}

#[expect(missing_docs, reason = "the module itself says what it is")]
pub mod config {
    pub use crate::config::*;
}

#[expect(missing_docs, reason = "the module itself says what it is")]
pub mod decide {
    pub use crate::decide::*;
}

#[expect(missing_docs, reason = "the module itself says what it is")]
pub mod gate {
    pub use crate::gate::*;
}

#[expect(missing_docs, reason = "the module itself says what it is")]
pub mod ids {
    pub use crate::ids::*;
}

#[expect(missing_docs, reason = "the module itself says what it is")]
pub mod intake {
    pub use crate::intake::*;
}

#[expect(missing_docs, reason = "the module itself says what it is")]
pub mod ledger {
    pub use crate::ledger::*;
}

#[expect(missing_docs, reason = "the module itself says what it is")]
pub mod rehearse {
    pub use crate::rehearse::*;
}

#[expect(missing_docs, reason = "the module itself says what it is")]
pub mod rules {
    pub use crate::rules::*;
}

#[expect(missing_docs, reason = "the module itself says what it is")]
pub mod runtime {
    pub use crate::runtime::*;
}

#[expect(missing_docs, reason = "the module itself says what it is")]
pub mod shell {
    pub use crate::shell::*;
}

#[expect(missing_docs, reason = "the module itself says what it is")]
pub mod tasks {
    pub use crate::tasks::*;
}

#[expect(missing_docs, reason = "the module itself says what it is")]
pub mod telemetry {
    pub use crate::telemetry::*;
}
