//! What each metric says of itself in a scrape.

/// Every metric with its help text; the tests of `meters` hold that each is rendered.
pub(super) const HELP: &[(&str, &str)] = &[
    ("build_info", "The version that runs."),
    (
        "tidegate_exchanges_total",
        "Exchanges that ended, by their hardest verdict.",
    ),
    ("tidegate_findings_total", "Identifiers found, by class."),
    (
        "tidegate_rule_searched_bytes_total",
        "Bytes that an expression of the operator's searched.",
    ),
    (
        "tidegate_rule_findings_total",
        "Identifiers that an expression of the operator's found.",
    ),
    (
        "tidegate_rule_skipped_bytes_total",
        "Bytes that an expression did not search as its budget for a body was spent.",
    ),
    (
        "tidegate_shadow_bodies_total",
        "Bodies on which rules were tried in shadow, or should have been.",
    ),
    (
        "tidegate_shadow_findings_total",
        "Identifiers that only the rules in force found, or only those in shadow.",
    ),
    (
        "tidegate_shadow_people_total",
        "People whom only the rules in force counted, or only those in shadow.",
    ),
    ("tidegate_people_total", "Subjects handed over that were new to a key."),
    (
        "tidegate_upload_people_total",
        "Subjects sent upstream that were new to a key.",
    ),
    ("tidegate_refusals_total", "Refusals, by budget and action."),
    (
        "tidegate_fuse_blown_total",
        "Times that a budget on a shared key refused as many honest people as it may.",
    ),
    (
        "tidegate_would_refuse_total",
        "Refusals that a budget in monitor did not make.",
    ),
    ("tidegate_inspected_bytes_total", "Bytes that were searched."),
    (
        "tidegate_upload_inspected_bytes_total",
        "Bytes of request bodies that were searched.",
    ),
    (
        "tidegate_upload_uninspected_bytes_total",
        "Bytes of request bodies that were let through unread, and why.",
    ),
    (
        "tidegate_upload_partly_inspected_bytes_total",
        "The same of request bodies.",
    ),
    (
        "tidegate_upload_bypassed_bytes_total",
        "Bytes of request bodies that left while a bypass suspended the budgets.",
    ),
    (
        "tidegate_partly_inspected_bytes_total",
        "Bytes that were searched, though not by every expression or not counted everywhere, and why.",
    ),
    (
        "tidegate_bypassed_bytes_total",
        "Bytes that left while a bypass suspended the budgets.",
    ),
    (
        "tidegate_uninspected_bytes_total",
        "Bytes that were let through unread, and why.",
    ),
    ("tidegate_tunnel_bytes_total", "Bytes that crossed tunnels unread."),
    (
        "tidegate_would_fail_total",
        "Fail modes not applied because nothing is enforced there.",
    ),
    (
        "tidegate_heads_refused_total",
        "Ambiguous or malformed heads, chunks and trailers refused.",
    ),
    ("tidegate_limit_hits_total", "Refusals by a named limit."),
    ("tidegate_tls_failures_total", "Handshakes that failed."),
    (
        "tidegate_hellos_unread_total",
        "TLS connections whose hello could not be read for its fingerprint.",
    ),
    (
        "tidegate_upstream_failures_total",
        "Exchanges with an upstream that failed.",
    ),
    (
        "tidegate_upstream_retries_total",
        "Idempotent requests sent a second time.",
    ),
    (
        "tidegate_credentials_total",
        "Requests that showed a credential, by whether it was ever issued.",
    ),
    (
        "tidegate_unknown_credentials_total",
        "Requests of whose credential nobody can say whether it was issued, and why.",
    ),
    (
        "tidegate_births_total",
        "Answers that issued credentials that were not known.",
    ),
    (
        "tidegate_births_undurable_total",
        "Answers that issued credentials and left before store or fleet had them.",
    ),
    (
        "tidegate_births_unread_total",
        "Answers of login and refresh routes, and requests to renew, in whose body no token was looked for, and why.",
    ),
    ("tidegate_births", "Credentials that are remembered now."),
    (
        "tidegate_approvals_total",
        "Requests that showed an approval, and what became of it.",
    ),
    (
        "tidegate_credentials_ignored_total",
        "Values in the place of a credential that name nobody, and why.",
    ),
    (
        "tidegate_introspections_total",
        "Opaque tokens of which their issuer was to be asked, by what came of it.",
    ),
    (
        "tidegate_credentials_disagree_total",
        "Requests whose credentials name different actors.",
    ),
    (
        "tidegate_revoked_uses_total",
        "Exchanges refused or cut since what they showed is revoked.",
    ),
    (
        "tidegate_signals_total",
        "Security events of identity providers, by what became of them.",
    ),
    (
        "tidegate_signal_polls_total",
        "Polls for security events, done and failed.",
    ),
    (
        "tidegate_signing_key_days_left",
        "Days that the oldest signing key may still sign.",
    ),
    (
        "tidegate_key_set_fetches_total",
        "Key sets behind URLs that were asked for, by what came of it.",
    ),
    (
        "tidegate_key_set_age_seconds",
        "Since when the oldest key set behind a URL is known to be as it is.",
    ),
    ("tidegate_connections", "Downstream connections open now."),
    ("tidegate_held_bytes", "Bytes in hold-backs now."),
    ("tidegate_added_seconds", "Time that the gateway added, by part."),
    ("tidegate_ledger_keys", "Keys in memory now."),
    ("tidegate_ledger_spilled_keys", "Keys on disk alone now."),
    (
        "tidegate_ledger_dropped_keys_total",
        "Keys dropped to make room: those no window reaches, and those of budgets that only tell.",
    ),
    (
        "tidegate_ledger_read_back_keys_total",
        "Keys on disk alone that were read back.",
    ),
    (
        "tidegate_ledger_full_total",
        "New keys that found no room in the ledger.",
    ),
    ("tidegate_store_bytes", "Bytes of the ledger on disk."),
    (
        "tidegate_store_flush_seconds",
        "Time that writing what changed of the ledger took.",
    ),
    (
        "tidegate_store_staleness_seconds",
        "Age of the last moment of which the whole ledger is on disk.",
    ),
    (
        "tidegate_store_failures_total",
        "Tries to write the ledger that failed, and why.",
    ),
    ("tidegate_fleet_up", "1 while the store that gateways share answers."),
    (
        "tidegate_fleet_breaker_open",
        "1 while nobody waits for the store that gateways share.",
    ),
    (
        "tidegate_fleet_staleness_seconds",
        "How old what is known of other gateways is.",
    ),
    (
        "tidegate_fleet_dirty_keys",
        "Keys with changes that the store was not told of.",
    ),
    (
        "tidegate_fleet_flush_duration_seconds",
        "How long one round with the store took.",
    ),
    ("tidegate_fleet_failures_total", "Rounds with the store that failed."),
    ("tidegate_fleet_sync_checks_total", "Strict confirmations, by result."),
    (
        "tidegate_fleet_lookups_total",
        "Credentials that the store of the fleet was asked for, by what came of it.",
    ),
    (
        "tidegate_fleet_ignored_total",
        "What came from the store and was left out or corrected.",
    ),
    (
        "tidegate_fleet_clock_skew_seconds",
        "How far this gateway's clock is before the store's.",
    ),
    ("tidegate_fleet_gateways", "Gateways that count together now."),
    (
        "tidegate_deviations_total",
        "Accounts that were shown far more people within a day than is usual, by whose baseline.",
    ),
    (
        "tidegate_proposals_total",
        "People who stand in the way of many accounts, and are proposed as public.",
    ),
    (
        "tidegate_clock_offset_seconds",
        "Seconds by which the system's clock is ahead of the gateway's time.",
    ),
    (
        "tidegate_config_last_reload_successful",
        "1 if the last reload came into force.",
    ),
    (
        "tidegate_config_generation",
        "The number of the configuration in force.",
    ),
    ("tidegate_bypass_active", "1 while a bypass is in force."),
    ("tidegate_audit_dropped_total", "Audit lines lost."),
    ("tidegate_journal_entries_total", "Entries written to the journal."),
    (
        "tidegate_journal_written_bytes_total",
        "Bytes that the entries of the journal take.",
    ),
    (
        "tidegate_journal_lost_total",
        "Entries that did not get into the journal.",
    ),
    ("tidegate_journal_failing", "1 while the journal cannot be written."),
    ("tidegate_journal_disk_bytes", "Bytes of the journal on disk now."),
    (
        "tidegate_journal_removed_segments_total",
        "Segments of the journal removed, for age or for want of room.",
    ),
    (
        "tidegate_journal_torn_bytes_total",
        "Bytes cut off segments that were not written to their end.",
    ),
    (
        "tidegate_journal_damaged_segments_total",
        "Segments found not to be as they were written.",
    ),
    (
        "tidegate_admin_changes_total",
        "Changes made by people through the admin address.",
    ),
    ("tidegate_admin_denied_total", "Callers that the admin address refused."),
    (
        "tidegate_log_lines_dropped_total",
        "Log lines left out to bound a flood.",
    ),
];
