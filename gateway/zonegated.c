/*
 * zonegated: arguments, start order, signals, stop order. What is started is in control/gateway.c.
 */
#include "base/log.h"
#include "base/rcu.h"
#include "control/catalog.h"
#include "control/control.h"
#include "control/http.h"
#include "control/jobs.h"
#include "control/libraries.h"
#include "control/reload.h"
#include "serve/xdp.h"
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <malloc.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MALLOC_ARENAS 2 /* the default, eight a CPU, keeps freed memory of each thread for itself */
#define MALLOC_LARGE_BYTES (256 << 10)
#define MALLOC_SPARE_BYTES (4 << 20) /* kept at the end of the heap */
#define SETTLE_POLL_NS 5000000

static const char usage[] = "usage: zonegated -c FILE [-t]\n       zonegated -V | -h\n";

struct start {
	struct config *config;
	unsigned threads;
	uid_t uid;
	gid_t gid;
	struct listener_sockets *sockets;
	struct xdp_sockets *xdp;
	int control_fd, http_fd;
	struct gateway gateway;
	struct control *control;
	struct http *http;
};

/* ---- systemd: Type=notify, without its library (sd_notify(3), "Notes") ---- */

static void
notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof address.sun_path)
		return;
	memcpy(address.sun_path, path, strlen(path));
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address, size) < 0)
		log_warning("notify", "systemd cannot be told reason=%s", strerror(errno));
	close(fd);
}

static void
notify_reloading(void)
{
	char state[64];
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%lld",
		 (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	notify(state);
}

/* ---- -t ---- */

static void
say_no_user(const struct config *config, char *reason)
{
	snprintf(reason, CONFIG_REASON_SIZE, "%s:%u: user %s: no such user", config->path, config->server.user_line,
		 config->server.user);
}

static int
check_only(const struct config *config)
{
	char reason[JOBS_REASON_SIZE];

	if (config->server.user && !getpwnam(config->server.user)) {
		say_no_user(config, reason);
		fprintf(stderr, "%s\n", reason);
		return 1;
	}
	for (size_t i = 0; i < config->zone_count; i++)
		if (config->zones[i].file && jobs_check_file(config, &config->zones[i], reason) != STATUS_OK) {
			fprintf(stderr, "%s\n", reason);
			return 1;
		}
	return 0;
}

/* ---- start ---- */

static bool
fail(const char *text)
{
	log_error("start", "reason=%s", text);
	return false;
}

static bool
find_user(struct start *start)
{
	const struct config_server *server = &start->config->server;
	char reason[CONFIG_REASON_SIZE];
	struct passwd *entry;

	start->uid = (uid_t)-1;
	start->gid = (gid_t)-1;
	if (!server->user)
		return true;
	entry = getpwnam(server->user);
	if (!entry)
		say_no_user(start->config, reason);
	else if (geteuid() != 0 && geteuid() != entry->pw_uid)
		snprintf(reason, sizeof reason, "%s:%u: user %s: only root can change to another user",
			 start->config->path, server->user_line, server->user);
	else if (geteuid() == 0)
		start->uid = entry->pw_uid, start->gid = entry->pw_gid;
	else
		return true;
	return start->uid != (uid_t)-1 || fail(reason);
}

/* The state directory belongs to the user who will write it. */
static bool
make_state_dir(const struct start *start)
{
	const char *path = start->config->server.state_dir;
	char reason[CONFIG_REASON_SIZE];

	bool made = mkdir(path, 0750) == 0;
	if ((made || errno == EEXIST) && (!made || start->uid == (uid_t)-1 || chown(path, start->uid, start->gid) == 0))
		return true;
	snprintf(reason, sizeof reason, "state-dir %s: %s", path, strerror(errno));
	return fail(reason);
}

static bool
open_xdp(struct start *start)
{
	const struct config_server *server = &start->config->server;
	char why[LISTENER_REASON_SIZE] = "", reason[CONFIG_REASON_SIZE];

	if (server->xdp.count == 0)
		return true;
	if (xdp_open(server->xdp.items, server->xdp.count, start->sockets, start->threads, &start->xdp, why) !=
	    STATUS_OK) {
		snprintf(reason, sizeof reason, "%s:%u: xdp: %s", start->config->path, server->xdp.line, why);
		return fail(reason);
	}
	for (unsigned i = 0; i < start->threads; i++)
		start->sockets[i].xdp = start->xdp;
	return true;
}

static bool
open_sockets(struct start *start)
{
	const struct config_server *server = &start->config->server;
	char reason[CONFIG_REASON_SIZE] = "";

	if (listener_open(server->listen.items, server->listen.count, start->threads, &start->sockets, reason) !=
	    STATUS_OK)
		return fail(reason);
	if (listener_open_tls(server->listen_tls.items, server->listen_tls.count, start->threads, start->sockets,
			      reason) != STATUS_OK)
		return fail(reason);
	if (server->http.count > 0 && http_listen(&server->http.items[0], &start->http_fd, reason) != STATUS_OK)
		return fail(reason);
	if (control_listen(server->control_socket, start->uid, start->gid, &start->control_fd, reason) != STATUS_OK)
		return fail(reason);
	return open_xdp(start);
}

static bool
drop_privileges(const struct start *start)
{
	char reason[200];

	if (start->uid == (uid_t)-1)
		return true;
	if (initgroups(start->config->server.user, start->gid) == 0 && setgid(start->gid) == 0 &&
	    setuid(start->uid) == 0 && setuid(0) != 0)
		return true;
	snprintf(reason, sizeof reason, "user %s: %s", start->config->server.user, strerror(errno));
	return fail(reason);
}

static void
request_stop(void)
{
	kill(getpid(), SIGTERM);
}

/* What follows gateway_open; its failure is undone by stop_all. */
static bool
start_services(struct start *start)
{
	char reason[GATEWAY_REASON_SIZE] = "";

	if (gateway_start_zones(&start->gateway, reason) != STATUS_OK)
		return fail(reason);
	if (gateway_start_workers(&start->gateway, start->sockets, start->threads, reason) != STATUS_OK)
		return fail(reason);
	if (control_start(&start->gateway, start->control_fd, start->gateway.config->server.control_socket,
			  &start->control, reason) != STATUS_OK)
		return fail(reason);
	if (start->http_fd >= 0 && http_start(&start->gateway, start->http_fd, &start->http, reason) != STATUS_OK)
		return fail(reason);
	return true;
}

static bool
start_all(struct start *start)
{
	char reason[GATEWAY_REASON_SIZE] = "";
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t threads = start->config->server.threads;

	start->threads = threads ? (unsigned)threads : cpus > 0 ? (unsigned)cpus : 1;
	if (!find_user(start) || !make_state_dir(start) || !open_sockets(start) || !drop_privileges(start))
		return false;
	enum status status = gateway_open(&start->gateway, start->config, reason);
	start->gateway.stop = request_stop;
	if (status != STATUS_OK)
		return fail(reason);
	start->gateway.catalog = catalog_new(&start->gateway);
	start->gateway.hooks = (struct gateway_hooks){start->gateway.catalog, catalog_zone, catalog_published};
	return start_services(start);
}

static void
stop_all(struct start *start)
{
	if (start->http)
		http_stop(start->http);
	if (start->control)
		control_stop(start->control);
	if (start->gateway.catalog)
		catalog_stop(start->gateway.catalog);
	if (start->gateway.config)
		gateway_close(&start->gateway);
	else
		config_free(start->config);
	if (start->gateway.catalog)
		catalog_free(start->gateway.catalog);
	xdp_close(start->xdp);
	listener_close(start->sockets, start->threads);
}

/* ---- run ---- */

static void
say_ready(struct start *start)
{
	bool all = gateway_zones_loaded(&start->gateway);

	atomic_store(&start->gateway.waiting, !all);
	atomic_store(&start->gateway.ready, true);
	malloc_trim(0);
	if (!all)
		log_warning("zones not served", "reason=their store cannot be reached: they are served once it can");
	log_info("ready", "zones=%zu threads=%u version=%s", table_count(start->gateway.table), start->threads,
		 PACKAGE_VERSION);
	notify("READY=1");
}

static void
reload(struct start *start)
{
	char reason[GATEWAY_REASON_SIZE] = "";

	notify_reloading();
	/* Why not is in the log. */
	if (reload_run(&start->gateway, reason) == STATUS_OK)
		malloc_trim(0);
	notify("READY=1");
}

/* Until a signal says stop. */
static void
run(struct start *start, const sigset_t *signals)
{
	static const struct timespec poll = {.tv_nsec = SETTLE_POLL_NS};
	bool ready = false;

	for (;;) {
		if (!ready && gateway_zones_settled(&start->gateway)) {
			say_ready(start);
			ready = true;
		}
		int signal_number = ready ? sigwaitinfo(signals, NULL) : sigtimedwait(signals, NULL, &poll);
		if (signal_number == SIGHUP)
			reload(start);
		else if (signal_number == SIGTERM || signal_number == SIGINT)
			break;
	}
	log_info("stopping", "zones=%zu", table_count(start->gateway.table));
	notify("STOPPING=1");
}

/* Before there is any thread: all inherit the mask. */
static void
prepare_process(sigset_t *signals)
{
	struct rlimit files;

	sigemptyset(signals);
	sigaddset(signals, SIGTERM);
	sigaddset(signals, SIGINT);
	sigaddset(signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	umask(027);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

static int
serve(struct config *config)
{
	struct start start = {.config = config, .control_fd = -1, .http_fd = -1};
	sigset_t signals;

	log_configure((enum log_level)config->log_level, (enum log_format)config->log_format);
	prepare_process(&signals);
	rcu_register_thread();
	rcu_thread_offline();
	bool started = start_all(&start);
	if (started)
		run(&start, &signals);
	stop_all(&start);
	if (started)
		log_info("stopped", "clean");
	rcu_unregister_thread();
	return started ? 0 : 1;
}

static int
wrong_usage(void)
{
	fputs(usage, stderr);
	return 2;
}

/*
 * Large blocks come from the system and go back to it. By itself malloc takes ever larger ones from its heap once it
 * has seen one freed, as the configuration's is: tables of a MiB of which a few pages are ever used are then cleared,
 * and resident, whole.
 */
static void
prepare_malloc(void)
{
	mallopt(M_ARENA_MAX, MALLOC_ARENAS);
	mallopt(M_MMAP_THRESHOLD, MALLOC_LARGE_BYTES);
	mallopt(M_TRIM_THRESHOLD, MALLOC_SPARE_BYTES);
}

int
main(int argc, char **argv)
{
	static const struct option names[] = {
		{"help", no_argument, NULL, 'h'}, {"version", no_argument, NULL, 'V'}, {NULL, 0, NULL, 0}};
	struct config_options options = {.has_store = store_types_has, .check_property = store_types_check_property};
	struct config *config;
	char reason[CONFIG_REASON_SIZE] = "";
	const char *path = NULL;
	bool check = false;
	int option;

	prepare_malloc();
	while ((option = getopt_long(argc, argv, "c:tVh", names, NULL)) != -1) {
		switch (option) {
		case 'c':
			path = optarg;
			break;
		case 't':
			check = true;
			break;
		case 'V':
			libraries_print(stdout, "zonegated " PACKAGE_VERSION);
			return 0;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			return wrong_usage();
		}
	}
	if (!path || optind != argc)
		return wrong_usage();
	if (config_load(path, &options, &config, reason) != STATUS_OK) {
		fprintf(stderr, "%s\n", reason);
		return 1;
	}
	malloc_trim(0); /* what was needed to read it: tables that are made now are to lie in fresh pages */
	if (!check)
		return serve(config);
	int code = check_only(config);
	config_free(config);
	return code;
}
