//! A running engine, as the program around it holds it.
//!
//! Always true: what a method says is done is durable; none of them blocks the loop but for the moment of a look.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use connectors::webhook::door::Verdict;

use super::error::{Cause, Error};
use crate::admin::api::{Checked, Filter, HistoryLines, Incidents, Links, Parked, Reloaded, Runs, Status, Why};
use crate::config::SecretAt;
use crate::decide::OperatorCommand;
use crate::ids::{LinkId, RunId};
use crate::rules::Rules;
use crate::runtime::{Ended, Running};

/// A running engine; clones are the same one.
///
/// Its methods can be called from any thread and any executor; only [`start`](crate::Builder::start) needs tokio's.
///
/// When the last clone is dropped without [`stop`](Self::stop), the engine ends as by a kill, but with its doors closed
/// first: nothing more is taken, calls that are under way are left without an answer (the next start takes them up), and
/// what was acknowledged is durable. The state folder is free a moment later, once the engine's own thread has ended.
#[derive(Clone)]
pub struct Engine(Arc<Owned>);

/// Ends the engine with its last owner.
struct Owned(Running);

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

impl Engine {
    pub(super) fn new(running: Running) -> Self {
        Self(Arc::new(Owned(running)))
    }

    fn running(&self) -> &Running {
        &self.0.0
    }

    /// Takes one delivery of a system, as its connector reads it, and returns when it would survive a power cut. Whoever
    /// calls this vouches for it: no signature is looked at.
    ///
    /// What the delivery leads to goes on by itself; [`idle`](Self::idle) waits for it. The same delivery may be given
    /// again: what repeats a message is known by what the lock of the system says (`dedupe`).
    ///
    /// # Errors
    /// [`Error::UnknownSystem`] and [`Error::Unreadable`], where giving it again cannot help; [`Error::Busy`];
    /// [`Error::Stopped`].
    pub async fn deliver(&self, system: &str, delivery: impl Into<Bytes>) -> Result<(), Error> {
        let running = self.running();
        if !running.knows(system) {
            return Err(Error::UnknownSystem { system: system.to_owned() });
        }
        let seconds = Duration::from_secs;
        match running.deliver(system, delivery.into()).await {
            Verdict::Durable => Ok(()),
            Verdict::Unreadable(reason) | Verdict::OtherAccount(reason) => {
                Err(Error::Unreadable { system: system.to_owned(), reason })
            }
            Verdict::Full(after) => {
                Err(Error::Busy { reason: "too many deliveries wait".to_owned(), retry_after: seconds(after) })
            }
            Verdict::Unwritable(_) if running.is_stopping().await => Err(Error::Stopped),
            Verdict::Unwritable(after) => {
                Err(Error::Busy { reason: "nothing can be stored".to_owned(), retry_after: seconds(after) })
            }
        }
    }

    /// Waits until nothing is under way: no delivery waits, no queue has work, no call is without its answer, and all that
    /// was decided is durable. What waits for its time is not under way: a schedule, a `wait`, a run that tries again later.
    /// What a system did not take for now, because it cannot be reached or has no room, stays in its queue; then this waits
    /// until it has gone through.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub async fn idle(&self) -> Result<(), Error> {
        self.running().idle().await.map_err(|_| Error::Stopped)
    }

    /// How the engine is.
    ///
    /// # Errors
    /// [`Error::Stopped`]; [`Error::Defect`].
    pub async fn status(&self) -> Result<Status, Error> {
        Ok(self.running().admin().status().await?)
    }

    /// Runs of reactions and workflows.
    ///
    /// # Errors
    /// As [`status`](Self::status).
    pub async fn runs(&self, filter: &Filter) -> Result<Runs, Error> {
        Ok(self.running().admin().runs(filter).await?)
    }

    /// Which records are the same thing on both sides of a sync.
    ///
    /// # Errors
    /// As [`status`](Self::status).
    pub async fn links(&self, filter: &Filter) -> Result<Links, Error> {
        Ok(self.running().admin().links(filter).await?)
    }

    /// Runs that stopped and need a person.
    ///
    /// # Errors
    /// As [`status`](Self::status).
    pub async fn incidents(&self, filter: &Filter) -> Result<Incidents, Error> {
        Ok(self.running().admin().incidents(filter).await?)
    }

    /// Records and messages that wait for a person.
    ///
    /// # Errors
    /// As [`status`](Self::status).
    pub async fn parked(&self, filter: &Filter) -> Result<Parked, Error> {
        Ok(self.running().admin().parked(filter).await?)
    }

    /// Everything known about a record by its id, a link (`l12`), a run (`r7`) or a message (`m3`), with at most `limit`
    /// lines of history.
    ///
    /// # Errors
    /// As [`status`](Self::status).
    pub async fn why(&self, about: &str, limit: usize) -> Result<Why, Error> {
        Ok(self.running().admin().why(about.to_owned(), None, Some(limit)).await?)
    }

    /// The last lines of history whose action, rule, entity or subject is [`Filter::about`].
    #[must_use]
    pub fn history(&self, filter: &Filter) -> HistoryLines {
        self.running().admin().history(filter)
    }

    /// Tries a stopped run (`r7`) or a parked link (`l12`) again. `who` stands in the history.
    ///
    /// # Errors
    /// [`Error::Refused`] where there is no such thing, or it is not stopped; [`Error::Busy`]; [`Error::Stopped`].
    pub async fn retry(&self, who: &str, subject: &str) -> Result<(), Error> {
        let run = subject.parse::<RunId>().map(|run| OperatorCommand::RetryRun { run: run.0 });
        let link = subject.parse::<LinkId>().map(|link| OperatorCommand::RetryLink { link: link.0 });
        let unknown =
            |_| Error::Refused { reason: format!("`{subject}` is neither a run such as r7 nor a link such as l12") };
        self.operate(who, run.or(link).map_err(unknown)?).await
    }

    /// Goes on behind the action at which a run (`r7`) stopped.
    ///
    /// # Errors
    /// As [`retry`](Self::retry).
    pub async fn skip(&self, who: &str, run: &str, reason: &str) -> Result<(), Error> {
        let run = id::<RunId>(run)?.0;
        self.operate(who, OperatorCommand::SkipAction { run, reason: reason.to_owned() }).await
    }

    /// Ends a run (`r7`) without undoing anything.
    ///
    /// # Errors
    /// As [`retry`](Self::retry).
    pub async fn cancel(&self, who: &str, run: &str, reason: &str) -> Result<(), Error> {
        let run = id::<RunId>(run)?.0;
        self.operate(who, OperatorCommand::CancelRun { run, reason: reason.to_owned() }).await
    }

    /// Settles a field of a link (`l12`) that two people edited: the value of `system` is taken.
    ///
    /// # Errors
    /// As [`retry`](Self::retry).
    pub async fn take(&self, who: &str, link: &str, system: &str) -> Result<(), Error> {
        let link = id::<LinkId>(link)?.0;
        self.operate(who, OperatorCommand::Take { link, system: system.to_owned() }).await
    }

    /// Closes an incident that nothing else closes, and drops what is kept for it: a message (`m3`), lost records
    /// (`topic users/0`).
    ///
    /// # Errors
    /// As [`retry`](Self::retry).
    pub async fn dismiss(&self, who: &str, subject: &str, reason: &str) -> Result<(), Error> {
        let (subject, reason) = (subject.to_owned(), reason.to_owned());
        self.operate(who, OperatorCommand::Dismiss { subject, reason }).await
    }

    /// Runs a sync over all records of its source now.
    ///
    /// # Errors
    /// As [`retry`](Self::retry).
    pub async fn backfill(&self, who: &str, sync: &str) -> Result<(), Error> {
        self.operate(who, OperatorCommand::Backfill { sync: sync.to_owned() }).await
    }

    async fn operate(&self, who: &str, command: OperatorCommand) -> Result<(), Error> {
        self.running().admin().operate(who, command).await?;
        Ok(())
    }

    /// Reads the rules again from where they come, and makes them the active ones. Runs that are under way end by the
    /// rules that they began with. Once called it comes to its end, also where nobody waits for it.
    ///
    /// # Errors
    /// [`Error::InvalidRules`], [`Error::UnreadableRules`] and [`Error::Setup`]: the old rules go on, whole.
    pub fn reload(&self) -> impl Future<Output = Result<Reloaded, Error>> + use<> {
        self.begin_reload(None)
    }

    /// Makes other rules the active ones, as [`reload`](Self::reload); later reloads read these.
    ///
    /// # Errors
    /// As [`reload`](Self::reload).
    pub fn use_rules(&self, rules: Rules) -> impl Future<Output = Result<Reloaded, Error>> + use<> {
        self.begin_reload(Some(rules))
    }

    fn begin_reload(&self, rules: Option<Rules>) -> impl Future<Output = Result<Reloaded, Error>> + use<> {
        let outcome = self.running().reload(rules);
        async { Ok(outcome.await?) }
    }

    /// Copies the state into a folder that does not exist or is empty, by its absolute path, while everything goes on.
    ///
    /// # Errors
    /// [`Error::Refused`] where the state is kept in memory or the path is relative; [`Error::Defect`] where the copy
    /// cannot be written or does not read back.
    pub async fn backup(&self, to: impl AsRef<Path>) -> Result<(), Error> {
        self.running().admin().backup(to.as_ref()).await?;
        Ok(())
    }

    /// Reads the whole state and says what is wrong with it.
    ///
    /// # Errors
    /// [`Error::Refused`] where the state is kept in memory.
    pub async fn check(&self) -> Result<Checked, Error> {
        Ok(self.running().admin().ledger().await?)
    }

    /// The webhooks of all systems that have one, as a router with one route each: to be merged into the router of a
    /// program's own server, or nested in it. Signatures are verified; 200 says that a delivery would survive a power
    /// cut. Once the engine has stopped every delivery is answered 503, so that its sender keeps it.
    pub fn router(&self) -> Router {
        self.running().router()
    }

    /// The admin API, to be merged into the router of a program's own server or nested in it. Without a token everybody
    /// who reaches it may read and change everything: then the program has to guard it.
    ///
    /// # Errors
    /// [`Error::Setup`] where the token cannot be had.
    pub fn admin_router(&self, token: Option<SecretAt>) -> Result<Router, Error> {
        self.running().admin_router(token).map_err(|missing| Error::Setup(Cause::new(missing)))
    }

    /// Where webhooks arrive, where [`Builder::listen`](crate::Builder::listen) was asked for.
    #[must_use]
    pub fn webhook_address(&self) -> Option<SocketAddr> {
        self.running().webhook_address()
    }

    /// Where the admin API listens, where [`Builder::admin`](crate::Builder::admin) was asked for.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.running().admin_address()
    }

    /// Waits until the engine has ended. A sound one ends by [`stop`](Self::stop) only.
    ///
    /// # Errors
    /// Why it could not go on: [`Error::State`], [`Error::Defect`]. What was acknowledged is durable.
    pub async fn ended(&self) -> Result<(), Error> {
        ended(self.running().ended().await)
    }

    /// Stops in order: takes nothing more, waits for the answers to calls that are under way
    /// ([`grace`](crate::Builder::grace)), makes everything durable and gives the state folder free. Calls without an
    /// answer by then are given up; the next start takes them up, as calls that may have arrived. To stop what has
    /// ended already is no error.
    ///
    /// # Errors
    /// What the engine ended with, where it could not go on; what was acknowledged is durable in any case.
    pub async fn stop(&self) -> Result<(), Error> {
        ended(self.running().stop().await)
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (webhooks, admin) = (self.webhook_address(), self.admin_address());
        out.debug_struct("Engine").field("webhooks", &webhooks).field("admin", &admin).finish_non_exhaustive()
    }
}

fn ended(ended: Ended) -> Result<(), Error> {
    match ended {
        Ended::InOrder => Ok(()),
        Ended::Failed(error) => Err(Error::State(Cause::shared(error))),
        Ended::BrokeOff => Err(Error::Defect { reason: "the loop broke off".to_owned() }),
        Ended::Late => Err(Error::Defect { reason: "the loop did not end in time".to_owned() }),
    }
}

fn id<T: std::str::FromStr<Err = crate::ids::NotAnId>>(text: &str) -> Result<T, Error> {
    text.parse().map_err(|error: crate::ids::NotAnId| Error::Refused { reason: error.to_string() })
}
