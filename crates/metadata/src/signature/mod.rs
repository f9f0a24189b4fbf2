//! Who signed a package: certificates as found, signatures not checked.
