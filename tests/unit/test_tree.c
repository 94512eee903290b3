/* zone/tree, with hashes that collide at any depth; it is compiled in here to choose them. */
#include "tests/unit/cmocka.h"
#include <stddef.h>
#include <stdint.h>

static uint64_t test_hash(const uint8_t *name, size_t size);
#define TREE_HASH(name, size) test_hash(name, size)
#include "zone/tree.c"
#undef TREE_HASH

#define NAMES 200

static uint64_t seed = 7;
static uint64_t (*hash_of_index)(unsigned index);

static uint32_t
below(uint32_t bound)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((seed >> 33) % bound);
}

/* Names are one label of two octets: the index. */
static uint64_t
test_hash(const uint8_t *name, size_t size)
{
	return size == 3 ? hash_of_index((unsigned)(name[1] << 8 | name[2])) : 0;
}

static void
make_name(unsigned i, uint8_t *name)
{
	name[0] = 2;
	name[1] = (uint8_t)(i >> 8);
	name[2] = (uint8_t)i;
}

static struct node *
make_node(unsigned i, uint32_t children)
{
	uint8_t name[3];

	make_name(i, name);
	struct node *node = node_new(name, 3);
	assert_non_null(node);
	node->children = children;
	return node;
}

static uint64_t spread(unsigned i) { return i * UINT64_C(0x9e3779b97f4a7c15); }
static uint64_t same_for_four(unsigned i) { return (i / 4) * UINT64_C(0x9e3779b97f4a7c15); }
static uint64_t last_bits_only(unsigned i) { return (uint64_t)(i % 16) << 60; }
static uint64_t first_level_full(unsigned i) { return i % 64; }
static uint64_t deep(unsigned i) { return (uint64_t)i << 30; }

/* children + 1 of the node at each name; 0: none */
struct model { uint32_t value[NAMES]; };

struct seen {
	const struct model *old_model, *new_model;
	uint8_t met[NAMES];
};

static unsigned
index_of_node(const struct node *node)
{
	return (unsigned)(node->data[1] << 8 | node->data[2]);
}

static bool
each_seen(void *context, const struct node *node)
{
	struct seen *seen = context;

	assert_int_equal(seen->met[index_of_node(node)]++, 0);
	return true;
}

static bool
each_diff(void *context, const struct node *old_node, const struct node *new_node)
{
	struct seen *seen = context;
	unsigned i = index_of_node(old_node ? old_node : new_node);

	assert_ptr_not_equal(old_node, new_node);
	assert_int_equal(old_node ? old_node->children + 1 : 0, seen->old_model->value[i]);
	assert_int_equal(new_node ? new_node->children + 1 : 0, seen->new_model->value[i]);
	assert_int_equal(seen->met[i]++, 0);
	return true;
}

static void
check_tree(const struct tree *tree, const struct model *model)
{
	struct seen seen = {0}, walked = {0};
	struct tree_walk walk = {0};
	const struct node *node;
	unsigned count = 0;

	assert_true(tree_each(tree, each_seen, &seen));
	while ((node = tree_next(tree, &walk)) != NULL)
		each_seen(&walked, node);
	for (unsigned i = 0; i < NAMES; i++) {
		uint8_t name[3];
		make_name(i, name);
		tree_prefetch(tree, test_hash(name, 3));
		node = tree_named(tree_leaf(tree, test_hash(name, 3)), name, 3);
		assert_ptr_equal(tree_find_name(tree, name, 3), node);
		assert_int_equal(node ? node->children + 1 : 0, model->value[i]);
		assert_int_equal(seen.met[i], model->value[i] != 0);
		assert_int_equal(walked.met[i], model->value[i] != 0);
		count += model->value[i] != 0;
	}
	assert_int_equal(tree->count, count);
}

static void
check_diff(const struct tree *before, const struct model *old_model, const struct tree *after,
	   const struct model *new_model)
{
	struct seen seen = {.old_model = old_model, .new_model = new_model},
		    back = {.old_model = new_model, .new_model = old_model};

	assert_true(tree_diff(before, after, each_diff, &seen));
	assert_true(tree_diff(after, before, each_diff, &back));
	assert_memory_equal(seen.met, back.met, sizeof seen.met);
	for (unsigned i = 0; i < NAMES; i++)
		if (old_model->value[i] != new_model->value[i])
			assert_int_equal(seen.met[i], 1);
}

static void
random_edit(struct tree_edit *edit, struct tree *tree, struct model *model, unsigned most)
{
	unsigned i = below(most);
	uint8_t name[3];
	make_name(i, name);
	uint64_t hash = test_hash(name, 3);

	switch (below(5)) {
	case 0:
	case 1:
		model->value[i] = 1 + below(1000);
		assert_int_equal(tree_put(edit, tree, make_node(i, model->value[i] - 1), hash), STATUS_OK);
		break;
	case 2:
		if (!model->value[i])
			break;
		struct node *node = tree_modify(edit, tree, name, 3, hash);
		assert_non_null(node);
		node->children = model->value[i]++;
		break;
	default:
		assert_int_equal(tree_remove(edit, tree, name, 3, hash),
				 model->value[i] ? STATUS_OK : STATUS_NOT_FOUND);
		model->value[i] = 0;
	}
}

static void
run_random(uint64_t (*hash)(unsigned), unsigned most)
{
	struct tree tree = {0};
	static struct model model, next;

	hash_of_index = hash;
	memset(&model, 0, sizeof model);
	for (int round = 0; round < 1500; round++) {
		struct tree_edit edit = {0};
		struct tree draft = tree_share(&tree);
		next = model;
		/* Now and then many edits, so that the tree grows to its full size and shrinks to nothing. */
		for (unsigned i = below(50) == 0 ? 500 : below(6); i > 0; i--)
			random_edit(&edit, &draft, &next, most);
		if (round % 8 == 0) {
			check_tree(&tree, &model);
			check_tree(&draft, &next);
			check_diff(&tree, &model, &draft, &next);
		}
		if (below(3) == 0) {
			tree_free_new(&draft);
		} else {
			for (size_t i = 0; i < edit.garbage_count; i++)
				free(edit.garbage[i]);
			tree = draft;
			model = next;
		}
		free(edit.garbage);
	}
	check_tree(&tree, &model);
	/* One shape for one content: emptied, nothing is left. */
	struct tree_edit edit = {0};
	tree = tree_share(&tree);
	for (unsigned i = 0; i < most; i++) {
		uint8_t name[3];
		make_name(i, name);
		assert_int_equal(tree_remove(&edit, &tree, name, 3, test_hash(name, 3)),
				 model.value[i] ? STATUS_OK : STATUS_NOT_FOUND);
	}
	assert_int_equal(tree.root, 0);
	for (size_t i = 0; i < edit.garbage_count; i++)
		free(edit.garbage[i]);
	free(edit.garbage);
}

static void edits_agree_with_a_model_where_hashes_spread(void **state) { (void)state; run_random(spread, NAMES); }
static void
edits_agree_where_four_names_share_each_hash(void **state)
{
	(void)state;
	run_random(same_for_four, NAMES);
}
static void
edits_agree_where_only_the_last_four_bits_differ(void **state)
{
	(void)state;
	run_random(last_bits_only, NAMES);
}
static void
edits_agree_where_names_collide_in_a_full_branch(void **state)
{
	(void)state;
	run_random(first_level_full, NAMES);
}
static void edits_agree_where_hashes_differ_only_far_down(void **state) { (void)state; run_random(deep, NAMES); }

static uint64_t all_same(unsigned i) { return i * 0; }
static void edits_agree_where_all_names_have_one_hash(void **state) { (void)state; run_random(all_same, 64); }

static void
a_sixty_fifth_name_of_one_hash_is_refused_and_nothing_changes(void **state)
{
	struct tree_edit edit = {0};
	struct tree tree = {0};
	static struct model model;

	(void)state;
	hash_of_index = all_same;
	for (unsigned i = 0; i < 64; i++) {
		assert_int_equal(tree_put(&edit, &tree, make_node(i, i), 0), STATUS_OK);
		model.value[i] = i + 1;
	}
	assert_int_equal(tree_put(&edit, &tree, make_node(64, 1), 0), STATUS_LIMIT);
	check_tree(&tree, &model);
	assert_int_equal(tree_put(&edit, &tree, make_node(63, 5), 0), STATUS_OK);
	tree_free(&tree);
	free(edit.garbage);
}

/* Of what two trees hold, and how; lists have no order. */
static void
check_same_shape(uintptr_t a, uintptr_t b)
{
	assert_int_equal(a & TAGS, b & TAGS);
	if (!is_inner(a)) {
		assert_int_equal(index_of_node(at_of(a)), index_of_node(at_of(b)));
		return;
	}
	const struct tree_branch *x = at_of(a), *y = at_of(b);
	assert_int_equal(x->map, y->map);
	for (unsigned i = 0; i < count_of(x) && !(a & TAG_LIST); i++)
		check_same_shape(x->slot[i], y->slot[i]);
}

static void
check_build(uint64_t (*hash)(unsigned), unsigned most)
{
	static struct model model;

	hash_of_index = hash;
	memset(&model, 0, sizeof model);
	for (unsigned count = 1; count <= most; count++) {
		struct tree put = {0}, built = {0};
		struct tree_edit edit = {0};
		struct tree_item items[NAMES];
		for (unsigned i = 0; i < count; i++) {
			items[i] = (struct tree_item){hash(i), make_node(i, i)};
			assert_int_equal(tree_put(&edit, &put, make_node(i, i), hash(i)), STATUS_OK);
			model.value[i] = i + 1;
		}
		assert_int_equal(tree_build(&built, items, count), STATUS_OK);
		check_tree(&built, &model);
		check_same_shape(put.root, built.root);
		tree_free(&put);
		tree_free_new(&built); /* all of it is the edit's own */
		free(edit.garbage);
	}
}

static void
a_tree_that_is_built_at_once_is_that_of_single_edits(void **state)
{
	(void)state;
	check_build(spread, NAMES);
	check_build(same_for_four, NAMES);
	check_build(last_bits_only, NAMES);
	check_build(first_level_full, NAMES);
	check_build(deep, NAMES);
	check_build(all_same, 64);
}

static void
sixty_five_names_of_one_hash_are_not_built(void **state)
{
	struct tree tree = {0};
	struct tree_item items[66];

	(void)state;
	for (unsigned i = 0; i < 66; i++)
		items[i] = (struct tree_item){i == 7 ? 5 : 0, make_node(i, i)};
	assert_int_equal(tree_build(&tree, items, 66), STATUS_LIMIT);
	assert_int_equal(tree.root, 0);
	assert_int_equal(tree.count, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edits_agree_with_a_model_where_hashes_spread),
		cmocka_unit_test(edits_agree_where_four_names_share_each_hash),
		cmocka_unit_test(edits_agree_where_only_the_last_four_bits_differ),
		cmocka_unit_test(edits_agree_where_names_collide_in_a_full_branch),
		cmocka_unit_test(edits_agree_where_hashes_differ_only_far_down),
		cmocka_unit_test(edits_agree_where_all_names_have_one_hash),
		cmocka_unit_test(a_sixty_fifth_name_of_one_hash_is_refused_and_nothing_changes),
		cmocka_unit_test(a_tree_that_is_built_at_once_is_that_of_single_edits),
		cmocka_unit_test(sixty_five_names_of_one_hash_are_not_built),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
