//! Rules of which there are too many, or that would take too long to compile, are refused before they cost anything.

use std::collections::BTreeMap;
use std::time::Instant;

use tidegate::engine::problem::Problem;

use super::{STAFF, load_with};

#[test]
fn too_many_rules_are_refused() {
    let many: String = (0..600)
        .map(|number| STAFF.replace("name = 'staff'", &format!("name = 'staff-{number}'")))
        .collect();
    let problems = load_with(&many).err().expect("600 rules are too many");
    assert!(problems.iter().any(|problem| problem.code == "R018"));
}

/// How often each code is told.
fn codes(problems: &[Problem]) -> BTreeMap<&str, usize> {
    let mut codes = BTreeMap::new();
    for problem in problems {
        *codes.entry(problem.code).or_default() += 1;
    }
    codes
}

/// Repeats in repeats cost nothing: they are refused for their length, or for what they compile to, before they are run.
#[test]
#[expect(clippy::disallowed_methods, reason = "it asks how long a refusal takes")]
fn catastrophic_expressions_are_refused_at_once() {
    let started = Instant::now();
    for (code, expression) in [
        ("R007", "((a{1,200}){1,200})"),
        ("R007", "(((((a{1,10}){1,10}){1,10}){1,10}){1,10}){1,10}"),
        ("R007", "(x+x+)+y"),
        ("R008", "((((?:a|){100}){100}){0,1})"),
        ("R011", r"(\w{4}){1,15}"),
        ("R011", r"(((\pL|\pN){1,2}){1,4}){1,8}"),
        ("R006", &"(".repeat(400)),
    ] {
        let text = STAFF.replace("EMP-[0-9]{6}", expression);
        let problems = load_with(&text).err().unwrap_or_else(|| panic!("{expression}"));
        assert!(codes(&problems).contains_key(code), "{expression}: {problems:?}");
    }
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

#[test]
fn a_set_that_would_take_long_to_compile_is_refused_before_it_is_compiled() {
    let rules = |count: usize, regex: &str| -> String {
        let numbered = |number| {
            STAFF
                .replace("name = 'staff'", &format!("name = 'staff-{number}'"))
                .replace("EMP-[0-9]{6}", regex)
        };
        (0..count).map(numbered).collect()
    };
    // Each is within its own bound; an unbounded set of them would take half a gigabyte.
    let problems = load_with(&rules(60, r"\w{16}")).err().expect("60 MiB are too many");
    assert!(
        problems.iter().all(|problem| problem.code == "R011"),
        "{:?}",
        codes(&problems)
    );
    assert!(problems.iter().any(|problem| problem.message.contains("together")));
    // Those that are refused for their own size use the room up as well.
    let problems = load_with(&rules(60, r"\w{60}")).err().expect("each is too large");
    let together = problems.iter().filter(|problem| problem.message.contains("together"));
    assert!(together.count() >= 25, "{:?}", codes(&problems));
    // A file of thousands of rules ends at the bound, whatever else is wrong with them.
    let problems = load_with(&rules(5_000, "EMP-[0-9")).err().expect("5000 are too many");
    assert_eq!(codes(&problems), BTreeMap::from([("R006", 512), ("R018", 1)]));
    let words: Vec<String> = (0..256).map(|word| format!("'word{word}'")).collect();
    let list = |list| format!("l{list} = [{}]\n", words.join(","));
    let lists: Vec<String> = (0..20).map(list).collect();
    let lists = lists.concat();
    let names: Vec<String> = (0..20).map(|list| format!("'@l{list}'")).collect();
    let greedy = rules(60, "EMP-[0-9]{6}").replace("keywords", &format!("context = [{}]\nkeywords", names.join(",")));
    let problems = load_with(&format!("{greedy}[words]\n{lists}"))
        .err()
        .expect("300000 words");
    assert_eq!(codes(&problems), BTreeMap::from([("R018", 1)]));
}
