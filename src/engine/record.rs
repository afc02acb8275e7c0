//! From identifiers to records to subjects.
