//! What the crash laboratory and the tests of its power loss share; the laboratory itself is the program of this package.

pub mod probe;
pub mod shim;
