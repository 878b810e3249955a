//! The contract of `weathervane::storage`: every case runs on SQLite and on PostgreSQL.
//!
//! PostgreSQL is the server at `WEATHERVANE_TEST_POSTGRES`, else a throw-away one of `scripts/postgres-for-tests.sh`.
//! Where neither is to be had its half is skipped, unless `WEATHERVANE_REQUIRE_POSTGRES=1`.

mod annotations;
mod connect;
mod events;
mod jobs;
mod pictures;
mod projects;
mod support;
mod tags;
mod tasks;
mod versions;

/// Makes each case a test on both engines.
macro_rules! contract {
    ($($module:ident::$case:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$module::$case(&super::support::sqlite()).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                if let Some(database) = super::support::postgres().await {
                    super::$module::$case(&database).await;
                }
            })*
        }
    };
}

contract! {
    connect::a_database_of_a_newer_program_is_refused,
    connect::four_programs_may_start_on_a_fresh_database_at_once,
    connect::what_was_acknowledged_survives_sigkill,
    connect::a_database_that_takes_writes_is_ready,
    jobs::times_of_a_clock_that_ran_ahead_count_as_old,
    projects::partial_information_erases_nothing,
    projects::a_label_config_takes_its_digest_and_problem_along,
    projects::an_unchanged_project_is_not_written,
    projects::a_deleted_project_comes_back_when_it_is_heard_of,
    projects::text_with_nul_and_every_script_is_kept,
    projects::a_strategy_and_the_order_that_is_served_are_kept,
    tasks::five_thousand_tasks_are_written_once,
    tasks::an_older_task_never_replaces_a_newer_one,
    tasks::the_id_of_a_deleted_task_may_be_given_to_another_one,
    tasks::pages_cover_every_task_once,
    tasks::the_pool_is_the_tasks_without_an_answer,
    annotations::an_older_state_never_replaces_a_newer_one,
    annotations::a_repeated_creation_does_not_undo_a_deletion,
    annotations::deleting_an_unknown_annotation_leaves_a_tombstone,
    annotations::deleting_a_task_deletes_its_annotations,
    annotations::an_export_replaces_all_but_what_came_after_it,
    annotations::an_export_of_labelled_tasks_deletes_no_others,
    annotations::those_of_some_tasks_are_read,
    annotations::a_task_answered_with_nothing_stays_open_and_is_counted,
    connect::what_was_answered_with_nothing_before_the_upgrade_is_known_after_it,
    events::a_second_delivery_changes_nothing,
    events::events_that_may_come_twice_are_both_recorded,
    events::concurrent_events_are_all_kept_and_counted,
    events::a_dropped_recording_leaves_all_or_nothing,
    events::old_events_are_pruned,
    events::a_deletion_of_many_thousands_lets_others_write_in_between,
    jobs::requests_coalesce_until_the_deadline,
    jobs::a_training_on_the_export_takes_the_place_of_a_queued_one,
    jobs::a_job_waits_for_enough_label_changes,
    jobs::of_many_workers_one_claims_a_job,
    jobs::a_project_runs_one_job_at_a_time,
    jobs::changes_during_a_run_stay_pending,
    jobs::an_expired_lease_is_taken_over_and_given_up_after_three_attempts,
    jobs::a_job_that_waits_for_labels_leaves_them_pending,
    jobs::a_failed_job_is_retried_later,
    jobs::a_cancelled_job_is_lost_to_its_worker,
    jobs::a_shutdown_gives_jobs_back_without_counting_the_attempt,
    jobs::a_released_job_gives_way_to_a_newer_one,
    jobs::the_next_due_time_is_exact,
    pictures::addresses_lead_to_pictures,
    pictures::embeddings_come_back_in_order,
    pictures::an_embedding_is_kept_once_under_each_fingerprint,
    pictures::a_sample_is_of_the_projects_own_pictures,
    pictures::a_damaged_picture_is_remembered_and_in_no_sample,
    tags::tags_keep_their_images_in_order,
    tags::a_push_is_unfinished_until_it_is_said_to_be_done,
    tags::a_tag_is_renamed_with_all_its_images_and_never_onto_another,
    tags::a_removed_tag_leaves_the_others,
    versions::numbers_are_never_given_twice,
    versions::the_current_version_is_set_by_compare_and_set,
    versions::a_version_is_found_by_number_and_name,
    versions::versions_are_read_in_outline_and_by_choice,
}
