/* base/rcu: a pointer is replaced and freed while others read it. For the address and thread sanitizers above all. */
#include "base/rcu.h"
#include "base/status.h"
#include "tests/unit/cmocka.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#define FRESH 12345

static _Atomic(int *) current;
static atomic_bool stopping;

static int *
fresh(void)
{
	int *value = malloc(sizeof *value);
	assert_non_null(value);
	*value = FRESH;
	return value;
}

static void *
read_often(void *argument)
{
	uintptr_t wrong = 0;

	(void)argument;
	rcu_register_thread();
	for (int i = 0; !atomic_load(&stopping); i++) {
		wrong += *atomic_load_explicit(&current, memory_order_acquire) != FRESH;
		rcu_quiescent_state();
		if (i % 100 == 0) {
			rcu_thread_offline();
			rcu_thread_online();
		}
	}
	rcu_unregister_thread();
	return (void *)wrong;
}

static void
what_is_freed_after_a_grace_period_is_read_by_nobody(void **state)
{
	pthread_t threads[3];

	(void)state;
	atomic_store(&current, fresh());
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_often, NULL), 0);
	for (int i = 0; i < 300; i++) {
		int *old = atomic_exchange(&current, fresh());
		synchronize_rcu();
		*old = 0;
		free(old);
	}
	atomic_store(&stopping, true);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
		void *wrong;
		pthread_join(threads[i], &wrong);
		assert_null(wrong);
	}
	free(atomic_load(&current));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_freed_after_a_grace_period_is_read_by_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
