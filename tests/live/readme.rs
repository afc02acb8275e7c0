//! Configurations as README has them, which tests run.

/// The block of this kind below this heading.
pub(crate) fn example(heading: &str, kind: &str) -> String {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("README");
    let (_, section) = readme.split_once(&format!("\n{heading}\n")).expect("the section");
    let (_, block) = section.split_once(&format!("```{kind}\n")).expect("the block");
    block.split_once("```").expect("its end").0.to_owned()
}

/// Replaces what must be there.
pub(crate) fn put(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "README has no `{from}`");
    text.replace(from, to)
}
