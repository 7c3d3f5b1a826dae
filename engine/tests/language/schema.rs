//! `engine schema`: a lock from a system that runs.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use crate::folder::Folder;

/// A HubSpot twin as a process of its own; it ends with the test.
struct Twin(Child);

impl Drop for Twin {
    fn drop(&mut self) {
        // It may have ended by itself; nobody waits for more than that.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(folder: &Folder, lock: &str) -> (Twin, String) {
    let mut child = folder
        .command(&["sandbox", "hubspot", "--listen", "127.0.0.1:0", "--token-env", "HUBSPOT_TOKEN", "--lock", lock])
        .env("HUBSPOT_TOKEN", "secret")
        .stdout(Stdio::piped())
        .spawn()
        .expect("the twin starts");
    let out = BufReader::new(child.stdout.take().expect("a pipe"));
    let twin = Twin(child);
    let mut lines = out.lines();
    let address = loop {
        let line = lines.next().expect("it says where it listens").expect("a line");
        if let Some((_, address)) = line.split_once("listens at ") {
            break address.trim().to_owned();
        }
    };
    (twin, address)
}

#[test]
fn a_lock_is_compared_with_its_system_and_brought_up_to_date() {
    let folder = Folder::new();
    let of_today = folder.text("schemas/crm.lock").replace(
        "      jobtitle:            { type: text, optional: true }\n",
        "      jobtitle:            { type: text, optional: true }\n      shoe_size:           { type: enum, options: [small, large], optional: true, custom: true }\n",
    );
    std::fs::write(folder.rules.join("today.yaml"), of_today).expect("written");
    let (_twin, address) = start(&folder, "rules/today.yaml");
    folder.spoil("engine.yaml", "https://api.hubapi.com", &address);
    let run = |arguments: &[&str], exit: i32| {
        let output = folder.command(arguments).env("HUBSPOT_TOKEN", "secret").output().expect("the engine runs");
        crate::folder::told(&output, arguments, exit)
    };
    let line = "+ crm.Contact.shoe_size  { type: enum, options: [small, large], optional: true, custom: true }";
    let before = folder.text("schemas/crm.lock");
    let text = run(&["schema", "diff", "crm"], 1);
    assert!(text.lines().any(|told| told == line), "{text}");
    assert_eq!(folder.text("schemas/crm.lock"), before);
    let text = run(&["schema", "pull", "crm", "--today", "2026-11-25"], 0);
    assert!(text.contains(line) && text.contains("rules/schemas/crm.lock is of 2026-11-25: "), "{text}");
    assert_eq!(run(&["schema", "diff", "crm"], 0), "nothing has changed\n");
    // Somebody made a property since.
    let whole = folder.text("schemas/crm.lock");
    let lines: Vec<&str> = whole.split_inclusive('\n').filter(|line| !line.contains("shoe_size")).collect();
    std::fs::write(folder.rules.join("schemas/crm.lock"), lines.concat()).expect("written");
    let text = run(&["schema", "diff", "crm"], 1);
    let page = dsl::diagnostic::Code::E0903.page();
    let shown = page.split("```text\n").nth(1).and_then(|rest| rest.split("```").next());
    assert_eq!(shown, Some(text.as_str()), "the page shows what is told");
    let told: serde_json::Value = serde_json::from_str(&run(&["schema", "diff", "crm", "--json"], 1)).expect("JSON");
    assert_eq!((&told["code"], &told["written"]), (&"E0903".into(), &false.into()), "{told}");
    std::fs::write(folder.rules.join("schemas/crm.lock"), whole).expect("written");
    // The rules hold with it, and may use what is new.
    run(&["validate"], 0);
    folder.spoil("contacts.rules", "    jobTitle ", "    jobTitle -> shoe_sice else keep\n    jobTitle ");
    assert!(run(&["validate"], 1).contains("did you mean `shoe_size`?"));
    // A system that lets nobody in leaves the lock as it is.
    let pulled = folder.text("schemas/crm.lock");
    let output = folder.command(&["schema", "pull", "crm"]).env("HUBSPOT_TOKEN", "wrong").output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(err.contains("`crm` does not give its schema") && err.contains("its lock is as it was"), "{err}");
    assert_eq!(folder.text("schemas/crm.lock"), pulled);
}

#[test]
fn a_system_that_cannot_describe_itself_and_one_that_is_not_there_are_told() {
    let folder = Folder::new();
    let text = folder.command(&["schema", "pull", "mail"]).env("MAIL_TOKEN", "t").output().expect("it runs");
    assert!(String::from_utf8_lossy(&text.stderr).contains("written by hand"));
    assert_eq!(text.status.code(), Some(2));
    assert!(folder.run(&["schema", "pull", "erp"], 2).contains("have no system `erp`"));
}
