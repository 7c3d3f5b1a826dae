//! Problems as a JUnit report, the form of test results that most build servers read.
//!
//! A file without findings is a passed case, each finding of the others a case of its own: readers disagree about
//! several failures in one. A warning passes and says what it is.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::place::Place;
use super::{Problem, Severity, concise};
use crate::source::SourceFile;

/// The report, an XML document.
#[must_use]
pub fn junit(problems: &[Problem], files: &[SourceFile]) -> String {
    let mut suite = TestSuite::new("engine validate");
    for (index, file) in files.iter().enumerate() {
        let found = problems.iter().filter(|problem| problem.span().file.0 as usize == index);
        let cases: Vec<TestCase> = found.map(|problem| case(problem, files)).collect();
        if cases.is_empty() {
            suite.add_test_case(named(&file.path, "rules", TestCaseStatus::success()));
        }
        suite.add_test_cases(cases);
    }
    document(suite)
}

/// Message and text of a case that failed.
type Failure = (String, String);

/// A report of cases that are no findings: class, name, and for a failed one its message and text.
#[must_use]
pub fn junit_cases(suite: &str, cases: &[(String, String, Option<Failure>)]) -> String {
    let mut suite = TestSuite::new(suite);
    for (class, name, failure) in cases {
        let mut status = TestCaseStatus::success();
        if let Some((message, shown)) = failure {
            status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(message.as_str()).set_description(shown.as_str());
        }
        suite.add_test_case(named(name, class, status));
    }
    document(suite)
}

fn case(problem: &Problem, files: &[SourceFile]) -> TestCase {
    let place = Place::of(problem.span(), files);
    let name = format!("{}:{}:{} {}", place.path, place.line, place.column, problem.code);
    let mut text = concise(problem, files);
    for line in &problem.help {
        text.push('\n');
        text.push_str(line);
    }
    match problem.severity() {
        Severity::Error => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_type(problem.code.name()).set_message(problem.message.as_str()).set_description(text);
            named(&name, "rules", status)
        }
        Severity::Warning => {
            let mut case = named(&name, "rules", TestCaseStatus::success());
            case.set_system_out(text);
            case
        }
    }
}

fn named(name: &str, class: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(name, status);
    case.set_classname(class);
    case
}

fn document(suite: TestSuite) -> String {
    let mut report = Report::new("engine");
    report.add_test_suite(suite);
    report.to_string().expect("a text can be written to memory")
}
