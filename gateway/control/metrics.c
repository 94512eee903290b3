#include "control/metrics.h"
#include "base/clock.h"
#include "base/rcu.h"
#include "serve/dnstap.h"
#include "store/kafka.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define RCODES 24 /* the last counts all others */

static void
metrics_head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP zonegate_%s %s\n# TYPE zonegate_%s %s\n", name, help, name, type);
}

/* Label values have quotes, backslashes and newlines escaped. */
static void
metrics_label(FILE *out, const char *value)
{
	for (; *value; value++)
		if (*value == '"' || *value == '\\')
			fprintf(out, "\\%c", *value);
		else if (*value == '\n')
			fputs("\\n", out);
		else
			fputc(*value, out);
}

static void
metrics_sample(FILE *out, const char *name, const char *label, const char *value, uint64_t number)
{
	fprintf(out, "zonegate_%s{%s=\"", name, label);
	metrics_label(out, value);
	fprintf(out, "\"} %" PRIu64 "\n", number);
}

/* ---- histograms ---- */

static void
metrics_bucket(FILE *out, const char *name, const char *label, const char *value, double bound, uint64_t count)
{
	fprintf(out, "zonegate_%s_bucket{", name);
	if (label) {
		fprintf(out, "%s=\"", label);
		metrics_label(out, value);
		fputs("\",", out);
	}
	if (bound < 0)
		fprintf(out, "le=\"+Inf\"} %" PRIu64 "\n", count);
	else
		fprintf(out, "le=\"%.9g\"} %" PRIu64 "\n", bound, count);
}

static void
metrics_total(FILE *out, const char *name, const char *suffix, const char *label, const char *value, double number)
{
	fprintf(out, "zonegate_%s_%s", name, suffix);
	if (label) {
		fprintf(out, "{%s=\"", label);
		metrics_label(out, value);
		fputs("\"}", out);
	}
	fprintf(out, " %.9g\n", number);
}

/* What a histogram is of: its bounds, and how many of what it counts are one of what is shown. */
struct unit {
	uint64_t (*bound)(size_t bucket);
	double scale;
};
static const struct unit seconds = {stat_bucket_bound_ns, 1e9}, things = {stat_bucket_bound_count, 1};

/* label NULL: none. */
static void
metrics_histogram(FILE *out, const char *name, const char *label, const char *value, const struct unit *unit,
		  const struct stat_histogram *histogram)
{
	uint64_t count = 0;

	for (size_t i = 0; i <= STAT_BUCKETS; i++) {
		count += stat_read(&histogram->bucket[i]);
		metrics_bucket(out, name, label, value, i < STAT_BUCKETS ? (double)unit->bound(i) / unit->scale : -1,
			       count);
	}
	metrics_total(out, name, "sum", label, value, (double)stat_read(&histogram->sum) / unit->scale);
	/* The buckets' own sum: count may be ahead of them, and a reader takes +Inf and count for the same. */
	metrics_total(out, name, "count", label, value, (double)count);
}

/* ---- workers ---- */

static void
metrics_queries(struct gateway *gateway, FILE *out)
{
	static const char *const transports[TRANSPORT_COUNT] = {
		[TRANSPORT_UDP] = "udp", [TRANSPORT_TCP] = "tcp", [TRANSPORT_TLS] = "tls"};

	metrics_head(out, "queries_total", "counter", "Queries answered, by transport and RCODE.");
	for (unsigned t = 0; t < TRANSPORT_COUNT; t++)
		for (unsigned rcode = 0; rcode < RCODES; rcode++) {
			uint64_t sum = 0;
			for (unsigned i = 0; i < gateway->worker_count; i++)
				sum += stat_read(&worker_counters(gateway->workers[i])->queries[t][rcode]);
			if (sum > 0 || rcode == 0)
				fprintf(out, "zonegate_queries_total{transport=\"%s\",rcode=\"%s\"} %" PRIu64 "\n",
					transports[t], rcode == RCODES - 1 ? "other" : rcode_text(rcode), sum);
		}
}

static void
metrics_tsig(struct gateway *gateway, FILE *out)
{
	metrics_head(out, "tsig_failures_total", "counter", "Requests whose TSIG did not verify, by reason.");
	for (int verdict = 0; verdict < TSIG_VERDICTS; verdict++) {
		uint64_t sum = 0;
		if (verdict == TSIG_NONE || verdict == TSIG_GOOD)
			continue;
		for (unsigned i = 0; i < gateway->worker_count; i++)
			sum += stat_read(&worker_counters(gateway->workers[i])->tsig_failures[verdict]);
		metrics_sample(out, "tsig_failures_total", "reason", tsig_verdict_text((enum tsig_verdict)verdict),
			       sum);
	}
}

static uint64_t
sum_of(struct gateway *gateway, size_t offset)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < gateway->worker_count; i++)
		sum += stat_read((const stat_counter *)((const char *)worker_counters(gateway->workers[i]) + offset));
	return sum;
}

static void
metrics_connections(struct gateway *gateway, FILE *out)
{
	static const struct {
		const char *name, *type, *help;
		size_t offset;
	} rows[] = {
		{"dropped_total", "counter", "Messages that were given no answer.",
		 offsetof(struct serve_counters, dropped)},
		{"xdp_messages_total", "counter", "UDP messages that came by AF_XDP, those of other counters.",
		 offsetof(struct serve_counters, xdp_messages)},
		{"xdp_malformed_total", "counter",
		 "Frames by AF_XDP with a wrong checksum or length, or a source that can be none.",
		 offsetof(struct serve_counters, xdp_malformed)},
		{"tcp_accepted_total", "counter", "TCP connections accepted.",
		 offsetof(struct serve_counters, tcp_accepted)},
		{"tcp_refused_total", "counter", "TCP connections over a limit.",
		 offsetof(struct serve_counters, tcp_refused)},
		{"tcp_connections", "gauge", "TCP connections that are open.",
		 offsetof(struct serve_counters, tcp_open)},
		{"transfers", "gauge", "AXFR and IXFR streams under way, each with a version of its zone.",
		 offsetof(struct serve_counters, transfers)},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		metrics_head(out, rows[i].name, rows[i].type, rows[i].help);
		fprintf(out, "zonegate_%s %" PRIu64 "\n", rows[i].name, sum_of(gateway, rows[i].offset));
	}
}

/* Counters of what has happened to some, by a label: rows of one name stand together. */
static void
metrics_clients(struct gateway *gateway, FILE *out)
{
	static const struct {
		const char *name, *label, *value, *help;
		size_t offset;
	} rows[] = {
		{"tls_handshakes_total", "result", "full", "TLS handshakes.",
		 offsetof(struct serve_counters, tls_full)},
		{"tls_handshakes_total", "result", "resumed", NULL, offsetof(struct serve_counters, tls_resumed)},
		{"tls_handshakes_total", "result", "failed", NULL, offsetof(struct serve_counters, tls_failed)},
		{"cookies_total", "verdict", "new", "Requests with a DNS cookie.",
		 offsetof(struct serve_counters, cookies[COOKIE_NEW])},
		{"cookies_total", "verdict", "bad", NULL, offsetof(struct serve_counters, cookies[COOKIE_BAD])},
		{"cookies_total", "verdict", "good", NULL, offsetof(struct serve_counters, cookies[COOKIE_GOOD])},
		{"rate_limited_total", "action", "drop", "Responses over the rate limit.",
		 offsetof(struct serve_counters, limited[RATELIMIT_DROP])},
		{"rate_limited_total", "action", "slip", NULL,
		 offsetof(struct serve_counters, limited[RATELIMIT_SLIP])},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].help)
			metrics_head(out, rows[i].name, "counter", rows[i].help);
		metrics_sample(out, rows[i].name, rows[i].label, rows[i].value, sum_of(gateway, rows[i].offset));
	}
}

/* Only where it is on: the counters are those of one reader's settings. */
static void
metrics_dnstap(struct gateway *gateway, FILE *out)
{
	struct dnstap *dnstap = atomic_load(&gateway->serve.settings)->dnstap;
	struct dnstap_counters counters;

	if (!dnstap)
		return;
	dnstap_count(dnstap, &counters);
	metrics_head(out, "dnstap_messages_total", "counter", "Messages copied by dnstap, or dropped.");
	metrics_sample(out, "dnstap_messages_total", "result", "sent", counters.sent);
	metrics_sample(out, "dnstap_messages_total", "result", "dropped", counters.dropped);
	metrics_head(out, "dnstap_connected", "gauge", "1: dnstap has its reader, or its file is open.");
	fprintf(out, "zonegate_dnstap_connected %d\n", counters.connected);
}

/* ---- zones ---- */

static bool
write_updates(void *context, struct zone *zone)
{
	const struct zone_counters *counters = atomic_load_explicit(&zone->counters, memory_order_acquire);
	FILE *out = context;

	for (unsigned rcode = 0; rcode < RCODES; rcode++) {
		uint64_t count = counters ? stat_read(&counters->updates[rcode]) : 0;
		if (count > 0 || rcode == 0) {
			fputs("zonegate_updates_total{zone=\"", out);
			metrics_label(out, zone->text);
			fprintf(out, "\",rcode=\"%s\"} %" PRIu64 "\n",
				rcode == RCODES - 1 ? "other" : rcode_text(rcode), count);
		}
	}
	return true;
}

static bool
write_conflicts(void *context, struct zone *zone)
{
	const struct zone_counters *counters = atomic_load_explicit(&zone->counters, memory_order_acquire);

	metrics_sample(context, "update_conflicts_total", "zone", zone->text,
		       counters ? stat_read(&counters->conflicts) : 0);
	return true;
}

static bool
write_serial(void *context, struct zone *zone)
{
	const struct zone_version *version = zone_current(zone);
	if (version)
		metrics_sample(context, "zone_serial", "zone", zone->text, version->serial);
	return true;
}

static bool
write_version(void *context, struct zone *zone)
{
	const struct zone_version *version = zone_current(zone);
	if (version)
		metrics_sample(context, "zone_version", "zone", zone->text, version->version);
	return true;
}

static bool
write_records(void *context, struct zone *zone)
{
	const struct zone_version *version = zone_current(zone);
	if (version)
		metrics_sample(context, "zone_records", "zone", zone->text, version->records);
	return true;
}

static bool
has_snapshots(const struct store *store)
{
	return store && strcmp(store->ops->type, "kafka") == 0;
}

static bool
write_snapshot_age(void *context, struct zone *zone)
{
	double age_s = has_snapshots(zone->store) ? kafka_snapshot_age_s(zone->store, zone) : -1;
	if (age_s >= 0)
		metrics_sample(context, "snapshot_age_seconds", "zone", zone->text, (uint64_t)age_s);
	return true;
}

static void
metrics_zones(struct gateway *gateway, FILE *out)
{
	static const struct {
		const char *name, *type, *help;
		bool (*write)(void *context, struct zone *zone);
	} rows[] = {
		{"updates_total", "counter", "UPDATE messages answered, by zone and RCODE.", write_updates},
		{"update_conflicts_total", "counter", "Changes evaluated again after a lost race.", write_conflicts},
		{"zone_serial", "gauge", "SOA serial that is served.", write_serial},
		{"zone_version", "gauge", "Changes applied since the zone's beginning.", write_version},
		{"zone_records", "gauge", "Resource records that are served.", write_records},
		{"snapshot_age_seconds", "gauge", "Age of the newest snapshot in the store.", write_snapshot_age},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		metrics_head(out, rows[i].name, rows[i].type, rows[i].help);
		gateway_each_zone(gateway, rows[i].write, out);
	}
}

/* ---- stores ---- */

static void
metrics_stores(struct gateway *gateway, FILE *out)
{
	static const struct {
		const char *name, *help;
		size_t offset;
	} histograms[] = {
		{"commit_duration_seconds", "From a batch's start to its being durable.",
		 offsetof(struct store, commit_seconds)},
		{"propagation_seconds", "From a change's time in the log to its being served here.",
		 offsetof(struct store, propagation_seconds)},
	};

	for (size_t h = 0; h < ARRAY_SIZE(histograms); h++) {
		metrics_head(out, histograms[h].name, "histogram", histograms[h].help);
		for (size_t i = 0; i < gateway->store_count; i++) {
			const struct store *store = gateway->stores[i].store;
			metrics_histogram(out, histograms[h].name, "store", store->name, &seconds,
					  (const struct stat_histogram *)((const char *)store + histograms[h].offset));
		}
	}
	metrics_head(out, "commit_batch_size", "histogram", "Changes made durable together.");
	for (size_t i = 0; i < gateway->store_count; i++)
		metrics_histogram(out, "commit_batch_size", "store", gateway->stores[i].store->name, &things,
				  &gateway->stores[i].store->batch_size);
	metrics_head(out, "store_connected", "gauge", "1: the store can be reached, or a part of it.");
	for (size_t i = 0; i < gateway->store_count; i++)
		metrics_sample(out, "store_connected", "store", gateway->stores[i].store->name,
			       atomic_load(&gateway->stores[i].store->connected) != 0);
	metrics_head(out, "store_silent_partitions", "gauge", "Parts of the store's log that do not answer.");
	for (size_t i = 0; i < gateway->store_count; i++)
		metrics_sample(out, "store_silent_partitions", "store", gateway->stores[i].store->name,
			       atomic_load(&gateway->stores[i].store->silent_partitions));
	metrics_head(out, "store_lag_records", "gauge", "Records in the log that have not been read yet.");
	for (size_t i = 0; i < gateway->store_count; i++)
		metrics_sample(out, "store_lag_records", "store", gateway->stores[i].store->name,
			       atomic_load(&gateway->stores[i].store->lag_records));
	metrics_head(out, "snapshot_retention_margin_seconds", "gauge",
		     "How long until changes expire that no snapshot covers.");
	for (size_t i = 0; i < gateway->store_count; i++) {
		struct store *store = gateway->stores[i].store;
		double margin_s = has_snapshots(store) ? kafka_retention_margin_s(store) : -1;
		if (margin_s >= 0)
			metrics_sample(out, "snapshot_retention_margin_seconds", "store", store->name,
				       (uint64_t)margin_s);
	}
	metrics_head(out, "store_skipped_total", "counter", "Records of the log that were skipped.");
	for (size_t i = 0; i < gateway->store_count; i++)
		metrics_sample(out, "store_skipped_total", "store", gateway->stores[i].store->name,
			       stat_read(&gateway->stores[i].store->skipped));
}

static void
metrics_updates(struct gateway *gateway, FILE *out)
{
	const struct committer_counters *counters = committer_counters(gateway->committer);

	metrics_head(out, "update_duration_seconds", "histogram", "From an UPDATE's arrival to its answer.");
	metrics_histogram(out, "update_duration_seconds", NULL, NULL, &seconds, &counters->duration);
	metrics_head(out, "update_overflow_total", "counter", "UPDATE messages refused because a queue was full.");
	fprintf(out, "zonegate_update_overflow_total %" PRIu64 "\n", stat_read(&counters->overflow));
	metrics_head(out, "update_retransmissions_total", "counter", "UPDATE messages that had been seen before.");
	fprintf(out, "zonegate_update_retransmissions_total %" PRIu64 "\n", stat_read(&counters->retransmissions));
}

static void
metrics_secondaries(struct gateway *gateway, FILE *out)
{
	const struct ixfr_counters *ixfr = ixfr_counters(gateway->ixfr);
	const struct notify_counters *notify = notify_counters(gateway->notify);
	const struct { const char *name, *type, *help; const stat_counter *counter;
	} rows[] = {
		{"ixfr_incremental_total", "counter", "IXFR answered with differences.", &ixfr->incremental},
		{"ixfr_whole_total", "counter", "IXFR over TCP answered with the whole zone.", &ixfr->whole},
		{"ixfr_single_total", "counter", "IXFR over UDP answered with the SOA alone.", &ixfr->single},
		{"ixfr_deferred_total", "counter", "IXFR cut off because the log was still being read.",
		 &ixfr->deferred},
		{"notify_sent_total", "counter", "NOTIFY messages sent, retries included.", &notify->sent},
		{"notify_retries_total", "counter", "NOTIFY messages sent again.", &notify->retries},
		{"notify_acknowledged_total", "counter", "NOTIFY messages acknowledged.", &notify->acknowledged},
		{"notify_refused_total", "counter", "Answers to NOTIFY that were no acknowledgement.",
		 &notify->refused},
		{"notify_failed_total", "counter", "NOTIFY messages that could not be sent.", &notify->failed},
		{"notify_waiting", "gauge", "Secondaries that have not acknowledged the newest version yet.",
		 &notify->waiting},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		metrics_head(out, rows[i].name, rows[i].type, rows[i].help);
		fprintf(out, "zonegate_%s %" PRIu64 "\n", rows[i].name, stat_read(rows[i].counter));
	}
}

void
metrics_write(struct gateway *gateway, FILE *out)
{
	pthread_rwlock_rdlock(&gateway->lock);
	metrics_head(out, "build_info", "gauge", "1; the version is in the label.");
	metrics_sample(out, "build_info", "version", PACKAGE_VERSION, 1);
	metrics_head(out, "start_time_seconds", "gauge", "When the gateway started, seconds since 1970.");
	fprintf(out, "zonegate_start_time_seconds %.6f\n", (double)gateway->started_us / 1e6);
	metrics_queries(gateway, out);
	metrics_connections(gateway, out);
	metrics_clients(gateway, out);
	metrics_tsig(gateway, out);
	metrics_dnstap(gateway, out);
	metrics_updates(gateway, out);
	metrics_secondaries(gateway, out);
	metrics_zones(gateway, out);
	metrics_stores(gateway, out);
	pthread_rwlock_unlock(&gateway->lock);
}
