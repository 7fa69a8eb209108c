//! What becomes of a process of several when another one is gone.

use std::sync::Once;

/// Ends this process when the connection to another one is lost. timely's threads of the connections panic then, and its
/// workers would wait for ever: it is said, and no trace is shown. A worker that panics ends its process, too: the others
/// would wait for it.
pub fn end_with_them() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let thread = std::thread::current();
            let name = thread.name().unwrap_or_default();
            if ["timely:send-", "timely:recv-"].iter().any(|of_connection| name.starts_with(of_connection)) {
                eprintln!("rowmill: the connection to another process is lost; this one ends too");
                std::process::exit(1);
            }
            usual(info);
            if name.starts_with("timely:work") {
                std::process::exit(1);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    fn visit(directory: &Path, look: &mut dyn FnMut(&Path, &str)) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path, look);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                look(&path, &std::fs::read_to_string(&path).unwrap());
            }
        }
    }

    #[test]
    fn only_the_command_line_ends_the_process() {
        let (src, mut found) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), Vec::new());
        visit(&src, &mut |path, text| {
            if text.contains("process::exit") {
                found.push(path.strip_prefix(&src).unwrap().to_owned());
            }
        });
        assert!(!found.is_empty() && found.iter().all(|path| path.starts_with("cli")), "{found:?}");
    }
}
