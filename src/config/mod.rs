//! The configuration file: assembles the settings that each module declares, and compiles them into a set.

mod adapt;
mod chain;
mod compile;
mod door;
mod forward;
mod idle;
mod syntax;

pub use compile::{Compiled, Environment, compile, policy};
pub use door::OpenDoor;
pub use syntax::{
    BodySettings, ClientsSyntax, ConfigSyntax, ListenSyntax, RouteSyntax, RulesSettings, StateSettings, TlsSyntax,
};

use crate::engine::detect::{read_toml, toml_problem};
use crate::engine::problem::Problem;

/// A configuration file is at most so large.
pub const CONFIG_BYTES_MAX: u64 = 4 << 20;

/// Reads the text of a configuration file named `file`.
///
/// # Errors
/// The problems of the file: what is no TOML, and what no setting is called.
pub fn read(file: &str, text: &str) -> Result<ConfigSyntax, Vec<Problem>> {
    read_toml(file, text, "C001", "C002")
}

/// Puts `TIDEGATE__SECTION__KEY=value` variables over the text of a file. Values are read as TOML, else as text.
///
/// # Errors
/// The problems of the file, or the name of a variable that leads through something that is no table.
pub fn overlay(file: &str, text: &str, variables: &[(String, String)]) -> Result<String, Vec<Problem>> {
    if variables.is_empty() {
        return Ok(text.to_owned());
    }
    let mut table: toml::Table =
        toml::from_str(text).map_err(|error| vec![toml_problem(file, &error, "C001", "C002")])?;
    for (name, value) in variables {
        let mut path: Vec<String> = name.split("__").map(str::to_ascii_lowercase).collect();
        let Some(last) = path.pop() else { continue };
        let mut place = &mut table;
        for part in path {
            let next = place
                .entry(part)
                .or_insert_with(|| toml::Value::Table(toml::Table::new()));
            place = next.as_table_mut().ok_or_else(|| vec![not_a_table(file, name)])?;
        }
        let parsed: Option<toml::Table> = toml::from_str(&format!("x = {value}")).ok();
        let value = parsed
            .and_then(|mut table| table.remove("x"))
            .unwrap_or_else(|| toml::Value::String(value.clone()));
        place.insert(last, value);
    }
    toml::to_string(&table).map_err(|_| vec![not_a_table(file, "TIDEGATE__")])
}

fn not_a_table(file: &str, variable: &str) -> Problem {
    Problem {
        code: "C003",
        severity: crate::engine::problem::Severity::Error,
        file: file.to_owned(),
        span: None,
        message: format!("the variable `TIDEGATE__{variable}` leads through something that is no section"),
        help: None,
    }
}
