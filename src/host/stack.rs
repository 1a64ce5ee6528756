//! Room for what goes down by recursion.

use corosensei::on_stack;
use corosensei::stack::DefaultStack;

/// How much stack evaluations have, in bytes: the deepest values that Rhai's limits allow, a list and a map in turn 20,000 levels
/// down, are copied and dropped by recursion in a build without optimizations too. Only what is used takes memory.
pub(crate) const ROOM: usize = 64 << 20;

/// Does something where there is room for it; on the caller's own stack where there is no memory for another. A thread would have such a
/// stack too, but on Linux every process with a second thread pays for it from then on, with locks and a second heap: a tenth of a start.
pub(crate) fn with_room<T>(act: impl FnOnce() -> T) -> T {
    match DefaultStack::new(ROOM) {
        Ok(stack) => on_stack(stack, act),
        Err(_) => act(),
    }
}
