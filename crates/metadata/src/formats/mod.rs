//! Whose package it is: one file per format, one line each in `all`.

pub mod apk;
pub mod app;
pub mod deb;
pub mod dmg;
pub mod exe;
pub mod ipa;
pub mod msi;
pub mod msix;
pub mod pkg;
pub mod profile;
pub mod rpm;

use crate::registry::Registry;

/// Every format this crate reads. The order decides between equals.
pub(crate) fn all() -> Registry {
    Registry::new()
        .with(apk::Apk)
        .with(ipa::Ipa)
        .with(app::App)
        .with(deb::Deb)
        .with(rpm::Rpm)
        .with(dmg::Dmg)
        .with(pkg::Pkg)
        .with(profile::ProvisioningProfile)
        .with(msix::Msix)
        .with(msi::Msi)
        .with(exe::Exe)
}
