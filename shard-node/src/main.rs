//! The command line: see `shard-node --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    shard_node::cli::main()
}
