//! Connects the rooms: inputs to decisions, decisions to the ledger, durable rounds to what they justify.
//!
//! [`Core`] is the loop's body without a loop: the daemon drives it with real time and real sockets, tests and
//! rehearsals with a clock of their own. Always true: a command is handed out only when its round is durable.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use connectors::port::{Answer, Connector, Request};
use dsl::value::Moment;

use crate::decide::{self, Command, Event, Input, Knobs, Lane, Programs};
use crate::gate::{Gate, Poll};
use crate::ids::CallId;
use crate::ledger::{Error, Ledger, Seq};

/// A request that may leave now.
#[derive(Debug, Clone, PartialEq)]
pub struct Departure {
    /// The call.
    pub call: CallId,
    /// The lane it left.
    pub lane: Lane,
    /// What to send.
    pub request: Request,
    /// A cache may answer it.
    pub cacheable: bool,
}

/// What a durable round releases.
#[derive(Debug, Clone, PartialEq)]
pub enum Release {
    /// Send it.
    Send(Departure),
    /// A cache forgets a record.
    Invalidate {
        /// The system.
        system: String,
        /// The entity.
        entity: String,
        /// The record.
        id: String,
    },
    /// A line of the log.
    Log(Event),
}

/// The state of the engine, one input at a time.
pub struct Core {
    /// The ledger.
    pub ledger: Box<dyn Ledger>,
    /// The gate.
    pub gate: Gate,
    /// The rule sets in use.
    pub programs: Programs,
    /// Who is asked, by system.
    pub connectors: BTreeMap<String, Arc<dyn Connector>>,
    knobs: Knobs,
    held: VecDeque<(Seq, Command)>,
    now: Moment,
}

impl Core {
    /// Takes up what the ledger holds: windows, queued lanes. Calls without an answer are answered `Unknown`, so
    /// that their owners read back before anything is sent again.
    ///
    /// # Errors
    /// Where the ledger cannot be read or written.
    pub fn start(
        ledger: Box<dyn Ledger>,
        programs: Programs,
        connectors: BTreeMap<String, Arc<dyn Connector>>,
        knobs: Knobs,
        now: Moment,
    ) -> Result<Self, Error> {
        let gate = Gate::new(&programs.active);
        let mut core = Self { ledger, gate, programs, connectors, knobs, held: VecDeque::new(), now };
        for queued in decide::queued(&*core.ledger)? {
            core.gate.work(queued.lane, queued.deadline, queued.priority);
        }
        for call in decide::unanswered(&*core.ledger)? {
            core.gate.restore(&call.lane, call.inputs, call.sent);
            let cause = "the engine stopped before the answer came".to_owned();
            let answers = vec![Answer::Unknown { cause }; call.inputs];
            core.input(&Input::Answers { call: call.call, answers }, now)?;
        }
        core.input(&Input::Started, now)?;
        Ok(core)
    }

    /// Logical time: never backwards.
    pub fn time(&mut self, wall: Moment) -> Moment {
        self.now = self.now.max(wall);
        self.now
    }

    /// Decides one input; what follows is released when its round is durable.
    ///
    /// # Errors
    /// Where the ledger cannot be read or written; nothing has happened then.
    pub fn input(&mut self, input: &Input, wall: Moment) -> Result<Seq, Error> {
        let now = self.time(wall);
        let outcome = decide::decide(&*self.ledger, &self.programs, &self.knobs, input, now)?;
        if outcome.round.changes.is_empty() && outcome.round.records.is_empty() && outcome.commands.is_empty() {
            return Ok(self.ledger.durable());
        }
        let seq = self.ledger.append(outcome.round)?;
        self.held.extend(outcome.commands.into_iter().map(|command| (seq, command)));
        Ok(seq)
    }

    /// What durable rounds release, in order.
    pub fn released(&mut self, wall: Moment) -> Vec<Release> {
        let durable = self.ledger.durable();
        let now = self.time(wall);
        let mut releases = Vec::new();
        while self.held.front().is_some_and(|(seq, _)| *seq <= durable) {
            let Some((_, command)) = self.held.pop_front() else { break };
            match command {
                Command::Work { lane, deadline, priority } => self.gate.work(lane, deadline, priority),
                Command::Call { call, lane, request, cacheable } => {
                    let calls = self.connectors.get(&lane.system).map_or(1, |connector| connector.calls(&request));
                    self.gate.sent(&lane, calls, request.inputs.len(), now);
                    releases.push(Release::Send(Departure { call, lane, request, cacheable }));
                }
                Command::Invalidate { system, entity, id } => releases.push(Release::Invalidate { system, entity, id }),
                Command::Log(event) => releases.push(Release::Log(event)),
            }
        }
        releases
    }

    /// The answers of a request came.
    ///
    /// # Errors
    /// As for [`Core::input`].
    pub fn answered(&mut self, call: CallId, lane: &Lane, answers: Vec<Answer>, wall: Moment) -> Result<Seq, Error> {
        let now = self.time(wall);
        self.gate.answered(lane, &answers, now);
        self.input(&Input::Answers { call, answers }, wall)
    }

    /// Fires timers and opens lanes that are due; gives the time of the next one.
    ///
    /// # Errors
    /// As for [`Core::input`].
    pub fn turn(&mut self, wall: Moment) -> Result<Option<Moment>, Error> {
        let now = self.time(wall);
        let mut next = loop {
            match decide::next_timer(&*self.ledger)? {
                Some(at) if at <= now => {
                    self.input(&Input::Due, now)?;
                }
                other => break other,
            }
        };
        loop {
            // A call is counted by the gate when its round is durable; until then nothing more may open.
            if self.held.iter().any(|(_, command)| matches!(command, Command::Call { .. })) {
                break;
            }
            match self.gate.poll(now) {
                Poll::Open(lane) => {
                    let max = self.batch(&lane);
                    self.input(&Input::Open { lane, max }, now)?;
                }
                Poll::Wait(at) => {
                    next = match (next, at) {
                        (Some(a), Some(b)) => Some(a.min(b)),
                        (a, b) => a.or(b),
                    };
                    break;
                }
            }
        }
        Ok(next)
    }

    fn batch(&self, lane: &Lane) -> usize {
        use connectors::port::Verb;

        use crate::decide::LaneKind;
        let verb = match &lane.kind {
            LaneKind::Read { entity, by } => {
                Verb::Read { entity: entity.clone(), by: by.clone(), fields: Vec::new(), links: Vec::new() }
            }
            LaneKind::Create { entity } => Verb::Create { entity: entity.clone() },
            LaneKind::Update { entity } => Verb::Update { entity: entity.clone() },
            LaneKind::Delete { entity } => Verb::Delete { entity: entity.clone() },
            LaneKind::List { entity } => {
                Verb::List { entity: entity.clone(), fields: Vec::new(), links: Vec::new(), since: None }
            }
            LaneKind::Operation { name } => Verb::Operation { name: name.clone() },
        };
        self.connectors.get(&lane.system).map_or(1, |connector| connector.max_batch(&verb))
    }
}
