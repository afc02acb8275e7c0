//! What operators and monitoring speak to: health, metrics, keys, holds.
