#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]
#![allow(clippy::print_stdout)]
//! How long a decision takes. Run with
//! `cargo test --release -p appdepot-authz --test latency -- --ignored --nocapture`.

mod common;

use std::time::{Duration, Instant};

use appdepot_core::authorize::{Authorizer, Target, permission};
use appdepot_core::domain::Id;

use common::{Records, authorizer, user};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
#[ignore = "measures"]
async fn decisions_take_microseconds() {
    let records = Records::new();
    let authorizer = authorizer(&records).with_lease(HOUR);
    let home = Id::generate();
    for at in 0..200 {
        let role = ["org.viewer", "org.editor", "org.admin", "app.editor"][at % 4];
        records.grant(home, &format!("user:u{at}"), role, None).await;
    }
    let target = Target::organization(home);
    let actors: Vec<_> = (0..200).map(|at| user(&format!("u{at}"))).collect();
    // The snapshot and one enforcer, before anything is measured.
    let _ = authorizer.authorize(&actors[0], "no.such.permission.get", &target).await;
    let _ = authorizer.authorize(&actors[0], permission::ALL[0], &target).await;
    for round in ["miss", "hot", "hot"] {
        let mut took = Vec::new();
        for actor in &actors {
            for permission in permission::ALL {
                let began = Instant::now();
                let _ = authorizer.authorize(actor, permission, &target).await;
                took.push(began.elapsed());
            }
        }
        took.sort();
        let at = |percent: usize| took[took.len() * percent / 100];
        println!("{round}: p50 {:?}, p90 {:?}, p99 {:?}, of {}", at(50), at(90), at(99), took.len());
    }
}
