//! A scripted editor drives `engine lsp` over a copy of the shipped rules.
//!
//! The editor keeps its own texts and counts in UTF-16 units by itself, so that a mistake in the server's counting
//! cannot cancel out. It never sleeps: it reads until the awaited message is there, or fails at the deadline.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const DEADLINE: Duration = Duration::from_secs(60);

struct Editor {
    child: Child,
    to: Option<ChildStdin>,
    from: Receiver<Value>,
    /// Messages that nobody asked for yet.
    unread: Vec<Value>,
    asked: i64,
}

impl Editor {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_engine"))
            .args(["lsp", "--stdio"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let to = child.stdin.take();
        let mut stdout = BufReader::new(child.stdout.take().expect("its output"));
        let (sender, from) = channel();
        std::thread::spawn(move || {
            while let Some(message) = read(&mut stdout) {
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        Self { child, to, from, unread: Vec::new(), asked: 0 }
    }

    /// Started, and past `initialize`.
    fn open(folder: &Path) -> Self {
        let mut editor = Self::start();
        let capabilities = json!({
            "workspace": {"didChangeWatchedFiles": {"dynamicRegistration": true}},
            "textDocument": {"completion": {"completionItem": {"snippetSupport": true}}},
        });
        let root = json!([{"uri": uri(folder), "name": "rules"}]);
        let answer = editor.request(
            "initialize",
            json!({"processId": null, "rootUri": null, "capabilities": capabilities, "workspaceFolders": root}),
        );
        assert_eq!(answer["result"]["serverInfo"]["name"], "engine", "{answer}");
        editor.notify("initialized", json!({}));
        let asks = editor.wait("to be told of changes on disk", |m| m["method"] == "client/registerCapability");
        editor.send(&json!({"jsonrpc": "2.0", "id": asks["id"], "result": null}));
        editor
    }

    fn send(&mut self, message: &Value) {
        self.send_raw(&message.to_string());
    }

    fn send_raw(&mut self, body: &str) {
        let to = self.to.as_mut().expect("its input is open");
        write!(to, "Content-Length: {}\r\n\r\n{body}", body.len()).expect("the server reads");
        to.flush().expect("the server reads");
    }

    fn notify(&mut self, method: &str, params: Value) {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    /// The whole answer, result or error.
    fn request(&mut self, method: &str, params: Value) -> Value {
        self.asked += 1;
        let id = self.asked;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        self.wait(method, |message| message["id"] == id && message.get("method").is_none())
    }

    fn result(&mut self, method: &str, params: Value) -> Value {
        let answer = self.request(method, params);
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    fn refusal(&mut self, method: &str, params: Value) -> i64 {
        let answer = self.request(method, params);
        answer["error"]["code"].as_i64().unwrap_or_else(|| panic!("{method} is not refused: {answer}"))
    }

    fn wait(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + DEADLINE;
        if let Some(index) = self.unread.iter().position(&wanted) {
            return self.unread.remove(index);
        }
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let message = self.from.recv_timeout(left).unwrap_or_else(|error| {
                panic!("waiting for {what}: {error}; unread: {:#?}", self.unread);
            });
            if wanted(&message) {
                return message;
            }
            self.unread.push(message);
        }
    }

    /// What is told of a file, for a version of its text where it is open.
    fn findings(&mut self, path: &Path, version: Option<i64>) -> Vec<Value> {
        let uri = uri(path);
        let told = self.wait(&format!("findings of {uri} {version:?}"), |message| {
            message["method"] == "textDocument/publishDiagnostics"
                && message["params"]["uri"] == uri.as_str()
                && version.is_none_or(|version| message["params"]["version"] == version)
        });
        told["params"]["diagnostics"].as_array().expect("a list").clone()
    }

    fn open_document(&mut self, path: &Path, text: &str) {
        let document = json!({"uri": uri(path), "languageId": "rules", "version": 1, "text": text});
        self.notify("textDocument/didOpen", json!({"textDocument": document}));
    }

    /// Replaces all of a document.
    fn write_document(&mut self, path: &Path, version: i64, text: &str) {
        let document = json!({"uri": uri(path), "version": version});
        self.notify("textDocument/didChange", json!({"textDocument": document, "contentChanges": [{"text": text}]}));
    }

    /// Asks at the place of the `‸` in a text that is the document's.
    fn at(&mut self, method: &str, path: &Path, marked: &str) -> Value {
        let before = marked.split('‸').next().expect("a cursor");
        self.result(method, json!({"textDocument": {"uri": uri(path)}, "position": position(before)}))
    }

    /// Ends it; gives the exit code.
    fn end(mut self, shutdown: bool) -> i32 {
        if shutdown {
            let answer = self.request("shutdown", Value::Null);
            assert_eq!(answer["result"], Value::Null, "{answer}");
            self.notify("exit", Value::Null);
        }
        self.exit()
    }

    fn exit(&mut self) -> i32 {
        self.to = None;
        // Its output ends when it does.
        let end = Instant::now() + DEADLINE;
        while self.from.recv_timeout(end.saturating_duration_since(Instant::now())).is_ok() {}
        assert!(Instant::now() < end, "the server does not end");
        self.child.wait().expect("it ends").code().expect("no signal")
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        // A failed test must leave no server behind; one that has ended is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(from: &mut impl BufRead) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if from.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end().split_once(": ") {
            Some(("Content-Length", value)) => length = value.parse().expect("a length"),
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body).ok()?;
    Some(serde_json::from_slice(&body).expect("JSON"))
}

/// Line and UTF-16 column behind a text.
fn position(before: &str) -> Value {
    let line = before.matches('\n').count();
    let column = before.rsplit('\n').next().expect("a line").encode_utf16().count();
    json!({"line": line, "character": column})
}

/// The byte offset of a position.
fn offset(text: &str, position: &Value) -> usize {
    let line = position["line"].as_u64().expect("a line") as usize;
    let column = position["character"].as_u64().expect("a column") as usize;
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let body = &text[start..];
    let mut units = 0;
    for (at, letter) in body.char_indices() {
        if units == column {
            return start + at;
        }
        units += letter.len_utf16();
    }
    assert_eq!(units, column, "a column inside of the line");
    text.len()
}

fn slice<'t>(text: &'t str, range: &Value) -> &'t str {
    &text[offset(text, &range["start"])..offset(text, &range["end"])]
}

/// A text after edits that are all of the old one.
fn edited(text: &str, edits: &Value) -> String {
    let mut edits: Vec<&Value> = edits.as_array().expect("edits").iter().collect();
    edits.sort_by_key(|edit| offset(text, &edit["range"]["start"]));
    let mut new = text.to_owned();
    for edit in edits.into_iter().rev() {
        let range = offset(text, &edit["range"]["start"])..offset(text, &edit["range"]["end"]);
        new.replace_range(range, edit["newText"].as_str().expect("a text"));
    }
    new
}

fn uri(path: &Path) -> String {
    format!("file://{}", path.display())
}

/// A copy of the shipped rules.
fn rules() -> (tempfile::TempDir, PathBuf) {
    let home = tempfile::tempdir().expect("a folder");
    let folder = home.path().join("rules");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules");
    copy(&shipped, &folder);
    (home, folder)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("the shipped rules are there") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("a copy");
        }
    }
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).expect("a text")
}

#[test]
fn a_misspelt_field_is_told_and_mended_by_its_action() {
    let (_home, folder) = rules();
    let path = folder.join("contacts.rules");
    let before = text(&path);
    let wrong = before.replacen("subscription.plan ", "subscripton.plan ", 1);
    assert_ne!(before, wrong);
    let mut editor = Editor::open(&folder);
    editor.open_document(&path, &wrong);
    let findings = editor.findings(&path, Some(1));
    assert_eq!(findings.len(), 1, "{findings:#?}");
    let finding = &findings[0];
    assert_eq!(
        (&finding["code"], &finding["severity"], &finding["source"]),
        (&json!("E0101"), &json!(1), &json!("engine"))
    );
    assert_eq!(slice(&wrong, &finding["range"]), "subscripton");
    let message = finding["message"].as_str().expect("a message");
    assert!(message.contains("did you mean `subscription`?"), "{message}");

    let params = json!({
        "textDocument": {"uri": uri(&path)},
        "range": finding["range"],
        "context": {"diagnostics": [finding], "only": ["quickfix"]},
    });
    let actions = editor.result("textDocument/codeAction", params);
    assert_eq!(actions.as_array().map(Vec::len), Some(1), "{actions:#}");
    assert_eq!((&actions[0]["kind"], &actions[0]["isPreferred"]), (&json!("quickfix"), &json!(true)));
    assert_eq!(actions[0]["diagnostics"][0], *finding);
    let mended = edited(&wrong, &actions[0]["edit"]["changes"][uri(&path)]);
    assert_eq!(mended, before);

    // As an editor does it: a change of the range, not of all.
    let edit = &actions[0]["edit"]["changes"][uri(&path)][0];
    editor.notify(
        "textDocument/didChange",
        json!({
            "textDocument": {"uri": uri(&path), "version": 2},
            "contentChanges": [{"range": edit["range"], "text": edit["newText"]}],
        }),
    );
    assert_eq!(editor.findings(&path, Some(2)), Vec::<Value>::new());
    assert_eq!(editor.end(true), 0);
}

#[test]
fn all_that_is_safe_is_mended_at_once() {
    let (_home, folder) = rules();
    let path = folder.join("contacts.rules");
    let before = text(&path);
    let wrong = before.replacen("subscription.plan ", "subscripton.plan ", 1).replacen("lastName ", "lastNam ", 1);
    let mut editor = Editor::open(&folder);
    editor.open_document(&path, &wrong);
    assert_eq!(editor.findings(&path, Some(1)).len(), 2);
    let range = json!({"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}});
    let params = json!({
        "textDocument": {"uri": uri(&path)},
        "range": range,
        "context": {"diagnostics": [], "only": ["source.fixAll"]},
    });
    let actions = editor.result("textDocument/codeAction", params);
    assert_eq!(actions.as_array().map(Vec::len), Some(1), "{actions:#}");
    assert_eq!(edited(&wrong, &actions[0]["edit"]["changes"][uri(&path)]), before);
}

#[test]
fn a_finding_in_another_file_comes_and_goes() {
    let (_home, folder) = rules();
    let (words, deals) = (folder.join("words.rules"), folder.join("deals.rules"));
    let before = text(&words);
    let mut editor = Editor::open(&folder);
    editor.open_document(&words, &before);
    assert_eq!(editor.findings(&words, Some(1)), Vec::<Value>::new());
    // The buffer is not saved; the other file is not open.
    editor.write_document(&words, 2, &before.replacen("  proposal ", "  offer    ", 1));
    let findings = editor.findings(&deals, None);
    let codes: Vec<&Value> = findings.iter().map(|finding| &finding["code"]).collect();
    assert!(codes.contains(&&json!("E0502")) || codes.contains(&&json!("E0108")), "{findings:#?}");
    for finding in &findings {
        assert!(!slice(&text(&deals), &finding["range"]).is_empty(), "{finding:#}");
    }
    editor.write_document(&words, 3, &before);
    assert_eq!(editor.findings(&deals, None), Vec::<Value>::new());
}

#[test]
fn what_is_told_is_what_validate_says() {
    let (_home, folder) = rules();
    let mut editor = Editor::open(&folder);
    let mistakes = [
        ("contacts.rules", "firstName ", "firstNam "),
        ("deals.rules", "to closedlost {", "to closedlos {"),
        ("events.rules", "\"deal.merge\"", "\"deal.merged\""),
        ("words.rules", "closedwon     \"Closed won\"", "closedwon     \"Closed won"),
    ];
    for (name, from, to) in mistakes {
        let path = folder.join(name);
        let wrong = text(&path).replacen(from, to, 1);
        assert_ne!(text(&path), wrong, "{name}");
        editor.open_document(&path, &wrong);
        std::fs::write(&path, wrong).expect("written");
    }
    // What is told of the second version is told with all documents open.
    for (name, ..) in mistakes {
        editor.findings(&folder.join(name), Some(1));
        editor.write_document(&folder.join(name), 2, &text(&folder.join(name)));
    }
    let mut told: Vec<(String, String, u64, String)> = Vec::new();
    for (name, ..) in mistakes {
        for finding in editor.findings(&folder.join(name), Some(2)) {
            let line = finding["range"]["start"]["line"].as_u64().expect("a line") + 1;
            let message = finding["message"].as_str().expect("a message").lines().next().expect("a line").to_owned();
            told.push((name.to_owned(), finding["code"].as_str().expect("a code").to_owned(), line, message));
        }
    }
    let output = Command::new(env!("CARGO_BIN_EXE_engine"))
        .args(["validate", "--format", "json"])
        .arg(&folder)
        .output()
        .expect("it runs");
    let said: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let word = |value: &Value| value.as_str().expect("a text").to_owned();
    let mut expected: Vec<(String, String, u64, String)> = said["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .filter(|finding| mistakes.iter().any(|(name, ..)| finding["file"] == *name))
        .map(|finding| {
            let line = finding["span"]["start"]["line"].as_u64().expect("a line");
            (word(&finding["file"]), word(&finding["code"]), line, word(&finding["message"]))
        })
        .collect();
    told.sort();
    expected.sort();
    // Each mistake is told once.
    assert_eq!(expected.len(), mistakes.len(), "{expected:?}");
    assert_eq!(told, expected);
}

#[test]
fn places_are_counted_in_utf16_units() {
    let (_home, folder) = rules();
    // Two bytes, then four: one unit, then two.
    let text = "when crm.Deal changes amount as deal {\n  notify role \"sales-manager\" about dael \"größer 😀 {deal.dealnam}\" accept duplicates\n}\n";
    let mut editor = Editor::open(&folder);
    let uri = format!("file://{}/gr%C3%B6%C3%9Fe%20%F0%9F%98%80.rules", folder.display());
    let document = json!({"uri": uri, "languageId": "rules", "version": 1, "text": text});
    editor.notify("textDocument/didOpen", json!({"textDocument": document}));
    let told = editor.wait("findings", |message| message["params"]["uri"] == uri.as_str());
    let findings = told["params"]["diagnostics"].as_array().expect("a list");
    let places: Vec<&str> = findings.iter().map(|finding| slice(text, &finding["range"])).collect();
    assert_eq!(places, ["dael", "dealnam"], "{findings:#?}");
    let at = text.find("dealnam").expect("the name");
    let hover =
        editor.result("textDocument/hover", json!({"textDocument": {"uri": uri}, "position": position(&text[..at])}));
    assert_eq!(slice(text, &hover["range"]), "dealnam");
    let completion = editor.result(
        "textDocument/completion",
        json!({"textDocument": {"uri": uri}, "position": position(&text[..at + 4])}),
    );
    let item = completion["items"].as_array().expect("items").iter().find(|item| item["label"] == "dealname");
    let edit = &item.expect("it is offered")["textEdit"];
    assert_eq!(slice(text, &edit["range"]), "deal");
}

#[test]
fn a_document_is_formatted_as_a_whole_and_only_where_it_differs() {
    let (_home, folder) = rules();
    let path = folder.join("tickets.rules");
    let canonical = text(&path);
    let messy = canonical.replace("  run      on change", "      run on    change").replace(" -> ", "   ->  ");
    let mut editor = Editor::open(&folder);
    editor.open_document(&path, &messy);
    let params = json!({"textDocument": {"uri": uri(&path)}, "options": {"tabSize": 8, "insertSpaces": false}});
    let edits = editor.result("textDocument/formatting", params.clone());
    assert_eq!(edited(&messy, &edits), canonical);
    editor.write_document(&path, 2, &canonical);
    assert_eq!(editor.result("textDocument/formatting", params), json!([]));
}

#[test]
fn an_unsaved_line_that_does_not_parse_is_completed() {
    let (_home, folder) = rules();
    let path = folder.join("new.rules");
    let marked = "sync New from app.User to crm.Contact {\n  fields {\n    subscription.pl‸\n  }\n}\n";
    let text = marked.replace('‸', "");
    let mut editor = Editor::open(&folder);
    editor.open_document(&path, &text);
    let found = editor.at("textDocument/completion", &path, marked);
    assert_eq!(found["isIncomplete"], false);
    let items = found["items"].as_array().expect("items");
    let plan = items.iter().find(|item| item["label"] == "plan").expect("the subscription's plan is offered");
    assert_eq!(plan["detail"], "enum");
    assert_eq!(edited(&text, &json!([plan["textEdit"]])), text.replace(".pl\n", ".plan\n"));
    assert!(!path.exists(), "nothing is written to disk");

    editor.write_document(&path, 2, "wor");
    let found = editor.at("textDocument/completion", &path, "wor‸");
    let items = found["items"].as_array().expect("items");
    let workflow = items.iter().find(|item| item["filterText"] == "workflow").expect("an item may begin here");
    assert_eq!(workflow["insertTextFormat"], 2, "a snippet");
    let line = "workflow ${1:Name} with ${2:name}: ${3:system.Entity} {\n\t$0\n}";
    assert_eq!(edited("wor", &json!([workflow["textEdit"]])), line);
}

#[test]
fn hover_definition_and_symbols_speak_of_the_lock_and_the_rules() {
    let (_home, folder) = rules();
    let path = folder.join("contacts.rules");
    let marked = text(&path).replacen("phone  ", "pho‸ne  ", 1);
    let text = marked.replace('‸', "");
    let mut editor = Editor::open(&folder);
    editor.open_document(&path, &text);
    let hover = editor.at("textDocument/hover", &path, &marked);
    let shown = hover["contents"]["value"].as_str().expect("Markdown");
    for part in ["app.User.phone", "text, may be empty", "pulled 2026-11-20", "crm wins", "at least once"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let found = editor.at("textDocument/definition", &path, &marked);
    let lock = folder.join("schemas/app.lock");
    assert_eq!(found["uri"], uri(&lock));
    let lock = self::text(&lock);
    assert_eq!(slice(&lock, &found["range"]), "phone");
    let line = lock.lines().nth(found["range"]["start"]["line"].as_u64().expect("a line") as usize);
    assert_eq!(line.map(str::trim_start), Some("phone:         { type: text, optional: true }"));

    let symbols = editor.result("textDocument/documentSymbol", json!({"textDocument": {"uri": uri(&path)}}));
    assert_eq!(symbols[0]["name"], "Contacts");
    assert_eq!(symbols[0]["children"][0]["name"], "email <-> email");
    assert_eq!(slice(&text, &symbols[0]["selectionRange"]), "Contacts");

    let marked = text.replacen("sync Con", "sync Con‸", 1);
    let before = marked.split('‸').next().expect("a cursor");
    let params = json!({
        "textDocument": {"uri": uri(&path)},
        "position": position(before),
        "context": {"includeDeclaration": false},
    });
    let uses = editor.result("textDocument/references", params);
    let files: Vec<&str> =
        uses.as_array().expect("places").iter().filter_map(|place| place["uri"].as_str()?.rsplit('/').next()).collect();
    assert!(files.contains(&"events.rules") && files.contains(&"contacts.test.rules"), "{files:?}");
    assert!(!files.contains(&"contacts.rules"), "the declaration was not asked for: {files:?}");
    let rename =
        |name: &str| json!({"textDocument": {"uri": uri(&path)}, "position": position(before), "newName": name});
    let changes = editor.result("textDocument/rename", rename("People"));
    assert_eq!(edited(&text, &changes["changes"][uri(&path)]), text.replacen("sync Contacts", "sync People", 1));
    let warning = editor.wait("a warning", |message| message["method"] == "window/showMessage");
    assert!(warning["params"]["message"].as_str().expect("a text").contains("which records are paired"), "{warning}");
    assert_eq!(editor.refusal("textDocument/rename", rename("Deals")), -32803);
    let found = editor.result("workspace/symbol", json!({"query": "onboard"}));
    assert_eq!(found[0]["name"], "Onboarding", "{found:#}");
    let colours = editor.result("textDocument/semanticTokens/full", json!({"textDocument": {"uri": uri(&path)}}));
    let data: Vec<u64> = colours["data"].as_array().expect("numbers").iter().filter_map(Value::as_u64).collect();
    // `sync` is a keyword at the beginning, `Contacts` a name five columns on, and so forth.
    assert_eq!(data[..10], [0, 0, 4, 1, 0, 0, 5, 8, 7, 0], "{data:?}");
    let foldings = editor.result("textDocument/foldingRange", json!({"textDocument": {"uri": uri(&path)}}));
    assert_eq!(foldings[0]["startLine"], 0, "{foldings:#}");
}

#[test]
fn what_cannot_be_answered_is_an_error_and_the_server_goes_on() {
    let (_home, folder) = rules();
    let mut editor = Editor::start();
    let place = |path: &Path| json!({"textDocument": {"uri": uri(path)}, "position": {"line": 0, "character": 0}});
    let path = folder.join("contacts.rules");
    assert_eq!(editor.refusal("textDocument/hover", place(&path)), -32002, "before initialize");
    assert_eq!(editor.refusal("initialize", json!({"capabilities": 3})), -32602);
    assert!(editor.request("initialize", json!({"capabilities": {}})).get("result").is_some());
    assert_eq!(editor.refusal("initialize", json!({"capabilities": {}})), -32600, "twice");
    assert_eq!(editor.refusal("textDocument/hover", place(&path)), -32602, "it is not open");
    assert_eq!(editor.refusal("textDocument/hover", place(Path::new("/no/such.rules"))), -32602);
    assert_eq!(editor.refusal("textDocument/hover", json!({"textDocument": 7})), -32602);
    assert_eq!(editor.refusal("textDocument/hover", Value::Null), -32602);
    assert_eq!(editor.refusal("textDocument/moon", json!({})), -32601);
    // Notifications have no answer, whatever is in them.
    editor.notify("textDocument/didChange", json!({"wrong": true}));
    editor.notify("textDocument/didClose", json!({"textDocument": {"uri": uri(&path)}}));
    editor.notify("$/unknown", json!(null));
    let untitled = json!({"uri": "untitled:Untitled-1", "languageId": "rules", "version": 1, "text": "x"});
    editor.notify("textDocument/didOpen", json!({"textDocument": untitled}));
    editor.open_document(&path, &text(&path));
    // A place far behind the end is the end.
    let far = json!({"textDocument": {"uri": uri(&path)}, "position": {"line": 4_000_000, "character": 4_000_000}});
    assert!(editor.request("textDocument/completion", far.clone()).get("result").is_some());
    assert_eq!(editor.result("textDocument/hover", far), Value::Null);
    assert_eq!(editor.request("shutdown", Value::Null)["result"], Value::Null);
    assert_eq!(editor.refusal("textDocument/hover", place(&path)), -32600, "after shutdown");
    editor.notify("exit", Value::Null);
    assert_eq!(editor.exit(), 0);
}

#[test]
fn an_editor_that_goes_away_without_shutdown_leaves_code_1() {
    let (_home, folder) = rules();
    let mut editor = Editor::open(&folder);
    editor.notify("exit", Value::Null);
    assert_eq!(editor.exit(), 1);
    assert_eq!(Editor::open(&folder).end(false), 1, "its input ends");
    let mut editor = Editor::open(&folder);
    editor.send_raw("{\"jsonrpc\": ");
    assert_eq!(editor.exit(), 1, "what is no JSON");
}

#[test]
fn a_neighbour_that_is_no_text_is_told_and_hurts_nobody() {
    let (_home, folder) = rules();
    let (path, words) = (folder.join("contacts.rules"), folder.join("words.rules"));
    // Saved in Latin-1: one label is broken, and all names are still there.
    let mut bytes = text(&words).into_bytes();
    let at = text(&words).find("Urgent\"").expect("a label");
    bytes[at] = 0xDC;
    std::fs::write(&words, &bytes).expect("written");
    let mut editor = Editor::open(&folder);
    editor.open_document(&path, &text(&path));
    assert_eq!(editor.findings(&path, Some(1)), Vec::<Value>::new());
    let findings = editor.findings(&words, None);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!(findings[0]["message"], "this file is no UTF-8 text: save it as UTF-8");
    bytes[at] = b'U';
    std::fs::write(&words, &bytes).expect("written");
    let changed = json!({"changes": [{"uri": uri(&words), "type": 2}]});
    editor.notify("workspace/didChangeWatchedFiles", changed);
    assert_eq!(editor.findings(&words, None), Vec::<Value>::new());
}

#[test]
fn findings_are_taken_back_when_the_last_document_is_closed() {
    let (_home, folder) = rules();
    let path = folder.join("contacts.rules");
    let wrong = text(&path).replacen("firstName ", "firstNam ", 1);
    let mut editor = Editor::open(&folder);
    editor.open_document(&path, &wrong);
    assert_eq!(editor.findings(&path, Some(1)).len(), 1);
    editor.notify("textDocument/didClose", json!({"textDocument": {"uri": uri(&path)}}));
    assert_eq!(editor.findings(&path, None), Vec::<Value>::new());
}

#[test]
fn a_document_belongs_to_the_nearest_folder_above_that_holds_an_edition() {
    let (home, folder) = rules();
    let deep = folder.join("more/deep.rules");
    std::fs::create_dir_all(folder.join("more")).expect("a folder");
    let mut editor = Editor::open(home.path());
    let text = "sync Again from app.User to crm.Contact {\n  run on change\n}\n";
    editor.open_document(&deep, text);
    let findings = editor.findings(&deep, Some(1));
    assert!(findings.iter().all(|finding| finding["code"] != "E0102"), "its systems are above: {findings:#?}");
    // An edition of its own, though not saved, makes it a set of its own.
    editor.write_document(&deep, 2, &format!("edition 2026\n\n{text}"));
    editor.notify("textDocument/didSave", json!({"textDocument": {"uri": uri(&deep)}}));
    let end = Instant::now() + DEADLINE;
    loop {
        let findings = editor.findings(&deep, Some(2));
        if findings.iter().any(|finding| finding["code"] == "E0102") {
            break;
        }
        assert!(Instant::now() < end, "{findings:#?}");
    }
}
