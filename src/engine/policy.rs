//! Budgets and the ledger make a verdict with its reason.
