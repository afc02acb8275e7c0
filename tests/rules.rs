//! The rules that are compiled in hold their examples, bad rule files are refused with their codes, and a scan is the
//! same whole and in parts.

#[path = "rules/bounds.rs"]
mod bounds;

use std::sync::LazyLock;

use proptest::prelude::*;
use tidegate::engine::detect::{Category, Context, Finding, Layer, RuleSet, RuleSource, builtin_sources, schema};
use tidegate::engine::problem::{Problem, Severity};

fn found(set: &RuleSet, key: &str, text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    set.scan(
        text.as_bytes(),
        0..text.len(),
        Context {
            key: &set.key(key.as_bytes()),
            number: false,
            column: false,
        },
        &mut found,
    );
    let normal = |finding: &Finding| String::from_utf8_lossy(finding.normal.as_bytes()).into_owned();
    found
        .iter()
        .map(|finding| (set.class_name(finding.class).to_owned(), normal(finding)))
        .collect()
}

fn overlay(name: &str, text: &str) -> RuleSource {
    RuleSource {
        name: name.to_owned(),
        text: text.to_owned(),
        layer: Layer::Overlay,
    }
}

fn load_with(text: &str) -> Result<(RuleSet, Vec<Problem>), Vec<Problem>> {
    let mut sources = builtin_sources();
    sources.push(overlay("x.toml", text));
    RuleSet::load(&sources)
}

const STAFF: &str = "[[rule]]\nname = 'staff'\nclass = 'staff'\ncategory = 'account'\nregex = 'EMP-[0-9]{6}'\n\
    keywords = ['EMP-']\nexamples = ['EMP-000123']\n";

#[test]
fn the_rules_that_are_compiled_in_load_without_a_warning() {
    match RuleSet::load(&builtin_sources()) {
        Ok((set, warnings)) => assert_eq!((warnings, set.test_all()), (Vec::new(), Vec::new())),
        Err(problems) => panic!("{problems:#?}"),
    }
    let set = RuleSet::builtin();
    let classes: Vec<_> = set.classes().map(|(_, name, category)| (name, category)).collect();
    let expected = [
        ("email", Category::Email),
        ("phone", Category::Phone),
        ("card", Category::Account),
        ("rrn", Category::NationalId),
        ("ssn", Category::NationalId),
        ("iban", Category::Account),
        ("passport", Category::NationalId),
        ("driver-licence", Category::NationalId),
        ("business-number", Category::Weak),
        ("customs-code", Category::NationalId),
        ("itin", Category::NationalId),
        ("my-number", Category::NationalId),
        ("cn-id", Category::NationalId),
        ("tw-id", Category::NationalId),
        ("nino", Category::NationalId),
        ("nhs-number", Category::NationalId),
        ("de-taxid", Category::NationalId),
        ("nir", Category::NationalId),
        ("dni", Category::NationalId),
        ("cpf", Category::NationalId),
        ("aadhaar", Category::NationalId),
        ("pan", Category::NationalId),
        ("account", Category::Account),
        ("address", Category::Address),
        ("person", Category::Name),
        ("birth-date", Category::Weak),
        ("order-id", Category::Weak),
        ("door-code", Category::Weak),
        ("credential", Category::Credential),
    ];
    assert_eq!(classes, expected);
}

#[test]
fn the_schema_in_the_repository_is_the_schema_of_the_code() {
    let kept = include_str!("../rules/schema.json");
    assert!(
        kept == schema(),
        "rules/schema.json has drifted: `tidegate rules schema > rules/schema.json`"
    );
}

#[test]
fn every_fault_of_a_rule_file_has_its_code() {
    let rows: &[(&str, &str, &str)] = &[
        ("R001", "", "[[rule]"),
        ("R001", "name = 'staff'", "name = 7"),
        ("R002", "keywords", "keyword"),
        (
            "R003",
            "",
            "[[rule]]\nname = 'staff'\nclass = 'staff'\nbuiltin = 'email'",
        ),
        (
            "R004",
            "",
            "[[rule]]\nname = 'other'\nclass = 'other'\nbuiltin = 'e-mail'",
        ),
        ("R005", "keywords", "validator = 'lhun'\nkeywords"),
        ("R006", "{6}", "{6"),
        ("R007", "{6}", "+"),
        ("R008", "EMP-[0-9]{6}", "[0-9]*"),
        ("R009", "EMP-[0-9]{6}", "^EMP-[0-9]{6}"),
        ("R010", "keywords = ['EMP-']\n", ""),
        ("R011", "{6}", "{6}|\\pL{4}|\\w{60}"),
        ("R001", "'account'", "'acount'"),
        ("R012", "category = 'account'\n", ""),
        ("R012", "class = 'staff'", "class = 'email'"),
        ("R013", "name = 'staff'", "name = 'Staff No'"),
        ("R014", "regex = ", "builtin = 'email'\nregex = "),
        (
            "R014",
            "",
            "[[rule]]\nname = 'other'\nclass = 'email'\nbuiltin = 'email'",
        ),
        ("R015", "keywords", "weight = 1.5\nkeywords"),
        ("R016", "EMP-000123", "EMP-00012"),
        ("R017", "examples", "counter_examples = ['EMP-000123']\nexamples"),
        ("R018", "keywords = ['EMP-']", "keywords = ['E']"),
        ("R021", "keywords", "context = ['@phones']\nkeywords"),
        ("R021", "keywords", "context = ['@nothing-like-it']\nkeywords"),
    ];
    for (code, from, to) in rows {
        let text = if from.is_empty() {
            format!("{STAFF}{to}\n")
        } else {
            STAFF.replace(from, to)
        };
        let problems = load_with(&text).err().unwrap_or_else(|| panic!("{code} {to}"));
        assert!(
            problems.iter().any(|problem| problem.code == *code),
            "{code} {to}: {problems:?}"
        );
        for problem in problems {
            assert_eq!(problem.file, "x.toml", "{code} {to}");
            assert!(
                problem
                    .span
                    .is_some_and(|span| span.start <= span.end && span.end <= text.len()),
                "{code} {to}"
            );
            assert!(!problem.message.contains("EMP-0001"), "an example was quoted: {code}");
            assert!(
                problem.help.is_some_and(|help| !help.is_empty()),
                "{code} {to}: no hint"
            );
        }
    }
}

#[test]
fn what_loads_but_is_probably_not_meant_is_a_warning() {
    let rows = [
        ("R019", "EMP-[0-9]{6}", r"\bEMP-[0-9]{6}"),
        ("R020", "examples = ['EMP-000123']", ""),
    ];
    for (code, from, to) in rows {
        let Ok((_, warnings)) = load_with(&STAFF.replace(from, to)) else {
            panic!("{code}: it does not load")
        };
        let codes: Vec<_> = warnings
            .iter()
            .map(|warning| (warning.code, warning.severity))
            .collect();
        assert_eq!(codes, [(code, Severity::Warning)]);
    }
}

#[test]
fn a_rule_of_the_overlay_replaces_the_built_in_one_of_its_name() {
    let text = "[[rule]]\nname = 'email'\nclass = 'email'\nbuiltin = 'email'\ncontext = ['mail']\n\
        context_required = true\nexamples = ['mail => kim@example.com']\n";
    let (set, _) = load_with(text).unwrap_or_else(|problems| panic!("{problems:?}"));
    assert_eq!(found(&set, "note", "kim@example.com"), []);
    assert_eq!(found(&set, "mail", "kim@example.com").len(), 1);
    assert_ne!(set.hash(), RuleSet::builtin().hash());
}

#[test]
fn an_expression_runs_where_its_keyword_is_in_the_cell_or_its_key() {
    let text = STAFF.replace("EMP-[0-9]{6}", "[A-Z]{3}-[0-9]{6}");
    let (set, _) = load_with(&text).unwrap_or_else(|problems| panic!("{problems:?}"));
    let hit = |value: &str| vec![("staff".to_owned(), value.to_owned())];
    assert_eq!(
        found(&set, "", "see EMP-000123 and EMP-000124"),
        [hit("emp000123"), hit("emp000124")].concat()
    );
    assert_eq!(found(&set, "emp-no", "ABC-000123"), hit("abc000123"));
    assert_eq!(found(&set, "", "ABC-000123"), []);
}

#[test]
fn of_overlapping_findings_one_wins() {
    let set = RuleSet::builtin();
    let rows: &[(&str, &[(&str, &str)])] = &[
        ("010-0000-1234@example.com", &[("email", "010-0000-1234@example.com")]),
        (
            "ssn 900101-1234568 tel 010-0000-1234",
            &[("rrn", "9001011234568"), ("phone", "+821000001234")],
        ),
        ("tel 4111111111111111", &[("card", "4111111111111111")]),
    ];
    for (text, expected) in rows {
        let found = found(&set, "", text);
        let found: Vec<_> = found
            .iter()
            .map(|(class, normal)| (class.as_str(), normal.as_str()))
            .collect();
        assert_eq!(found, *expected, "{text}");
    }
}

/// Values of everyday bodies that look a little like identifiers and are none.
const BENIGN: &[&str] = &[
    "1700000000",
    "1700000000000",
    "1700000000000000",
    "1700000000.123456",
    "2024-01-02",
    "2024-01-02T03:04:05Z",
    "2024-01-02T03:04:05.678+09:00",
    "20240102030405",
    "02/03/2024",
    "03:04:05.678",
    "2024년 1월 2일 3시 4분",
    "Tue, 02 Jan 2024 03:04:05 GMT",
    "550e8400-e29b-41d4-a716-446655440000",
    "12345678-1234-5678-1234-567812345678",
    "d41d8cd98f00b204e9800998ecf8427e",
    "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "1.2.3",
    "10.15.7",
    "v2.11.0-rc.1",
    "1.0.0+build.20240102",
    "19,900원",
    "₩1,234,567",
    "$1,234.56",
    "€ 1.234.567,89",
    "1234567.89",
    "0.30000000000000004",
    "37.566535",
    "126.9779692",
    "37.566535,126.9779692",
    "-122.4194155",
    "192.168.0.1",
    "10.0.0.255:8080",
    "2001:db8:85a3::8a2e:370:7334",
    "00:1a:2b:3c:4d:5e",
    "#1e90ff",
    "rgba(30, 144, 255, 0.5)",
    "1920x1080",
    "16:9",
    "IMG_20240102_030405.jpg",
    "report-2024-01-02-123456.pdf",
    "icon@2x.png",
    "sprite@3x.webp",
    "main.4f3a2b1c.chunk.js",
    "jquery-3.7.1.min.js",
    "lodash@4.17.21",
    "@types/node@20.10.5",
    "git@github.com:org/repo.git",
    "user@localhost",
    "@media screen and (max-width: 640px)",
    "978-3-16-148410-0",
    "9783161484100",
    "8801234567893",
    "490154203237518",
    "1Z999AA10123456784",
    "SKU-000123-45-6789",
    "ORD-20240102-000123",
    "order 20240102000123",
    "page 3 of 120",
    "3 items left in stock",
    "5 stars",
    "12 months",
    "1 way to go, 2 ways to stay",
    "100% cotton",
    "size 270mm",
    "A4 80g/m2",
    "4.5 (1,234 reviews)",
    "W3siaWQiOjEyMzQ1Njc4OTB9XQ==",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc",
    "bytes=0-1048575",
    "ETag: W/\"65943a2b-1f40\"",
    "AS4766",
    "UTC+09:00",
    "+0900",
    "101동 1203호",
    "사과 바로 3개",
    "제3조 2항",
    "0x7fffffffffffffff",
    "9223372036854775807",
    "18446744073709551615",
    "1234567890123456789",
    "123456789",
    "2125550123",
    "01000001234",
    "0000-0000-0000-0000",
    "4111111111111112",
    "1588-0000",
    "119",
    "911",
];

#[test]
fn everyday_values_are_no_identifiers() {
    let set = RuleSet::builtin();
    assert!(BENIGN.len() >= 60);
    for text in BENIGN {
        for key in ["", "id", "created_at", "value"] {
            assert_eq!(found(&set, key, text), [], "{key}: {text}");
        }
    }
}

/// Findings of two scans, comparable.
fn comparable(found: &[Finding]) -> Vec<(u64, u64, u16, Vec<u8>)> {
    let row = |finding: &Finding| {
        (
            finding.span.start,
            finding.span.end,
            finding.rule.0,
            finding.normal.as_bytes().to_vec(),
        )
    };
    found.iter().map(row).collect()
}

fn scan(set: &RuleSet, text: &[u8], within: std::ops::Range<usize>, key: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    set.scan(
        text,
        within,
        Context {
            key: &set.key(key.as_bytes()),
            number: false,
            column: false,
        },
        &mut found,
    );
    found
}

/// Text in which identifiers stand close together.
fn crowded() -> impl Strategy<Value = String> {
    let parts = [
        "kim@example.com",
        "010-0000-1234",
        "+82 10-0000-1234",
        "(212) 555-0123",
        "212-555-0123",
        "4111 1111 1111 1111",
        "900101-1234568",
        "123-45-6789",
        "GB82 WEST 1234 5698 7654 32",
        "서울 강남구 테헤란로 152",
        "12 Main St, Austin, TX 78701",
        "tel 2125550123",
        "입니다",
        " ",
        ", ",
        "-",
        ".",
        "7",
        "@",
        "a",
        "(",
        "1700000000000",
    ];
    prop::collection::vec(prop::sample::select(parts.to_vec()), 0..40).prop_map(|parts| parts.concat())
}

/// Loaded once: loading runs every example.
static BUILTIN: LazyLock<RuleSet> = LazyLock::new(RuleSet::builtin);

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn no_bytes_make_a_scan_panic(
        text in prop::collection::vec(any::<u8>(), 0..600),
        key in "[a-z]{0,8}",
        start in 0usize..700,
        end in 0usize..700,
    ) {
        let set = &*BUILTIN;
        for finding in scan(set, &text, start..end, &key) {
            prop_assert!((start as u64..end as u64).contains(&finding.span.start));
            prop_assert!(finding.span.start < finding.span.end && finding.span.end <= text.len() as u64);
        }
    }

    #[test]
    fn soups_of_digits_and_marks_make_no_scan_panic(text in "[0-9+() .@a-z동로길-]{0,400}") {
        let set = &*BUILTIN;
        let found = scan(set, text.as_bytes(), 0..text.len(), "phone");
        prop_assert!(found.windows(2).all(|pair| pair[0].span.end <= pair[1].span.start));
    }

    #[test]
    fn two_halves_find_what_the_whole_finds(text in crowded(), cut in any::<prop::sample::Index>()) {
        let set = &*BUILTIN;
        let text = text.as_bytes();
        let cut = cut.index(text.len() + 1);
        let whole = scan(set, text, 0..text.len(), "phone");
        let mut halves = scan(set, text, 0..cut, "phone");
        halves.extend(scan(set, text, cut..text.len(), "phone"));
        prop_assert_eq!(comparable(&whole), comparable(&halves));
    }
}
