//! Users' journeys through the whole depot with its real parts (Casbin, the extractor, the fixture packages), on
//! every set of backends. A backend that this machine cannot run is shown as ignored, and fails where backends are
//! required (`APPDEPOT_REQUIRE_BACKENDS=1`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod apps;
mod builds;
mod collaborators;
mod organizations;
mod policies;
mod publications;
mod releases;
mod stage;
mod storage_providers;
mod store;
#[path = "../support/mod.rs"]
mod support;

use stage::Ground;
use support::backends::{Backend, Trials, cases};

fn main() {
    let scenarios = cases! {
        Ground::new:
        releases::the_fixture_package_lives_its_whole_life,
        releases::of_sixteen_clients_one_takes_the_step,
        releases::every_step_is_taken_or_refused_as_the_table_says,
        store::the_offer_follows_what_is_published,
        store::a_listing_made_while_publishing_offers_the_release,
        apps::a_removed_app_leaves_nothing_behind,
        storage_providers::an_object_in_a_provider_is_verified,
        storage_providers::a_storage_provider_is_made_used_and_removed,
        storage_providers::what_opens_a_storage_provider_is_never_seen,
        storage_providers::an_older_key_opens_until_everything_is_sealed_anew,
        storage_providers::a_storage_provider_is_in_its_own_organization_only,
        organizations::another_organization_does_not_exist,
        store::a_ticket_ends,
        store::a_store_page_is_cut_after_the_audience,
        releases::files_that_are_no_packages_are_kept_and_not_released,
        releases::the_same_version_is_released_once,
        releases::what_a_release_names_is_its_authors_to_name,
        apps::names_are_unique_and_slugs_are_numbered,
        apps::what_comes_while_an_app_goes_is_not_left_alone,
        collaborators::only_an_owner_makes_owners,
        collaborators::a_collaborator_has_one_role_and_an_owner_stays,
        collaborators::a_change_that_is_confirmed_was_made,
        collaborators::the_roles_of_a_group_go_with_it,
        collaborators::a_service_account_may_do_what_its_role_says_until_it_is_revoked,
        builds::a_build_becomes_a_release,
        builds::builds_of_one_version_stand_side_by_side,
        builds::a_build_that_is_no_package_says_why,
        builds::rights_on_the_app_are_enough_for_its_builds,
        builds::workers_share_the_builds,
        builds::what_waits_is_processed_after_a_restart,
        publications::a_publication_follows_its_branch,
        publications::a_publication_is_for_members_of_all_its_groups_until_it_ends,
        publications::a_password_is_kept_as_a_hash_and_asked_for_once,
        publications::a_publication_behind_a_password_is_nobodys_without_it,
        publications::a_public_publication_is_for_everyone_until_it_ends,
        publications::the_terms_of_a_publication_come_first,
        publications::a_publication_for_some_countries_is_for_no_others,
        publications::a_ticket_lasts_no_longer_than_its_publication,
        publications::a_store_lets_in_whom_one_of_its_policies_admits,
        publications::a_retention_does_what_was_seen_or_nothing,
        organizations::what_is_exposed_is_seen_below_and_changed_by_nobody_there,
        organizations::a_part_of_an_organization_is_made_by_its_owners,
        policies::a_policy_decides_as_things_are_now,
        policies::numbers_continue_after_those_that_nobody_counted,
        policies::subscribers_stay_when_a_release_is_retired,
        policies::a_version_is_made_from_another_and_leaves_it_alone,
        policies::documents_go_with_their_release,
    };
    let mut trials = Trials::new();
    for backend in Backend::ALL {
        for (name, scenario) in scenarios {
            trials.add(backend, name, scenario);
        }
        for case in appdepot::conformance::depot::cases() {
            trials.add(backend, case.name, async move |database| {
                let ground = Ground::new(database).await;
                (case.run)(ground.backends.clone()).await.map_err(|failure| failure.to_string().into())
            });
        }
    }
    trials.run()
}
