//! Kills a process that writes, again and again, and compares what is left with a model.
//!
//! `LEDGER_KILLS=n` asks for more kills than the usual few.

#[path = "ledger/common.rs"]
#[expect(dead_code, reason = "the other tests of the ledger use the rest")]
mod common;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use engine::testing::ledger::{Disk, Error, Ledger, Memory, Settings, check};

use common::{advance, roll, round, rows};

/// Tells the processes of this file where to work; without it their tests have nothing to do.
const STATE: &str = "LEDGER_TEST_STATE";

fn settings() -> Settings {
    Settings {
        segment: 1 << 17,
        checkpoint_rows: 300,
        checkpoint_after: Duration::from_millis(30),
        ..Settings::default()
    }
}

/// One line for the other process. It begins with an end of line, because the test harness leaves its own open.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n{line}\n").as_bytes()).and_then(|()| out.flush()).expect("the other end listens");
}

/// Starts a test of this file in a process of its own; its lines come through the channel.
fn start(test: &str, state: &Path) -> (Child, Receiver<String>) {
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"])
        .env(STATE, state)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let out = BufReader::new(child.stdout.take().expect("a pipe"));
    let (lines, received) = channel();
    std::thread::spawn(move || {
        for line in out.lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
    (child, received)
}

/// The one that is killed: appends rounds for ever and says which are durable.
#[test]
#[ignore = "a part of the kill test, which starts it in a process of its own"]
fn writes_until_it_is_killed() {
    let state = std::env::var_os(STATE).expect("started by the kill test");
    say("opening");
    let on_durable = Box::new(|seq: engine::testing::ledger::Seq| say(&format!("durable {}", seq.0)));
    let mut disk = Disk::open(Path::new(&state), settings(), on_durable).expect("it opens");
    let mut number = disk.last().0;
    say(&format!("durable {number}"));
    let mut dice = number;
    loop {
        number += 1;
        match disk.append(round(number)) {
            Ok(seq) => assert_eq!(seq.0, number),
            Err(Error::Full { .. }) => number -= 1,
            Err(other) => panic!("{other}"),
        }
        // Now and then it waits, so that frames of one round are met as well.
        if roll(&mut dice).is_multiple_of(16) {
            disk.flush().expect("durable");
        }
    }
}

#[test]
fn a_kill_at_any_moment_loses_nothing_that_was_durable_and_tears_no_round() {
    let kills: u64 = std::env::var("LEDGER_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(20);
    let state = tempfile::tempdir().expect("a folder");
    let mut model = Memory::new();
    let mut dice = kills;
    let mut acknowledged = 0;
    for kill in 0..kills {
        let (mut child, lines) = start("writes_until_it_is_killed", state.path());
        let mut hear = |line: &str| {
            if let Some(seq) = line.strip_prefix("durable ") {
                acknowledged = acknowledged.max(seq.parse().expect("a number"));
            }
        };
        // A third dies within milliseconds of its start: in the opening of sled, the redo, the first checkpoint.
        let early = kill % 3 == 0;
        let wanted = if early { 0 } else { roll(&mut dice) % 400 };
        let mut heard = 0;
        let mut opening = false;
        while !opening || heard < wanted {
            let line = lines.recv().expect("it does not end by itself");
            opening |= line == "opening";
            heard += u64::from(line.starts_with("durable "));
            hear(&line);
        }
        let moment = Duration::from_micros(roll(&mut dice) % if early { 25_000 } else { 3_000 });
        let until = std::time::Instant::now() + moment;
        loop {
            match lines.recv_timeout(until.saturating_duration_since(std::time::Instant::now())) {
                Ok(line) => hear(&line),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => panic!("kill {kill}: it ended by itself"),
            }
        }
        child.kill().expect("it runs");
        child.wait().expect("it ended");
        lines.iter().for_each(|line| hear(&line));
        // Half of the kills meet what the kill before left, without a look in between.
        if roll(&mut dice).is_multiple_of(2) && kill + 1 < kills {
            continue;
        }
        let disk = match Disk::open(state.path(), settings(), Box::new(|_| {})) {
            Ok(disk) => disk,
            Err(error) => panic!("kill {kill}: {error}"),
        };
        let last = disk.durable().0;
        assert!(last >= acknowledged, "kill {kill}: {acknowledged} was durable, {last} is there");
        advance(&mut model, last);
        assert_eq!(model.last().0, last, "kill {kill}: rounds went away");
        assert!(rows(&disk) == rows(&model), "kill {kill}: rows differ after round {last}");
        drop(disk);
        if kill % 5 == 0 || kill + 1 == kills {
            assert_eq!(check(state.path()).expect("readable").problems, Vec::<String>::new(), "kill {kill}");
        }
    }
    assert!(acknowledged > 0, "something was written at all");
}

/// Bytes and calls with which this process has written, to files and pipes alike.
fn written() -> String {
    let io = std::fs::read_to_string("/proc/self/io").expect("Linux");
    io.lines().filter(|line| line.starts_with("wchar") || line.starts_with("syscw")).collect()
}

#[test]
#[ignore = "a part of the idle test, which starts it in a process of its own"]
fn writes_and_then_idles() {
    let state = std::env::var_os(STATE).expect("started by the idle test");
    let mut disk = Disk::open(Path::new(&state), settings(), Box::new(|_| {})).expect("it opens");
    for number in 1..=200 {
        disk.append(round(number)).expect("taken");
    }
    disk.checkpoint().expect("written");
    let before = written();
    // Thirty times the age at which a change would begin a checkpoint.
    let (_never, nothing) = channel::<()>();
    assert_eq!(nothing.recv_timeout(Duration::from_millis(900)), Err(RecvTimeoutError::Timeout));
    assert_eq!(written(), before);
    say("idle");
}

#[test]
fn an_idle_ledger_writes_nothing() {
    let state = tempfile::tempdir().expect("a folder");
    let (mut child, lines) = start("writes_and_then_idles", state.path());
    assert!(lines.iter().any(|line| line == "idle"), "it wrote while nothing happened");
    assert!(child.wait().expect("it ended").success());
}
