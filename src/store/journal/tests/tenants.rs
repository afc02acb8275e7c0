//! Whose data a journal names.

use super::super::append::Appender;
use super::super::entry::Verdict;
use super::super::frame::JournalError;
use super::super::seal::Signer;
use super::super::settings::Settings;
use super::super::writer::key_id;
use super::{BEGIN, Bench, secret};

#[test]
fn another_tenants_journal_is_refused_and_is_verified_as_any() {
    let bench = Bench::new();
    let start = |tenants: &[&str]| {
        let tenants: Vec<String> = tenants.iter().map(|tenant| (*tenant).to_owned()).collect();
        let signer = Signer::open(bench.dir.path()).unwrap();
        Appender::start(
            &bench.journal(),
            &Settings::default(),
            signer,
            (key_id(&secret()), &tenants),
        )
    };
    let write = |mut appender: Appender, person: u64| {
        appender.add(&bench.page(1, BEGIN, &[(person, Verdict::Granted)]));
        appender.finish(BEGIN + 5);
    };
    write(start(&["default"]).unwrap(), 1);
    let refused = start(&["acme"]).err().unwrap();
    assert!(
        matches!(&refused, JournalError::OtherTenant(_, tenant) if tenant == "default"),
        "{refused}"
    );
    write(start(&["default", "acme"]).unwrap(), 2);
    let refused = start(&["default"]).err().unwrap().to_string();
    assert!(refused.contains(".segment") && refused.contains("`acme`"), "{refused}");
    write(start(&["acme", "default", "other"]).unwrap(), 3);
    assert_eq!(bench.subjects(), [1, 2, 3]);
    assert_eq!(bench.verified().faults, []);
}
