//! What each question is answered, from the loop's own figures and from the rows beside it.
//!
//! Always true: rows are read on a thread that may block; the loop is stopped for a moment only, to copy its figures.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use dsl::value::Timestamp;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::api::{
    Accepted, BackedUp, CacheView, Checked, Filter, HistoryLines, Incidents, LaneView, LedgerView, Links, Parked,
    Reloaded, RulesFile, RulesText, RulesView, Runs, SCHEMA, Status, SystemView, Why,
};
use super::page::{Page, behind, first, limit};
use super::{Admin, Parts, Refusal};
use crate::decide::{self, Event, OperatorCommand, stuck, views};
use crate::gate::Usage;
use crate::ids::{LinkId, RunId};
use crate::ledger;
use crate::proc::Process;
use crate::rules::stored;
use crate::shell::{Counts, Gone, NotDone, Snapshot, SourceState};

/// Most lines of history in an answer to `why` that does not say how many it wants.
const WHY_LINES: usize = 200;

impl From<Gone> for Refusal {
    fn from(_: Gone) -> Self {
        Self::Stopping
    }
}

impl Admin {
    /// How the engine is.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn status(&self) -> Result<Status, Refusal> {
        let now = self.parts.handle.inspect(figures).await?;
        let started = self.started;
        self.beside(move |parts| status(parts, now, started.elapsed().as_secs())).await
    }

    /// Deliveries can be taken. Gives the systems that refuse the engine: what is taken waits for them.
    ///
    /// # Errors
    /// Why not.
    pub async fn ready(&self) -> Result<Vec<String>, Refusal> {
        let looked = |snapshot: &Snapshot<'_>| (snapshot.full, snapshot.core.gate().systems());
        let (full, systems) = self.parts.handle.inspect(looked).await?;
        // The loop looks only when it has something to store; the ledger knows all the time.
        let (refuses, _) = self.parts.reader.trouble();
        if full || refuses.is_some() {
            return Err(Refusal::Unavailable("the ledger takes nothing for now".to_owned()));
        }
        Ok(systems.into_iter().filter_map(|(system, denied)| denied.map(|_| system)).collect())
    }

    /// Runs that stopped and need a person.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn incidents(&self, filter: &Filter) -> Result<Incidents, Refusal> {
        let (total, incidents) = self.needing_a_person(filter, false).await?;
        Ok(Incidents { schema: SCHEMA, total, incidents })
    }

    /// Records and messages that wait for a person.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn parked(&self, filter: &Filter) -> Result<Parked, Refusal> {
        let (total, parked) = self.needing_a_person(filter, true).await?;
        Ok(Parked { schema: SCHEMA, total, parked })
    }

    async fn needing_a_person(&self, filter: &Filter, parked: bool) -> Result<(usize, Vec<views::Incident>), Refusal> {
        if let Some(after) = &filter.after {
            let reason =
                format!("`{after}`: what needs a person is one list by age; a higher `limit` shows more of it");
            return Err(Refusal::Malformed(reason));
        }
        let found = self.beside(|parts| views::incidents(&parts.reader)).await?;
        Ok(first(found, filter, |incident| {
            incident.parked == parked
                && filter.about.as_ref().is_none_or(|about| {
                    [&incident.subject, &incident.id, &incident.entity].into_iter().any(|text| text.contains(about))
                })
        }))
    }

    /// Which records are the same thing on both sides.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn links(&self, filter: &Filter) -> Result<Links, Refusal> {
        let (after, filter) = (behind(filter)?, filter.clone());
        let programs = self.programs().await?;
        self.beside(move |parts| {
            // Of a record, or of a key that it holds, there are a few, and an index leads to them.
            let meant = match &filter.about {
                Some(about) if after.is_none() => views::links_about(&parts.reader, &programs.active, about)?,
                _ => Vec::new(),
            };
            if !meant.is_empty() {
                let known = meant.into_iter().filter_map(|id| views::link(&parts.reader, id).transpose());
                let known = known.collect::<Result<Vec<views::Link>, _>>()?;
                let fits = |link: &views::Link| filter.state.as_ref().is_none_or(|state| link.state.as_str() == state);
                let (total, links) = first(known, &filter, fits);
                return Ok(Links { schema: SCHEMA, total, links, next: None });
            }
            let fits = |link: &views::Link| {
                filter.state.as_ref().is_none_or(|state| link.state.as_str() == state)
                    && filter.about.as_ref().is_none_or(|about| concerns_link(link, about) || link.sync == *about)
            };
            let page = Page::of(views::links_behind(&parts.reader, after), &filter, fits, |link| &link.link)?;
            Ok(Links { schema: SCHEMA, total: page.total, links: page.items, next: page.next })
        })
        .await
    }

    /// Runs of reactions and workflows.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn runs(&self, filter: &Filter) -> Result<Runs, Refusal> {
        let programs = self.programs().await?;
        let (after, filter) = (behind(filter)?, filter.clone());
        self.beside(move |parts| {
            let fits = |run: &views::Run| {
                filter.state.as_ref().is_none_or(|state| run.state.as_str() == state)
                    && filter.about.as_ref().is_none_or(|about| run.run == *about || run.rule.contains(about))
            };
            let page = Page::of(views::runs_behind(&parts.reader, &programs, after), &filter, fits, |run| &run.run)?;
            Ok(Runs { schema: SCHEMA, total: page.total, runs: page.items, next: page.next })
        })
        .await
    }

    /// Everything about `about`: the id of a record, a link (`l12`), a run (`r7`) or a message (`m3`). At most `limit`
    /// lines of history, 200 where nothing is said.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn why(&self, about: String, field: Option<String>, limit: Option<usize>) -> Result<Why, Refusal> {
        if about.is_empty() {
            return Err(Refusal::Malformed("say what about: ?about=<record id, link or run>".to_owned()));
        }
        let programs = self.programs().await?;
        let limit = limit.unwrap_or(WHY_LINES);
        let found = self.beside(move |parts| {
            let ids = match about.parse::<LinkId>() {
                Ok(id) => vec![id],
                Err(_) if about.parse::<RunId>().is_ok() => Vec::new(),
                Err(_) => views::links_about(&parts.reader, &programs.active, &about)?,
            };
            let (mut links, mut lines) = (Vec::new(), Vec::new());
            for id in ids {
                links.extend(views::link(&parts.reader, id)?);
                lines.extend(views::lines(&parts.reader, &programs.active, id)?);
            }
            if let Some(field) = &field
                && !links.is_empty()
            {
                let all = lines.clone();
                lines.retain(|line| line.is_about(field));
                if lines.is_empty() {
                    return Ok(Err(no_such_field(&about, field, &all)));
                }
            }
            let ids = |link: &views::Link| [link.left.clone(), link.right.clone()].into_iter().flatten();
            let records: BTreeSet<String> = links.iter().flat_map(ids).collect();
            // Of a key nothing is told by itself, but of the records that hold it.
            let is_key =
                !about.is_empty() && !links.is_empty() && about.parse::<LinkId>().is_err() && !records.contains(&about);
            let named = |text: &str| {
                text == about || links.iter().any(|link| link.link == text) || is_key && records.contains(text)
            };
            let run = about.parse().ok().map(|id| views::run(&parts.reader, &programs, id)).transpose()?;
            let runs = run.flatten().into_iter().collect();
            let incidents = views::incidents(&parts.reader)?
                .into_iter()
                .filter(|incident| incident.id == about || incident.subject.split(' ').any(named))
                .collect();
            let moved = |event: &Event| {
                field.is_none()
                    || event
                        .field
                        .as_deref()
                        .is_some_and(|names| names.split(", ").any(|name| lines.iter().any(|line| line.is_about(name))))
            };
            let history = parts.history.last(limit, |event| {
                (named(&event.subject)
                    || event.left.as_deref().is_some_and(named)
                    || event.right.as_deref().is_some_and(named))
                    && moved(event)
            });
            let message = views::parked(&parts.reader, &about)?;
            Ok(Ok(Why { schema: SCHEMA, links, lines, runs, incidents, message, history }))
        });
        found.await?.map_err(Refusal::Malformed)
    }

    /// The last lines of history whose action, rule, entity or subject is `filter.about`.
    #[must_use]
    pub fn history(&self, filter: &Filter) -> HistoryLines {
        let about = filter.about.as_ref();
        let history = self.parts.history.last(limit(filter), |event| {
            about.is_none_or(|about| {
                event.action == about.as_str()
                    || [&event.rule, &event.entity, &event.subject].into_iter().any(|text| text == about)
            })
        });
        HistoryLines { schema: SCHEMA, history }
    }

    /// Each line of history from now on, until the engine stops.
    pub(super) fn follow(&self) -> (broadcast::Receiver<Event>, CancellationToken) {
        (self.parts.history.follow(), self.parts.tasks.token())
    }

    /// The rules that decide, as they are written.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn rules(&self) -> Result<RulesText, Refusal> {
        let program = self.programs().await?.active;
        let texts = self.beside(|parts| stored::active_texts(&parts.reader)).await?.unwrap_or_default();
        let mut files: Vec<RulesFile> = texts.files.into_iter().map(|(path, text)| RulesFile { path, text }).collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let graph = dsl::graph::json(&dsl::graph::graph(&program));
        Ok(RulesText { schema: SCHEMA, hash: program.hash.clone(), files, graph })
    }

    /// Loads the rules again.
    ///
    /// # Errors
    /// [`Refusal::Conflict`] with why they were refused; the old ones go on.
    pub async fn reload(&self) -> Result<Reloaded, Refusal> {
        self.parts.reload.reload().await
    }

    /// Carries out an operator's command; returns when that is durable.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn operate(&self, who: &str, command: OperatorCommand) -> Result<Accepted, Refusal> {
        if who.trim().is_empty() {
            let reason = "say who: the history names everybody who changes something";
            return Err(Refusal::Malformed(reason.to_owned()));
        }
        match self.parts.handle.operate(who, command).await {
            Ok(()) => Ok(Accepted { schema: SCHEMA, accepted: true }),
            Err(NotDone::Refused(reason)) => Err(Refusal::Conflict(reason)),
            Err(NotDone::Unstored(reason)) => Err(Refusal::Unavailable(reason)),
            Err(NotDone::Gone(gone)) => Err(gone.into()),
        }
    }

    /// Copies the ledger into a folder of this machine, while rounds go on.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn backup(&self, to: &Path) -> Result<BackedUp, Refusal> {
        if !to.is_absolute() {
            return Err(Refusal::Malformed("`to` must be an absolute path".to_owned()));
        }
        let to = to.to_path_buf();
        let round = self.beside(move |parts| parts.reader.backup(&to)).await?;
        Ok(BackedUp { schema: SCHEMA, round: round.0 })
    }

    /// What the ledger holds and what is wrong with it.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn ledger(&self) -> Result<Checked, Refusal> {
        let (mut report, suspects) = self
            .beside(|parts| {
                let report = parts.reader.check()?;
                let suspects = report.problems.is_empty() && !stuck(&parts.reader)?.is_empty();
                Ok((report, suspects))
            })
            .await?;
        if suspects {
            // Rows that change while they are read can look so; between two inputs they stand still.
            let found = self.parts.handle.inspect(|snapshot| stuck(snapshot.core.rows())).await?;
            report.problems = found.map_err(|error| Refusal::Failed(error.to_string()))?;
        }
        Ok(Checked { schema: SCHEMA, report })
    }

    async fn programs(&self) -> Result<decide::Programs, Refusal> {
        Ok(self.parts.handle.inspect(|snapshot| snapshot.core.programs().clone()).await?)
    }

    /// Reads rows on a thread that may block.
    async fn beside<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Parts) -> Result<T, ledger::Error> + Send + 'static,
    ) -> Result<T, Refusal> {
        let admin = self.clone();
        let read = self.parts.tasks.blocking(move || read(&admin.parts)).await;
        let read = read.map_err(|error| Refusal::Failed(error.to_string()))?;
        read.map_err(|error| match error {
            ledger::Error::InMemory { .. } => Refusal::Conflict(error.to_string()),
            other => Refusal::Failed(other.to_string()),
        })
    }
}

fn concerns_link(link: &views::Link, about: &str) -> bool {
    link.link == about || link.left.as_deref() == Some(about) || link.right.as_deref() == Some(about)
}

/// A field that no line of these pairs moves.
fn no_such_field(about: &str, field: &str, lines: &[views::PairLine]) -> String {
    let names: BTreeSet<&str> =
        lines.iter().flat_map(|line| line.left_names.iter().chain(&line.right_names)).map(String::as_str).collect();
    format!("no line of {about} moves `{field}`; its lines move {}", names.into_iter().collect::<Vec<_>>().join(", "))
}

/// What the loop knows of itself.
struct Figures {
    time: Timestamp,
    /// How far the engine's time is ahead of the machine's clock, in milliseconds.
    ahead: i64,
    rules: RulesView,
    ledger: LedgerView,
    sources: BTreeMap<String, SourceState>,
    lanes: Vec<LaneView>,
    limits: Vec<Usage>,
    paused: BTreeMap<String, String>,
    systems: BTreeMap<String, SystemView>,
    under_way: usize,
    inbox: Result<u64, String>,
    counts: Counts,
    /// What connectors say of their own future.
    notices: Vec<String>,
}

/// Takes the loop's figures, between two inputs.
fn figures(snapshot: &Snapshot<'_>) -> Figures {
    let core = snapshot.core;
    let program = &core.programs().active;
    let gate = core.gate();
    // Decisions are ahead of a clock that was put back.
    let time = core.at().max(snapshot.now.at);
    let lanes = gate.lanes().map(|(lane, deadline, priority)| LaneView {
        system: lane.system.clone(),
        what: lane.kind.to_string(),
        bulk: lane.bulk,
        deadline: deadline.to_string(),
        priority: priority.into(),
    });
    let paused = gate.paused(snapshot.now.pace).into_iter().map(|(name, until)| (name, until.to_string()));
    let notices = core.connectors().iter().flat_map(|(system, connector)| {
        connector.notices(time).into_iter().map(move |notice| format!("{system}: {notice}"))
    });
    Figures {
        time,
        ahead: time.since(snapshot.wall).0,
        rules: RulesView {
            hash: program.hash.clone(),
            syncs: program.syncs.len(),
            reactions: program.whens.len(),
            workflows: program.workflows.len(),
            older: core.programs().by_hash.len().saturating_sub(1),
            refused: None,
        },
        ledger: LedgerView {
            last: core.last().0,
            durable: core.durable().0,
            full: snapshot.full,
            refuses: None,
            rows_wait: None,
        },
        sources: snapshot.sources.clone(),
        lanes: lanes.collect(),
        limits: gate.usage(snapshot.now.pace),
        paused: paused.collect(),
        systems: gate.systems().into_iter().map(|(name, denied)| (name, SystemView { denied })).collect(),
        under_way: gate.under_way(),
        inbox: decide::waiting_deliveries(core.rows()).map_err(|error| error.to_string()),
        counts: core.counts(),
        notices: notices.collect(),
    }
}

/// The whole status: the loop's figures, and what can be looked up beside it.
fn status(parts: &Parts, mut figures: Figures, uptime_seconds: u64) -> Result<Status, ledger::Error> {
    let open = views::incidents(&parts.reader)?;
    let parked = open.iter().filter(|incident| incident.parked).count();
    figures.rules.refused = parts.reload.refused();
    let (refuses, rows_wait) = parts.reader.trouble();
    figures.ledger.full |= refuses.is_some();
    (figures.ledger.refuses, figures.ledger.rows_wait) = (refuses, rows_wait);
    let (cache, up) = (parts.reads.counts(), parts.reads.is_up());
    let mut warnings = warnings(&figures, up);
    warnings.extend(parts.rows.get().into_iter().flatten().map(|problem| {
        format!(
            "rows of the ledger are damaged ({problem}): the engine ends where a delivery needs one; stop it, then `engine \
             ledger rebuild` makes them again from the journal, or `engine restore` brings the newest backup"
        )
    }));
    Ok(Status {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        time: figures.time.to_string(),
        clock_behind_ms: figures.ahead.max(0),
        uptime_seconds,
        healthy: warnings.is_empty(),
        warnings,
        rules: figures.rules,
        ledger: figures.ledger,
        sources: figures.sources,
        lanes: figures.lanes,
        limits: figures.limits,
        paused: figures.paused,
        systems: figures.systems,
        under_way: figures.under_way,
        inbox: figures.inbox.unwrap_or_default(),
        incidents: open.len() - parked,
        parked,
        counts: figures.counts,
        cache: CacheView { hits: cache.hits, misses: cache.misses, errors: cache.errors, skipped: cache.skipped, up },
        resident_bytes: Process::own().resident().ok(),
    })
}

/// So far apart the engine's time and the machine's clock are told of.
const CLOCKS_DIFFER_MS: i64 = 2_000;

/// What is not as it should be, in plain words; nothing where all is well.
fn warnings(figures: &Figures, cache_up: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(reason) = &figures.rules.refused {
        warnings.push(format!("the rules folder was refused, older rules run: {reason}"));
    }
    if figures.ledger.full {
        let why = figures.ledger.refuses.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        warnings.push(format!("the ledger takes nothing for now{why}: free space on the disk"));
    } else if let Some(why) = &figures.ledger.rows_wait {
        warnings.push(format!(
            "rows cannot be written ({why}): they wait in memory and in the journal, and when too many wait nothing is taken \
             any more; free space on the disk"
        ));
    }
    if figures.ahead >= CLOCKS_DIFFER_MS {
        let by = std::time::Duration::from_secs(figures.ahead.unsigned_abs() / 1_000);
        warnings.push(format!(
            "the machine's clock is {by:?} behind the engine's time, perhaps because it was set back; the engine's time \
             runs slower until both agree: check the machine's time service"
        ));
    }
    let denied = figures.systems.iter().filter_map(|(system, view)| Some((system, view.denied.as_ref()?)));
    warnings.extend(denied.map(|(system, reason)| {
        let next = figures.paused.get(system).map_or_else(|| "now".to_owned(), |at| format!("at {at}"));
        format!("{system} refuses the engine: {reason}; its calls wait, and it is asked again {next}")
    }));
    let down = figures.sources.iter().filter(|(_, state)| !state.is_up());
    warnings.extend(down.map(|(name, state)| format!("{name}: {state}")));
    if !cache_up {
        warnings.push("the cache does not answer: what it would know is read from its system".to_owned());
    }
    warnings.extend(figures.notices.iter().cloned());
    if let Err(reason) = &figures.inbox {
        warnings.push(format!("the inbox cannot be counted: {reason}"));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fine() -> Figures {
        Figures {
            time: Timestamp(0),
            ahead: 0,
            rules: RulesView { hash: String::new(), syncs: 0, reactions: 0, workflows: 0, older: 0, refused: None },
            ledger: LedgerView { last: 0, durable: 0, full: false, refuses: None, rows_wait: None },
            sources: BTreeMap::new(),
            lanes: Vec::new(),
            limits: Vec::new(),
            paused: BTreeMap::new(),
            systems: BTreeMap::new(),
            under_way: 0,
            inbox: Ok(0),
            counts: Counts::default(),
            notices: Vec::new(),
        }
    }

    #[test]
    fn an_inbox_that_cannot_be_counted_is_not_healthy() {
        assert_eq!(warnings(&fine(), true), Vec::<String>::new());
        let warned = warnings(&Figures { inbox: Err("a torn row".to_owned()), ..fine() }, true);
        assert_eq!(warned, ["the inbox cannot be counted: a torn row"]);
    }

    #[test]
    fn a_system_that_refuses_the_engine_is_warned_of_with_the_next_try() {
        let denied = SystemView { denied: Some("HTTP 401 Unauthorized".to_owned()) };
        let systems = BTreeMap::from([("app".to_owned(), SystemView::default()), ("crm".to_owned(), denied)]);
        let paused = BTreeMap::from([("crm".to_owned(), "2026-03-02T09:00:04Z".to_owned())]);
        assert_eq!(
            warnings(&Figures { systems, paused, ..fine() }, true),
            [
                "crm refuses the engine: HTTP 401 Unauthorized; its calls wait, and it is asked again at 2026-03-02T09:00:04Z"
            ]
        );
    }

    #[test]
    fn a_clock_that_was_set_back_is_warned_of() {
        assert_eq!(warnings(&Figures { ahead: 1_999, ..fine() }, true), Vec::<String>::new());
        let warned = warnings(&Figures { ahead: 3_600_250, ..fine() }, true);
        assert!(warned[0].starts_with("the machine's clock is 3600s behind the engine's time"), "{warned:?}");
    }

    #[test]
    fn a_source_from_which_nothing_can_come_is_warned_of() {
        let sources =
            [("kafka", SourceState::Up), ("topic a", SourceState::Partitions(3)), ("topic b", SourceState::NoTopic)];
        let sources = sources.map(|(name, state)| (name.to_owned(), state)).into();
        assert_eq!(warnings(&Figures { sources, ..fine() }, true), ["topic b: no such topic yet"]);
    }
}
