//! `tidegate rules`: reads rule files, runs their examples, prints their schema.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::report::{Format, render, summary};
use super::text_file::{named, read_at_most};
use crate::engine::detect::{Layer, RULE_FILE_BYTES_MAX, RuleSet, RuleSource, builtin_sources, schema};
use crate::engine::problem::Problem;

/// Rule files in one directory: a directory given by mistake must not be read whole.
const RULE_FILES_MAX: usize = 256;
/// Entries of that directory that are looked at.
const ENTRIES_MAX: usize = 4096;
/// Bytes of all rule files together.
const RULES_BYTES_MAX: usize = 16 << 20;

/// The rule files that are compiled in and, as the layer above, the `*.toml` of `dir` in the order of their names.
/// Names with a leading dot are left out (Kubernetes keeps its own there).
///
/// # Errors
/// When `dir` or a file cannot be read, is not UTF-8, or is larger than its bound; the message names the file.
pub fn read_sources(dir: Option<&Path>) -> io::Result<Vec<RuleSource>> {
    let mut sources = builtin_sources();
    let Some(dir) = dir else {
        return Ok(sources);
    };
    let paths = rule_files(dir)?;
    let mut total = 0;
    for path in paths {
        let text = read_at_most(&path, RULE_FILE_BYTES_MAX as u64)?;
        total += text.len();
        if total > RULES_BYTES_MAX {
            return Err(refused(
                dir,
                &format!("holds more than {RULES_BYTES_MAX} bytes of rules"),
            ));
        }
        sources.push(RuleSource {
            name: path.display().to_string(),
            text,
            layer: Layer::Overlay,
        });
    }
    Ok(sources)
}

/// The `*.toml` of `dir` in the order of their names, without those with a leading dot.
///
/// # Errors
/// When `dir` cannot be read, or holds more than its bound.
pub fn rule_files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for (count, entry) in fs::read_dir(dir)
        .map_err(|error| named(dir.display(), &error))?
        .enumerate()
    {
        let path = entry.map_err(|error| named(dir.display(), &error))?.path();
        let hidden = path
            .file_name()
            .and_then(OsStr::to_str)
            .is_none_or(|name| name.starts_with('.'));
        if !hidden && path.extension() == Some(OsStr::new("toml")) {
            paths.push(path);
        }
        if count >= ENTRIES_MAX || paths.len() > RULE_FILES_MAX {
            return Err(refused(dir, &format!("holds more than {RULE_FILES_MAX} rule files")));
        }
    }
    paths.sort();
    Ok(paths)
}

/// `rules test`: loads the rules with `dir` above them, which runs every example, and reports. `true` if they hold.
///
/// # Errors
/// Those of reading, and those of `out`.
pub fn test(dir: Option<&Path>, format: Format, out: &mut dyn Write) -> io::Result<bool> {
    let sources = read_sources(dir)?;
    let (problems, counts) = match RuleSet::load(&sources) {
        Ok((set, warnings)) => (warnings, Some((set.rules().count(), set.classes().count()))),
        Err(problems) => (problems, None),
    };
    report(&problems, &sources, format, out)?;
    if format == Format::Text {
        let held = counts.map_or_else(String::new, |(rules, classes)| {
            format!("{rules} rules of {classes} classes hold their examples: ")
        });
        writeln!(out, "{held}{}", summary(&problems))?;
    }
    Ok(counts.is_some())
}

/// Renders problems of rule files.
///
/// # Errors
/// Those of `out`.
pub fn report(problems: &[Problem], sources: &[RuleSource], format: Format, out: &mut dyn Write) -> io::Result<()> {
    let text_of = |file: &str| {
        sources
            .iter()
            .find(|source| source.name == file)
            .map(|source| source.text.as_str())
    };
    render(problems, text_of, format, out)
}

/// `rules schema`: prints the JSON Schema of rule files.
///
/// # Errors
/// Those of `out`.
pub fn print_schema(out: &mut dyn Write) -> io::Result<()> {
    out.write_all(schema().as_bytes())
}

fn refused(path: &Path, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{} {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str = "[[rule]]\nname = 'staff'\nclass = 'staff'\ncategory = 'account'\n\
        regex = '(?-u:\\b)EMP-[0-9]{6}(?-u:\\b)'\nkeywords = ['EMP-']\n\
        examples = ['EMP-000123']\ncounter_examples = ['EMP-12']\n";

    #[test]
    fn an_overlay_is_read_in_order_and_only_its_rule_files() {
        let dir = tempfile::tempdir().expect("a directory");
        for (name, text) in [
            ("b.toml", ""),
            ("a.toml", RULE),
            (".hidden.toml", "x"),
            ("notes.txt", "x"),
        ] {
            fs::write(dir.path().join(name), text).expect("a file");
        }
        let sources = read_sources(Some(dir.path())).expect("it is read");
        let overlay: Vec<_> = sources.iter().filter(|source| source.layer == Layer::Overlay).collect();
        assert_eq!(overlay.len(), 2);
        assert!(overlay[0].name.ends_with("a.toml") && overlay[1].name.ends_with("b.toml"));
        let mut out = Vec::new();
        assert!(test(Some(dir.path()), Format::Text, &mut out).expect("it runs"));
        assert!(String::from_utf8_lossy(&out).contains("hold their examples"));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let dir = tempfile::tempdir().expect("a directory");
        assert!(read_sources(Some(&dir.path().join("none"))).is_err_and(|error| error.to_string().contains("none")));
        fs::write(dir.path().join("big.toml"), " ".repeat(RULE_FILE_BYTES_MAX + 1)).expect("a file");
        assert!(read_sources(Some(dir.path())).is_err_and(|error| error.to_string().contains("big.toml")));
        fs::write(dir.path().join("big.toml"), [0xff]).expect("a file");
        assert!(read_sources(Some(dir.path())).is_err_and(|error| error.to_string().contains("big.toml")));
    }

    #[test]
    fn a_broken_overlay_is_reported_with_its_place() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(
            dir.path().join("x.toml"),
            RULE.replace("weight", "").replace("keywords", "keyword"),
        )
        .expect("a file");
        let mut out = Vec::new();
        assert!(!test(Some(dir.path()), Format::Text, &mut out).expect("it runs"));
        let text = String::from_utf8_lossy(&out);
        assert!(
            text.contains("R002") && text.contains("x.toml:6:1") && text.contains("`keywords`"),
            "{text}"
        );
    }
}
