#include "zone/master.h"
#include "base/log.h"
#include "wire/name.h"
#include "zone/check.h"
#include "zone/master_parse.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define INCLUDE_DEPTH 10
/* A piece is parsed while the one before is put into the draft; small enough to stay in the second-level cache. */
#define PIECE_BYTES ((size_t)256 * 1024)
/* Below this a second thread costs more than it saves. */
#define PARALLEL_BYTES ((size_t)2 * 1024 * 1024)
#define MAX_THREADS 3
/* Pieces parsed ahead of the one that is put into the draft. */
#define AHEAD 8

struct load {
	struct draft *draft;
	char *reason;
	bool from_file; /* $INCLUDE is for files only: text that came over a socket must not name ours */
};

/* A file, or the text that stands for one. */
struct source {
	const char *path;
	char *text; /* ends with a newline */
	size_t size;
	unsigned depth;
};

static enum status load_source(struct load *load, struct source *source, struct master_state *state);

static enum status
fail_at(struct load *load, const struct source *source, size_t at, enum status status, const char *what)
{
	size_t line = 1;

	for (size_t i = 0; i < at; i++)
		line += source->text[i] == '\n';
	snprintf(load->reason, MASTER_REASON_SIZE, "%.200s:%zu: %.370s", source->path, line, what);
	return status;
}

static enum status
fail_file(struct load *load, const char *path, const char *what)
{
	snprintf(load->reason, MASTER_REASON_SIZE, "%.400s: %s", path, what);
	return STATUS_IO;
}

static enum status
source_read(struct load *load, struct source *source)
{
	struct stat info;
	enum status status = STATUS_OK;
	/* A device or a pipe named by $INCLUDE must not block. */
	int fd = open(source->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || fstat(fd, &info) < 0) {
		status = fail_file(load, source->path, strerror(errno));
		goto out;
	}
	if (!S_ISREG(info.st_mode)) {
		status = fail_file(load, source->path, "no regular file");
		goto out;
	}
	source->size = (size_t)info.st_size;
	source->text = malloc(source->size + 1);
	if (source->text == NULL) {
		fail_file(load, source->path, "no memory");
		status = STATUS_NO_MEMORY;
		goto out;
	}
	for (size_t have = 0; have < source->size;) {
		ssize_t got = read(fd, source->text + have, source->size - have);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			status = fail_file(load, source->path, got < 0 ? strerror(errno) : "became shorter");
			goto out;
		}
		have += (size_t)got;
	}
	if (source->size == 0 || source->text[source->size - 1] != '\n')
		source->text[source->size++] = '\n';
out:
	if (fd >= 0)
		close(fd);
	return status;
}

/* A line of its own for the two faults that the draft could not tell from their place later. */
static const char *
entry_fault(const struct zone_version *version, const struct node *node, const struct master_entry *entry)
{
	struct rrset have;

	if (entry->rrset.type == TYPE_SOA && entry->owner_size != version->apex_size)
		return "SOA that is not at the apex";
	if (node && entry->rrset.type != TYPE_SOA && !check_may_add(version, node, entry->rrset.type))
		return "CNAME and other data";
	if (rrtype_info(entry->rrset.type)->singleton && node && node_rrset(node, entry->rrset.type, &have)) {
		struct rdata rdata = rrset_first(&entry->rrset);
		if (entry->rrset.count > 1 || !rrset_has(&have, rdata.bytes, rdata.size))
			return "another record of a type that has only one";
	}
	return NULL;
}

static enum status
insert_entry(struct load *load, const struct source *source, const struct master_entry *entry)
{
	struct zone_version *version = load->draft->version;
	const struct node *node = NULL;
	bool ttl_differs;
	char what[NAME_TEXT_SIZE + 100], owner[NAME_TEXT_SIZE];

	/* Most names of a large zone have an A or AAAA only: then the draft's own search is enough. */
	node = version_find(version, entry->owner, entry->owner_size);
	if (node != NULL || entry->rrset.type == TYPE_SOA) {
		const char *fault = entry_fault(version, node, entry);
		if (fault) {
			snprintf(what, sizeof what, "%s at %s", fault, name_to_text(entry->owner, owner));
			return fail_at(load, source, entry->at, STATUS_INVALID, what);
		}
	}
	enum status status = draft_merge(load->draft, entry->owner, &entry->rrset, &ttl_differs);
	if (status != STATUS_OK)
		return fail_at(load, source, entry->at, status, status_text(status));
	if (ttl_differs)
		log_limited(LOG_LEVEL_WARNING, "master",
			    "file=%s owner=%s reason=\"TTL differs in the RRset, the first is taken\"", source->path,
			    name_to_text(entry->owner, owner));
	return STATUS_OK;
}

static enum status
insert_piece(struct load *load, const struct source *source, const struct master_piece *piece)
{
	struct master_entry entry;
	enum status status = STATUS_OK;
	size_t at = 0;

	while (status == STATUS_OK && master_piece_next(piece, &at, &entry))
		status = insert_entry(load, source, &entry);
	return status;
}

/* RFC 1035 5.1: origin and owner come back after it; the file is sought beside the one that names it. */
static enum status
include(struct load *load, const struct source *source, const struct master_piece *piece)
{
	struct source inner = {.depth = source->depth + 1};
	struct master_state state = piece->state;
	char *path = NULL;
	const char *slash = strrchr(source->path, '/');
	enum status status;

	if (!load->from_file)
		return fail_at(load, source, piece->fault, STATUS_INVALID, "$INCLUDE is taken from files only");
	if (inner.depth > INCLUDE_DEPTH)
		return fail_at(load, source, piece->fault, STATUS_INVALID, "$INCLUDE within too many others");
	int length = piece->include[0] == '/' || slash == NULL ? 0 : (int)(slash + 1 - source->path);
	if (asprintf(&path, "%.*s%s", length, source->path, piece->include) < 0)
		return STATUS_NO_MEMORY;
	inner.path = path;
	memcpy(state.origin, piece->include_origin, NAME_MAX_SIZE);
	status = source_read(load, &inner);
	if (status == STATUS_OK)
		status = load_source(load, &inner, &state);
	else if (status == STATUS_IO) {
		char what[MASTER_REASON_SIZE];
		memcpy(what, load->reason, sizeof what);
		status = fail_at(load, source, piece->fault, STATUS_IO, what);
	}
	free(inner.text);
	free(path);
	return status;
}

/* Put in what a piece holds, then go on from where it stopped as long as $INCLUDE stops it. */
static enum status
finish_piece(struct load *load, const struct source *source, struct master_piece *piece)
{
	for (;;) {
		enum status status = insert_piece(load, source, piece);
		if (status != STATUS_OK || piece->outcome == MASTER_DONE)
			return status;
		if (piece->outcome == MASTER_FAILED)
			return fail_at(load, source, piece->fault, piece->status, piece->reason);
		status = include(load, source, piece);
		if (status != STATUS_OK)
			return status;
		free(piece->include);
		piece->include = NULL;
		piece->begin = piece->stop;
		master_piece_parse(piece);
	}
}

static void
piece_init(struct master_piece *piece, const struct load *load, const struct source *source)
{
	memset(piece, 0, sizeof *piece);
	piece->apex = load->draft->version->apex;
	piece->apex_size = load->draft->version->apex_size;
	piece->text = source->text;
	piece->size = source->size;
}

/* One thread: [*at, end) piece by piece. */
static enum status
load_alone(struct load *load, struct source *source, struct master_state *state, size_t *at, size_t end)
{
	struct master_piece piece;
	enum status status = STATUS_OK;

	piece_init(&piece, load, source);
	piece.state = *state;
	while (status == STATUS_OK && *at < end) {
		piece.begin = *at;
		piece.end = end - *at < PIECE_BYTES ? end : *at + PIECE_BYTES;
		master_piece_parse(&piece);
		status = finish_piece(load, source, &piece);
		*at = piece.stop;
	}
	*state = piece.state;
	master_piece_free(&piece);
	return status;
}

/*
 * Several threads: pieces are parsed ahead on the guess that each begins with a line that names its owner, outside
 * parentheses, and with $ORIGIN and $TTL as they are after the first piece. Who puts them into the draft, in order,
 * knows whether the guess was right, and parses again where it was not; so the result is always that of one thread.
 */
struct ahead {
	struct master_piece piece;
	bool taken, done;
};

struct crew {
	const struct load *load;
	const struct source *source;
	const struct master_state *state; /* the guess */
	size_t begin, count;              /* pieces in the file after `begin` */
	struct ahead ring[AHEAD];
	size_t next, inserted;            /* pieces taken to be parsed, and put into the draft */
	bool stop;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
};

/* The first line that names its owner at or after the nominal begin of piece `i`. */
static size_t
crew_boundary(const struct crew *crew, size_t i)
{
	const char *text = crew->source->text;
	size_t size = crew->source->size, at = crew->begin + i * PIECE_BYTES;

	if (i == 0 || at >= size)
		return i == 0 ? crew->begin : size;
	for (;;) {
		const char *end = memchr(text + at - 1, '\n', size - at + 1);
		if (end == NULL || (size_t)(end - text) + 1 >= size)
			return size;
		at = (size_t)(end - text) + 1;
		if (strchr(" \t\r\n;()\"$", text[at]) == NULL)
			return at;
		at++;
	}
}

/* Parse one more piece, if there is one to parse; the mutex is held, and given up meanwhile. */
static bool
crew_work(struct crew *crew)
{
	if (crew->stop || crew->next == crew->count || crew->next - crew->inserted >= AHEAD)
		return false;
	size_t i = crew->next++;
	struct ahead *ahead = &crew->ring[i % AHEAD];
	ahead->done = false;
	pthread_mutex_unlock(&crew->mutex);
	ahead->piece.begin = crew_boundary(crew, i);
	ahead->piece.end = crew_boundary(crew, i + 1);
	ahead->piece.state = *crew->state;
	ahead->piece.state.owner_size = 0;
	free(ahead->piece.include);
	ahead->piece.include = NULL;
	master_piece_parse(&ahead->piece);
	pthread_mutex_lock(&crew->mutex);
	ahead->done = true;
	pthread_cond_broadcast(&crew->changed);
	return true;
}

static void *
crew_main(void *context)
{
	struct crew *crew = context;

	pthread_mutex_lock(&crew->mutex);
	while (!crew->stop && crew->next < crew->count)
		if (!crew_work(crew))
			pthread_cond_wait(&crew->changed, &crew->mutex);
	pthread_mutex_unlock(&crew->mutex);
	return NULL;
}

static bool
guess_was_right(const struct crew *crew, const struct master_piece *piece, const struct master_state *state, size_t at)
{
	const struct master_state *guess = crew->state;

	if (piece->begin != at || guess->has_default != state->has_default ||
	    memcmp(guess->origin, state->origin, name_size(state->origin)) != 0)
		return false;
	if (guess->has_default)
		return guess->default_ttl_s == state->default_ttl_s;
	return guess->has_last == state->has_last && guess->last_ttl_s == state->last_ttl_s;
}

static enum status
crew_insert(struct crew *crew, struct load *load, struct master_piece *piece, struct master_state *state, size_t *at)
{
	if (piece->end <= *at)
		return STATUS_OK;
	if (!guess_was_right(crew, piece, state, *at)) {
		piece->begin = *at;
		piece->state = *state;
		free(piece->include);
		piece->include = NULL;
		master_piece_parse(piece);
	}
	enum status status = finish_piece(load, crew->source, piece);
	*state = piece->state;
	*at = piece->stop;
	return status;
}

static enum status
crew_run(struct crew *crew, struct load *load, struct master_state *state, size_t *at)
{
	enum status status = STATUS_OK;

	pthread_mutex_lock(&crew->mutex);
	while (status == STATUS_OK && crew->inserted < crew->count) {
		struct ahead *ahead = &crew->ring[crew->inserted % AHEAD];
		/* Nobody idles: while the piece in turn is being parsed, parse another. */
		if (crew->next == crew->inserted || !ahead->done) {
			if (!crew_work(crew))
				pthread_cond_wait(&crew->changed, &crew->mutex);
			continue;
		}
		pthread_mutex_unlock(&crew->mutex);
		status = crew_insert(crew, load, &ahead->piece, state, at);
		pthread_mutex_lock(&crew->mutex);
		crew->inserted++;
		pthread_cond_broadcast(&crew->changed);
	}
	crew->stop = true;
	pthread_cond_broadcast(&crew->changed);
	pthread_mutex_unlock(&crew->mutex);
	return status;
}

static enum status
load_together(struct load *load, struct source *source, struct master_state *state, size_t *at, long threads)
{
	const struct master_state guess = *state;
	struct crew *crew = calloc(1, sizeof *crew);
	pthread_t thread[MAX_THREADS];
	long started = 0;

	if (crew == NULL)
		return load_alone(load, source, state, at, source->size);
	crew->load = load;
	crew->source = source;
	crew->state = &guess;
	crew->begin = *at;
	crew->count = (source->size - *at + PIECE_BYTES - 1) / PIECE_BYTES;
	pthread_mutex_init(&crew->mutex, NULL);
	pthread_cond_init(&crew->changed, NULL);
	for (int i = 0; i < AHEAD; i++)
		piece_init(&crew->ring[i].piece, load, source);
	while (started < threads && started < MAX_THREADS &&
	       pthread_create(&thread[started], NULL, crew_main, crew) == 0)
		started++;
	enum status status = crew_run(crew, load, state, at);
	while (started-- > 0)
		pthread_join(thread[started], NULL);
	for (int i = 0; i < AHEAD; i++)
		master_piece_free(&crew->ring[i].piece);
	pthread_cond_destroy(&crew->changed);
	pthread_mutex_destroy(&crew->mutex);
	free(crew);
	return status;
}

static enum status
load_source(struct load *load, struct source *source, struct master_state *state)
{
	size_t at = 0, first = source->size < PARALLEL_BYTES ? source->size : PIECE_BYTES;
	long threads = sysconf(_SC_NPROCESSORS_ONLN) - 1;
	/* The first piece has the directives that the others are parsed by. */
	enum status status = load_alone(load, source, state, &at, threads > 0 ? first : source->size);

	if (status == STATUS_OK && at < source->size)
		status = load_together(load, source, state, &at, threads);
	return status;
}

static enum status
load(struct load *load, struct source *source)
{
	struct zone_version *version = load->draft->version;
	struct master_state state = {.owner_size = 0};
	char reason[CHECK_REASON_SIZE];
	struct rrset soa;

	require(version->tree.count == 0);
	memcpy(state.origin, version->apex, version->apex_size);
	enum status status = load_source(load, source, &state);
	if (status != STATUS_OK)
		return status;
	status = check_version(version, reason);
	if (status != STATUS_OK) {
		snprintf(load->reason, MASTER_REASON_SIZE, "%.190s: %s", source->path, reason);
		return status;
	}
	invariant(version_soa(version, &soa));
	struct rdata rdata = rrset_first(&soa);
	version->serial = rdata_soa_serial(rdata.bytes, rdata.size);
	return STATUS_OK;
}

enum status
master_load(const char *path, struct draft *draft, char *reason)
{
	struct load context = {.draft = draft, .reason = reason, .from_file = true};
	struct source source = {.path = path};
	enum status status = source_read(&context, &source);

	if (status == STATUS_OK)
		status = load(&context, &source);
	free(source.text);
	return status;
}

enum status
master_parse(const char *text, size_t size, const char *path, struct draft *draft, char *reason)
{
	struct load context = {.draft = draft, .reason = reason};
	struct source source = {.path = path, .size = size, .text = malloc(size + 1)};

	if (source.text == NULL) {
		snprintf(reason, MASTER_REASON_SIZE, "%.400s: no memory", path);
		return STATUS_NO_MEMORY;
	}
	memcpy(source.text, text, size);
	if (size == 0 || text[size - 1] != '\n')
		source.text[source.size++] = '\n';
	enum status status = load(&context, &source);
	free(source.text);
	return status;
}
