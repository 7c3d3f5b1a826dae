//! The words of the language, as recovery, the formatter and editors know them.

/// The words of the language.
#[rustfmt::skip]
pub(crate) const WORDS: [&str; 155] = [
    "about", "accept", "after", "always", "and", "answers", "apart", "archive", "arrives", "as", "at", "batches",
    "because", "becomes", "between", "by", "cache", "call", "calls", "cancel", "change", "changed", "changes",
    "choice", "clear", "completed", "conflict", "create", "created", "day", "days", "dedupe", "delete", "deleted",
    "done", "duplicates", "edition", "else", "empty", "entity", "event", "events", "every", "expect", "fail",
    "failed", "fails", "failure", "fields", "final", "finished", "first", "for", "from", "give", "given",
    "happened", "happens", "header", "high", "hour", "hours", "if", "ignore", "in", "is", "kafka", "keep", "key",
    "limit", "link", "list", "low", "match", "medium", "message", "minute", "minutes", "missing", "most", "newest",
    "no", "not", "nothing", "notice", "notify", "of", "on", "once", "one", "only", "or", "ordered", "otherwise",
    "out", "over", "parked", "pass", "passes", "per", "person", "priority", "queue", "read", "reads", "records",
    "requests", "retry", "review", "role", "run", "running", "runs", "schema", "second", "seconds", "send", "set",
    "skip", "skipped", "start", "step", "steps", "sync", "system", "table", "test", "the", "then", "tie", "time",
    "timed", "timeout", "times", "to", "topic", "twice", "undo", "undone", "unique", "until", "up", "update",
    "verify", "via", "wait", "webhook", "week", "weeks", "when", "where", "wins", "with", "workflow", "yes",
];
