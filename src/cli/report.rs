//! Problems of files that people wrote, rendered with file, line and column: as text or as JSON lines.

use std::io::{self, Write};

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::engine::problem::{Problem, Severity};

/// How problems are rendered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people: the line, and what is wrong with it.
    #[default]
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// Renders `problems`; `text_of` gives the text of a file that a problem names.
///
/// # Errors
/// Those of `out`.
pub fn render<'a>(
    problems: &[Problem],
    text_of: impl Fn(&str) -> Option<&'a str>,
    format: Format,
    out: &mut dyn Write,
) -> io::Result<()> {
    for problem in problems {
        let source = text_of(&problem.file);
        match format {
            Format::Text => writeln!(out, "{}\n", text(problem, source))?,
            Format::Json => writeln!(out, "{}", json(problem, source))?,
        }
    }
    Ok(())
}

/// The last line of a report: how many errors and warnings there are.
pub fn summary(problems: &[Problem]) -> String {
    let errors = problems
        .iter()
        .filter(|problem| problem.severity == Severity::Error)
        .count();
    format!(
        "{}, {}",
        counted(errors as u64, "error", "errors"),
        counted((problems.len() - errors) as u64, "warning", "warnings")
    )
}

/// A number with the word for one or for several.
pub fn counted(count: u64, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

/// A number with a comma for each three digits.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join(",")
}

fn text(problem: &Problem, source: Option<&str>) -> String {
    let level = match problem.severity {
        Severity::Warning => Level::WARNING,
        Severity::Error => Level::ERROR,
    };
    let title = Group::with_title(level.primary_title(&problem.message).id(problem.code));
    let place = problem
        .span
        .clone()
        .zip(source)
        .filter(|(span, source)| source.get(span.clone()).is_some());
    let mut group = match place {
        Some((span, source)) => {
            let annotation = AnnotationKind::Primary.span(span);
            title.element(Snippet::source(source).path(&problem.file).annotation(annotation))
        }
        None => title.element(Origin::path(&problem.file)),
    };
    if let Some(help) = &problem.help {
        group = group.element(Level::HELP.message(help));
    }
    Renderer::plain().render(&[group])
}

fn json(problem: &Problem, source: Option<&str>) -> serde_json::Value {
    let place = source.and_then(|source| problem.place(source));
    serde_json::json!({
        "code": problem.code,
        "severity": match problem.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        },
        "file": problem.file,
        "line": place.map(|(line, _)| line),
        "column": place.map(|(_, column)| column),
        "start": problem.span.as_ref().map(|span| span.start),
        "end": problem.span.as_ref().map(|span| span.end),
        "message": problem.message,
        "help": problem.help,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "a = 1\n이름 = 2\n";

    fn rendered(span: Option<std::ops::Range<usize>>, format: Format) -> String {
        let problem = Problem {
            code: "R002",
            severity: Severity::Error,
            file: "x.toml".to_owned(),
            span,
            message: "unknown field `b`".to_owned(),
            help: Some("did you mean `a`?".to_owned()),
        };
        let mut out = Vec::new();
        render(
            &[problem],
            |file| (file == "x.toml").then_some(SOURCE),
            format,
            &mut out,
        )
        .expect("memory takes it");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn text_points_at_the_place() {
        let text = rendered(Some(15..16), Format::Text);
        for part in [
            "error[R002]: unknown field `b`",
            "x.toml:2:6",
            "help: did you mean `a`?",
            "^",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }

    #[test]
    fn places_that_do_not_exist_are_left_out() {
        for span in [None, Some(900..901), Some(7..8)] {
            assert!(rendered(span, Format::Text).contains("x.toml"));
        }
    }

    #[test]
    fn json_has_line_and_column() {
        let value: serde_json::Value = serde_json::from_str(&rendered(Some(15..16), Format::Json)).expect("JSON");
        assert_eq!(
            (&value["line"], &value["column"], &value["code"]),
            (&2.into(), &6.into(), &"R002".into())
        );
    }

    #[test]
    fn numbers_are_grouped() {
        let numbers = [0, 999, 1_000, 33_673_817].map(grouped);
        assert_eq!(numbers, ["0", "999", "1,000", "33,673,817"]);
    }

    #[test]
    fn summaries() {
        assert_eq!(summary(&[]), "0 errors, 0 warnings");
    }
}
