#include "control/settings.h"
#include "base/must.h"
#include "control/config_rules.h"
#include "serve/dnstap.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct acl *
settings_acl(const struct config_list *list)
{
	struct acl *acl = must(acl_new());
	char reason[POLICY_REASON_SIZE];

	for (size_t i = 0; i < list->count; i++) {
		enum status status = acl_add(acl, list->items[i], reason);
		invariant(status == STATUS_OK);
	}
	return acl;
}

static struct policy *
settings_policy(const struct config_zone *zone)
{
	struct policy *policy = must(policy_new(zone->name));
	char reason[POLICY_REASON_SIZE];

	for (size_t i = 0; i < zone->rules->update_policy.count; i++) {
		/* Checked, but for a member of a catalog: a rule that can never match there is passed over. */
		enum status status = policy_add_rule(policy, zone->rules->update_policy.items[i], reason);
		invariant(status == STATUS_OK || zone->added);
	}
	return policy;
}

struct update_settings *
settings_update(const struct config_zone *zone, struct settings_before *before)
{
	const struct config_rules *rules = zone->rules;

	/* A policy is the zone's own: its rules speak of it. */
	if (before->update && !rules->has_policy && config_rules_same_update(before->update_rules, rules)) {
		atomic_fetch_add(&before->update->others, 1);
		return before->update;
	}
	struct update_settings *settings = must(calloc(1, sizeof *settings));

	settings->policy = rules->has_policy ? settings_policy(zone) : NULL;
	settings->allow_update = rules->has_allow_update ? settings_acl(&rules->allow_update) : NULL;
	settings->serial = (enum serial_rule)rules->serial;
	settings->strict = rules->strict;
	settings->zonemd = rules->zonemd;
	settings->timeout_ms = (unsigned)rules->update_timeout_ms;
	settings->on_failure_udp = (enum update_failure)rules->on_failure_udp;
	settings->on_failure_tcp = (enum update_failure)rules->on_failure_tcp;
	before->update = settings;
	before->update_rules = rules;
	return settings;
}

static uint8_t *
settings_key_name(const char *text)
{
	static const uint8_t root[] = {0};
	uint8_t name[NAME_MAX_SIZE];
	enum status status = name_from_text(text, strlen(text), root, name);

	invariant(status == STATUS_OK);
	size_t size = name_lower(name, name);
	return memcpy(must(malloc(size)), name, size);
}

struct transfer_settings *
settings_transfer(const struct config_rules *rules, const struct config_rules *queries, struct settings_before *before)
{
	if (before->transfer && config_rules_same_notify(before->transfer_rules, rules) &&
	    config_rules_same_list(&before->transfer_rules->allow_transfer, &rules->allow_transfer) &&
	    before->queries_rules->has_allow_query == queries->has_allow_query &&
	    before->queries_rules->zonemd == queries->zonemd &&
	    config_rules_same_list(&before->queries_rules->allow_query, &queries->allow_query)) {
		atomic_fetch_add(&before->transfer->others, 1);
		return before->transfer;
	}
	struct transfer_settings *settings = must(calloc(1, sizeof *settings));

	settings->allow_transfer = rules->allow_transfer.count > 0 ? settings_acl(&rules->allow_transfer) : NULL;
	settings->allow_query = queries->has_allow_query ? settings_acl(&queries->allow_query) : NULL;
	settings->zonemd = queries->zonemd;
	settings->notify = must(calloc(rules->notify_count + 1, sizeof *settings->notify));
	settings->notify_count = rules->notify_count;
	for (size_t i = 0; i < rules->notify_count; i++) {
		settings->notify[i].address = rules->notify[i].address.address;
		settings->notify[i].key_name = rules->notify[i].key ? settings_key_name(rules->notify[i].key) : NULL;
	}
	before->transfer = settings;
	before->transfer_rules = rules;
	before->queries_rules = queries;
	return settings;
}

/* What is said in each frame: `text`, nothing where it is "none", or else what we are called. */
static const char *
settings_dnstap_word(const char *text, const char *ours)
{
	return !text ? ours : strcmp(text, "none") == 0 ? NULL : text;
}

/* The old one goes on where nothing has changed; NULL: off. */
static struct dnstap *
settings_dnstap(const struct config *config, struct dnstap *old)
{
	const struct config_dnstap *dnstap = &config->server.dnstap;
	char name[SETTINGS_NAME_SIZE];
	const struct dnstap_settings wanted = {
		.socket = dnstap->socket,
		.file = dnstap->file,
		.identity = settings_dnstap_word(dnstap->identity, settings_gateway_name(config, name)),
		.version = settings_dnstap_word(dnstap->version, "zonegate " PACKAGE_VERSION),
		.types = dnstap->types,
	};

	if (!dnstap->socket && !dnstap->file)
		return NULL;
	return old && dnstap_fits(old, &wanted) ? dnstap_hold(old) : must(dnstap_new(&wanted));
}

struct serve_settings *
settings_serve(const struct config *config, const struct serve_settings *old)
{
	struct serve_settings *settings = must(calloc(1, sizeof *settings));

	keyring_hold(config->keys);
	settings->keys = config->keys;
	settings->identity = config->server.identity ? must(strdup(config->server.identity)) : NULL;
	if (config->server.version)
		settings->version_text =
			must(strdup(strcmp(config->server.version, "none") == 0 ? "" : config->server.version));
	settings->udp_size = (uint16_t)config->server.udp_size;
	settings->keepalive_100ms = (uint16_t)(config->server.tcp_idle_ms / 100);
	settings->ratelimit.rate_milli = (uint32_t)config->server.rate_limit.rate * 1000;
	settings->ratelimit.slip = (uint32_t)config->server.rate_limit.slip;
	/* Cookies and sessions that clients have stay good. */
	settings->cookies = config->cookies;
	if (config->cookies.count == 0 && old)
		settings->cookies = old->cookies;
	else if (config->cookies.count == 0)
		cookie_random(&settings->cookies);
	settings->tls = tls_hold(config->tls);
	if (config->tls && old && old->tls)
		tls_inherit(config->tls, old->tls);
	settings->dnstap = settings_dnstap(config, old ? old->dnstap : NULL);
	return settings;
}

void
settings_serve_free(struct serve_settings *settings)
{
	keyring_free(settings->keys);
	tls_free(settings->tls);
	dnstap_free(settings->dnstap);
	free(settings->identity);
	free(settings->version_text);
	free(settings);
}

const char *
settings_gateway_name(const struct config *config, char *out)
{
	if (config->server.identity)
		snprintf(out, SETTINGS_NAME_SIZE, "%s", config->server.identity);
	else if (gethostname(out, SETTINGS_NAME_SIZE - 1) != 0)
		snprintf(out, SETTINGS_NAME_SIZE, "zonegate");
	out[SETTINGS_NAME_SIZE - 1] = '\0';
	return out;
}
