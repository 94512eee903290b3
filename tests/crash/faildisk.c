/*
 * Loaded before libc (LD_PRELOAD), makes the disk fail while the file that FAILDISK names exists: each fdatasync, and
 * each write of less than a page at a place (LMDB's meta page) if that file is not empty.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096

/* -1: the disk is well. */
static off_t
failing(void)
{
	const char *path = getenv("FAILDISK");
	struct stat st;

	return path != NULL && stat(path, &st) == 0 ? st.st_size : -1;
}

int
fdatasync(int fd)
{
	static int (*real)(int);

	if (real == NULL)
		real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
	if (failing() != 0)
		return real(fd);
	errno = EIO;
	return -1;
}

ssize_t
pwrite(int fd, const void *bytes, size_t size, off_t at)
{
	static ssize_t (*real)(int, const void *, size_t, off_t);

	if (real == NULL)
		real = (ssize_t (*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite");
	if (size >= PAGE || failing() <= 0)
		return real(fd, bytes, size, at);
	errno = EIO;
	return -1;
}
