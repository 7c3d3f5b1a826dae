//! `engine lsp`: the language server, over standard input and output.
//!
//! In: messages of an editor, one after the other. Out: answers in the same order, and what the checker says of each
//! rule set that has an open document. Always true: an answer speaks of the texts as they were after the message
//! before it; a request that cannot be answered gets an error, and the loop goes on. Nothing is ever written to disk.
//! The features themselves are `dsl::ide`; here are the protocol, its positions, and the files.

mod answers;
mod convert;
mod diagnostics;
mod documents;
mod sets;
mod uri;

use std::panic::{AssertUnwindSafe, catch_unwind};

use lsp_server::{Connection, ErrorCode, Message, Notification, Request, Response, ResponseError};
use lsp_types::{InitializeParams, MessageType, PublishDiagnosticsParams, ShowMessageParams};
use serde_json::{Value, json};

use answers::Server;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Standard input and output, as some editors ask for; there is nothing else.
    #[arg(long, hide = true)]
    stdio: bool,
}

/// Serves one editor until it says `exit` or goes away; 0 if it said `shutdown` before.
pub(super) fn run(Arguments { stdio: _ }: &Arguments) -> u8 {
    let (connection, threads) = Connection::stdio();
    let end = Session { connection: &connection, stage: Stage::Fresh, asked: 0 }.serve();
    drop(connection);
    match end {
        // Nobody reads what is written any more: there is nobody to wait for.
        End::Deaf => 1,
        End::Exit(code) => match threads.join() {
            Ok(()) => code,
            Err(error) => {
                eprintln!("engine: the editor's messages cannot be read: {error}");
                1
            }
        },
    }
}

/// How far the conversation is.
enum Stage {
    /// Before `initialize`.
    Fresh,
    /// Between `initialize` and `shutdown`.
    Open(Box<Server>),
    /// After `shutdown`.
    Closing,
}

/// Why it ended.
enum End {
    /// The editor left; the exit code.
    Exit(u8),
    /// The editor does not listen.
    Deaf,
}

/// The editor does not listen any more.
struct Gone;

/// Why a request is not answered.
#[derive(Debug)]
pub(super) struct Refusal {
    code: ErrorCode,
    message: String,
}

impl Refusal {
    fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

struct Session<'c> {
    connection: &'c Connection,
    stage: Stage,
    /// How many requests were sent to the editor.
    asked: i32,
}

impl Session<'_> {
    fn serve(mut self) -> End {
        loop {
            let message = match self.connection.receiver.try_recv() {
                Ok(message) => message,
                Err(error) if error.is_empty() => {
                    // Rules are checked when nothing else waits, so that quick typing is checked once.
                    if self.publish().is_err() {
                        return End::Deaf;
                    }
                    match self.connection.receiver.recv() {
                        Ok(message) => message,
                        Err(_) => return End::Exit(1),
                    }
                }
                Err(_) => return End::Exit(1),
            };
            let handled = match message {
                Message::Request(request) => self.request(request),
                Message::Notification(notification) if notification.method == "exit" => {
                    return End::Exit(u8::from(!matches!(self.stage, Stage::Closing)));
                }
                Message::Notification(notification) => self.notification(notification),
                Message::Response(response) => {
                    if let Err(error) = &response.response_result {
                        eprintln!("engine: the editor refused a request: {}", error.message);
                    }
                    Ok(())
                }
            };
            if handled.is_err() {
                return End::Deaf;
            }
        }
    }

    fn send(&self, message: impl Into<Message>) -> Result<(), Gone> {
        self.connection.sender.send(message.into()).map_err(|_| Gone)
    }

    fn request(&mut self, request: Request) -> Result<(), Gone> {
        let id = request.id.clone();
        let answer = match (&mut self.stage, request.method.as_str()) {
            (Stage::Fresh, "initialize") => match params::<InitializeParams>(request.params) {
                Ok(params) => {
                    self.stage = Stage::Open(Box::new(Server::new(&params)));
                    Ok(answers::initialized())
                }
                Err(refusal) => Err(refusal),
            },
            (Stage::Fresh, _) => Err(Refusal::new(ErrorCode::ServerNotInitialized, "`initialize` comes first")),
            (Stage::Open(_), "initialize") => Err(Refusal::new(ErrorCode::InvalidRequest, "`initialize` came before")),
            (Stage::Open(_), "shutdown") => {
                self.stage = Stage::Closing;
                Ok(Value::Null)
            }
            (Stage::Open(server), method) => {
                guarded(method, || server.answer(method, request.params)).unwrap_or_else(|| {
                    Err(Refusal::new(ErrorCode::InternalError, format!("`{method}` failed; the server goes on")))
                })
            }
            (Stage::Closing, _) => Err(Refusal::new(ErrorCode::InvalidRequest, "after `shutdown` only `exit` is left")),
        };
        if let Stage::Open(server) = &mut self.stage {
            for message in std::mem::take(&mut server.warnings) {
                let params = ShowMessageParams { typ: MessageType::WARNING, message };
                self.send(Notification::new("window/showMessage".to_owned(), params))?;
            }
        }
        self.send(match answer {
            Ok(value) => Response::new_ok(id, value),
            Err(refusal) => {
                let error = ResponseError { code: refusal.code as i32, message: refusal.message, data: None };
                Response { id, response_result: Err(error) }
            }
        })
    }

    fn notification(&mut self, notification: Notification) -> Result<(), Gone> {
        let Stage::Open(server) = &mut self.stage else { return Ok(()) };
        let Notification { method, params } = notification;
        if method == "initialized" && server.watches {
            return self.watch();
        }
        if let Some(Err(refusal)) = guarded(&method, || server.note(&method, params)) {
            // A notification has no answer.
            eprintln!("engine: `{method}` is left out: {}", refusal.message);
        }
        Ok(())
    }

    /// Tells what the checker says of the rule sets that changed.
    fn publish(&mut self) -> Result<(), Gone> {
        let Stage::Open(server) = &mut self.stage else { return Ok(()) };
        let found: Vec<PublishDiagnosticsParams> = guarded("checking", || server.publish()).unwrap_or_default();
        for params in found {
            self.send(Notification::new("textDocument/publishDiagnostics".to_owned(), params))?;
        }
        Ok(())
    }

    /// Asks to be told of changes on disk.
    fn watch(&mut self) -> Result<(), Gone> {
        self.asked += 1;
        let watchers = ["**/*.rules", "**/*.lock"].map(|glob| json!({"globPattern": glob}));
        let registration = json!({
            "id": "files",
            "method": "workspace/didChangeWatchedFiles",
            "registerOptions": {"watchers": watchers},
        });
        let params = json!({"registrations": [registration]});
        self.send(Request::new(self.asked.into(), "client/registerCapability".to_owned(), params))
    }
}

/// The parameters of a message.
fn params<T: serde::de::DeserializeOwned>(params: Value) -> Result<T, Refusal> {
    serde_json::from_value(params).map_err(|error| Refusal::new(ErrorCode::InvalidParams, error.to_string()))
}

/// A mistake of ours in one answer must not take the editor's server away; none where there was one. The hook for
/// panics has said on stderr what it was.
fn guarded<T>(what: &str, work: impl FnOnce() -> T) -> Option<T> {
    let done = catch_unwind(AssertUnwindSafe(work)).ok();
    if done.is_none() {
        eprintln!("engine: {what} failed, which is a mistake in engine; please report it");
    }
    done
}
