//! TLS on both legs and the development authority.
