#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]
//! The core's own cases.

use std::sync::Arc;

use appdepot_authz::{CasbinAuthorizer, Xacml};
use appdepot_core::authorize::Authorizer;
use appdepot_core::conformance::authorize::{World, cases};
use appdepot_core::conformance::conditions::{self, Language};
use appdepot_core::memory::MemoryRecords;
use appdepot_core::records::RecordStore;

#[tokio::test]
async fn the_authorizer_passes_every_case_of_the_core() {
    let mut failures = Vec::new();
    let cases = cases();
    assert!(cases.len() >= 11);
    for case in cases {
        let records: Arc<dyn RecordStore> = Arc::new(MemoryRecords::new());
        let authorizer: Arc<dyn Authorizer> = Arc::new(CasbinAuthorizer::new(records.clone()));
        if let Err(failure) = (case.run)(World { records, authorizer }).await {
            failures.push(format!("{}: {failure}", case.name));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[tokio::test]
async fn the_conditions_pass_every_case_of_the_core() {
    let has = |attribute: &str| {
        let function = "urn:oasis:names:tc:xacml:1.0:function:string-is-in";
        let category = "urn:oasis:names:tc:xacml:1.0:subject-category:access-subject";
        let string = "http://www.w3.org/2001/XMLSchema#string";
        format!(
            "<Condition><Apply FunctionId='{function}'><AttributeValue DataType='{string}'>{}</AttributeValue>\
             <AttributeDesignator Category='{category}' AttributeId='{attribute}' DataType='{string}' \
             MustBePresent='false'/></Apply></Condition>",
            conditions::NAME
        )
    };
    let language = Language {
        conditions: Arc::new(Xacml::new()),
        everyone: "<Rule Effect='Permit' RuleId='r'/>".to_owned(),
        group: has("http://wso2.org/claims/role"),
        role: has("urn:oasis:names:tc:xacml:2.0:subject:role"),
        nonsense: "<Condition>".to_owned(),
    };
    let cases = conditions::cases();
    assert!(cases.len() >= 5);
    for case in cases {
        (case.run)(language.clone()).await.unwrap_or_else(|failure| panic!("{}: {failure}", case.name));
    }
}
