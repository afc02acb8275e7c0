//! The structure of a body: where cells, rows and objects begin and end.
