//! Room for what goes down by recursion.

use std::panic::resume_unwind;
use std::thread;

/// How much stack evaluations have, in bytes: the deepest values that Rhai's limits allow, a list and a map in turn 20,000 levels
/// down, are copied and dropped by recursion in a build without optimizations too. Only what is used takes memory.
pub(crate) const ROOM: usize = 64 << 20;

/// Does something where there is room for it; on the caller's own stack where not one more thread is to be had.
pub(crate) fn with_room<T: Send>(act: impl Fn() -> T + Send + Sync) -> T {
    let act = &act;
    thread::scope(|scope| match thread::Builder::new().stack_size(ROOM).spawn_scoped(scope, act) {
        Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
        Err(_) => act(),
    })
}
