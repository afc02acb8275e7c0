//! Wiring: from a configuration to a running gateway, and down again.
