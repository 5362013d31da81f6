//! The jail's helper as a program of its own, for this crate's tests; in the product
//! it is the hidden subcommand `squall __jail`.

fn main() {
    sandbox::jail::main()
}
