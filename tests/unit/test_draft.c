#include "tests/unit/cmocka.h"
#include "base/rcu.h"
#include "wire/name.h"
#include "zone/draft.h"
#include "zone/lookup.h"
#include "zone/table.h"
#include <stdio.h>
#include <stdlib.h>

/*
 * The model: a table of which records are there, from which everything that a version says is worked out the slow way.
 */
#define NAMES 64
#define TYPES 5
#define RDATAS 4
#define ALL_NAMES 400

static const uint16_t types[TYPES] = {TYPE_A, TYPE_NS, TYPE_CNAME, TYPE_TXT, TYPE_DNAME};
static uint8_t apex[NAME_MAX_SIZE];
static uint8_t names[NAMES][NAME_MAX_SIZE];
static uint64_t seed = 1;

struct model {
	uint8_t records[NAMES][TYPES]; /* a bit for each RDATA */
	uint32_t ttl_s[NAMES][TYPES];
};

static uint32_t
below(uint32_t bound)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((seed >> 33) % bound);
}

static size_t
make_rdata(unsigned type, unsigned i, uint8_t *out)
{
	switch (types[type]) {
	case TYPE_A:
		memcpy(out, (uint8_t[]){192, 0, 2, (uint8_t)i}, 4);
		return 4;
	case TYPE_TXT:
		memset(out, 'x', i * 20 + 1);
		out[0] = (uint8_t)(i * 20);
		return i * 20 + 1;
	default:
		memcpy(out, (uint8_t[]){1, (uint8_t)('a' + i), 0}, 3);
		return 3;
	}
}

/* Some names of one to five labels of a few, with wildcards, one long, and the apex. */
static void
make_names(void)
{
	static const char *const labels[] = {"a", "b", "*", "long-label-of-a-host", "x\\000y"};
	char text[NAME_TEXT_SIZE];

	assert_int_equal(name_from_text("example.test.", 13, NULL, apex), STATUS_OK);
	for (int i = 0; i < NAMES;) {
		int depth = i == 0 ? 0 : 1 + (int)below(5), used = 0;
		for (int j = 0; j < depth; j++)
			used += sprintf(text + used, "%s.", labels[below(5)]);
		sprintf(text + used, "example.test.");
		assert_int_equal(name_from_text(text, strlen(text), NULL, names[i]), STATUS_OK);
		bool known = false;
		for (int j = 0; j < i; j++)
			known |= name_equal(names[i], names[j]);
		i += !known;
	}
}

static bool
model_has_data(const struct model *model, int name)
{
	for (int type = 0; type < TYPES; type++)
		if (model->records[name][type])
			return true;
	return false;
}

/* Every owner and every name between it and the apex. */
static int
model_all(const struct model *model, uint8_t all[ALL_NAMES][NAME_MAX_SIZE])
{
	int count = 0;

	for (int i = 0; i < NAMES; i++) {
		const uint8_t *name = names[i];
		for (bool go = model_has_data(model, i); go; name += name[0] + 1) {
			bool known = false;
			for (int j = 0; j < count; j++)
				known |= name_equal(name, all[j]);
			if (!known)
				name_lower(name, all[count++]);
			go = !name_equal(name, apex);
		}
	}
	return count;
}

static void
check_rrsets(const struct model *model, const struct zone_version *version, int name, const struct node *node)
{
	uint8_t rdata[100];
	unsigned sets = 0;

	for (unsigned type = 0; type < TYPES; type++) {
		struct rrset rrset;
		uint8_t bits = model->records[name][type];
		assert_int_equal(bits != 0, node && node_rrset(node, types[type], &rrset));
		assert_int_equal(bits != 0, version_rrset(version, names[name], types[type], &rrset));
		if (!bits)
			continue;
		sets++;
		assert_int_equal(rrset.ttl_s, model->ttl_s[name][type]);
		assert_int_equal(rrset.count, __builtin_popcount(bits));
		assert_true(rrset_is_sorted(&rrset));
		for (unsigned i = 0; i < RDATAS; i++) {
			size_t size = make_rdata(type, i, rdata);
			assert_int_equal((bits >> i) & 1, rrset_has(&rrset, rdata, size));
		}
	}
	assert_int_equal(sets, node ? node->rrset_count : 0);
}

static void
check_node_marks(const uint8_t all[ALL_NAMES][NAME_MAX_SIZE], int count, int i, const struct node *node)
{
	unsigned children = 0;
	bool star = false, is_apex = name_equal(all[i], apex);
	struct rrset rrset;

	for (int j = 0; j < count; j++) {
		bool child = !name_equal(all[j], apex) && name_equal(all[j] + all[j][0] + 1, all[i]);
		children += child;
		star |= child && name_is_wildcard(all[j]);
	}
	assert_int_equal(node->children, is_apex ? 0 : children);
	assert_int_equal((node->flags & NODE_WILDCARD_CHILD) != 0, star);
	assert_int_equal((node->flags & NODE_CUT) != 0, !is_apex && node_rrset(node, TYPE_NS, &rrset));
	assert_int_equal((node->flags & NODE_DNAME) != 0, node_rrset(node, TYPE_DNAME, &rrset));
	assert_int_equal((node->flags & NODE_CNAME) != 0, node_rrset(node, TYPE_CNAME, &rrset));
}

/* What lookup_name says, against a search of all names. */
static void
check_lookup(const struct zone_version *version, const uint8_t *name)
{
	struct lookup lookup;
	const struct node *cut = NULL, *dname = NULL, *encloser = NULL, *above[NAME_MAX_LABELS];
	unsigned labels = name_labels(name), depth = labels - name_labels(apex);

	lookup_name(version, name, name_size(name), labels, &lookup);
	for (unsigned i = 0; i <= depth; i++) {
		const uint8_t *ancestor = name_strip(name, depth - i);
		above[i] = version_find(version, ancestor, name_size(ancestor));
		if (above[i])
			encloser = above[i];
		if (!cut && above[i] && (above[i]->flags & NODE_DNAME) && i < depth && !dname)
			dname = above[i];
		if (!cut && above[i] && (above[i]->flags & NODE_CUT)) {
			cut = above[i];
			if (!dname && i < depth && (cut->flags & NODE_DNAME))
				dname = cut;
		}
	}
	assert_ptr_equal(lookup.node, above[depth]);
	assert_ptr_equal(lookup.closest_encloser, encloser);
	assert_ptr_equal(lookup.zone_cut, cut);
	assert_ptr_equal(lookup.dname, dname);
	const struct node *star = NULL;
	if (encloser && !above[depth]) {
		uint8_t text[NAME_MAX_SIZE + 2] = {1, '*'};
		node_owner(encloser, apex, text + 2);
		star = version_find(version, text, name_size(text));
	}
	assert_ptr_equal(lookup.source_of_synthesis, star);
}

static void
check_model(const struct model *model, const struct zone_version *version)
{
	static uint8_t all[ALL_NAMES][NAME_MAX_SIZE];
	int count = model_all(model, all);
	unsigned records = 0, owners = 0, cuts = 0, dnames = 0;
	size_t sorted_count;

	for (int i = 0; i < NAMES; i++) {
		const struct node *node = version_find(version, names[i], name_size(names[i]));
		check_rrsets(model, version, i, node);
		owners += model_has_data(model, i);
		for (int type = 0; type < TYPES; type++)
			records += (unsigned)__builtin_popcount(model->records[i][type]);
		check_lookup(version, names[i]);
	}
	for (int i = 0; i < count; i++) {
		const struct node *node = version_find(version, all[i], name_size(all[i]));
		assert_non_null(node);
		check_node_marks((const uint8_t(*)[NAME_MAX_SIZE])all, count, i, node);
		cuts += (node->flags & NODE_CUT) != 0;
		dnames += (node->flags & NODE_DNAME) != 0;
	}
	assert_int_equal(version->tree.count, count);
	assert_int_equal(version->records, records);
	assert_int_equal(version->names, owners);
	assert_int_equal(version->cuts, cuts);
	assert_int_equal(version->dnames, dnames);
	assert_ptr_equal(version->apex_node, version_find(version, apex, name_size(apex)));
	const struct node **sorted = version_sorted(version, &sorted_count);
	assert_int_equal(sorted_count, count);
	for (size_t i = 1; i < sorted_count; i++) {
		uint8_t a[NAME_MAX_SIZE], b[NAME_MAX_SIZE];
		node_owner(sorted[i - 1], apex, a);
		node_owner(sorted[i], apex, b);
		assert_true(name_compare(a, b) < 0);
	}
	free(sorted);
}

static void
edit_record(struct model *model, struct draft *draft, unsigned name, unsigned type, unsigned i)
{
	uint8_t rdata[100];
	size_t size = make_rdata(type, i, rdata);
	uint8_t *bits = &model->records[name][type], bit = (uint8_t)(1 << i);

	if (below(2)) {
		uint32_t ttl_s = 60 + below(2);
		bool same = (*bits & bit) && model->ttl_s[name][type] == ttl_s;
		assert_int_equal(draft_add(draft, names[name], types[type], ttl_s, rdata, size),
				 same ? STATUS_EXISTS : STATUS_OK);
		*bits |= bit;
		model->ttl_s[name][type] = ttl_s;
	} else {
		assert_int_equal(draft_delete(draft, names[name], types[type], rdata, size),
		                 *bits & bit ? STATUS_OK : STATUS_NOT_FOUND);
		*bits &= (uint8_t)~bit;
	}
}

/* Any RDATA, in any order, some twice. */
static void
edit_rrset(struct model *model, struct draft *draft, unsigned name, unsigned type)
{
	uint8_t packed[1000], rdata[100], bits = 0;
	struct rrset rrset = {.type = types[type], .ttl_s = 90 + below(2), .packed = packed};
	bool merge = below(2), differs;

	for (unsigned i = below(6) + merge; i > 0; i--) {
		unsigned which = below(RDATAS);
		uint16_t size = (uint16_t)make_rdata(type, which, rdata);
		memcpy(packed + rrset.packed_size, &size, 2);
		memcpy(packed + rrset.packed_size + 2, rdata, size);
		rrset.packed_size += size + 2u;
		rrset.count++;
		bits |= (uint8_t)(1 << which);
	}
	if (merge) {
		uint8_t before = model->records[name][type];
		assert_int_equal(draft_merge(draft, names[name], &rrset, &differs), STATUS_OK);
		assert_int_equal(differs, before && model->ttl_s[name][type] != rrset.ttl_s);
		model->records[name][type] |= bits;
		if (!before)
			model->ttl_s[name][type] = rrset.ttl_s;
		return;
	}
	assert_int_equal(draft_set(draft, names[name], &rrset), STATUS_OK);
	model->records[name][type] = bits;
	model->ttl_s[name][type] = rrset.ttl_s;
}

static void
edit(struct model *model, struct draft *draft)
{
	unsigned name = below(NAMES), type = below(TYPES), what = below(100);

	if (what == 0 && below(20) == 0) {
		assert_int_equal(draft_clear(draft), STATUS_OK);
		memset(model, 0, sizeof *model);
	} else if (what < 55) {
		edit_record(model, draft, name, type, below(RDATAS));
	} else if (what < 75) {
		edit_rrset(model, draft, name, type);
	} else if (what < 85) {
		assert_int_equal(draft_delete_rrset(draft, names[name], types[type]),
		                 model->records[name][type] ? STATUS_OK : STATUS_NOT_FOUND);
		model->records[name][type] = 0;
	} else {
		assert_int_equal(draft_delete_name(draft, names[name]),
		                 model_has_data(model, (int)name) ? STATUS_OK : STATUS_NOT_FOUND);
		memset(model->records[name], 0, sizeof model->records[name]);
	}
}

#define PINNED 6

static void
random_edits_agree_with_a_model_and_pinned_versions_do_not_change(void **state)
{
	static struct model model, next, old[PINNED];
	struct zone_version *pinned[PINNED] = {0}, *version;
	struct draft draft;

	(void)state;
	make_names();
	struct table *table = table_new();
	struct zone *zone = table_zone_new(apex);
	assert_int_equal(table_add(table, zone), STATUS_OK);
	for (int round = 0; round < 3000; round++) {
		struct zone_version *current = atomic_load(&zone->current);
		assert_int_equal(draft_begin(&draft, current, zone->name), STATUS_OK);
		next = model;
		for (unsigned i = below(12); i > 0; i--)
			edit(&next, &draft);
		if (round % 16 == 0)
			check_model(&next, draft.version);
		if (below(3) == 0) {
			draft_drop(&draft);
			continue;
		}
		draft.version->serial = (uint32_t)round;
		assert_int_equal(draft_finish(&draft, &version), STATUS_OK);
		if (below(4) == 0) {
			draft_discard(version);
			continue;
		}
		table_publish(table, zone, version);
		model = next;
		unsigned slot = below(PINNED * 4);
		if (slot < PINNED) {
			if (pinned[slot]) {
				check_model(&old[slot], pinned[slot]);
				version_unpin(pinned[slot]);
			}
			pinned[slot] = version_pin(version);
			old[slot] = model;
		}
	}
	check_model(&model, atomic_load(&zone->current));
	assert_int_equal(table_remove(table, zone), STATUS_OK);
	for (int i = 0; i < PINNED; i++)
		if (pinned[i]) {
			check_model(&old[i], pinned[i]);
			version_unpin(pinned[i]);
		}
	table_free(table);
}

/* A new draft with copies of all that has RRsets in `from`. */
static void
fill_from(const struct draft *from, struct draft *draft)
{
	struct tree_item items[NAMES + 1];
	struct tree_walk walk = {0};
	const struct node *node;
	size_t count = 0;

	while ((node = tree_next(&from->version->tree, &walk)) != NULL) {
		struct rrset rrsets[TYPES];
		const uint8_t *at = NULL;
		size_t sets = 0;
		while (sets < TYPES && node_next(node, &at, &rrsets[sets]))
			sets++;
		if (sets == 0)
			continue;
		items[count].node = node_of(node_name(node), node->name_size, rrsets, sets);
		assert_non_null(items[count].node);
		items[count++].hash = tree_hash(node_name(node), node->name_size);
	}
	assert_int_equal(draft_begin(draft, NULL, apex), STATUS_OK);
	assert_int_equal(draft_fill(draft, items, count), STATUS_OK);
}

static void
a_draft_that_is_filled_at_once_is_as_one_that_was_edited(void **state)
{
	static struct model model;
	struct draft edited, filled;

	(void)state;
	make_names();
	for (int round = 0; round < 300; round++) {
		assert_int_equal(draft_begin(&edited, NULL, apex), STATUS_OK);
		memset(&model, 0, sizeof model);
		for (unsigned i = below(100) + 1; i > 0; i--)
			edit(&model, &edited);
		/* The apex comes with the first name, with nothing at it too. */
		for (int i = 0; edited.version->names == 0 && i < 1000; i++)
			edit(&model, &edited);
		fill_from(&edited, &filled);
		check_model(&model, filled.version);
		for (unsigned i = below(100); i > 0; i--)
			edit(&model, &filled);
		check_model(&model, filled.version);
		draft_drop(&edited);
		draft_drop(&filled);
	}
}

static void
add_text(struct draft *draft, const char *owner, uint16_t type, const uint8_t *rdata, size_t size)
{
	uint8_t name[NAME_MAX_SIZE];

	assert_int_equal(name_from_text(owner, strlen(owner), apex, name), STATUS_OK);
	assert_int_equal(draft_add(draft, name, type, 300, rdata, size), STATUS_OK);
}

static const uint8_t soa_rdata[] = {1, 'n', 0, 1, 'h', 0, 0, 0, 0, 7, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 60};

static void
finish_writes_the_serial_into_the_soa_and_leaves_the_base_alone(void **state)
{
	struct draft draft;
	struct zone_version *first, *second;
	struct rrset soa;

	(void)state;
	assert_int_equal(name_from_text("example.test.", 13, NULL, apex), STATUS_OK);
	assert_int_equal(draft_begin(&draft, NULL, apex), STATUS_OK);
	add_text(&draft, "@", TYPE_SOA, soa_rdata, sizeof soa_rdata);
	draft.version->serial = 7;
	assert_int_equal(draft_finish(&draft, &first), STATUS_OK);
	assert_int_equal(draft_begin(&draft, first, NULL), STATUS_OK);
	draft.version->serial = 0x01020304;
	assert_int_equal(draft_finish(&draft, &second), STATUS_OK);
	assert_true(version_soa(second, &soa));
	assert_int_equal(rdata_soa_serial(rrset_first(&soa).bytes, rrset_first(&soa).size), 0x01020304);
	/* RFC 2308 3: the lesser of the SOA's TTL and its MINIMUM. */
	assert_int_equal(second->soa_ttl_s, 60);
	assert_true(version_soa(first, &soa));
	assert_int_equal(rdata_soa_serial(rrset_first(&soa).bytes, rrset_first(&soa).size), 7);
	draft_discard(second);
	draft_discard(first);
}

static void
a_row_of_unpublished_versions_is_published_in_order_or_discarded_newest_first(void **state)
{
	struct draft draft;
	struct zone_version *row[4];
	struct table *table = table_new();

	(void)state;
	assert_int_equal(name_from_text("example.test.", 13, NULL, apex), STATUS_OK);
	struct zone *zone = table_zone_new(apex);
	assert_int_equal(table_add(table, zone), STATUS_OK);
	for (int published = 0; published <= 4; published++) {
		for (int i = 0; i < 4; i++) {
			struct zone_version *base = i > 0 ? row[i - 1] : atomic_load(&zone->current);
			assert_int_equal(draft_begin(&draft, base, zone->name), STATUS_OK);
			assert_int_equal(draft_delete_name(&draft, apex), base ? STATUS_OK : STATUS_NOT_FOUND);
			assert_int_equal(draft_add(&draft, apex, TYPE_A, (uint32_t)(i + published * 10),
			                           (const uint8_t[]){1, 2, 3, 4}, 4), STATUS_OK);
			assert_int_equal(draft_finish(&draft, &row[i]), STATUS_OK);
		}
		for (int i = 0; i < published; i++)
			table_publish(table, zone, row[i]);
		for (int i = 3; i >= published; i--)
			draft_discard(row[i]);
	}
	assert_int_equal(table_remove(table, zone), STATUS_OK);
	table_free(table);
}

static void
an_rrset_takes_65535_records_and_no_more(void **state)
{
	enum { MOST = 65535 };
	struct draft draft;
	uint8_t *packed = malloc(MOST * 6);
	struct rrset rrset = {.type = TYPE_A, .count = MOST, .packed = packed, .packed_size = MOST * 6};

	(void)state;
	assert_int_equal(name_from_text("example.test.", 13, NULL, apex), STATUS_OK);
	for (unsigned i = 0; i < MOST; i++)
		memcpy(packed + i * 6, (uint8_t[]){4, 0, 10, (uint8_t)i, (uint8_t)(i >> 8), 1}, 6);
	assert_int_equal(draft_begin(&draft, NULL, apex), STATUS_OK);
	assert_int_equal(draft_set(&draft, apex, &rrset), STATUS_OK);
	assert_int_equal(draft.version->records, MOST);
	assert_int_equal(draft_add(&draft, apex, TYPE_A, 0, (const uint8_t[]){10, 0, 0, 2}, 4), STATUS_LIMIT);
	assert_int_equal(draft_add(&draft, apex, TYPE_A, 0, (const uint8_t[]){10, 0, 0, 1}, 4), STATUS_EXISTS);
	draft_drop(&draft);
	free(packed);
}

static void
equal_names_in_rdata_are_one_record_whatever_their_case(void **state)
{
	struct draft draft;

	(void)state;
	assert_int_equal(name_from_text("example.test.", 13, NULL, apex), STATUS_OK);
	assert_int_equal(draft_begin(&draft, NULL, apex), STATUS_OK);
	add_text(&draft, "@", TYPE_NS, (const uint8_t *)"\2nS", 4);
	assert_int_equal(draft_add(&draft, apex, TYPE_NS, 300, (const uint8_t *)"\2Ns", 4), STATUS_EXISTS);
	assert_int_equal(draft_delete(&draft, apex, TYPE_NS, (const uint8_t *)"\2NS", 4), STATUS_OK);
	assert_int_equal(draft.version->tree.count, 0);
	assert_null(draft.version->apex_node);
	draft_drop(&draft);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_edits_agree_with_a_model_and_pinned_versions_do_not_change),
		cmocka_unit_test(a_draft_that_is_filled_at_once_is_as_one_that_was_edited),
		cmocka_unit_test(finish_writes_the_serial_into_the_soa_and_leaves_the_base_alone),
		cmocka_unit_test(a_row_of_unpublished_versions_is_published_in_order_or_discarded_newest_first),
		cmocka_unit_test(an_rrset_takes_65535_records_and_no_more),
		cmocka_unit_test(equal_names_in_rdata_are_one_record_whatever_their_case),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
