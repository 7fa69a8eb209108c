//! A thread beside the workers, which ends with what has started it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// A thread that ends when this is dropped, which waits for it.
pub struct BackgroundThread {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl BackgroundThread {
    /// Starts a thread that runs until `over` is true, and is unparked then.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(
        name: &str,
        over: Arc<AtomicBool>,
        run: impl FnOnce() + Send + 'static,
    ) -> io::Result<BackgroundThread> {
        let thread = Some(std::thread::Builder::new().name(name.into()).spawn(run)?);
        Ok(BackgroundThread { over, thread })
    }
}

impl Drop for BackgroundThread {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It has nothing to say: a failure of it was printed.
            let _ = thread.join();
        }
    }
}
