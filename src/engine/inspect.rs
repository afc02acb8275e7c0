//! One body: chunks in, records settled, bytes released.
