//! Signal handlers: SIGINT and SIGTERM drain, a second one ends at once, SIGHUP reopens files.

use std::ffi::c_int;
use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use nix::sys::signal::{SigSet, SigmaskHow};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;
use signal_hook::{SigId, flag};

use super::Failure;
use crate::source::Stop;

/// A run's signal handlers, installed before it begins.
pub struct SignalHandler {
    /// Set by the first SIGINT or SIGTERM, to drain; the second one ends the process at once.
    pub stop: Stop,
    /// Set by SIGHUP: files were moved away, and results continue in new ones.
    pub reopen: Arc<AtomicBool>,
    handlers: Vec<SigId>,
}

impl SignalHandler {
    /// Installs the handlers. SIGHUP from a terminal that closes still ends a run.
    pub fn install() -> Result<SignalHandler, Failure> {
        let install = || {
            let (stop, mut handlers) = stop_on(&[SIGINT, SIGTERM])?;
            // SIGUSR1 is the launcher's: any number of them only drains.
            handlers.push(flag::register(SIGUSR1, stop.0.clone())?);
            let reopen = Arc::<AtomicBool>::default();
            if reopens() {
                handlers.push(flag::register(SIGHUP, reopen.clone())?);
            }
            Ok(SignalHandler { stop, reopen, handlers })
        };
        held_back(install).map_err(failed)
    }

    /// For the launcher, which passes signals on: those from now on, and whether one has already asked for the end.
    pub fn into_signals(self) -> io::Result<(Signals, bool)> {
        let passed = [SIGINT, SIGTERM].into_iter().chain(reopens().then_some(SIGHUP));
        let signals = Signals::new(passed)?;
        self.handlers.into_iter().for_each(|handler| _ = signal_hook::low_level::unregister(handler));
        Ok((signals, self.stop.is_set()))
    }
}

/// On a terminal, SIGHUP says that the terminal has closed.
fn reopens() -> bool {
    !io::stderr().is_terminal()
}

/// The first signal drains, the second one ends the process at once.
pub fn stop_on_signals() -> Result<Stop, Failure> {
    held_back(|| stop_on(&[SIGINT, SIGTERM])).map(|(stop, _)| stop).map_err(failed)
}

fn failed(error: io::Error) -> Failure {
    Failure::Failed(format!("signals cannot be handled: {error}"))
}

/// Installs handlers while the signals of this thread wait: one that comes between a handler and what it is to do would
/// be lost, and the run would go on for ever.
fn held_back<T>(install: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let installed = install();
    before.thread_set_mask()?;
    installed
}

fn stop_on(signals: &[c_int]) -> io::Result<(Stop, Vec<SigId>)> {
    // Not the stop itself, which another process may have set before the first signal comes here.
    let (stop, signalled) = (Stop::default(), Arc::<AtomicBool>::default());
    let mut handlers = Vec::new();
    for signal in signals {
        handlers.push(flag::register_conditional_shutdown(*signal, 1, signalled.clone())?);
        handlers.push(flag::register(*signal, signalled.clone())?);
        handlers.push(flag::register(*signal, stop.0.clone())?);
    }
    Ok((stop, handlers))
}

#[cfg(test)]
mod tests {
    use signal_hook::consts::{SIGUSR2, SIGVTALRM};
    use signal_hook::low_level::raise;

    use super::*;

    /// If it did, the test's process would end here.
    #[test]
    fn a_first_signal_behind_another_process_stop_does_not_end_at_once() {
        let (stop, _) = stop_on(&[SIGUSR1]).unwrap();
        stop.now();
        raise(SIGUSR1).unwrap();
        assert!(stop.is_set());
    }

    /// If it were not held back, the test's process would end here.
    #[test]
    fn a_signal_that_comes_while_handlers_are_installed_is_handled_by_them() {
        let install = || {
            raise(SIGVTALRM)?;
            stop_on(&[SIGVTALRM])
        };
        let (stop, _) = held_back(install).unwrap();
        assert!(stop.is_set());
    }

    #[test]
    fn a_signal_drains() {
        let (stop, _) = stop_on(&[SIGUSR2]).unwrap();
        assert!(!stop.is_set());
        raise(SIGUSR2).unwrap();
        assert!(stop.is_set());
    }
}
