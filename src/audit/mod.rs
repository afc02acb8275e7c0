//! Audit events: one incident per actor with updates, as OCSF JSON lines.
