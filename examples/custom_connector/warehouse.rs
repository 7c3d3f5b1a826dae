//! A connector for a warehouse: it prints labels, and tells what has arrived.
//!
//! In: requests of the engine, and deliveries. Out: one answer for each input; messages as the lock names them.
//! Always true: nothing that may have happened is said not to have; an answer without a label is no label.
//! Not here: retries and paces, which are the engine's.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::connector::{
    Answer, Body, Change, Connector, Delivery, Input, Message, Observed, Refusal, Request, Timestamp, Transport,
    Unreadable, Verb, async_trait, lost, request, trouble,
};
use http::Method;
use serde_json::{Value as Json, json};

/// The connector.
pub(crate) struct Warehouse {
    url: String,
    transport: Arc<dyn Transport>,
}

impl Warehouse {
    pub(crate) fn new(url: &str, transport: Arc<dyn Transport>) -> Self {
        Self { url: url.to_owned(), transport }
    }

    /// `POST /labels`. The warehouse knows a repetition by its `Idempotency-Key`.
    async fn label(&self, input: &Input) -> Answer {
        let body = json!(input.values);
        let request = match request(Method::POST, &format!("{}/labels", self.url), None, Some(&input.key), Some(&body))
        {
            Ok(request) => request,
            Err(error) => return refused(format!("the request cannot be made: {error}")),
        };
        let response = match self.transport.send(request).await {
            Ok(response) => response,
            Err(error) => return lost(&error, true),
        };
        let said: Json = serde_json::from_slice(response.body()).unwrap_or_default();
        if let Some(answer) = trouble(&response, true, said["error"].as_str().unwrap_or_default()) {
            return answer;
        }
        if !response.status().is_success() {
            return refused(format!("HTTP {}: {}", response.status(), said["error"]));
        }
        match said["label"].as_str() {
            Some(label) => Answer::Result(BTreeMap::from([("label".to_owned(), label.into())])),
            None => Answer::Unknown { cause: "the answer holds no label".to_owned() },
        }
    }
}

fn refused(reason: String) -> Answer {
    Answer::Refused { reason, refusal: Refusal::Other }
}

#[async_trait]
impl Connector for Warehouse {
    fn max_batch(&self, _: &Verb) -> usize {
        1
    }

    fn calls(&self, _: &Request) -> u32 {
        1
    }

    async fn perform(&self, request: &Request) -> Vec<Answer> {
        let mut answers = Vec::new();
        for input in &request.inputs {
            answers.push(match &request.verb {
                Verb::Operation { name } if name == "label" => self.label(input).await,
                other => refused(format!("the warehouse cannot do this: {other:?}")),
            });
        }
        answers
    }

    /// `{"id": "e1", "at": 1772442000000, "pallet": "p7", "place": "A3"}`: a pallet has arrived.
    fn read(&self, body: &[u8]) -> Result<Delivery, Unreadable> {
        let told: Json = serde_json::from_slice(body).map_err(|error| Unreadable::Delivery(error.to_string()))?;
        let (Some(event), Some(at), Some(pallet)) = (told["id"].as_str(), told["at"].as_i64(), told["pallet"].as_str())
        else {
            return Err(Unreadable::Delivery("it has no `id`, `at` and `pallet`".to_owned()));
        };
        let observed = Observed {
            id: pallet.to_owned(),
            fields: BTreeMap::from([("place".to_owned(), told["place"].clone())]),
            changed_at: Some(Timestamp(at)),
            ..Observed::default()
        };
        let message = Message {
            name: "pallet.arrived".to_owned(),
            at: Timestamp(at),
            dedupe: event.to_owned(),
            own: false,
            body: Body::Record { entity: "Pallet".to_owned(), change: Change::Created, observed },
        };
        Ok(Delivery { messages: vec![message], ..Delivery::default() })
    }
}

#[cfg(test)]
mod tests {
    use engine::connector::testing::holds;

    use super::*;

    #[tokio::test]
    async fn it_keeps_the_contract_of_connectors() {
        let input = Input { key: "k1".to_owned(), ..Input::default() };
        let label = Request { verb: Verb::Operation { name: "label".to_owned() }, inputs: vec![input] };
        holds(|script| Arc::new(Warehouse::new("http://warehouse.test", Arc::new(script))), &[label]).await;
    }
}
