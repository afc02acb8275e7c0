//! Distinct subjects per key: who has been given whose data, in every window at once.

mod key;
mod view;

pub use key::{BudgetId, Dimension, KeyId};
pub use view::{HoldView, KeyView};
