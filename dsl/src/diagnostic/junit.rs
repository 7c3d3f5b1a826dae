//! Problems as a JUnit report, the form of test results that most build servers read.
//!
//! A file without findings is a passed case, each finding of the others a case of its own: readers disagree about
//! several failures in one. A warning passes and says what it is.

use super::place::Place;
use super::{Problem, Severity, concise};
use crate::source::SourceFile;

/// The report, an XML document.
#[must_use]
pub fn junit(problems: &[Problem], files: &[SourceFile]) -> String {
    let mut cases = String::new();
    let mut count = 0;
    for (index, file) in files.iter().enumerate() {
        let found = problems.iter().filter(|problem| problem.span().file.0 as usize == index);
        let mut clean = true;
        for problem in found {
            clean = false;
            count += 1;
            cases.push_str(&case(problem, files));
        }
        if clean {
            count += 1;
            cases.push_str(&format!("    <testcase classname=\"rules\" name=\"{}\"/>\n", escape(&file.path)));
        }
    }
    let failures = problems.iter().filter(|p| p.severity() == Severity::Error).count();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"{count}\" failures=\"{failures}\">\n  \
         <testsuite name=\"engine validate\" tests=\"{count}\" failures=\"{failures}\" errors=\"0\" skipped=\"0\">\n\
         {cases}  </testsuite>\n</testsuites>\n"
    )
}

/// A report of cases that are no findings: class, name, and for a failed one its message and text.
#[must_use]
pub fn junit_cases(suite: &str, cases: &[(String, String, Option<(String, String)>)]) -> String {
    let failures = cases.iter().filter(|(_, _, failure)| failure.is_some()).count();
    let count = cases.len();
    let mut text = String::new();
    for (class, name, failure) in cases {
        let (class, name) = (escape(class), escape(name));
        text.push_str(&match failure {
            None => format!("    <testcase classname=\"{class}\" name=\"{name}\"/>\n"),
            Some((message, shown)) => format!(
                "    <testcase classname=\"{class}\" name=\"{name}\"><failure message=\"{}\">{}</failure></testcase>\n",
                escape(message),
                escape(shown)
            ),
        });
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"{count}\" failures=\"{failures}\">\n  \
         <testsuite name=\"{}\" tests=\"{count}\" failures=\"{failures}\" errors=\"0\" skipped=\"0\">\n\
         {text}  </testsuite>\n</testsuites>\n",
        escape(suite)
    )
}

fn case(problem: &Problem, files: &[SourceFile]) -> String {
    let place = Place::of(problem.span(), files);
    let name = format!("{}:{}:{} {}", place.path, place.line, place.column, problem.code);
    let mut text = concise(problem, files);
    for line in &problem.help {
        text.push('\n');
        text.push_str(line);
    }
    let told = if problem.severity() == Severity::Error {
        let message = escape(&problem.message);
        format!("<failure type=\"{}\" message=\"{message}\">{}</failure>", problem.code, escape(&text))
    } else {
        format!("<system-out>{}</system-out>", escape(&text))
    };
    format!("    <testcase classname=\"rules\" name=\"{}\">{told}</testcase>\n", escape(&name))
}

/// XML 1.0 knows no control characters but tab and line ends, not even escaped.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
