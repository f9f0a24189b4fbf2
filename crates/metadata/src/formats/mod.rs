//! Whose package it is: one file per format, one line each in `all`.

pub mod apk;
pub mod ipa;
pub mod msix;
pub mod profile;

use crate::registry::Registry;

/// Every format this crate reads. The order decides between equals.
pub(crate) fn all() -> Registry {
    Registry::new().with(apk::Apk).with(ipa::Ipa).with(profile::ProvisioningProfile).with(msix::Msix)
}
