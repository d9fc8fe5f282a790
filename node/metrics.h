// SPDX-License-Identifier: Apache-2.0
// What /metrics shows: one table of families (name, type, labels, help), which weftd-metrics(7) repeats and a lint compares, and a writer that
// gives each its HELP and TYPE lines. Names end in their unit (_seconds, _bytes) and counters in _total; labels take their values from fixed
// words, products of this node and codes, so that their number is bounded. Loop thread only.
#ifndef WF_NODE_METRICS_H
#define WF_NODE_METRICS_H

#include "node/node.h"

// X(NAME, "name", "type", "labels", "help"); everything counts from the start of the process unless it says otherwise.
// clang-format off
#define WF_METRIC_TABLE(X) \
    X(INFO, "weft_build_info", "gauge", "version role domain subject", "1; its labels say which weftd this is.") \
    X(START, "weft_start_time_seconds", "gauge", "", "Unix time of the start.") \
    X(ALARMS, "weft_alarms", "gauge", "", "Alarms that weft node status shows now.") \
    X(CERTIFICATE, "weft_certificate_expiry_timestamp_seconds", "gauge", "", "Unix time at which this node's certificate ends; 0 without one.") \
    X(CLOCK_BEHIND, "weft_clock_behind_seconds", "gauge", "", "How far the clock is behind what this node has already seen.") \
    X(FDS, "weft_open_fds", "gauge", "", "File descriptors in use.") \
    X(MAX_FDS, "weft_max_fds", "gauge", "", "File descriptors that the process may use.") \
    X(QUEUE_ITEMS, "weft_queue_items", "gauge", "queue", "What waits in a bounded queue, in its own items.") \
    X(QUEUE_BYTES, "weft_queue_bytes", "gauge", "queue", "Bytes that wait in it.") \
    X(QUEUE_MAX_ITEMS, "weft_queue_max_items", "gauge", "queue", "Items that it takes; 0: its bytes are the bound.") \
    X(QUEUE_MAX_BYTES, "weft_queue_max_bytes", "gauge", "queue", "Bytes that it takes; 0: its items are the bound.") \
    X(QUEUE_DROPPED, "weft_queue_dropped_total", "counter", "queue", "What found no room in it, or had to make some.") \
    X(WORKERS, "weft_pool_workers", "gauge", "", "Worker threads.") \
    X(WORKERS_BUSY, "weft_pool_busy", "gauge", "", "Workers at work.") \
    X(JOBS, "weft_pool_jobs_total", "counter", "class", "Jobs given to workers: live, control, repair.") \
    X(SESSIONS, "weft_sessions", "gauge", "", "Open sessions of the control plane.") \
    X(SESSIONS_HALF, "weft_sessions_half_open", "gauge", "", "Of them, those that did not show yet who they are.") \
    X(HANDSHAKES, "weft_handshakes_total", "counter", "", "Handshakes that were answered.") \
    X(HANDSHAKES_REFUSED, "weft_handshakes_refused_total", "counter", "cause", "Handshakes that were not: mac1 (made for another key), other.") \
    X(REQUESTS, "weft_requests_total", "counter", "", "Requests that were opened.") \
    X(REFUSALS, "weft_refusals_total", "counter", "code", "Requests that were refused, by the name of the error; names that never came are left out.") \
    X(BUSY, "weft_busy_total", "counter", "", "Requests answered busy before they were opened.") \
    X(REVIVED, "weft_listeners_revived_total", "counter", "", "Listeners that were deaf and opened anew.") \
    X(LOG_BYTES, "weft_log_bytes", "gauge", "", "Bytes of the log's, or the spool's, segments.") \
    X(LOG_SEGMENTS, "weft_log_segments", "gauge", "", "Their number.") \
    X(LOG_ITEMS, "weft_log_items", "gauge", "", "Items in them.") \
    X(LOG_APPENDED, "weft_log_appended_bytes_total", "counter", "", "Bytes written to them.") \
    X(LOG_FAILED, "weft_log_failed_items_total", "counter", "", "Items that could not be written; none of them was acknowledged.") \
    X(LOG_APPENDED_ITEMS, "weft_log_appended_items_total", "counter", "", "Items written to them.") \
    X(LOG_SYNC, "weft_log_sync_seconds", "histogram", "le", "How long the disk took to keep what was written.") \
    X(LOG_SYNCED, "weft_log_synced_items", "histogram", "le", "Items that one sync covered.") \
    X(LOG_DAMAGED, "weft_log_damaged_reads_total", "counter", "", "Items that a read found damaged.") \
    X(LOG_STOPPED, "weft_log_stopped", "gauge", "", "1 while the log refuses records: disk full or read-only, no file descriptor.") \
    X(STREAM_RECORDS, "weft_stream_records_total", "counter", "product major", "Records appended.") \
    X(STREAM_BATCHES, "weft_stream_batches_total", "counter", "product major", "Batches appended.") \
    X(STREAM_BYTES, "weft_stream_bytes_total", "counter", "product major", "Their bytes as stored.") \
    X(STREAM_REFUSED, "weft_stream_refused_total", "counter", "product major", "Batches that were refused.") \
    X(STREAM_DROPPED, "weft_stream_dropped_total", "counter", "product major", "Records that publishers said they had to drop.") \
    X(STREAM_FRAMES, "weft_stream_frames_total", "counter", "product major", "Frames sent live.") \
    X(STREAM_FRAME_BYTES, "weft_stream_frame_bytes_total", "counter", "product major", "Their bytes.") \
    X(STREAM_PAUSED, "weft_stream_paused_total", "counter", "product major", "Entries not sent live, because even the fastest reader was too far behind.") \
    X(STREAM_RANGES, "weft_stream_ranges_total", "counter", "product major", "Answers to range and pull.") \
    X(STREAM_SERVED, "weft_stream_served_entries_total", "counter", "product major", "Entries in them.") \
    X(STREAM_LEASES, "weft_stream_leases", "gauge", "product major", "Leases in force.") \
    X(STREAM_READERS, "weft_stream_readers", "gauge", "product major", "Of them, those whose place in the log is known.") \
    X(STREAM_LAG_MIN, "weft_stream_lag_min_records", "gauge", "product major", "Records that the fastest reader does not have yet.") \
    X(STREAM_LAG_MAX, "weft_stream_lag_max_records", "gauge", "product major", "Records that the slowest reader does not have yet.") \
    X(STREAM_CONNECTIONS, "weft_stream_connections", "gauge", "product major", "Connections to the stream.") \
    X(STREAM_WAITING, "weft_stream_waiting_bytes", "gauge", "product major", "Bytes of frames that connections have not taken yet.") \
    X(STREAM_UNSENT, "weft_stream_dropped_frames_total", "counter", "product major", "Frames dropped for a connection that did not take them, each for one; repair fetches them.") \
    X(STREAM_HOST_UNSENT, "weft_stream_host_dropped_frames", "gauge", "product major host", "Of them, those of one host's connections as they stand; at most 16 hosts.") \
    X(STREAM_HEAD, "weft_stream_head", "gauge", "product major", "Offset one past the newest record.") \
    X(STREAM_FLOOR, "weft_stream_floor", "gauge", "product major", "Offset of the oldest record kept.") \
    X(STREAM_EPOCH, "weft_stream_epoch", "gauge", "product major", "Number of the epoch in force; 0: nobody reads the stream.") \
    X(STREAM_APPENDED, "weft_stream_last_append_timestamp_seconds", "gauge", "product major", "Unix time of the newest batch; 0: there is none.") \
    X(MIRROR_FOLLOWING, "weft_mirror_following", "gauge", "product", "1 while this mirror follows the product's home.") \
    X(MIRROR_HEAD, "weft_mirror_head", "gauge", "product", "Offset one past the newest record held.") \
    X(MIRROR_LAG, "weft_mirror_lag_records", "gauge", "product", "Records that the home told of and that are not here yet.") \
    X(MIRROR_BYTES, "weft_mirror_bytes", "gauge", "product", "Bytes held.") \
    X(MIRROR_LEASES, "weft_mirror_leases", "gauge", "product", "Leases of readers.") \
    X(MIRROR_ENTRIES, "weft_mirror_entries_total", "counter", "product", "Entries taken from the home.") \
    X(MIRROR_UNBELIEVED, "weft_mirror_unbelieved_total", "counter", "product", "Entries that could not be believed.") \
    X(MIRROR_SERVED, "weft_mirror_served_entries_total", "counter", "product", "Entries given to readers.") \
    X(MIRROR_DENIED, "weft_mirror_denied_total", "counter", "product", "Readers that were refused.") \
    X(QUERIES, "weft_queries_total", "counter", "", "Queries of inventories.") \
    X(QUERIES_REFUSED, "weft_queries_refused_total", "counter", "", "Of them, those refused.") \
    X(QUERIES_RUNNING, "weft_queries_running", "gauge", "", "Queries at work.") \
    X(CALLS, "weft_calls_total", "counter", "", "API calls taken.") \
    X(CALLS_FAILED, "weft_calls_failed_total", "counter", "", "Of them, those that ended with an error.") \
    X(CALLS_RUNNING, "weft_calls_running", "gauge", "", "API calls at work.") \
    X(AGENTS, "weft_agents", "gauge", "state", "Agents behind this node: up, late, gone, revoked, cloned.") \
    X(AGENT_POLLS, "weft_agent_polls_total", "counter", "", "Polls of agents.") \
    X(AGENT_BATCHES, "weft_agent_batches_total", "counter", "", "Batches that agents pushed and that were taken.") \
    X(AGENT_REFUSED, "weft_agent_refused_total", "counter", "", "Pushed batches that were refused.") \
    X(AGENT_SKEW, "weft_agents_max_clock_skew_seconds", "gauge", "", "How far the clock of the agent furthest off is from this node's.") \
    X(AGENTS_SPOOL_BYTES, "weft_agents_spool_bytes", "gauge", "", "Bytes that wait in the spools of agents, by what each said last.") \
    X(AGENTS_SPOOL_RECORDS, "weft_agents_spool_records", "gauge", "", "Records that wait there.") \
    X(AGENTS_LOST, "weft_agents_lost_records", "gauge", "", "Records that agents had to give up since their starts; readers are told each.") \
    X(GRANTED, "weft_access_granted_total", "counter", "", "Tokens granted.") \
    X(ACCESS_REFUSED, "weft_access_refused_total", "counter", "", "Decisions against a caller.") \
    X(ACCESS_REQUESTS, "weft_access_requests_total", "counter", "", "Requests for access.") \
    X(ACCESS_PENDING, "weft_access_pending", "gauge", "", "Requests that wait for a person.") \
    X(LIST_AGE, "weft_revocation_list_age_seconds", "gauge", "", "Age of this domain's revocation list, of which one older than a day decides nothing; -1 without one.") \
    X(REGISTRY, "weft_registry_entries", "gauge", "", "Documents in the registry.") \
    X(PEERS, "weft_peers", "gauge", "state", "Other nodes: known, and of them up.") \
    X(GOSSIP_ROUNDS, "weft_gossip_rounds_total", "counter", "", "Rounds with a peer.") \
    X(GOSSIP_LEARNED, "weft_gossip_learned_total", "counter", "", "Documents learned.") \
    X(GOSSIP_REFUSED, "weft_gossip_refused_total", "counter", "", "Documents refused.") \
    X(GOSSIP_DELAYED, "weft_gossip_delayed_total", "counter", "", "Requests of peers that had to wait for their turn.") \
    X(SIGNER_UP, "weft_signer_up", "gauge", "", "1 while the process with the issuer key answers.") \
    X(SIGNER_STARTS, "weft_signer_starts_total", "counter", "", "Times it was started.")
// clang-format on

enum wf_metric {
#define X(id, name, type, labels, help) WF_METRIC_##id,
    WF_METRIC_TABLE(X)
#undef X
        WF_METRIC_COUNT
};

// Errors stick: the first one is looked at when all is written.
struct wf_metrics {
    struct wf_buf *out;
    enum weft_err err;
};

// A family without labels: head and value.
void wf_metric(struct wf_metrics *m, enum wf_metric which, double value);
// A family with labels: its head once, then each value. labels: `product="cpu"`; values need no escapes.
void wf_metric_head(struct wf_metrics *m, enum wf_metric which);
__attribute__((format(printf, 4, 5))) void wf_metric_of(
    struct wf_metrics *m, enum wf_metric which, double value, const char *labels, ...);
// One class of a histogram: so many of at most `bound`; and its end.
void wf_metric_bucket(struct wf_metrics *m, enum wf_metric which, double bound, uint64_t below);
void wf_metric_sum(struct wf_metrics *m, enum wf_metric which, double sum, uint64_t count);

#endif
