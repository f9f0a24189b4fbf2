//! The stack of an ordinary thread, so that deep recursion would show.

use libtest_mimic::Failed;

pub(crate) fn on_ordinary_stack<T: Send + 'static>(
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failed> {
    const STACK: usize = 2 << 20;
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(run)?;
    thread.join().map_err(|_| "panicked".into())
}
