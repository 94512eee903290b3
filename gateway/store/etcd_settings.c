/* What the configuration says, copied. */
#include "store/etcd_internal.h"
#include <stdlib.h>

/* What it does not say is ns.dns.ZONE, hostmaster.ZONE. */
bool
etcd_set_defaults(struct etcd_zone *at, const struct etcd_defaults *given)
{
	uint8_t ns[NAME_MAX_SIZE], rname[NAME_MAX_SIZE];

	if (name_join((const uint8_t *)"\2ns\3dns", 7, at->name, ns) != STATUS_OK)
		memcpy(ns, at->name, name_size(at->name));
	if (name_join((const uint8_t *)"\12hostmaster", 11, at->name, rname) != STATUS_OK)
		memcpy(rname, at->name, name_size(at->name));
	const uint8_t *mname = given->mname ? given->mname : given->ns_count ? given->ns[0] : ns;
	const uint8_t *mailbox = given->rname ? given->rname : rname;
	at->defaults = malloc((given->ns_count + 3) * NAME_MAX_SIZE);
	if (!at->defaults)
		return false;
	uint8_t *out = at->defaults;
	memcpy(out, mname, name_size(mname));
	out += name_size(mname);
	memcpy(out, mailbox, name_size(mailbox));
	out += name_size(mailbox);
	for (size_t i = 0; i < (given->ns_count ? given->ns_count : 1); i++) {
		const uint8_t *server = given->ns_count ? given->ns[i] : mname;
		memcpy(out, server, name_size(server));
		out += name_size(server);
	}
	at->defaults_size = (size_t)(out - at->defaults);
	return true;
}

void
etcd_free_settings(struct etcd_settings *settings)
{
	for (size_t i = 0; settings->endpoints && i < settings->endpoint_count; i++)
		free((char *)(uintptr_t)settings->endpoints[i]);
	const char *texts[] = {settings->prefix, settings->ca,   settings->certificate,
			       settings->key,    settings->user, settings->password_file};
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		free((char *)(uintptr_t)texts[i]);
	free((void *)(uintptr_t)settings->endpoints);
}

bool
etcd_copy_settings(const struct etcd_settings *from, struct etcd_settings *to)
{
	const char **texts[] = {&to->prefix, &to->ca, &to->certificate, &to->key, &to->user, &to->password_file};
	char **endpoints = calloc(from->endpoint_count, sizeof *endpoints);
	bool made = endpoints != NULL;

	*to = *from;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (*texts[i])
			made = (*texts[i] = strdup(*texts[i])) && made;
	for (size_t i = 0; made && i < from->endpoint_count; i++)
		made = (endpoints[i] = strdup(from->endpoints[i])) != NULL;
	to->endpoints = (const char *const *)endpoints;
	return made;
}
