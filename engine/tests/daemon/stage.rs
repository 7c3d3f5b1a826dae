//! A folder with the shipped rules and a configuration, and the twins that the engine reaches.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use connectors::http::{Transport, TransportError};
use dsl::schema::read_lock;
use engine::testing::admin::client::Client;
use engine::testing::clock::wall;
use engine::{Builder, Engine, Error};
use sandbox::app::App;
use sandbox::hubspot::{CLIENT_ID, HubSpot};
use sandbox::mail::Mail;
use sandbox::{InProcess, Model as _};

/// A client of the engine whose admin API is at this address.
pub(crate) fn client(admin: SocketAddr) -> Client {
    Client::new(&format!("http://{admin}"), None).expect("an address")
}

const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../rules");

/// Sends each request to the twin that its host names.
pub(crate) struct Twins {
    pub(crate) crm: InProcess<HubSpot>,
    pub(crate) app: InProcess<App>,
    pub(crate) mail: InProcess<Mail>,
}

#[async_trait]
impl Transport for Twins {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportError> {
        match request.uri().host() {
            Some("crm.test") => self.crm.send(request).await,
            Some("app.test") => self.app.send(request).await,
            _ => self.mail.send(request).await,
        }
    }
}

pub(crate) struct Stage {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) crm: Arc<Mutex<HubSpot>>,
    pub(crate) app: Arc<Mutex<App>>,
    pub(crate) twins: Arc<Twins>,
}

fn lock(name: &str) -> dsl::schema::Lock {
    let text = std::fs::read_to_string(format!("{RULES}/schemas/{name}.lock")).expect("the lock is there");
    read_lock(&text).expect("the lock is sound")
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder can be made");
    for entry in std::fs::read_dir(from).expect("the rules are there").flatten() {
        if entry.path().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            std::fs::copy(entry.path(), to.join(entry.file_name())).expect("a file can be copied");
        }
    }
}

/// An engine that runs, and where it listens.
pub(crate) struct Running {
    pub(crate) webhooks: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) engine: Engine,
}

impl Running {
    pub(crate) async fn stop(self) -> Result<(), Error> {
        self.engine.stop().await
    }
}

impl Stage {
    /// Where the twins are reached: CRM, app, mail.
    pub(crate) const HOSTS: [&str; 3] = ["http://crm.test", "http://app.test", "http://mail.test"];

    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        copy(Path::new(RULES), &folder.path().join("rules"));
        for (name, secret) in [
            ("token", "twin-token\n"),
            ("crm-token", "twin-token\n"),
            ("client-secret", "client-secret"),
            ("app-secret", "app-secret"),
        ] {
            std::fs::write(folder.path().join(name), secret).expect("a file can be written");
        }
        let crm = HubSpot::new(
            sandbox::hubspot::Settings {
                portal_id: 1,
                app_id: 7_700_123,
                client_secret: "client-secret".to_owned(),
                token: "twin-token".to_owned(),
                webhook_url: Some("https://engine.test/webhooks/crm".to_owned()),
                limit: 100,
                seed: 1,
            },
            lock("crm"),
        );
        let app = App::new(
            sandbox::app::Settings { token: "twin-token".to_owned(), kafka: true, ..Default::default() },
            lock("app"),
        );
        let (crm, app, mail) = (Arc::new(Mutex::new(crm)), Arc::new(Mutex::new(app)), Arc::default());
        let twins = Twins {
            crm: InProcess::new(Arc::clone(&crm), wall),
            app: InProcess::new(Arc::clone(&app), wall),
            mail: InProcess::new(mail, wall),
        };
        Self { folder, crm, app, twins: Arc::new(twins) }
    }

    /// engine.yaml, with the systems at these addresses and `more` at its end.
    pub(crate) fn yaml(&self, [crm, app, mail]: [&str; 3], more: &str) -> String {
        format!(
            "
rules: rules
state: state
listen: 127.0.0.1:0
admin: {{ listen: 127.0.0.1:0 }}
systems:
  crm:
    connector: hubspot
    base_url: {crm}
    token_file: crm-token
    app_id: 7700123
    webhook: {{ path: /webhooks/crm, public_url: https://engine.test/webhooks/crm, client_secret_file: client-secret }}
  app:
    connector: rest
    base_url: {app}
    token_file: token
    webhook: {{ path: /webhooks/app, secret_file: app-secret }}
  mail:
    connector: http
    base_url: {mail}
    operations:
      email:  {{ path: /send, body: {{ to: \"{{to}}\" }} }}
      survey: {{ path: /survey, body: {{ to: \"{{to}}\" }} }}
      notify: {{ path: /notify, body: {{ text: \"{{text}}\" }} }}
runtime: {{ hold: 20ms }}
{more}"
        )
    }

    pub(crate) async fn start(&self) -> Result<Running, Error> {
        self.start_with("").await
    }

    /// Starts with twins that are reached by their hosts' names.
    pub(crate) async fn start_with(&self, more: &str) -> Result<Running, Error> {
        self.start_as(&self.yaml(Self::HOSTS, more)).await
    }

    /// Starts with this engine.yaml.
    pub(crate) async fn start_as(&self, yaml: &str) -> Result<Running, Error> {
        self.write("inside.yaml", yaml);
        let twins: Arc<dyn Transport> = Arc::clone(&self.twins) as Arc<dyn Transport>;
        let builder = Builder::from_config(self.folder.path().join("inside.yaml")).expect("the file is sound");
        let engine = builder.record_metrics().transport(twins).start().await?;
        let listens = "engine.yaml names its listeners";
        let (webhooks, admin) = (engine.webhook_address().expect(listens), engine.admin_address().expect(listens));
        Ok(Running { webhooks, admin, engine })
    }

    /// A person connects the app to the account; gives the refresh token.
    pub(crate) fn connect_app(&self) -> String {
        let mut crm = self.crm.lock().expect("a sound twin");
        let code = crm.consent(None);
        let form =
            format!("grant_type=authorization_code&code={code}&client_id={CLIENT_ID}&client_secret=client-secret");
        let request = http::Request::post("http://crm.test/oauth/2026-09/token").body(Bytes::from(form));
        let answer = crm.handle(&request.expect("a sound request"), wall());
        let answer: serde_json::Value = serde_json::from_slice(answer.body()).expect("it is JSON");
        answer["refresh_token"].as_str().expect("it is granted").to_owned()
    }

    /// A file of the folder.
    pub(crate) fn path(&self, file: &str) -> std::path::PathBuf {
        self.folder.path().join(file)
    }

    /// Writes a file of the folder.
    pub(crate) fn write(&self, file: &str, text: &str) {
        std::fs::write(self.folder.path().join(file), text).expect("a file can be written");
    }

    /// Writes a rules file otherwise.
    pub(crate) fn rewrite(&self, file: &str, from: &str, to: &str) {
        let file = self.folder.path().join("rules").join(file);
        let text = std::fs::read_to_string(&file).expect("the file is there");
        assert!(text.contains(from), "{from}");
        std::fs::write(&file, text.replacen(from, to, 1)).expect("a file can be written");
    }

    /// Brings what the CRM has to say to the engine's door; gives the statuses.
    pub(crate) async fn deliver(&self, webhooks: SocketAddr) -> Vec<u16> {
        // A little later: the twin gathers what happens within a moment.
        let due = self.crm.lock().expect("a sound twin").due(wall().plus(dsl::value::Duration::seconds(1)));
        let client = reqwest::Client::new();
        let mut statuses = Vec::new();
        for delivery in due {
            let (parts, body) = delivery.request.into_parts();
            let url = format!("http://{webhooks}/webhooks/crm");
            let answer = client.post(url).headers(parts.headers).body(body).send().await.expect("the door answers");
            let status = answer.status().as_u16();
            self.crm.lock().expect("a sound twin").delivered(delivery.id, Some(status), wall());
            statuses.push(status);
        }
        statuses
    }

    /// Waits until the app has a user with this address.
    pub(crate) async fn user(&self, email: &str) -> sandbox::app::Record {
        let mut changes = self.app.lock().expect("a sound twin").changes();
        let found = async {
            loop {
                if let Some(user) = self.app.lock().expect("a sound twin").find("User", "email", email) {
                    return user.clone();
                }
                changes.changed().await.expect("the twin lives");
            }
        };
        tokio::time::timeout(Duration::from_secs(20), found).await.expect("the user is made")
    }
}
