//! The `tidegate` command: maps a result to an exit code and nothing else.

fn main() {}
