//! The program with the tools that vmrun hands over to: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    vmrun::tools()
}
