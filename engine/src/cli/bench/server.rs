//! Servers of the bench itself: the one that takes the steps of workflows, and the one that only answers, as a floor.
//!
//! In: requests. Out: `200 {}`, and of each step that it came. Both read a body to its end and look at nothing else,
//! so that they cost as little as HTTP can.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::body::Body;
use http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Takes the calls of workflows: `POST /steps/<step>/<subject>`. It lives on a thread of its own.
pub(super) struct Service {
    pub(super) address: SocketAddr,
    steps: Arc<Mutex<Steps>>,
    _stop: DropGuard,
}

/// What came.
#[derive(Debug, Default)]
struct Steps {
    /// How often each step of a subject came.
    seen: HashMap<String, [u32; 3]>,
    /// Whom to tell that the last step of a subject came.
    waiting: BTreeMap<String, oneshot::Sender<()>>,
    ended: usize,
}

impl Service {
    /// Listens at `address`; port 0 takes a free one.
    pub(super) fn start(address: SocketAddr) -> Result<Self, String> {
        let failed =
            |error: std::io::Error| format!("the service that takes steps cannot listen at {address}: {error}");
        let listener = std::net::TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let steps = Arc::new(Mutex::new(Steps::default()));
        let stop = CancellationToken::new();
        let (taken, token) = (Arc::clone(&steps), stop.clone());
        let work = move || {
            let take = move |path: &str| locked(&taken).take(path);
            let served = crate::cli::output::block_on(1, async move {
                let listener = TcpListener::from_std(listener)?;
                tokio::select! {
                    ended = serve(listener, take) => ended,
                    () = token.cancelled() => Ok(()),
                }
            });
            if let Err(error) | Ok(Err(error)) = served {
                eprintln!("engine: the service that takes steps has ended: {error}");
            }
        };
        std::thread::Builder::new().name("bench-service".to_owned()).spawn(work).map_err(failed)?;
        Ok(Self { address, steps, _stop: stop.drop_guard() })
    }

    /// Is told once the last step of `subject` has come.
    pub(super) fn last_step_of(&self, subject: &str) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        let mut steps = locked(&self.steps);
        if steps.seen.get(subject).is_some_and(|seen| seen[2] > 0) {
            // Told already: whoever asks holds the receiver.
            let _told = sender.send(());
        } else {
            steps.waiting.insert(subject.to_owned(), sender);
        }
        receiver
    }

    /// How many subjects have had their last step.
    pub(super) fn ended(&self) -> usize {
        locked(&self.steps).ended
    }

    /// How often each step of a subject came.
    pub(super) fn seen(&self, subject: &str) -> [u32; 3] {
        locked(&self.steps).seen.get(subject).copied().unwrap_or_default()
    }
}

impl Steps {
    fn take(&mut self, path: &str) {
        let Some((step, subject)) = path.strip_prefix("/steps/").and_then(|rest| rest.split_once('/')) else { return };
        let seen = self.seen.entry(subject.to_owned()).or_default();
        let Some(count) = step.parse::<usize>().ok().and_then(|step| seen.get_mut(step.wrapping_sub(1))) else {
            return;
        };
        *count += 1;
        if step == "3" && *count == 1 {
            self.ended += 1;
            if let Some(waiting) = self.waiting.remove(subject) {
                // Who waited may have given up.
                let _gone = waiting.send(());
            }
        }
    }
}

fn locked(steps: &Mutex<Steps>) -> MutexGuard<'_, Steps> {
    steps.lock().expect("nothing panics while it takes a step")
}

/// Answers everything, after `take` was told its path.
async fn serve(listener: TcpListener, take: impl Fn(&str) + Clone + Send + 'static) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let take = take.clone();
        let answer = service_fn(move |request: Request<Incoming>| {
            let take = take.clone();
            async move {
                let path = request.uri().path().to_owned();
                // What breaks off is not answered, and so not taken.
                if axum::body::to_bytes(Body::new(request.into_body()), 1 << 20).await.is_ok() {
                    take(&path);
                }
                let mut response = Response::new(Body::from("{}"));
                let json = HeaderValue::from_static("application/json");
                response.headers_mut().insert(header::CONTENT_TYPE, json);
                Ok::<_, Infallible>(response)
            }
        });
        // A connection that breaks is the other side's to notice.
        drop(tokio::spawn(
            async move { drop(http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await) },
        ));
    }
}

/// A process that only answers: what HTTP alone costs, with the same clients before it as the engine has.
pub(super) struct Answering {
    pub(super) address: SocketAddr,
    child: Child,
    /// Closed, it tells the process to end.
    _stdin: ChildStdin,
}

impl Answering {
    pub(super) fn start() -> Result<Self, String> {
        let failed = |error: &dyn std::fmt::Display| format!("the floor of HTTP cannot be started: {error}");
        let binary = std::env::current_exe().map_err(|error| failed(&error))?;
        let mut command = Command::new(binary);
        command.args(["bench", "--answer"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| failed(&error))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (Some(stdin), Some(stdout)) = (stdin, stdout) else { return Err(failed(&"it has no pipes")) };
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).map_err(|error| failed(&error))?;
        let address = line.trim().parse().map_err(|error| failed(&error))?;
        Ok(Self { address, child, _stdin: stdin })
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        // It has nothing to lose; that it has gone already is as well.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// The other side of [`Answering`]: says where it listens, and answers until its standard input ends.
pub(super) fn answer() -> std::io::Result<()> {
    crate::cli::output::block_on(2, async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
        let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
        tokio::select! {
            served = serve(listener, |_| ()) => served,
            _ = ended => Ok(()),
        }
    })?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_is_told_by_the_last_step_and_repetitions_are_counted() {
        let mut steps = Steps::default();
        let (sender, mut told) = oneshot::channel();
        steps.waiting.insert("d7".to_owned(), sender);
        for path in ["/steps/1/d7", "/steps/2/d7", "/steps/2/d7", "/steps/4/d7", "/other"] {
            steps.take(path);
        }
        assert!(told.try_recv().is_err());
        steps.take("/steps/3/d7");
        steps.take("/steps/3/d7");
        assert_eq!((told.try_recv(), steps.ended), (Ok(()), 1));
        assert_eq!(steps.seen["d7"], [1, 2, 2]);
    }
}
