/*
 * A piece of a master file to RRsets: lines, directives, owner, TTL, class, type (RFC 1035 5.1). For master.c only.
 *
 * Threads:   a piece belongs to one thread; several are parsed at once.
 * Memory:    the text is borrowed and ends with a newline; the batch is the piece's own until master_piece_free.
 */
#ifndef ZONEGATE_ZONE_MASTER_PARSE_H
#define ZONEGATE_ZONE_MASTER_PARSE_H

#include "wire/name.h"
#include "wire/present.h"
#include "zone/rrset.h"

/* What one line leaves to the next. */
struct master_state {
	uint8_t origin[NAME_MAX_SIZE];
	uint8_t owner[NAME_MAX_SIZE]; /* lower case */
	size_t owner_size;            /* 0: no record yet */
	uint32_t default_ttl_s, last_ttl_s;
	bool has_default, has_last;
};

enum master_outcome { MASTER_DONE, MASTER_INCLUDE, MASTER_FAILED };

struct master_piece {
	/* in */
	const uint8_t *apex;          /* lower case */
	size_t apex_size;
	const char *text;             /* the whole file */
	size_t size;
	size_t begin, end;            /* the lines that start between these */
	struct master_state state;    /* as it is at begin; out: as it is at stop */
	/* out */
	enum master_outcome outcome;
	size_t stop;                  /* where the next line begins: end or later, or the line after an $INCLUDE */
	size_t fault;                 /* MASTER_FAILED, MASTER_INCLUDE: the start of the line */
	enum status status;
	char reason[PRESENT_REASON_SIZE + 400];
	char *include;                /* MASTER_INCLUDE: the file's name; freed by master_piece_free */
	uint8_t include_origin[NAME_MAX_SIZE];
	uint8_t *batch;
	size_t batch_used, batch_room;
	size_t last_entry;            /* offset of the newest; where the next record may join */
	bool may_join;
	char *line;                   /* a logical line that is more than a physical one */
	size_t line_room;
};

/* One RRset, or a part of one. */
struct master_entry {
	struct rrset rrset;
	const uint8_t *owner;
	uint8_t owner_size;
	size_t at; /* in the text */
};

/* Everything from `begin` up to `end`, an $INCLUDE or an error. */
void master_piece_parse(struct master_piece *piece);
/* Walk the batch: *at from 0; false at the end. */
bool master_piece_next(const struct master_piece *piece, size_t *at, struct master_entry *entry);
void master_piece_free(struct master_piece *piece);

#endif
