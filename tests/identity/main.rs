//! Users, sessions and keys as an embedder uses them, on every record store. One that this machine cannot run is shown
//! as ignored, and fails where backends are required (`APPDEPOT_REQUIRE_BACKENDS=1`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod keys;
mod sessions;
#[path = "../support/mod.rs"]
mod support;
mod users;
mod world;

use support::backends::{Backend, Trials, cases};
use world::World;

fn main() {
    let cases = cases! {
        World::new:
        users::a_user_lives_and_leaves_nothing_behind,
        users::names_to_sign_in_with_are_unique_whatever_their_case,
        users::who_may_see_and_change_users,
        users::only_an_owner_changes_an_owner_and_the_last_one_stays,
        users::a_user_is_changed_by_those_who_outrank_them,
        sessions::signing_in_makes_a_new_session_each_time,
        sessions::nobody_learns_why_a_sign_in_failed,
        sessions::sessions_end_in_time_and_on_demand,
        sessions::a_password_is_changed_by_its_user_and_by_an_admin,
        sessions::a_reset_outlasts_a_change_that_was_under_way,
        sessions::shutting_a_user_out_ends_everything_at_once,
        sessions::attempts_are_limited_per_account_and_per_address,
        sessions::an_outdated_hash_is_renewed,
        keys::a_users_key_does_what_its_user_may,
        keys::a_narrowed_credential_is_not_the_user_in_person,
        keys::what_is_no_credential_is_refused,
    };
    let mut trials = Trials::new();
    for backend in Backend::ALL {
        for (name, case) in cases {
            trials.add(backend, name, case);
        }
    }
    trials.run()
}
