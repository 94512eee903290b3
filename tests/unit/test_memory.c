/* store/memory.c: the suite of all stores. */
#include "tests/store/suite.h"
#include "store/memory.h"

static struct store *
open_memory(void *context, bool fresh)
{
	(void)context, (void)fresh;
	return memory_open("memory");
}

int
main(void)
{
	return suite_run("memory", &(struct suite_store){.open = open_memory});
}
