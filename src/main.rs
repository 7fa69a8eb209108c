//! The command `rowmill`.

use std::process::ExitCode;

fn main() -> ExitCode {
    rowmill::cli::main()
}
