-- Roles for stages that need not own the tables, each with the rights that its own statements need. Run it as the owner of the tables
-- after `freshet migrate`, and again after an upgrade; it changes nothing the second time. Where the owner may make no
-- roles, make them beforehand. They have no password yet: `alter role freshet_notify password '...'`.
do $$
declare
    stage text;
begin
    foreach stage in array array['freshet_ingest', 'freshet_alert', 'freshet_notify', 'freshet_dead_letter',
                                'freshet_scheduler', 'freshet_cleanup', 'freshet_report', 'freshet_canary'] loop
        if not exists (select from pg_roles where rolname = stage) then
            execute format('create role %I login', stage);
        end if;
        execute format('grant usage on schema %I to %I', current_schema, stage);
        execute format('grant select on refinery_schema_history, active_pipeline to %I', stage);
        -- what a stage cannot take it keeps itself
        execute format('grant select, insert, update on dead_letter to %I', stage);
    end loop;
end $$;

-- in direct mode
grant select, insert, update on device, stream, metric, moment, receipt_key, evaluation_request, refusal, fallback
    to freshet_ingest;
grant select on retention_floor, pipeline_generation, registry, device_alias, device_entry, erasure to freshet_ingest;
grant select, insert, delete on held, held_device to freshet_ingest;
grant select (received_at, id, outcome, readings, problems, pipeline), update (outcome, readings, problems, pipeline, expired), insert
    on receipt to freshet_ingest;
grant select, insert, update on rollup_due to freshet_ingest;
grant usage on sequence evaluation_token, rollup_token to freshet_ingest;
grant insert on request to freshet_ingest;
grant execute on function make_partition(text, date), erasure_hash(text, text) to freshet_ingest;

grant select on device, device_entry, stream, metric, moment, heartbeat to freshet_alert;
grant select, insert, update, delete on evaluation_request, alert_state to freshet_alert;
grant update (emptied_at) on metric to freshet_alert;
grant select, insert, update on alert_transition, notification to freshet_alert;

grant select on device, stream, metric, alert_transition to freshet_notify;
grant select, insert, update on notification, receiver_budget to freshet_notify;

grant select on evaluation_request, alert_state, notification, topic_offset, held, held_device, device, device_alias, device_entry
    to freshet_scheduler;
grant update (left_at) on topic_offset to freshet_scheduler;
grant select on stream, metric to freshet_scheduler;
grant insert on metric to freshet_scheduler;
grant update (expected_by, expected_at) on device to freshet_scheduler;
grant insert, update on evaluation_request to freshet_scheduler;
grant usage on sequence evaluation_token to freshet_scheduler;
grant select, insert, update, delete on heartbeat, pending_heartbeat to freshet_scheduler;
grant select, delete on refusal, fallback to freshet_scheduler;
grant select, insert, update on job to freshet_scheduler;
grant select, insert on job_slot to freshet_scheduler;

grant select on device, device_entry, stream, metric, alert_state, job, held to freshet_cleanup;
grant update (zone) on device to freshet_cleanup;
grant select, insert, update, delete on rollup_hour, rollup_day, rollup_due to freshet_cleanup;
grant select, update on rollup_progress to freshet_cleanup;
grant select, insert, update on metric_aggregate to freshet_cleanup;
grant usage on sequence rollup_token to freshet_cleanup;
grant select, insert, update on retention_floor to freshet_cleanup;
grant select, update, delete on job_slot to freshet_cleanup;
grant select, delete on moment, moment_default, receipt_default, request_default, receipt_key, alert_transition, notification
    to freshet_cleanup;
grant delete on dead_letter to freshet_cleanup;
-- a row that goes is locked first
grant update (observed_at) on moment_default to freshet_cleanup;
grant update (received_at) on receipt_default, request_default, receipt_key to freshet_cleanup;
grant update (recorded_at) on alert_transition to freshet_cleanup;
grant update (created_at) on notification to freshet_cleanup;
grant execute on function drop_partition(text, date) to freshet_cleanup;
grant select on device, devices, device_entry, stream, metric, moment, rollup_hour, rollup_day, rollup_due, rollup_progress, retention_floor,
    alert_transition, job
    to freshet_report;
grant select, insert, update on report, report_mail to freshet_report;
grant select, update on job_slot to freshet_report;

grant select on device, stream, metric, moment, alert_transition, notification, job to freshet_canary;
grant select (received_at, id, stored_at) on receipt to freshet_canary;
grant select, insert, update, delete on canary_run to freshet_canary;
grant select, update on job_slot to freshet_canary;

-- nothing goes below a floor before every transaction that may write there has ended
do $$
begin
    grant pg_read_all_stats to freshet_cleanup;
exception when insufficient_privilege then
    raise notice 'only an administrator may let freshet_cleanup see the transactions of others: grant pg_read_all_stats to freshet_cleanup';
end $$;
