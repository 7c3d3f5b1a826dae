//! The forms in which findings are printed, and the one way to print them.

use serde_json::json;

use super::{Problem, concise, finding, github, gitlab, human, junit, sarif};
use crate::source::SourceFile;

/// How findings are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// For people, with the lines.
    Human,
    /// A line each.
    Concise,
    /// One JSON object with all findings.
    Json,
    /// A JSON object a line.
    Jsonl,
    /// SARIF 2.1.0.
    Sarif,
    /// Workflow commands of GitHub Actions.
    Github,
    /// A Code Quality report of GitLab.
    Gitlab,
    /// A JUnit report.
    Junit,
}

impl Format {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 8] =
        [Self::Human, Self::Concise, Self::Json, Self::Jsonl, Self::Sarif, Self::Github, Self::Gitlab, Self::Junit];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Concise => "concise",
            Self::Json => "json",
            Self::Jsonl => "jsonl",
            Self::Sarif => "sarif",
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::Junit => "junit",
        }
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name())
    }
}

impl std::str::FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|format| format.name() == text).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|format| format.name()).collect();
            format!("no such format `{text}`; there are {}", names.join(", "))
        })
    }
}

/// All of `problems` in one form. `files` are the files that were looked at, each at the place of its id; paths are
/// printed as they stand there. `color` is for [`Format::Human`]. What is not empty ends with a line end.
#[must_use]
pub fn render(format: Format, problems: &[Problem], files: &[SourceFile], color: bool) -> String {
    let lines = |one: &dyn Fn(&Problem) -> String| problems.iter().map(|problem| one(problem) + "\n").collect();
    match format {
        Format::Human => lines(&|problem| human(problem, files, color)),
        Format::Concise => lines(&|problem| concise(problem, files)),
        Format::Json => {
            let findings: Vec<_> = problems.iter().map(|problem| finding(problem, files)).collect();
            json!({"schema": 1, "findings": findings, "files": files.len()}).to_string() + "\n"
        }
        Format::Jsonl => lines(&|problem| finding(problem, files).to_string()),
        Format::Sarif => sarif(problems, files).to_string() + "\n",
        Format::Github => lines(&|problem| github(problem, files)),
        Format::Gitlab => gitlab(problems, files).to_string() + "\n",
        Format::Junit => junit(problems, files),
    }
}
