//! The `replicate` program; all of it is in the library.

fn main() -> std::process::ExitCode {
    replicate::cli::main()
}
