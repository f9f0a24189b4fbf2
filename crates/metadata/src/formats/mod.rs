//! Whose package it is: one file per format, one line each in `all`.

pub mod aab;
pub mod apk;
pub mod app;
pub mod bundle;
pub mod certificate;
pub mod deb;
pub mod dmg;
pub mod epub;
pub mod exe;
pub mod image;
pub mod ipa;
pub mod msi;
pub mod msix;
pub mod pdf;
pub mod pkg;
pub mod profile;
pub mod rpm;
pub mod script;

use crate::registry::Registry;

/// Every format this crate reads. The order decides between equals.
pub(crate) fn all() -> Registry {
    Registry::new()
        .with(apk::Apk)
        .with(aab::Aab)
        .with(bundle::Bundle)
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
        .with(epub::Epub)
        .with(pdf::Pdf)
        .with(image::Image)
        .with(certificate::Certificate)
        .with(script::Script)
}
