//! A connector of a program's own: a pallet arrives, and by the rules it gets a label.
//!
//! In: nothing. Out: what was sent to the warehouse, and what became of a delivery that cannot be read.
//! Not here: a warehouse; what it is sent is kept and answered in this process.

mod warehouse;

use std::error::Error;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use engine::connector::{Transport, TransportError, async_trait};
use engine::{Engine, Rules, State, System};

use crate::warehouse::Warehouse;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    labelled(&mut io::stdout().lock()).await
}

async fn labelled(out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let printer = Arc::new(Printer::default());
    let warehouse = Warehouse::new("http://warehouse.test", Arc::clone(&printer) as Arc<dyn Transport>);
    let rules = Rules::texts([
        ("warehouse.rules", include_str!("rules/warehouse.rules")),
        ("schemas/warehouse.lock", include_str!("rules/schemas/warehouse.lock")),
    ]);
    let engine = Engine::builder()
        .rules(rules)
        .state(State::memory())
        .system("warehouse", System::new(warehouse).concurrency(2))
        .start()
        .await?;

    let arrived = r#"{"id": "e1", "at": 1772442000000, "pallet": "p7", "place": "A3"}"#;
    engine.deliver("warehouse", arrived).await?;
    // The same one again: it is known by its id, and nothing follows.
    engine.deliver("warehouse", arrived).await?;
    engine.idle().await?;
    for body in printer.taken() {
        writeln!(out, "label {body}")?;
    }
    if let Err(error) = engine.deliver("warehouse", r#"{"pallet": "p8"}"#).await {
        writeln!(out, "{error}")?;
    }
    engine.stop().await?;
    Ok(())
}

/// The warehouse's printer.
#[derive(Default)]
struct Printer(Mutex<Vec<String>>);

impl Printer {
    fn taken(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Transport for Printer {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportError> {
        let body = String::from_utf8_lossy(request.body()).into_owned();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(body);
        Ok(http::Response::new(Bytes::from_static(br#"{"label": "L-1"}"#)))
    }
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn the_readme_shows_what_is_printed() {
        let mut out = Vec::new();
        super::labelled(&mut out).await.unwrap();
        let readme = include_str!("README.md");
        let shown = readme.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), shown);
    }
}
