//! Content codings: coded bytes in, decoded bytes and checkpoints out.
