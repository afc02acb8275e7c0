//! Masks that keep the length of what they cover.
