//! R inside an instance: this program loads the machine's R and serves functions
//! that are written in it.
