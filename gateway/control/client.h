/*
 * The other end of the control socket (control.h), for zonegatectl.
 *
 * Threads:   one.
 * Memory:    client_free frees what the options took.
 */
#ifndef ZONEGATE_CONTROL_CLIENT_H
#define ZONEGATE_CONTROL_CLIENT_H

#include "base/status.h"
#include <stdbool.h>
#include <stdio.h>

#define CLIENT_REASON_SIZE 2048
#define CLIENT_MAX_ARGUMENTS 8
#define CLIENT_DEFAULT_CONFIG "/etc/zonegate/zonegate.yaml"

struct json_t;

struct client_request {
	const char *command;
	const char *const *arguments; size_t argument_count;
	struct json_t *options;
	bool json;
	const char *content; size_t content_size;
	bool until_closed;                /* return when the gateway has ended */
};

/* value NULL: a flag. repeat: a list. False: given twice. */
bool client_add_option(struct client_request *request, const char *name, const char *value, bool repeat);
/* Another value for one that was given. */
bool client_set_option(struct client_request *request, const char *name, const char *value);
/* NULL: not given. */
const char *client_option(const struct client_request *request, const char *name);
void client_free(struct client_request *request);

/*
 * To the gateway and back; output goes to `out`.
 * config, socket  where the socket is: the socket itself, or the configuration that names it; both NULL: the
 *                 default configuration
 * reason          CLIENT_REASON_SIZE: why not
 */
MUST_USE enum status client_run(const struct client_request *request, const char *config, const char *socket,
                                FILE *out, char *reason);

#endif
