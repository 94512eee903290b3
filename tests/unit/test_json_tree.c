/* base/json_tree.c; fuzz_json_tree.c compares it with jansson. */
#include "base/json_tree.h"
#include "cmocka.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct arena arena;
static char text[1 << 16];
static const char *reason;

static enum status
read_bytes(const char *bytes, size_t size, const struct json_node **root)
{
	assert_true(size <= sizeof text);
	memcpy(text, bytes, size);
	arena_free(&arena);
	arena_init(&arena, JSON_TREE_ARENA(size));
	reason = NULL;
	return json_tree_read(text, size, &arena, root, &reason);
}

static const struct json_node *
good(const char *json)
{
	const struct json_node *root = NULL;

	assert_int_equal(read_bytes(json, strlen(json), &root), STATUS_OK);
	return root;
}

/* RFC 8259 section 13, the first example. */
static void
the_example_of_rfc_8259_is_read(void **state)
{
	const struct json_node *root =
		good("{\n \"Image\": {\n \"Width\": 800,\n \"Height\": 600,\n \"Title\": \"View from 15th Floor\",\n"
		     " \"Thumbnail\": {\n \"Url\": \"http://www.example.com/image/481989943\",\n \"Height\": 125,\n"
		     " \"Width\": 100\n },\n \"Animated\" : false,\n \"IDs\": [116, 943, 234, 38793]\n }\n}");
	const struct json_node *image = json_tree_get(root, "Image"), *ids = json_tree_get(image, "IDs");

	(void)state;
	assert_int_equal(json_tree_get(image, "Width")->integer, 800);
	assert_string_equal(json_tree_text(json_tree_get(image, "Title")), "View from 15th Floor");
	assert_int_equal(json_tree_get(json_tree_get(image, "Thumbnail"), "Height")->integer, 125);
	assert_int_equal(json_tree_get(image, "Animated")->kind, JSON_KIND_FALSE);
	assert_int_equal(json_tree_count(ids), 4);
	assert_int_equal(json_tree_first(ids)->next->next->next->integer, 38793);
	assert_null(json_tree_get(image, "Heigh"));
	assert_null(json_tree_get(json_tree_get(image, "Title"), "Url"));
	assert_null(json_tree_text(ids));
	assert_int_equal(json_tree_count(NULL), 0);
}

/* RFC 8259 section 7: the G clef is "\uD834\uDD1E"; its UTF-8 is F0 9D 84 9E (RFC 3629 section 7 has the like). */
static void
escapes_become_what_they_stand_for(void **state)
{
	const struct json_node *root =
		good("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\", \"a\\u0041\\u00e9\\u20AC\\uD834\\uDD1Ez\", \"\\u005C\", \"\"]");
	const struct json_node *each = root->first;

	(void)state;
	assert_string_equal(each->text, "\"\\/\b\f\n\r\t");
	assert_int_equal(each->size, 8);
	assert_string_equal(each->next->text, "aA\xc3\xa9\xe2\x82\xac\xf0\x9d\x84\x9ez");
	assert_string_equal(each->next->next->text, "\\");
	assert_int_equal(each->next->next->next->size, 0);
}

static void
integers_are_kept_as_far_as_they_go(void **state)
{
	const struct json_node *each =
		good("[9223372036854775807,-9223372036854775808,9223372036854775808,-9223372036854775809,"
		     "-0,1.5,1e3,1E-3,0.0,-12]")
			->first;
	static const enum json_kind kinds[] = {
		JSON_KIND_INTEGER, JSON_KIND_INTEGER, JSON_KIND_NUMBER, JSON_KIND_NUMBER, JSON_KIND_INTEGER,
		JSON_KIND_NUMBER,  JSON_KIND_NUMBER,  JSON_KIND_NUMBER, JSON_KIND_NUMBER, JSON_KIND_INTEGER,
	};

	(void)state;
	assert_true(each->integer == INT64_MAX && each->next->integer == INT64_MIN);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++, each = each->next) {
		assert_int_equal(each->kind, kinds[i]);
		if (i == 9)
			assert_int_equal(each->integer, -12);
	}
	assert_null(each);
}

static void
what_is_no_json_is_refused_with_a_reason(void **state)
{
	static const char *const wrong[] = {
		"",
		" ",
		"{",
		"[",
		"[1",
		"[1,",
		"[1,]",
		"[,1]",
		"{\"a\"}",
		"{\"a\":}",
		"{\"a\":1,}",
		"{a:1}",
		"{1:1}",
		"{'a':1}",
		"[1 2]",
		"[1]]",
		"[1]x",
		"nul",
		"True",
		"[NaN]",
		"[Infinity]",
		"01",
		"-",
		"-01",
		"+1",
		".5",
		"1.",
		"1.e1",
		"1e",
		"1e+",
		"0x1",
		"\"",
		"\"a",
		"\"\\\"",
		"\"\\x41\"",
		"\"\\u00\"",
		"\"\\u00g0\"",
		"\"\\u0000\"",
		"\"\\ud800\"",
		"\"\\ud800x\"",
		"\"\\ud800\\u0041\"",
		"\"\\udc00\"",
		"\"\t\"",
		"\"\n\"",
		"\"\xff\"",
		"\"\xc3\"",
		"\"\xc0\xaf\"",
		"\"\xed\xa0\x80\"",
		"\"\xf4\x90\x80\x80\"",
		"\"\xf0\x82\x82\xac\"",
		"{\"a\":1,\"a\":2}",
		"{\"a\":1,\"\\u0061\":2}",
		"[1]\f",
		"\xef\xbb\xbf{}",
		"//\n1",
	};
	const struct json_node *root;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		if (read_bytes(wrong[i], strlen(wrong[i]), &root) != STATUS_MALFORMED || !reason)
			fail_msg("taken: %s", wrong[i]);
	}
	assert_int_equal(read_bytes("1\0", 2, &root), STATUS_MALFORMED);
	assert_int_equal(read_bytes("\"a\0b\"", 5, &root), STATUS_MALFORMED);
}

static void
a_member_that_comes_twice_is_found_among_many(void **state)
{
	static char json[1 << 16];
	const struct json_node *root;

	(void)state;
	for (unsigned count = 20; count < 30; count++)
		for (unsigned again = 0; again <= count; again++) {
			size_t size = (size_t)sprintf(json, "{");
			for (unsigned i = 0; i < count; i++)
				size += (size_t)sprintf(json + size, "\"k%u\":%u,", i, i);
			sprintf(json + size, "\"k%u\":0}", again);
			enum status status = read_bytes(json, strlen(json), &root);
			assert_int_equal(status, again == count ? STATUS_OK : STATUS_MALFORMED);
		}
	assert_int_equal(json_tree_get(root, "k17")->integer, 17);
}

static void
depth_is_bounded(void **state)
{
	static char deep[2 * (JSON_TREE_DEPTH + 1)];
	const struct json_node *root;

	(void)state;
	memset(deep, '[', sizeof deep / 2);
	memset(deep + sizeof deep / 2, ']', sizeof deep / 2);
	assert_int_equal(read_bytes(deep + 1, sizeof deep - 2, &root), STATUS_OK);
	assert_int_equal(read_bytes(deep, sizeof deep, &root), STATUS_MALFORMED);
	assert_int_equal(read_bytes(deep, sizeof deep / 2, &root), STATUS_MALFORMED);
}

/* The most nodes for an octet are in a list of digits. */
static void
the_arena_takes_any_text_of_its_size(void **state)
{
	static char digits[60001];
	const struct json_node *root;

	(void)state;
	memset(digits, ',', sizeof digits);
	for (size_t i = 1; i < sizeof digits; i += 2)
		digits[i] = '7';
	digits[0] = '[';
	digits[sizeof digits - 1] = ']';
	assert_int_equal(read_bytes(digits, sizeof digits, &root), STATUS_OK);
	assert_int_equal(root->count, sizeof digits / 2);
	struct arena small;
	arena_init(&small, 1000);
	memcpy(text, digits, sizeof digits);
	assert_int_equal(json_tree_read(text, sizeof digits, &small, &root, &reason), STATUS_LIMIT);
	arena_free(&small);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_of_rfc_8259_is_read),
		cmocka_unit_test(escapes_become_what_they_stand_for),
		cmocka_unit_test(integers_are_kept_as_far_as_they_go),
		cmocka_unit_test(what_is_no_json_is_refused_with_a_reason),
		cmocka_unit_test(a_member_that_comes_twice_is_found_among_many),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(the_arena_takes_any_text_of_its_size),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_free(&arena);
	return failed;
}
