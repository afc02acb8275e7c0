//! The machine code of the loop that classifies bytes: a compiler may turn the work on its masks into inserts of single
//! elements into vectors, at a quarter of the speed and with the same answers.

use std::path::Path;
use std::process::Command;

use super::Fault;

/// The functions of the loop, and an instruction that each has if it is what it is meant to be.
const LOOPS: [(&str, &str); 2] = [("classify_avx2", "vpmovmskb"), ("classify_avx512", "vptestmb")];
/// Inserts of single elements.
const INSERTS: [&str; 4] = ["pinsrb", "pinsrw", "pinsrd", "pinsrq"];

/// Looks for inserts in the loop of `program`; fails if there are some, or if the loop is not found.
pub(crate) fn check(program: &Path) -> Result<(), Fault> {
    if !cfg!(target_arch = "x86_64") {
        println!("assembly: NOT CHECKED: the loop with vector instructions is one of x86-64");
        return Ok(());
    }
    let symbols = run(Command::new("nm").arg("--defined-only").arg(program))?;
    for (function, sign) in LOOPS {
        // Mangled, a name is followed by a hash or by nothing that a name may have.
        let is_it = |symbol: &&str| symbol.contains(&format!("simd{}{function}", function.len()));
        let names = symbols.lines().filter_map(|line| line.split_whitespace().last());
        let Some(symbol) = names.into_iter().find(is_it) else {
            return Err(format!(
                "{} has no function `{function}`: is the loop elsewhere?",
                program.display()
            )
            .into());
        };
        let code = run(Command::new("objdump")
            .arg("--no-show-raw-insn")
            .arg(format!("--disassemble={symbol}"))
            .arg(program))?;
        if !code.contains(sign) {
            return Err(format!("`{function}` has no `{sign}`: it is not the loop").into());
        }
        if let Some(insert) = INSERTS.iter().find(|insert| code.contains(**insert)) {
            return Err(format!("`{function}` inserts single elements: `{insert}`").into());
        }
        println!("assembly: `{function}` inserts no single elements");
    }
    Ok(())
}

fn run(command: &mut Command) -> Result<String, Fault> {
    let program = command.get_program().to_owned();
    let output = command
        .output()
        .map_err(|error| format!("{}: {error}; apt-get install binutils", program.display()))?;
    if !output.status.success() {
        return Err(format!("{}: {}", program.display(), String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
