/*
 * What the files of the Kafka store share; for them only.
 *
 * Threads:   follower: calls kafka_poll and the like, and is the only one to touch `partitions` and what is marked
 *            "follower's".
 *            worker: opens zones, takes snapshots, looks after retention. askers: end offsets for barriers.
 *            prober: once a second the state of the brokers.
 *            librdkafka's background thread: delivery reports. What two of them share is under `mutex` or atomic.
 * Memory:    a zone's struct is freed by kafka_drop_zone, which waits until the worker has let go of it.
 */
#ifndef ZONEGATE_STORE_KAFKA_INTERNAL_H
#define ZONEGATE_STORE_KAFKA_INTERNAL_H

#include "base/chains.h"
#include "base/digest.h"
#include "store/kafka.h"
#include "store/warm.h"
#include <pthread.h>

struct rd_kafka_s;
struct rd_kafka_topic_s;
struct rd_kafka_message_s;
struct rd_kafka_metadata;
struct rd_kafka_queue_s;

#define KAFKA_ID_TEXT 33         /* of a snapshot: 32 hex digits */
#define KAFKA_INLINE_SIZE 262144 /* a manifest up to this size carries its records itself */
#define KAFKA_NONE (-1)          /* no offset, no partition */
#define KAFKA_OPEN_MS 1000       /* kafka_open waits so long for what it can refuse */
#define KAFKA_ASK_MS 1500        /* for an answer of the brokers */
#define KAFKA_ERRORS 16
#define KAFKA_PRODUCERS 3        /* of changes */
#define KAFKA_ASKERS 8           /* a broker that is frozen keeps some of them */

/* A place in the updates topic: everything up to and including `offset` has been read. */
struct kafka_place {
	int32_t partition;
	int64_t offset;                   /* KAFKA_NONE: nothing has */
	uint8_t last[DIGEST_SHA256_SIZE]; /* of the record at `offset` */
};

/* The newest manifest of a zone, as far as it is known here. */
struct kafka_manifest {
	char id[KAFKA_ID_TEXT + 32]; /* empty: there is none */
	int32_t topic_partition;     /* where the manifest is, in the snapshots topic */
	struct kafka_place place;
	uint64_t version, time_us, records;
	uint32_t chunks;
};

/* The window of a zone, copied for the worker. */
struct kafka_window {
	struct replay_state state;
	uint64_t first; /* version of ids[0] */
	uint8_t (*ids)[VERSION_ID_SIZE];
	size_t id_count;
	uint8_t *names; /* { uint64 version, uint8 size, name } */
	size_t names_size, names_room;
	bool failed; /* no memory */
};

enum kafka_phase {
	KAFKA_WAITS,    /* for the worker to open it */
	KAFKA_LIVE,     /* records are handed out */
	KAFKA_HELD,     /* until the worker has built it anew */
	KAFKA_FETCHING, /* until the worker has the chunks of its next change */
	KAFKA_UNUSABLE, /* not served until it is built anew by hand, or the log changes */
};

/* A copy of a zone for the worker to write. */
struct kafka_shot {
	struct zone_version *version; /* pinned; NULL: the zone was removed */
	uint64_t number;              /* its version, serial and id */
	uint32_t serial;
	uint8_t id[VERSION_ID_SIZE];
	struct kafka_window window;
	struct kafka_place place;
	unsigned asked;   /* answers zonegatectl up to this call */
	uint64_t changes; /* kept_changes when it was made */
};

/* The content of a change in the snapshot form, on its way. */
struct kafka_fetch {
	struct change_snapshot wanted;
	char id[65];
	bool done;
	bool replaced;      /* its chunks are gone, and a newer manifest has what they had */
	enum status status;
	struct draft content; /* if done and OK */
	char reason[STORE_REASON_SIZE];
};

struct kafka_zone {
	struct chain chain; /* first */
	struct zone *zone;
	char *text;
	size_t text_length; /* the key of its records */
	/* the follower's: */
	enum kafka_phase phase;
	int32_t partition;   /* in the updates topic */
	int64_t next_offset; /* the first record that has not been judged */
	int64_t target;      /* ready once the log has been read up to there */
	bool ready;
	bool stopped;             /* an op that we do not know: its place is not kept any more */
	uint64_t verified_ms;     /* when its history was last compared with the log; 0: it was not */
	uint64_t verified_doubts; /* `doubts` then */
	uint64_t version;         /* as applied */
	uint64_t had;             /* the newest that this gateway has had, of any log; 0: nothing */
	uint64_t kept_changes;    /* changes since the last snapshot */
	uint64_t due_ms;          /* a snapshot is due then (0: it is not) */
	bool own_first;           /* we made its first version: its snapshot is ours to take, at once */
	/* under the mutex: */
	bool opening, shooting; /* the worker has it, or is about to */
	struct kafka_zone *next_opening; /* in kafka->opening_first, while `opening`: the worker alone takes it out */
	/* the worker's: */
	bool prepared;              /* in this round: what is kept here was looked at, else its chunks are wanted */
	struct kafka_opened *kept;  /* the local copy, read */
	uint64_t kept_version;      /* of it, also where it does not fit */
	bool known_here, told_kept; /* known to the local copy's store; served from it */
	/* under the mutex again: */
	bool dropped;                /* the follower waits until the worker lets go of it */
	struct kafka_fetch *fetch;   /* what KAFKA_FETCHING waits for, and then its content until it is taken */
	bool fetching;               /* the worker has `fetch` */
	int32_t produce_partition;   /* KAFKA_NONE: not known yet */
	struct kafka_opened *opened; /* what the worker has to say */
	struct kafka_manifest manifest;
	struct kafka_shot *shot;           /* to be written */
	struct kafka_shot *mirror_shot;    /* with which the local copy is to begin */
	bool mirrored, mirroring;          /* there is a local copy; it is being begun */
	bool distrust;                     /* do not begin with the local copy */
	uint64_t mirror_changes;           /* since its content was kept */
	unsigned shots_wanted, shots_done; /* zonegatectl snapshot */
	enum status shot_status;
	char shot_reason[STORE_REASON_SIZE];
	bool shot_asked;
};

/* The worker's answer: how a zone begins. */
struct kafka_opened {
	enum status status;    /* OK; NOT_FOUND: it cannot be served, see reason */
	struct draft draft;    /* given */
	struct replay *replay; /* given; NULL unless OK */
	struct kafka_manifest manifest;
	int32_t partition;
	int64_t next_offset, target;
	struct kafka_place begin; /* what next_offset comes after; offset KAFKA_NONE: nothing */
	bool from_warm;          /* the brokers are away: what was last known */
	bool mirrored;           /* from the local copy, which goes on */
	struct warm_place place; /* of the local copy */
	uint64_t doubts;         /* when the worker began */
	uint64_t had;            /* the version of the local copy */
	char reason[STORE_REASON_SIZE];
};

struct kafka_partition {
	_Atomic int64_t position; /* the next offset to be read; KAFKA_NONE: not assigned */
	int64_t last_offset;      /* of the last record read */
	int64_t end;              /* of the log, as last asked for; KAFKA_NONE: not known */
	uint8_t last[DIGEST_SHA256_SIZE];
	bool asking, silent; /* an asker is at it; the last question found no answer */
	bool unheard;        /* the last look at all leaders found no answer */
};

/* An append on its way. */
struct kafka_flight {
	struct kafka_flight *next; /* in its bucket */
	struct kafka_flight *older, *newer;
	uint64_t serial;
	uint64_t hash;
	struct store_append append;
	enum { KAFKA_FLYING, KAFKA_DOUBTFUL, KAFKA_LOST } state;
	bool handed; /* its record has come and is being judged */
	char reason[STORE_REASON_SIZE / 2];
};

struct kafka_barrier {
	struct kafka_barrier *next;
	uint64_t tag;
	bool doubt;              /* the tag is that of a doubtful flight */
	const struct zone *zone; /* our own appends for it up to `serial` come first; may be gone */
	uint64_t serial;
	int32_t partition;
	int64_t target;
	enum status status;
	char text[]; /* the zone's; not of a doubt */
};

struct kafka_producer {
	struct rd_kafka_s *client;
	struct rd_kafka_topic_s *updates;
};

struct kafka_handed {
	struct kafka_zone *at;
	int64_t offset;
	struct kafka_flight *flight;
};

#define KAFKA_BATCH 1024
#define KAFKA_FLIGHT_BUCKETS 4096

struct kafka {
	struct store store; /* first */
	char *brokers, *updates_topic, *snapshots_topic;
	_Atomic uint64_t snapshot_changes, snapshot_interval_ms;
	bool create_topics;
	unsigned partitions_wanted, replication_wanted;
	struct kafka_property *properties;
	size_t property_count;
	struct warm *warm;
	struct rd_kafka_s *consumer, *asker; /* asker: for questions alone, waits behind nothing */
	struct rd_kafka_queue_s *consumer_queue;
	/*
	 * By how many changes are on their way: 1 ms sooner for the few, larger batches for the many. They are as good
	 * as one: a name has one change in flight at most, changes of different names may come in any order, and each
	 * finds its own record by its bytes.
	 */
	struct kafka_producer producers[KAFKA_PRODUCERS];
	pthread_rwlock_t producer_lock; /* read: produce; write: other producers take their place */
	_Atomic bool producer_broken;
	_Atomic bool stop;
	_Atomic bool opened_any;  /* a zone has `opened` */
	_Atomic bool fetched_any; /* a zone's `fetch` is done */
	_Atomic bool waiting_any; /* there are barriers whose target is known */
	_Atomic bool mistrust;    /* the log is not the one that was read: all zones are built anew */
	_Atomic uint64_t flushed_ms;
	_Atomic uint64_t doubts;   /* how often a broker failed or a leader changed */
	_Atomic int64_t margin_ms; /* of retention; negative: not known */
	pthread_mutex_t mutex;
	pthread_cond_t worker_news, asker_news, drop_news;
	pthread_t worker, prober, askers[KAFKA_ASKERS];
	unsigned asker_count; /* of threads that run */
	/* under the mutex: */
	struct chains zones;
	bool worker_wanted; /* a zone is to be opened, a shot to be written */
	struct kafka_zone *opening_first, **opening_end; /* in the order of their coming */
	bool dropping;      /* the follower waits for one of them */
	struct kafka_flight *flights[KAFKA_FLIGHT_BUCKETS];
	struct kafka_flight *oldest, *newest;
	uint64_t flight_serial;
	size_t flight_count;
	struct kafka_barrier *asked;                       /* to be asked for */
	unsigned silent_asking;                            /* askers at partitions that are silent */
	struct kafka_barrier *waiting;                     /* their target is known, or they have failed */
	_Atomic bool lost_any;                             /* a flight is LOST */
	int32_t partition_count, snapshot_partition_count; /* 0: not known yet */
	bool topics_checked;
	struct trouble opening;        /* why zones wait; store.away: a client's last error, until the brokers answer */
	struct trouble producer_failed, errors[KAFKA_ERRORS]; /* what was said of late, by its code */
	struct kafka_partition *partitions;
	int32_t partition_room; /* grown under the mutex, written by the follower only */
	/* the follower's: */
	bool reassign;
	bool unready_any; /* a zone may be waiting to be ready */
	struct rd_kafka_message_s *messages[KAFKA_BATCH];
	size_t message_count;
	struct kafka_handed handed[KAFKA_BATCH];
	size_t handed_count;
	/* the worker's: */
	struct kafka_shelf *shelf; /* what the snapshots topic holds */
	uint64_t retention_checked_ms, renewed_ms, doubts_checked, doubts_checked_ms;
};

static inline struct kafka *
kafka_of(struct store *store)
{
	return (struct kafka *)store;
}

/* ---- kafka.c ---- */
/* Under the mutex. NULL */
struct kafka_zone *kafka_find(struct kafka *kafka, const char *text, size_t length);
/* Ends a poll. */
void kafka_wake_poll(struct kafka *kafka);
/* Under the mutex: the next of all zones; NULL: that was all. */
static inline struct kafka_zone *
kafka_next(const struct kafka *kafka, struct chains_walk *walk)
{
	return (struct kafka_zone *)chains_next(&kafka->zones, walk);
}

/* Under the mutex. */
void kafka_want_open(struct kafka *kafka, struct kafka_zone *at);

/* ---- kafka_poll.c ---- */
void kafka_poll(struct store *store, const struct store_sink *sink, int timeout_ms);
/* What the last poll handed out is over. */
void kafka_poll_finish(struct kafka *kafka);

/* ---- kafka_client.c ---- */
enum kafka_client_kind {
	KAFKA_QUICK_PRODUCER,
	KAFKA_PRODUCER,
	KAFKA_MANY_PRODUCER, /* up to here: of changes */
	KAFKA_BULK_PRODUCER,
	KAFKA_ASKER,
	KAFKA_CONSUMER,
	KAFKA_READER
};
MUST_USE enum status kafka_client_new(struct kafka *kafka, enum kafka_client_kind kind, struct rd_kafka_s **client,
				      char *reason);
/* A producer of changes. On failure nothing is to be freed. */
MUST_USE enum status kafka_client_producer(struct kafka *kafka, enum kafka_client_kind kind,
					   struct kafka_producer *producer, char *reason);
/* What it has not sent is given up; it is looked for in the log. */
void kafka_client_end_producer(struct kafka_producer *producer);
/* Of a key, as every client of Kafka's does. */
int32_t kafka_client_partition(const char *key, size_t length, int32_t partitions);
/*
 * That both topics are there and set as events.md wants them; creates them if told to.
 * Sets kafka->partition_count and snapshot_partition_count.
 * STATUS_RETRY: no broker, or topics that do not exist yet. STATUS_STOP: a person has to act; reason says how.
 */
MUST_USE enum status kafka_client_topics(struct kafka *kafka, char *reason);
/* A setting of a topic as the brokers have it; false: not known. */
bool kafka_client_topic_number(struct kafka *kafka, const char *topic, const char *setting, int64_t *value);
/* Where the partition's log is at `what` (RD_KAFKA_OFFSET_BEGINNING, RD_KAFKA_OFFSET_END), asked of its leader. */
MUST_USE enum status kafka_client_offset(struct kafka *kafka, const char *topic, int32_t partition, int64_t what,
					 int64_t *offset, char *reason);
/* Of one topic, to be destroyed; NULL: no answer. */
const struct rd_kafka_metadata *kafka_client_metadata(struct rd_kafka_s *client, const char *topic);
/* First offset that is kept and the end of the log. */
MUST_USE enum status kafka_client_bounds(struct kafka *kafka, const char *topic, int32_t partition, int64_t *low,
					 int64_t *high, char *reason);

/* What a bulk producer's records point to. */
struct kafka_bulk {
	unsigned pending;
	bool failed;
	char reason[STORE_REASON_SIZE / 2];
};

/* ---- kafka_reader.c ---- */
struct kafka_range {
	int32_t partition;
	int64_t from, to;
}; /* `to` is not read any more */
typedef enum status kafka_reader_fn(void *context, const struct rd_kafka_message_s *message);
/*
 * Every record of the ranges, each range in order, with a client of its own. A status of `each` that is not OK ends it.
 * STATUS_RETRY: the brokers did not give it within a time that grows with what comes. STATUS_NOT_FOUND: `from` is
 *               not kept any more.
 */
MUST_USE enum status kafka_reader_read(struct kafka *kafka, const char *topic, const struct kafka_range *ranges,
				       size_t count, kafka_reader_fn *each, void *context, char *reason);
/* SHA-256 of the record at an offset. STATUS_NOT_FOUND: there is none (compacted, expired, or beyond the end). */
MUST_USE enum status kafka_reader_digest(struct kafka *kafka, int32_t partition, int64_t offset,
					 uint8_t out[DIGEST_SHA256_SIZE], char *reason);

/*
 * The version that the first change of a zone from `low` on was made on: those up to it were in the log before.
 * False: not known.
 */
bool kafka_reader_first_base(struct kafka *kafka, int32_t partition, int64_t low, int64_t high,
			     const struct zone *zone, uint64_t *base);

/* ---- kafka_flight.c ---- */
enum status kafka_append(struct store *store, const struct store_append *append);
/* Under the mutex, all of these. `sink`: who appended is told. */
void kafka_forget_flights(struct kafka *kafka, const struct zone *zone, const struct store_sink *sink);
void kafka_remove_flight(struct kafka *kafka, struct kafka_flight *flight);
struct kafka_flight **kafka_flight_slot(struct kafka *kafka, uint64_t hash);

/* ---- kafka_barrier.c ---- */
enum status kafka_barrier(struct store *store, struct zone *zone, uint64_t tag);
/* Under the mutex: a barrier on a partition. */
MUST_USE enum status kafka_ask(struct kafka *kafka, int32_t partition, const struct zone *zone, uint64_t tag,
			       bool doubt);
void *kafka_barrier_run(void *context);

/* ---- kafka_probe.c ---- */
void *kafka_probe_run(void *context);

/* ---- kafka_worker.c ---- */
void *kafka_worker_run(void *context);
/* Write to the local copies what waits. Any thread. */
void kafka_worker_flush(struct kafka *kafka);
void kafka_worker_free_opened(struct kafka_opened *opened);
/* Content of a version and its window (replay NULL: without), for another thread. NULL: no memory. */
struct kafka_shot *kafka_worker_shot(const struct zone_version *version, const struct replay *replay,
				     const struct kafka_place *place);
/* The manifest of a zone that was removed. NULL: no memory. */
struct kafka_shot *kafka_worker_removal(const struct store_fate *fate, const struct kafka_place *place);
void kafka_worker_free_shot(struct kafka_shot *shot);

/* ---- kafka_retention.c ---- */
/* Can snapshots be more frequent than the expiry of the updates topic? STATUS_INVALID with a reason. */
MUST_USE enum status kafka_retention_check(struct kafka *kafka, char *reason);
/* The margin: snapshots that are to be taken early, the metric, the log. */
void kafka_retention_look(struct kafka *kafka);

/* ---- kafka_snapshot.c ---- */
/* Read what is new in the snapshots topic; chunks' values are kept for zones that are being opened. */
MUST_USE enum status kafka_snapshot_read(struct kafka *kafka, char *reason);
void kafka_snapshot_free(struct kafka *kafka);
/* The newest manifest of a zone that is whole; false: there is none. */
bool kafka_snapshot_newest(struct kafka *kafka, const char *zone, struct kafka_manifest *manifest);
/* Keep the values of a zone's chunks from now on, or drop them. */
MUST_USE enum status kafka_snapshot_want(struct kafka *kafka, const char *zone, bool wanted);
/* Its content and window; the draft is empty. */
MUST_USE enum status kafka_snapshot_content(struct kafka *kafka, const char *zone,
					    const struct kafka_manifest *manifest, struct draft *draft,
					    struct replay *replay, char *reason);
/*
 * Keys of the chunks that nobody needs once snapshot `id` has its manifest: of those that manifests named before,
 * and of those that were
 * never finished and are a day old.
 */
typedef enum status kafka_snapshot_old_fn(void *context, int32_t partition, const char *key);
MUST_USE enum status kafka_snapshot_each_old(struct kafka *kafka, const char *zone, const char *id,
					     kafka_snapshot_old_fn *each, void *context);
/* What a change in the snapshot form refers to. The worker's. */
MUST_USE enum status kafka_snapshot_load(struct kafka *kafka, struct zone *zone, const struct change_snapshot *wanted,
					 struct draft *draft, char *reason);

/* ---- kafka_fetch.c ---- */
/*
 * The content that a snapshot change refers to, into `draft`. Follower's thread.
 * STATUS_RETRY: it is being fetched; the zone is handed out again, from this record on, once it is there.
 */
MUST_USE enum status kafka_fetch_content(struct kafka *kafka, struct zone *zone, const struct change_snapshot *wanted,
					 struct draft *draft, char *reason);
/* The worker's. False: again later. */
bool kafka_fetch_all(struct kafka *kafka);
/* Under the mutex, and not while the worker has it. */
void kafka_fetch_drop(struct kafka_zone *at);

/* ---- kafka_describe.c ---- */
void kafka_describe(struct store *store, const struct store_view *view);
void kafka_describe_trouble(struct store *store, char *reason);

/* ---- kafka_write.c ---- */
/* Chunks, manifest, then tombstones for what it replaces. */
MUST_USE enum status kafka_write_snapshot(struct kafka *kafka, const char *zone, const struct kafka_shot *shot,
					  struct kafka_manifest *manifest, char *reason);
/* Chunks only, for a change in the snapshot form. Any thread. */
MUST_USE enum status kafka_write_chunks(struct kafka *kafka, struct zone *zone, const struct zone_version *version,
					char id[KAFKA_ID_TEXT], struct change_snapshot *out, char *reason);

#endif
