//! Which statuses the documents name for each operation, and the golden file that shows each.
//!
//! The 14 operations of the document that this dialect is made after come first; the others have the statuses of
//! WSO2's own definition of the API. What is shown beyond either (401, 409, 500, …) stands with them.

use std::collections::BTreeSet;

use super::{CASES, support};

const PUBLISHER: &str = super::PUBLISHER;
const STORE: &str = "/api/appm/store/v1.1";

type Operation = (&'static str, &'static str, &'static str, &'static [(u16, &'static str)]);

/// API, method, path where `*` is any one part, statuses and files.
#[rustfmt::skip]
const DOCUMENTED: &[Operation] = &[
    // The document.
    (PUBLISHER, "DELETE", "/administration/xacmlpolicies/*", &[(200, "policies"), (403, "policies"), (404, "policies"), (412, "policies")]),
    (PUBLISHER, "POST", "/apps/*/change-lifecycle", &[(202, "lifecycle"), (400, "lifecycle"), (403, "lifecycle"), (404, "lifecycle"), (412, "conditions")]),
    (PUBLISHER, "GET", "/apps/*", &[(200, "apps"), (304, "conditions"), (400, "apps_refused"), (401, "failures"), (403, "forbidden"), (404, "unknown"), (406, "apps_refused"), (429, "failures"), (500, "failures"), (503, "failures")]),
    (PUBLISHER, "POST", "/apps/*/id/*/create-new-version", &[(201, "versions"), (400, "apps_refused"), (404, "versions"), (409, "versions"), (415, "apps_refused")]),
    (PUBLISHER, "DELETE", "/apps/*/id/*", &[(200, "apps"), (403, "unconditional"), (404, "apps_refused"), (412, "conditions")]),
    (PUBLISHER, "DELETE", "/apps/*/id/*/docs/*", &[(200, "documents"), (403, "unconditional"), (404, "documents"), (412, "documents")]),
    (PUBLISHER, "GET", "/apps/*/id/*", &[(200, "apps"), (304, "conditions"), (400, "invalid"), (403, "forbidden"), (404, "apps"), (412, "conditions")]),
    (PUBLISHER, "PUT", "/apps/*/id/*", &[(200, "apps"), (400, "apps_refused"), (403, "unconditional"), (404, "apps_refused"), (412, "conditions"), (415, "apps_refused")]),
    (PUBLISHER, "GET", "/apps/*/id/*/subscriptions", &[(200, "apps"), (400, "invalid"), (403, "forbidden"), (404, "unknown")]),
    (PUBLISHER, "POST", "/apps/*", &[(201, "apps"), (400, "web_apps"), (403, "failures"), (409, "web_apps"), (415, "apps_refused")]),
    (PUBLISHER, "GET", "/apps/mobile/getplist/tenant/*/file/*", &[(200, "binaries"), (400, "binaries"), (403, "forbidden"), (404, "binaries"), (406, "binaries")]),
    (PUBLISHER, "GET", "/apps/static-contents/*", &[(200, "binaries"), (400, "binaries"), (404, "binaries"), (412, "binaries")]),
    (PUBLISHER, "POST", "/apps/static-contents", &[(200, "apps"), (400, "binaries"), (404, "unknown"), (412, "conditions_of_parts")]),
    (PUBLISHER, "GET", "/xacmlpolicies/*/apps/*", &[(200, "policies"), (400, "policies"), (403, "forbidden"), (404, "policies")]),
    // The rest of the publisher.
    (PUBLISHER, "GET", "/apps/*/id/*/tags", &[(200, "apps"), (400, "invalid"), (403, "forbidden"), (404, "unknown")]),
    (PUBLISHER, "PUT", "/apps/*/id/*/tags", &[(200, "apps"), (400, "invalid"), (403, "unconditional"), (404, "unknown"), (412, "conditions_of_parts")]),
    (PUBLISHER, "DELETE", "/apps/*/id/*/tags", &[(200, "apps"), (403, "unconditional"), (404, "unknown"), (412, "conditions_of_parts")]),
    (PUBLISHER, "GET", "/apps/*/tags", &[(200, "apps"), (400, "invalid"), (403, "forbidden"), (404, "apps")]),
    (PUBLISHER, "GET", "/apps/*/id/*/lifecycle", &[(200, "lifecycle"), (400, "invalid"), (403, "forbidden"), (404, "unknown")]),
    (PUBLISHER, "GET", "/apps/*/id/*/lifecycle-history", &[(200, "lifecycle"), (400, "invalid"), (403, "forbidden"), (404, "unknown")]),
    (PUBLISHER, "GET", "/apps/*/throttlingtiers", &[(200, "administration"), (400, "administration"), (403, "forbidden"), (404, "unknown")]),
    (PUBLISHER, "GET", "/apps/*/id/*/docs", &[(200, "documents"), (304, "conditions_of_parts"), (404, "documents"), (406, "conditions_of_parts")]),
    (PUBLISHER, "POST", "/apps/*/id/*/docs", &[(201, "documents"), (400, "documents"), (409, "documents"), (415, "invalid")]),
    (PUBLISHER, "GET", "/apps/*/id/*/docs/*", &[(200, "documents"), (304, "conditions_of_parts"), (400, "invalid"), (404, "documents"), (412, "conditions_of_parts")]),
    (PUBLISHER, "PUT", "/apps/*/id/*/docs/*", &[(200, "documents"), (400, "invalid"), (403, "unconditional"), (404, "unknown"), (412, "conditions_of_parts")]),
    (PUBLISHER, "GET", "/apps/*/id/*/docs/*/content", &[(200, "documents"), (303, "documents"), (304, "conditions_of_parts"), (404, "documents"), (406, "documents")]),
    (PUBLISHER, "POST", "/apps/*/id/*/docs/*/content", &[(200, "documents"), (400, "documents"), (403, "unconditional"), (404, "unknown"), (412, "conditions_of_parts")]),
    (PUBLISHER, "POST", "/apps/*/validate-context", &[(200, "web_apps"), (400, "web_apps"), (415, "invalid")]),
    (PUBLISHER, "GET", "/apps/*/stats/*", &[(200, "administration"), (400, "administration"), (403, "forbidden"), (404, "unknown")]),
    (PUBLISHER, "POST", "/apps/mobile/binaries", &[(200, "apps"), (400, "binaries"), (404, "unknown"), (412, "conditions_of_parts"), (415, "binaries")]),
    (PUBLISHER, "GET", "/apps/mobile/binaries/*", &[(200, "versions"), (400, "binaries"), (404, "apps"), (412, "conditions_of_parts")]),
    (PUBLISHER, "GET", "/xacmlpolicies", &[(200, "policies"), (400, "invalid"), (403, "forbidden"), (404, "unknown")]),
    (PUBLISHER, "POST", "/administration/xacmlpolicies", &[(201, "policies"), (400, "policies"), (415, "invalid")]),
    (PUBLISHER, "POST", "/administration/xacmlpolicies/validate", &[(200, "policies"), (400, "policies"), (415, "invalid")]),
    (PUBLISHER, "GET", "/administration/xacmlpolicies/*", &[(200, "policies"), (304, "policies"), (400, "policies"), (403, "forbidden"), (404, "policies")]),
    (PUBLISHER, "PUT", "/administration/xacmlpolicies/*", &[(200, "policies"), (400, "policies"), (403, "unconditional"), (404, "unknown"), (412, "conditions_of_parts")]),
    (PUBLISHER, "GET", "/administration/businessowner", &[(200, "business_owners"), (400, "invalid"), (403, "forbidden"), (404, "unknown")]),
    (PUBLISHER, "POST", "/administration/businessowner", &[(201, "business_owners"), (400, "invalid"), (409, "business_owners"), (415, "invalid")]),
    (PUBLISHER, "GET", "/administration/businessowner/*", &[(200, "business_owners"), (400, "invalid"), (403, "forbidden"), (404, "business_owners")]),
    (PUBLISHER, "PUT", "/administration/businessowner/*", &[(200, "business_owners"), (400, "invalid"), (403, "unconditional"), (404, "unknown"), (412, "conditions_of_parts")]),
    (PUBLISHER, "DELETE", "/administration/businessowner/*", &[(200, "business_owners"), (403, "unconditional"), (404, "business_owners"), (412, "business_owners")]),
    (PUBLISHER, "GET", "/roles", &[(200, "administration"), (400, "invalid"), (403, "forbidden"), (404, "unknown")]),
    // The store.
    (STORE, "GET", "/apps/*", &[(200, "store"), (400, "store_refused"), (403, "store_refused"), (404, "store_refused")]),
    (STORE, "GET", "/apps/*/id/*", &[(200, "store"), (400, "store_refused"), (403, "store_refused"), (404, "store")]),
    (STORE, "POST", "/apps/*/id/*/subscription", &[(200, "administration"), (400, "store_refused"), (403, "store_refused"), (404, "store_refused"), (412, "store_subscriptions")]),
    (STORE, "GET", "/apps/*/id/*/subscription", &[(200, "store"), (400, "store_refused"), (403, "store_refused"), (404, "store")]),
    (STORE, "GET", "/apps/*/id/*/subscription/users", &[(200, "store_subscriptions"), (400, "store_refused"), (403, "store_refused"), (404, "store_refused")]),
    (STORE, "POST", "/apps/*/id/*/unsubscription", &[(200, "store"), (400, "store_refused"), (403, "store_refused"), (404, "store"), (412, "store_subscriptions")]),
    (STORE, "GET", "/apps/*/id/*/rate", &[(200, "store"), (400, "store_refused"), (403, "store_refused"), (404, "store_refused")]),
    (STORE, "PUT", "/apps/*/id/*/rate", &[(200, "store"), (400, "store"), (403, "store_refused"), (404, "store_refused")]),
    (STORE, "GET", "/apps/*/id/*/docs", &[(200, "store_documents"), (304, "store_documents"), (404, "store_documents"), (406, "store_documents")]),
    (STORE, "GET", "/apps/*/id/*/docs/*", &[(200, "store_documents"), (400, "store_documents"), (404, "store_documents"), (412, "store_documents")]),
    (STORE, "GET", "/apps/*/id/*/docs/*/content", &[(200, "store_documents"), (303, "store_documents"), (304, "store_documents"), (404, "store_documents"), (406, "store_documents")]),
    (STORE, "GET", "/apps/*/tags", &[(200, "store_subscriptions"), (400, "store_refused"), (403, "store_refused"), (404, "store_refused")]),
    (STORE, "GET", "/tags/*/apps/*", &[(200, "store_subscriptions"), (400, "store_refused"), (403, "store_refused"), (404, "store_refused")]),
    (STORE, "POST", "/apps/download", &[(200, "store_subscriptions"), (400, "store_refused"), (403, "store_refused"), (404, "store_refused")]),
    (STORE, "POST", "/apps/uninstallation", &[(200, "store_subscriptions"), (400, "store_refused"), (403, "store_refused"), (404, "store_refused"), (412, "store_subscriptions")]),
    (STORE, "POST", "/apps/mobile/id/*/download", &[(200, "store"), (400, "store_refused"), (403, "store_refused"), (404, "store")]),
    (STORE, "GET", "/apps/mobile/binaries/one-time/*", &[(200, "store_links"), (400, "store_links"), (403, "store_links"), (404, "store_links"), (412, "store_links")]),
    (STORE, "GET", "/apps/mobile/plist/*/*", &[(200, "store_links"), (400, "store_links"), (404, "store_links"), (412, "store_links")]),
    (STORE, "GET", "/apps/static-contents/*", &[(200, "store"), (400, "store_refused"), (404, "store"), (412, "store_refused")]),
];

#[test]
fn every_documented_status_is_shown() {
    let mut missing = Vec::new();
    for operation in DOCUMENTED {
        let (_, method, path, statuses) = operation;
        for (status, case) in *statuses {
            let shown = support::golden::shown("wso2", case);
            let of_this = |(method, path, answer, _): &(String, String, u16, String)| {
                answer == status && operation_of(method, path) == Some(operation)
            };
            if !shown.iter().any(of_this) {
                missing.push(format!("{method} {path} {status} in {case}"));
            }
        }
    }
    assert!(missing.is_empty(), "not shown:\n{}", missing.join("\n"));
}

#[test]
fn every_golden_file_shows_what_is_documented() {
    let named: BTreeSet<&str> =
        DOCUMENTED.iter().flat_map(|(.., statuses)| statuses.iter().map(|(_, case)| *case)).collect();
    assert_eq!(named, CASES.iter().copied().collect());
    let exchanges = CASES.iter().flat_map(|case| support::golden::shown("wso2", case));
    let unknown: Vec<_> = exchanges
        .filter(|(method, path, status, _)| {
            let known = operation_of(method, path)
                .is_some_and(|(.., statuses)| statuses.iter().any(|(documented, _)| documented == status));
            !known
                && ![(404, "/nothing"), (405, "/apps/webapp")]
                    .iter()
                    .any(|(s, end)| s == status && path.ends_with(end))
        })
        .collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
}

/// The operation of a request: the one that says most of its path.
fn operation_of(method: &str, path: &str) -> Option<&'static Operation> {
    let fits = |operation: &&Operation| {
        let (api, documented, pattern, _) = operation;
        let Some(rest) = path.strip_prefix(api) else { return false };
        let rest: Vec<&str> = rest.trim_end_matches('/').split('/').collect();
        let pattern: Vec<&str> = pattern.trim_end_matches('/').split('/').collect();
        *documented == method
            && rest.len() == pattern.len()
            && rest.iter().zip(pattern).all(|(part, wanted)| wanted == "*" || *part == wanted)
    };
    DOCUMENTED.iter().filter(fits).min_by_key(|(_, _, pattern, _)| pattern.matches('*').count())
}
