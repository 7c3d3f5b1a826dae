//! The jobs of `engine bench` as a service of Restate, in its Rust SDK.
//!
//! In: the events that `engine bench` posts to Restate's ingress. Out: nothing for `ack`; three journaled steps for
//! `steps`, each a call to the service that `engine bench` holds up for both.
//! `ADDRESS` says where this listens, `SERVICE` where the calls go.

use restate_sdk::prelude::*;

struct Jobs {
    http: reqwest::Client,
    service: String,
}

#[restate_sdk::service]
impl Jobs {
    /// Durable once Restate has acknowledged it; then there is nothing to do.
    #[handler]
    async fn ack(&self, _ctx: Context<'_>, _event: Json<serde_json::Value>) -> Result<(), HandlerError> {
        Ok(())
    }

    #[handler]
    async fn steps(&self, ctx: Context<'_>, event: Json<serde_json::Value>) -> Result<(), HandlerError> {
        let subject = event.into_inner()[0]["objectId"].as_str().unwrap_or_default().to_owned();
        for step in 1..=3 {
            let url = format!("{}/steps/{step}/{subject}", self.service);
            let body = serde_json::json!({"about": subject}).to_string();
            ctx.run(|| async move {
                self.http.post(url).body(body).send().await?.error_for_status()?;
                Ok(())
            })
            .name("step")
            .await?;
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() {
    let told = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} must be set"));
    let address = told("ADDRESS").parse().expect("ADDRESS is an address");
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let jobs = Jobs { http, service: told("SERVICE") };
    HttpServer::new(Endpoint::builder().bind(jobs).build()).listen_and_serve(address).await;
}
