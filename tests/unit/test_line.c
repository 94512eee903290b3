/* update/line.c, against a model that knows only the rule. */
#include "tests/unit/cmocka.h"
#include "update/line.h"

#define MEMBERS 60
#define NAMES 12

struct model {
	struct line_member member; /* first */
	struct line_claim claims[3];
	bool in, going;
	unsigned long arrival;
};

/* It may go: nobody before it shares a name with it, or is of the whole zone, or it is itself. */
static bool
may_go(const struct model *all, const struct model *one)
{
	for (size_t i = 0; i < MEMBERS; i++) {
		const struct model *other = &all[i];
		if (!other->in || other->arrival >= one->arrival)
			continue;
		if (other->member.all || one->member.all)
			return false;
		for (size_t a = 0; a < other->member.claim_count; a++)
			for (size_t b = 0; b < one->member.claim_count; b++)
				if (other->claims[a].hash == one->claims[b].hash)
					return false;
	}
	return true;
}

static void
check(const struct model *all)
{
	for (size_t i = 0; i < MEMBERS; i++)
		if (all[i].in)
			assert_int_equal(all[i].going, may_go(all, &all[i]));
}

static void
whoever_may_go_goes_and_nobody_else(void **state)
{
	static struct model all[MEMBERS];
	struct line line;
	unsigned long clock = 0;

	(void)state;
	srandom(1);
	assert_int_equal(line_init(&line), STATUS_OK);
	for (unsigned round = 0; round < 200000; round++) {
		struct model *one = &all[random() % MEMBERS];
		if (!one->in) {
			*one = (struct model){.in = true, .arrival = ++clock};
			one->member.claims = one->claims;
			one->member.all = random() % 20 == 0;
			uint64_t first = (uint64_t)random() % NAMES;
			one->member.claim_count = one->member.all ? 0 : (size_t)random() % 4;
			for (size_t i = 0; i < one->member.claim_count; i++)
				one->claims[i].hash = (first + i) % NAMES * 64; /* all in one bucket at first */
			one->going = line_join(&line, &one->member);
		} else if (one->going || random() % 4 == 0) { /* done, or out of time */
			one->in = one->going = false;
			struct line_member *ready = line_leave(&line, &one->member);
			for (; ready; ready = ready->next) {
				assert_false(((struct model *)ready)->going);
				((struct model *)ready)->going = true;
			}
		}
		check(all);
	}
	for (size_t i = 0; i < MEMBERS; i++)
		if (all[i].in)
			line_leave(&line, &all[i].member);
	line_free(&line);
}

static void
many_names_make_the_table_grow(void **state)
{
	static struct model all[3000];
	struct line line;

	(void)state;
	assert_int_equal(line_init(&line), STATUS_OK);
	for (size_t i = 0; i < 3000; i++) {
		all[i].member.claims = all[i].claims;
		all[i].member.claim_count = 1;
		all[i].claims[0].hash = i / 2 * 0x9e3779b97f4a7c15u;
		assert_int_equal(line_join(&line, &all[i].member), i % 2 == 0);
	}
	for (size_t i = 0; i < 3000; i++)
		assert_ptr_equal(line_leave(&line, &all[i].member), i % 2 == 0 ? &all[i + 1].member : NULL);
	line_free(&line);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whoever_may_go_goes_and_nobody_else),
		cmocka_unit_test(many_names_make_the_table_grow),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
