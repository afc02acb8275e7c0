//! Replays every input that the fuzz targets start from and every one that they found, on the stable toolchain.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::excessive_nesting,
    reason = "a broken promise is to stop the search, with its place"
)]

mod checks;

use std::fs;
use std::path::PathBuf;

#[test]
fn every_kept_input_passes_its_check() {
    for (name, check) in checks::CHECKS {
        let mut inputs = 0;
        for folder in ["corpus", "regressions"] {
            let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "fuzz", folder, name].iter().collect();
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.expect("a readable folder").path();
                let input = fs::read(&path).expect("a readable input");
                if let Err(panic) = std::panic::catch_unwind(|| check(&input)) {
                    println!("the input was {}", path.display());
                    std::panic::resume_unwind(panic);
                }
                inputs += 1;
            }
        }
        assert!(inputs >= 3, "{name} has {inputs} inputs");
    }
}

#[test]
fn every_target_has_its_check() {
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "fuzz", "fuzz_targets"].iter().collect();
    let entries = fs::read_dir(folder).expect("the targets");
    let mut targets: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("a readable folder")
                .path()
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    let mut checks: Vec<&str> = checks::CHECKS.iter().map(|(name, _)| *name).collect();
    targets.sort_unstable();
    checks.sort_unstable();
    assert_eq!(targets, checks);
    for (name, check) in checks::CHECKS {
        for length in 0..6 {
            assert!(
                std::panic::catch_unwind(|| check(&vec![0; length])).is_ok(),
                "{name}: {length} bytes"
            );
        }
    }
}
